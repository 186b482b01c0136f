-- One text for SQLite and PostgreSQL: types are TEXT and BIGINT alone. Times are seconds since 1970.
CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    provider TEXT NOT NULL CHECK (provider IN ('azure-ad')),
    tenant TEXT,
    client_id TEXT,
    -- Sealed under [session] secrets, bound to the id.
    credential TEXT,
    default_role TEXT NOT NULL,
    -- Nothing: as [directory] says.
    first_sign_in TEXT CHECK (first_sign_in IN ('create', 'refuse')),
    guests BIGINT NOT NULL CHECK (guests IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('draft', 'on', 'off')),
    -- Where it is written: here, or in the configuration.
    source TEXT NOT NULL CHECK (source IN ('database', 'file')),
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    changed_by TEXT NOT NULL
);

-- Every code that leads to an organization: its own (without an end), and those it had before.
CREATE TABLE organization_code (
    code TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    ends BIGINT
);
CREATE UNIQUE INDEX organization_code_current ON organization_code (organization) WHERE ends IS NULL;

CREATE TABLE organization_domain (
    domain TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id)
);

CREATE TABLE person (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    username TEXT NOT NULL UNIQUE,
    name TEXT,
    email TEXT,
    role TEXT NOT NULL,
    role_source TEXT NOT NULL CHECK (role_source IN ('default', 'hand', 'entra')),
    state TEXT NOT NULL CHECK (state IN ('on', 'off')),
    tid TEXT,
    oid TEXT,
    created BIGINT NOT NULL,
    last_sign_in BIGINT,
    CHECK ((tid IS NULL) = (oid IS NULL)),
    UNIQUE (organization, tid, oid)
);
CREATE INDEX person_email ON person (organization, email);
-- Page by page.
CREATE INDEX person_page ON person (organization, username);

-- Append only: nothing changes a row, and nothing takes one out.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    organization TEXT,
    person TEXT,
    what TEXT NOT NULL
);
CREATE INDEX audit_organization ON audit (organization, at);
