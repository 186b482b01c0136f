-- The account that was linked before the link was removed: it is never linked again by itself.
ALTER TABLE person ADD COLUMN former_tid TEXT;
ALTER TABLE person ADD COLUMN former_oid TEXT;
CREATE INDEX person_former ON person (organization, former_oid);
-- People who were added beforehand.
CREATE INDEX person_unlinked ON person (organization) WHERE oid IS NULL;

-- Since when nobody is linked without an approval, because a set-up link led to another tenant.
ALTER TABLE organization ADD COLUMN linking_paused BIGINT;
-- When a token first had the claims that link people.
ALTER TABLE organization ADD COLUMN upn_seen BIGINT;
-- Who set the tenant.
ALTER TABLE organization ADD COLUMN tenant_by TEXT;

-- Accounts that ask to sign in as a person who was added beforehand.
CREATE TABLE link_request (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    person TEXT NOT NULL REFERENCES person (id),
    tid TEXT NOT NULL,
    oid TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'linked', 'separate', 'denied')),
    at BIGINT NOT NULL,
    -- Until when it waits.
    ends BIGINT NOT NULL,
    -- Why nobody was linked by itself.
    reason TEXT NOT NULL,
    -- What Entra says about the account, for the person who decides.
    name TEXT,
    upn TEXT,
    email TEXT,
    guest BIGINT NOT NULL,
    -- What was typed on the sign-in page.
    typed TEXT,
    decided BIGINT,
    decided_by TEXT
);
CREATE UNIQUE INDEX link_request_waiting ON link_request (organization, tid, oid) WHERE state = 'waiting';
CREATE INDEX link_request_account ON link_request (organization, oid);
CREATE INDEX link_request_person ON link_request (person);

-- People who were created at their first sign-in and look like one who was added beforehand.
CREATE TABLE possible_merge (
    organization TEXT NOT NULL REFERENCES organization (id),
    -- Added beforehand, and never linked.
    person TEXT NOT NULL REFERENCES person (id),
    created_person TEXT NOT NULL REFERENCES person (id),
    at BIGINT NOT NULL,
    PRIMARY KEY (person, created_person)
);
CREATE INDEX possible_merge_page ON possible_merge (organization, at);
CREATE INDEX possible_merge_created ON possible_merge (created_person);
