//! The tokens and their claims.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::keys::{BadKey, OtherKeys, SigningKey, signing_input};
use super::people::EmulatedPerson;
use super::scopes::ResourceScopes;
use super::state::{EmulatorState, IssuedGrant};
use super::tenants::{PERSONAL, TenantAddress};
use super::token_defect::TokenDefect;

/// How far tokens are backdated, in seconds.
const BACKDATED_SECONDS: u64 = 300;
/// Lifetime of tokens, in seconds from now.
pub(super) const TOKEN_LIFETIME_SECONDS: u64 = 3600;
/// Maximum number of groups listed in a JWT.
const MAX_GROUPS_PER_TOKEN: usize = 200;
/// The object ID of a person who is not in the picker.
const ANOTHER_OBJECT_ID: &str = "00aa00aa-bb11-4c22-8d33-44ee44eeffff";
/// An ID that is not assigned.
const UNKNOWN_ID: &str = "99999999-9999-4999-8999-999999999999";

/// Returns the subject, which differs for each client.
pub(super) fn subject(client_id: &str, oid: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{client_id}|{oid}").as_bytes()))
}

/// Returns the opaque value of the `login_hint` claim.
pub(super) fn opaque_hint(person: &EmulatedPerson) -> String {
    format!(
        "O.{}",
        URL_SAFE_NO_PAD.encode(format!("{}|{}|{}", person.oid, person.tenant, person.user_name))
    )
}

fn envelope(state: &EmulatorState, tenant: &str, audience: &str) -> Map<String, Value> {
    let now = state.clock.now();
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("aud", audience.into());
    let home = TenantAddress::read(tenant).and_then(TenantAddress::home);
    put("iss", state.control.tokens.issuer(&state.authority, home).into());
    put("iat", now.saturating_sub(BACKDATED_SECONDS).into());
    put("nbf", now.saturating_sub(BACKDATED_SECONDS).into());
    put("exp", (now + TOKEN_LIFETIME_SECONDS).into());
    put("aio", format!("AXQAi/8IAAAA{}", state.random.text::<32>()).into());
    put("rh", format!("1.AXQA{}", state.random.text::<24>()).into());
    put("uti", state.random.text::<16>().into());
    put("ver", "2.0".into());
    put("tid", tenant.into());
    claims
}

fn id_claims(
    state: &EmulatorState,
    person: &EmulatedPerson,
    grant: &IssuedGrant,
) -> Map<String, Value> {
    let client = &grant.request.client;
    let mut claims = envelope(state, &person.tenant, client);
    let has = |scope: &str| grant.request.scope.split(' ').any(|it| it == scope);
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("sub", subject(client, &person.oid).into());
    put("sid", grant.session.sid.as_str().into());
    put("login_hint", opaque_hint(person).into());
    if let Some(acct) = person.acct {
        put("acct", acct.into());
    }
    if let (true, Some(upn)) = (has("profile"), &person.upn) {
        put("upn", upn.as_str().into());
    }
    if person.agent {
        put("xms_sub_fct", "13".into());
        put("xms_act_fct", "11".into());
    }
    if has("profile") {
        put("oid", person.oid.as_str().into());
        put("name", person.name.as_str().into());
        put("preferred_username", person.user_name.as_str().into());
    }
    if let (true, Some(email)) = (has("email"), &person.email) {
        put("email", email.as_str().into());
        if person.email_verified {
            put("xms_edov", true.into());
        }
    }
    if let Some(nonce) = &grant.request.nonce {
        put("nonce", nonce.as_str().into());
    }
    if !grant.request.acrs.is_empty() {
        put("acrs", json!(grant.request.acrs));
    }
    if let Some(home) = &person.home_tenant {
        put("idp", format!("https://sts.windows.net/{home}/").into());
    }
    if !person.roles.is_empty() {
        put("roles", json!(person.roles));
    }
    if person.groups.len() > MAX_GROUPS_PER_TOKEN {
        put("_claim_names", json!({"groups": "src1"}));
        let endpoint = format!(
            "https://graph.windows.net/{}/users/{}/getMemberObjects",
            person.tenant, person.oid
        );
        put("_claim_sources", json!({"src1": {"endpoint": endpoint}}));
    } else if !person.groups.is_empty() {
        put("groups", json!(person.groups));
    }
    claims
}

/// The signing keys: the work accounts' key, and the others if they are needed.
pub(super) struct KeyRing<'a> {
    pub(super) public: &'a SigningKey,
    pub(super) others: Option<&'a OtherKeys>,
}

impl KeyRing<'_> {
    fn of(&self, person: &EmulatedPerson) -> Result<&SigningKey, BadKey> {
        if person.tenant == PERSONAL.id { self.personal() } else { Ok(self.public) }
    }

    fn personal(&self) -> Result<&SigningKey, BadKey> {
        self.others.map(|it| &it.personal).ok_or(BadKey::Rsa)
    }

    fn government(&self) -> Result<&SigningKey, BadKey> {
        self.others.map(|it| &it.government).ok_or(BadKey::Rsa)
    }
}

