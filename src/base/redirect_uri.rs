//! Where an app of the phone or the command line hears how its sign-in went (RFC 8252 section 7).

/// The longest one, in bytes.
pub const MOST_BYTES: usize = 512;

/// What we add to it, which it may not say itself.
const OURS: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

/// A redirect URI that a client has registered: a private-use scheme, a claimed https address, or loopback. It can hold nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(Shape);

/// One that was asked for and is registered, as it was asked: the only place that an answer for an app goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    kind: Kind,
}

/// An address at which a client hears its answer. Made of a `Target` alone, so it leads nowhere but to a registered place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    text: String,
    kind: Kind,
}

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A scheme that any app on the device can claim.
    PrivateUse,
    /// An https address that the operating system gives to its owner's app.
    Https,
    /// A server of the app itself on this machine, at any port.
    Loopback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    PrivateUse(String),
    Https(String),
    /// The address without its port: up to the host, and what follows.
    Loopback(&'static str, String),
}

/// Why a text is no redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Longer than `MOST_BYTES`.
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
    /// `Bad` says why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, Bad> {
        if text.len() > MOST_BYTES {
            return Err(Bad::Long);
        }
        if text.contains('#') {
            return Err(Bad::Fragment);
        }
        if !text.bytes().all(|it| it.is_ascii_graphic() && !b"\"<>\\^`{|}*'".contains(&it)) {
            return Err(Bad::Character);
        }
        if text.contains('@') {
            return Err(Bad::User);
        }
        let query = text.split_once('?').map_or("", |it| it.1);
        if url::form_urlencoded::parse(query.as_bytes()).any(|it| OURS.contains(&&*it.0)) {
            return Err(Bad::Parameter);
        }
        match text.split_once(':') {
            Some(("https", _)) => https(text),
            Some(("http", _)) => loopback(text),
            Some((scheme, rest)) => private_use(text, scheme, rest),
            None => Err(Bad::Scheme),
        }
        .map(Self)
    }

    /// Whether this is the one that a client asks for: byte for byte, but for loopback's port (RFC 8252 7.3).
    pub fn admits(&self, asked: &str) -> Option<Target> {
        let (same, kind) = match &self.0 {
            Shape::PrivateUse(text) => (asked == text, Kind::PrivateUse),
            Shape::Https(text) => (asked == text, Kind::Https),
            Shape::Loopback(host, rest) => (without_port(asked).is_some_and(|it| it == (*host, rest.as_str())), Kind::Loopback),
        };
        same.then(|| Target { text: asked.to_owned(), kind })
    }
}

impl Target {
    /// As it was asked for.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of address it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// With what the client is told there.
    pub fn answer(&self, told: &[(&str, &str)]) -> Answer {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(told);
        let by = match self.text.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        Answer { text: format!("{}{by}{}", self.text, query.finish()), kind: self.kind }
    }
}

