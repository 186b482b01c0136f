//! The HTML that people see when it is not the app's: what happened, whose move it is, a reference to give to support.
//!
//! It decides nothing: it is handed the words, most of which it keeps itself, in each language. Every value is escaped, no page needs a script, only the set-up page has one
//! (`script`), and nothing is loaded from elsewhere.

pub mod admin;
mod hostile;
mod link;
mod overrides;
mod page;
pub mod phrases;
mod samples;
mod samples_admin;
mod samples_setup;
mod script;
mod set;
pub mod setup;
mod style;
#[cfg(test)]
mod tests;
mod words;

pub use page::{
    AppReturn, IdentifyPage, LastSignIn, NativeConfirmPage, NativeOpenPage, Notice, NoticeAction, NoticeKind, NoticeParty, NoticeRemedy, Page, SignInPage,
};
pub use samples::samples;

use crate::base::language::Language;
use http::HeaderValue;
use phrases::NoticePhrases;
use set::TemplateSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a person still reads if not even a built-in template renders.
const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Entrada</title></head>\
<body><main><h1>This page cannot be shown</h1><p>Please tell the app's owner.</p></main></body></html>";

/// The pages: ours, and those that an operator puts in their place.
#[derive(Debug)]
pub struct Pages {
    ours: TemplateSet,
    theirs: Option<TemplateSet>,
    policy: HeaderValue,
    policy_without_form_action: HeaderValue,
    policy_with_script: HeaderValue,
    is_told: AtomicBool,
}

impl Pages {
    /// Reads the operator's templates, where there is a directory of them (`[pages] templates`).
    ///
    /// Each of the warnings names a file that cannot be used, and why; the built-in one stands in for it.
    pub fn new(templates: Option<&Path>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let ours = TemplateSet::built_in(&mut warnings);
        let theirs = templates.and_then(|it| overrides::load(&ours, it, &mut warnings));
        let policy = |scripts: &str, form_action| policy(&ours, theirs.as_ref(), scripts, form_action);
        let pages = Self {
            policy: policy("", "; form-action 'self'"),
            // Chromium holds redirects after a form to `form-action` as well, and signing in and out goes on to Entra and from there wherever it sends.
            policy_without_form_action: policy("", ""),
            policy_with_script: policy(&format!("; script-src {}", script::source()), ""),
            is_told: AtomicBool::new(false),
            ours,
            theirs,
        };
        (pages, warnings)
    }

    /// What notices say, in that language.
    pub fn phrases(&self, language: Language) -> &NoticePhrases {
        self.ours.phrases(language)
    }

    /// The page as HTML, in the language where its words are told in it. What an operator's template cannot render, ours does.
    pub fn render(&self, page: &Page, language: Language) -> String {
        if let Some(theirs) = &self.theirs {
            match theirs.render(page, language) {
                Ok(html) => return html,
                Err(error) => self.tell(page, &error),
            }
        }
        self.ours.render(page, language).unwrap_or_else(|error| {
            self.tell(page, &error);
            LAST_RESORT.to_owned()
        })
    }

    /// The `Content-Security-Policy` that the page must be sent under.
    pub fn policy(&self, page: &Page) -> &HeaderValue {
        match page {
            Page::ConfirmSignOut { .. } | Page::Identify(_) | Page::NativeConfirm(_) => &self.policy_without_form_action,
            // Its trial goes on to Entra, and its addresses are copied by a button.
            Page::SetUp(it) if it.is_steps() => &self.policy_with_script,
            _ => &self.policy,
        }
    }

    /// Once: a template that fails does so for everybody.
    fn tell(&self, page: &Page, error: &minijinja::Error) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(template = page.template(), cause = set::cause(error), "cannot render a page with its template");
        }
    }
}

fn policy(ours: &TemplateSet, theirs: Option<&TemplateSet>, scripts: &str, form_action: &str) -> HeaderValue {
    let mut styles = ours.style().source().to_owned();
    let mut images = "";
    if let Some(theirs) = theirs {
        images = "; img-src 'self' data:";
        if theirs.style() != ours.style() {
            styles = format!("{styles} {}", theirs.style().source());
        }
    }
    let text = format!("default-src 'none'{scripts}; style-src {styles}{images}; base-uri 'none'; frame-ancestors 'none'{form_action}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
