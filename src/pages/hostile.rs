//! Tests that templates escape the values they print: each word is replaced with text that looks
//! like markup, and none of it may appear as markup in the output.

use super::page::{
    AppReturn, IdentifyPage, LastSignIn, NativeConfirmPage, NativeOpenPage, NoticeAction,
    NoticeParty, NoticeRemedy, Page, SignInPage,
};
use super::setup::{
    DiscoveredTenant, FirstAdminView, InvitationPage, MessagePage, SetUpHeader, SetUpPage,
    SetUpSteps, StaffSheet, TrialFailure, TrialPage, TrialPerson, TypedFields,
};
use super::status_card::{CredentialExpiry, StatusCard};

const WORD: &str = "'\"><x-entrada>";
const RAW: &str = "<x-entrada";

/// Replaces all texts of the page with hostile words.
pub(super) fn make_hostile(page: &Page) -> Page {
    let word = || WORD.to_owned();
    // A template prints a link only if it begins like one.
    let link = || format!("/{WORD}");
    match page {
        Page::Notice(it) => {
            let mut it = it.clone();
            (it.title, it.what, it.reference) = (word(), word(), word());
            it.next = vec![word()];
            it.details = vec![(word(), word())];
            it.remedy = Some(Box::new(NoticeRemedy {
                reader: NoticeParty::Admin,
                what: word(),
                place: word(),
                command: Some(word()),
            }));
            it.further = vec![NoticeAction { label: word(), href: link() }];
            it.action = Some(NoticeAction { label: word(), href: link() });
            it.back = it.back.map(|it| AppReturn { app: word(), ..it });
            Page::Notice(it)
        }
        Page::SignIn(_) => Page::SignIn(SignInPage { start: link(), app: word() }),
        Page::Identify(_) => Page::Identify(IdentifyPage {
            action: link(),
            app: word(),
            typed: word(),
            unknown: true,
            last: Some(LastSignIn { code: word(), href: link() }),
        }),
        Page::SetUp(it) => Page::SetUp(Box::new(make_setup_hostile(it))),
        Page::SignedOut { .. } => Page::SignedOut { sign_in: link() },
        Page::People(it) => Page::People(Box::new(it.with_hostile_text(word, link))),
        Page::OnePerson(it) => Page::OnePerson(Box::new(it.with_hostile_text(word, link))),
        Page::Removal(it) => Page::Removal(Box::new(it.with_hostile_text(word, link))),
        Page::Deletion(it) => Page::Deletion(Box::new(it.with_hostile_text(word, link))),
        Page::Requests(it) => Page::Requests(Box::new(it.with_hostile_text(word, link))),
        Page::Domains(it) => Page::Domains(Box::new(it.with_hostile_text(word, link))),
        Page::SignIns(it) => Page::SignIns(Box::new(it.with_hostile_text(word, link))),
        Page::History(it) => Page::History(Box::new(it.with_hostile_text(word, link))),
        Page::Credential(it) => Page::Credential(Box::new(it.with_hostile_text(word, link))),
        Page::ConfirmSignOut { .. } => Page::ConfirmSignOut { action: link(), rd: link() },
        Page::NativeConfirm(_) => {
            Page::NativeConfirm(NativeConfirmPage { action: link(), app: word(), site: word() })
        }
        Page::SignedOutHere { is_company_unknown, .. } => {
            Page::SignedOutHere { at_entra: link(), is_company_unknown: *is_company_unknown }
        }
        Page::Framed { .. } => Page::Framed { start: link() },
        Page::Fragment { .. } => Page::Fragment { start: link() },
        Page::Onward { is_shortened, .. } => {
            Page::Onward { to: link(), is_shortened: *is_shortened }
        }
        // Entrada chooses the address, so it contains no hostile word.
        Page::NativeOpen(it) => Page::NativeOpen(NativeOpenPage {
            good: it.good,
            back: AppReturn { app: word(), to: it.back.to.clone() },
        }),
    }
}

fn hostile_person(it: &TrialPerson) -> TrialPerson {
    let word = || WORD.to_owned();
    TrialPerson {
        how: it.how,
        username: word(),
        role: word(),
        waits: it.waits,
        alike: vec![word()],
    }
}

fn hostile_trial(it: &TrialPage) -> TrialPage {
    let word = || WORD.to_owned();
    let link = || format!("/{WORD}");

    let claims = it.claims.iter().map(|it| (it.0, word())).collect();
    let met = it.met.as_ref().map(|it| it.as_ref().map(hostile_person).map_err(|it| *it));
    let failed = it.failed.as_ref().map(|_| TrialFailure {
        code: Some(word()),
        title: word(),
        what: word(),
        next: vec![word()],
        fix: Some(word()),
        place: Some(word()),
        details: vec![(word(), word())],
        reference: word(),
        swapped: Some((word(), word())),
    });
    TrialPage {
        head: SetUpHeader { app: word(), organization: word(), home: link() },
        claims,
        met,
        failed,
        offer: it.offer.as_ref().map(|_| FirstAdminView {
            role: word(),
            name: word(),
            oid: word(),
            tenant: word(),
        }),
    }
}

fn make_setup_hostile(page: &SetUpPage) -> SetUpPage {
    let word = || WORD.to_owned();
    let link = || format!("/{WORD}");
    let head = || SetUpHeader { app: word(), organization: word(), home: link() };
    match page {
        SetUpPage::Steps(it) => {
            let typed =
                TypedFields { tenant: word(), client_id: word(), ends: word(), ..it.typed.clone() };
            let discovered = it.discovered.as_ref().map(|_| DiscoveredTenant {
                tenant: Some(word()),
                cloud: Some(word()),
                region: Some(word()),
                issuer: word(),
            });
            let undiscovered = it.undiscovered.as_ref().map(|it| (it.0, Some(word())));
            let tested = it.tested.as_ref().map(|_| word());
            let status = it.status.as_ref().map(|it| StatusCard {
                since: word(),
                last: Some((word(), word())),
                expiry: CredentialExpiry::Soon(word(), 1),
                ..it.clone()
            });
            let (redirect_uri, code, start) = (word(), word(), word());
            SetUpPage::Steps(Box::new(SetUpSteps {
                head: head(),
                redirect_uri,
                typed,
                fresh: link(),
                discovered,
                undiscovered,
                tested,
                domains: it.domains.with_hostile_text(word),
                status,
                code,
                start,
                ..SetUpSteps::clone(it)
            }))
        }
        SetUpPage::Invitation(_) => {
            SetUpPage::Invitation(InvitationPage { app: word(), home: link(), token: word() })
        }
        SetUpPage::Message(it) => {
            SetUpPage::Message(MessagePage { app: word(), home: link(), what: it.what })
        }
        SetUpPage::Trial(it) => SetUpPage::Trial(Box::new(hostile_trial(it))),
        SetUpPage::Sheet(it) => SetUpPage::Sheet(StaffSheet {
            head: head(),
            address: word(),
            domains: it.domains.with_hostile_text(word),
            code: word(),
        }),
    }
}

/// Returns whether the HTML contains a hostile word as markup.
pub(super) fn contains_hostile_text(html: &str) -> bool {
    html.contains(RAW)
}
