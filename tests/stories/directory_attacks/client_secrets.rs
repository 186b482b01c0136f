//! Client secrets are sealed and never returned.

use crate::organizations::OrganizationsWorld;
use crate::world::CLIENT_SECRET;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};
use crate::world::samples::{FABRIKAM, FRIDA};
use entrada::base::guid::Guid;
use entrada::directory::change::{NewOrganization, OrganizationChange};
use entrada::directory::organization_credential::OrganizationCredential;

/// A reload that changes what seals keeps everybody signing in, whether it was sealed before or after.
#[tokio::test]
async fn client_secrets_open_under_the_secrets_of_the_newest_configuration() {
    let world = OrganizationsWorld::start().await;
    let new = || NewOrganization {
        tenant: Guid::parse(FABRIKAM),
        proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
        ..NewOrganization::default()
    };
    world.founds("northwind", new()).await;
    // The secret of the stories stands for a newer one that seals from now on.
    let seal = "secrets = [{ env = \"STORY_SEAL\" }]";
    let both = world
        .world
        .changed(seal, "secrets = [{ env = \"STORY_CLIENT_SECRET\" }, { env = \"STORY_SEAL\" }]");
    assert_eq!(world.world.service.reload(&both).await.unwrap(), Vec::<String>::new());
    assert_eq!(world.comes(&mut world.world.browser(), "northwind", FRIDA).await.status, 200);
    assert_eq!(world.directory().reseal("story").await.unwrap(), 1);
    world.founds("tailspin", new()).await;
    let only = world.world.changed(seal, "secrets = [{ env = \"STORY_CLIENT_SECRET\" }]");
    assert_eq!(world.world.service.reload(&only).await.unwrap(), Vec::<String>::new());
    for code in ["northwind", "tailspin"] {
        assert_eq!(
            world.comes(&mut world.world.browser(), code, FRIDA).await.status,
            200,
            "{code}"
        );
    }
    // Dropped too early: nobody signs in there, and the others do.
    let dropped = world.world.changed(seal, seal);
    assert_eq!(world.world.service.reload(&dropped).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        world.world.browser().posts("/oauth2/sign_in", FORM, "identifier=northwind").await.status,
        503
    );
    assert_eq!(world.comes(&mut world.world.browser(), "fabrikam", FRIDA).await.status, 200);
}

#[tokio::test]
async fn a_client_secret_stands_in_no_file_page_or_answer() {
    use sqlx::Connection as _;
    const OTHER: &str = "b~another.client.secret-Value_of_a_story-4567";
    let world = OrganizationsWorld::start().await;
    let secret = |it: &str| Some(OrganizationCredential::of_value(it).unwrap());
    let code = world
        .founds(
            "northwind",
            NewOrganization {
                tenant: Guid::parse(FABRIKAM),
                proof: secret(CLIENT_SECRET),
                ..NewOrganization::default()
            },
        )
        .await;
    let mut frida = world.world.browser();
    let mut said = vec![world.comes(&mut frida, "northwind", FRIDA).await.body];
    // A second one, which Entra refuses, waits beside it.
    world
        .changes(
            code.as_str(),
            OrganizationChange { proof: secret(OTHER), ..OrganizationChange::default() },
        )
        .await;
    said.push(world.comes(&mut world.world.browser(), "northwind", FRIDA).await.body);
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    let page = world.comes(&mut world.world.browser(), "northwind", FRIDA).await;
    assert_ne!(page.status, 200);
    said.push(page.body);
    for path in ["/oauth2/userinfo", "/oauth2/session", "/oauth2/setup", "/oauth2/sign_in"] {
        said.push(frida.asks("GET", path, SCRIPT).await.body);
        said.push(frida.asks("GET", path, NAVIGATION).await.body);
    }
    said.push(format!("{:?}", world.directory()));
    said.push(world.world.logged().await);
    for text in &said {
        assert!(!text.contains(CLIENT_SECRET) && !text.contains(OTHER), "{text}");
    }
    // The files as they lie there, and a backup made as the documentation says.
    let backup = world.folder.path().join("backup.db");
    let mut other = sqlx::SqliteConnection::connect(&world.database()).await.unwrap();
    sqlx::query("VACUUM INTO $1")
        .bind(backup.display().to_string())
        .execute(&mut other)
        .await
        .unwrap();
    let mut sizes = 0;
    for it in std::fs::read_dir(world.folder.path()).unwrap() {
        let bytes = std::fs::read(it.unwrap().path()).unwrap();
        sizes += bytes.len();
        for value in [CLIENT_SECRET, OTHER] {
            assert!(
                !bytes.windows(value.len()).any(|it| it == value.as_bytes()),
                "a secret lies in a file"
            );
        }
    }
    let sealed = std::fs::read(&backup).unwrap();
    assert!(sizes > 0 && sealed.windows(9).any(|it| it == b"northwind"), "the backup is empty");
}
