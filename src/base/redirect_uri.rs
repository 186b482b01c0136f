//! Where an app of the phone or the command line hears how its sign-in went (RFC 8252 section 7).

/// The longest one, in bytes.
pub const MAX_REDIRECT_URI_BYTES: usize = 512;

/// What we add to it, which it may not say itself.
const ADDED_PARAMETERS: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

/// A redirect URI that a client has registered: a private-use scheme, a claimed https address, or loopback. It can hold nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(RedirectUriShape);

/// One that was asked for and is registered, as it was asked: the only place that an answer for an app goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRedirectUri {
    text: String,
    kind: RedirectUriKind,
}

/// An address at which a client hears its answer. Made of a `MatchedRedirectUri` alone, so it leads nowhere but to a registered place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppReturnUrl {
    text: String,
    kind: RedirectUriKind,
}

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectUriKind {
    /// A scheme that any app on the device can claim.
    PrivateUse,
    /// An https address that the operating system gives to its owner's app.
    Https,
    /// A server of the app itself on this machine, at any port.
    Loopback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RedirectUriShape {
    PrivateUse(String),
    Https(String),
    /// The address without its port: up to the host, and what follows.
    Loopback(&'static str, String),
}

/// Why a text is no redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirectUri {
    /// Longer than `MAX_REDIRECT_URI_BYTES`.
    #[error("is too long")]
    Long,
    /// Not printable ASCII, a wildcard, or a character that no URI has.
    #[error("has a character that is not allowed")]
    Character,
    /// A fragment (RFC 6749 3.1.2).
    #[error("has a fragment")]
    Fragment,
    /// A user or a password, or what reads like one.
    #[error("has an @, which looks like a user")]
    User,
    /// A scheme without a dot could be anybody's (RFC 8252 7.1).
    #[error("has a scheme that is not a reversed domain name")]
    Scheme,
    /// http, but not to this machine by its address.
    #[error("is http, which is allowed only for 127.0.0.1 and [::1]")]
    Http,
    /// `localhost` may be resolved elsewhere, and firewalls know it (RFC 8252 8.3).
    #[error("names localhost")]
    Localhost,
    /// No path, or none that a browser would leave as it is written.
    #[error("is not in normalized form")]
    Spelling,
    /// A parameter that we add.
    #[error("has a parameter that the response adds")]
    Parameter,
}

impl RedirectUri {
    /// Reads what an operator registers.
    ///
    /// # Errors
    /// `BadRedirectUri` says why it cannot be one.
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
        if url::form_urlencoded::parse(query.as_bytes()).any(|it| ADDED_PARAMETERS.contains(&&*it.0)) {
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

    /// Whether this is the one that a client asks for: byte for byte, but for loopback's port (RFC 8252 7.3).
    pub fn admits(&self, asked: &str) -> Option<MatchedRedirectUri> {
        let (same, kind) = match &self.0 {
            RedirectUriShape::PrivateUse(text) => (asked == text, RedirectUriKind::PrivateUse),
            RedirectUriShape::Https(text) => (asked == text, RedirectUriKind::Https),
            RedirectUriShape::Loopback(host, rest) => (without_port(asked).is_some_and(|it| it == (*host, rest.as_str())), RedirectUriKind::Loopback),
        };
        same.then(|| MatchedRedirectUri { text: asked.to_owned(), kind })
    }
}

impl MatchedRedirectUri {
    /// As it was asked for.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of address it is.
    pub fn kind(&self) -> RedirectUriKind {
        self.kind
    }

    /// With what the client is told there.
    pub fn answer(&self, told: &[(&str, &str)]) -> AppReturnUrl {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(told);
        let by = match self.text.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        AppReturnUrl { text: format!("{}{by}{}", self.text, query.finish()), kind: self.kind }
    }
}

impl AppReturnUrl {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of address it is.
    pub fn kind(&self) -> RedirectUriKind {
        self.kind
    }
}

fn https(text: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let url = url::Url::parse(text).map_err(|_| BadRedirectUri::Spelling)?;
    // As a browser reads it, it is what stands there: no dots to resolve, no name to fold, no port to leave out.
    let same = url.as_str() == text && matches!(url.host(), Some(url::Host::Domain(it)) if it.contains('.') && !it.ends_with('.'));
    if same && url.username().is_empty() && url.password().is_none() { Ok(RedirectUriShape::Https(text.to_owned())) } else { Err(BadRedirectUri::Spelling) }
}

fn loopback(text: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let authority = text.strip_prefix("http://").map(|it| it.split(['/', '?']).next().unwrap_or_default());
    if authority.is_some_and(|it| it.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case("localhost"))) {
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

/// Takes the port out of a loopback address. One that is written oddly is none.
fn without_port(text: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"].into_iter().find_map(|it| Some((it, text.strip_prefix(it)?)))?;
    let Some(after) = rest.strip_prefix(':') else { return rest.starts_with('/').then_some((host, rest)) };
    let (port, rest) = after.split_at_checked(after.find('/')?)?;
    let plain = port.bytes().all(|it| it.is_ascii_digit()) && !port.starts_with('0') && port.parse::<u16>().is_ok();
    plain.then_some((host, rest))
}

/// RFC 8252 7.1: a reversed domain name. What a browser or a system acts on itself (`javascript:`, `file:`, `intent:`) has no dot.
fn private_use(text: &str, scheme: &str, rest: &str) -> Result<RedirectUriShape, BadRedirectUri> {
    let label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'+');
    let reversed = scheme.contains('.') && scheme.split('.').all(label) && scheme.starts_with(|it: char| it.is_ascii_lowercase());
    if !reversed {
        return Err(BadRedirectUri::Scheme);
    }
    // As any reader of URLs reads it, it is what stands there.
    let same = url::Url::parse(text).is_ok_and(|it| it.as_str() == text);
    if rest.starts_with('/') && same { Ok(RedirectUriShape::PrivateUse(text.to_owned())) } else { Err(BadRedirectUri::Spelling) }
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
        let of_length = |bytes: usize| RedirectUri::parse(&format!("com.example:/{}", "x".repeat(bytes - "com.example:/".len()))).map(drop);
        assert_eq!((of_length(MAX_REDIRECT_URI_BYTES), of_length(MAX_REDIRECT_URI_BYTES + 1)), (Ok(()), Err(BadRedirectUri::Long)));
    }

    #[test]
    fn one_is_asked_for_byte_by_byte_but_for_the_port_of_loopback() {
        let loopback = "http://127.0.0.1/callback";
        assert!(admits(loopback, "http://127.0.0.1:1/callback") && admits("http://127.0.0.1:7/callback", "http://127.0.0.1:65535/callback"));
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
        for asked in
            ["https://app.example.com:8443/done", "https://app.example.com/done/", "https://app.example.com/done?", "https://app.example.com.evil/done"]
        {
            assert!(!admits(https, asked), "{asked}");
        }
        assert!(!admits("com.example.fleet:/done", "com.example.fleet:/done2") && !admits("com.example.fleet:/done", "COM.example.fleet:/done"));
    }

    #[test]
    fn an_answer_is_added_to_what_was_asked_for() {
        let answer = |text: &str| RedirectUri::parse(text).unwrap().admits(text).unwrap().answer(&[("code", "a b&c"), ("state", "=é")]).as_str().to_owned();
        assert_eq!(answer("com.example:/x"), "com.example:/x?code=a+b%26c&state=%3D%C3%A9");
        assert_eq!(answer("https://app.example.com/x?y=1"), "https://app.example.com/x?y=1&code=a+b%26c&state=%3D%C3%A9");
        assert_eq!(answer("http://127.0.0.1:9/?"), "http://127.0.0.1:9/?code=a+b%26c&state=%3D%C3%A9");
        assert_eq!(answer("com.example:/x?y=1&"), "com.example:/x?y=1&code=a+b%26c&state=%3D%C3%A9");
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
