//! What Entra's error codes mean to people, whose move it is, and where it is mended.
//!
//! At a sign-in a code chooses words and nothing else: what is done about a refusal is decided by its `error` and `suberror`. What a refusal
//! means for a session that lives is `means`.

use crate::base::language::Language;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One code of Entra's list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AadstsEntry {
    /// The number after `AADSTS`.
    pub code: u32,
    /// Microsoft's name for it, where it has one.
    pub name: Option<String>,
    /// Whose move it is.
    pub whose: ResponsibleParty,
    title: Option<String>,
    what: String,
    next: Option<String>,
    /// What an admin or the app's owner does about it.
    fix: Option<String>,
    /// The name of the place where that is done.
    place: Option<String>,
    /// How we react.
    pub then: RefusalReaction,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponsibleParty {
    /// The person.
    Person,
    /// The admin of the person's organization.
    Admin,
    /// Whoever runs the app.
    Owner,
    /// Microsoft: it passes.
    Entra,
    /// Whoever runs the sign-in that Entra itself asks: a federated provider, a local directory.
    IdentityProvider,
    /// We ourselves.
    Us,
}

/// How we react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReaction {
    /// The person may sign in again at once.
    #[serde(rename = "again")]
    SignInAgain,
    /// The person is offered to choose another account.
    Other,
    /// The person is offered to try again, later.
    Later,
    /// Somebody has to mend something first; then the person may try again.
    #[serde(rename = "mend")]
    FixNeeded,
}

/// Where something is mended.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemedyPlace {
    r#where: String,
    command: Option<String>,
    /// Whether the place is the app owner's: the app registration, the sidecar.
    #[serde(default)]
    owner: bool,
}

/// What the sentences and places of the catalog are in another language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Translation {
    sentences: HashMap<String, String>,
    /// Those that are menus only are not among them.
    places: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct AadstsCatalog {
    place: HashMap<String, RemedyPlace>,
    code: Vec<AadstsEntry>,
}

/// What stands in the places for the reader's own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemedyNames {
    /// Application (client) ID.
    pub client_id: String,
    /// The tenant as it is configured: an ID or a domain.
    pub tenant: String,
    /// Where people come back.
    pub redirect_uri: String,
    /// The host of Microsoft Graph in this cloud.
    pub graph: &'static str,
    /// The app's public address.
    pub origin: String,
}

/// What an admin or the app's owner does, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to do, in a sentence.
    pub fix: String,
    /// The menus of the Entra admin center, or the place in the configuration.
    pub place: String,
    /// A command of the Azure CLI, where there is one. It holds no secret.
    pub command: Option<String>,
    /// Whether it is the app's owner who does it, not the admin of the person's organization.
    pub for_owner: bool,
}

const IN_THE_LOG: &str = "Find the failure reason in the sign-in log.";

const READ_GROUPS: &str = "Grant the delegated Microsoft Graph permission User.Read.";

/// What is known of a code.
pub fn find(code: u32) -> Option<&'static AadstsEntry> {
    TABLE.codes.get(&code)
}

/// All codes, in no order.
pub fn all() -> impl Iterator<Item = &'static AadstsEntry> {
    TABLE.codes.values()
}

/// What to do about a code that is not known: the sign-in log says more.
pub fn in_the_log(names: &RemedyNames, correlation_id: Option<&str>, language: Language) -> Option<Remedy> {
    at("logs", IN_THE_LOG, names, correlation_id, language)
}

/// Who lets the app read the groups of the people, where nobody has yet.
pub fn consent_to_graph(names: &RemedyNames, language: Language) -> Option<Remedy> {
    at("consent", READ_GROUPS, names, None, language)
}

