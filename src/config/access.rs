//! `[access]`: the access rules.

use super::address::pattern;
use super::entra::{GroupsSource, SignInAudience, named};
use super::key_reader::choose;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue, unexpected};
use crate::base::company_code::CompanyCode;
use crate::base::domains::TenantName;
use crate::base::guid::Guid;
use crate::base::pattern::PathPattern;
use http::Method;
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeValue;

/// The parsed section `[access]`. The first rule whose path and method match decides.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// Decides if no rule matches the path.
    pub default: Allow,
    /// The rules in the order of the file.
    pub rules: Vec<AccessRule>,
    /// Whether `[directory]` is written. Each organization then brings its own registration, which
    /// defines its own app roles.
    pub has_directory: bool,
}

/// One access rule, `[[access.rule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The paths it covers.
    pub path: PathPattern,
    /// The methods it covers; empty means all. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    /// The people it allows.
    pub allow: Allow,
    /// The response for a signed-out caller.
    pub signed_out: SignedOutAnswer,
    /// Line in the file, from 1, for `explain` and the log.
    pub line: usize,
}

impl AccessRule {
    /// Whether the rule covers this method.
    pub fn covers_method(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// The people that a rule allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// Everyone, signed in or not.
    Anyone,
    /// Everyone who is signed in.
    #[default]
    SignedIn,
    /// No one.
    Nobody,
    /// People who match at least one of these tables.
    Tables(Vec<AllowConditions>),
}

/// The conditions of one table. Every list that is not empty must match; one matching value per
/// list is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowConditions {
    /// App roles, compared exactly.
    pub roles: Vec<String>,
    /// Object IDs of groups (or names, if Entra sends names).
    pub groups: Vec<String>,
    /// `oid`, or with a single tenant `preferred_username`, ignoring case.
    pub users: Vec<String>,
    /// Tenants; a domain stands for the tenant that owns it.
    pub tenants: Vec<TenantName>,
    /// Codes of organizations.
    pub organizations: Vec<String>,
    /// Roles of the directory.
    pub directory_roles: Vec<String>,
    /// Authentication contexts that must also be satisfied; empty means none.
    pub acrs: AuthContexts,
}

/// Authentication contexts of Conditional Access, `c1` to `c99`; any one of them is enough.
pub type AuthContexts = Arc<[String]>;

/// Whether a text is the ID of an authentication context (`acrs`): `c1` to `c99`.
pub fn is_context(text: &str) -> bool {
    match text.as_bytes() {
        [b'c', b'1'..=b'9'] => true,
        [b'c', b'1'..=b'9', last] => last.is_ascii_digit(),
        _ => false,
    }
}

/// The response for a signed-out caller, `signed_out = "auto" | "401"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedOutAnswer {
    /// Depends on the caller: a browser that navigates is redirected, everything else gets 401.
    #[default]
    Auto,
    /// Never redirects; always 401.
    Unauthorized,
}

/// Maximum number of rules; each request searches them in order.
const MAX_RULES: usize = 1000;

/// The words that `allow` accepts; tables are read separately.
#[derive(Clone, Copy, Debug, Default)]
enum AllowWord {
    #[default]
    SignedIn,
    Anyone,
    Nobody,
}

const ALLOW_WORDS: [(&str, AllowWord); 3] = [
    ("signed-in", AllowWord::SignedIn),
    ("anyone", AllowWord::Anyone),
    ("nobody", AllowWord::Nobody),
];

impl From<AllowWord> for Allow {
    fn from(word: AllowWord) -> Self {
        match word {
            AllowWord::SignedIn => Self::SignedIn,
            AllowWord::Anyone => Self::Anyone,
            AllowWord::Nobody => Self::Nobody,
        }
    }
}

impl AccessConfig {
    /// The domains that stand for tenants in the rules.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        let tables = self.rules.iter().filter_map(|it| {
            if let Allow::Tables(tables) = &it.allow { Some(tables) } else { None }
        });
        tables.flatten().flat_map(|it| &it.tenants).filter_map(TenantName::domain)
    }
}

