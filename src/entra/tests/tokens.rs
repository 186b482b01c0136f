//! Single tokens against the verification core and the rules, with the tests' own keys.

mod any;
mod format;
mod kept;
mod keys_document;
mod tenants;

use super::super::invalid::InvalidToken;
use super::super::keys::{self, BadKeys, KnownKeys, VerificationKey};
use super::super::metadata::EntraMetadata;
use super::super::rules::{ExpectedToken, judge};
use super::super::tenants::AdmittedTenants;
use super::super::token::{self, TokenClaims};
use crate::base::domains::{TenantDomains, TenantName};
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::string_list::StringList;
use crate::config::entra::AllowedTenants;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

const NOW: u64 = 1_800_000_000;
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const OTHER: &str = "99999999-9999-4999-8999-999999999999";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
const OID: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee44ee";
const ISSUER: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0";
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHER_PAIR: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(pair: &KeyPair, kid: &str) -> Value {
    let public = components(pair);
    json!({"kty": "RSA", "use": "sig", "kid": kid, "n": encode(public.0), "e": encode(public.1), "issuer": TEMPLATE,
        "cloud_instance_name": "microsoftonline.com"})
}

/// Modulus and exponent of a key pair, read from its PKCS#1 encoding (RFC 8017 appendix A.1.1).
fn components(pair: &KeyPair) -> (Vec<u8>, Vec<u8>) {
    let der = pair.public_key().as_ref();
    let length = pair.public_modulus_len();
    // SEQUENCE (4), INTEGER (4), a zero, the modulus, INTEGER (2), the exponent.
    (der[9..9 + length].to_vec(), der[9 + length + 2..].to_vec())
}

fn document(all: &[Value]) -> Vec<u8> {
    json!({"keys": all}).to_string().into_bytes()
}

fn key_of(jwk: &Value) -> VerificationKey {
    keys::read(&document(std::slice::from_ref(jwk))).unwrap().remove(0)
}

fn key() -> VerificationKey {
    key_of(&jwk(&PAIR, "k1"))
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "RS256", "kid": "k1"})
}

fn claims() -> Value {
    json!({"aud": CLIENT, "iss": ISSUER, "iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3600, "ver": "2.0", "tid": TENANT, "oid": OID,
        "nonce": "n1", "sub": "s", "name": "Maya Okafor", "preferred_username": "maya@contoso.com"})
}

fn signed_with(pair: &KeyPair, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", encode(signature))
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_with(&PAIR, &header.to_string(), &claims.to_string())
}

fn metadata() -> EntraMetadata {
    EntraMetadata {
        issuer: ISSUER.to_owned(),
        tenant: Guid::parse(TENANT),
        authorization: String::new(),
        token: String::new(),
        keys: String::new(),
        end_session: None,
        cloud: Some("microsoftonline.com".to_owned()),
        region: None,
        graph: None,
    }
}

fn verified(token: &str, key: &VerificationKey) -> Result<TokenClaims, InvalidToken> {
    token::parse(token.as_bytes())?.verify(key)
}

fn judged_with(
    token: &str,
    key: &VerificationKey,
    guests: bool,
    custom: &[&str],
) -> Result<Identity, InvalidToken> {
    judged_by(&metadata(), AllowedTenants::default(), token, key, guests, custom)
}

fn judged_by(
    metadata: &EntraMetadata,
    allowed: AllowedTenants,
    token: &str,
    key: &VerificationKey,
    guests: bool,
    custom: &[&str],
) -> Result<Identity, InvalidToken> {
    let custom: Vec<_> = custom.iter().map(|it| (*it).to_owned()).collect();
    let domains = TenantDomains::default();
    domains.record("contoso.example", Guid::parse(TENANT).unwrap());
    let admitted = AdmittedTenants::new(allowed, Arc::new(domains));
    let client_id = Guid::parse(CLIENT).unwrap();
    let expected = ExpectedToken {
        metadata,
        admitted: &admitted,
        client_id,
        nonce: Some("n1"),
        guests,
        beside_others: false,
        now: NOW,
        custom: &custom,
    };
    judge(&verified(token, key)?, key, &expected)
}

/// Judges a token with several tenants, admitted through that list.
fn judged_among(
    allowed: &[&str],
    token: &str,
    key: &VerificationKey,
) -> Result<Identity, InvalidToken> {
    let metadata = EntraMetadata { issuer: TEMPLATE.to_owned(), tenant: None, ..metadata() };
    let named = |it: &str| {
        Guid::parse(it).map_or_else(|| TenantName::Domain(it.to_owned()), TenantName::Id)
    };
    let tenants = allowed.iter().filter(|it| **it != "*").map(|it| named(it)).collect();
    judged_by(
        &metadata,
        AllowedTenants { any: allowed.contains(&"*"), tenants },
        token,
        key,
        true,
        &["email", "name"],
    )
}

fn judged(token: &str) -> Result<Identity, InvalidToken> {
    judged_with(token, &key(), true, &[])
}

