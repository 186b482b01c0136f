-- Deletions find the changes that concern a person.
CREATE INDEX audit_person ON audit (person);
-- The sign-in name that the list of recent sign-ins shows, to find it there when the person is deleted.
ALTER TABLE link_request ADD COLUMN sign_in_name TEXT;
-- A test is remembered only for a link with a role that is still to be taken.
UPDATE invitation SET trial_tid = NULL, trial_oid = NULL, trial_upn = NULL, trial_name = NULL, trial_sign_in_name = NULL, trial_mark = NULL
WHERE role IS NULL OR role_used IS NOT NULL OR ended IS NOT NULL;
-- People who are linked by now are not merged with a person of another account.
DELETE FROM possible_merge WHERE person IN (SELECT id FROM person WHERE oid IS NOT NULL);
