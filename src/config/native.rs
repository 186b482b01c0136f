//! `[native]`: the app's own clients on phones and command lines, which sign in with OAuth 2.1.

use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue};
use super::source::ValueLocation;
use crate::base::redirect_uri::{
    BadRedirectUri, MAX_REDIRECT_URI_BYTES, MatchedRedirectUri, RedirectUri,
};
use std::time::Duration;

/// The parsed section `[native]`.
#[derive(Clone, Debug)]
pub struct NativeConfig {
    /// The registered clients: at least one, each with a unique ID.
    pub clients: Vec<NativeClient>,
    /// Lifetime of an access token: 5 to 10 minutes.
    pub access_token: Duration,
    /// Maximum time without a refresh; at most `lifetime`.
    pub refresh_idle: Duration,
    /// Maximum lifetime of a sign-in.
    pub lifetime: Duration,
}

/// `[[native.client]]`: a public client (RFC 6749 section 2.1), which has no secret.
#[derive(Clone, Debug)]
pub struct NativeClient {
    /// The `client_id` in its requests.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Its redirect URIs; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// Scopes that it may request (RFC 6749 section 3.3).
    pub scopes: Vec<String>,
}

impl NativeConfig {
    /// The client with that ID.
    pub fn client(&self, id: &str) -> Option<&NativeClient> {
        self.clients.iter().find(|it| it.id == id)
    }
}

impl NativeClient {
    /// The requested redirect URI, if it is registered.
    pub fn target(&self, asked: &str) -> Option<MatchedRedirectUri> {
        self.redirect_uris.iter().find_map(|it| it.admits(asked))
    }

    /// Whether the client may request a scope.
    pub fn lists(&self, scope: &str) -> bool {
        self.scopes.iter().any(|it| it == scope)
    }

    /// The granted part of a requested `scope`: the scopes that are listed, in the order of the
    /// request, each once. Empty if none is listed.
    pub fn granted(&self, asked: &str) -> String {
        let mut granted: Vec<&str> = Vec::new();
        for scope in asked.split(' ').filter(|it| self.lists(it)) {
            if !granted.contains(&scope) {
                granted.push(scope);
            }
        }
        granted.join(" ")
    }
}

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

/// Maximum length of a requested `scope`, in bytes, because it travels in a cookie.
pub const MAX_SCOPE_BYTES: usize = 256;

/// Maximum number of clients; more than that would not be the app's own.
const MAX_NATIVE_CLIENTS: usize = 100;

pub(super) fn read(section: &ConfigSection<'_>, has_directory: bool) -> Option<NativeConfig> {
    let names = ["access_token", "refresh_idle", "lifetime"];
    let written = !matches!(section.locate_table().at, ValueLocation::Nowhere)
        || names.iter().any(|it| section.is_written(it));
    let access_token = section
        .key("access_token", "Lifetime of an access token")
        .duration(5 * MINUTE, 5 * MINUTE..=10 * MINUTE);
    let refresh_idle = section
        .key(
            "refresh_idle",
            "Maximum time between two refreshes; after that, the client must sign in again",
        )
        .duration(30 * DAY, Duration::from_hours(1)..=365 * DAY);
    let lifetime = section
        .key("lifetime", "Maximum lifetime of a sign-in; after that, the client must sign in again")
        .duration(90 * DAY, Duration::from_hours(1)..=365 * DAY);
    let clients = section.each("client", MAX_NATIVE_CLIENTS, client);
    if !written {
        return None;
    }
    if !has_directory {
        let invalid = InvalidValue::new("needs [directory]")
            .hint("add [directory] with a database, which stores the sign-ins of native clients");
        section.add_problem(&section.locate_table(), invalid);
    }
    if clients.is_empty() {
        let invalid = InvalidValue::new("has no client, so it cannot be used")
            .hint("add [[native.client]] with id, name and redirect_uris");
        section.add_problem(&section.locate_table(), invalid);
    }
    if refresh_idle > lifetime {
        let invalid = InvalidValue::new("is longer than lifetime, so it would have no effect")
            .hint("choose at most lifetime");
        section.add_problem(&section.locate("refresh_idle"), invalid);
    }
    let clients: Vec<_> = clients.into_iter().flatten().collect();
    report_duplicates(section, &clients);
    Some(NativeConfig {
        clients: clients.into_iter().map(|it| it.value).collect(),
        access_token,
        refresh_idle,
        lifetime,
    })
}

