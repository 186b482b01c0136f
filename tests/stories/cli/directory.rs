//! Companies and their people, as an operator tends them.

use super::{CliFolder, CliTranscript, SmallConfig};
use crate::world::{CLIENT_SECRET, SEAL};
use serde_json::Value;
use std::time::{Duration, Instant};

const ADD: &str = "organization add contoso --name Contoso --tenant aaaabbbb-0000-cccc-1111-dddd2222eeee \
                   --client-id 11112222-bbbb-3333-cccc-4444dddd5555 --client-secret-file secret --domain contoso.com --on";
const DIRECTORY: &str = "[session]\nsecrets = [{ env = \"SEAL\" }]\n[directory]\n";

fn place() -> CliFolder {
    let place = CliFolder::new()
        .with("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .with("SEAL", SEAL)
        .with("USER", "olga");
    place.writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", DIRECTORY));
    place.writes("secret", &format!("{CLIENT_SECRET}\n"));
    place
}

impl CliFolder {
    fn does(&self, line: &str) -> String {
        let told = self.types(line);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{line}\n{}", told.out);
        told.out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.does(&format!("{line} --json"))).unwrap()
    }

    fn refuses(&self, line: &str, with: &str) -> CliTranscript {
        let told = self.types(line);
        assert!(told.code != Some(0) && told.err.contains(with), "{line}\n{told:?}");
        told
    }
}

