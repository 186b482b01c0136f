-- Which version of the folding the stored usernames and e-mail addresses have: there is at most one row.
CREATE TABLE stored_forms (
    id TEXT PRIMARY KEY CHECK (id = 'the forms'),
    version BIGINT NOT NULL,
    -- How many stay in an earlier form, because the new one would be somebody else's.
    unfolded BIGINT NOT NULL
);
