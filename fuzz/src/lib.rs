//! Properties that every parser must have for any input from outside: one function each, for
//! cargo-fuzz and for the ordinary tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what does not hold is found by falling over"
)]

pub mod program;
// The stories have this module at the root of their own crate.
#[cfg(not(test))]
#[allow(
    dead_code,
    unfulfilled_lint_expectations,
    unused_imports,
    reason = "the stories use the rest"
)]
#[path = "../../tests/stories/world/mod.rs"]
mod world;

use entrada::base::certificate::ClientCertificate;
use entrada::base::clock::Clock;
use entrada::base::guid::Guid;
use entrada::base::random::RandomSource;
use entrada::base::redirect_uri::{RedirectUri, RedirectUriKind};
use entrada::base::return_to::ReturnTo;
use entrada::base::secret::Secret;
use entrada::base::site::Site;
use entrada::base::target::{PathStrictness, Target};
use entrada::config::entra::TenantConfig;
use entrada::config::server::TrustedProxies;
use entrada::config::{self, problem};
use entrada::entra::{keys, metadata, token};
use entrada::headers::access_token::AccessTokens;
use entrada::seal::envelope::Envelope;
use entrada::seal::keyring::Keyring;
use entrada::session::pending::{PendingSignIn, SessionRequest, SignInPurpose};
use entrada::wire::challenge;
use entrada::wire::cookies::{self, CookieMatch, CookieNames};
use entrada::wire::form::FormFields;
use entrada::wire::forwarded;
use entrada::wire::peer::Peer;
use http::header::{COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
pub use program::program;

/// A function that panics if the property in its name does not hold for the bytes.
pub type Holds = fn(&[u8]);

/// All functions, with the name of their fuzz target, which is also the name of their seed folder.
pub const ALL: &[(&str, Holds)] = &[
    ("target", target),
    ("return_to", return_to),
    ("redirect_uri", redirect_uri),
    ("cookies", cookies),
    ("forwarded", forwarded),
    ("challenges", challenges),
    ("pending", pending),
    ("tokens", tokens),
    ("configuration", configuration),
    ("forms", forms),
    ("passes", passes),
    ("certificates", certificates),
    ("program", program),
];

/// Checks that an accepted target is byte for byte the received one, does not leave its root, and
/// means the same to a WHATWG parser.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for strictness in [PathStrictness::Strict, PathStrictness::Lenient] {
        if let Ok(read) = Target::parse(&Method::GET, text, strictness) {
            assert_eq!(read.path_and_query().as_str(), text);
            let whole = read
                .query()
                .map_or_else(|| read.path().to_owned(), |query| format!("{}?{query}", read.path()));
            assert_eq!(whole, text);
            means_the_same(&read, strictness);
        }
        if let Ok(uri) = text.parse::<Uri>()
            && let Ok(read) = Target::read(&Method::GET, &uri, strictness)
        {
            assert_eq!(Some(read.path_and_query()), uri.path_and_query());
            assert!(
                Target::parse(&Method::GET, read.path_and_query().as_str(), strictness).is_ok()
            );
        }
    }
}

fn means_the_same(read: &Target, strictness: PathStrictness) {
    let url =
        url::Url::parse(&format!("https://app.example.com{}", read.path_and_query())).unwrap();
    assert_eq!(url.host_str(), Some("app.example.com"));
    assert!(
        read.other_reading().is_none_or(|it| std::str::from_utf8(&it).is_ok()),
        "no UTF-8: {}",
        read.path()
    );
    match strictness {
        PathStrictness::Strict => assert_eq!(url.path(), read.path()),
        PathStrictness::Lenient => {
            assert_eq!(url.path().split('/').count(), read.path().split('/').count())
        }
    }
}

/// Checks that a return address stays on our own site, outside our own paths, or on a listed host,
/// as a browser reads it.
pub fn return_to(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let site = Site::parse("https://app.example.com", "/oauth2", None).unwrap();
    let site = site.with_hosts(
        vec!["alt.example.org".into()],
        vec![".example.com".into(), "one.example.org".into()],
    );
    let place = ReturnTo::parse(text, &site);
    assert!(HeaderValue::from_str(place.as_str()).is_ok());
    assert_eq!(ReturnTo::parse(place.as_str(), &site), place, "read again, it is the same");
    let url = url::Url::parse("https://app.example.com/oauth2/callback")
        .unwrap()
        .join(place.as_str())
        .unwrap();
    let host = url.host_str().unwrap();
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(host == "app.example.com" || site.may_return_to(host), "{url}");
    assert!(host != "app.example.com" || !site.is_ours(url.path()), "{url}");
}

