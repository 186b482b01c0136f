-- A new secret beside the one that works, until it has signed somebody in. Sealed as the other is, so that it can take its place as it stands.
ALTER TABLE organization ADD COLUMN credential_next TEXT;
ALTER TABLE organization ADD COLUMN credential_next_since BIGINT;
ALTER TABLE organization ADD COLUMN credential_next_by TEXT;
ALTER TABLE organization ADD COLUMN credential_next_ends BIGINT;
-- What Entra last said against it, such as AADSTS7000215.
ALTER TABLE organization ADD COLUMN credential_next_refused TEXT;

-- Who signed in lately, and who was refused why; old rows are taken out. Neither addresses nor tokens.
CREATE TABLE sign_in (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    organization TEXT NOT NULL REFERENCES organization (id),
    person TEXT,
    -- What the person is called, by us or by Entra.
    name TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('signed_in', 'refused')),
    -- Of a refusal: a code of Entra's or a word of ours.
    reason TEXT,
    -- Finds the line in the log.
    reference TEXT NOT NULL
);
CREATE INDEX sign_in_page ON sign_in (organization, id);
CREATE INDEX sign_in_kept ON sign_in (organization, outcome, id);
CREATE INDEX sign_in_at ON sign_in (at);

-- The history of an organization, page by page.
CREATE INDEX audit_page ON audit (organization, at, id);
