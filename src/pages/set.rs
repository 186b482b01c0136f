//! A set of templates and its style sheet.

use super::brand::Brand;
use super::page::Page;
use super::phrases::NoticePhrases;
use super::script;
use super::style::{BadStyleSheet, StyleSheet};
use super::words::{self, WordCatalog};
use crate::base::language::Language;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};

/// The built-in templates, keyed by file name; the first is the layout of the others.
pub(super) const TEMPLATES: [(&str, &str); 31] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("notice.html", include_str!("templates/notice.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("identify.html", include_str!("templates/identify.html")),
    ("setup.html", include_str!("templates/setup.html")),
    ("setup_steps.html", include_str!("templates/setup_steps.html")),
    ("setup_status.html", include_str!("templates/setup_status.html")),
    ("setup_invitation.html", include_str!("templates/setup_invitation.html")),
    ("setup_message.html", include_str!("templates/setup_message.html")),
    ("setup_trial.html", include_str!("templates/setup_trial.html")),
    ("setup_sheet.html", include_str!("templates/setup_sheet.html")),
    ("signed_out.html", include_str!("templates/signed_out.html")),
    ("signed_out_here.html", include_str!("templates/signed_out_here.html")),
    ("confirm_sign_out.html", include_str!("templates/confirm_sign_out.html")),
    ("tabs.html", include_str!("templates/tabs.html")),
    ("admin_layout.html", include_str!("templates/admin_layout.html")),
    ("setup_people.html", include_str!("templates/setup_people.html")),
    ("setup_person.html", include_str!("templates/setup_person.html")),
    ("setup_removal.html", include_str!("templates/setup_removal.html")),
    ("setup_deletion.html", include_str!("templates/setup_deletion.html")),
    ("setup_requests.html", include_str!("templates/setup_requests.html")),
    ("setup_domains.html", include_str!("templates/setup_domains.html")),
    ("setup_domains_step.html", include_str!("templates/setup_domains_step.html")),
    ("setup_sign_ins.html", include_str!("templates/setup_sign_ins.html")),
    ("setup_history.html", include_str!("templates/setup_history.html")),
    ("setup_credential.html", include_str!("templates/setup_credential.html")),
    ("native_confirm.html", include_str!("templates/native_confirm.html")),
    ("native_open.html", include_str!("templates/native_open.html")),
    ("framed.html", include_str!("templates/framed.html")),
    ("fragment.html", include_str!("templates/fragment.html")),
    ("onward.html", include_str!("templates/onward.html")),
];

/// The file name of the style sheet.
pub(super) const STYLE_SHEET_NAME: &str = "style.css";

/// Maximum number of instructions for rendering one page; the built-in pages need a few hundred.
const MAX_RENDER_INSTRUCTIONS: u64 = 100_000;

/// Templates and their style sheet.
#[derive(Clone, Debug)]
pub(super) struct TemplateSet {
    environment: Environment<'static>,
    style: StyleSheet,
    words: WordCatalog,
    brand: Brand,
}

impl TemplateSet {
    /// Returns the built-in set. A built-in template that does not parse is named in `warnings`; a
    /// test ensures that this does not happen.
    pub(super) fn built_in(brand: Brand, warnings: &mut Vec<String>) -> Self {
        let text = format!("{}{}", include_str!("templates/style.css"), brand.style());
        let style = StyleSheet::new(&text).unwrap_or_else(|it| {
            warnings.push(format!("the built-in style sheet: {it}"));
            StyleSheet::default()
        });
        let words = WordCatalog::built_in(warnings);
        let mut set = Self { environment: environment(), style, words, brand };
        for (name, source) in TEMPLATES {
            if let Err(error) = set.environment.add_template(name, source) {
                warnings.push(format!("the built-in {name}: {}", cause(&error)));
            }
        }
        set
    }

    /// Adds a template under this name and replaces an existing one.
    pub(super) fn put(&mut self, name: &str, source: String) -> Result<(), Error> {
        self.environment.add_template_owned(name.to_owned(), source)
    }

    /// Replaces the style sheet; the colors that follow from the accent stay.
    ///
    /// # Errors
    /// Why the text cannot be inlined.
    pub(super) fn restyle(&mut self, text: &str) -> Result<(), BadStyleSheet> {
        let separator = if self.brand.style().is_empty() { "" } else { "\n" };
        self.style = StyleSheet::new(&format!("{text}{separator}{}", self.brand.style()))?;
        Ok(())
    }

    /// Returns what is the same on every page.
    pub(super) fn brand(&self) -> &Brand {
        &self.brand
    }

    /// Returns the style sheet.
    pub(super) fn style(&self) -> &StyleSheet {
        &self.style
    }

    /// Returns the texts of notices.
    pub(super) fn phrases(&self, language: Language) -> &NoticePhrases {
        self.words.phrases(language)
    }

    /// Renders the page as HTML.
    pub(super) fn render(&self, page: &Page, language: Language) -> Result<String, Error> {
        let (words, language) = self.words.of(page.template(), language);
        let context = context! { script => script::copy(), style => self.style.element(), language => language.tag(), words, brand => self.brand.context(), ..page.context(self.phrases(language)) };
        self.environment.get_template(page.template())?.render(context)
    }
}

/// Returns the cause of a rendering error, in one line.
pub(super) fn cause(error: &Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{detail} ({name}, line {line})"),
        _ => detail,
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // By default the file name decides, and in a file without `.html` nothing would be escaped.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(MAX_RENDER_INSTRUCTIONS));
    environment.remove_filter("safe");
    environment.add_filter("fill", words::fill);
    environment
}
