//! What an app proves itself to Entra by instead of a client secret: a certificate, or the token of another issuer.

use crate::organizations::OrganizationsWorld;
use crate::world::browser::{SCRIPT, SECRETS};
use crate::world::company::{CONTOSO, FABRIKAM, FRIDA, MAYA, company, company_of_file};
use crate::world::{CLIENT_ID, CapturedEvents, World, WorldPlan};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entrada::base::secret::Secret;
use entrada::directory::change::{NewOrganization, OrganizationChange};
use entrada::directory::organization_credential::OrganizationCredential;
use entrada::emulator::FederatedIssuer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use std::path::{Path, PathBuf};

const MINUTE: i64 = 60;
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

fn by_certificate((certificate, key): &(PathBuf, PathBuf)) -> String {
    format!(
        "tenant = \"{CONTOSO}\"\ncertificate = {{ certificate = {certificate:?}, key = {key:?} }}"
    )
}

async fn world(entra: String) -> World {
    World::with(WorldPlan { entra, ..WorldPlan::default() }).await
}

#[tokio::test]
async fn by_a_certificate_people_sign_in_and_are_asked_about_and_a_new_one_needs_no_restart() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (made(2099), made(2099));
    let files = old.write(place.path());
    let world = world(by_certificate(&files)).await;
    assert!(world.emulator.control().add_certificate(&old.der));
    let mut maya = world.signed_in(MAYA).await;
    world.later(31 * MINUTE);
    for _ in 0..200 {
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
        if world.emulator.control().refresh_calls() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.emulator.control().refresh_calls(), 1);
    // The certificate is replaced in its files: a reload reads them anew.
    new.write(place.path());
    world.service.reload(&world.changed("shutdown_grace", "shutdown_grace")).await.unwrap();
    let mut tom = world.browser();
    tom.visits("/x").await;
    let page = tom.signs_in_as(MAYA).await;
    assert!(
        page.status >= 400
            && page.body.contains("AADSTS700027")
            && page.body.contains("Certificates &amp; secrets"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(world.logged().await.contains("\"aadsts\":700027"));
    assert!(world.emulator.control().add_certificate(&new.der));
    world.signed_in(MAYA).await;
}

#[tokio::test]
async fn before_a_certificate_of_the_configuration_ends_the_log_warns() {
    let (told, place) = (CapturedEvents::listens(), tempfile::tempdir().unwrap());
    let entra = by_certificate(&made(2020).write(place.path()));
    let (certificate, key) = made(2021).write(&place.path().join(""));
    let directory = format!(
        "[directory]\ndatabase = \"sqlite:{}\"\n",
        place.path().join("people.db").display()
    );
    let company = company_of_file("contoso", CONTOSO);
    let company = company
        .lines()
        .filter(|it| !it.starts_with("client_secret"))
        .collect::<Vec<_>>()
        .join("\n");
    let more = format!(
        "{directory}{company}\ncertificate = {{ certificate = {certificate:?}, key = {key:?} }}\n"
    );
    let world = World::with(WorldPlan { entra, more, ..WorldPlan::default() }).await;
    for says in ["the [entra] certificate has expired", "organization's credential has expired"] {
        for _ in 0..200 {
            if told.times(says) > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(told.times(says), 1, "{says}");
    }
    // And so does whoever looks at the file alone.
    let file = place.path().join("entrada.toml");
    std::fs::write(&file, world.text_for(world.address.port(), world.admin.port())).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"));
    check
        .args(["check", "--config"])
        .arg(&file)
        .env("STORY_CLIENT_SECRET", crate::world::CLIENT_SECRET)
        .env("STORY_SEAL", crate::world::SEAL);
    let out = tokio::task::spawn_blocking(move || check.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    for whose in ["[entra]", "[[organization]] contoso"] {
        assert!(
            said.contains(&format!("warning: the certificate of {whose} has expired")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn by_the_token_of_another_issuer_people_sign_in_and_the_file_is_read_anew_each_time() {
    let place = tempfile::tempdir().unwrap();
    let (cluster, file) = (made(2099), place.path().join("azure-identity-token"));
    std::fs::write(&file, format!("{}\n", cluster.token(SUBJECT, "api://AzureADTokenExchange")))
        .unwrap();
    let world =
        world(format!("tenant = \"{CONTOSO}\"\nfederated_token = {{ file = {file:?} }}")).await;
    world.emulator.control().trust(cluster.trusted());
    world.signed_in(MAYA).await;
    for (text, told) in [
        (
            cluster.token("system:serviceaccount:apps:other", "api://AzureADTokenExchange"),
            "AADSTS700213",
        ),
        (cluster.token(SUBJECT, "api://elsewhere"), "AADSTS700212"),
        (made(2099).token(SUBJECT, "api://AzureADTokenExchange"), "AADSTS70021"),
        ("no token at all".to_owned(), "its credential cannot be read"),
        // None that is longer is cut and sent.
        (format!("a.b.{}", "c".repeat(17 * 1024)), "its credential cannot be read"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let mut browser = world.browser();
        browser.visits("/x").await;
        let page = browser.signs_in_as(MAYA).await;
        assert!(
            page.status >= 400 && page.body.contains(told),
            "{told}: {} {}",
            page.status,
            page.body
        );
        assert_eq!(browser.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
    }
    let log = world.logged().await;
    assert!(log.contains("it holds no JWT") && log.contains("\"aadsts\":70021,"), "{log}");
    std::fs::write(&file, cluster.token(SUBJECT, "api://AzureADTokenExchange")).unwrap();
    world.signed_in(MAYA).await;
}

/// A town whose companies stand in the database.
async fn town(entra: String) -> OrganizationsWorld {
    let place = tempfile::tempdir().unwrap();
    let more = format!(
        "[directory]\ndatabase = \"sqlite:{}\"\n",
        place.path().join("people.db").display()
    );
    let world = World::with(WorldPlan {
        more,
        entra,
        headers: "send = [\"x-forwarded\"]".to_owned(),
        ..WorldPlan::default()
    })
    .await;
    OrganizationsWorld { world, place }
}

async fn comes(
    town: &OrganizationsWorld,
    code: &str,
    person: &str,
) -> crate::world::browser::BrowserPage {
    town.comes(&mut town.world.browser(), code, person).await
}

#[tokio::test]
async fn an_organization_proves_itself_by_a_certificate_which_is_replaced_without_a_gap_and_read_back_by_nobody()
 {
    let town = town(String::new()).await;
    let (old, new) = (made(2099), made(2098));
    town.world.emulator.control().add_certificate(&old.der);
    let founded = NewOrganization {
        proof: Some(OrganizationCredential::of_certificate(&old.pem()).unwrap()),
        ..company("contoso", CONTOSO)
    };
    town.directory().add_organization(founded, "story").await.unwrap();
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
    let contoso = town.organization("contoso").await;
    assert_eq!(
        (contoso.credential_ends, town.directory().credential_of(&contoso).await.unwrap().words),
        (Some(4_083_868_800), "certificate, sealed")
    );
    // Nobody says another day than the certificate does.
    town.changes(
        "contoso",
        OrganizationChange {
            credential_ends: Some(4_099_680_000),
            ..OrganizationChange::default()
        },
    )
    .await;
    assert_eq!(town.organization("contoso").await.credential_ends, Some(4_083_868_800));
    // The new one is not uploaded yet: people come in by the old one, and it is told why.
    let change = OrganizationChange {
        proof: Some(OrganizationCredential::of_certificate(&new.pem()).unwrap()),
        ..OrganizationChange::default()
    };
    town.changes("contoso", change).await;
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
    let refused =
        async || town.organization("contoso").await.pending_credential.and_then(|it| it.refused);
    for _ in 0..200 {
        if refused().await.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(refused().await.as_deref(), Some("AADSTS700027"));
    town.world.emulator.control().add_certificate(&new.der);
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
    for _ in 0..200 {
        if town.organization("contoso").await.pending_credential.is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let contoso = town.organization("contoso").await;
    assert_eq!(
        (contoso.pending_credential.is_none(), contoso.credential_ends),
        (true, Some(4_052_332_800))
    );
    // Neither of the keys stands in the database as it is, nor does the history tell one.
    let history = town.history("contoso").await;
    assert!(
        history.iter().any(|it| it.contains("new certificate waits beside the other")),
        "{history:?}"
    );
    for file in std::fs::read_dir(town.place.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for key in [&old.key, &new.key] {
            let line = key.lines().nth(3).unwrap().as_bytes();
            assert!(!bytes.windows(line.len()).any(|it| it == line));
        }
    }
}

#[tokio::test]
async fn an_organization_trusts_the_operators_issuer_and_says_nothing_of_files() {
    let place = tempfile::tempdir().unwrap();
    let (cluster, file) = (made(2099), place.path().join("azure-identity-token"));
    std::fs::write(&file, cluster.token(SUBJECT, "api://AzureADTokenExchange")).unwrap();
    let town = town(format!("tenant = \"organizations\"\nallowed_tenants = [\"*\"]\nfederated_token = {{ file = {file:?} }}")).await;
    town.world.emulator.control().trust(cluster.trusted());
    for (code, tenant) in [("contoso", CONTOSO), ("fabrikam", FABRIKAM)] {
        let founded = NewOrganization {
            proof: Some(OrganizationCredential::Operators),
            ..company(code, tenant)
        };
        town.directory().add_organization(founded, "story").await.unwrap();
    }
    assert_eq!(comes(&town, "contoso", MAYA).await.app_heard("x-entrada-organization"), "contoso");
    assert_eq!(
        comes(&town, "fabrikam", FRIDA).await.app_heard("x-entrada-organization"),
        "fabrikam"
    );
    let contoso = town.organization("contoso").await;
    assert_eq!(
        (town.directory().credential_of(&contoso).await.unwrap().words, contoso.credential_ends),
        ("federated", None)
    );
    // Without the operator's token nobody signs in by it, and everybody else does.
    let without = self::town(String::new()).await;
    let founded = NewOrganization {
        proof: Some(OrganizationCredential::Operators),
        ..company("contoso", CONTOSO)
    };
    without.directory().add_organization(founded, "story").await.unwrap();
    without.directory().add_organization(company("fabrikam", FABRIKAM), "story").await.unwrap();
    let page = without.types(&mut without.world.browser(), "contoso").await;
    assert!(
        page.status == 503 && page.body.contains("not fully set up"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(without.logged().await.contains("uses [entra] federated_token, which is not set"));
    assert_eq!(comes(&without, "fabrikam", FRIDA).await.status, 200);
}

#[tokio::test]
async fn a_new_credential_whose_token_is_not_there_keeps_nobody_out_and_is_told_to_the_operator() {
    let (told, place) = (CapturedEvents::listens(), tempfile::tempdir().unwrap());
    let (cluster, file) = (made(2099), place.path().join("azure-identity-token"));
    std::fs::write(&file, cluster.token(SUBJECT, "api://AzureADTokenExchange")).unwrap();
    let town = town(format!("tenant = \"organizations\"\nallowed_tenants = [\"*\"]\nfederated_token = {{ file = {file:?} }}")).await;
    town.directory().add_organization(company("contoso", CONTOSO), "story").await.unwrap();
    town.changes(
        "contoso",
        OrganizationChange {
            proof: Some(OrganizationCredential::Operators),
            ..OrganizationChange::default()
        },
    )
    .await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
    for _ in 0..100 {
        if town.organization("contoso").await.pending_credential.unwrap().refused.as_deref()
            == Some("unread")
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        town.organization("contoso").await.pending_credential.unwrap().refused.as_deref(),
        Some("unread")
    );
    assert_eq!(
        told.times("cannot try a new credential; the previous credential is still in use"),
        1,
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn in_the_file_an_organization_has_a_certificate_as_entra_has() {
    let place = tempfile::tempdir().unwrap();
    let made = made(2099);
    let (certificate, key) = made.write(place.path());
    let more = format!(
        "[directory]\ndatabase = \"sqlite:{}\"\n[[organization]]\ncode = \"contoso\"\ntenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\n\
         certificate = {{ certificate = {certificate:?}, key = {key:?} }}\n",
        place.path().join("people.db").display()
    );
    let world = World::with(WorldPlan { more, ..WorldPlan::default() }).await;
    world.emulator.control().add_certificate(&made.der);
    let town = OrganizationsWorld { world, place };
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sets_a_certificate_by_command_and_by_the_admin_api_and_nobody_reads_it_back() {
    let town = town(String::new()).await;
    let made = made(2099);
    town.world.emulator.control().add_certificate(&made.der);
    town.directory().add_organization(company("contoso", CONTOSO), "story").await.unwrap();
    let place = town.place.path().to_owned();
    let file = place.join("entrada.toml");
    std::fs::write(&file, town.world.text_for(town.world.address.port(), town.world.admin.port()))
        .unwrap();
    made.write(&place);
    let types = async |line: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"));
        command.args(line.split_whitespace()).arg("--config").arg(&file).current_dir(&place);
        command
            .env("STORY_CLIENT_SECRET", crate::world::CLIENT_SECRET)
            .env("STORY_SEAL", crate::world::SEAL);
        let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (
            out.status.success(),
            format!(
                "{}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            ),
        )
    };
    let (done, told) =
        types("organization set contoso --certificate-file app.crt --key-file app.key").await;
    assert!(done && told.contains("sealed, new one waiting"), "{told}");
    assert_eq!(comes(&town, "contoso", MAYA).await.status, 200);
    let mut told = String::new();
    for _ in 0..100 {
        told = types("organization show contoso").await.1;
        if told.contains("certificate, sealed, expires in ") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(told.contains("certificate, sealed, expires in "), "{told}");
    let other = self::made(2099);
    std::fs::write(place.join("other.key"), &other.key).unwrap();
    std::fs::write(
        place.join("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    for (line, with) in [
        (
            "--certificate-file app.crt --key-file other.key",
            "other.key contains a private key that does not belong to the certificate",
        ),
        (
            "--certificate-file app.crt --key-file locked.key",
            "locked.key contains an encrypted private key\nhint: remove its password",
        ),
        ("--certificate-file app.crt", "contains no private key"),
        ("--certificate-file app.key", "contains no certificate"),
        ("--key-file app.key", "required"),
        ("--federated", "has no federated token"),
        ("--federated --certificate-file app.crt", "cannot be used with"),
    ] {
        let (done, told) = types(&format!("organization set contoso {line}")).await;
        assert!(!done && told.contains(with), "{line}: {told}");
    }
    // The same by the API, in one text.
    let call = async |body: serde_json::Value| {
        let body = body.to_string();
        let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
        let request = format!(
            "PATCH /organizations/contoso HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        crate::world::raw::talk(town.world.admin, &request).await
    };
    town.world.emulator.control().add_certificate(&other.der);
    let answer = call(json!({"certificate": other.pem().expose()})).await;
    assert!(
        answer.contains("certificate, sealed, new one waiting")
            && answer.contains("\"kind\":\"certificate\"")
            && !answer.contains("PRIVATE"),
        "{answer}"
    );
    let (_, shown) = types("organization show contoso").await;
    assert!(shown.contains("new credential     certificate by "), "{shown}");
    for (body, with) in [
        (json!({"certificate": made.certificate}), "a private key in PEM begins"),
        (json!({"federated": true}), "has no token"),
        (
            json!({"certificate": other.pem().expose(), "federated": true}),
            "one of client_secret, certificate and federated",
        ),
        (json!({"client_secret": other.pem().expose()}), "must be the Value of a client secret"),
    ] {
        let answer = call(body).await;
        let line = other.key.lines().nth(3).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 4") && answer.contains(with) && !answer.contains(line),
            "{answer}"
        );
    }
}