/// A client registers the address on the first line, and requests the one on the second. Checks
/// that responses go only to the registered address, as a browser reads it.
pub fn redirect_uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (registered, asked) = text.split_once('\n').unwrap_or((text, text));
    let Ok(uri) = RedirectUri::parse(registered) else { return };
    let (Some(target), read) = (uri.admits(asked), url::Url::parse(registered).unwrap()) else {
        assert_ne!(registered, asked);
        return;
    };
    let mut there = url::Url::parse(asked).unwrap();
    match target.kind() {
        RedirectUriKind::Loopback => {
            assert!(
                matches!(there.host_str(), Some("127.0.0.1" | "[::1]")) && there.scheme() == "http"
            );
            there.set_port(read.port()).unwrap();
            assert_eq!(there, read);
        }
        RedirectUriKind::Https | RedirectUriKind::PrivateUse => assert_eq!(asked, registered),
    }
    assert!(!matches!(
        there.scheme(),
        "javascript" | "data" | "file" | "blob" | "about" | "intent"
    ));
    assert!(
        there.username().is_empty() && there.password().is_none() && there.fragment().is_none()
    );
    let answer = target.answer(&[("code", text), ("state", "x&y=#z")]);
    assert!(HeaderValue::from_str(answer.as_str()).is_ok());
    let whole = url::Url::parse(answer.as_str()).unwrap();
    let said = |name: &str| {
        whole
            .query_pairs()
            .filter(|it| it.0 == name)
            .map(|it| it.1.into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((said("code"), said("state")), (vec![text.to_owned()], vec!["x&y=#z".to_owned()]));
    assert_eq!(
        (whole.scheme(), whole.host_str(), whole.path()),
        (there.scheme(), there.host_str(), there.path())
    );
}

/// Checks that the app receives none of our cookies, sets none of ours, and still receives all of
/// its own, and that a duplicate of our cookie is always rejected.
pub fn cookies(data: &[u8]) {
    let lines: Vec<_> =
        data.split(|it| *it == b'\n').filter_map(|it| HeaderValue::from_bytes(it).ok()).collect();
    let (mut request, mut response) = (HeaderMap::new(), HeaderMap::new());
    for line in &lines {
        request.append(COOKIE, line.clone());
        response.append(SET_COOKIE, line.clone());
    }
    let names = CookieNames::new(true);
    let times = cookies::all(&request).filter(|it| it.0 == names.session()).count();
    assert_eq!(cookies::find(&request, names.session()) == CookieMatch::Several, times > 1);
    assert_eq!(matches!(cookies::find(&request, names.session()), CookieMatch::One(_)), times == 1);

    let theirs = theirs(&request);
    cookies::hide(&mut request);
    assert_eq!(cookies::find(&request, names.session()), CookieMatch::None);
    assert!(cookies::all(&request).all(|it| !CookieNames::is_ours(it.0.trim())));
    assert_eq!(self::theirs(&request), theirs);

    cookies::guard(&mut response);
    for line in response.get_all(SET_COOKIE) {
        let read = line.to_str().ok().and_then(|it| cookie::Cookie::parse(it).ok());
        assert!(read.is_none_or(|it| !CookieNames::is_ours(it.name())), "{line:?}");
    }
}

fn theirs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|it| it.as_bytes().split(|it| *it == b';'));
    let named = |pair: &&[u8]| pair.contains(&b'=') && !pair.starts_with(b"=");
    let ours = |pair: &&[u8]| {
        CookieNames::is_ours(pair.split(|it| *it == b'=').next().unwrap_or_default().trim_ascii())
    };
    pairs.map(<[u8]>::trim_ascii).filter(named).filter(|it| !ours(it)).map(<[u8]>::to_vec).collect()
}

