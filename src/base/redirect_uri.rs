//! Redirect URIs of mobile and command-line apps (RFC 8252 section 7).

/// Maximum length of a redirect URI, in bytes.
pub const MAX_REDIRECT_URI_BYTES: usize = 512;

/// Parameters that the response adds; a redirect URI must not contain them.
const ADDED_PARAMETERS: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

/// A redirect URI that a client has registered: a private-use scheme, a claimed https address, or
/// loopback. No other kind can be represented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(RedirectUriShape);

/// A requested redirect URI that is registered, exactly as requested. Responses for an app go only
/// here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRedirectUri {
    text: String,
    kind: RedirectUriKind,
}

/// The URL that returns a response to a client. It is built only from a `MatchedRedirectUri`, so it
/// always leads to a registered place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppReturnUrl {
    text: String,
    kind: RedirectUriKind,
}

/// The kind of a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectUriKind {
    /// A private-use scheme, which any app on the device can claim.
    PrivateUse,
    /// An https address that the operating system hands to its owner's app.
    Https,
    /// A server run by the app itself on this machine, at any port.
    Loopback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RedirectUriShape {
    PrivateUse(String),
    Https(String),
    /// The address without its port: up to the host, and the rest.
    Loopback(&'static str, String),
}

/// The reason why a text is not a valid redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirectUri {
    /// The text is longer than `MAX_REDIRECT_URI_BYTES`.
    #[error("is too long")]
    Long,
    /// It contains a character that is not printable ASCII, a wildcard, or a character that a URI
    /// cannot have.
    #[error("has a character that is not allowed")]
    Character,
    /// It has a fragment (RFC 6749 section 3.1.2).
    #[error("has a fragment")]
    Fragment,
    /// It has a user or a password, or something that looks like one.
    #[error("has an @, which looks like a user")]
    User,
    /// The scheme has no dot, so any app could claim it (RFC 8252 section 7.1).
    #[error("has a scheme that is not a reversed domain name")]
    Scheme,
    /// It is http, but not to a loopback IP address.
    #[error("is http, which is allowed only for 127.0.0.1 and [::1]")]
    Http,
    /// It uses `localhost`, which may resolve to another host or be blocked by firewalls (RFC 8252
    /// section 8.3).
    #[error("names localhost")]
    Localhost,
    /// It has no path, or a path that a browser would rewrite.
    #[error("is not in normalized form")]
    Spelling,
    /// It contains a parameter that the response adds.
    #[error("has a parameter that the response adds")]
    Parameter,
}

impl RedirectUri {
    /// Parses a redirect URI that an operator registers.
    ///
    /// # Errors
    /// Returns a `BadRedirectUri` with the reason why the text is rejected.
    pub fn parse(text: &str) -> Result<Self, BadRedirectUri> {
        if text.len() > MAX_REDIRECT_URI_BYTES {
            return Err(BadRedirectUri::Long);
        }
        if text.contains('#') {
            return Err(BadRedirectUri::Fragment);
        }
        if !text.bytes().all(|it| it.is_ascii_graphic() && !b"\"<>\\^`{|}*'".contains(&it)) {
            return Err(BadRedirectUri::Character);
        }
        if text.contains('@') {
            return Err(BadRedirectUri::User);
        }
        let query = text.split_once('?').map_or("", |it| it.1);
        if url::form_urlencoded::parse(query.as_bytes())
            .any(|it| ADDED_PARAMETERS.contains(&&*it.0))
        {
            return Err(BadRedirectUri::Parameter);
        }
        match text.split_once(':') {
            Some(("https", _)) => https(text),
            Some(("http", _)) => loopback(text),
            Some((scheme, rest)) => private_use(text, scheme, rest),
            None => Err(BadRedirectUri::Scheme),
        }
        .map(Self)
    }

    /// Returns the requested URI if it matches this one: byte for byte, except for the port of a
    /// loopback address (RFC 8252 section 7.3).
    pub fn admits(&self, asked: &str) -> Option<MatchedRedirectUri> {
        let (same, kind) = match &self.0 {
            RedirectUriShape::PrivateUse(text) => (asked == text, RedirectUriKind::PrivateUse),
            RedirectUriShape::Https(text) => (asked == text, RedirectUriKind::Https),
            RedirectUriShape::Loopback(host, rest) => (
                without_port(asked).is_some_and(|it| it == (*host, rest.as_str())),
                RedirectUriKind::Loopback,
            ),
        };
        same.then(|| MatchedRedirectUri { text: asked.to_owned(), kind })
    }
}

impl MatchedRedirectUri {
    /// The URI exactly as requested.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of this URI.
    pub fn kind(&self) -> RedirectUriKind {
        self.kind
    }

    /// Builds the return URL with these parameters.
    pub fn answer(&self, parameters: &[(&str, &str)]) -> AppReturnUrl {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let by = match self.text.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        AppReturnUrl { text: format!("{}{by}{}", self.text, query.finish()), kind: self.kind }
    }
}

impl AppReturnUrl {
    /// The complete URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of this URL.
    pub fn kind(&self) -> RedirectUriKind {
        self.kind
    }
}

