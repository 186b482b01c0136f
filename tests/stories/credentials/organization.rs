//! What an organization proves itself by.

use super::{SUBJECT, made};
use crate::organizations::OrganizationsWorld;
use crate::world::company::company;
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA};
use crate::world::{CLIENT_ID, CapturedEvents, World, WorldPlan};
use entrada::directory::change::{NewOrganization, OrganizationChange};
use entrada::directory::organization_credential::OrganizationCredential;
use serde_json::json;

/// A world whose companies stand in the database.
async fn world(entra: String) -> OrganizationsWorld {
    let plan = WorldPlan::of_directory("").sending(&["x-forwarded"]);
    OrganizationsWorld { world: World::with(WorldPlan { entra, ..plan }).await }
}

async fn comes(
    world: &OrganizationsWorld,
    code: &str,
    person: &str,
) -> crate::world::browser::BrowserPage {
    world.comes(&mut world.world.browser(), code, person).await
}

#[tokio::test]
async fn an_organization_proves_itself_by_a_certificate_which_is_replaced_without_a_gap_and_read_back_by_nobody()
 {
    let world = world(String::new()).await;
    let (old, new) = (made(2099), made(2098));
    world.world.emulator.control().add_certificate(&old.der);
    let founded = NewOrganization {
        proof: Some(OrganizationCredential::of_certificate(&old.pem()).unwrap()),
        ..company("contoso", CONTOSO)
    };
    world.directory().add_organization(founded, "story").await.unwrap();
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
    let contoso = world.organization("contoso").await;
    assert_eq!(
        (contoso.credential_ends, world.directory().credential_of(&contoso).await.unwrap().words),
        (Some(4_083_868_800), "certificate, sealed")
    );
    // Nobody says another day than the certificate does.
    world
        .changes(
            "contoso",
            OrganizationChange {
                credential_ends: Some(4_099_680_000),
                ..OrganizationChange::default()
            },
        )
        .await;
    assert_eq!(world.organization("contoso").await.credential_ends, Some(4_083_868_800));
    // The new one is not uploaded yet: people come in by the old one, and it is told why.
    let change = OrganizationChange {
        proof: Some(OrganizationCredential::of_certificate(&new.pem()).unwrap()),
        ..OrganizationChange::default()
    };
    world.changes("contoso", change).await;
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
    let refused =
        async || world.organization("contoso").await.pending_credential.and_then(|it| it.refused);
    for _ in 0..200 {
        if refused().await.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(refused().await.as_deref(), Some("AADSTS700027"));
    world.world.emulator.control().add_certificate(&new.der);
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
    for _ in 0..200 {
        if world.organization("contoso").await.pending_credential.is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let contoso = world.organization("contoso").await;
    assert_eq!(
        (contoso.pending_credential.is_none(), contoso.credential_ends),
        (true, Some(4_052_332_800))
    );
    // Neither of the keys stands in the database as it is, nor does the history tell one.
    let history = world.history("contoso").await;
    assert!(
        history.iter().any(|it| it.contains("new certificate pending until someone")),
        "{history:?}"
    );
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
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
    let world = world(format!("tenant = \"organizations\"\nallowed_tenants = [\"*\"]\nfederated_token = {{ file = {file:?} }}")).await;
    world.world.emulator.control().trust(cluster.trusted());
    for (code, tenant) in [("contoso", CONTOSO), ("fabrikam", FABRIKAM)] {
        let founded = NewOrganization {
            proof: Some(OrganizationCredential::Operators),
            ..company(code, tenant)
        };
        world.directory().add_organization(founded, "story").await.unwrap();
    }
    assert_eq!(comes(&world, "contoso", MAYA).await.app_heard("x-entrada-organization"), "contoso");
    assert_eq!(
        comes(&world, "fabrikam", FRIDA).await.app_heard("x-entrada-organization"),
        "fabrikam"
    );
    let contoso = world.organization("contoso").await;
    assert_eq!(
        (world.directory().credential_of(&contoso).await.unwrap().words, contoso.credential_ends),
        ("federated", None)
    );
    // Without the operator's token nobody signs in by it, and everybody else does.
    let without = self::world(String::new()).await;
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
    let world = world(format!("tenant = \"organizations\"\nallowed_tenants = [\"*\"]\nfederated_token = {{ file = {file:?} }}")).await;
    world.directory().add_organization(company("contoso", CONTOSO), "story").await.unwrap();
    world
        .changes(
            "contoso",
            OrganizationChange {
                proof: Some(OrganizationCredential::Operators),
                ..OrganizationChange::default()
            },
        )
        .await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
    for _ in 0..100 {
        if world.organization("contoso").await.pending_credential.unwrap().refused.as_deref()
            == Some("unread")
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        world.organization("contoso").await.pending_credential.unwrap().refused.as_deref(),
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
        "[[organization]]\ncode = \"contoso\"\ntenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\n\
         certificate = {{ certificate = {certificate:?}, key = {key:?} }}\n"
    );
    let world = World::with(WorldPlan { more, ..WorldPlan::of_directory("") }).await;
    world.emulator.control().add_certificate(&made.der);
    let world = OrganizationsWorld { world };
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sets_a_certificate_by_command_and_by_the_admin_api_and_nobody_reads_it_back() {
    let world = world(String::new()).await;
    let made = made(2099);
    world.world.emulator.control().add_certificate(&made.der);
    world.directory().add_organization(company("contoso", CONTOSO), "story").await.unwrap();
    let place = world.folder.path().to_owned();
    let file = place.join("entrada.toml");
    std::fs::write(
        &file,
        world.world.text_for(world.world.address.port(), world.world.admin.port()),
    )
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
    assert_eq!(comes(&world, "contoso", MAYA).await.status, 200);
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
        crate::world::raw::talk(world.world.admin, &request).await
    };
    world.world.emulator.control().add_certificate(&other.der);
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