/// Reads `[access]`; `people` is the part of `[entra]` and `[directory]` that says who may sign in.
pub(super) fn read(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> AccessConfig {
    let default: Allow = section.key("default").choice(&ALLOW_WORDS).into();
    let rules: Vec<_> =
        section.each("rule", MAX_RULES, |it| rule(it, people)).into_iter().flatten().collect();
    refuse_covered(section, &rules);
    warn_of_spellings(section, &rules, &default);
    AccessConfig {
        default,
        rules: rules.into_iter().map(|it| it.value).collect(),
        has_directory: people.has_directory,
    }
}

/// A rule, with the place where its path is written.
fn rule(
    section: &ConfigSection<'_>,
    people: SignInAudience<'_>,
) -> Option<LocatedValue<AccessRule>> {
    let path = section.key("path").needed().parse(pattern);
    let suffixes = section.key("suffixes").flag(false);
    let methods = section.key("methods").whole_list(&[], method);
    let signed_out = section
        .key("signed_out")
        .choice(&[("auto", SignedOutAnswer::Auto), ("401", SignedOutAnswer::Unauthorized)]);
    let allow = allow(section, people);
    let path = path?;
    let methods = methods?.into_iter().map(|it| it.value).collect();
    let pattern = if suffixes { path.value.with_suffixes() } else { path.value };
    let rule =
        AccessRule { path: pattern, methods, allow: allow?, signed_out, line: section.line() };
    Some(LocatedValue { value: rule, spot: path.spot })
}

fn method(text: &str) -> Result<Method, InvalidValue> {
    let refused = || InvalidValue::new(format!("{} is not a method", quote(text)));
    let method = Method::from_bytes(text.as_bytes())
        .map_err(|_| refused().hint("write one method per entry, like [\"GET\", \"POST\"]"))?;
    if text.bytes().any(|it| it.is_ascii_lowercase()) {
        return Err(
            refused().hint(format!("write methods in upper case: {}", quote(&text.to_uppercase())))
        );
    }
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(refused().hint("CONNECT and TRACE are never allowed"));
    }
    Ok(method)
}

/// Reads a word, a table or a list of tables.
fn allow(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> Option<Allow> {
    let Some(value) = section.find_written("allow") else {
        let complaint = InvalidValue::new("is missing").hint(
            "write \"anyone\", \"signed-in\", \"nobody\" or a table like { roles = [\"Admin\"] }",
        );
        section.complain(&section.spot_of("allow"), complaint);
        return None;
    };
    let tables: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
        DeValue::String(word) => {
            let chosen = choose(word, &ALLOW_WORDS)
                .map_err(|it| section.complain(&section.spot_of("allow"), it));
            return chosen.ok().map(Allow::from);
        }
        DeValue::Table(_) => vec![value],
        DeValue::Array(tables) if !tables.is_empty() => tables.iter().collect(),
        other => {
            let complaint = unexpected("a keyword, a table or a list of tables", other)
                .hint("to deny everyone, write \"nobody\"");
            section.complain(&section.spot_of("allow"), complaint);
            return None;
        }
    };
    let read: Vec<_> =
        tables.iter().filter_map(|it| section.table("allow", it, |it| table(it, people))).collect();
    (read.len() == tables.len()).then_some(Allow::Tables(read))
}