fn https(text: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let url = url::Url::parse(text).map_err(|_| BadRedirectUri::Spelling)?;
    // A browser reads it exactly as written: it resolves no dots, folds no name and drops no port.
    let same = url.as_str() == text
        && matches!(url.host(), Some(url::Host::Domain(it)) if it.contains('.') && !it.ends_with('.'));
    if same && url.username().is_empty() && url.password().is_none() {
        Ok(RedirectUriShape::Https(text.to_owned()))
    } else {
        Err(BadRedirectUri::Spelling)
    }
}

fn loopback(text: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let authority =
        text.strip_prefix("http://").map(|it| it.split(['/', '?']).next().unwrap_or_default());
    if authority.is_some_and(|it| {
        it.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case("localhost"))
    }) {
        return Err(BadRedirectUri::Localhost);
    }
    let (host, rest) = without_port(text).ok_or(BadRedirectUri::Http)?;
    let url = url::Url::parse(&format!("{host}{rest}")).map_err(|_| BadRedirectUri::Spelling)?;
    if rest.starts_with('/') && url.as_str() == format!("{host}{rest}") {
        Ok(RedirectUriShape::Loopback(host, rest.to_owned()))
    } else {
        Err(BadRedirectUri::Spelling)
    }
}

/// Removes the port from a loopback address. Returns `None` for an address in an unusual form.
fn without_port(text: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
        .into_iter()
        .find_map(|it| Some((it, text.strip_prefix(it)?)))?;
    let Some(after) = rest.strip_prefix(':') else {
        return rest.starts_with('/').then_some((host, rest));
    };
    let (port, rest) = after.split_at_checked(after.find('/')?)?;
    let plain = port.bytes().all(|it| it.is_ascii_digit())
        && !port.starts_with('0')
        && port.parse::<u16>().is_ok();
    plain.then_some((host, rest))
}

