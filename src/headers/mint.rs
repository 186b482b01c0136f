//! The assertion: the person's identity as a JWT that the app can verify.

use super::lists::SelectedEntries;
use crate::base::identity::Identity;
use crate::base::string_list::StringList;
use crate::seal::jwk::{KeyDerivationError, SigningKeys};
use http::HeaderValue;
use serde::Serialize;

/// A type that keeps the assertion from being mistaken for an Entra token (RFC 8725 section 3.11).
const ASSERTION_TYPE: &str = "entrada+jwt";

/// The values that differ between assertions.
pub(super) struct AssertionContext<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) session: &'a str,
    pub(super) id: &'a str,
    pub(super) now: u64,
    pub(super) lifetime: u64,
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    oid: String,
    tid: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    groups: &'a [&'a str],
    roles: &'a [&'a str],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    groups_truncated: bool,
    #[serde(skip_serializing_if = "StringList::is_empty")]
    acrs: &'a StringList,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    sid: &'a str,
    auth_time: u64,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: &'a str,
}

/// Signs an assertion with the known facts about the person.
pub(super) fn mint(
    keys: &SigningKeys,
    who: &Identity,
    groups: &SelectedEntries<'_>,
    roles: &SelectedEntries<'_>,
    it: &AssertionContext<'_>,
) -> Result<HeaderValue, KeyDerivationError> {
    let claims = AssertionClaims {
        iss: it.issuer,
        aud: it.audience,
        sub: format!("{}.{}", who.oid, who.tid),
        oid: who.oid.to_string(),
        tid: who.tid.to_string(),
        guest: who.guest,
        name: who.name.as_deref(),
        preferred_username: who.preferred_username.as_deref(),
        email: who.email.as_deref(),
        // Present only if Entra vouches for the domain (`xms_edov`). An absent claim does not mean
        // "no".
        email_verified: (who.email.is_some() && who.email_verified).then_some(true),
        groups: &groups.entries,
        roles: &roles.entries,
        groups_truncated: groups.truncated || roles.truncated,
        acrs: &who.acrs,
        person: who.member.as_deref().map(|it| it.person.to_string()),
        role: who.member.as_deref().map(|it| &*it.role),
        organization: who.member.as_deref().map(|it| &*it.code),
        sid: it.session,
        auth_time: who.auth_time,
        iat: it.now,
        nbf: it.now,
        exp: it.now.saturating_add(it.lifetime),
        jti: it.id,
    };
    let claims = serde_json::to_vec(&claims).map_err(|_| KeyDerivationError)?;
    let mut value = HeaderValue::from_str(&keys.sign(ASSERTION_TYPE, &claims)?)
        .map_err(|_| KeyDerivationError)?;
    value.set_sensitive(true);
    Ok(value)
}
