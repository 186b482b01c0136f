//! Required claims of an ID token, and the identity that is read from them.

use super::invalid::InvalidToken;
use super::keys::VerificationKey;
use super::metadata::EntraMetadata;
use super::tenants::AdmittedTenants;
use super::token::TokenClaims;
use crate::base::guid::Guid;
use crate::base::identity::{CutLists, Identity, PersonGroups};
use crate::base::string_list::StringList;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::Value;

/// Allowed difference between the local clock and Entra's, in seconds.
const LEEWAY_SECONDS: u64 = 60;
/// Maximum remaining lifetime of a token, in seconds: two days; the longest that a tenant can set
/// is one.
const MAX_TOKEN_LIFETIME_SECONDS: u64 = 2 * 24 * 3600;
/// Maximum length of `sub`, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT_BYTES: usize = 255;
/// Maximum length of a person's text claims, in bytes; longer ones are omitted.
const MAX_TEXT_CLAIM_BYTES: usize = 1024;
/// Maximum length of `login_hint` and of custom claims, in bytes.
const MAX_OPAQUE_CLAIM_BYTES: usize = 4096;

/// Facets of an agent and of an agent's own user account (`xms_sub_fct`, `xms_act_fct`).
const AGENT_IDENTITY: &str = "11";
const AGENT_USER: &str = "13";

/// The values that a token must match.
#[derive(Debug)]
pub struct ExpectedToken<'a> {
    /// The issuer, its cloud, and the tenant if there is only one.
    pub metadata: &'a EntraMetadata,
    /// The tenants that are admitted, if there are several.
    pub admitted: &'a AdmittedTenants,
    /// Application (client) ID of this app.
    pub client_id: Guid,
    /// The nonce of the sign-in; `None` for a refreshed token, which does not answer a browser's
    /// request (OpenID Connect Core section 12.2).
    pub nonce: Option<&'a str>,
    /// Whether guests may sign in.
    pub guests: bool,
    /// Whether people from other tenants also sign in to this app.
    pub beside_others: bool,
    /// Current time, in seconds since 1970.
    pub now: u64,
    /// Claims that are kept as text.
    pub custom: &'a [String],
}

/// Checks the claims of a token that was signed with `key`, and reads the identity from them.
///
/// # Errors
/// The first rule that the token breaks.
pub fn judge(
    claims: &TokenClaims,
    key: &VerificationKey,
    expected: &ExpectedToken<'_>,
) -> Result<Identity, InvalidToken> {
    let outcome = judge_unambiguous(claims, key, expected);
    if claims.is_ambiguous() { Err(InvalidToken::DuplicateClaim) } else { outcome }
}

/// Whether a token names the person's groups, even if there are none. A `null` names none.
pub fn lists_groups(claims: &TokenClaims) -> bool {
    claims.claim("groups").is_some_and(|it| !it.is_null())
}

fn judge_unambiguous(
    claims: &TokenClaims,
    key: &VerificationKey,
    expected: &ExpectedToken<'_>,
) -> Result<Identity, InvalidToken> {
    let tid = origin(claims, key, expected)?;
    audience(claims, expected.client_id)?;
    let iat = times(claims, expected.now)?;
    if let Some(sent) = expected.nonce {
        nonce(claims, sent)?;
    }
    let oid = claims.text("oid").and_then(Guid::parse).ok_or(InvalidToken::NoOid)?;
    // Required, although people are told apart by `oid`: OpenID Connect Core section 2.
    claims
        .text("sub")
        .filter(|it| (1..=MAX_SUBJECT_BYTES).contains(&it.len()))
        .ok_or(InvalidToken::NoSubject)?;
    let guest = is_guest(claims, tid);
    if guest && !expected.guests {
        return Err(InvalidToken::Guest);
    }
    let who = person(claims, oid, tid, iat, expected.now, expected.custom)?;
    // Any tenant can give its people any address (nOAuth). If several tenants are admitted, an
    // address that is not verified is dropped.
    let is_trusted =
        (expected.metadata.tenant.is_some() && !expected.beside_others) || who.email_verified;
    let member_upn = member_upn(claims, tid).filter(|_| !guest);
    Ok(Identity { guest, member_upn, ..if is_trusted { who } else { without_email(who) } })
}