/// Checks that an untrusted peer's forwarded headers are ignored, and that a request from a trusted
/// proxy is judged exactly as it was written.
pub fn forwarded(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|it| *it == b'\n') {
        let mut parts = line.splitn(2, |it| *it == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let trust = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: false };
    let peer = |ip: &str| Peer { address: Some(format!("{ip}:1").parse().unwrap()), tls: false };
    let stranger = forwarded::read(&headers, &peer("192.0.2.1"), &trust);
    let silent = forwarded::read(&HeaderMap::new(), &peer("192.0.2.1"), &trust);
    assert_eq!(stranger, silent);
    assert!(forwarded::from_nginx(&headers, &stranger, PathStrictness::Strict).is_err());

    let proxy = forwarded::read(&headers, &peer("10.0.0.1"), &trust);
    assert!(proxy.trusted && proxy.client.is_some());
    if let Ok(asked) = forwarded::from_nginx(&headers, &proxy, PathStrictness::Strict) {
        let written = ["x-original-uri", "x-original-url"]
            .into_iter()
            .filter_map(|it| headers.get(it)?.to_str().ok());
        let target = asked.target.path_and_query().as_str();
        written.for_each(|it| assert!(it.ends_with(target), "{it} is not {target}"));
        assert_eq!(headers.get_all("x-original-method").iter().count(), 1);
    }
}

