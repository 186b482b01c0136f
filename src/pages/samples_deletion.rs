//! One sample of every state of the page that deletes an organization.

use super::admin::AdminPage;
use super::deletion::DeletionPage;
use super::domains::DomainSummary;
use super::page::Page;

/// Returns a name and a page for each case.
pub(super) fn samples() -> Vec<(&'static str, Page)> {
    let refused = DeletionPage {
        domains: DomainSummary::default(),
        typed: "contoso.example".to_owned(),
        problem: Some("code"),
        ..deletion()
    };
    let stale = DeletionPage { locked: Some("stale"), problem: Some("changed"), ..deletion() };
    let by_link = DeletionPage { locked: Some("by_link"), ..deletion() };
    [
        ("setup-deletion", deletion()),
        ("setup-deletion-refused", refused),
        ("setup-deletion-stale", stale),
        ("setup-deletion-link", by_link),
    ]
    .map(|(name, page)| (name, Page::Deletion(Box::new(page))))
    .to_vec()
}

fn deletion() -> DeletionPage {
    let domains = [("contoso.example", "dns"), ("contoso-freight.example", "pending")];
    DeletionPage {
        admin: AdminPage {
            organization: "Contoso Freight".to_owned(),
            base: "/oauth2/setup".to_owned(),
        },
        code: "contoso".to_owned(),
        people: 1_204,
        domains: DomainSummary { rows: domains.map(|it| (it.0.to_owned(), it.1)).to_vec() },
        locked: None,
        again: "/oauth2/start?rd=%2Foauth2%2Fsetup%2Fdeletion&prompt=login".to_owned(),
        typed: String::new(),
        problem: None,
    }
}
