//! Registrations of one tenant share its authority.

use super::*;

impl World {
    fn tenant(&self) -> Guid {
        Guid::parse(self.emulator.tenant_id()).unwrap()
    }

    /// Another registration of the tenant.
    fn other(&self, change: impl FnOnce(&mut config::entra::EntraConfig)) -> EntraRegistration {
        let mut config = self.config.clone();
        change(&mut config);
        EntraRegistration::new(&config, self.tenants.of(self.tenant()), Arc::default(), Vec::new())
    }

    async fn refresh_token(&self) -> Secret {
        let begun = self.begin(&SignInHints::default()).await.unwrap();
        let code = self.picks(&begun, "maya").await;
        let redeemed = self.entra.redeem(BACK, &code, &begun.nonce, &begun.verifier).await;
        redeemed.unwrap().refresh_token.unwrap()
    }
}

fn throttled() -> Error {
    Error::Status { endpoint: "token endpoint", status: 429, retry_after: Some(600) }
}

fn reports(entra: &EntraRegistration, answer: Result<(), Error>) {
    let _ = entra.count_outcome(entra.circuits().ticket(), answer);
}

#[tokio::test]
async fn registrations_of_one_tenant_share_its_documents_and_their_refresh() {
    let world = World::start().await;
    let other = world.other(|_| {});
    for registration in [&*world.entra, &other] {
        registration.keep_fresh();
    }
    soon(|| other.ready().is_ok()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for registration in [&*world.entra, &other] {
        registration.begin(BACK, &SignInHints::default(), VALUES).await.unwrap();
    }
    let control = world.emulator.control();
    assert_eq!((control.discovery_calls(), control.keys_calls()), (1, 1));
}

#[tokio::test]
async fn a_domain_shares_the_authority_of_its_tenant_once_it_is_resolved() {
    let domain = TenantConfig::Domain("contoso.example".to_owned());
    let world = World::with(None, |it| it.tenant = domain).await;
    let is_shared = |it: &EntraRegistration| Arc::ptr_eq(&it.authority, &world.entra.authority);
    assert!(!is_shared(&world.other(|_| {})));
    world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap();
    assert!(is_shared(&world.other(|_| {})));
}

#[tokio::test]
async fn a_refused_registration_keeps_no_other_of_its_tenant_waiting_and_an_outage_does() {
    let world = World::start().await;
    let control = world.emulator.control();
    let sound = world.other(|_| {});
    let refused =
        world.other(|it| it.credential = ClientCredential::Secret(Secret::new("not-the-secret")));
    let refresh_token = world.refresh_token().await;
    let error = refused.refresh(&refresh_token).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(it) if it.error == "invalid_client"), "{error}");
    assert_eq!((world.entra.backoff_seconds(), sound.backoff_seconds()), (0, 0));
    let refreshed = world.entra.refresh(&refresh_token).await.unwrap();
    world.entra.verify(refreshed).await.unwrap();
    assert!(refused.backoff_seconds() > 0, "another registration's success ended its pause");
    control.be_down(true);
    let error = world.entra.refresh(&refresh_token).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 503, .. }), "{error}");
    let calls = control.calls();
    assert!(matches!(sound.refresh(&refresh_token).await, Err(Error::Paused(_))));
    assert_eq!(control.calls(), calls, "Entra was asked although it does not answer");
}

#[tokio::test]
async fn another_configuration_inherits_what_is_known_of_the_tenant() {
    let world = World::start().await;
    let refresh_token = world.refresh_token().await;
    let control = world.emulator.control();
    control.be_down(true);
    assert!(world.entra.refresh(&refresh_token).await.is_err());
    let host = world.entra.authority.host().clone();
    let tenants = AuthorityRegistry::new(host, TenantConfig::Organizations, Arc::default());
    let new = EntraRegistration::new(
        &world.config,
        tenants.of(world.tenant()),
        Arc::default(),
        Vec::new(),
    );
    assert!(new.ready().is_err());
    new.inherit(&world.entra);
    assert_eq!(new.ready(), Ok(()));
    assert!(new.backoff_seconds() > 0);
    // Another tenant's state is of no use.
    let other = tenants.of(Guid::from_random([7; 16]));
    let other = EntraRegistration::new(&world.config, other, Arc::default(), Vec::new());
    other.inherit(&world.entra);
    assert!(other.ready().is_err());
    assert_eq!(other.backoff_seconds(), 0);
}

#[tokio::test]
async fn a_registration_inherits_the_pause_of_no_other_but_that_of_the_tenant() {
    let world = World::start().await;
    reports(&world.entra, Err(throttled()));
    let inherits = |change: fn(&mut config::entra::EntraConfig)| {
        let new = world.other(change);
        new.inherit(&world.entra);
        new.backoff_seconds()
    };
    let changes: [fn(&mut config::entra::EntraConfig); 2] = [
        |it| it.client_id = Guid::from_random([7; 16]),
        |it| it.credential = ClientCredential::Secret(Secret::new("the next secret")),
    ];
    assert_eq!(inherits(|it| it.scopes.push("api://app/read".to_owned())), 600);
    assert_eq!(changes.map(inherits), [0, 0]);
    let down = Error::Status { endpoint: "token endpoint", status: 503, retry_after: Some(300) };
    reports(&world.entra, Err(down));
    let host = world.entra.authority.host().clone();
    let tenants = AuthorityRegistry::new(host, TenantConfig::Organizations, Arc::default());
    world.entra.begin(BACK, &SignInHints::default(), VALUES).await.unwrap();
    for change in changes {
        let mut config = world.config.clone();
        change(&mut config);
        let new =
            EntraRegistration::new(&config, tenants.of(world.tenant()), Arc::default(), Vec::new());
        new.inherit(&world.entra);
        assert_eq!(new.backoff_seconds(), 300);
    }
}

#[tokio::test]
async fn a_refusal_of_one_person_ends_no_pause_that_entra_asked_for_and_a_success_does() {
    let world = World::start().await;
    let refusal = || Error::from(failure::EntraRefusal::of_callback("invalid_grant", None));
    reports(&world.entra, Err(throttled()));
    reports(&world.entra, Err(refusal()));
    assert_eq!(world.entra.backoff_seconds(), 600);
    reports(&world.entra, Ok(()));
    assert_eq!(world.entra.backoff_seconds(), 0);
    // Once the time is over, a refusal shows as much as any answer that Entra takes requests again.
    reports(&world.entra, Err(throttled()));
    world.clock.shift(601);
    let (ticket, _permit) = world.entra.enter().await.unwrap();
    assert!(world.entra.backoff_seconds() > 0, "two probes");
    let _ = world.entra.count_outcome::<()>(ticket, Err(refusal()));
    assert_eq!(world.entra.backoff_seconds(), 0);
    // A pause that Entra did not ask for is only a guess, which the answer disproves.
    let answer = Error::Answer;
    reports(&world.entra, Err(answer));
    assert_eq!(world.entra.backoff_seconds(), 1);
    reports(&world.entra, Err(refusal()));
    assert_eq!(world.entra.backoff_seconds(), 0);
}
