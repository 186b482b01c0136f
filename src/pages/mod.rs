//! The HTML that people see when it does not come from the app: the problem, the party that can fix
//! it, and a reference for support.
//!
//! This module decides nothing: it receives the values and keeps most of the texts itself, in each
//! language. Every value is escaped. No page needs a script; only the set-up page and the page that
//! keeps a fragment have one (`script`). No page loads anything from other sites.

pub(crate) mod admin;
mod brand;
pub(crate) mod credential;
pub(crate) mod deletion;
pub(crate) mod domains;
mod hostile;
mod link;
mod overrides;
mod page;
pub(crate) mod phrases;
pub(crate) mod removal;
pub(crate) mod requests;
mod samples;
mod samples_admin;
mod samples_deletion;
mod samples_domains;
mod samples_setup;
mod script;
mod set;
pub(crate) mod setup;
pub(crate) mod status_card;
mod style;
#[cfg(test)]
mod tests;
mod words;

pub use page::{
    AppReturn, IdentifyPage, LastSignIn, NativeConfirmPage, NativeOpenPage, Notice, NoticeAction,
    NoticeKind, NoticeParty, NoticeRemedy, Page, SignInPage,
};
pub use samples::samples;

use crate::base::language::Language;
use crate::base::logo::Logo;
use crate::config::pages::PagesConfig;
use brand::Brand;
use http::HeaderValue;
use phrases::NoticePhrases;
use set::TemplateSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The page to show if not even a built-in template renders.
const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Entrada</title></head>\
<body><main><h1>This page cannot be shown</h1><p>Please tell the app's owner.</p></main></body></html>";

/// The pages: the built-in ones, and an operator's replacements.
#[derive(Debug)]
pub struct Pages {
    ours: TemplateSet,
    theirs: Option<TemplateSet>,
    policy: HeaderValue,
    policy_without_form_action: HeaderValue,
    policy_with_copy_script: HeaderValue,
    policy_with_fragment_script: HeaderValue,
    policy_in_frame: HeaderValue,
    has_logged_failure: AtomicBool,
}

impl Pages {
    /// Reads the operator's templates, if a directory is configured (`[pages] templates`).
    ///
    /// Each warning names a file that cannot be used, and the reason; the built-in template
    /// replaces it.
    pub fn new(templates: Option<&Path>) -> (Self, Vec<String>) {
        let templates = templates.map(Path::to_owned);
        Self::of(&PagesConfig { templates, ..PagesConfig::default() }, "/oauth2")
    }

    /// Builds the pages of a configuration; `prefix` is the prefix of Entrada's own paths.
    pub(crate) fn of(config: &PagesConfig, prefix: &str) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let ours = TemplateSet::built_in(Brand::new(config, prefix), &mut warnings);
        let templates = config.templates.as_deref();
        let theirs = templates.and_then(|it| overrides::load(&ours, it, &mut warnings));
        let policy = |scripts: &str, rest: &str| policy(&ours, theirs.as_ref(), scripts, rest);
        const NO_FRAMES: &str = "; frame-ancestors 'none'";
        let with_script = |source: &str| policy(&format!("; script-src {source}"), NO_FRAMES);
        let pages = Self {
            policy: policy("", &format!("{NO_FRAMES}; form-action 'self'")),
            // Chromium applies `form-action` to redirects after a form as well, and signing in and
            // out continues at Entra and at any address that Entra redirects to.
            policy_without_form_action: policy("", NO_FRAMES),
            policy_with_copy_script: with_script(&script::copy_source()),
            policy_with_fragment_script: with_script(&script::fragment_source()),
            policy_in_frame: policy("", "; form-action 'none'"),
            has_logged_failure: AtomicBool::new(false),
            ours,
            theirs,
        };
        (pages, warnings)
    }

    /// Returns the logo, if there is one, and a tag that differs for every other logo.
    pub(crate) fn logo(&self) -> Option<(&Logo, &str)> {
        self.ours.brand().logo()
    }

    /// Returns the texts of notices in this language.
    pub fn phrases(&self, language: Language) -> &NoticePhrases {
        self.ours.phrases(language)
    }

    /// Renders the page as HTML, in this language if its texts exist in it. If an operator's
    /// template fails to render, the built-in one is used.
    pub fn render(&self, page: &Page, language: Language) -> String {
        if let Some(theirs) = &self.theirs {
            match theirs.render(page, language) {
                Ok(html) => return html,
                Err(error) => self.log_failure(page, &error),
            }
        }
        self.ours.render(page, language).unwrap_or_else(|error| {
            self.log_failure(page, &error);
            LAST_RESORT.to_owned()
        })
    }

    /// Returns the `Content-Security-Policy` that must be sent with the page.
    pub fn policy(&self, page: &Page) -> &HeaderValue {
        match page {
            Page::ConfirmSignOut { .. } | Page::Identify(_) | Page::NativeConfirm(_) => {
                &self.policy_without_form_action
            }
            // The test sign-in continues at Entra, and a button copies the addresses.
            Page::SetUp(it) if it.is_steps() => &self.policy_with_copy_script,
            Page::Fragment { .. } => &self.policy_with_fragment_script,
            Page::Framed { .. } => &self.policy_in_frame,
            _ => &self.policy,
        }
    }

    /// Logs a failing template once, because it fails for everyone.
    fn log_failure(&self, page: &Page, error: &minijinja::Error) {
        if !self.has_logged_failure.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                template = page.template(),
                cause = set::cause(error),
                "cannot render a page with its template"
            );
        }
    }
}

fn policy(
    ours: &TemplateSet,
    theirs: Option<&TemplateSet>,
    scripts: &str,
    rest: &str,
) -> HeaderValue {
    let mut styles = ours.style().source().to_owned();
    let mut images = if ours.brand().logo().is_some() { "; img-src 'self'" } else { "" };
    if let Some(theirs) = theirs {
        images = "; img-src 'self' data:";
        if theirs.style() != ours.style() {
            styles = format!("{styles} {}", theirs.style().source());
        }
    }
    let text =
        format!("default-src 'none'{scripts}; style-src {styles}{images}; base-uri 'none'{rest}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
