-- How a domain is known: bound by the operator, or proven by the organization.
ALTER TABLE organization_domain ADD COLUMN proof TEXT NOT NULL DEFAULT 'operator' CHECK (proof IN ('operator', 'tenant', 'dns'));
-- Since when, if it was proven.
ALTER TABLE organization_domain ADD COLUMN proven BIGINT;
CREATE INDEX organization_domain_page ON organization_domain (organization, domain);

-- Domains that an organization says it has. They reserve nothing: another one can prove the same domain.
CREATE TABLE domain_claim (
    organization TEXT NOT NULL REFERENCES organization (id),
    domain TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- Until when it can be proven.
    ends BIGINT NOT NULL,
    PRIMARY KEY (organization, domain)
);
-- What the organization's TXT records must say; published, so no secret.
ALTER TABLE organization ADD COLUMN domain_challenge TEXT;
-- When a domain was last looked up for the organization.
ALTER TABLE organization ADD COLUMN domain_checked BIGINT;
-- The connection with which a member of its tenant, not a guest, last passed a test sign-in.
ALTER TABLE organization ADD COLUMN member_tenant TEXT;
ALTER TABLE organization ADD COLUMN member_client TEXT;