/// The usual claims with one of them changed; `null` removes it.
fn with(name: &str, value: Value) -> String {
    signed(&header(), &changed(claims(), name, value))
}

fn changed(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name)
    } else {
        members.insert(name.to_owned(), value)
    };
    object
}

/// The verdict of another implementation on the same token, in its strictest configuration.
fn second_opinion(token: &str) -> bool {
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[CLIENT]);
    rules.set_issuer(&[ISSUER]);
    // The library does not know the fixed time of these tests.
    rules.validate_exp = false;
    let jwk = jwk(&PAIR, "k1");
    let key = jsonwebtoken::DecodingKey::from_rsa_components(
        jwk["n"].as_str().unwrap(),
        jwk["e"].as_str().unwrap(),
    )
    .unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &rules).is_ok()
}

#[test]
fn a_good_token_is_accepted_here_and_by_another_implementation() {
    let token = signed(&header(), &claims());
    let maya = judged(&token).unwrap();
    assert_eq!((maya.oid.to_string().as_str(), maya.tid.to_string().as_str()), (OID, TENANT));
    assert_eq!(maya.auth_time, NOW - 300);
    assert!(second_opinion(&token));
    assert_eq!(
        format!(
            "{:?} {:?}",
            token::parse(token.as_bytes()).unwrap(),
            verified(&token, &key()).unwrap()
        ),
        "Unverified Claims"
    );
}

#[test]
fn claims_that_break_a_rule_are_refused_by_name() {
    for (name, value, expected) in [
        ("iss", json!(null), InvalidToken::Issuer),
        ("iss", json!(7), InvalidToken::Issuer),
        ("iss", json!([ISSUER]), InvalidToken::Issuer),
        ("iss", json!(format!("{ISSUER}/")), InvalidToken::Issuer),
        ("iss", json!(ISSUER.replace(TENANT, OTHER)), InvalidToken::Issuer),
        ("iss", json!(ISSUER.replace("https", "HTTPS")), InvalidToken::Issuer),
        ("iss", json!(TEMPLATE), InvalidToken::Issuer),
        ("iss", json!(format!("https://sts.windows.net/{TENANT}/")), InvalidToken::Issuer),
        ("aud", json!(null), InvalidToken::Audience),
        ("aud", json!(7), InvalidToken::Audience),
        ("aud", json!(OTHER), InvalidToken::Audience),
        ("aud", json!(format!("api://{CLIENT}")), InvalidToken::Audience),
        ("aud", json!([CLIENT, OTHER]), InvalidToken::Audience),
        ("aud", json!([CLIENT, CLIENT]), InvalidToken::Audience),
        ("aud", json!([]), InvalidToken::Audience),
        ("azp", json!(OTHER), InvalidToken::Party),
        ("azp", json!([CLIENT]), InvalidToken::Party),
        ("exp", json!(null), InvalidToken::Times),
        ("exp", json!(NOW - 60), InvalidToken::Expired),
        ("exp", json!((NOW + 3600).to_string()), InvalidToken::Times),
        ("exp", json!(f64::from(u32::try_from(NOW).unwrap()) + 0.5), InvalidToken::Times),
        ("exp", json!(-1), InvalidToken::Times),
        ("exp", json!(u64::MAX), InvalidToken::Times),
        ("exp", json!(1e300), InvalidToken::Times),
        ("exp", json!(NOW + 2 * 24 * 3600 + 1), InvalidToken::Times),
        ("nbf", json!(NOW + 61), InvalidToken::NotYet),
        ("nbf", json!(u64::MAX), InvalidToken::NotYet),
        ("nbf", json!("soon"), InvalidToken::Times),
        ("iat", json!(null), InvalidToken::Times),
        ("iat", json!(NOW + 61), InvalidToken::NotYet),
        ("iat", json!(true), InvalidToken::Times),
        ("nonce", json!(null), InvalidToken::Nonce),
        ("nonce", json!(""), InvalidToken::Nonce),
        ("nonce", json!("n2"), InvalidToken::Nonce),
        ("nonce", json!("n1 "), InvalidToken::Nonce),
        ("nonce", json!(["n1"]), InvalidToken::Nonce),
        ("tid", json!(null), InvalidToken::Tenant),
        ("tid", json!(OTHER), InvalidToken::Tenant),
        ("tid", json!("contoso.com"), InvalidToken::Tenant),
        ("tid", json!([TENANT]), InvalidToken::Tenant),
        ("oid", json!(null), InvalidToken::NoOid),
        ("oid", json!("maya@contoso.com"), InvalidToken::NoOid),
        ("oid", json!(format!("{{{OID}}}")), InvalidToken::NoOid),
        ("sub", json!(null), InvalidToken::NoSubject),
        ("sub", json!(""), InvalidToken::NoSubject),
        ("sub", json!(7), InvalidToken::NoSubject),
        ("sub", json!("s".repeat(256)), InvalidToken::NoSubject),
        ("ver", json!(null), InvalidToken::Version),
        ("ver", json!("1.0"), InvalidToken::Version),
        ("ver", json!(2.0), InvalidToken::Version),
        ("roles", json!({"Admin": true}), InvalidToken::Lists),
        ("roles", json!(["Admin", 7]), InvalidToken::Lists),
        ("groups", json!(7), InvalidToken::Lists),
        ("TID", json!(OTHER), InvalidToken::DuplicateClaim),
        ("Sub", json!("other"), InvalidToken::DuplicateClaim),
        ("NAME", json!("Other"), InvalidToken::DuplicateClaim),
        ("Preferred_Username", json!("x"), InvalidToken::DuplicateClaim),
    ] {
        assert_eq!(judged(&with(name, value.clone())).unwrap_err(), expected, "{name} {value}");
    }
}

