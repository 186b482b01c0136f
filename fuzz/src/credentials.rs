//! What only our keys or Entra's keys may open or sign.

use entrada::base::certificate::ClientCertificate;
use entrada::base::clock::Clock;
use entrada::base::guid::Guid;
use entrada::base::random::RandomSource;
use entrada::base::secret::Secret;
use entrada::bearer::access_token::AccessTokens;
use entrada::config::entra::TenantConfig;
use entrada::entra::{keys, metadata, token};
use entrada::seal::envelope::Envelope;
use entrada::seal::keyring::Keyring;
use entrada::session::browser_secret::{BrowserKeys, BrowserSecret};
use entrada::session::pending::{PendingSignIn, SessionRequest, SignInPurpose};
use entrada::session::rounds::SignInRounds;
use entrada::session::{CookieSeal, MAX_SESSION_COOKIE_BYTES, is_record};

/// Checks that only values that we sealed open, and that a sealed sign-in opens only as `state` and
/// ends only in its own browser.
pub fn pending(data: &[u8]) {
    let random = RandomSource::new(|out| out.fill(7));
    let keyring = Keyring::new(&[Secret::new("a secret of at least thirty-two bytes")], &random);
    let envelope = Envelope::new(&keyring, "sign-in under way, state", &random);
    let (now, name) = (1_700_000_000, "state");
    let text = String::from_utf8_lossy(data).into_owned();
    assert_eq!(envelope.open(name, &text), None);
    let _ = (PendingSignIn::read(data), SignInPurpose::read(data));

    let sealed = envelope.seal(name, data);
    if let Some(sealed) = sealed.filter(|it| it.len() < 4096) {
        assert_eq!(envelope.open(name, &sealed).as_deref(), Some(data));
        assert_eq!(envelope.open("another name", &sealed), None);
    }
    let keys = BrowserKeys::new(&keyring);
    let browser = BrowserSecret::generate(&random);
    let mark = keys.bind(&browser, &text).unwrap().mark;
    if let Some(other) = BrowserSecret::parse(&text) {
        assert!(other.expose() == browser.expose() || keys.open(&other, &text, &mark).is_none());
    }
    assert!(keys.open(&browser, &text, &text).is_none_or(|_| text == mark));
    let request = SessionRequest {
        return_to: text.clone(),
        acrs: vec![text.clone()],
        challenge: Some(text.clone().into()),
        is_shortened: false,
    };
    let purpose = SignInPurpose::Account {
        typed: text.clone(),
        then: Box::new(SignInPurpose::Session(request)),
    };
    let made = PendingSignIn {
        typed: None,
        login_hint: Some(text.clone()),
        id: text.clone(),
        browser: mark,
        started_at: now,
        organization: Some(text.clone()),
        prompt_login: true,
        by_other_site: true,
        answers_challenge: false,
        rounds: SignInRounds::default(),
        kept: Some(text.clone()),
        purpose,
    };
    let read = PendingSignIn::read(&made.write()).unwrap();
    assert!(keys.open(&browser, &read.id, &read.browser).is_some());
    assert!(read.purpose.typed() == Some(&text) && read.kept.as_ref() == Some(&text));
    assert!(
        read.purpose.session().is_some_and(|it| it.return_to == text && it.acrs == [text.clone()])
    );
    assert!(
        read.login_hint.as_ref() == Some(&text) && read.purpose.can_continue() != text.is_empty()
    );
    assert!(!read.is_over(now) && read.is_over(now + 100_000));
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

/// Checks that only records that we sealed open, each with the key of its own session, and that bytes
/// of any kind are read as a record or not at all.
pub fn records(data: &[u8]) {
    let random = RandomSource::new(|out| out.fill(7));
    let keyring = Keyring::new(&[Secret::new("a secret of at least thirty-two bytes")], &random);
    let seal = CookieSeal::new(&keyring, "a registration", &random);
    let key = [1; 32];
    let text = String::from_utf8_lossy(data);
    assert!(seal.open(&key, &text).is_none());
    // A record has a version and at least the key of its session.
    assert!(!is_record(data) || data.len() > 32);
    let sealed = seal.seal(&key, data).unwrap();
    let has_room = sealed.len() <= MAX_SESSION_COOKIE_BYTES - 86;
    assert_eq!(seal.open(&key, &sealed).is_some_and(|it| *it == data), has_room);
    assert!(seal.open(&[2; 32], &sealed).is_none());
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