/// Checks the origin: the version, the issuer, that the key may sign for the issuer
/// (`learn:/access-tokens`, "Validate the issuer"), and that the tenant is admitted.
fn origin(
    claims: &TokenClaims,
    key: &VerificationKey,
    expected: &ExpectedToken<'_>,
) -> Result<Guid, InvalidToken> {
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

/// Compares in constant time, because the nonce is a secret of this browser's sign-in.
fn nonce(claims: &TokenClaims, sent: &str) -> Result<(), InvalidToken> {
    let nonce = claims.text("nonce").filter(|it| !it.is_empty()).ok_or(InvalidToken::Nonce)?;
    verify_slices_are_equal(nonce.as_bytes(), sent.as_bytes()).map_err(|_| InvalidToken::Nonce)
}

/// Checks that `aud` is exactly this app, and so is `azp`, if present.
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
    if claims.claim("azp").is_some_and(|it| !is_ours(it)) {
        Err(InvalidToken::Party)
    } else {
        Ok(())
    }
}

/// Checks `exp`, `nbf` and `iat` in whole seconds; returns `iat`.
fn times(claims: &TokenClaims, now: u64) -> Result<u64, InvalidToken> {
    let time = |name| claims.claim(name).and_then(Value::as_u64);
    let (Some(exp), Some(iat)) = (time("exp"), time("iat")) else {
        return Err(InvalidToken::Times);
    };
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
    if exp > now.saturating_add(MAX_TOKEN_LIFETIME_SECONDS) || exp < iat {
        Err(InvalidToken::Times)
    } else {
        Ok(iat)
    }
}

/// Removes the e-mail address from an identity, including the custom claim `email`.
fn without_email(who: Identity) -> Identity {
    let custom = who.custom.into_iter().filter(|it| it.0 != "email").collect();
    Identity { email: None, custom, ..who }
}

/// Whether the person's home is another tenant: according to `acct`, otherwise a foreign identity
/// provider, otherwise the name that guests have in this tenant.
fn is_guest(claims: &TokenClaims, tid: Guid) -> bool {
    // All personal accounts have the same `idp`.
    if tid == Guid::PERSONAL {
        return false;
    }
    guest_marks(claims) == GuestMarks::Guest || is_from_elsewhere(claims, tid)
}

/// What `acct` and the user principal name say about a guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GuestMarks {
    /// Both are a member's.
    Member,
    /// A guest's.
    Guest,
    /// Neither: `acct` is missing or odd, or the name could be a guest's.
    Unclear,
}

fn guest_marks(claims: &TokenClaims) -> GuestMarks {
    let acct = claims.claim("acct");
    let upn = claims.text("upn").unwrap_or_default().to_ascii_uppercase();
    // With `include_externally_authenticated_upn_without_hash`, Entra writes underscores.
    if acct.is_some_and(|it| *it == 1 || it == "1")
        || upn.contains("#EXT#")
        || upn.contains("_EXT_@")
    {
        GuestMarks::Guest
    } else if upn.contains("_EXT_") || !acct.is_some_and(|it| *it == 0 || it == "0") {
        GuestMarks::Unclear
    } else {
        GuestMarks::Member
    }
}

/// Whether the person authenticated at another identity provider than this tenant.
fn is_from_elsewhere(claims: &TokenClaims, tid: Guid) -> bool {
    let at_home = |idp: &str| idp.split('/').any(|it| Guid::parse(it) == Some(tid));
    claims.claim("idp").is_some_and(|it| !it.as_str().is_some_and(at_home))
}

