-- The key of the digests below, sealed under [session] secrets: there is at most one.
CREATE TABLE erasure_key (
    id TEXT PRIMARY KEY CHECK (id = 'the key'),
    sealed TEXT NOT NULL
);
-- Accounts of people who were deleted, as keyed digests.
CREATE TABLE erased_account (
    organization TEXT NOT NULL REFERENCES organization (id),
    account TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- Whether the person was switched off: the account stays refused.
    refused BIGINT NOT NULL CHECK (refused IN (0, 1)),
    PRIMARY KEY (organization, account)
);
-- Codes of organizations that were deleted: devices remember a code for a year.
CREATE TABLE retired_code (
    code TEXT PRIMARY KEY,
    ends BIGINT NOT NULL
);