#[test]
fn a_directory_needs_secrets_and_every_mistake_in_it_is_told() {
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
fn an_operator_invites_whoever_sets_an_organization_up() {
    let place = place();
    place.does("organization add contoso --name Contoso");
    let told = place.does("organization invite contoso");
    let link = told.lines().next().unwrap();
    let (page, token) = link.split_once("?token=").unwrap();
    assert!(page.ends_with("/oauth2/setup/invitation") && token.len() == 43, "{told}");
    assert!(
        told.contains("valid once, until ")
            && told.contains("only to the person who sets up Contoso"),
        "{told}"
    );
    let again = place.json("organization invite contoso");
    assert!(
        again["url"].as_str().unwrap().starts_with(page)
            && again["url"] != link
            && again["organization"] == "contoso",
        "{again}"
    );
    let history = place.does("organization history contoso");
    assert_eq!(history.matches("link for the set-up page made").count(), 2, "{history}");
    assert!(!history.contains(token));
    place.refuses("organization invite nobody", "no organization has the code nobody");
}

#[test]
fn a_database_that_cannot_be_opened_is_not_served() {
    let place = place();
    place.writes("entrada.db", "no database, whatever its name says, and longer than the head of one: a hundred bytes are not enough for it");
    assert_eq!(place.types("check").code, Some(0));
    place.refuses("run", "error: [directory] the database ");
}

#[test]
fn an_operator_tends_an_organization_and_no_secret_is_ever_shown() {
    let place = place();
    assert_eq!(place.does("organization list"), "no organizations yet\n");
    assert!(place.does(ADD).contains("credential         sealed\n"));
    place.refuses(ADD, "error: the code contoso belongs to another organization");
    let shown = place.json("organization show CONTOSO");
    assert_eq!(
        (&shown["state"], &shown["credential"], &shown["changed_by"]),
        (&"on".into(), &"sealed".into(), &"operator olga".into())
    );
    assert_eq!(
        place.json("organization code contoso contoso-eu --keep-days 3")["code"],
        "contoso-eu"
    );
    assert_eq!(
        place.json("organization set contoso --first-sign-in refuse --guests false --unbind contoso.com --bind contoso.net")["domains"][0],
        "contoso.net"
    );
    assert_eq!(place.json("organization off contoso-eu")["state"], "off");
    assert_eq!(place.json("organization on contoso-eu")["former_codes"][0]["code"], "contoso");
    assert!(
        place
            .does("organization list")
            .contains("contoso-eu  Contoso  on     aaaabbbb-0000-cccc-1111-dddd2222eeee  sealed")
    );
    for (line, with) in [
        ("organization show nowhere", "error: no organization has the code nowhere\nhint: "),
        ("organization add ab", "write 4 to 32 of a-z"),
        ("organization add other --on", "cannot be turned on without a tenant ID"),
        ("organization add other --tenant contoso.com", "write an ID like"),
        (
            "organization set contoso-eu --default-role boss",
            "\"boss\" is not one of [directory] roles",
        ),
        (
            "organization set contoso-eu --client-secret-file nowhere",
            "cannot read the client secret file nowhere",
        ),
    ] {
        place.refuses(line, with);
    }
    place.writes("id", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e\n");
    place.refuses(
        "organization set contoso-eu --client-secret-file id",
        "contains a Secret ID, not a secret\nhint: copy the Value",
    );
    for file in ["entrada.db", "entrada.db-wal"] {
        let bytes = std::fs::read(place.directory.path().join(file)).unwrap_or_default();
        assert!(
            !bytes.windows(CLIENT_SECRET.len()).any(|it| it == CLIENT_SECRET.as_bytes()),
            "{file}"
        );
    }
}

#[test]
fn an_operator_gives_a_new_client_secret_takes_it_back_and_reads_what_was_done() {
    let place = place();
    place.does(ADD);
    place.writes("secret", "another~Secret.of_contoso\n");
    let told = place.json("organization set contoso --client-secret-file secret");
    assert_eq!(
        (&told["credential"], &told["credential_waiting"]["by"]),
        (&"sealed, new one waiting".into(), &"operator olga".into())
    );
    assert!(place.does("organization list").contains("sealed, new one waiting"));
    place.refuses(
        "organization set contoso --client-secret-file secret --take-back-secret",
        "cannot be used with",
    );
    let told = place.json(
        "organization set contoso --client-secret-file secret --client-secret-expires 9999-12-31",
    );
    assert_eq!(
        (&told["credential_waiting"]["ends"], told["credential_days"].is_null()),
        (&253_402_214_400_u64.into(), true)
    );
    let told = place.json("organization set contoso --client-secret-expires 2020-01-01");
    assert!(told["credential_days"].as_i64().unwrap() < 0, "{told}");
    assert!(place.does("organization list").contains("sealed, new one waiting, expired"));
    place
        .refuses("organization set contoso --client-secret-expires 2020-02-30", "write a day like");
    let told = place.json("organization set contoso --take-back-secret");
    assert_eq!(
        (&told["credential"], told["credential_waiting"].is_null()),
        (&"sealed".into(), true)
    );
    place.does("person add maya@contoso.com --organization contoso");
    let history = place.json("organization history contoso");
    let told: Vec<_> =
        history.as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    let expected = [
        "maya@contoso.com made by hand",
        "new credential taken back",
        "client secret expires 2020-01-01",
        "new client secret waits beside the other until it has signed somebody in, client secret expires 9999-12-31",
        "new client secret waits beside the other until it has signed somebody in",
        "made with the code contoso",
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&history[0]["username"], &history[0]["by"]),
        (&"maya@contoso.com".into(), &"operator olga".into())
    );
    assert_eq!(place.does("organization history contoso --most 2").lines().count(), 3);
    assert!(!place.does("organization history contoso").contains("another~Secret"));
}

#[test]
fn a_secret_is_changed_in_three_steps() {
    let place = place();
    place.does(ADD);
    let newer = "the newer secret of this story, which is long enough";
    let place = place.with("NEWER", newer);
    let with = |secrets: &str| {
        place.writes(
            "entrada.toml",
            &SmallConfig::new()
                .text("http://127.0.0.1:3000", &DIRECTORY.replace("{ env = \"SEAL\" }", secrets)),
        )
    };
    with("{ env = \"NEWER\" }");
    assert!(place.does("organization list").contains("opened by no secret"));
    place.refuses(
        "organization reseal",
        "no secret in [session] secrets opens the credential of contoso\nhint: ",
    );
    with("{ env = \"NEWER\" }, { env = \"SEAL\" }");
    assert_eq!(place.does("organization reseal"), "resealed 1; older secrets can be removed\n");
    with("{ env = \"NEWER\" }");
    assert_eq!(place.json("organization show contoso")["credential"], "sealed");
}

#[test]
fn an_operator_tends_people() {
    let place = place();
    place.does(ADD);
    let maya =
        place.json("person add Maya@contoso.com --organization contoso --name Maya --role admin");
    assert_eq!(
        (&maya["username"], &maya["role"], &maya["role_source"]),
        (&"maya@contoso.com".into(), &"admin".into(), &"hand".into())
    );
    assert!(
        place.does("person list").contains("maya@contoso.com  Maya  contoso       admin  on     -")
    );
    assert_eq!(place.json("person off maya@contoso.com")["state"], "off");
    assert_eq!(place.json("person on maya@contoso.com")["state"], "on");
    let renamed = place
        .json("person set maya@contoso.com --username maya --email M@contoso.com --role-by-entra");
    assert_eq!(
        (&renamed["id"], &renamed["email"], &renamed["role"]),
        (&maya["id"], &"m@contoso.com".into(), &"worker".into())
    );
    for (line, with) in [
        (
            "person show maya@contoso.com",
            "error: no person has the username maya@contoso.com\nhint: ",
        ),
        ("person add m\u{430}ya --organization contoso", "write Latin letters"),
        ("person add ma\u{202e}ya --organization contoso", "write Latin letters"),
        ("person add =cmd --organization contoso", "write Latin letters"),
        ("person add maya --organization contoso", "the username maya belongs to another person"),
        ("person add contoso --organization contoso", "the username contoso is a company code"),
        ("person add jonas --organization nowhere", "no organization has the code nowhere"),
        (
            "person add jonas --organization contoso --role boss",
            "\"boss\" is not one of [directory] roles",
        ),
        ("person add jonas --organization contoso --email x", "write an address"),
    ] {
        place.refuses(line, with);
    }
}

#[test]
fn no_text_is_taken_for_sql() {
    let place = place();
    place.does(ADD);
    let hostile = "x';DROP/**/TABLE/**/person;--";
    place.does(&format!("organization set contoso --name {hostile}"));
    place.does(&format!(
        "person add maya --organization contoso --name {hostile} --email {hostile}@contoso.com"
    ));
    assert_eq!(place.json(&format!("person list --search {hostile}"))[0]["name"], hostile);
    assert_eq!(place.json("organization show contoso")["name"], hostile);
    place.refuses(&format!("person show {hostile}"), "write Latin letters");
    place.refuses(&format!("organization set contoso --bind {hostile}"), "write a domain");
    let cell = "x';DROP/**/TABLE/**/person;--";
    place.writes("people.csv", &format!("username,name,email,role\njonas,{cell},{cell}@contoso.com,\n{cell},{cell},,\nlena,Lena,,{cell}\n"));
    let told = place.types("person import people.csv --organization contoso");
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(1), "1 created, 0 changed, 0 unchanged, 2 skipped\n"),
        "{}",
        told.err
    );
    assert_eq!(place.json("person show jonas")["name"], cell);
}

