//! People, as an operator tends them.

use super::{ADD, place};

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
    place.does_with_warnings(&format!(
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

#[test]
fn every_surface_says_what_a_first_sign_in_needs_and_who_may_be_one_person() {
    let place = place();
    place.does(ADD);
    let warned = |line: &str, with: &str| {
        let told = place.types(line);
        assert!(told.code == Some(0) && told.err.contains(with), "{line}\n{told:?}");
    };
    let add = "person add";
    let here = "--organization contoso";
    warned(&format!("{add} nora@contoso.com {here} --role owner"), "--link OBJECT_ID");
    warned(&format!("{add} lena {here}"), "neither the username lena nor an e-mail is an address");
    warned(&format!("{add} jonas@contoso.com {here}"), "optional claims upn and acct");
    warned(&format!("{add} nora.contoso {here}"), "may be the same person as nora@contoso.com (on");
    warned("person off nora@contoso.com", "may be the same person as nora.contoso (on");
    assert!(
        place.json("person off nora@contoso.com")["warnings"][0]
            .as_str()
            .unwrap()
            .contains("nora.contoso")
    );
    // Only where it was just done: not each time that somebody looks.
    for line in ["person show nora@contoso.com", "person on nora.contoso"] {
        let told = place.types(line);
        assert!(told.code == Some(0) && !told.err.contains("same person"), "{line}\n{told:?}");
    }
    place.writes("people.csv", "username,role\nmaya@contoso.com,admin\ntom,worker\n");
    let told = place.types("person import people.csv --organization contoso");
    for says in ["1 people have a role", "1 people have neither", "upn and acct"] {
        assert!(told.err.contains(says), "{told:?}");
    }
    // An account that the operator knows by its object ID is linked in advance.
    let oid = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
    place.json("person on nora@contoso.com");
    let linked = place.json(&format!("person set nora@contoso.com --link {oid}"));
    assert_eq!(linked["oid"], oid);
    place.refuses(&format!("person set lena --link {oid}"), "linked to another person");
    place.refuses(&format!("person set nora@contoso.com --link {oid}"), "is linked to an account");
    // Two who are one, and one who leaves nothing but a digest.
    place.refuses("person merge nora@contoso.com nora@contoso.com", "are not two people");
    let merged = place.json("person merge nora.contoso nora@contoso.com");
    assert_eq!((&merged["oid"], &merged["role"]), (&oid.into(), &"worker".into()));
    place.refuses("person show nora@contoso.com", "no person has the username");
    place.does("person off nora.contoso");
    let gone = place.json("person delete nora.contoso");
    assert_eq!(gone["stays_refused"], true);
    let history = place.does("organization history contoso");
    assert!(!history.contains("nora.contoso") && history.contains("details erased"), "{history}");
    assert_eq!(
        place.json("person requests --organization contoso")["requests"],
        serde_json::json!([])
    );
    place.refuses(&format!("person approve {oid}"), "--mark");
    place.refuses(&format!("person approve {oid} --mark -x"), "there is no such request");
    // The whole company.
    place.refuses("organization delete contoso --people 9", "contoso has 4 people");
    place.refuses("organization delete contoso --people 4", "turn it off first");
    place.does("organization off contoso");
    place.does("organization delete contoso --people 4");
    place.refuses("organization show contoso", "no organization has the code");
    place.refuses("organization add contoso --name Other", "belongs to another organization");
}

/// A username that an earlier version stored, and that would be another person's now.
#[tokio::test]
async fn a_name_that_stays_in_an_earlier_form_is_named_by_each_command_until_it_is_changed() {
    use sqlx::Connection as _;
    let place = place();
    place.does(ADD);
    place.does_with_warnings("person add maya --organization contoso");
    place.does_with_warnings("person add other --organization contoso");
    let database = format!("sqlite:{}", place.directory.path().join("entrada.db").display());
    let mut database = sqlx::SqliteConnection::connect(&database).await.unwrap();
    let before =
        "UPDATE person SET username = 'maya.' WHERE username = 'other'; DELETE FROM stored_forms";
    sqlx::raw_sql(before).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let told = place.does_with_warnings("person list");
    assert!(
        told.err.contains("\"maya.\" of contoso")
            && told.err.contains("\"maya\" belongs to another"),
        "{}",
        told.err
    );
    assert!(told.out.contains("maya. ") && told.out.contains("maya "), "{}", told.out);
    // Each is reached by its own name.
    assert!(place.does_with_warnings("person off maya.").out.contains("maya."));
    let state = |name: &str| {
        let told = place.does_with_warnings(&format!("person show {name} --json"));
        serde_json::from_str::<serde_json::Value>(&told.out).unwrap()["state"].clone()
    };
    assert_eq!((state("maya."), state("maya")), ("off".into(), "on".into()));
    place.does_with_warnings("person set maya. --username maya2");
    assert!(!place.does("person list").contains("maya."));
}