/// RFC 8252 section 7.1: the scheme is a reversed domain name. Schemes that a browser or an
/// operating system handles itself (`javascript:`, `file:`, `intent:`) have no dot.
fn private_use(text: &str, scheme: &str, rest: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let label = |it: &str| {
        !it.is_empty()
            && it.bytes().all(|it| {
                it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'+'
            })
    };
    let reversed = scheme.contains('.')
        && scheme.split('.').all(label)
        && scheme.starts_with(|it: char| it.is_ascii_lowercase());
    if !reversed {
        return Err(BadRedirectUri::Scheme);
    }
    // A URL parser reads it exactly as written.
    let same = url::Url::parse(text).is_ok_and(|it| it.as_str() == text);
    if rest.starts_with('/') && same {
        Ok(RedirectUriShape::PrivateUse(text.to_owned()))
    } else {
        Err(BadRedirectUri::Spelling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(registered: &str, asked: &str) -> bool {
        RedirectUri::parse(registered).unwrap().admits(asked).is_some()
    }

    #[test]
    fn three_kinds_can_be_registered() {
        for (text, kind) in [
            ("com.example.fleet:/callback", RedirectUriKind::PrivateUse),
            ("com.example.fleet://sign-in/done", RedirectUriKind::PrivateUse),
            ("com.my-example.fleet+2:/done", RedirectUriKind::PrivateUse),
            ("https://app.example.com/phone/done", RedirectUriKind::Https),
            ("https://app.example.com:8443/done?x=1", RedirectUriKind::Https),
            ("http://127.0.0.1/callback", RedirectUriKind::Loopback),
            ("http://127.0.0.1:8080/", RedirectUriKind::Loopback),
            ("http://[::1]/callback", RedirectUriKind::Loopback),
        ] {
            let read = RedirectUri::parse(text).unwrap_or_else(|it| panic!("{text}: {it}"));
            assert_eq!(read.admits(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn nothing_else_can() {
        for (text, why) in [
            ("fleet:/callback", BadRedirectUri::Scheme),
            ("javascript:alert(1)", BadRedirectUri::Scheme),
            ("data:text/html,x", BadRedirectUri::Scheme),
            ("file:///etc/passwd", BadRedirectUri::Scheme),
            ("intent://x/y", BadRedirectUri::Scheme),
            ("JavaScript:/x", BadRedirectUri::Scheme),
            ("Com.example:/x", BadRedirectUri::Scheme),
            ("com.Example:/x", BadRedirectUri::Scheme),
            ("com.exam_ple:/x", BadRedirectUri::Scheme),
            ("com..example:/x", BadRedirectUri::Scheme),
            (".com.example:/x", BadRedirectUri::Scheme),
            ("1com.example:/x", BadRedirectUri::Scheme),
            ("HTTPS://app.example.com/x", BadRedirectUri::Scheme),
            ("/x", BadRedirectUri::Scheme),
            ("", BadRedirectUri::Scheme),
            ("com.example:x", BadRedirectUri::Spelling),
            ("com.example://host:port/x", BadRedirectUri::Spelling),
            ("com.example:/x/../y", BadRedirectUri::Spelling),
            ("com.example:/x#y", BadRedirectUri::Fragment),
            ("com.example://user@x/y", BadRedirectUri::User),
            ("com.example:/*", BadRedirectUri::Character),
            ("com.example:/a b", BadRedirectUri::Character),
            ("com.example:/x?state=1", BadRedirectUri::Parameter),
            ("com.example:/x?co%64e=1", BadRedirectUri::Parameter),
            ("https://user:word@app.example.com/", BadRedirectUri::User),
            ("https://*.example.com/x", BadRedirectUri::Character),
            ("https://app.example.com", BadRedirectUri::Spelling),
            ("https://APP.example.com/x", BadRedirectUri::Spelling),
            ("https://app.example.com:443/x", BadRedirectUri::Spelling),
            ("https://app.example.com/a/../b", BadRedirectUri::Spelling),
            ("https://192.0.2.1/x", BadRedirectUri::Spelling),
            ("https:app.example.com/x", BadRedirectUri::Spelling),
            ("http://app.example.com/x", BadRedirectUri::Http),
            ("http://127.0.0.1.example.com/x", BadRedirectUri::Http),
            ("http://127.0.0.2/x", BadRedirectUri::Http),
            ("http://127.0.0.1", BadRedirectUri::Http),
            ("http://127.0.0.1:0/x", BadRedirectUri::Http),
            ("http://127.1/x", BadRedirectUri::Http),
            ("http://127.0.0.1/a/../b", BadRedirectUri::Spelling),
            ("http://127.0.0.1:8080/a/../b", BadRedirectUri::Spelling),
            ("https://app/x", BadRedirectUri::Spelling),
            ("https://app.example.com./x", BadRedirectUri::Spelling),
            ("http://localhost/x", BadRedirectUri::Localhost),
            ("http://LocalHost:80/x", BadRedirectUri::Localhost),
        ] {
            assert_eq!(RedirectUri::parse(text).unwrap_err(), why, "{text}");
        }
        let of_length = |bytes: usize| {
            RedirectUri::parse(&format!(
                "com.example:/{}",
                "x".repeat(bytes - "com.example:/".len())
            ))
            .map(drop)
        };
        assert_eq!(
            (of_length(MAX_REDIRECT_URI_BYTES), of_length(MAX_REDIRECT_URI_BYTES + 1)),
            (Ok(()), Err(BadRedirectUri::Long))
        );
    }

    #[test]
    fn one_is_asked_for_byte_by_byte_but_for_the_port_of_loopback() {
        let loopback = "http://127.0.0.1/callback";
        assert!(
            admits(loopback, "http://127.0.0.1:1/callback")
                && admits("http://127.0.0.1:7/callback", "http://127.0.0.1:65535/callback")
        );
        for asked in [
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:65536/callback",
            "http://127.0.0.1:080/callback",
            "http://127.0.0.1:+1/callback",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1:1@evil.example/callback",
            "http://127.0.0.1:1/callback/",
            "http://127.0.0.1:1/callback?x",
            "http://127.0.0.1:1/callback#x",
            "http://127.0.0.1:1/Callback",
            "http://127.0.0.1:1/x/../callback",
            "http://127.0.0.1.evil.example/callback",
            "http://[::1]/callback",
            "http://localhost/callback",
            "https://127.0.0.1/callback",
        ] {
            assert!(!admits(loopback, asked), "{asked}");
        }
        let https = "https://app.example.com/done";
        for asked in [
            "https://app.example.com:8443/done",
            "https://app.example.com/done/",
            "https://app.example.com/done?",
            "https://app.example.com.evil/done",
        ] {
            assert!(!admits(https, asked), "{asked}");
        }
        assert!(
            !admits("com.example.fleet:/done", "com.example.fleet:/done2")
                && !admits("com.example.fleet:/done", "COM.example.fleet:/done")
        );
    }

    #[test]
    fn an_answer_is_added_to_what_was_asked_for() {
        let answer = |text: &str| {
            RedirectUri::parse(text)
                .unwrap()
                .admits(text)
                .unwrap()
                .answer(&[("code", "a b&c"), ("state", "=é")])
                .as_str()
                .to_owned()
        };
        assert_eq!(answer("com.example:/x"), "com.example:/x?code=a+b%26c&state=%3D%C3%A9");
        assert_eq!(
            answer("https://app.example.com/x?y=1"),
            "https://app.example.com/x?y=1&code=a+b%26c&state=%3D%C3%A9"
        );
        assert_eq!(
            answer("http://127.0.0.1:9/?"),
            "http://127.0.0.1:9/?code=a+b%26c&state=%3D%C3%A9"
        );
        assert_eq!(
            answer("com.example:/x?y=1&"),
            "com.example:/x?y=1&code=a+b%26c&state=%3D%C3%A9"
        );
    }

    #[test]
    fn an_answer_is_of_the_kind_of_its_target() {
        for (text, kind) in [
            ("com.example:/x", RedirectUriKind::PrivateUse),
            ("https://app.example.com/x", RedirectUriKind::Https),
            ("http://[::1]/x", RedirectUriKind::Loopback),
        ] {
            let target = RedirectUri::parse(text).unwrap().admits(text).unwrap();
            assert_eq!((target.as_str(), target.answer(&[]).kind()), (text, kind));
        }
    }
}
