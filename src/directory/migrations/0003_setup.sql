-- When the client secret ends, as its admin said.
ALTER TABLE organization ADD COLUMN credential_ends BIGINT;
-- When a sign-in with this very connection was tried and did well, and a digest of the connection.
ALTER TABLE organization ADD COLUMN tested BIGINT;
ALTER TABLE organization ADD COLUMN tested_what TEXT;

-- Links by which an operator lets somebody set an organization up. Rows are never taken out: visits are bound to them.
CREATE TABLE invitation (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    -- SHA-256 of the token, which is kept nowhere.
    token TEXT NOT NULL UNIQUE,
    made BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    -- Until when it may be used.
    ends BIGINT NOT NULL,
    used BIGINT,
    -- When it was taken back: by another link, or with the organization.
    ended BIGINT
);
CREATE INDEX invitation_organization ON invitation (organization);
