//! What the claims of an ID token must be, and what they tell of a person.

use super::invalid::InvalidToken;
use super::keys::VerificationKey;
use super::metadata::EntraMetadata;
use super::tenants::AdmittedTenants;
use super::token::TokenClaims;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::string_list::StringList;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::Value;

/// Seconds that our clock and Entra's may differ.
const LEEWAY_SECONDS: u64 = 60;
/// Seconds that a token may live from now: a day is the longest that a tenant can set, and this is two.
const MAX_TOKEN_LIFETIME_SECONDS: u64 = 2 * 24 * 3600;
/// Longest text of a person, in bytes; longer ones are left out.
const MAX_TEXT_BYTES: usize = 1024;
/// Longest `login_hint` and longest custom claim, in bytes.
const MAX_CLAIM_BYTES: usize = 4096;

/// What a token must agree with.
#[derive(Debug)]
pub struct ExpectedToken<'a> {
    /// The issuer, its cloud, and the tenant where it is one.
    pub metadata: &'a EntraMetadata,
    /// Which tenants may come, where there are many.
    pub admitted: &'a AdmittedTenants,
    /// This app.
    pub client_id: Guid,
    /// The nonce of the sign-in; none for a refreshed token, which answers no request of a browser (OpenID Connect Core section 12.2).
    pub nonce: Option<&'a str>,
    /// Whether guests may.
    pub guests: bool,
    /// Whether other tenants than this one's sign people in beside it.
    pub beside_others: bool,
    /// Seconds since 1970.
    pub now: u64,
    /// Claims that are kept as text.
    pub custom: &'a [String],
}

/// Judges the claims of a token that `key` has signed, and reads the person off them.
///
/// # Errors
/// The first rule that is broken.
pub fn judge(claims: &TokenClaims, key: &VerificationKey, expected: &ExpectedToken<'_>) -> Result<Identity, InvalidToken> {
    let tid = origin(claims, key, expected)?;
    audience(claims, expected.client_id)?;
    let iat = times(claims, expected.now)?;
    if let Some(sent) = expected.nonce {
        nonce(claims, sent)?;
    }
    let oid = claims.text("oid").and_then(Guid::parse).ok_or(InvalidToken::NoOid)?;
    let guest = is_guest(claims, tid);
    if guest && !expected.guests {
        return Err(InvalidToken::Guest);
    }
    let who = person(claims, oid, tid, (iat, expected.now), expected.custom)?;
    // Any tenant can write any address into a person of its own (nOAuth): where several may come, only a verified one is known at all.
    let vouched = (expected.metadata.tenant.is_some() && !expected.beside_others) || who.email_verified;
    Ok(Identity { guest, ..if vouched { who } else { without_email(who) } })
}

/// Who issued it: version, issuer, that the key signs for them (`learn:/access-tokens`, "Validate the issuer"), and that their people may come.
fn origin(claims: &TokenClaims, key: &VerificationKey, expected: &ExpectedToken<'_>) -> Result<Guid, InvalidToken> {
    let metadata = expected.metadata;
    if claims.text("ver") != Some("2.0") {
        return Err(InvalidToken::Version);
    }
    let tid = claims.text("tid").and_then(Guid::parse).ok_or(InvalidToken::Tenant)?;
    let issuer = metadata.issuer_of(tid);
    if claims.text("iss") != Some(&issuer) {
        return Err(InvalidToken::Issuer);
    }
    if metadata.tenant.is_some_and(|it| it != tid) {
        return Err(InvalidToken::Tenant);
    }
    key.speaks_for(&issuer, &tid.to_string(), metadata.cloud.as_deref())?;
    if metadata.tenant.is_none() {
        expected.admitted.judge(tid)?;
    }
    Ok(tid)
}

/// The nonce is a secret of this browser's sign-in.
fn nonce(claims: &TokenClaims, sent: &str) -> Result<(), InvalidToken> {
    let nonce = claims.text("nonce").filter(|it| !it.is_empty()).ok_or(InvalidToken::Nonce)?;
    verify_slices_are_equal(nonce.as_bytes(), sent.as_bytes()).map_err(|_| InvalidToken::Nonce)
}

/// `aud` is this app and nobody else; `azp`, where it stands, is too.
fn audience(claims: &TokenClaims, client_id: Guid) -> Result<(), InvalidToken> {
    let is_ours = |it: &Value| it.as_str().and_then(Guid::parse) == Some(client_id);
    let ours = match claims.claim("aud") {
        Some(Value::Array(all)) => matches!(all.as_slice(), [one] if is_ours(one)),
        Some(one) => is_ours(one),
        None => false,
    };
    if !ours {
        return Err(InvalidToken::Audience);
    }
    if claims.claim("azp").is_some_and(|it| !is_ours(it)) { Err(InvalidToken::Party) } else { Ok(()) }
}

