//! Entra is down, learns new keys late, or sends nonsense.

use super::super::error::ForeignResponse;
use super::super::oidc::AppRegistration;
use super::super::registration_keys::RegistrationKeys;
use super::*;

#[tokio::test]
async fn a_sign_in_goes_through_while_the_keys_rotate() {
    let world = World::start().await;
    world.redeems("maya").await.unwrap();
    let control = world.emulator.control();
    assert!(control.rotate_keys().await);
    world.redeems("tom").await.unwrap();
    assert_eq!(control.keys_calls(), 2);
    // Within the cool-down, the keys that are published for the app are asked for once.
    assert!(control.rotate_keys().await);
    world.redeems("maya").await.unwrap();
    assert_eq!(control.keys_calls(), 3);
    // Another new key must wait, and Entra receives no request for it.
    assert!(control.rotate_keys().await);
    assert_eq!(world.redeems("maya").await.unwrap_err(), Error::UnknownKey);
    assert_eq!(control.keys_calls(), 3);
    world.clock.shift(31);
    world.redeems("maya").await.unwrap();
    assert_eq!(control.keys_calls(), 4);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_asks_once_in_a_cool_down() {
    let world = World::start().await;
    world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap();
    let control = world.emulator.control();
    let storm = || async {
        let tries: Vec<_> = (0..50)
            .map(|number| {
                let entra = Arc::clone(&world.entra);
                tokio::spawn(async move {
                    entra.authority.source.key(&format!("no-such-key-{number}")).await.err()
                })
            })
            .collect();
        for outcome in tries {
            assert_eq!(outcome.await.unwrap(), Some(Error::UnknownKey));
        }
    };
    storm().await;
    assert_eq!(control.keys_calls(), 2);
    world.clock.shift(20);
    storm().await;
    assert_eq!(control.keys_calls(), 2);
    world.clock.shift(11);
    storm().await;
    assert_eq!(control.keys_calls(), 3);
}

/// An outage while keys were fetched made the next half minute of sign-ins the app owner's problem.
#[tokio::test]
async fn a_failed_fetch_of_keys_is_an_outage_and_the_next_one_asks_again() {
    let world = World::start().await;
    world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap();
    let (control, source) = (world.emulator.control(), &world.entra.authority.source);
    let client_id = Guid::parse(world.emulator.client_id()).unwrap();
    let own = RegistrationKeys::default();
    let is_outage = |it: Option<Error>| matches!(it, Some(Error::Status { status: 503, .. }));
    let down = |down: bool| {
        control.be_down(down);
        world.clock.shift(2);
    };
    // The tenant's keys.
    down(true);
    assert!(is_outage(source.key("x").await.err()) && is_outage(source.key("x").await.err()));
    down(false);
    assert_eq!(source.key("x").await.err(), Some(Error::UnknownKey));
    // The registration's own; the tenant's are not asked for again so soon.
    let ask = async || own.key(source, client_id, "x").await.err();
    down(true);
    assert!(is_outage(ask().await) && is_outage(ask().await));
    down(false);
    let before = control.keys_calls();
    assert_eq!((ask().await, ask().await), (Some(Error::UnknownKey), Some(Error::UnknownKey)));
    assert_eq!(control.keys_calls(), before + 1);
    // The same while earlier keys are known, none of which is the token's.
    world.clock.shift(31);
    assert_eq!(source.key("x").await.err(), Some(Error::UnknownKey));
    down(true);
    assert!(is_outage(ask().await) && is_outage(ask().await));
    down(false);
    assert_eq!(ask().await, Some(Error::UnknownKey));
}

#[tokio::test]
async fn what_is_known_serves_while_entra_is_down() {
    let world = World::start().await;
    world.redeems("maya").await.unwrap();
    let kid = world.entra.authority.source.known().unwrap();
    world.emulator.control().be_down(true);
    let endpoint = "discovery endpoint";
    assert_eq!(
        world.entra.authority.source.refetch().await.unwrap_err(),
        Error::Status { endpoint, status: 503, retry_after: None }
    );
    assert!(Arc::ptr_eq(&kid, &world.entra.authority.source.known().unwrap()));
    assert_eq!(world.entra.ready(), Ok(()));
    assert!(world.entra.begin(BACK, &SignInHints::default(), VALUES).await.is_ok());
    assert_eq!(
        world.entra.redeem(BACK, "code", "n", "v").await.unwrap_err().error,
        Error::Status { endpoint: "token endpoint", status: 503, retry_after: None }
    );
    world.emulator.control().be_down(false);
    world.redeems("maya").await.unwrap();
}

#[tokio::test]
async fn entra_is_down_at_the_start_and_comes_back() {
    let world = World::start().await;
    world.emulator.control().be_down(true);
    assert_eq!(world.entra.ready().unwrap_err(), "Entra was not reached yet");
    world.entra.keep_fresh();
    soon(|| {
        world.entra.ready().is_err_and(|it| {
            it.ends_with("the discovery endpoint returned status 503; check entra.authority")
        })
    })
    .await;
    assert!(matches!(
        world.entra.begin(BACK, &SignInHints::default(), VALUES).await,
        Err(Error::Status { status: 503, .. })
    ));
    assert_eq!(world.entra.sign_out_url(&landing(), None, "s").await, None);
    world.emulator.control().be_down(false);
    soon(|| world.entra.ready().is_ok()).await;
    world.redeems("maya").await.unwrap();
    world.emulator.control().be_down(true);
    assert_eq!(world.entra.ready(), Ok(()));
}

#[tokio::test]
async fn many_who_come_first_ask_once_and_a_failure_holds_for_a_second() {
    let world = World::start().await;
    let control = world.emulator.control();
    let many = || async {
        let all: Vec<_> = (0..20)
            .map(|_| {
                let entra = Arc::clone(&world.entra);
                tokio::spawn(async move {
                    entra.begin(BACK, &SignInHints::default(), VALUES).await.is_ok()
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for it in all {
            outcomes.push(it.await.unwrap());
        }
        outcomes
    };
    control.be_down(true);
    control.be_slow(50);
    assert_eq!(many().await, [false; 20]);
    assert_eq!(control.discovery_calls(), 1);
    control.be_down(false);
    world.clock.shift(2);
    assert_eq!(many().await, [true; 20]);
    assert_eq!((control.discovery_calls(), control.keys_calls()), (2, 1));
}

#[tokio::test]
async fn nobody_listens_at_the_authority() {
    let world = World::with(None, |it| it.authority = "http://127.0.0.1:1".to_owned()).await;
    let error = world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Unreachable { endpoint: "discovery endpoint", cause: client::Error::Connect(_) }
        ),
        "{error}"
    );
    assert!(
        world.entra.ready().unwrap_err().contains("Connection refused"),
        "{:?}",
        world.entra.ready()
    );
}

/// What is made of an answer that Entra does not send.
fn foreign(status: u16) -> Error {
    let content_type = Some("application/json".to_owned());
    let endpoint = "discovery endpoint";
    Error::Foreign(Box::new(ForeignResponse { endpoint, status, content_type, proxy: None }))
}

/// Answers every request on a socket with the same JSON.
async fn always(status: u16, body: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = format!("http://{}", listener.local_addr().unwrap());
    let body = body.replace("AUTHORITY", &authority);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(head.as_bytes()).await;
        }
    });
    authority
}

