//! Whether a template escapes what it prints: every word is made to look like markup, and none may come out as such.

use super::page::{Action, Back, Identify, Last, NativeConfirm, NativeOpen, Page, Remedy, SignIn, Whose};

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
        Page::SignedOut { .. } => Page::SignedOut { sign_in: link() },
        Page::ConfirmSignOut { .. } => Page::ConfirmSignOut { action: link(), rd: link() },
        Page::NativeConfirm(_) => Page::NativeConfirm(NativeConfirm { action: link(), app: word(), site: word() }),
        // Where it leads is ours, and holds no such word.
        Page::NativeOpen(it) => Page::NativeOpen(NativeOpen { good: it.good, back: Back { app: word(), to: it.back.to.clone() } }),
    }
}

/// Whether a hostile word stands in it as markup.
pub(super) fn is_spoilt(html: &str) -> bool {
    html.contains(RAW)
}