impl Answer {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of address it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

fn https(text: &str) -> Result<Shape, Bad> {
    let url = url::Url::parse(text).map_err(|_| Bad::Spelling)?;
    // As a browser reads it, it is what stands there: no dots to resolve, no name to fold, no port to leave out.
    let same = url.as_str() == text && matches!(url.host(), Some(url::Host::Domain(it)) if it.contains('.') && !it.ends_with('.'));
    if same && url.username().is_empty() && url.password().is_none() { Ok(Shape::Https(text.to_owned())) } else { Err(Bad::Spelling) }
}

fn loopback(text: &str) -> Result<Shape, Bad> {
    let authority = text.strip_prefix("http://").map(|it| it.split(['/', '?']).next().unwrap_or_default());
    if authority.is_some_and(|it| it.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case("localhost"))) {
        return Err(Bad::Localhost);
    }
    let (host, rest) = without_port(text).ok_or(Bad::Http)?;
    let url = url::Url::parse(&format!("{host}{rest}")).map_err(|_| Bad::Spelling)?;
    if rest.starts_with('/') && url.as_str() == format!("{host}{rest}") { Ok(Shape::Loopback(host, rest.to_owned())) } else { Err(Bad::Spelling) }
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
fn private_use(text: &str, scheme: &str, rest: &str) -> Result<Shape, Bad> {
    let label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'+');
    let reversed = scheme.contains('.') && scheme.split('.').all(label) && scheme.starts_with(|it: char| it.is_ascii_lowercase());
    if !reversed {
        return Err(Bad::Scheme);
    }
    // As any reader of URLs reads it, it is what stands there.
    let same = url::Url::parse(text).is_ok_and(|it| it.as_str() == text);
    if rest.starts_with('/') && same { Ok(Shape::PrivateUse(text.to_owned())) } else { Err(Bad::Spelling) }
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
            ("com.example.fleet:/callback", Kind::PrivateUse),
            ("com.example.fleet://sign-in/done", Kind::PrivateUse),
            ("https://app.example.com/phone/done", Kind::Https),
            ("https://app.example.com:8443/done?x=1", Kind::Https),
            ("http://127.0.0.1/callback", Kind::Loopback),
            ("http://127.0.0.1:8080/", Kind::Loopback),
            ("http://[::1]/callback", Kind::Loopback),
        ] {
            let read = RedirectUri::parse(text).unwrap_or_else(|it| panic!("{text}: {it}"));
            assert_eq!(read.admits(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn nothing_else_can() {
        for (text, why) in [
            ("fleet:/callback", Bad::Scheme),
            ("javascript:alert(1)", Bad::Scheme),
            ("data:text/html,x", Bad::Scheme),
            ("file:///etc/passwd", Bad::Scheme),
            ("intent://x/y", Bad::Scheme),
            ("JavaScript:/x", Bad::Scheme),
            ("Com.example:/x", Bad::Scheme),
            ("com..example:/x", Bad::Scheme),
            (".com.example:/x", Bad::Scheme),
            ("1com.example:/x", Bad::Scheme),
            ("HTTPS://app.example.com/x", Bad::Scheme),
            ("/x", Bad::Scheme),
            ("", Bad::Scheme),
            ("com.example:x", Bad::Spelling),
            ("com.example://host:port/x", Bad::Spelling),
            ("com.example:/x/../y", Bad::Spelling),
            ("com.example:/x#y", Bad::Fragment),
            ("com.example://user@x/y", Bad::User),
            ("com.example:/*", Bad::Character),
            ("com.example:/a b", Bad::Character),
            ("com.example:/x?state=1", Bad::Parameter),
            ("com.example:/x?co%64e=1", Bad::Parameter),
            ("https://user:word@app.example.com/", Bad::User),
            ("https://*.example.com/x", Bad::Character),
            ("https://app.example.com", Bad::Spelling),
            ("https://APP.example.com/x", Bad::Spelling),
            ("https://app.example.com:443/x", Bad::Spelling),
            ("https://app.example.com/a/../b", Bad::Spelling),
            ("https://192.0.2.1/x", Bad::Spelling),
            ("https:app.example.com/x", Bad::Spelling),
            ("http://app.example.com/x", Bad::Http),
            ("http://127.0.0.1.example.com/x", Bad::Http),
            ("http://127.0.0.2/x", Bad::Http),
            ("http://127.0.0.1", Bad::Http),
            ("http://127.0.0.1:0/x", Bad::Http),
            ("http://127.1/x", Bad::Http),
            ("http://127.0.0.1/a/../b", Bad::Spelling),
            ("http://127.0.0.1:8080/a/../b", Bad::Spelling),
            ("https://app/x", Bad::Spelling),
            ("https://app.example.com./x", Bad::Spelling),
            ("http://localhost/x", Bad::Localhost),
            ("http://LocalHost:80/x", Bad::Localhost),
        ] {
            assert_eq!(RedirectUri::parse(text).unwrap_err(), why, "{text}");
        }
        let of_length = |bytes: usize| RedirectUri::parse(&format!("com.example:/{}", "x".repeat(bytes - "com.example:/".len()))).map(drop);
        assert_eq!((of_length(MOST_BYTES), of_length(MOST_BYTES + 1)), (Ok(()), Err(Bad::Long)));
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
        for (text, kind) in [("com.example:/x", Kind::PrivateUse), ("https://app.example.com/x", Kind::Https), ("http://[::1]/x", Kind::Loopback)] {
            let target = RedirectUri::parse(text).unwrap().admits(text).unwrap();
            assert_eq!((target.as_str(), target.answer(&[]).kind()), (text, kind));
        }
    }
}