fn client(section: &ConfigSection<'_>) -> Option<LocatedValue<NativeClient>> {
    let id = section.key("id", "Required. Its `client_id`").needed().parse(id);
    let name = section
        .key(
            "name",
            "Required. Display name on the confirmation page and the page that returns to the app",
        )
        .needed()
        .parse(name);
    let uris = section
        .key("redirect_uris", "Required. Addresses that may receive the response")
        .needed()
        .whole_list(&[], redirect_uri);
    if section.is_empty_list("redirect_uris") {
        section.add_problem(
            &section.locate("redirect_uris"),
            InvalidValue::new("is empty")
                .hint("write at least one address, like [\"com.example.app:/signed-in\"]"),
        );
    }
    let scopes: Vec<_> = section
        .key("scopes", "Scopes that it can request; others are dropped")
        .list(&[], scope)
        .into_iter()
        .map(|it| it.value)
        .collect();
    if scopes.iter().map(|it| it.len() + 1).sum::<usize>() > MAX_SCOPE_BYTES + 1 {
        let invalid = InvalidValue::new(format!(
            "has more than {MAX_SCOPE_BYTES} bytes, so no client could request all of it"
        ));
        section
            .add_problem(&section.locate("scopes"), invalid.hint("list fewer or shorter scopes"));
    }
    let (LocatedValue { value: id, place }, name) = (id?, name?.value);
    Some(LocatedValue {
        value: NativeClient {
            id,
            name,
            redirect_uris: uris?.into_iter().map(|it| it.value).collect(),
            scopes,
        },
        place,
    })
}

fn report_duplicates(section: &ConfigSection<'_>, clients: &[LocatedValue<NativeClient>]) {
    for (at, it) in clients.iter().enumerate() {
        if clients.iter().take(at).any(|other| other.value.id == it.value.id) {
            let invalid = InvalidValue::new(format!(
                "{} already belongs to another client",
                quote(&it.value.id)
            ))
            .hint("give each client its own");
            section.add_problem(&it.place, invalid);
        }
    }
}

fn id(text: &str) -> Result<String, InvalidValue> {
    let plain =
        text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'));
    let refused = || {
        InvalidValue::new(format!("{} is not a client ID", quote(text)))
            .hint("write up to 64 letters, digits, hyphens, dots and underscores")
    };
    if plain && text.len() <= 64 { Ok(text.to_owned()) } else { Err(refused()) }
}

fn name(text: &str) -> Result<String, InvalidValue> {
    let plain =
        text.trim() == text && !text.chars().any(char::is_control) && text.chars().count() <= 60;
    if plain {
        Ok(text.to_owned())
    } else {
        Err(InvalidValue::new("is not a readable name")
            .hint("write up to 60 characters on one line"))
    }
}

/// Parses a `scope-token` (RFC 6749 section 3.3).
fn scope(text: &str) -> Result<String, InvalidValue> {
    let is_token =
        !text.is_empty() && text.bytes().all(|it| matches!(it, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    let refused = || {
        InvalidValue::new(format!("{} is not a scope", quote(text)))
            .hint("write one scope per entry, without spaces, quotes and backslashes")
    };
    if is_token { Ok(text.to_owned()) } else { Err(refused()) }
}

fn redirect_uri(text: &str) -> Result<RedirectUri, InvalidValue> {
    RedirectUri::parse(text)
        .map_err(|bad| InvalidValue::new(format!("{} {bad}", quote(text))).hint(hint(bad)))
}

fn hint(bad: BadRedirectUri) -> String {
    match bad {
        BadRedirectUri::Long => format!("write at most {MAX_REDIRECT_URI_BYTES} bytes"),
        BadRedirectUri::Character => "write the whole address, without wildcards, spaces and quotes".to_owned(),
        BadRedirectUri::Fragment => "remove # and everything after it".to_owned(),
        BadRedirectUri::User => "remove @ and everything before it".to_owned(),
        BadRedirectUri::Scheme => "write your reversed domain name, in lower case, like com.example.app:/signed-in".to_owned(),
        BadRedirectUri::Http => "write https, or http://127.0.0.1/ for a program on the same machine".to_owned(),
        BadRedirectUri::Localhost => "write 127.0.0.1 or [::1]: localhost may resolve to another address (RFC 8252 8.3)".to_owned(),
        BadRedirectUri::Spelling => "write host and path as a browser's address bar shows them, in lower case, with / after the host or the scheme".to_owned(),
        BadRedirectUri::Parameter => "remove code, state, iss and error: the response adds them".to_owned(),
    }
}
