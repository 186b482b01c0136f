//! Whether a template escapes what it prints: every word is made to look like markup, and none may come out as such.

use super::page::{Action, Back, Identify, Last, NativeConfirm, NativeOpen, Page, Remedy, SignIn, Whose};
use super::setup::{Discovered, Failed, Head, Invitation, Met, SetUp, Sheet, Steps, Told, Trial, Typed};

const WORD: &str = "'\"><x-entrada>";
const RAW: &str = "<x-entrada";

/// The page with hostile words in all its places.
pub(super) fn spoil(page: &Page) -> Page {
    let word = || WORD.to_owned();
    // What leads somewhere must begin as a link to be printed at all.
    let link = || format!("/{WORD}");
    match page {
        Page::Notice(it) => {
            let mut it = it.clone();
            (it.title, it.what, it.reference) = (word(), word(), word());
            it.next = vec![word()];
            it.details = vec![(word(), word())];
            it.remedy = Some(Box::new(Remedy { reader: Whose::Admin, what: word(), place: word(), command: Some(word()) }));
            it.action = Some(Action { label: word(), href: link() });
            it.back = it.back.map(|it| Back { app: word(), ..it });
            Page::Notice(it)
        }
        Page::SignIn(_) => Page::SignIn(SignIn { start: link(), app: word() }),
        Page::Identify(_) => Page::Identify(Identify { action: link(), app: word(), unknown: Some(word()), last: Some(Last { code: word(), href: link() }) }),
        Page::SetUp(it) => Page::SetUp(Box::new(spoil_setup(it))),
        Page::SignedOut { .. } => Page::SignedOut { sign_in: link() },
        Page::ConfirmSignOut { .. } => Page::ConfirmSignOut { action: link(), rd: link() },
        Page::NativeConfirm(_) => Page::NativeConfirm(NativeConfirm { action: link(), app: word(), site: word() }),
        // Where it leads is ours, and holds no such word.
        Page::NativeOpen(it) => Page::NativeOpen(NativeOpen { good: it.good, back: Back { app: word(), to: it.back.to.clone() } }),
    }
}

fn spoil_setup(page: &SetUp) -> SetUp {
    let word = || WORD.to_owned();
    let link = || format!("/{WORD}");
    let head = || Head { app: word(), organization: word(), home: link() };
    match page {
        SetUp::Steps(it) => {
            let typed = Typed { tenant: word(), client_id: word(), ends: word(), ..it.typed.clone() };
            let discovered = it.discovered.as_ref().map(|_| Discovered { tenant: Some(word()), cloud: Some(word()), region: Some(word()), issuer: word() });
            let undiscovered = it.undiscovered.as_ref().map(|it| (it.0, Some(word())));
            let tested = it.tested.as_ref().map(|_| word());
            let (redirect_uri, code, start) = (word(), word(), word());
            SetUp::Steps(Box::new(Steps {
                head: head(),
                redirect_uri,
                typed,
                fresh: link(),
                discovered,
                undiscovered,
                tested,
                code,
                start,
                ..Steps::clone(it)
            }))
        }
        SetUp::Invitation(_) => SetUp::Invitation(Invitation { app: word(), home: link(), token: word() }),
        SetUp::Told(it) => SetUp::Told(Told { app: word(), home: link(), what: it.what }),
        SetUp::Trial(it) => {
            let claims = it.claims.iter().map(|it| (it.0, word())).collect();
            let met = it.met.as_ref().map(|it| it.as_ref().map(|it| Met { how: it.how, username: word(), role: word() }).map_err(|it| *it));
            let failed = it.failed.as_ref().map(|_| Failed {
                code: Some(word()),
                title: word(),
                what: word(),
                next: vec![word()],
                fix: Some(word()),
                place: Some(word()),
                details: vec![(word(), word())],
                reference: word(),
            });
            SetUp::Trial(Box::new(Trial { head: head(), claims, met, failed }))
        }
        SetUp::Sheet(_) => SetUp::Sheet(Sheet { head: head(), address: word(), code: word() }),
    }
}

/// Whether a hostile word stands in it as markup.
pub(super) fn is_spoilt(html: &str) -> bool {
    html.contains(RAW)
}
