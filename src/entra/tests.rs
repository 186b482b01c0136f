//! Sign-ins with the emulator, over real sockets.

mod outages;
mod shared;
mod tokens;

use super::authority_registry::AuthorityRegistry;
use super::authorize::{SignInHints, SignInValues};
use super::host::AuthorityHost;
use super::invalid::InvalidToken;
use super::keys::BadKeys;
use super::metadata::BadMetadata;
use super::skew::ClockSkew;
use super::*;
use crate::base::clock::Clock;
use crate::base::cloud::CLOUDS;
use crate::base::credential::ClientCredential;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::return_to::LandingUrl;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::base::string_list::StringList;
use crate::config;
use crate::config::entra::{AllowedTenants, TenantConfig};
use crate::emulator::{Emulator, EmulatorOptions, TokenDefect};
use crate::wire::client::{self, HttpClient};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const BACK: &str = "http://localhost:9/oauth2/callback";

/// An emulator, and the means to sign in there.
struct World {
    emulator: Emulator,
    clock: Clock,
    browser: HttpClient,
    config: config::entra::EntraConfig,
    tenants: AuthorityRegistry,
    entra: Arc<EntraRegistration>,
}

/// Values of a sign-in that does not come back.
const VALUES: SignInValues<'_> = SignInValues {
    state: "s",
    nonce: "n",
    verifier: "a verifier of at least 43 characters, they say",
};

/// A sign-in that waits for its code.
struct StartedSignIn {
    location: String,
    nonce: String,
    verifier: String,
}

impl World {
    async fn start() -> Self {
        Self::with(None, |_| {}).await
    }