/// Checks that one header line from an app does not hide a challenge on another line, that quoted
/// text is not read as a challenge, and that everything read was in the input.
pub fn challenges(data: &[u8]) {
    let lines: Vec<_> =
        data.split(|it| *it == b'\n').filter_map(|it| HeaderValue::from_bytes(it).ok()).collect();
    let read = |lines: &[HeaderValue]| {
        let mut headers = HeaderMap::new();
        headers.extend(lines.iter().map(|it| (WWW_AUTHENTICATE, it.clone())));
        challenge::challenges(&headers)
    };
    let sane = [HeaderValue::from_static(r#"Bearer error="insufficient_claims", claims="e30=""#)];
    let (alone, one) = (read(&lines), read(&sane));
    assert_eq!(
        read(&[&sane[..], &lines[..], &sane[..]].concat()),
        [&one[..], &alone[..], &one[..]].concat()
    );

    let plain = |it: &[u8]| String::from_utf8_lossy(it).replace('\\', "");
    let said: Vec<_> = lines.iter().map(|it| plain(it.as_bytes())).collect();
    for value in alone
        .iter()
        .flat_map(|it| ["error", "claims", "realm"].map(|name| it.parameter(name)))
        .flatten()
    {
        assert!(said.iter().any(|it| it.contains(&plain(value.as_bytes()))), "{value}");
    }
    for text in lines.iter().filter_map(|it| it.to_str().ok()).filter(|it| it.len() < 2048) {
        let quoted = text.replace('\\', r"\\").replace('"', r#"\""#);
        let whole =
            read(&[HeaderValue::from_str(&format!(r#"Basic realm="{quoted}", Bearer error="x""#))
                .unwrap()]);
        let [basic, bearer] = whole.as_slice() else { panic!("{whole:?}") };
        assert!(basic.is("basic") && basic.parameter("realm") == Some(text), "{text}");
        assert!(bearer.is("bearer") && bearer.parameter("error") == Some("x"), "{text}");
    }
}

/// Checks that only values that we sealed open, and that a sealed sign-in opens only under its own
/// name.
pub fn pending(data: &[u8]) {
    let random = RandomSource::new(|out| out.fill(7));
    let envelope = Envelope::new(
        &Keyring::new(&[Secret::new("a secret of at least thirty-two bytes")], &random),
        "sign-in under way",
        &random,
    );
    let (now, name) = (1_700_000_000, "__Host-entrada-s-12345678");
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(envelope.open(name, text), None);
    }
    let _ = PendingSignIn::read(data, now);

    let text = String::from_utf8_lossy(data).into_owned();
    let sealed = envelope.seal(name, data);
    if let Some(sealed) = sealed.filter(|it| it.len() < 4096) {
        assert_eq!(envelope.open(name, &sealed).as_deref(), Some(data));
        assert_eq!(envelope.open("__Host-entrada-s-87654321", &sealed), None);
    }
    let request = SessionRequest {
        return_to: text.clone(),
        acrs: vec![text.clone()],
        challenge: Some(text.clone().into()),
    };
    let purpose = SignInPurpose::Account {
        typed: text.clone(),
        then: Box::new(SignInPurpose::Session(request)),
    };
    let made = PendingSignIn {
        state: text.clone(),
        nonce: text.clone(),
        verifier: text.clone(),
        started_at: now,
        organization: Some(text.clone()),
        prompt_login: true,
        by_other_site: true,
        purpose,
    };
    let read = PendingSignIn::read(&made.write(), now).unwrap();
    assert!(
        read.is_for(&text)
            && read.nonce == text
            && read.verifier == text
            && read.purpose.typed() == Some(&text)
    );
    assert!(
        read.purpose.session().is_some_and(|it| it.return_to == text && it.acrs == [text.clone()])
    );
    assert!(PendingSignIn::read(&made.write(), now + 100_000).is_none());
}

/// A token signed once, with a key that no longer exists.
const TOKEN: &[u8] = include_bytes!("../corpus/tokens/00");
/// The public half of that key.
const KEYS: &[u8] = include_bytes!("../corpus/tokens/01");

/// Checks that only the signed token verifies, that no two keys share a name, and that discovery
/// leads only to the authority.
pub fn tokens(data: &[u8]) {
    if let Ok(read) = token::parse(data) {
        assert!(!read.kid().is_empty());
        let verified = keys::read(KEYS).unwrap().iter().any(|it| read.verify(it).is_ok());
        assert_eq!(verified, data == TOKEN);
    } else {
        assert!(data != TOKEN);
    }
    if let Ok(read) = keys::read(data) {
        assert!((1..=64).contains(&read.len()));
        assert!(read.iter().all(|it| !it.kid().is_empty() && !it.fits(b"", &[0; 256])));
    }
    let tenant = Guid::parse("8f1c4b3e-0000-4000-8000-000000000002").unwrap();
    if let Ok(read) =
        metadata::read(data, "https://login.microsoftonline.com", &TenantConfig::Id(tenant))
    {
        assert_eq!(read.tenant, Some(tenant));
        for address in [
            Some(read.issuer),
            Some(read.authorization),
            Some(read.token),
            Some(read.keys),
            read.end_session,
        ]
        .into_iter()
        .flatten()
        {
            assert!(AUTHORITY.iter().any(|it| address.starts_with(it)), "{address}");
        }
    }
}

/// The names of one authority.
const AUTHORITY: &[&str] = &[
    "https://login.microsoftonline.com/",
    "https://login.windows.net/",
    "https://login.microsoft.com/",
    "https://sts.windows.net/",
];

/// Checks that a configuration either is read or returns every reason why not, never both.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let variable = (
        "ENTRADA_SERVER_PUBLIC_URL".to_owned(),
        text.lines().next().unwrap_or_default().to_owned(),
    );
    for outcome in
        [config::read("entrada.toml", &text, &[]), config::read("entrada.toml", "", &[variable])]
    {
        assert_eq!(outcome.config.is_some(), outcome.problems.is_empty());
        let told = problem::print(&outcome, "entrada.toml");
        assert!(outcome.problems.iter().all(|it| !it.what.is_empty() && told.contains(&it.key)));
        assert_eq!(told.is_empty(), outcome.problems.is_empty() && outcome.warnings.is_empty());
    }
}

/// Checks that a form has each name only once, and that the trimmed value is the sent value without
/// surrounding space.
pub fn forms(data: &[u8]) {
    let Ok(form) = FormFields::parse(data) else { return };
    let written = String::from_utf8_lossy(data);
    for name in ["a", "token", "identifier", "client_secret", "code", ""] {
        let (sent, typed) = (form.sent(name), form.typed(name));
        assert_eq!(typed, sent.map(str::trim).filter(|it| !it.is_empty()), "{written}");
        assert_eq!(form.text(name), typed.unwrap_or_default(), "{written}");
    }
    // Sent again, the value reads the same; a form that contains it twice is rejected.
    if let Some(sent) = form.sent("a") {
        let again =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("a", sent).finish();
        assert_eq!(FormFields::parse(again.as_bytes()).unwrap().sent("a"), Some(sent), "{written}");
        assert!(FormFields::parse(format!("{again}&{again}").as_bytes()).is_err(), "{written}");
    }
}

/// Checks that only access tokens signed with these keys are accepted.
pub fn passes(data: &[u8]) {
    let random = RandomSource::new(|out| out.fill(7));
    let keyring = Keyring::new(&[Secret::new("a secret of at least thirty-two bytes")], &random);
    let passes = AccessTokens::new(
        &keyring,
        "https://app.example.com".to_owned(),
        "/oauth2/native",
        300,
        Clock::system(),
        random,
    )
    .unwrap();
    let text = String::from_utf8_lossy(data);
    assert!(passes.read(&text).is_err() && passes.read_of_any_age(&text).is_err(), "{text}");
    let _ = passes.is_own_token(&text);
}

/// Checks that a pasted certificate and key either belong together or are rejected.
pub fn certificates(data: &[u8]) {
    let text = Secret::new(String::from_utf8_lossy(data));
    if let Ok(it) = ClientCertificate::parse(&text) {
        assert!(
            it.thumbprint().len() == 43
                && it.key().public_modulus_len() >= 256
                && it.written().expose() == text.expose()
        );
    }
}
