//! Access tokens for the app's own clients (RFC 9068). They have their own signing key, so that
//! access tokens and assertions cannot be mistaken for each other.

use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::seal::jwk::{KeyDerivationError, SigningKeys, short_id};
use crate::seal::keyring::Keyring;
use crate::session::record::Session;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// RFC 9068 section 2.1.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
const ACCESS_TOKEN_KEY_PURPOSE: &str = "native, access token ES256";
/// Maximum length of a token, in bytes. Longer ones are rejected unread.
const MAX_ACCESS_TOKEN_BYTES: usize = 4096;
/// How far the clock of another replica may be ahead, in seconds.
const MAX_REPLICA_SKEW_SECONDS: u64 = 60;

/// Issues and verifies access tokens.
#[derive(Debug)]
pub struct AccessTokens {
    keys: SigningKeys,
    /// The encoded header that Entrada's tokens begin with, for each key. This fixes the algorithm,
    /// type and key before anything is parsed.
    heads: Vec<String>,
    issuer: String,
    audience: String,
    lifetime: u64,
    clock: Clock,
    random: RandomSource,
}

/// The variable content of an access token.
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenGrant<'a> {
    /// The `client_id`.
    pub client: &'a str,
    /// The sign-in that the token belongs to.
    pub sign_in: Guid,
    /// The granted scope. An empty scope counts as absent.
    pub scope: Option<&'a str>,
}

/// The content of a verified token.
#[derive(Debug)]
pub struct VerifiedAccessToken {
    /// The sign-in that the token belongs to.
    pub sign_in: Guid,
    /// The `client_id`.
    pub client: String,
    /// When the token expires, in seconds since 1970.
    pub ends: u64,
}

/// Why an Entrada access token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAccessToken {
    /// The token was modified or is malformed.
    #[error("the access token is not valid")]
    Invalid,
    /// The token has expired.
    #[error("the access token has expired")]
    Expired,
    /// The sign-in that the token belongs to is over.
    #[error("the sign-in of the access token has ended")]
    SignInEnded,
    /// The request carries several tokens.
    #[error("the Authorization header is repeated")]
    Several,
}

#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    client_id: &'a str,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    iat: u64,
    exp: u64,
    jti: String,
}

#[derive(Deserialize)]
struct UncheckedClaims {
    iss: String,
    aud: String,
    client_id: String,
    sid: String,
    iat: u64,
    exp: u64,
}

impl AccessTokens {
    /// Derives the keys. Replicas with the same secrets derive the same keys without communication.
    /// `place` is the path at the end of the audience.
    ///
    /// # Errors
    /// `KeyDerivationError` if AWS-LC rejects a key, which no derived number causes.
    pub fn new(
        keyring: &Keyring,
        issuer: String,
        place: &str,
        lifetime: u64,
        clock: Clock,
        random: RandomSource,
    ) -> Result<Self, KeyDerivationError> {
        let keys = SigningKeys::of(keyring, ACCESS_TOKEN_KEY_PURPOSE)?;
        let heads =
            keys.heads(ACCESS_TOKEN_TYPE).map(|it| URL_SAFE_NO_PAD.encode(it) + ".").collect();
        Ok(Self {
            keys,
            heads,
            audience: format!("{issuer}{place}"),
            issuer,
            lifetime,
            clock,
            random,
        })
    }

    /// The lifetime of a token, in seconds.
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The public keys, as a JWKS document.
    pub fn jwks(&self) -> &str {
        self.keys.jwks()
    }