    async fn with(
        tls: Option<PathBuf>,
        change: impl FnOnce(&mut config::entra::EntraConfig),
    ) -> Self {
        let clock = Clock::system();
        let random = crate::seal::random::system();
        let options = EmulatorOptions {
            clock: clock.clone(),
            random: random.clone(),
            redirect_uris: Vec::new(),
            client_id: None,
            client_secret: None,
            registrations: Vec::new(),
            tls,
            host: None,
        };
        let emulator =
            Emulator::start(TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap();
        let mut config = config::entra::EntraConfig {
            tenant: TenantConfig::Id(Guid::parse(emulator.tenant_id()).unwrap()),
            client_id: Guid::parse(emulator.client_id()).unwrap(),
            federated_token: None,
            credential: ClientCredential::Secret(Secret::new(emulator.client_secret())),
            authority: emulator.authority(),
            allowed_tenants: AllowedTenants::default(),
            cloud: &CLOUDS[0],
            graph: None,
            scopes: Vec::new(),
            ca_file: emulator.ca_file().map(ToOwned::to_owned),
            guests: true,
            groups: config::entra::GroupsSource::Token,
            recheck: config::entra::RecheckConfig {
                every: Duration::from_mins(30),
                grace: Duration::from_hours(4),
            },
        };
        change(&mut config);
        let client = HttpClient::new(config.ca_file.as_deref(), &[]).unwrap();
        let custom = ["roles", "acct", "nothing", "_claim_names"].map(str::to_owned).to_vec();
        let browser = HttpClient::new(emulator.ca_file(), &[]).unwrap();
        let domains = Arc::new(TenantDomains::new(config.domains()));
        let host = AuthorityHost {
            address: config.authority.clone(),
            client,
            clock: clock.clone(),
            random,
        };
        let tenants = AuthorityRegistry::new(host, config.tenant.clone(), Arc::clone(&domains));
        let entra = Arc::new(EntraRegistration::new(&config, tenants.own(), domains, custom));
        Self { emulator, clock, browser, config, tenants, entra }
    }

    /// Starts a sign-in with values of its own.
    async fn begin(&self, hints: &SignInHints) -> Result<StartedSignIn, Error> {
        let random = crate::seal::random::system();
        let (nonce, verifier) = (random.text::<24>(), random.text::<32>());
        let values = SignInValues { state: "the state", nonce: &nonce, verifier: &verifier };
        let location = self.entra.begin(BACK, hints, values).await?;
        Ok(StartedSignIn { location, nonce, verifier })
    }

    /// Picks a person at Entra; returns the code that comes back.
    async fn picks(&self, begun: &StartedSignIn, name: &str) -> String {
        let page = self
            .browser
            .send(Request::get(&begun.location).body(Bytes::new()).unwrap())
            .await
            .unwrap();
        let page = String::from_utf8(page.into_body().to_vec()).unwrap();
        let transaction =
            page.split_once("name=\"transaction\" value=\"").unwrap().1.split_once('"').unwrap().0;
        let oid =
            &self.emulator.people().iter().find(|it| it.user_name.starts_with(name)).unwrap().oid;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("transaction", transaction)
            .append_pair("person", oid)
            .finish();
        let own = self.emulator.authority();
        let request = Request::post(format!("{own}/{}/pick", self.emulator.tenant_id()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &own)
            .header("sec-fetch-site", "same-origin");
        let answer = self.browser.send(request.body(form).unwrap()).await.unwrap();
        query(location(&answer))["code"].clone()
    }

    async fn redeems(&self, name: &str) -> Result<Identity, Error> {
        let begun = self.begin(&SignInHints::default()).await?;
        let code = self.picks(&begun, name).await;
        // Spawned, as in the server.
        let entra = Arc::clone(&self.entra);
        tokio::spawn(async move {
            entra
                .redeem(BACK, &code, &begun.nonce, &begun.verifier)
                .await
                .map(|it| it.user.into_identity())
                .map_err(|it| it.error)
        })
        .await
        .unwrap()
    }
}

fn location(answer: &Response<Bytes>) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

fn query(address: &str) -> HashMap<String, String> {
    url::Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

async fn soon(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it did not come about");
}

#[tokio::test]
async fn a_sign_in_ends_in_the_person_who_was_picked() {
    let world = World::start().await;
    let maya = world.redeems("maya").await.unwrap();
    let person = &world.emulator.people()[0];
    assert_eq!(maya.oid.to_string(), person.oid);
    assert_eq!(maya.tid.to_string(), world.emulator.tenant_id());
    assert_eq!(maya.name.as_deref(), Some("Maya Okafor"));
    assert_eq!(maya.preferred_username.as_deref(), Some("maya@contoso.example"));
    assert_eq!((maya.email.as_deref(), maya.email_verified), (Some("maya@contoso.example"), false));
    assert_eq!(maya.roles.iter().collect::<Vec<_>>(), ["Admin"]);
    assert_eq!(maya.groups, PersonGroups::Known(person.groups.iter().collect()));
    assert!(maya.entra_sid.is_some() && maya.login_hint.unwrap().starts_with("O."));
    assert!(world.clock.now() - maya.auth_time < 600);
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(*maya.custom, [text("roles", "Admin"), text("acct", "0")]);
    assert_eq!(
        (world.emulator.control().discovery_calls(), world.emulator.control().keys_calls()),
        (1, 1)
    );
}

#[tokio::test]
async fn people_differ_in_address_groups_and_home() {
    let world = World::start().await;
    let ines = world.redeems("ines").await.unwrap();
    assert_eq!((ines.email, ines.groups), (None, PersonGroups::Known(StringList::default())));
    assert_eq!(world.redeems("grace").await.unwrap().groups, PersonGroups::Overage);
    assert_eq!(world.redeems("zoe").await.unwrap().name.as_deref(), Some("Zoë Łukasiewicz 山田"));
    assert_eq!(world.redeems("priya").await.unwrap().tid.to_string(), world.emulator.tenant_id());
}

#[tokio::test]
async fn guests_stay_outside_where_the_operator_says_so() {
    let world = World::with(None, |it| it.guests = false).await;
    assert_eq!(world.redeems("priya").await.unwrap_err(), Error::Token(InvalidToken::Guest));
    assert!(world.redeems("maya").await.is_ok());
}

#[tokio::test]
async fn the_request_carries_pkce_nonce_state_and_no_more_scopes_than_asked() {
    let world = World::with(None, |it| it.scopes = vec!["api://app/read".to_owned()]).await;
    let hints = SignInHints {
        login_hint: Some("maya@contoso.example".to_owned()),
        domain_hint: Some("contoso.example".to_owned()),
        ..SignInHints::default()
    };
    let begun = world.begin(&hints).await.unwrap();
    let sent = query(&begun.location);
    assert_eq!(
        sent["code_challenge"],
        URL_SAFE_NO_PAD.encode(digest(&SHA256, begun.verifier.as_bytes()))
    );
    for (name, value) in [
        ("code_challenge_method", "S256"),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("scope", "openid profile email offline_access api://app/read"),
        ("redirect_uri", BACK),
        ("client_id", world.emulator.client_id()),
        ("state", "the state"),
        ("nonce", &begun.nonce),
        ("login_hint", "maya@contoso.example"),
        ("domain_hint", "contoso.example"),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    let values = SignInValues { state: "s", nonce: &begun.nonce, verifier: &begun.verifier };
    assert_eq!(format!("{values:?}"), "SignInValues");
    let choosing = SignInHints { prompt: Some("select_account".to_owned()), ..hints };
    let sent = query(&world.begin(&choosing).await.unwrap().location);
    assert_eq!(sent["prompt"], "select_account");
    assert!(!sent.contains_key("login_hint"));
}

#[tokio::test]
async fn every_wrong_token_of_the_emulator_is_refused_by_name() {
    let world = World::start().await;
    for (wrong, invalid) in [
        (TokenDefect::Nonce, InvalidToken::Nonce),
        (TokenDefect::Issuer, InvalidToken::Issuer),
        (TokenDefect::Audience, InvalidToken::Audience),
        (TokenDefect::Signature, InvalidToken::Signature),
        (TokenDefect::Expired, InvalidToken::Expired),
        (TokenDefect::NotYet, InvalidToken::NotYet),
        (TokenDefect::AlgNone, InvalidToken::Algorithm),
        (TokenDefect::Tid, InvalidToken::Tenant),
    ] {
        world.emulator.control().wrong(wrong);
        assert_eq!(world.redeems("maya").await.unwrap_err(), Error::Token(invalid), "{wrong:?}");
    }
    assert!(world.redeems("maya").await.is_ok());
}

#[tokio::test]
async fn what_the_token_endpoint_refuses_is_reported_with_its_code() {
    let world = World::start().await;
    let begun = world.begin(&SignInHints::default()).await.unwrap();
    let refused = |outcome: Result<VerifiedSignIn, Error>| match outcome.unwrap_err() {
        Error::Refused(refusal) => *refusal,
        other => panic!("{other}"),
    };
    let code = world.picks(&begun, "maya").await;
    let refusal = refused(
        world.entra.redeem(BACK, &code, &begun.nonce, &"x".repeat(43)).await.map_err(|it| it.error),
    );
    assert_eq!((refusal.error.as_str(), refusal.code), ("invalid_grant", Some(501_481)));
    assert!(
        refusal.correlation_id.is_some()
            && refusal.trace_id.is_some()
            && refusal.timestamp.is_some()
    );
    world.entra.redeem(BACK, &code, &begun.nonce, &begun.verifier).await.unwrap();
    let refusal = refused(
        world.entra.redeem(BACK, &code, &begun.nonce, &begun.verifier).await.map_err(|it| it.error),
    );
    assert_eq!((refusal.error.as_str(), refusal.code), ("invalid_grant", Some(54_005)));
    assert_eq!(world.emulator.control().token_calls(), 3);
    assert!(!refusal.to_string().contains(&code));

    let world = World::with(None, |it| {
        it.credential = ClientCredential::Secret(Secret::new("not-the-secret"));
    })
    .await;
    let refusal = match world.redeems("maya").await.unwrap_err() {
        Error::Refused(refusal) => *refusal,
        other => panic!("{other}"),
    };
    assert_eq!((refusal.error.as_str(), refusal.code), ("invalid_client", Some(7_000_215)));
    assert_eq!(aadsts::find(7_000_215).unwrap().whose, aadsts::ResponsibleParty::Owner);
    assert!(!format!("{:?}", world.entra).contains("not-the-secret"));
}

#[tokio::test]
async fn a_code_does_not_serve_another_sign_in() {
    let world = World::start().await;
    let first = world.begin(&SignInHints::default()).await.unwrap();
    let second = world.begin(&SignInHints::default()).await.unwrap();
    let code = world.picks(&first, "maya").await;
    assert_eq!(
        world.entra.redeem(BACK, &code, &second.nonce, &first.verifier).await.unwrap_err().error,
        Error::Token(InvalidToken::Nonce)
    );
    let code = world.picks(&first, "maya").await;
    assert_eq!(
        world.entra.redeem(BACK, &code, "", &first.verifier).await.unwrap_err().error,
        Error::Token(InvalidToken::Nonce)
    );
}

#[tokio::test]
async fn a_domain_is_resolved_to_the_tenant_and_a_misspelled_one_is_named() {
    let world =
        World::with(None, |it| it.tenant = TenantConfig::Domain("contoso.example".to_owned()))
            .await;
    assert_eq!(world.redeems("maya").await.unwrap().tid.to_string(), world.emulator.tenant_id());
    assert!(world.entra.authority.source.refetch().await.is_ok());
    let world =
        World::with(None, |it| it.tenant = TenantConfig::Domain("contoso-typo.example".to_owned()))
            .await;
    let error = world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(it) if it.code == Some(90_002)), "{error}");
    assert!(world.entra.ready().unwrap_err().contains("AADSTS90002"));
}

#[tokio::test]
async fn an_alias_for_any_tenant_is_not_taken_for_one() {
    let world = World::with(None, |it| it.tenant = TenantConfig::Domain("common".to_owned())).await;
    assert_eq!(
        world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap_err(),
        Error::Metadata(BadMetadata::Issuer)
    );
}

#[tokio::test]
async fn over_tls_only_a_known_root_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::with(Some(directory.path().to_owned()), |_| {}).await;
    world.redeems("maya").await.unwrap();
    let world = World::with(Some(directory.path().to_owned()), |it| it.ca_file = None).await;
    let error = world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

fn landing() -> LandingUrl {
    LandingUrl::signed_out(&Site::parse("http://localhost:9", "/oauth2", None).unwrap())
}

#[tokio::test]
async fn signing_out_leads_through_entra_and_back() {
    let world = World::start().await;
    world.begin(&SignInHints::default()).await.unwrap();
    let url = world.entra.sign_out_url(&landing(), Some("O.abc"), "the state").await.unwrap();
    let place = format!(
        "{}/{}/oauth2/v2.0/logout?",
        world.emulator.authority(),
        world.emulator.tenant_id()
    );
    assert!(url.starts_with(&place), "{url}");
    let sent = query(&url);
    assert_eq!(
        (sent["post_logout_redirect_uri"].as_str(), sent["logout_hint"].as_str()),
        ("http://localhost:9/oauth2/sign_out", "O.abc")
    );
    assert_eq!(sent["state"], "the state");
    let usual = world.entra.usual_sign_out_url();
    assert_eq!(format!("{usual}?"), place);
}
