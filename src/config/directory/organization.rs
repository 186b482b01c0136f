//! `[[organization]]`: a company with its own tenant.

use super::super::address::is_domain;
use super::super::credential;
use super::super::entra;
use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue};
use super::first_sign_in::{FIRST_SIGN_IN_VALUES, FirstSignInRule};
use super::roles::{is_one, role};
use crate::base::company_code::CompanyCode;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;

/// One organization, `[[organization]]`.
#[derive(Clone, Debug)]
pub struct OrganizationConfig {
    /// The code that its people may type.
    pub code: CompanyCode,
    /// Display name.
    pub name: String,
    /// Directory (tenant) ID.
    pub tenant: Guid,
    /// Application (client) ID.
    pub client_id: Guid,
    /// The credential with which its sign-in authenticates to Entra.
    pub credential: ClientCredential,
    /// Bound domains, in lower case.
    pub domains: Vec<String>,
    /// The role of people who are created in this organization; one of `roles`.
    pub default_role: String,
    /// The action on the first sign-in of an unknown person; `None` means the setting of
    /// `[directory]`.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: bool,
}

pub(super) struct OrganizationDraft {
    pub(super) code: LocatedValue<CompanyCode>,
    name: Option<String>,
    tenant: Guid,
    client_id: Guid,
    credential: ClientCredential,
    domains: Vec<LocatedValue<String>>,
    default_role: Option<LocatedValue<String>>,
    first_sign_in: Option<FirstSignInRule>,
    guests: bool,
}

pub(super) fn organization(section: &ConfigSection<'_>) -> Option<OrganizationDraft> {
    let code =
        section.key("code", "Required. The company code that people type").needed().parse(code);
    let name = section.key("name", "Display name; without it, the code").text().map(|it| it.value);
    let tenant =
        section.key("tenant", "Required. Its Directory (tenant) ID").needed().parse(tenant);
    let client_id = section
        .key("client_id", "Required. Application (client) ID of its own app registration")
        .needed()
        .parse(entra::client_id);
    let credential = credential::read(section, false, true);
    let domains = section
        .key("domains", "Addresses at these belong to this organization only")
        .list(&[], domain);
    let default_role = section
        .key(
            "default_role",
            "Role of people who are created here at their first sign-in; without it, \
             `directory.default_role`",
        )
        .parse(role);
    let first_sign_in = section
        .key(
            "first_sign_in",
            "Whether unknown people are created or refused at their first sign-in; without it, \
             `directory.first_sign_in`",
        )
        .optional_choice(&FIRST_SIGN_IN_VALUES);
    let guests = section.key("guests", "Whether guests (B2B) of its tenant may sign in").flag(true);
    let (tenant, client_id) = (tenant?.value, client_id?.value);
    Some(OrganizationDraft {
        code: code?,
        name,
        tenant,
        client_id,
        credential: credential?,
        domains,
        default_role,
        first_sign_in,
        guests,
    })
}

/// Returns the organization with the defaults of `[directory]`.
pub(super) fn settled(
    root: &ConfigSection<'_>,
    read: OrganizationDraft,
    roles: &[String],
    default_role: &str,
) -> OrganizationConfig {
    if let Some(it) = &read.default_role {
        is_one(root, &it.value, roles, &it.place);
    }
    OrganizationConfig {
        name: read.name.unwrap_or_else(|| read.code.value.to_string()),
        code: read.code.value,
        tenant: read.tenant,
        client_id: read.client_id,
        credential: read.credential,
        domains: read.domains.into_iter().map(|it| it.value).collect(),
        default_role: read.default_role.map_or_else(|| default_role.to_owned(), |it| it.value),
        first_sign_in: read.first_sign_in,
        guests: read.guests,
    }
}

/// Reports a code or a domain that more than one organization uses.
pub(super) fn report_duplicates(root: &ConfigSection<'_>, drafts: &[OrganizationDraft]) {
    let mut seen: Vec<&str> = Vec::new();
    for it in drafts {
        let domains = it.domains.iter().map(|it| (it.value.as_str(), &it.place));
        for (name, place) in
            std::iter::once((it.code.value.as_str(), &it.code.place)).chain(domains)
        {
            if seen.contains(&name) {
                root.add_problem(
                    place,
                    InvalidValue::new(format!(
                        "{} already belongs to another organization",
                        quote(name)
                    ))
                    .hint("give each organization its own"),
                );
            }
            seen.push(name);
        }
    }
}

fn code(text: &str) -> Result<CompanyCode, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a company code", quote(text)))
            .hint("write 4 to 32 of a-z, 0-9 and inner hyphens, like contoso")
    };
    CompanyCode::parse(text).ok_or_else(refused)
}

fn tenant(text: &str) -> Result<Guid, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a Directory (tenant) ID", quote(text)))
            .hint("copy it from the Overview of the company's Entra ID")
    };
    Guid::parse(text).ok_or_else(refused)
}

fn domain(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a domain", quote(text)))
            .hint("write one like contoso.com")
    };
    if is_domain(text) { Ok(text.to_ascii_lowercase()) } else { Err(refused()) }
}

/// Returns a domain in lower case if the text can be bound as one.
pub fn domain_of(text: &str) -> Option<String> {
    domain(text.trim()).ok()
}
