//! Access tokens for the app's own clients (RFC 9068): signed by a key of their own, so that neither passes for the assertion.

use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::seal::jwk::{NoKey, SigningKeys, short_id};
use crate::seal::keyring::Keyring;
use crate::session::record::Session;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";
const PURPOSE: &str = "native, access token ES256";
/// The longest token that is looked at, in bytes.
const MOST: usize = 4096;
/// By so many seconds the clock of another replica may be ahead.
const SKEW: u64 = 60;

/// Makes access tokens, and reads them back.
#[derive(Debug)]
pub struct Passes {
    keys: SigningKeys,
    /// What a token of ours begins with: the whole header under each key. So algorithm, type and key are pinned before anything is read.
    heads: Vec<String>,
    issuer: String,
    audience: String,
    lifetime: u64,
    clock: Clock,
    random: Random,
}

/// What is said for and by whom.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// `client_id`.
    pub client: &'a str,
    /// The sign-in that it belongs to.
    pub family: Guid,
    /// What is granted; empty is as good as nothing.
    pub scope: Option<&'a str>,
}

/// What a verified token says.
#[derive(Debug)]
pub struct Read {
    /// The sign-in that it belongs to.
    pub family: Guid,
    /// `client_id`.
    pub client: String,
    /// When it ends, seconds since 1970.
    pub ends: u64,
}

/// Why a token of ours is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// It was changed, or is none.
    #[error("the access token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
    /// The sign-in that it belongs to is over.
    #[error("the sign-in of the access token has ended")]
    Over,
    /// The request carries several.
    #[error("the Authorization header is repeated")]
    Several,
}

#[derive(Serialize)]
struct Claims<'a> {
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
struct Told {
    iss: String,
    aud: String,
    client_id: String,
    sid: String,
    iat: u64,
    exp: u64,
}

impl Passes {
    /// Derives the keys; replicas with the same secrets agree without talking. `place` is the path that the audience ends with.
    ///
    /// # Errors
    /// `NoKey` if AWS-LC refuses, which no derived number causes.
    pub fn new(keyring: &Keyring, issuer: String, place: &str, lifetime: u64, clock: Clock, random: Random) -> Result<Self, NoKey> {
        let keys = SigningKeys::of(keyring, PURPOSE)?;
        let heads = keys.heads(TYPE).map(|it| URL_SAFE_NO_PAD.encode(it) + ".").collect();
        Ok(Self { keys, heads, audience: format!("{issuer}{place}"), issuer, lifetime, clock, random })
    }

    /// For how many seconds a token is good.
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The public keys, as a JWKS document.
    pub fn jwks(&self) -> &str {
        self.keys.jwks()
    }