/// `exp`, `nbf` and `iat` in whole seconds; gives `iat`.
fn times(claims: &TokenClaims, now: u64) -> Result<u64, InvalidToken> {
    let time = |name| claims.claim(name).and_then(Value::as_u64);
    let (Some(exp), Some(iat)) = (time("exp"), time("iat")) else { return Err(InvalidToken::Times) };
    let nbf = match claims.claim("nbf") {
        None => iat,
        Some(it) => it.as_u64().ok_or(InvalidToken::Times)?,
    };
    if exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(InvalidToken::Expired);
    }
    if nbf.max(iat) > now.saturating_add(LEEWAY_SECONDS) {
        return Err(InvalidToken::NotYet);
    }
    if exp > now.saturating_add(MAX_TOKEN_LIFETIME_SECONDS) || exp < iat { Err(InvalidToken::Times) } else { Ok(iat) }
}

/// The same person without an address, under whatever name it is kept.
fn without_email(who: Identity) -> Identity {
    let custom = who.custom.into_iter().filter(|it| it.0 != "email").collect();
    Identity { email: None, custom, ..who }
}

/// Whether the person is at home elsewhere: `acct`, else a foreign identity provider, else the name that a guest has here.
fn is_guest(claims: &TokenClaims, tid: Guid) -> bool {
    // `idp` of a personal account is that of all personal accounts.
    if tid == Guid::PERSONAL {
        return false;
    }
    let acct = claims.claim("acct").is_some_and(|it| *it == 1 || it == "1");
    let at_home = |idp: &str| idp.split('/').any(|it| Guid::parse(it) == Some(tid));
    let elsewhere = claims.claim("idp").is_some_and(|it| !it.as_str().is_some_and(at_home));
    acct || elsewhere || claims.text("upn").is_some_and(|it| it.to_ascii_uppercase().contains("#EXT#"))
}

fn person(claims: &TokenClaims, oid: Guid, tid: Guid, (iat, now): (u64, u64), custom: &[String]) -> Result<Identity, InvalidToken> {
    let text = |name: &str, most: usize| claims.text(name).filter(|it| (1..=most).contains(&it.len())).map(Box::from);
    let email = text("email", MAX_TEXT_BYTES);
    let verified = claims.claim("xms_edov").is_some_and(|it| *it == true || *it == 1 || it == "1" || it == "true");
    // Entra dates `iat` back by five minutes but not `auth_time`, which may be later.
    let auth_time = claims.claim("auth_time").and_then(Value::as_u64).filter(|it| *it <= now.saturating_add(LEEWAY_SECONDS)).map(|it| it.min(now));
    Ok(Identity {
        oid,
        tid,
        guest: false,
        name: text("name", MAX_TEXT_BYTES),
        preferred_username: text("preferred_username", MAX_TEXT_BYTES),
        email_verified: verified && email.is_some(),
        email,
        roles: list(claims.claim("roles"))?,
        groups: groups(claims)?,
        entra_sid: text("sid", MAX_TEXT_BYTES),
        login_hint: text("login_hint", MAX_CLAIM_BYTES),
        acrs: list(claims.claim("acrs"))?,
        auth_time: auth_time.unwrap_or(iat),
        has_auth_time: auth_time.is_some(),
        custom: custom.iter().filter_map(|name| Some((name.clone(), plain(claims.claim(name)?)?))).collect(),
        member: None,
    })
}

/// The groups, or that there are too many. The pointer of an overage leads to a retired service, and is never followed.
fn groups(claims: &TokenClaims) -> Result<PersonGroups, InvalidToken> {
    let pointed = claims.claim("_claim_names").is_some_and(|it| it.get("groups").is_some());
    let has = claims.claim("hasgroups").is_some_and(|it| *it == true || it == "true");
    if pointed || has { Ok(PersonGroups::Overage) } else { list(claims.claim("groups")).map(PersonGroups::Known) }
}

fn list(value: Option<&Value>) -> Result<StringList, InvalidToken> {
    match value {
        None => Ok(StringList::default()),
        Some(Value::String(one)) => Ok(std::iter::once(one).collect()),
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect::<Option<_>>().ok_or(InvalidToken::Lists),
        Some(_) => Err(InvalidToken::Lists),
    }
}

/// A claim as text: a list joined by commas, unless an entry could be taken for two; an object not at all.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(all) => all.iter().map(|it| scalar(it).filter(|it| !it.contains(','))).collect::<Option<Vec<_>>>()?.join(","),
        one => scalar(one)?,
    };
    (1..=MAX_CLAIM_BYTES).contains(&text.len()).then_some(text)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(it) => Some(it.clone()),
        Value::Number(it) => Some(it.to_string()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
