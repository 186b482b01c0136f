//! What an app proves itself to Entra by instead of a client secret: a certificate, or the token of another issuer.

mod organization;
mod refused_secrets;
mod registration;

use crate::world::browser::SECRETS;
use crate::world::{World, WorldPlan};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entrada::base::secret::Secret;
use entrada::emulator::FederatedIssuer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use std::path::{Path, PathBuf};

const ISSUER: &str = "https://oidc.cluster.example/";
const SUBJECT: &str = "system:serviceaccount:apps:entrada";

/// A certificate and its key, as openssl writes them.
struct MadeCertificate {
    pair: KeyPair,
    der: Vec<u8>,
    certificate: String,
    key: String,
}

fn made(until: i32) -> MadeCertificate {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
        &PrivatePkcs8KeyDer::from(pkcs8.as_ref()),
        &rcgen::PKCS_RSA_SHA256,
    )
    .unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(until, 5, 31);
    let certificate = params.self_signed(&signer).unwrap();
    let lines = STANDARD
        .encode(pkcs8.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|it| format!("{}\n", std::str::from_utf8(it).unwrap()))
        .collect::<String>();
    // No part of the key may stand in any log.
    SECRETS.lock().unwrap().extend(lines.lines().skip(2).map(str::to_owned));
    let key = format!("-----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n");
    MadeCertificate { der: certificate.der().to_vec(), certificate: certificate.pem(), key, pair }
}

impl MadeCertificate {
    fn write(&self, place: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (place.join("app.crt"), place.join("app.key"));
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (certificate, key)
    }

    fn pem(&self) -> Secret {
        Secret::new(format!("{}{}", self.certificate, self.key))
    }

    /// A token of the cluster's issuer, signed by this key.
    fn token(&self, subject: &str, audience: &str) -> String {
        let now = entrada::base::clock::Clock::system().now();
        let claims = json!({"iss": ISSUER, "sub": subject, "aud": [audience], "iat": now, "nbf": now, "exp": now + 3600});
        let part = |it: serde_json::Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let text = format!("{}.{}", part(json!({"alg": "RS256", "kid": "k1"})), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .unwrap();
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
        SECRETS.lock().unwrap().push(token.clone());
        token
    }

    fn trusted(&self) -> FederatedIssuer {
        FederatedIssuer {
            issuer: ISSUER.to_owned(),
            subject: SUBJECT.to_owned(),
            key: self.pair.public_key().as_ref().to_vec(),
        }
    }
}

async fn world(entra: String) -> World {
    World::with(WorldPlan { entra, ..WorldPlan::default() }).await
}
