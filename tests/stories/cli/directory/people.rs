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
