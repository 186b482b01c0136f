-- Sign-ins of the app's own clients: one of one person on one client, and all its refresh tokens. Codes and tokens are kept as digests only.
CREATE TABLE family (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    scope TEXT,
    person TEXT NOT NULL REFERENCES person (id),
    organization TEXT NOT NULL REFERENCES organization (id),
    code TEXT NOT NULL UNIQUE,
    code_ends BIGINT NOT NULL,
    code_used BIGINT,
    -- Goes into every refresh token, which is derived and kept nowhere.
    salt TEXT NOT NULL,
    generation BIGINT NOT NULL,
    token TEXT,
    previous TEXT,
    rotated BIGINT,
    made BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    -- Of one whose code nobody redeems, soon.
    ends BIGINT NOT NULL,
    lifetime BIGINT NOT NULL,
    ended BIGINT,
    why TEXT,
    -- Who it is, and by what Entra is asked: sealed, and bound to the row.
    identity TEXT NOT NULL,
    entra_grant TEXT,
    answered BIGINT NOT NULL,
    -- Until when one process asks Entra, and no other.
    asking BIGINT NOT NULL
);
CREATE INDEX family_person ON family (person);
CREATE INDEX family_organization ON family (organization);
CREATE INDEX family_ends ON family (ends);
