//! Organizations, as an operator tends them.

use super::super::SmallConfig;
use super::DIRECTORY;
use super::{ADD, place};
use crate::world::CLIENT_SECRET;

#[test]
fn an_operator_invites_the_person_who_sets_an_organization_up() {
    let place = place();
    place.does("organization add contoso --name Contoso");
    let told = place.does("organization invite contoso");
    let link = told.lines().next().unwrap();
    let (address, token) = link.split_once("?token=").unwrap();
    assert!(address.ends_with("/oauth2/setup/invitation") && token.len() == 43, "{told}");
    assert!(
        told.contains("valid once, until ")
            && told.contains("only to the person who sets up Contoso"),
        "{told}"
    );
    assert!(told.contains("for single sign-on to localhost:"), "{told}");
    let pages = format!("{DIRECTORY}[pages]\nname = \"Fleet\"\n");
    let text = SmallConfig::new().text("http://127.0.0.1:3000", &pages);
    place.writes("entrada.toml", &text);
    let named = place.does("organization invite contoso");
    assert!(named.contains("for single sign-on to Fleet; valid once, until "), "{named}");
    place.writes("entrada.toml", &text.replace("name = \"Fleet\"", "logo = \"secret\""));
    place.refuses("organization invite contoso", "is neither a PNG nor an SVG");
    place.writes("entrada.toml", &text.replace("name = \"Fleet\"", "accent = \"green\""));
    place.refuses("check", "\"green\" is not a color");
    place.writes("entrada.toml", &text);
    let (page, _) = named.split_once("?token=").unwrap();
    let again = place.json("organization invite contoso");
    assert!(
        again["url"].as_str().unwrap().starts_with(page)
            && again["url"] != link
            && again["organization"] == "contoso",
        "{again}"
    );
    let history = place.does("organization history contoso");
    assert_eq!(history.matches("link for the set-up page made").count(), 3, "{history}");
    assert!(!history.contains(token));
    place.refuses("organization invite nobody", "no organization has the code nobody");
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
    place.does_with_warnings("person add maya@contoso.com --organization contoso");
    let history = place.json("organization history contoso");
    let told: Vec<_> =
        history.as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    let expected = [
        "maya@contoso.com made by hand",
        "new credential withdrawn",
        "client secret expires 2020-01-01",
        "new client secret pending until someone has signed in with it, client secret expires 9999-12-31",
        "new client secret pending until someone has signed in with it",
        "made with the code contoso",
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&history[0]["username"], &history[0]["by"]),
        (&"maya@contoso.com".into(), &"operator olga".into())
    );
    assert_eq!(place.does("organization history contoso --limit 2").lines().count(), 3);
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
