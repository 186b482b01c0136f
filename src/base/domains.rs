//! Domains that stand for tenants, and the tenants that they were found to belong to.

use super::guid::Guid;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One tenant, as an operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Directory (tenant) ID.
    Id(Guid),
    /// A verified domain, in lower case; discovery tells its id.
    Domain(String),
}

impl Named {
    /// The domain, where it is one.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Domain(name) => Some(name),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Domain(name) => out.write_str(name),
        }
    }
}

/// Domains and their tenants. What was found is kept: a domain is resolved once.
#[derive(Debug, Default)]
pub struct Domains {
    asked: BTreeSet<String>,
    found: ArcSwap<BTreeMap<String, Guid>>,
}

impl Domains {
    /// Domains, in lower case, of which nothing is known yet.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { asked: names.map(str::to_owned).collect(), found: ArcSwap::default() }
    }

    /// The tenant of a domain, where it is known.
    pub fn tenant(&self, name: &str) -> Option<Guid> {
        self.found.load().get(name).copied()
    }

    /// Whether that tenant is meant. A domain that is not resolved yet is nobody's.
    pub fn is_meant(&self, named: &Named, tenant: Guid) -> bool {
        match named {
            Named::Id(id) => *id == tenant,
            Named::Domain(name) => self.tenant(name) == Some(tenant),
        }
    }

    /// Those of which nothing is known yet.
    pub fn unknown(&self) -> Vec<String> {
        let found = self.found.load();
        self.asked.iter().filter(|it| !found.contains_key(*it)).cloned().collect()
    }

    /// Keeps what was found.
    pub fn keep(&self, name: &str, tenant: Guid) {
        self.found.rcu(|found| {
            let mut found = BTreeMap::clone(found);
            found.insert(name.to_owned(), tenant);
            found
        });
    }

    /// Takes over what others know.
    pub fn inherit(&self, old: &Self) {
        for name in self.unknown() {
            if let Some(tenant) = old.tenant(&name) {
                self.keep(&name, tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_and_handed_on() {
        let old = Domains::new(["a.example", "b.example"].into_iter());
        old.keep("a.example", Guid::PERSONAL);
        assert_eq!(old.unknown(), ["b.example"]);
        let new = Domains::new(["a.example", "c.example"].into_iter());
        new.inherit(&old);
        assert_eq!((new.tenant("a.example"), new.unknown()), (Some(Guid::PERSONAL), vec!["c.example".to_owned()]));
        let meant = |it| new.is_meant(&it, Guid::PERSONAL);
        assert!(meant(Named::Id(Guid::PERSONAL)) && meant(Named::Domain("a.example".into())));
        assert!(!meant(Named::Id(Guid::from_random([7; 16]))) && !meant(Named::Domain("c.example".into())));
    }
}
