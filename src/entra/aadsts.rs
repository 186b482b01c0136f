//! Catalog of Entra's error codes: what happened, in words for people, who can fix it, and how.
//!
//! During a sign-in, a code only selects the words. The handling of a refusal depends on its
//! `error` and `suberror`. `means` decides how a refusal affects a live session.

use crate::base::language::Language;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// An entry for one Entra error code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AadstsEntry {
    /// The number after `AADSTS`.
    pub code: u32,
    /// Microsoft's name for the code, if it has one.
    pub name: Option<String>,
    /// Who can fix the problem.
    pub whose: ResponsibleParty,
    title: Option<String>,
    what: String,
    next: Option<String>,
    /// Instructions for an admin or the app's owner.
    fix: Option<String>,
    /// Key of the place where the fix is made.
    place: Option<String>,
    /// How Entrada reacts.
    pub then: RefusalReaction,
}

/// Who can fix a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponsibleParty {
    /// The person who signs in.
    Person,
    /// The admin of the person's organization.
    Admin,
    /// The app's owner.
    Owner,
    /// Microsoft; the problem is temporary.
    Entra,
    /// The operator of the identity provider that Entra itself asks: a federated provider or a
    /// local directory.
    IdentityProvider,
    /// Entrada.
    Entrada,
}

/// How Entrada reacts to a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReaction {
    /// The person may sign in again immediately.
    SignInAgain,
    /// Offers to choose another account.
    OtherAccount,
    /// Offers to try again later.
    Later,
    /// The problem must be fixed first; then the person may try again.
    FixNeeded,
}

/// A place where a problem is fixed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemedyPlace {
    r#where: String,
    command: Option<String>,
    /// Whether the place belongs to the app's owner: the app registration or the configuration of
    /// Entrada.
    #[serde(default)]
    owner: bool,
}

/// Translation of the catalog's sentences and places into another language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Translation {
    sentences: HashMap<String, String>,
    /// Excludes places that consist of menu names only.
    places: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct AadstsCatalog {
    place: HashMap<String, RemedyPlace>,
    code: Vec<AadstsEntry>,
}

/// Values for the placeholders in the places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemedyNames {
    /// Application (client) ID.
    pub client_id: String,
    /// The tenant as it is configured: an ID or a domain.
    pub tenant: String,
    /// Address that people return to after the sign-in.
    pub redirect_uri: String,
    /// The host of Microsoft Graph in this cloud.
    pub graph: &'static str,
    /// The app's public address.
    pub origin: String,
}

/// Instructions for an admin or the app's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The necessary change, in one sentence.
    pub fix: String,
    /// The menu path in the Entra admin center, or the place in the configuration.
    pub place: String,
    /// An Azure CLI command, if there is one. It contains no secret.
    pub command: Option<String>,
    /// Whether the app's owner makes the fix, rather than the admin of the person's organization.
    pub for_owner: bool,
}

const IN_THE_LOG: &str = "Find the failure reason in the sign-in log.";

const READ_GROUPS: &str = "Grant the delegated Microsoft Graph permission User.Read.";

/// Returns the entry for a code, if the catalog has one.
pub fn find(code: u32) -> Option<&'static AadstsEntry> {
    TABLE.codes.get(&code)
}

/// Returns all codes in no particular order.
pub fn all() -> impl Iterator<Item = &'static AadstsEntry> {
    TABLE.codes.values()
}

/// Returns the remedy for an unknown code: the sign-in log has the details.
pub fn in_the_log(
    names: &RemedyNames,
    correlation_id: Option<&str>,
    language: Language,
) -> Option<Remedy> {
    at("logs", IN_THE_LOG, names, correlation_id, language)
}

/// Returns the remedy for missing consent: how to allow the app to read people's groups.
pub fn consent_to_graph(names: &RemedyNames, language: Language) -> Option<Remedy> {
    at("consent", READ_GROUPS, names, None, language)
}

