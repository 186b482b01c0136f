//! One sample of every state of the page with an organization's e-mail domains.

use super::admin::AdminPage;
use super::domains::{DomainProblem, DomainRow, DomainsPage};
use super::page::Page;

const AT: i64 = 1_795_575_060;

/// Returns a name and a page for each case.
pub(super) fn samples() -> Vec<(&'static str, Page)> {
    let none = DomainsPage { domains: Vec::new(), record: None, done: None, ..page() };
    let refused = DomainsPage {
        typed: "gmail.com".to_owned(),
        problem: Some(DomainProblem { why: "mail_provider", domain: None }),
        done: None,
        ..none.clone()
    };
    let in_file =
        DomainsPage { locked: Some("in_file"), record: None, done: None, ..without_claims() };
    let not_highest = DomainsPage { locked: Some("not_highest"), done: None, ..page() };
    let mut all = vec![
        ("setup-domains", page()),
        ("setup-domains-none", none),
        ("setup-domains-refused", refused),
        ("setup-domains-file", in_file),
        ("setup-domains-not-highest", not_highest),
    ];
    let waits = |why| DomainsPage {
        problem: Some(DomainProblem { why, domain: Some("contoso.com".to_owned()) }),
        done: None,
        ..page()
    };
    all.extend([
        ("setup-domains-absent", waits("no_record")),
        ("setup-domains-other", waits("other_record")),
        ("setup-domains-unanswered", waits("no_answer")),
        ("setup-domains-test", waits("test")),
    ]);
    all.into_iter().map(|(name, page)| (name, Page::Domains(Box::new(page)))).collect()
}

fn page() -> DomainsPage {
    let row = |domain: &str, standing, since, ends| DomainRow {
        domain: domain.to_owned(),
        record_name: format!("_entrada-challenge.{domain}"),
        standing,
        since,
        ends,
    };
    DomainsPage {
        admin: AdminPage {
            organization: "Contoso Freight".to_owned(),
            base: "/oauth2/setup".to_owned(),
        },
        domains: vec![
            row("contoso-freight.example", "tenant", Some(AT), None),
            row("contoso.example", "operator", None, None),
            row("contoso.net", "dns", Some(AT - 86_400), None),
            row("contoso.com", "pending", Some(AT), Some(AT + 30 * 86_400)),
        ],
        record: Some("entrada-verification=Zm9yIHRoZSBzYW1wbGVz".to_owned()),
        locked: None,
        typed: String::new(),
        problem: None,
        done: Some("claimed"),
    }
}

fn without_claims() -> DomainsPage {
    let mut page = page();
    page.domains.retain(|it| it.standing == "operator");
    page
}
