//! Texts for the people of customers: with organizations, the keys, commands and files of the
//! operator say nothing to those who read the pages. What an admin enters on the set-up page is
//! named as it is called there; for everything else, they ask the person who runs the program, whose
//! log has the whole remedy under the reference.

use super::notice::RefusalWords;
use crate::pages::phrases::CustomerPhrases;
use crate::pages::{NoticeParty, NoticeRemedy};
use crate::sidecar::operators_words::names_operators_things;

/// The file at which places begin.
const FILE: &str = "entrada.toml: ";

/// Returns the text with the names that the set-up page uses, or nothing if it is for the operator.
pub(in crate::flow) fn text(phrases: &CustomerPhrases, text: &str) -> Option<String> {
    let text = text.strip_prefix(FILE).unwrap_or(text);
    let names = [
        (phrases.where_secret_is_read.as_str(), &phrases.in_set_up),
        ("entra.client_secret", &phrases.client_secret),
        ("entra.client_id", &phrases.client_id),
        ("entra.tenant", &phrases.tenant),
    ];
    let said = names.into_iter().fold(text.to_owned(), |text, (key, name)| text.replace(key, name));
    (!names_operators_things(&said)).then_some(said)
}

impl RefusalWords {
    /// The same words for the people of a customer.
    pub(in crate::flow) fn for_customers(mut self, phrases: &CustomerPhrases) -> Self {
        let whose = self.whose;
        self.remedy = self.remedy.map(|it| remedy(phrases, whose, it));
        for step in &mut self.next {
            if names_operators_things(step) {
                step.clone_from(&phrases.ask_operator);
            }
        }
        self.details.retain(|it| !names_operators_things(&it.value));
        self
    }
}

fn remedy(phrases: &CustomerPhrases, whose: NoticeParty, remedy: NoticeRemedy) -> NoticeRemedy {
    let texts = (text(phrases, &remedy.what), text(phrases, &remedy.place));
    match texts {
        // A fault of the service itself is fixed by its operator, whatever the words are.
        (Some(what), Some(place)) if whose != NoticeParty::SignInService => NoticeRemedy {
            what,
            place,
            command: remedy.command.filter(|it| !names_operators_things(it)),
            ..remedy
        },
        _ => NoticeRemedy {
            reader: NoticeParty::AppOwner,
            what: phrases.ask_operator.clone(),
            place: String::new(),
            command: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::entra::aadsts::{self, RemedyNames};
    use crate::pages::Pages;

    fn names() -> RemedyNames {
        RemedyNames {
            client_id: "11112222-bbbb-3333-cccc-4444dddd5555".into(),
            tenant: "contoso.example".into(),
            redirect_uri: "https://app.example/oauth2/callback".into(),
            graph: "graph.microsoft.com",
            origin: "https://app.example".into(),
        }
    }

    #[test]
    fn the_fields_of_the_set_up_page_have_their_own_names() {
        let (pages, _) = Pages::new(None);
        let english = &pages.phrases(Language::English).customer;
        for (key, said) in [
            ("Set entra.tenant to the ID.", Some("Set the tenant ID in the set-up to the ID.")),
            (
                "Store its Value where entra.client_secret is read.",
                Some("Store its Value in the set-up."),
            ),
            (
                "entrada.toml: entra.tenant; find the ID under Overview",
                Some("the tenant ID in the set-up; find the ID under Overview"),
            ),
            ("Set entra.cloud.", None),
            ("entrada.toml: entra.scopes", None),
            ("Set entra.client_id and entra.cloud to match.", None),
        ] {
            assert_eq!(text(english, key).as_deref(), said, "{key}");
        }
    }

    #[test]
    fn no_remedy_of_the_catalog_names_the_operators_things_to_a_customer() {
        let (pages, _) = Pages::new(None);
        let mut asked = 0;
        for language in Language::ALL {
            let phrases = &pages.phrases(language).customer;
            assert!(!names_operators_things(&phrases.ask_operator));
            for entry in aadsts::all() {
                for said in [Some(entry.what(language)), entry.next(language)] {
                    assert!(!said.is_some_and(names_operators_things), "{}: {said:?}", entry.code);
                }
                let Some(found) = entry.remedy(&names(), None, language) else { continue };
                let shown = remedy(
                    phrases,
                    NoticeParty::AppOwner,
                    NoticeRemedy {
                        reader: NoticeParty::AppOwner,
                        what: found.fix,
                        place: found.place,
                        command: found.command,
                    },
                );
                for text in [&shown.what, &shown.place].into_iter().chain(&shown.command) {
                    assert!(!names_operators_things(text), "{}: {text}", entry.code);
                }
                asked += usize::from(shown.what == phrases.ask_operator);
            }
        }
        assert!(asked > 20, "the operator is asked {asked} times only");
    }
}
