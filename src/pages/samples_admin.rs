//! One sample of every page for an organization's admin.

use super::admin::{
    AdminPage, EntraErrorDetail, HistoryPage, HistoryRow, PeoplePage, PersonPage,
    PersonPermissions, PersonRow, RefusalReason, SignInRow, SignInsPage,
};
use super::credential::{CredentialPage, NewCredentialView};
use super::page::Page;
use super::removal::{RemovalPage, RemovalPerson, RemovalStep};
use super::requests::{MergeRow, RequestRow, RequestsPage};

const AT: i64 = 1_795_575_060;

/// Returns a name and a page for each case.
pub(super) fn samples() -> Vec<(&'static str, Page)> {
    let asked = "zzz".to_owned();
    let done = Some("deleted");
    let nobody =
        PeoplePage { asked, people: Vec::new(), next: None, decisions: 0, done, ..people() };
    let off = PersonPage {
        listed: listed(3),
        role_source: "default",
        twins: vec![listed(1)],
        done: Some("off"),
        ..person()
    };
    let above = PersonPage { may: PersonPermissions::Above, done: None, ..person() };
    let yourself =
        PersonPage { may: PersonPermissions::Yourself, done: None, listed: listed(1), ..person() };
    let mut all = vec![
        ("setup-people", Page::People(Box::new(people()))),
        ("setup-people-none", Page::People(Box::new(nobody))),
        ("setup-person", Page::OnePerson(Box::new(person()))),
        ("setup-person-off", Page::OnePerson(Box::new(off))),
        ("setup-person-above", Page::OnePerson(Box::new(above))),
        ("setup-person-yourself", Page::OnePerson(Box::new(yourself))),
        ("setup-sign-ins", Page::SignIns(Box::new(sign_ins()))),
        ("setup-history", Page::History(Box::new(history()))),
    ];
    all.extend(samples_of_credential());
    all.extend(samples_of_requests());
    all.extend(samples_of_removal());
    all
}

