//! The app's credential: a client secret, a certificate or a federated token.

use super::*;

#[test]
fn one_credential_is_meant_and_what_is_none_is_reported() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(place.path().join(name), text).unwrap();
        place.path().join(name)
    };
    let (made, other) = (
        rcgen::KeyPair::generate().unwrap(),
        file("other.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    );
    let certificate = rcgen::CertificateParams::default().self_signed(&made).unwrap().pem();
    let (certificate, key) =
        (file("app.crt", &certificate), file("app.key", &made.serialize_pem()));
    let locked = file(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let secret = "client_secret = { env = \"CLIENT\" }";
    let pair = |certificate: &std::path::Path, key: &std::path::Path| {
        format!("certificate = {{ certificate = {certificate:?}, key = {key:?} }}")
    };
    for (credential, what) in [
        (String::new(), "entra.client_secret  is missing"),
        (pair(&certificate, &key), "contains no RSA key of 2048 bits or more"),
        (pair(&certificate, &locked), "contains an encrypted private key"),
        (pair(&certificate, &certificate), "contains no private key in PEM"),
        (pair(&key, &key), "contains no certificate in PEM"),
        (pair(&certificate, &other), "contains no RSA key"),
        (
            format!("certificate = {{ certificate = {certificate:?} }}"),
            "is missing, but the certificate is set",
        ),
        (
            format!("{secret}\n{}", pair(&certificate, &key)),
            "cannot be combined with client_secret",
        ),
        (
            format!("{secret}\nfederated_token = {{ file = {certificate:?} }}"),
            "cannot be combined with client_secret",
        ),
        (
            format!("federated_token = {{ file = {:?} }}", place.path().join("nowhere")),
            "cannot be read",
        ),
    ] {
        let report = report(&SMALL.replace(secret, &credential), &[("CLIENT", SECRET)]);
        assert!(report.contains(what), "{credential}: {report}");
    }
    let federated =
        SMALL.replace(secret, &format!("federated_token = {{ file = {certificate:?} }}"));
    let config = meant(&federated, &[]);
    assert!(
        matches!(config.entra.credential, crate::base::credential::ClientCredential::Federated(_))
            && config.entra.federated_token.is_some()
    );
    // The variable of workload identity counts if nothing is written.
    let injected = meant(
        &SMALL.replace(secret, ""),
        &[("AZURE_FEDERATED_TOKEN_FILE", &certificate.display().to_string())],
    );
    assert_eq!(injected.entra.federated_token, Some(certificate));
}