    /// Issues a token for the person who is signed in on a client.
    ///
    /// # Errors
    /// `KeyDerivationError` if AWS-LC cannot sign.
    pub fn mint(
        &self,
        session: &Session,
        grant: AccessTokenGrant<'_>,
    ) -> Result<Secret, KeyDerivationError> {
        let (who, now) = (session.identity(), self.clock.now());
        let member = who.member.as_deref();
        let claims = AccessTokenClaims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: format!("{}.{}", who.oid, who.tid),
            client_id: grant.client,
            sid: grant.sign_in.to_string(),
            person: member.map(|it| it.person.to_string()),
            organization: member.map(|it| &*it.code),
            role: member.map(|it| &*it.role),
            scope: grant.scope.filter(|it| !it.is_empty()),
            iat: now,
            exp: now.saturating_add(self.lifetime),
            jti: short_id(&self.random),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| KeyDerivationError)?;
        self.keys.sign(ACCESS_TOKEN_TYPE, &claims).map(Secret::new)
    }

    /// Whether the token has the form of an Entrada access token. Other tokens are ignored.
    pub fn is_own_token(&self, token: &str) -> bool {
        self.heads.iter().any(|it| token.starts_with(it.as_str()))
    }

    /// Verifies a token. Its content is not used before the signature is verified.
    ///
    /// # Errors
    /// The reason why the token is rejected.
    pub fn read(&self, token: &str) -> Result<VerifiedAccessToken, BadAccessToken> {
        let read = self.read_of_any_age(token)?;
        if self.clock.now() < read.ends { Ok(read) } else { Err(BadAccessToken::Expired) }
    }

    /// Like [`read`](Self::read), but accepts expired tokens, for clients that revoke them.
    ///
    /// # Errors
    /// The reason why the token is rejected.
    pub fn read_of_any_age(&self, token: &str) -> Result<VerifiedAccessToken, BadAccessToken> {
        let key = self
            .heads
            .iter()
            .position(|it| token.starts_with(it.as_str()))
            .filter(|_| token.len() <= MAX_ACCESS_TOKEN_BYTES)
            .ok_or(BadAccessToken::Invalid)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(BadAccessToken::Invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(BadAccessToken::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadAccessToken::Invalid)?;
        if !self.keys.verifies(key, signed.as_bytes(), &signature) {
            return Err(BadAccessToken::Invalid);
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| BadAccessToken::Invalid)?;
        let unchecked: UncheckedClaims =
            serde_json::from_slice(&claims).map_err(|_| BadAccessToken::Invalid)?;
        let fits = unchecked.iss == self.issuer
            && unchecked.aud == self.audience
            && unchecked.iat <= self.clock.now().saturating_add(MAX_REPLICA_SKEW_SECONDS);
        let client_sign_in =
            Guid::parse(&unchecked.sid).filter(|_| fits).ok_or(BadAccessToken::Invalid)?;
        Ok(VerifiedAccessToken {
            sign_in: client_sign_in,
            client: unchecked.client_id,
            ends: unchecked.exp,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::identity::Identity;
    use crate::config::session::SessionConfig;
    use crate::entra::verified::VerifiedUser;
    use crate::seal::random;
    use crate::session::live::LiveSessions;
    use std::time::Duration;

    pub(in crate::bearer) const ORIGIN: &str = "https://app.example.com";

    pub(in crate::bearer) fn access_tokens(
        secrets: &[&str],
        issuer: &str,
        clock: &Clock,
    ) -> AccessTokens {
        access_tokens_for(secrets, issuer, "/oauth2/native", clock)
    }

    fn access_tokens_for(
        secrets: &[&str],
        issuer: &str,
        place: &str,
        clock: &Clock,
    ) -> AccessTokens {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        AccessTokens::new(
            &Keyring::new(&secrets, &random::system()),
            issuer.to_owned(),
            place,
            300,
            clock.clone(),
            random::system(),
        )
        .unwrap()
    }

    pub(in crate::bearer) fn live() -> LiveSessions {
        live_limited(10)
    }

    pub(in crate::bearer) fn live_limited(per_person: u64) -> LiveSessions {
        let config = SessionConfig {
            secrets: Vec::new(),
            idle: Duration::from_mins(1),
            lifetime: Duration::from_mins(1),
            capacity: 10,
            per_person,
            ..SessionConfig::sample()
        };
        LiveSessions::new(&config, Clock::system(), random::system())
    }

    pub(in crate::bearer) fn token(by: &AccessTokens) -> Secret {
        token_with_scope(by, Some("jobs"))
    }

    fn token_with_scope(by: &AccessTokens, scope: Option<&str>) -> Secret {
        let oid = Guid::from_random([7; 16]);
        let (_, session) = live().create(VerifiedUser::pretended(Identity::new(oid, oid)).into());
        by.mint(&session, AccessTokenGrant { client: "phone", sign_in: oid, scope }).unwrap()
    }

    #[test]
    fn a_token_is_read_back_until_it_ends_and_by_replicas_with_a_newer_secret_too() {
        let clock = Clock::stopped();
        let ours = access_tokens(&["one"], ORIGIN, &clock);
        let token = token(&ours);
        let read = access_tokens(&["two", "one"], ORIGIN, &clock).read(token.expose()).unwrap();
        assert_eq!((read.sign_in, read.client.as_str()), (Guid::from_random([7; 16]), "phone"));
        assert_eq!((ours.lifetime(), read.ends), (300, clock.now() + 300));
        clock.shift(299);
        assert!(ours.read(token.expose()).is_ok());
        clock.shift(1);
        assert_eq!(ours.read(token.expose()).unwrap_err(), BadAccessToken::Expired);
        assert!(ours.read_of_any_age(token.expose()).is_ok());
    }

    #[test]
    fn a_token_of_a_replica_whose_clock_is_ahead_is_accepted_within_the_skew() {
        let clock = Clock::stopped();
        let ours = access_tokens(&["one"], ORIGIN, &clock);
        let token = token(&ours);
        let skew = i64::try_from(MAX_REPLICA_SKEW_SECONDS).unwrap();
        clock.shift(-skew);
        assert!(ours.read(token.expose()).is_ok());
        clock.shift(-1);
        assert_eq!(ours.read(token.expose()).unwrap_err(), BadAccessToken::Invalid);
    }

    #[test]
    fn an_empty_scope_is_left_out_of_the_token() {
        let ours = access_tokens(&["one"], ORIGIN, &Clock::system());
        for (scope, expected) in [(None, None), (Some(""), None), (Some("jobs"), Some("jobs"))] {
            let token = token_with_scope(&ours, scope);
            let claims = token.expose().split('.').nth(1).unwrap();
            let claims: serde_json::Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            assert_eq!(claims.get("scope").and_then(|it| it.as_str()), expected, "{scope:?}");
        }
    }

    #[test]
    fn somebody_elses_library_verifies_it_as_rfc_9068_says() {
        let ours = access_tokens(&["one"], ORIGIN, &Clock::system());
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(ours.jwks()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.keys.first().unwrap()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        rules.set_audience(&[format!("{ORIGIN}/oauth2/native")]);
        rules.set_issuer(&[ORIGIN]);
        rules.set_required_spec_claims(&["iss", "exp", "aud", "sub"]);
        let read =
            jsonwebtoken::decode::<serde_json::Value>(token(&ours).expose(), &key, &rules).unwrap();
        assert_eq!(
            (read.header.typ.as_deref(), &read.claims["client_id"], &read.claims["scope"]),
            (Some("at+jwt"), &"phone".into(), &"jobs".into())
        );
        assert!(["iat", "jti", "sid"].iter().all(|it| !read.claims[it].is_null()));
    }

    #[test]
    fn a_changed_token_and_one_of_another_place_or_another_kind_are_not_taken() {
        let clock = Clock::system();
        let ours = access_tokens(&["one"], ORIGIN, &clock);
        let token = token(&ours);
        let token = token.expose();
        let (head, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        for changed in [
            format!("{head}.{claims}."),
            format!("{head}.{claims}"),
            format!("{head}.{claims}x.{signature}"),
            format!("{head}.{claims}.{head}"),
            format!("{head}."),
        ] {
            assert_eq!(ours.read(&changed).unwrap_err(), BadAccessToken::Invalid, "{changed}");
        }
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
        let unsigned = format!("{none}.{claims}.");
        assert!(!ours.is_own_token(&unsigned) && ours.read(&unsigned).is_err());
        // The same secret at another address, and another secret at the same address.
        assert_eq!(
            access_tokens(&["one"], "https://other.example.com", &clock).read(token).unwrap_err(),
            BadAccessToken::Invalid
        );
        // The same issuer and secret, for another audience.
        let elsewhere = access_tokens_for(&["one"], ORIGIN, "/elsewhere", &clock);
        assert_eq!(elsewhere.read(token).unwrap_err(), BadAccessToken::Invalid);
        assert!(!access_tokens(&["two"], ORIGIN, &clock).is_own_token(token));
        let keyring = Keyring::new(&[Secret::new("one")], &random::system());
        let assertion = SigningKeys::new(&keyring).unwrap();
        assert!(
            !ours.is_own_token(&assertion.sign(ACCESS_TOKEN_TYPE, b"{}").unwrap()),
            "the key of the assertion signs no access token"
        );
        assert!(
            !ours.jwks().contains(assertion.kid()) && !assertion.jwks().contains(ours.keys.kid())
        );
    }
}