/// Returns the user principal name of a member of the tenant. `acct` is 0 for external members too,
/// whose home is elsewhere, and an agent's own account has a name that its maker chose.
fn member_upn(claims: &TokenClaims, tid: Guid) -> Option<Box<str>> {
    let is_agent = ["xms_sub_fct", "xms_act_fct"].into_iter().any(|name| {
        let facets = claims.text(name).unwrap_or_default();
        claims.claim(name).is_some_and(|it| !it.is_string())
            || facets.split(' ').any(|it| it == AGENT_IDENTITY || it == AGENT_USER)
    });
    let upn = claims.text("upn").filter(|it| (1..=MAX_TEXT_CLAIM_BYTES).contains(&it.len()))?;
    let proven = guest_marks(claims) == GuestMarks::Member
        && !is_agent
        && tid != Guid::PERSONAL
        && !is_from_elsewhere(claims, tid);
    proven.then(|| upn.into())
}

fn person(
    claims: &TokenClaims,
    oid: Guid,
    tid: Guid,
    iat: u64,
    now: u64,
    custom: &[String],
) -> Result<Identity, InvalidToken> {
    let text = |name: &str, max_bytes: usize| {
        claims.text(name).filter(|it| (1..=max_bytes).contains(&it.len())).map(Box::from)
    };
    let email = text("email", MAX_TEXT_CLAIM_BYTES);
    let verified = claims
        .claim("xms_edov")
        .is_some_and(|it| *it == true || *it == 1 || it == "1" || it == "true");
    // Entra dates `iat` back by five minutes, but not `auth_time`, which can be later.
    let auth_time = claims
        .claim("auth_time")
        .and_then(Value::as_u64)
        .filter(|it| *it <= now.saturating_add(LEEWAY_SECONDS))
        .map(|it| it.min(now));
    Ok(Identity {
        oid,
        tid,
        guest: false,
        name: text("name", MAX_TEXT_CLAIM_BYTES),
        preferred_username: text("preferred_username", MAX_TEXT_CLAIM_BYTES),
        member_upn: None,
        email_verified: verified && email.is_some(),
        email,
        roles: list(claims.claim("roles"))?,
        groups: groups(claims)?,
        cut: CutLists::default(),
        entra_sid: text("sid", MAX_TEXT_CLAIM_BYTES),
        login_hint: text("login_hint", MAX_OPAQUE_CLAIM_BYTES),
        acrs: list(claims.claim("acrs"))?,
        auth_time: auth_time.unwrap_or(iat),
        has_auth_time: auth_time.is_some(),
        custom: custom
            .iter()
            .filter_map(|name| Some((name.clone(), plain(claims.claim(name)?)?)))
            .collect(),
        member: None,
    })
}

/// Reads the groups, or the fact that there are too many. The link in an overage leads to a retired
/// service, and is never followed.
fn groups(claims: &TokenClaims) -> Result<PersonGroups, InvalidToken> {
    let pointed = claims.claim("_claim_names").is_some_and(|it| it.get("groups").is_some());
    let has = claims.claim("hasgroups").is_some_and(|it| *it == true || it == "true");
    if pointed || has {
        Ok(PersonGroups::Overage)
    } else {
        list(claims.claim("groups")).map(PersonGroups::Known)
    }
}

fn list(value: Option<&Value>) -> Result<StringList, InvalidToken> {
    match value {
        // A missing or empty list grants nothing.
        None | Some(Value::Null) => Ok(StringList::default()),
        Some(Value::String(one)) => Ok(std::iter::once(one).collect()),
        Some(Value::Array(all)) => {
            all.iter().map(Value::as_str).collect::<Option<_>>().ok_or(InvalidToken::Lists)
        }
        Some(_) => Err(InvalidToken::Lists),
    }
}

/// Converts a claim to text: lists are joined with commas, unless an entry contains one; objects
/// are omitted.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(all) => all
            .iter()
            .map(|it| scalar(it).filter(|it| !it.contains(',')))
            .collect::<Option<Vec<_>>>()?
            .join(","),
        one => scalar(one)?,
    };
    (1..=MAX_OPAQUE_CLAIM_BYTES).contains(&text.len()).then_some(text)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(it) => Some(it.clone()),
        Value::Number(it) => Some(it.to_string()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