fn table(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> AllowConditions {
    let some = |text: &str| {
        if text.is_empty() { Err(InvalidValue::new("is empty")) } else { Ok(text.to_owned()) }
    };
    let values = |found: Vec<LocatedValue<String>>| -> Vec<String> {
        found.into_iter().map(|it| it.value).collect()
    };
    let groups = section.key("groups").list(&[], some);
    for it in groups.iter().filter(|it| Guid::parse(&it.value).is_none()) {
        let complaint = InvalidValue::new(format!(
            "{} is a group name, but Entra sends object IDs",
            quote(&it.value)
        ));
        section.warn(&it.spot, complaint.hint("copy the group's Object ID from Entra, unless tokens are configured to contain names"));
    }
    if let (Some(first), GroupsSource::Off) = (groups.first(), people.groups) {
        let complaint = InvalidValue::new("can never match: [entra] groups is \"off\"");
        section.complain(
            &first.spot,
            complaint.hint("write [entra] groups = \"token\", or use roles"),
        );
    }
    let users = section.key("users").list(&[], user);
    for it in users.iter().filter(|it| people.are_many && Guid::parse(&it.value).is_none()) {
        let complaint = InvalidValue::new(format!(
            "{} is ambiguous: any tenant can assign that name",
            quote(&it.value)
        ));
        section.complain(
            &it.spot,
            complaint.hint(
                "with several tenants, write the person's object ID, and add the tenant to tenants",
            ),
        );
    }
    let table = AllowConditions {
        roles: values(section.key("roles").list(&[], some)),
        groups: values(groups),
        users: values(users),
        tenants: section.key("tenants").list(&[], tenant).into_iter().map(|it| it.value).collect(),
        organizations: values(section.key("organizations").list(&[], organization)),
        directory_roles: values(section.key("directory_roles").list(&[], |it| people.role(it))),
        acrs: values(section.key("acrs").list(&[], context)).into(),
    };
    check_role_owner(section, people, &table);
    table
}

/// Reports tables that match no one, and tables that must also name tenants or organizations.
fn check_role_owner(
    section: &ConfigSection<'_>,
    people: SignInAudience<'_>,
    table: &AllowConditions,
) {
    // An empty list would match everyone, while its author means no one.
    let keys = ["roles", "groups", "users", "tenants", "organizations", "directory_roles", "acrs"];
    if keys.iter().all(|it| section.look_up(it, None).is_none())
        || keys.iter().any(|it| section.is_empty_list(it))
    {
        let complaint = InvalidValue::new("matches no one")
            .hint("write at least one value for each key; or \"signed-in\", or \"nobody\"");
        section.complain(&section.spot_of_table(), complaint);
    }
    for name in ["organizations", "directory_roles"]
        .iter()
        .filter(|it| !people.has_directory && section.look_up(it, None).is_some())
    {
        section.complain(
            &section.spot_of(name),
            InvalidValue::new("needs [directory]")
                .hint("add [directory], or use tenants and roles"),
        );
    }
    if people.has_directory
        && !table.directory_roles.is_empty()
        && !table.tenants.is_empty()
        && table.organizations.is_empty()
    {
        let complaint = InvalidValue::new(
            "must also name organizations: each organization assigns its own, even in the same tenant",
        );
        section.complain(
            &section.spot_of("directory_roles"),
            complaint
                .hint("add organizations = [...] to the same table; tenants alone is not enough"),
        );
    }
    let theirs: [(_, &[String]); 4] = [
        ("roles", &table.roles),
        ("groups", &table.groups),
        ("users", &table.users),
        ("acrs", &table.acrs),
    ];
    let is_said = !table.tenants.is_empty() || !table.organizations.is_empty();
    for (name, values) in theirs.iter().filter(|it| people.are_many && !it.1.is_empty()) {
        if people.has_directory
            && table.organizations.is_empty()
            && is_of_a_registration(name, values)
        {
            let complaint = InvalidValue::new(
                "must also name organizations: each app registration defines its own, even in the same tenant",
            );
            section.complain(
                &section.spot_of(name),
                complaint.hint(
                    "add organizations = [...] to the same table; tenants alone is not enough",
                ),
            );
        } else if !is_said {
            let complaint = InvalidValue::new(
                "must also name tenants or organizations: each tenant defines its own",
            );
            section.complain(
                &section.spot_of(name),
                complaint.hint(if people.has_directory {
                    "add organizations = [...] to the same table"
                } else {
                    "add tenants = [...] to the same table"
                }),
            );
        } else if *name == "groups"
            && people.has_directory
            && table.organizations.is_empty()
            && people.groups == GroupsSource::Token
        {
            let complaint = InvalidValue::new(
                "is read from tokens, in which an organization's app registration may put names that look like object IDs",
            );
            section.warn(&section.spot_of(name), complaint.hint("add organizations = [...] to the same table, or write [entra] groups = \"graph\""));
        }
    }
}

/// Whether an app registration defines these values: app roles always, and group names that it puts
/// into its tokens. Object IDs of groups belong to the tenant.
fn is_of_a_registration(name: &str, values: &[String]) -> bool {
    name == "roles" || name == "groups" && values.iter().any(|it| Guid::parse(it).is_none())
}

impl SignInAudience<'_> {
    /// Reads one of `[directory] roles`. If those could not be read, the problem is already
    /// reported there.
    fn role(self, text: &str) -> Result<String, InvalidValue> {
        if self.roles.is_none_or(|all| all.iter().any(|it| it == text)) {
            return Ok(text.to_owned());
        }
        let known = self
            .roles
            .unwrap_or_default()
            .iter()
            .map(|it| quote(it))
            .collect::<Vec<_>>()
            .join(" or ");
        Err(InvalidValue::new(format!("{} is not one of [directory] roles", quote(text)))
            .hint(format!("write {known}")))
    }
}

fn organization(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a company code", quote(text)))
            .hint("write 4 to 32 of a-z, 0-9 and inner hyphens")
    };
    CompanyCode::parse(text).map(|it| it.to_string()).ok_or_else(refused)
}

fn user(text: &str) -> Result<String, InvalidValue> {
    let is_upn = text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@')
    }) && !text.contains(char::is_whitespace);
    let refused = || {
        InvalidValue::new(format!("{} is not a user", quote(text)))
            .hint("write an object ID, or a sign-in name like maya@contoso.com")
    };
    if is_upn || Guid::parse(text).is_some() { Ok(text.to_owned()) } else { Err(refused()) }
}