fn samples_of_credential() -> [(&'static str, Page); 7] {
    let expired = CredentialPage {
        ends: Some((AT - 86_400, -1)),
        waiting: None,
        again: None,
        problem: Some("id"),
        done: None,
        ..credential()
    };
    let kept = CredentialPage {
        waiting: None,
        is_secret_kept: true,
        problem: Some("past"),
        done: None,
        ..credential()
    };
    let waits = |kind| credential().waiting.map(|it| NewCredentialView { kind: Some(kind), ..it });
    let certificate = CredentialPage {
        kind: Some("certificate"),
        waiting: waits("federated"),
        done: None,
        ..credential()
    };
    let federated = CredentialPage {
        kind: Some("federated"),
        ends: None,
        waiting: waits("certificate"),
        done: None,
        ..credential()
    };
    let unread =
        waits("federated").map(|it| NewCredentialView { refused: Some("unread".to_owned()), ..it });
    let unread = CredentialPage { waiting: unread, done: None, ..credential() };
    let stale = CredentialPage {
        again: Some("/oauth2/start?rd=%2Foauth2%2Fsetup%2Fcredential&prompt=login".to_owned()),
        waiting: None,
        done: None,
        ..credential()
    };
    [
        ("setup-credential", Page::Credential(Box::new(credential()))),
        ("setup-credential-expired", Page::Credential(Box::new(expired))),
        ("setup-credential-kept", Page::Credential(Box::new(kept))),
        ("setup-credential-certificate", Page::Credential(Box::new(certificate))),
        ("setup-credential-federated", Page::Credential(Box::new(federated))),
        ("setup-credential-unread", Page::Credential(Box::new(unread))),
        ("setup-credential-stale", Page::Credential(Box::new(stale))),
    ]
}

fn samples_of_removal() -> [(&'static str, Page); 4] {
    let of = |username: &str, account: Option<&str>| RemovalPerson {
        id: "0a1b2c3d-0000-4000-8000-000000000003".to_owned(),
        username: username.to_owned(),
        name: Some("Nora Northwind".to_owned()),
        email: Some("nora@contoso.example".to_owned()),
        role: "worker".to_owned(),
        last: account.map(|_| AT),
        account: account.map(str::to_owned),
        on: account.is_some(),
    };
    let oid = Some("00aa00aa-1111-2222-3333-bb44bb44bb44");
    let page = |step, problem| {
        Page::Removal(Box::new(RemovalPage {
            admin: admin_page(),
            person: of("nora", None),
            step,
            locked: None,
            again: "/oauth2/start?rd=%2Foauth2%2Fsetup%2Fpeople&prompt=login".to_owned(),
            problem,
        }))
    };
    let deleted = match page(RemovalStep::Delete, Some("changed")) {
        Page::Removal(it) => {
            Page::Removal(Box::new(RemovalPage { person: of("nora", oid), ..*it }))
        }
        other => other,
    };
    let merge = || RemovalStep::Merge(of("nora.contoso", oid));
    let stale = match page(merge(), None) {
        Page::Removal(it) => Page::Removal(Box::new(RemovalPage { locked: Some("stale"), ..*it })),
        other => other,
    };
    [
        ("setup-person-delete", deleted),
        (
            "setup-person-merge-choose",
            page(RemovalStep::Choose("nobody".to_owned()), Some("unknown")),
        ),
        ("setup-person-merge", page(merge(), None)),
        ("setup-person-merge-stale", stale),
    ]
}

fn samples_of_requests() -> [(&'static str, Page); 3] {
    let locked = RequestsPage {
        locked: Some("by_link"),
        paused: false,
        done: None,
        requests: Vec::new(),
        ..requests()
    };
    let undecided = RequestsPage { locked: Some("stale"), done: None, ..requests() };
    [
        ("setup-requests", Page::Requests(Box::new(requests()))),
        ("setup-requests-link", Page::Requests(Box::new(locked))),
        ("setup-requests-stale", Page::Requests(Box::new(undecided))),
    ]
}

fn admin_page() -> AdminPage {
    AdminPage { organization: "Contoso Freight".to_owned(), base: "/oauth2/setup".to_owned() }
}

fn listed(at: usize) -> PersonRow {
    let all = [
        ("Anton Berger", "anton.berger@contoso.example", "worker", true, Some(AT - 7200)),
        ("Maya Okafor", "maya@contoso.example", "owner", true, Some(AT)),
        (
            "Priyanka Raghunathan-Wolfeschlegelstein",
            "priyanka.raghunathan-wolfeschlegelstein@contoso.example",
            "admin",
            true,
            Some(AT - 86_400),
        ),
        ("tom@contoso.example", "tom@contoso.example", "worker", false, None),
    ];
    let (name, username, role, on, last) = all.get(at).copied().unwrap_or(("", "", "", true, None));
    let href = "/oauth2/setup/people?person=0a1b2c3d-0000-4000-8000-000000000001".to_owned();
    PersonRow {
        name: name.to_owned(),
        username: username.to_owned(),
        role: role.to_owned(),
        on,
        last,
        href,
    }
}

fn people() -> PeoplePage {
    let next = Some("/oauth2/setup/people?after=tom%40contoso.example".to_owned());
    PeoplePage {
        admin: admin_page(),
        asked: String::new(),
        people: (0..4).map(listed).collect(),
        next,
        decisions: 2,
        done: None,
    }
}

fn requests() -> RequestsPage {
    let id = || "0a1b2c3d-0000-4000-8000-000000000002".to_owned();
    let row = RequestRow {
        id: id(),
        mark: "Zm9yIHRoZSBzYW1w".to_owned(),
        username: "maya".to_owned(),
        role: "worker".to_owned(),
        last: None,
        name: Some("Maya Okafor".to_owned()),
        upn: Some("maya.okafor@contoso.example".to_owned()),
        oid: "00aa00aa-1111-2222-3333-bb44bb44bb44".to_owned(),
        guest: false,
        typed: Some("maya".to_owned()),
        why: "typed",
        at: AT,
        state: "waiting",
        undo_until: None,
        may: true,
    };
    let above = RequestRow {
        role: "owner".to_owned(),
        last: Some(AT - 86_400),
        name: None,
        typed: None,
        guest: true,
        why: "guest",
        state: "denied",
        may: false,
        ..row.clone()
    };
    let approved = RequestRow {
        state: "approved",
        undo_until: Some(AT + 604_800),
        why: "role",
        typed: None,
        ..row.clone()
    };
    let merge = MergeRow {
        added: (id(), "tom@contoso.example".to_owned()),
        role: "worker".to_owned(),
        created: (id(), "t.becker.contoso".to_owned()),
        oid: Some("00aa00aa-1111-2222-3333-cc55cc55cc55".to_owned()),
        email: Some("tom.becker@contoso.example".to_owned()),
        at: AT,
        mark: "b2YgdHdvIHBlb3Bs".to_owned(),
        may: true,
    };
    RequestsPage {
        admin: admin_page(),
        requests: vec![row, approved, above],
        merges: vec![merge],
        locked: None,
        again: "/oauth2/start?rd=%2Foauth2%2Fsetup%2Frequests&prompt=login".to_owned(),
        paused: true,
        done: Some("separate"),
    }
}

fn person() -> PersonPage {
    PersonPage {
        admin: admin_page(),
        id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        listed: listed(0),
        email: Some("anton@contoso.example".to_owned()),
        role_source: "hand",
        created: AT - 900_000,
        roles: ["owner", "admin", "worker"].map(str::to_owned).to_vec(),
        may: PersonPermissions::Everything,
        twins: Vec::new(),
        done: Some("role"),
    }
}

fn seen(name: &str, refused: Option<RefusalReason>) -> SignInRow {
    let href = refused.is_none().then(|| listed(0).href);
    SignInRow {
        at: AT,
        name: name.to_owned(),
        href,
        refused,
        reference: "ZKGUMV6Gj1tNshCX".to_owned(),
    }
}

fn sign_ins() -> SignInsPage {
    let not_assigned = EntraErrorDetail {
        code: "AADSTS50105".to_owned(),
        about: Some("The person is known, but not assigned to this app.".to_owned()),
        remedy: Some("Assign the person, or a group they are in. Entra admin center > Enterprise apps > this app > Users and groups".to_owned()),
        more: Some("https://login.microsoftonline.com/error?code=50105".to_owned()),
    };
    let denied =
        EntraErrorDetail { code: "access_denied".to_owned(), ..EntraErrorDetail::default() };
    let rows = vec![
        seen("maya@contoso.example", None),
        seen("", Some(RefusalReason::Entra(not_assigned))),
        seen("tom@contoso.example", Some(RefusalReason::Word("person_off"))),
        seen("priyanka.raghunathan-wolfeschlegelstein@contoso.example", None),
        seen("", Some(RefusalReason::Entra(denied))),
    ];
    SignInsPage {
        admin: admin_page(),
        refused_only: false,
        rows,
        next: Some("/oauth2/setup/sign_ins?before=01".to_owned()),
    }
}

fn history() -> HistoryPage {
    let changed = |at: i64, by: &str, username: Option<&str>, what: &str| HistoryRow {
        at: AT - at,
        by: by.to_owned(),
        username: username.map(str::to_owned),
        what: what.to_owned(),
    };
    let rows = vec![
        changed(
            0,
            "maya@contoso.example",
            Some("tom@contoso.example"),
            "tom@contoso.example: state off",
        ),
        changed(
            60,
            "sign-in",
            None,
            "client secret proven: the new one replaced the previous one after a sign-in",
        ),
        changed(
            9000,
            "maya@contoso.example",
            None,
            "new client secret pending until someone has signed in with it",
        ),
        changed(
            80_000,
            "invitation 0a1b2c3d-0000-4000-8000-000000000002",
            None,
            "link for the set-up page used",
        ),
        changed(90_000, "operator olga", None, "made with the code contoso"),
    ];
    HistoryPage { admin: admin_page(), rows, next: None }
}

fn credential() -> CredentialPage {
    let waiting = NewCredentialView {
        kind: Some("client-secret"),
        since: AT - 3600,
        by: "maya@contoso.example".to_owned(),
        refused: Some("AADSTS7000215".to_owned()),
    };
    let ends = Some((AT + 1_555_200, 18));
    CredentialPage {
        admin: admin_page(),
        in_file: false,
        kind: Some("client-secret"),
        ends,
        waiting: Some(waiting),
        again: None,
        is_secret_kept: false,
        problem: None,
        done: Some("waits"),
    }
}
