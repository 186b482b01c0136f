//! `tenant` and `allowed_tenants`: the tenants whose people may sign in.

use super::super::address::is_domain;
use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue};
use crate::base::domains::TenantName;
use crate::base::guid::Guid;

/// The tenant, `tenant = "..."`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantConfig {
    /// Directory (tenant) ID.
    Id(Guid),
    /// A verified domain; discovery resolves its tenant ID.
    Domain(String),
    /// Any organization's tenant.
    Organizations,
    /// Any tenant, and personal accounts.
    Common,
}

impl TenantConfig {
    /// The segment in Entra's URLs.
    pub fn segment(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Domain(name) => name.clone(),
            Self::Organizations => "organizations".to_owned(),
            Self::Common => "common".to_owned(),
        }
    }

    /// Whether people from several tenants may sign in.
    pub fn is_many(&self) -> bool {
        matches!(self, Self::Organizations | Self::Common)
    }
}

/// The allowed tenants, `allowed_tenants = [...]`. Personal accounts count as one tenant,
/// `Guid::PERSONAL`, which `any` does not include.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedTenants {
    /// `"*"`: every organization's tenant, explicitly.
    pub any: bool,
    /// The tenants that are listed.
    pub tenants: Vec<TenantName>,
}

pub(super) fn tenant(text: &str) -> Result<TenantConfig, InvalidValue> {
    let hint = "write the Directory (tenant) ID, a domain like contoso.com, \"organizations\" or \"common\"";
    let refused = || {
        InvalidValue::new(format!("{} is neither a tenant ID nor a domain", quote(text))).hint(hint)
    };
    match text.to_ascii_lowercase().as_str() {
        "organizations" => Ok(TenantConfig::Organizations),
        "common" => Ok(TenantConfig::Common),
        _ => match named(text) {
            Some(TenantName::Id(id)) => Ok(TenantConfig::Id(id)),
            Some(TenantName::Domain(name)) => Ok(TenantConfig::Domain(name)),
            None => Err(refused()),
        },
    }
}

/// Parses one tenant: its ID, a domain, or Entra's word for personal accounts.
pub(in crate::config) fn named(text: &str) -> Option<TenantName> {
    if text.eq_ignore_ascii_case("consumers") {
        return Some(TenantName::Id(Guid::PERSONAL));
    }
    Guid::parse(text)
        .map(TenantName::Id)
        .or_else(|| is_domain(text).then(|| TenantName::Domain(text.to_ascii_lowercase())))
}

/// Required if several tenants may sign in, and meaningless with a single tenant.
pub(super) fn allowed_tenants(
    section: &ConfigSection<'_>,
    tenant: Option<&LocatedValue<TenantConfig>>,
) -> AllowedTenants {
    let entry = |text: &str| {
        let refused = || {
            InvalidValue::new(format!("{} is neither a tenant ID nor a domain", quote(text)))
                .hint("write Directory (tenant) IDs, domains, or \"*\" alone")
        };
        if text == "*" { Ok(None) } else { named(text).map(Some).ok_or_else(refused) }
    };
    let all = section
        .key(
            "allowed_tenants",
            "Required with `organizations` and `common`, and allowed only there: the tenants \
             whose people may sign in",
        )
        .list(&[], entry);
    let allowed = AllowedTenants {
        any: all.iter().any(|it| it.value.is_none()),
        tenants: all.into_iter().filter_map(|it| it.value).collect(),
    };
    judge_allowed(section, tenant.map(|it| &it.value), &allowed);
    allowed
}

/// Reports allowed tenants that are inconsistent with `tenant`.
fn judge_allowed(
    section: &ConfigSection<'_>,
    tenant: Option<&TenantConfig>,
    allowed: &AllowedTenants,
) {
    let place = section.locate("allowed_tenants");
    let is_empty = !allowed.any && allowed.tenants.is_empty();
    let personal = allowed.tenants.contains(&TenantName::Id(Guid::PERSONAL));
    match tenant {
        Some(TenantConfig::Organizations | TenantConfig::Common) if is_empty => {
            let invalid = InvalidValue::new("is missing: people of every tenant could sign in");
            section.add_problem(
                &place,
                invalid.hint(
                    "list the tenants whose people may sign in, or write [\"*\"] to allow any",
                ),
            );
        }
        Some(TenantConfig::Organizations) if personal => {
            section.add_problem(
                &place,
                InvalidValue::new("contains personal accounts, which \"organizations\" excludes")
                    .hint("write tenant = \"common\""),
            );
        }
        Some(TenantConfig::Common) if !personal => {
            let invalid = InvalidValue::new(
                "contains no personal accounts, but \"common\" lets people pick them",
            );
            section.warn(
                &place,
                invalid.hint(format!(
                    "write tenant = \"organizations\", or add \"{}\"",
                    Guid::PERSONAL
                )),
            );
        }
        Some(TenantConfig::Id(_) | TenantConfig::Domain(_)) if !is_empty => {
            let invalid = InvalidValue::new("has no effect if tenant is a single tenant");
            section.add_problem(
                &place,
                invalid.hint("remove it, or write tenant = \"organizations\""),
            );
        }
        _ => {}
    }
}
