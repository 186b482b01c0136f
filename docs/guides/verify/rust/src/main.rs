//! Verifies an assertion with jsonwebtoken. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use std::error::Error;
use std::io::Read;
use std::process::ExitCode;

/// What is expected of an assertion. Keep one, with its keys; fetch them again when an unknown `kid` comes, at most once a minute.
struct Verifier {
    keys: JwkSet,
    rules: Validation,
}

impl Verifier {
    fn new(jwks_url: &str, issuer: &str, audience: &str) -> Result<Self, Box<dyn Error>> {
        let keys = ureq::get(jwks_url).call()?.body_mut().read_json()?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        rules.validate_nbf = true;
        rules.leeway = 5;
        Ok(Self { keys, rules })
    }

    /// The claims of an assertion (the header X-Entrada-Assertion).
    fn verify(&self, assertion: &str) -> Result<Value, Box<dyn Error>> {
        let header = decode_header(assertion)?;
        if header.typ.as_deref() != Some("entrada+jwt") {
            return Err("typ is not entrada+jwt".into());
        }
        let kid = header.kid.ok_or("kid is missing")?;
        let key = self.keys.find(&kid).ok_or("kid is not among the keys")?;
        Ok(decode(assertion, &DecodingKey::from_jwk(key)?, &self.rules)?.claims)
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let setting = std::env::var;
    let verifier = Verifier::new(&setting("ENTRADA_JWKS_URL")?, &setting("ENTRADA_ISSUER")?, &setting("ENTRADA_AUDIENCE")?)?;
    let mut assertion = String::new();
    std::io::stdin().read_to_string(&mut assertion)?;
    println!("{}", verifier.verify(assertion.trim())?);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refused: {error}");
            ExitCode::FAILURE
        }
    }
}