/// Returns the ID token, with the next defect that a test requested.
pub(super) fn id_token(
    state: &EmulatorState,
    ring: &KeyRing<'_>,
    person: &EmulatedPerson,
    grant: &IssuedGrant,
) -> Result<String, BadKey> {
    let mut claims = id_claims(state, person, grant);
    state.control.tokens.apply(&mut claims);
    let own = state.control.tokens.signer(&grant.request.client);
    let key = own.as_deref().map_or_else(|| ring.of(person), Ok)?;
    let Some(wrong) = state.control.next_wrong() else { return key.jwt(&claims.into()) };
    apply_defect(state, &mut claims, wrong);
    let claims = Value::Object(claims).to_string();
    match wrong {
        TokenDefect::AlgNone => Ok(format!(
            "{}.",
            signing_input(&json!({"typ": "JWT", "alg": "none", "kid": key.kid()}), &claims)
        )),
        TokenDefect::Signature => {
            // A well-formed signature with the right key, but over other claims, so it does not
            // match.
            let other = key.jwt(&json!({"sub": "somebody else"}))?;
            let signature = other.rsplit_once('.').map_or("", |(_, it)| it);
            let header = json!({"typ": "JWT", "alg": "RS256", "kid": key.kid()});
            Ok(format!("{}.{signature}", signing_input(&header, &claims)))
        }
        TokenDefect::Hs256 => {
            let text =
                signing_input(&json!({"typ": "JWT", "alg": "HS256", "kid": key.kid()}), &claims);
            let tag = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, key.modulus().as_bytes()),
                text.as_bytes(),
            );
            Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag)))
        }
        TokenDefect::PersonalKey => ring.personal()?.signed(ring.personal()?.kid(), &claims),
        TokenDefect::GovernmentKey => ring.government()?.signed(ring.government()?.kid(), &claims),
        TokenDefect::UnknownKid => key.signed(&state.random.text::<20>(), &claims),
        TokenDefect::DuplicateClaim => {
            key.signed(key.kid(), &claims.replacen('{', &format!("{{\"tid\":\"{UNKNOWN_ID}\","), 1))
        }
        _ => key.signed(key.kid(), &claims),
    }
}

fn apply_defect(state: &EmulatorState, claims: &mut Map<String, Value>, wrong: TokenDefect) {
    let now = state.clock.now();
    let tenant = claims.get("tid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    match wrong {
        TokenDefect::Nonce => put("nonce", "another".into()),
        TokenDefect::Issuer => put("iss", format!("https://issuer.example/{tenant}/v2.0").into()),
        TokenDefect::Audience => put("aud", UNKNOWN_ID.into()),
        TokenDefect::Expired => put("exp", now.saturating_sub(600).into()),
        TokenDefect::NotYet => put("nbf", (now + 600).into()),
        TokenDefect::Tid => put("tid", UNKNOWN_ID.into()),
        TokenDefect::Stranger => {
            put("iss", format!("{}/{UNKNOWN_ID}/v2.0", state.authority).into());
            put("tid", UNKNOWN_ID.into())
        }
        TokenDefect::Person => {
            put("sub", subject(&state.client_id, ANOTHER_OBJECT_ID).into());
            put("oid", ANOTHER_OBJECT_ID.into())
        }
        TokenDefect::ProvedLongAgo => put("auth_time", now.saturating_sub(3600).into()),
        TokenDefect::ProvedJustNow => put("auth_time", now.into()),
        TokenDefect::NoContext => claims.remove("acrs"),
        TokenDefect::Signature
        | TokenDefect::AlgNone
        | TokenDefect::PersonalKey
        | TokenDefect::GovernmentKey
        | TokenDefect::Hs256
        | TokenDefect::UnknownKid
        | TokenDefect::DuplicateClaim => None,
    };
}

/// Returns an access token for a person and this resource.
pub(super) fn access_token(
    state: &EmulatorState,
    ring: &KeyRing<'_>,
    person: &EmulatedPerson,
    client: &str,
    resource: &ResourceScopes,
    scope: &str,
) -> Result<String, BadKey> {
    let mut claims = envelope(state, &person.tenant, &resource.audience);
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("azp", client.into());
    put("azpacr", "1".into());
    put("oid", person.oid.as_str().into());
    put("sub", subject(&resource.audience, &person.oid).into());
    put("preferred_username", person.user_name.as_str().into());
    put("scp", scope.into());
    ring.of(person)?.jwt(&Value::Object(claims))
}

/// Returns an access token for the app itself (RFC 6749 section 4.4), with exactly the members
/// observed from Entra.
pub(super) fn app_token(
    state: &EmulatorState,
    ring: &KeyRing<'_>,
    tenant: &str,
    client: &str,
    audience: &str,
) -> Result<String, BadKey> {
    let principal = "11aa11aa-bb11-4c22-8d33-44ee44ee44ee";
    let mut claims = envelope(state, tenant, audience);
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("azp", client.into());
    put("azpacr", "1".into());
    put("oid", principal.into());
    put("sub", principal.into());
    put("xms_ftd", state.random.text::<24>().into());
    ring.public.jwt(&Value::Object(claims))
}