fn tenant(text: &str) -> Result<TenantName, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is neither a tenant ID nor a domain", quote(text)))
            .hint("write the Directory (tenant) ID, or a domain like contoso.com")
    };
    named(text).ok_or_else(refused)
}

fn context(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not an authentication context", quote(text)))
            .hint("write its ID, \"c1\" to \"c99\"")
    };
    if is_context(text) { Ok(text.to_owned()) } else { Err(refused()) }
}

/// Reports a rule that never decides because an earlier one covers it. Its author expects it to
/// work.
fn refuse_covered(section: &ConfigSection<'_>, rules: &[LocatedValue<AccessRule>]) {
    for (at, rule) in rules.iter().enumerate() {
        let earlier = || {
            rules.iter().take(at).map(|it| &it.value).filter(|it| it.path.covers(&rule.value.path))
        };
        let by = match rule.value.methods.as_slice() {
            [] => earlier().find(|it| it.methods.is_empty()),
            methods => {
                let covered = |method: &Method| earlier().find(|it| it.covers_method(method));
                methods
                    .iter()
                    .map(covered)
                    .collect::<Option<Vec<_>>>()
                    .and_then(|it| it.first().copied())
            }
        };
        if let Some(by) = by {
            let complaint = InvalidValue::new(format!(
                "can never match: {} at line {} matches first",
                quote(&by.path.to_string()),
                by.line
            ));
            section.complain(
                &rule.spot,
                complaint.hint("the first rule that matches decides; put the narrower one first"),
            );
        }
    }
}

/// Warns about a rule that restricts one form of a path and leaves the others to the default, which
/// allows more.
fn warn_of_spellings(
    section: &ConfigSection<'_>,
    rules: &[LocatedValue<AccessRule>],
    default: &Allow,
) {
    for it in rules {
        let rule = &it.value;
        let is_narrower =
            rule.allow != Allow::Anyone && rule.allow != *default && *default != Allow::Nobody;
        let complaint = match rule.allow {
            Allow::Anyone => suffixes_are_open(rule),
            _ if is_narrower => is_exact(rule, rules).or_else(|| has_no_suffixes(rule, rules)),
            _ => None,
        };
        if let Some(complaint) = complaint {
            section.warn(&it.spot, complaint);
        }
    }
}

/// Many apps serve `/admin/` as `/admin`.
fn is_exact(rule: &AccessRule, rules: &[LocatedValue<AccessRule>]) -> Option<InvalidValue> {
    let path = rule.path.to_string();
    let place = path.trim_end_matches('/');
    let below = PathPattern::parse(&format!("{place}/**")).ok()?;
    if place.is_empty()
        || path.ends_with("/**")
        || rules.iter().any(|it| it.value.path.covers(&below))
    {
        return None;
    }
    let complaint = InvalidValue::new(format!(
        "{} covers only this path; [access] default decides about {} and all below it",
        quote(&path),
        quote(&format!("{place}/"))
    ));
    Some(complaint.hint(format!("write {}", quote(&below.to_string()))))
}

/// Some apps serve `/admin.json`, `/admin.` and `/admin%20` as `/admin`.
fn has_no_suffixes(rule: &AccessRule, rules: &[LocatedValue<AccessRule>]) -> Option<InvalidValue> {
    let place = named_place(rule)?;
    let is_covered = |suffix: &str| {
        PathPattern::parse(&format!("{place}{suffix}"))
            .is_ok_and(|it| rules.iter().any(|rule| rule.value.path.covers(&it)))
    };
    if [".json", ".", "%20"].into_iter().all(is_covered) {
        return None;
    }
    let (json, dot, place) =
        (quote(&format!("{place}.json")), quote(&format!("{place}.")), quote(&place));
    let complaint = InvalidValue::new(format!(
        "does not cover {json}, {dot} and the like, which some apps serve as {place}"
    ));
    Some(complaint.hint("add suffixes = true to the rule, unless the app returns 404 for them"))
}

fn suffixes_are_open(rule: &AccessRule) -> Option<InvalidValue> {
    let place = named_place(rule).filter(|_| rule.path.has_suffixes())?;
    let complaint = InvalidValue::new(format!(
        "also allows anyone at {} and the like, because suffixes = true",
        quote(&format!("{place}.json"))
    ));
    Some(complaint.hint("remove suffixes if allow is \"anyone\""))
}

/// The path of a rule without `/**`, if it ends with a name.
fn named_place(rule: &AccessRule) -> Option<String> {
    let path = rule.path.to_string();
    rule.path.ends_with_name().then(|| path.strip_suffix("/**").unwrap_or(&path).to_owned())
}