    /// A token for whoever is signed in on a client.
    ///
    /// # Errors
    /// `NoKey` if AWS-LC cannot sign.
    pub fn mint(&self, session: &Session, it: For<'_>) -> Result<Secret, NoKey> {
        let (who, now) = (session.identity(), self.clock.now());
        let member = who.member.as_deref();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: format!("{}.{}", who.oid, who.tid),
            client_id: it.client,
            sid: it.family.to_string(),
            person: member.map(|it| it.person.to_string()),
            organization: member.map(|it| &*it.code),
            role: member.map(|it| &*it.role),
            scope: it.scope.filter(|it| !it.is_empty()),
            iat: now,
            exp: now.saturating_add(self.lifetime),
            jti: short_id(&self.random),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| NoKey)?;
        self.keys.sign(TYPE, &claims).map(Secret::new)
    }

    /// Whether a token is one of ours by its looks; every other is somebody else's business.
    pub fn is_ours(&self, token: &str) -> bool {
        self.heads.iter().any(|it| token.starts_with(it.as_str()))
    }

    /// Reads a token: nothing of it is believed before its signature fits.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read(&self, token: &str) -> Result<Read, Bad> {
        let read = self.read_of_any_age(token)?;
        if self.clock.now() < read.ends { Ok(read) } else { Err(Bad::Expired) }
    }

    /// The same, of one whose time may be over: for whoever gives it back.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read_of_any_age(&self, token: &str) -> Result<Read, Bad> {
        let key = self.heads.iter().position(|it| token.starts_with(it.as_str())).filter(|_| token.len() <= MOST).ok_or(Bad::Invalid)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Bad::Invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(Bad::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Bad::Invalid)?;
        if !self.keys.verifies(key, signed.as_bytes(), &signature) {
            return Err(Bad::Invalid);
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Bad::Invalid)?;
        let told: Told = serde_json::from_slice(&claims).map_err(|_| Bad::Invalid)?;
        let fits = told.iss == self.issuer && told.aud == self.audience && told.iat <= self.clock.now().saturating_add(SKEW);
        let family = Guid::parse(&told.sid).filter(|_| fits).ok_or(Bad::Invalid)?;
        Ok(Read { family, client: told.client_id, ends: told.exp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::{Groups, Identity};
    use crate::base::texts::Texts;
    use crate::entra::verified::VerifiedUser;
    use crate::seal::random;
    use crate::session::store::Store;

    const ORIGIN: &str = "https://app.example.com";

    fn passes(secrets: &[&str], issuer: &str, clock: &Clock) -> Passes {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        Passes::new(&Keyring::new(&secrets, &random::system()), issuer.to_owned(), "/oauth2/native", 300, clock.clone(), random::system()).unwrap()
    }

    fn token(by: &Passes) -> Secret {
        let oid = Guid::from_random([7; 16]);
        let identity = Identity {
            oid,
            tid: oid,
            guest: false,
            name: None,
            preferred_username: None,
            email: None,
            email_verified: false,
            roles: Texts::default(),
            groups: Groups::Known(Texts::default()),
            entra_sid: None,
            login_hint: None,
            acrs: Texts::default(),
            auth_time: 0,
            has_auth_time: false,
            custom: Box::default(),
            member: None,
        };
        let config = crate::config::session::Session {
            secrets: Vec::new(),
            idle: std::time::Duration::from_secs(60),
            lifetime: std::time::Duration::from_secs(60),
            capacity: 10,
            per_person: 10,
        };
        let store = Store::new(&config, Clock::system(), random::system());
        let (_, session) = store.begin(VerifiedUser::pretended(identity), None, None, None);
        by.mint(&session, For { client: "phone", family: oid, scope: Some("jobs") }).unwrap()
    }

    #[test]
    fn a_token_is_read_back_until_it_ends_and_by_replicas_with_a_newer_secret_too() {
        let clock = Clock::system();
        let ours = passes(&["one"], ORIGIN, &clock);
        let token = token(&ours);
        let read = passes(&["two", "one"], ORIGIN, &clock).read(token.expose()).unwrap();
        assert_eq!((read.family, read.client.as_str()), (Guid::from_random([7; 16]), "phone"));
        clock.shift(301);
        assert_eq!(ours.read(token.expose()).unwrap_err(), Bad::Expired);
        assert!(ours.read_of_any_age(token.expose()).is_ok());
    }

    #[test]
    fn somebody_elses_library_verifies_it_as_rfc_9068_says() {
        let ours = passes(&["one"], ORIGIN, &Clock::system());
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(ours.jwks()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.keys.first().unwrap()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        rules.set_audience(&[format!("{ORIGIN}/oauth2/native")]);
        rules.set_issuer(&[ORIGIN]);
        rules.set_required_spec_claims(&["iss", "exp", "aud", "sub"]);
        let read = jsonwebtoken::decode::<serde_json::Value>(token(&ours).expose(), &key, &rules).unwrap();
        assert_eq!((read.header.typ.as_deref(), &read.claims["client_id"], &read.claims["scope"]), (Some("at+jwt"), &"phone".into(), &"jobs".into()));
        assert!(["iat", "jti", "sid"].iter().all(|it| !read.claims[it].is_null()));
    }

    #[test]
    fn a_changed_token_and_one_of_another_place_or_another_kind_are_not_taken() {
        let clock = Clock::system();
        let ours = passes(&["one"], ORIGIN, &clock);
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
            assert_eq!(ours.read(&changed).unwrap_err(), Bad::Invalid, "{changed}");
        }
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
        let unsigned = format!("{none}.{claims}.");
        assert!(!ours.is_ours(&unsigned) && ours.read(&unsigned).is_err());
        // The same secret at another address, and another secret at the same.
        assert_eq!(passes(&["one"], "https://other.example.com", &clock).read(token).unwrap_err(), Bad::Invalid);
        assert!(!passes(&["two"], ORIGIN, &clock).is_ours(token));
        let keyring = Keyring::new(&[Secret::new("one")], &random::system());
        let assertion = SigningKeys::new(&keyring).unwrap();
        assert!(!ours.is_ours(&assertion.sign(TYPE, b"{}").unwrap()), "the key of the assertion signs no access token");
        assert!(!ours.jwks().contains(assertion.kid()) && !assertion.jwks().contains(ours.keys.kid()));
    }
}
