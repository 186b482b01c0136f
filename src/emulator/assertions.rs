//! Apps that authenticate with an assertion instead of a secret (RFC 7523): one signed with their
//! own certificate, or one from another issuer that they trust.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use x509_cert::der::Decode as _;

/// The type of both kinds of assertion (RFC 7523 section 2.2).
const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The audience that another issuer's token must name.
const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// A certificate in a registration.
struct KnownCertificate {
    thumbprint: String,
    /// The public key as `RSAPublicKey` (RFC 8017 appendix A.1.1).
    key: Vec<u8>,
    ends: u64,
}

/// Another issuer that the registration trusts for one subject (a federated identity credential).
#[derive(Clone, Debug)]
pub struct FederatedIssuer {
    /// The `iss` claim, compared byte for byte.
    pub issuer: String,
    /// The `sub` claim, compared byte for byte.
    pub subject: String,
    /// The issuer's RSA public key, as `RSAPublicKey` in DER. The real one is read from the issuer's
    /// JWKS.
    pub key: Vec<u8>,
}

/// The certificates and issuers that the registrations accept.
#[derive(Default)]
pub(super) struct AssertionRegistry {
    known: Mutex<Vec<KnownCertificate>>,
    trusted: Mutex<Vec<FederatedIssuer>>,
    /// Assertions that were already accepted: a repeated one is refused, which is stricter than
    /// Entra is known to be.
    seen: Mutex<BTreeSet<String>>,
}

/// The client, the endpoint and the time to check an assertion against.
pub(super) struct AssertionCheck<'a> {
    pub(super) client: &'a str,
    /// The token endpoint of the requested tenant, and the authority under its other names.
    pub(super) endpoint: &'a str,
    pub(super) now: u64,
}

impl AssertionRegistry {
    /// Adds a certificate; returns `false` if its key is not RSA.
    pub(super) fn add(&self, der: &[u8]) -> bool {
        let Ok(certificate) = x509_cert::Certificate::from_der(der) else { return false };
        let table = &certificate.tbs_certificate;
        let Some(key) = table.subject_public_key_info.subject_public_key.as_bytes() else {
            return false;
        };
        let ends = table.validity.not_after.to_unix_duration().as_secs();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, der));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(KnownCertificate {
            thumbprint,
            key: key.to_vec(),
            ends,
        });
        true
    }

    /// Trusts another issuer.
    pub(super) fn trust(&self, trusted: FederatedIssuer) {
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner).push(trusted);
    }

    /// Checks an app's assertion, as Entra does.
    pub(super) fn judge(
        &self,
        kind: Option<&str>,
        assertion: &str,
        judge: &AssertionCheck<'_>,
    ) -> Result<(), AssertionFault> {
        if kind != Some(CLIENT_ASSERTION_TYPE) {
            return Err(fault(
                90_023,
                "invalid_request",
                format!("The client assertion type must be {CLIENT_ASSERTION_TYPE}."),
            ));
        }
        let parts = JwtParts::read(assertion).ok_or_else(|| {
            fault(50_027, "invalid_client", "The client assertion is no well-formed JWT.")
        })?;
        if parts.text("iss") == Some(judge.client) {
            self.own(&parts, judge)
        } else {
            self.of_another(&parts, judge)
        }
    }

    fn own(&self, parts: &JwtParts<'_>, judge: &AssertionCheck<'_>) -> Result<(), AssertionFault> {
        let refused = |why: &str| {
            let text = format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. {why}"
            );
            fault(700_027, "invalid_client", text)
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let thumbprint = parts
            .header
            .get("x5t#S256")
            .and_then(Value::as_str)
            .ok_or_else(|| refused("No thumbprint."))?;
        let key = known
            .iter()
            .find(|it| it.thumbprint == thumbprint)
            .ok_or_else(|| refused("No such thumbprint."))?;
        if parts.header.get("alg").and_then(Value::as_str) != Some("PS256") {
            return Err(refused("The algorithm is not PS256."));
        }
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &key.key)
            .verify(parts.signed, &parts.signature)
            .map_err(|_| refused("The signature is wrong."))?;
        if judge.now >= key.ends {
            return Err(refused("The key was expired."));
        }
        if parts.text("sub") != Some(judge.client) || parts.text("aud") != Some(judge.endpoint) {
            return Err(refused("Subject or audience are wrong."));
        }
        let (from, to) = (parts.number("nbf"), parts.number("exp"));
        let in_time = from.zip(to).is_some_and(|(from, to)| {
            judge.now.saturating_add(300) >= from
                && judge.now < to.saturating_add(300)
                && to - from <= 86_400
        });
        if !in_time {
            return Err(fault(
                700_024,
                "invalid_client",
                "Client assertion is not within its valid time range.",
            ));
        }
        let id = parts.text("jti").ok_or_else(|| refused("No jti."))?;
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            Ok(())
        } else {
            Err(refused("It was used before."))
        }
    }

    fn of_another(
        &self,
        parts: &JwtParts<'_>,
        judge: &AssertionCheck<'_>,
    ) -> Result<(), AssertionFault> {
        let refused = |code: u32, what: &str| {
            fault(
                code,
                "invalid_client",
                format!(
                    "No matching federated identity record found for presented assertion {what}."
                ),
            )
        };
        let (issuer, subject) =
            (parts.text("iss").unwrap_or_default(), parts.text("sub").unwrap_or_default());
        let trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_issuer: Vec<_> = trusted.iter().filter(|it| it.issuer == issuer).collect();
        if of_issuer.is_empty() {
            return Err(refused(700_211, &format!("issuer '{issuer}'")));
        }
        let found = of_issuer
            .into_iter()
            .find(|it| it.subject == subject)
            .ok_or_else(|| refused(700_213, &format!("subject '{subject}'")))?;
        let audience = parts.claims.get("aud");
        let named = audience.and_then(Value::as_str) == Some(EXCHANGE_AUDIENCE)
            || audience
                .and_then(Value::as_array)
                .is_some_and(|it| it.iter().any(|it| it == EXCHANGE_AUDIENCE));
        if !named {
            return Err(refused(700_212, "audience"));
        }
        let signature = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &found.key);
        signature
            .verify(parts.signed, &parts.signature)
            .map_err(|_| refused(70_021, "signature"))?;
        let in_time = parts.number("exp").is_some_and(|it| judge.now < it.saturating_add(300));
        if in_time {
            Ok(())
        } else {
            Err(fault(
                700_024,
                "invalid_client",
                "Client assertion is not within its valid time range.",
            ))
        }
    }
}

/// The reason that an app's assertion is refused, in the form of Entra's refusals.
pub(super) struct AssertionFault {
    pub(super) code: u32,
    pub(super) error: &'static str,
    pub(super) text: String,
}

fn fault(code: u32, error: &'static str, text: impl Into<String>) -> AssertionFault {
    AssertionFault { code, error, text: text.into() }
}

/// A JWT in compact form, not verified.
struct JwtParts<'a> {
    header: Value,
    claims: Value,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> JwtParts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |it: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(it).ok()?).ok();
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Returns a number; Microsoft's libraries write numbers as text, too.
    fn number(&self, name: &str) -> Option<u64> {
        let value = self.claims.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}
