//! What must be right before the program serves.

use super::super::{CliFolder, SmallConfig};
use super::DIRECTORY;
use super::{ADD, place};
use crate::world::CLIENT_SECRET;
use std::time::{Duration, Instant};

#[test]
fn a_directory_needs_secrets_and_every_mistake_in_it_is_reported() {
    let place = CliFolder::new()
        .with("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .with("GUID", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e");
    let more = r#"[directory]
database = "mysql://x"
default_role = "boss"
setup_roles = ["chef"]
role_map = { "Fleet.Admin" = "chief" }
[[organization]]
code = "abc"
tenant = "contoso.com"
client_id = "x"
client_secret = { env = "GUID" }
[[organization]]
code = "fabrikam"
tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "STORY_CLIENT_SECRET" }
domains = ["fabrikam"]
"#;
    place.writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", more));
    let told = place.types("check");
    assert_eq!(told.code, Some(1));
    for what in [
        "error: 10 problems",
        "directory.database                is neither a file nor a PostgreSQL address",
        "directory.default_role            \"boss\" is not one of [directory] roles",
        "directory.setup_roles             \"chef\" is not one of [directory] roles",
        "directory.role_map.\"Fleet.Admin\"  \"chief\" is not one of [directory] roles",
        "needs [session] secrets",
        "\"abc\" is not a company code",
        "\"contoso.com\" is not a Directory (tenant) ID",
        "is not an Application (client) ID",
        "this is a Secret ID, not a secret",
        "\"fabrikam\" is not a domain",
    ] {
        assert!(told.err.contains(what), "{what}\n{}", told.err);
    }
    place
        .writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", "[directory]\n"));
    place.refuses("check", "directory  needs [session] secrets");
    place.writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", ""));
    place.refuses("organization list", "error: entrada.toml has no [directory] section\nhint: ");
}

#[test]
fn a_database_that_cannot_be_opened_is_not_served() {
    let place = place();
    place.writes("entrada.db", "no database, whatever its name says, and longer than the head of one: a hundred bytes are not enough for it");
    assert_eq!(place.types("check").code, Some(0));
    place.refuses("run", "error: [directory] the database ");
}

#[tokio::test]
async fn a_client_secret_that_nothing_opens_is_reported_at_the_start_and_a_reload_takes_new_secrets()
 {
    let place = place().with("NEWER", "the newer secret of this story, which is long enough");
    place.does(ADD);
    place.does("organization add fabrikam --name Fabrikam");
    let small = SmallConfig::new();
    let with = |secrets: &str| {
        place.writes(
            "entrada.toml",
            &small.text("http://127.0.0.1:3000", &DIRECTORY.replace("{ env = \"SEAL\" }", secrets)),
        )
    };
    const UNOPENED: &str = "\"organizations\":\"contoso\"";
    with("{ env = \"NEWER\" }");
    let mut running = place.starts("run");
    let log = running.says(UNOPENED).await;
    assert!(
        log.contains("\"level\":\"ERROR\"") && log.contains("no secret in [session] secrets opens"),
        "{log}"
    );
    running.says("\"listening\"").await;
    // The others are served: the program runs, and the page of sign-in answers.
    let host = format!(
        "GET /oauth2/sign_in HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        small.port
    );
    let page =
        crate::world::raw::talk(std::net::SocketAddr::from(([127, 0, 0, 1], small.port)), &host)
            .await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    running.signals("TERM");
    running.ends().await;
    // Begun under the older one; the newer comes by a reload, seals anew, and the older is dropped by another: nothing is lost on the way.
    with("{ env = \"SEAL\" }");
    let running = place.starts("run");
    running.says("\"listening\"").await;
    with("{ env = \"NEWER\" }, { env = \"SEAL\" }");
    running.signals("HUP");
    running.says("configuration reloaded").await;
    place.does("organization reseal");
    with("{ env = \"NEWER\" }");
    running.signals("HUP");
    let reloads = |log: String| log.matches("configuration reloaded").count();
    let began = Instant::now();
    while reloads(running.out()) < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", running.out());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!running.out().contains(UNOPENED), "{}", running.out());
    // One that is dropped too early is told at once.
    with("{ env = \"SEAL\" }");
    running.signals("HUP");
    running.says(UNOPENED).await;
}
