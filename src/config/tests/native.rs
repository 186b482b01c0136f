//! Clients on phones and command lines.

use super::*;

/// The sections that `[native]` requires.
const SECTION: &str = "[session]\nsecrets = [{ env = \"CLIENT\" }]\n[directory]\n[native]\n";

#[test]
fn clients_are_read_with_their_times() {
    let client = "[[native.client]]\nid = \"fleet\"\nname = \"Fleet\"\nredirect_uris = [\"com.example.fleet:/x\", \"http://127.0.0.1/x\"]\n";
    let native =
        meant(&format!("{SMALL}{SECTION}lifetime = \"40d\"\n{client}"), &[("CLIENT", SECRET)])
            .native
            .unwrap();
    let days = |it: u64| Duration::from_hours(24 * it);
    assert_eq!(
        (native.access_token, native.refresh_idle, native.lifetime),
        (Duration::from_mins(5), days(30), days(40))
    );
    assert_eq!(
        native.client("fleet").unwrap().target("http://127.0.0.1:51234/x").unwrap().as_str(),
        "http://127.0.0.1:51234/x"
    );
    assert!(
        native.client("Fleet").is_none()
            && native.client("fleet").unwrap().target("com.example.fleet:/y").is_none()
    );
    assert!(meant(SMALL, &[("CLIENT", SECRET)]).native.is_none());
}

#[test]
fn only_listed_scopes_are_granted() {
    let client = "[[native.client]]\nid = \"fleet\"\nname = \"Fleet\"\nredirect_uris = [\"com.example.fleet:/x\"]\n";
    let read = |scopes: &str| {
        meant(&format!("{SMALL}{SECTION}{client}{scopes}"), &[("CLIENT", SECRET)]).native.unwrap()
    };
    let listed = read("scopes = [\"jobs\", \"trips:read\"]\n");
    let granted = |asked: &str| listed.client("fleet").unwrap().granted(asked);
    for (asked, wanted) in [
        ("jobs", "jobs"),
        ("trips:read jobs jobs", "trips:read jobs"),
        (" jobs  admin ", "jobs"),
        ("", ""),
        ("job Jobs trips", ""),
        ("jobs,admin", ""),
    ] {
        assert_eq!(granted(asked), wanted, "{asked:?}");
    }
    assert_eq!(read("").client("fleet").unwrap().granted("jobs"), "");
}

#[test]
fn what_is_wrong_with_a_client_is_reported_with_what_to_write() {
    assert_report(
        &report_of("[native]\naccess_token = \"1h\"\n"),
        r#"
error: 3 problems in entrada.toml
  native               needs [directory]
                       at entrada.toml:10:1
                       hint: add [directory] with a database, which stores the sign-ins of native clients
  native               has no client, so it cannot be used
                       at entrada.toml:10:1
                       hint: add [[native.client]] with id, name and redirect_uris
  native.access_token  "1h" is out of range
                       at entrada.toml:11:16
                       hint: choose from "5m" to "10m"
"#,
    );
    let client = |line: &str| report_of(&format!("{SECTION}[[native.client]]\n{line}\n"));
    for (line, what) in [
        ("id = \"a b\"", "\"a b\" is not a client ID"),
        ("name = \" x\"", "is not a readable name"),
        ("", "set redirect_uris in [[native.client]]"),
        ("redirect_uris = []", "write at least one address"),
        ("redirect_uris = [\"http://localhost/x\"]", "write 127.0.0.1 or [::1]"),
        (
            "redirect_uris = [\"fleet:/x\"]",
            "\"fleet:/x\" has a scheme that is not a reversed domain name",
        ),
        ("redirect_uris = [\"https://*.example.com/x\"]", "without wildcards"),
        ("scopes = [\"jobs trips\"]", "\"jobs trips\" is not a scope"),
        ("scopes = [\"\"]", "\"\" is not a scope"),
        ("scopes = ['a\"b']", "is not a scope"),
        ("scopes = ['a\\b']", "is not a scope"),
        ("secret = \"x\"", "is not a known key"),
    ] {
        let report = client(line);
        assert!(report.contains(what), "{line}\n{report}");
    }
    let long = format!("scopes = [\"{}\", \"{}\"]", "a".repeat(128), "b".repeat(128));
    assert!(
        client(&long).contains("has more than 256 bytes")
            && !client(&long.replacen('a', "", 1)).contains("256 bytes"),
        "{}",
        client(&long)
    );
    let one = "[[native.client]]\nid = \"a\"\nname = \"A\"\nredirect_uris = [\"com.example:/x\"]\n";
    assert!(
        report_of(&format!("{SECTION}{one}{one}"))
            .contains("\"a\" already belongs to another client")
    );
    assert!(
        report_of(&format!("{SECTION}refresh_idle = \"91d\"\n{one}"))
            .contains("is longer than lifetime")
    );
}