#[tokio::test]
async fn a_client_secret_that_nothing_opens_is_told_at_the_start_and_a_reload_takes_new_secrets() {
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

#[test]
fn a_file_is_taken_in_and_what_is_wrong_is_told_by_line() {
    let place = place();
    place.does(ADD);
    place.writes("people.csv", "username,name,role\nmaya,Maya,admin\n,Nobody,\njonas,=1+1,boss\n");
    let told = place.types("person import people.csv --organization contoso");
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(1), "1 created, 0 changed, 0 unchanged, 2 skipped\n")
    );
    let err = "error: 2 lines of people.csv were skipped\n  people.csv:3  has no username\n  people.csv:4  \"boss\" is not one of [directory] roles\n";
    assert!(told.err.starts_with(err), "{}", told.err);
    place.writes("people.csv", "username,name,role\nmaya,Maya,admin\njonas,=1+1,\n");
    assert_eq!(place.json("person import people.csv --organization contoso")["made"], 1);
    let exported = place.does("person export --organization contoso");
    assert!(exported.contains("\njonas,'=1+1,,worker,contoso,on,\n"), "{exported}");
    place.refuses("person import nowhere.csv --organization contoso", "nowhere.csv cannot be read");
}

fn many(place: &CliFolder, count: u32) {
    let lines: String =
        (0..count).map(|it| format!("user{it},Name {it},user{it}@contoso.com\n")).collect();
    place.writes("people.csv", &format!("username,name,email\n{lines}"));
}

#[tokio::test]
async fn a_killed_import_leaves_nobody_half_and_is_finished_by_running_it_again() {
    let place = place();
    place.does(ADD);
    many(&place, 24_000);
    let mut running = place.starts("person import people.csv --organization contoso");
    let began = Instant::now();
    while !running.err().contains("10000 lines") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", running.err());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.signals("KILL");
    running.ends().await;
    let there = place.json("organization show contoso")["people"].as_u64().unwrap();
    assert!((10_000..24_000).contains(&there) && there.is_multiple_of(1000), "{there}");
    let people = place.json("person list --most 10000");
    assert!(
        people
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["name"].is_string() && it["email"].is_string() && it["role"] == "worker")
    );
    let told = place.types("person import people.csv --organization contoso --json");
    let rest: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&rest["made"], &rest["unchanged"]), (&(24_000 - there).into(), &there.into()));
    assert_eq!(place.json("organization show contoso")["people"], 24_000);
}

#[tokio::test]
async fn two_programs_that_take_in_one_file_at_once_make_everybody_once() {
    let place = place();
    place.does(ADD);
    many(&place, 6000);
    let line = ["person", "import", "people.csv", "--organization", "contoso"];
    let start = || place.command(env!("CARGO_BIN_EXE_entrada"), &line).output();
    let (one, other) = std::thread::scope(|it| {
        let other = it.spawn(start);
        (start().unwrap(), other.join().unwrap().unwrap())
    });
    for it in [&one, &other] {
        assert!(it.status.success(), "{}", String::from_utf8_lossy(&it.stderr));
    }
    assert_eq!(place.json("organization show contoso")["people"], 6000);
}