#[test]
fn claims_within_the_leeway_and_in_their_other_forms_are_accepted() {
    for (name, value) in [
        ("exp", json!(NOW + 2 * 24 * 3600)),
        ("nbf", json!(NOW + 60)),
        ("nbf", json!(null)),
        ("iat", json!(NOW + 60)),
        ("aud", json!([CLIENT])),
        ("aud", json!(CLIENT.to_uppercase())),
        ("azp", json!(CLIENT)),
        ("tid", json!(TENANT.to_uppercase())),
        ("xms_ftd", json!({"anything": [1, null, -2, 1.5, {"deep": true}]})),
        ("name", json!(null)),
        ("email_verified", json!("true")),
        ("address", json!("a text where the standard has an object")),
    ] {
        assert!(judged(&with(name, value.clone())).is_ok(), "{name} {value}");
    }
}

#[test]
fn claims_that_differ_by_case_are_refused_only_where_they_are_read() {
    let both = changed(changed(claims(), "department", json!("a")), "Department", json!("b"));
    let token = signed(&header(), &both);
    assert!(judged(&token).is_ok());
    assert!(judged_with(&token, &key(), true, &["name"]).is_ok());
    for custom in ["department", "Department", "DEPARTMENT"] {
        assert_eq!(
            judged_with(&token, &key(), true, &[custom]).unwrap_err(),
            InvalidToken::DuplicateClaim,
            "{custom}"
        );
    }
    // Entrada reads these itself.
    for (first, second) in [("groups", "Groups"), ("roles", "ROLES"), ("email", "Email")] {
        let both = changed(changed(claims(), first, json!(["a"])), second, json!(["b"]));
        let refused = judged(&signed(&header(), &both)).unwrap_err();
        assert_eq!(refused, InvalidToken::DuplicateClaim, "{first}");
    }
    // A header is read as a whole.
    let both = changed(header(), "KID", json!("k1"));
    assert_eq!(judged(&signed(&both, &claims())).unwrap_err(), InvalidToken::DuplicateClaim);
}

#[test]
fn a_null_list_grants_nothing() {
    let mut nulls = claims();
    for name in ["roles", "groups", "acrs", "email", "azp_", "auth_time"] {
        nulls[name] = Value::Null;
    }
    let maya = judged(&signed(&header(), &nulls)).unwrap();
    assert!(maya.roles.is_empty() && maya.acrs.is_empty());
    assert_eq!(maya.groups, PersonGroups::Known(StringList::default()));
}

#[test]
fn a_token_does_not_end_before_it_was_issued() {
    assert_eq!(judged(&with_times(NOW + 30, NOW + 29)).unwrap_err(), InvalidToken::Times);
    assert!(judged(&with_times(NOW + 30, NOW + 30)).is_ok());
    assert!(judged(&with_times(NOW - 300, NOW - 59)).is_ok());
}

fn with_times(iat: u64, exp: u64) -> String {
    let claims = changed(
        changed(changed(claims(), "nbf", json!(null)), "iat", json!(iat)),
        "exp",
        json!(exp),
    );
    signed(&header(), &claims)
}

#[test]
fn a_signature_fits_one_text_under_one_key_and_one_hash() {
    let good = signed(&header(), &claims());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = signed(&header(), &changed(claims(), "oid", json!(OTHER)));
    assert_eq!(
        judged(&format!("{}.{signature}", other.rsplit_once('.').unwrap().0)).unwrap_err(),
        InvalidToken::Signature
    );
    assert_eq!(judged(&format!("{input}.")).unwrap_err(), InvalidToken::Signature);
    assert_eq!(
        judged(&signed_with(&OTHER_PAIR, &header().to_string(), &claims().to_string()))
            .unwrap_err(),
        InvalidToken::Signature
    );
    let mut wide = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), input.as_bytes(), &mut wide).unwrap();
    assert_eq!(judged(&format!("{input}.{}", encode(wide))).unwrap_err(), InvalidToken::Signature);
    // The public key as an HMAC secret: the oldest of these attacks.
    let hs = changed(header(), "alg", json!("HS256"));
    let input = format!("{}.{}", encode(hs.to_string()), encode(claims().to_string()));
    let secret =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, PAIR.public_key().as_ref());
    let token = format!("{input}.{}", encode(aws_lc_rs::hmac::sign(&secret, input.as_bytes())));
    assert_eq!(judged(&token).unwrap_err(), InvalidToken::Algorithm);
}
