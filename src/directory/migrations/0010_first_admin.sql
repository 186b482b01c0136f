-- The role that the holder of a link may take, once, with the account that passed a test.
ALTER TABLE invitation ADD COLUMN role TEXT;
ALTER TABLE invitation ADD COLUMN role_used BIGINT;
-- The member of the tenant who passed the last test of this visit, and the connection that was tested.
ALTER TABLE invitation ADD COLUMN trial_tid TEXT;
ALTER TABLE invitation ADD COLUMN trial_oid TEXT;
ALTER TABLE invitation ADD COLUMN trial_upn TEXT;
ALTER TABLE invitation ADD COLUMN trial_name TEXT;
ALTER TABLE invitation ADD COLUMN trial_sign_in_name TEXT;
ALTER TABLE invitation ADD COLUMN trial_mark TEXT;