fn at(
    name: &str,
    fix: &'static str,
    names: &RemedyNames,
    correlation_id: Option<&str>,
    language: Language,
) -> Option<Remedy> {
    let place = TABLE.places.get(name)?;
    let fill = |text: &str| names.fill(text, correlation_id.unwrap_or("CORRELATION_ID"));
    let way = match language {
        Language::English => None,
        Language::German => GERMAN.places.get(name),
    };
    Some(Remedy {
        fix: fill(spoken(fix, language)),
        place: fill(way.unwrap_or(&place.r#where)),
        command: place.command.as_deref().map(fill),
        for_owner: place.owner,
    })
}

/// Translates a sentence of the catalog. A sentence without a translation stays in English; a test
/// ensures that all have one.
fn spoken(sentence: &'static str, language: Language) -> &'static str {
    match language {
        Language::English => sentence,
        Language::German => GERMAN.sentences.get(sentence).map_or(sentence, String::as_str),
    }
}

impl AadstsEntry {
    /// Short summary of the problem; most codes share one.
    pub fn title(&'static self, language: Language) -> Option<&'static str> {
        self.title.as_deref().map(|it| spoken(it, language))
    }

    /// Describes the problem in one or two sentences for the person.
    pub fn what(&'static self, language: Language) -> &'static str {
        spoken(&self.what, language)
    }

    /// Describes the next step for the person.
    pub fn next(&'static self, language: Language) -> Option<&'static str> {
        self.next.as_deref().map(|it| spoken(it, language))
    }

    /// Returns the fix that other people can make, with the names filled in. The correlation ID
    /// makes the entry in the sign-in log easy to find.
    pub fn remedy(
        &'static self,
        names: &RemedyNames,
        correlation_id: Option<&str>,
        language: Language,
    ) -> Option<Remedy> {
        at(self.place.as_deref()?, self.fix.as_deref()?, names, correlation_id, language)
    }
}

impl RemedyNames {
    fn fill(&self, text: &str, correlation_id: &str) -> String {
        let pairs = [
            ("{client_id}", self.client_id.as_str()),
            ("{tenant}", &self.tenant),
            ("{redirect_uri}", &self.redirect_uri),
            ("{graph}", self.graph),
            ("{origin}", &self.origin),
            ("{correlation_id}", correlation_id),
        ];
        pairs.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

#[derive(Debug, Default)]
struct AadstsTable {
    places: HashMap<String, RemedyPlace>,
    codes: HashMap<u32, AadstsEntry>,
}

/// A test ensures that the file can be parsed.
static TABLE: LazyLock<AadstsTable> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<AadstsTable, toml::de::Error> {
    let catalog: AadstsCatalog = toml::from_str(include_str!("aadsts.toml"))?;
    Ok(AadstsTable {
        places: catalog.place,
        codes: catalog.code.into_iter().map(|it| (it.code, it)).collect(),
    })
}

static GERMAN: LazyLock<Translation> = LazyLock::new(|| in_german().unwrap_or_default());

fn in_german() -> Result<Translation, toml::de::Error> {
    toml::from_str(include_str!("aadsts.de.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The codes that can occur during a sign-in, a refresh or a sign-out.
    const HANDLED_CODES: &[u32] = &[
        16_000, 16_001, 16_003, 28_000, 28_002, 28_003, 40_008, 50_000, 50_001, 50_002, 50_005,
        50_008, 50_011, 50_012, 50_013, 50_014, 50_020, 50_027, 50_033, 50_034, 50_048, 50_053,
        50_055, 50_056, 50_057, 50_058, 50_059, 50_061, 50_064, 50_068, 50_070, 50_071, 50_072,
        50_074, 50_076, 50_078, 50_079, 50_087, 50_088, 50_089, 50_097, 50_105, 50_107, 50_126,
        50_128, 50_129, 50_131, 50_132, 50_133, 50_135, 50_140, 50_144, 50_146, 50_147, 50_155,
        50_158, 50_168, 50_173, 50_187, 50_194, 50_196, 50_197, 50_199, 51_000, 51_004, 53_000,
        53_001, 53_002, 53_003, 53_004, 53_010, 53_011, 54_005, 65_001, 65_004, 65_005, 70_000,
        70_001, 70_002, 70_003, 70_004, 70_005, 70_007, 70_008, 70_011, 70_021, 70_043, 80_012,
        80_014, 81_010, 82_001, 82_002, 90_002, 90_005, 90_006, 90_007, 90_008, 90_009, 90_012,
        90_014, 90_015, 90_016, 90_019, 90_023, 90_024, 90_033, 90_038, 90_055, 90_056, 90_072,
        90_090, 90_093, 90_094, 90_095, 90_099, 90_100, 90_123, 90_124, 90_130, 135_011, 160_021,
        240_002, 500_011, 500_021, 500_022, 500_112, 500_113, 500_131, 500_133, 500_208, 500_212,
        500_213, 500_571, 501_461, 501_481, 501_491, 530_021, 530_032, 530_034, 530_035, 530_036,
        530_084, 650_052, 650_053, 650_054, 650_056, 650_057, 700_003, 700_005, 700_011, 700_016,
        700_020, 700_022, 700_023, 700_024, 700_025, 700_027, 700_030, 700_038, 700_054, 700_082,
        700_084, 700_211, 700_212, 700_213, 700_229, 900_023, 900_144, 900_382, 900_432, 900_439,
        900_561, 900_941, 900_971, 900_981, 901_002, 1_000_031, 1_000_104, 1_002_012, 5_002_727,
        7_000_112, 7_000_114, 7_000_215, 7_000_218, 7_000_222, 7_000_229, 9_001_023, 9_002_313,
        9_002_325, 9_002_326, 9_002_327, 9_002_332, 9_002_346, 9_010_010,
    ];

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
    fn every_code_of_the_list_is_there_once_and_no_other() {
        let table = read().unwrap();
        let listed: BTreeSet<_> = HANDLED_CODES.iter().copied().collect();
        assert_eq!(table.codes.keys().copied().collect::<BTreeSet<_>>(), listed);
        let written = include_str!("aadsts.toml").lines().filter(|it| *it == "[[code]]").count();
        assert_eq!((written, listed.len()), (HANDLED_CODES.len(), HANDLED_CODES.len()));
    }

    #[test]
    fn every_code_says_what_happened_and_what_to_do_in_sentences_that_are_not_too_long() {
        let sentence = |code: u32, text: &str, max_bytes: usize| {
            assert!(
                text.len() >= 8 && text.len() <= max_bytes,
                "{code}: {} bytes: {text}",
                text.len()
            );
            assert!(
                text.ends_with('.')
                    && text.trim() == text
                    && !text.contains('{')
                    && !text.contains("AADSTS"),
                "{code}: {text}"
            );
        };
        for entry in all() {
            sentence(entry.code, &entry.what, 160);
            entry.next.iter().for_each(|it| sentence(entry.code, it, 160));
            entry.fix.iter().for_each(|it| sentence(entry.code, it, 240));
            assert!(
                entry
                    .title
                    .as_ref()
                    .is_none_or(|it| (8..=60).contains(&it.len()) && !it.ends_with('.')),
                "{}",
                entry.code
            );
            assert!(
                entry.name.as_ref().is_none_or(|it| !it.is_empty()
                    && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')),
                "{}",
                entry.code
            );
        }
    }

    #[test]
    fn people_who_must_act_learn_what_to_do_and_where() {
        for entry in all() {
            let remedy = entry.remedy(&names(), None, Language::English);
            let needs_place = matches!(
                entry.whose,
                ResponsibleParty::Admin
                    | ResponsibleParty::Owner
                    | ResponsibleParty::IdentityProvider
            );
            assert!(remedy.is_some() || !needs_place, "{} has no place", entry.code);
            assert_eq!(
                remedy.is_some(),
                entry.fix.is_some(),
                "{}: a fix and a place belong together",
                entry.code
            );
            assert!(
                entry.next.is_some()
                    || matches!(entry.whose, ResponsibleParty::Admin | ResponsibleParty::Owner),
                "{} leaves the person alone",
                entry.code
            );
            let Some(remedy) = remedy else { continue };
            assert!(
                remedy.place.len() > 15 && remedy.place.len() <= 260,
                "{}: {}",
                entry.code,
                remedy.place
            );
            for text in [Some(&remedy.place), remedy.command.as_ref()].into_iter().flatten() {
                let blanks = ["{client", "{tenant", "{redirect", "{graph", "{origin", "{corr"];
                assert!(
                    !blanks.iter().any(|it| text.contains(it)),
                    "{}: {text} has a blank",
                    entry.code
                );
                assert!(!text.contains("secret ="), "{}: {text}", entry.code);
            }
            assert!(
                remedy.command.is_none_or(|it| it.starts_with("az ") && it.len() <= 480),
                "{}",
                entry.code
            );
        }
    }

    /// Returns the placeholder names (in braces) of a text, in order.
    fn blanks(text: &str) -> Vec<&str> {
        text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0).collect()
    }

    #[test]
    fn each_sentence_is_there_in_german_too_and_no_other() {
        let german = in_german().unwrap();
        let said: BTreeSet<_> = all()
            .flat_map(|it| {
                [it.title.as_deref(), Some(it.what.as_str()), it.next.as_deref(), it.fix.as_deref()]
            })
            .flatten()
            .chain([IN_THE_LOG, READ_GROUPS])
            .collect();
        assert_eq!(german.sentences.keys().map(String::as_str).collect::<BTreeSet<_>>(), said);
        for (english, german) in &german.sentences {
            assert!(
                english != german && german.len() <= 230 && german.trim() == german,
                "{german}"
            );
            assert_eq!(
                (english.ends_with('.'), blanks(english)),
                (german.ends_with('.'), blanks(german)),
                "{german}"
            );
        }
        for (name, german) in &german.places {
            let english = &TABLE.places[name].r#where;
            assert!(english != german && german.len() <= 230, "{name}");
            assert_eq!(blanks(english), blanks(german), "{name}");
        }
        // Places that contain words, not only menu names.
        let left: Vec<_> = TABLE
            .places
            .iter()
            .filter(|it| !german.places.contains_key(it.0))
            .map(|it| it.1.r#where.as_str())
            .collect();
        assert!(!left.iter().any(|it| it.contains(" the ") || it.contains("sidecar")), "{left:?}");
    }

    #[test]
    fn every_place_serves_some_code() {
        let used: BTreeSet<_> = all().filter_map(|it| it.place.as_deref()).collect();
        assert_eq!(used, TABLE.places.keys().map(String::as_str).collect());
    }

    #[test]
    fn the_way_to_a_missing_assignment_names_the_app() {
        let entry = find(50_105).unwrap();
        assert_eq!(entry.whose, ResponsibleParty::Admin);
        let remedy = entry.remedy(&names(), None, Language::English).unwrap();
        assert!(
            remedy.place.contains("Enterprise applications")
                && remedy.place.contains("Users and groups")
                && remedy.place.contains(&names().client_id)
        );
        assert!(remedy.command.unwrap().contains(
            "servicePrincipals(appId='11112222-bbbb-3333-cccc-4444dddd5555')/appRoleAssignedTo"
        ));
        let blocked = find(53_003)
            .unwrap()
            .remedy(&names(), Some("aaaa0000-bb11-2222-33cc-444444dddddd"), Language::English)
            .unwrap();
        assert!(
            blocked
                .command
                .unwrap()
                .contains("correlationId eq 'aaaa0000-bb11-2222-33cc-444444dddddd'")
        );
        assert!(
            find(7_000_215)
                .unwrap()
                .remedy(&names(), None, Language::English)
                .unwrap()
                .fix
                .contains("Secret ID")
        );
        assert!(find(0).is_none());
    }
}
