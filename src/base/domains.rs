//! Domains that stand for tenants, and the tenants they resolve to.

use super::guid::Guid;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whether a text is a domain such as `contoso.com`: labels of ASCII letters, digits and inner
/// hyphens, at least two of them.
pub fn is_domain(text: &str) -> bool {
    let label = |it: &str| {
        !it.is_empty()
            && it.len() <= 63
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
            && !it.starts_with('-')
            && !it.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// A tenant as the operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantName {
    /// The Directory (tenant) ID.
    Id(Guid),
    /// A verified domain, in lower case; discovery resolves its tenant ID.
    Domain(String),
}

impl TenantName {
    /// The domain, or `None` for a tenant ID.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Domain(name) => Some(name),
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Domain(name) => out.write_str(name),
        }
    }
}

/// Domains and their tenants. Results are kept: a domain is resolved once.
#[derive(Debug, Default)]
pub struct TenantDomains {
    requested: BTreeSet<String>,
    found: ArcSwap<BTreeMap<String, Guid>>,
}

impl TenantDomains {
    /// Creates the set with domains in lower case, all still unresolved.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { requested: names.map(str::to_owned).collect(), found: ArcSwap::default() }
    }

    /// The tenant of a domain, if resolved.
    pub fn tenant(&self, name: &str) -> Option<Guid> {
        self.found.load().get(name).copied()
    }

    /// Whether `named` means `tenant`. An unresolved domain matches no tenant.
    pub fn matches_tenant(&self, named: &TenantName, tenant: Guid) -> bool {
        match named {
            TenantName::Id(id) => *id == tenant,
            TenantName::Domain(name) => self.tenant(name) == Some(tenant),
        }
    }

    /// The domains that are not resolved yet.
    pub fn unknown(&self) -> Vec<String> {
        let found = self.found.load();
        self.requested.iter().filter(|it| !found.contains_key(*it)).cloned().collect()
    }

    /// Records the tenant of a domain.
    pub fn record(&self, name: &str, tenant: Guid) {
        self.found.rcu(|found| {
            let mut found = BTreeMap::clone(found);
            found.insert(name.to_owned(), tenant);
            found
        });
    }

    /// Takes over the tenants that `old` has already resolved.
    pub fn inherit(&self, old: &Self) {
        for name in self.unknown() {
            if let Some(tenant) = old.tenant(&name) {
                self.record(&name, tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_and_handed_on() {
        let old = TenantDomains::new(["a.example", "b.example"].into_iter());
        old.record("a.example", Guid::PERSONAL);
        assert_eq!(old.unknown(), ["b.example"]);
        let new = TenantDomains::new(["a.example", "c.example"].into_iter());
        new.inherit(&old);
        assert_eq!(
            (new.tenant("a.example"), new.unknown()),
            (Some(Guid::PERSONAL), vec!["c.example".to_owned()])
        );
        let meant = |it| new.matches_tenant(&it, Guid::PERSONAL);
        assert!(
            meant(TenantName::Id(Guid::PERSONAL)) && meant(TenantName::Domain("a.example".into()))
        );
        assert!(
            !meant(TenantName::Id(Guid::from_random([7; 16])))
                && !meant(TenantName::Domain("c.example".into()))
        );
    }
}