fn at(name: &str, fix: &'static str, names: &RemedyNames, correlation_id: Option<&str>, language: Language) -> Option<Remedy> {
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

/// A sentence of the catalog in that language; one that nobody translated stays as it is, which a test keeps from happening.
fn spoken(sentence: &'static str, language: Language) -> &'static str {
    match language {
        Language::English => sentence,
        Language::German => GERMAN.sentences.get(sentence).map_or(sentence, String::as_str),
    }
}

impl AadstsEntry {
    /// What happened, in a few words; most codes share one.
    pub fn title(&'static self, language: Language) -> Option<&'static str> {
        self.title.as_deref().map(|it| spoken(it, language))
    }

    /// What happened, in a sentence or two for the person.
    pub fn what(&'static self, language: Language) -> &'static str {
        spoken(&self.what, language)
    }

    /// What the person can do.
    pub fn next(&'static self, language: Language) -> Option<&'static str> {
        self.next.as_deref().map(|it| spoken(it, language))
    }

    /// What others than the person do about it, with the names filled in; the correlation id makes the way to the log short.
    pub fn remedy(&'static self, names: &RemedyNames, correlation_id: Option<&str>, language: Language) -> Option<Remedy> {
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

/// A test keeps the file readable.
static TABLE: LazyLock<AadstsTable> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<AadstsTable, toml::de::Error> {
    let catalog: AadstsCatalog = toml::from_str(include_str!("aadsts.toml"))?;
    Ok(AadstsTable { places: catalog.place, codes: catalog.code.into_iter().map(|it| (it.code, it)).collect() })
}

static GERMAN: LazyLock<Translation> = LazyLock::new(|| in_german().unwrap_or_default());

fn in_german() -> Result<Translation, toml::de::Error> {
    toml::from_str(include_str!("aadsts.de.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The codes that a sign-in, a refresh or a sign-out can meet.
    const HANDLED_CODES: &[u32] = &[
        16_000, 16_001, 16_003, 28_002, 28_003, 40_008, 50_000, 50_001, 50_002, 50_005, 50_008, 50_011, 50_012, 50_013, 50_014, 50_020, 50_033, 50_034, 50_048,
        50_053, 50_055, 50_056, 50_057, 50_058, 50_059, 50_061, 50_064, 50_068, 50_070, 50_071, 50_072, 50_074, 50_076, 50_078, 50_079, 50_087, 50_088, 50_089,
        50_097, 50_105, 50_107, 50_126, 50_128, 50_129, 50_131, 50_132, 50_133, 50_135, 50_140, 50_144, 50_146, 50_147, 50_155, 50_158, 50_168, 50_173, 50_187,
        50_194, 50_196, 50_197, 50_199, 51_000, 51_004, 53_000, 53_001, 53_002, 53_003, 53_004, 53_010, 53_011, 54_005, 65_001, 65_004, 65_005, 70_000, 70_001,
        70_002, 70_003, 70_004, 70_005, 70_007, 70_008, 70_011, 70_021, 70_043, 80_012, 80_014, 81_010, 90_002, 90_005, 90_006, 90_007, 90_008, 90_009, 90_012,
        90_014, 90_015, 90_019, 90_023, 90_024, 90_033, 90_038, 90_055, 90_056, 90_072, 90_090, 90_093, 90_094, 90_095, 90_124, 90_130, 135_011, 160_021,
        500_011, 500_021, 500_022, 500_112, 500_113, 500_131, 500_133, 500_208, 500_212, 500_213, 500_571, 501_461, 501_481, 501_491, 530_032, 530_034,
        530_035, 650_052, 650_054, 650_056, 650_057, 700_003, 700_005, 700_011, 700_016, 700_020, 700_022, 700_023, 700_024, 700_025, 700_027, 700_030,
        700_038, 700_054, 700_082, 700_084, 700_211, 700_212, 700_213, 700_229, 900_023, 900_144, 900_382, 900_432, 900_439, 900_561, 900_941, 900_971,
        900_981, 901_002, 1_002_012, 7_000_112, 7_000_114, 7_000_215, 7_000_218, 7_000_222, 9_001_023, 9_002_313, 9_002_325, 9_002_326, 9_002_327, 9_002_332,
        9_002_346,
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
        let sentence = |code: u32, text: &str, most: usize| {
            assert!(text.len() >= 8 && text.len() <= most, "{code}: {} bytes: {text}", text.len());
            assert!(text.ends_with('.') && text.trim() == text && !text.contains('{') && !text.contains("AADSTS"), "{code}: {text}");
        };
        for entry in all() {
            sentence(entry.code, &entry.what, 160);
            entry.next.iter().for_each(|it| sentence(entry.code, it, 160));
            entry.fix.iter().for_each(|it| sentence(entry.code, it, 240));
            assert!(entry.title.as_ref().is_none_or(|it| (8..=60).contains(&it.len()) && !it.ends_with('.')), "{}", entry.code);
            assert!(entry.name.as_ref().is_none_or(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')), "{}", entry.code);
        }
    }

    #[test]
    fn whoever_must_act_is_told_what_to_do_and_where() {
        for entry in all() {
            let remedy = entry.remedy(&names(), None, Language::English);
            let needs_place = matches!(entry.whose, ResponsibleParty::Admin | ResponsibleParty::Owner | ResponsibleParty::IdentityProvider);
            assert!(remedy.is_some() || !needs_place, "{} has no place", entry.code);
            assert_eq!(remedy.is_some(), entry.fix.is_some(), "{}: a fix and a place belong together", entry.code);
            assert!(entry.next.is_some() || matches!(entry.whose, ResponsibleParty::Admin | ResponsibleParty::Owner), "{} leaves the person alone", entry.code);
            let Some(remedy) = remedy else { continue };
            assert!(remedy.place.len() > 15 && remedy.place.len() <= 260, "{}: {}", entry.code, remedy.place);
            for text in [Some(&remedy.place), remedy.command.as_ref()].into_iter().flatten() {
                let blanks = ["{client", "{tenant", "{redirect", "{graph", "{origin", "{corr"];
                assert!(!blanks.iter().any(|it| text.contains(it)), "{}: {text} has a blank", entry.code);
                assert!(!text.contains("secret ="), "{}: {text}", entry.code);
            }
            assert!(remedy.command.is_none_or(|it| it.starts_with("az ") && it.len() <= 480), "{}", entry.code);
        }
    }

    /// The names in braces of a text, in their order.
    fn blanks(text: &str) -> Vec<&str> {
        text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0).collect()
    }

    #[test]
    fn each_sentence_is_there_in_german_too_and_no_other() {
        let german = in_german().unwrap();
        let said: BTreeSet<_> = all()
            .flat_map(|it| [it.title.as_deref(), Some(it.what.as_str()), it.next.as_deref(), it.fix.as_deref()])
            .flatten()
            .chain([IN_THE_LOG, READ_GROUPS])
            .collect();
        assert_eq!(german.sentences.keys().map(String::as_str).collect::<BTreeSet<_>>(), said);
        for (english, german) in &german.sentences {
            assert!(english != german && german.len() <= 230 && german.trim() == german, "{german}");
            assert_eq!((english.ends_with('.'), blanks(english)), (german.ends_with('.'), blanks(german)), "{german}");
        }
        for (name, german) in &german.places {
            let english = &TABLE.places[name].r#where;
            assert!(english != german && german.len() <= 230, "{name}");
            assert_eq!(blanks(english), blanks(german), "{name}");
        }
        // What holds words and no menus only.
        let left: Vec<_> = TABLE.places.iter().filter(|it| !german.places.contains_key(it.0)).map(|it| it.1.r#where.as_str()).collect();
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
        assert!(remedy.place.contains("Enterprise applications") && remedy.place.contains("Users and groups") && remedy.place.contains(&names().client_id));
        assert!(remedy.command.unwrap().contains("servicePrincipals(appId='11112222-bbbb-3333-cccc-4444dddd5555')/appRoleAssignedTo"));
        let blocked = find(53_003).unwrap().remedy(&names(), Some("aaaa0000-bb11-2222-33cc-444444dddddd"), Language::English).unwrap();
        assert!(blocked.command.unwrap().contains("correlationId eq 'aaaa0000-bb11-2222-33cc-444444dddddd'"));
        assert!(find(7_000_215).unwrap().remedy(&names(), None, Language::English).unwrap().fix.contains("Secret ID"));
        assert!(find(0).is_none());
    }
}