#[tokio::test]
async fn an_authority_that_talks_nonsense_is_named() {
    const DOCUMENT: &str = r#"{"issuer":"AUTHORITY/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0","authorization_endpoint":"AUTHORITY/a",
        "token_endpoint":"AUTHORITY/t","jwks_uri":"AUTHORITY/k","keys":[],
        "id_token":"e30.secret.secret","access_token":"secret","token_type":"Bearer"}"#;
    for (status, body, expected) in [
        (200, "<html>", Error::Metadata(BadMetadata::Malformed)),
        (302, "", foreign(302)),
        (404, "<html>", foreign(404)),
        (
            429,
            "{\"error\":\"x\"}",
            Error::Status { endpoint: "discovery endpoint", status: 429, retry_after: None },
        ),
        (200, DOCUMENT, Error::Keys(BadKeys::None)),
    ] {
        let authority = always(status, body).await;
        let tenant = TenantConfig::Domain("contoso.example".to_owned());
        let world = World::with(None, |it| (it.authority, it.tenant) = (authority, tenant)).await;
        assert_eq!(
            world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap_err(),
            expected
        );
    }
}

#[tokio::test]
async fn a_token_answer_that_cannot_be_read_is_not_repeated() {
    let tenant = Guid::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
    for (status, body, expected) in [
        (200, r#"{"access_token":"secret","token_type":"Bearer"}"#, Error::Answer),
        (200, r#"{"access_token":"secret","token_type":"mac","id_token":"secret"}"#, Error::Answer),
        (
            200,
            r#"{"access_token":"secret","token_type":"bearer","id_token":"secret"}"#,
            Error::Token(InvalidToken::Malformed),
        ),
        (200, "secret", Error::Answer),
        (400, "secret", Error::Answer),
        (
            502,
            "secret",
            Error::Status { endpoint: "token endpoint", status: 502, retry_after: None },
        ),
    ] {
        let authority = always(status, body).await;
        let metadata = metadata::EntraMetadata {
            issuer: format!("{authority}/{tenant}/v2.0"),
            tenant: Some(tenant),
            authorization: format!("{authority}/a"),
            token: format!("{authority}/t"),
            keys: format!("{authority}/k"),
            end_session: None,
            cloud: None,
            region: None,
            graph: None,
        };
        let registration = AppRegistration {
            client_id: tenant,
            credential: crate::base::credential::ClientCredential::Secret(Secret::new("s")),
            scopes: Vec::new(),
        };
        let host = AuthorityHost {
            address: authority,
            client: HttpClient::new(None, &[]).unwrap(),
            clock: Clock::system(),
            random: crate::seal::random::system(),
        };
        let skew = ClockSkew::new(Clock::system());
        let sender = redeem::TokenRequestSender::new(host, skew);
        let outcome =
            redeem::redeem(&registration, &metadata, &sender, BACK, "code", "verifier").await;
        let error = match outcome {
            Ok(tokens) => tokens.id_token.map_or(Error::Answer, |it| {
                Error::Token(token::parse(it.expose().as_bytes()).unwrap_err())
            }),
            Err(error) => error,
        };
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        assert_eq!(error, expected, "{body}");
    }
}
