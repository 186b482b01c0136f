//! Commands that say something and end.

use super::{CliFolder, CliTranscript, SmallConfig};
use crate::world::CLIENT_SECRET;

fn transcript(out: &str, err: &str, code: i32) -> CliTranscript {
    CliTranscript { out: out.to_owned(), err: err.to_owned(), code: Some(code) }
}

#[test]
fn check_tells_every_mistake_with_its_place_and_no_secret() {
    let place = CliFolder::new()
        .with("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .with("GUID", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e");
    let text = r#"[server]
listen = ":8080"
publik_url = "https://app.example.com"
public_url = "http://app.example.com"
[upstream]
url = "127.0.0.1:3000"
[entra]
tenant = "contoso.com"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "GUID" }
"#;
    place.writes("entrada.toml", text);
    let err = r#"error: 5 problems in entrada.toml
  server.listen        ":8080" is not an address to listen on
                       at entrada.toml:2:10
                       hint: write "0.0.0.0:8080" for all addresses, or "127.0.0.1:8080" for this machine only
  server.publik_url    is not a known key
                       at entrada.toml:3:1
                       hint: did you mean server.public_url?
  server.public_url    "http://app.example.com" is not https
                       at entrada.toml:4:14
                       hint: also behind a TLS proxy, write the address that people see; http is allowed only for localhost
  upstream.url         is not an address
                       at entrada.toml:6:7
                       hint: write scheme, host and port, like http://host.example:8080
  entra.client_secret  this is a Secret ID, not a secret
                       at entrada.toml:10:17
                       hint: copy the Value, not the Secret ID; it is shown only once, so create a new secret if you no longer have it
"#;
    assert_eq!(place.types("check"), transcript("", err, 1));
}

#[test]
fn check_names_what_is_fine() {
    let place = CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET);
    place.writes("mine.toml", &SmallConfig::new().text("http://127.0.0.1:3000", ""));
    assert_eq!(place.types("check --config mine.toml"), transcript("mine.toml is valid\n", "", 0));
    let gone = place.types("check --config gone.toml");
    assert_eq!(
        gone,
        transcript(
            "",
            "error: there is no file gone.toml\nhint: name another file with --config\n",
            1
        )
    );
}

#[test]
fn the_environment_alone_is_enough_and_an_unknown_variable_only_warns() {
    let place = CliFolder::new()
        .with("AZURE_TENANT_ID", "contoso.com")
        .with("AZURE_CLIENT_ID", "11112222-bbbb-3333-cccc-4444dddd5555")
        .with("AZURE_CLIENT_SECRET", CLIENT_SECRET)
        .with("ENTRADA_UPSTREAM_URL", "http://127.0.0.1:3000")
        .with("ENTRADA_SERVER_PUBLIC_URL", "https://app.example.com");
    assert_eq!(place.types("check"), transcript("the environment is valid\n", "", 0));
    let place = place.with("ENTRADA_SERVICE_HOST", "10.0.0.1");
    let told = place.types("check");
    assert_eq!((told.out.as_str(), told.code), ("the environment is valid\n", Some(0)));
    assert!(
        told.err.starts_with("warning: 1 warning in the environment\n")
            && told.err.contains("in ENTRADA_SERVICE_HOST"),
        "{}",
        told.err
    );
}

#[test]
fn nothing_at_all_is_told_where_to_begin() {
    let told = CliFolder::new().types("run");
    assert_eq!(told.code, Some(1));
    assert!(told.err.starts_with("error: 5 problems in the environment\n"), "{}", told.err);
    assert!(
        told.err.ends_with(
            "hint: there is no entrada.toml here; create one, or name another file with --config\n"
        ),
        "{}",
        told.err
    );
}

#[test]
fn explain_tells_the_rule_and_the_verdict() {
    let place = CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET);
    let rules = r#"[[access.rule]]
path = "/admin/**"
methods = ["GET"]
suffixes = true
allow = [{ roles = ["Admin"] }, { groups = ["0a1b2c3d-0000-4000-8000-000000000001"], users = ["maya@contoso.com"] }]
[[access.rule]]
path = "/strong/**"
suffixes = true
allow = { roles = ["Admin"], acrs = ["c1", "c2"] }
[[access.rule]]
path = "/kept/**"
suffixes = true
allow = "nobody""#;
    place.writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", rules));
    let admin = "  decides  the rule at line 12, path = \"/admin/**\", suffixes = true, methods = GET\n  allow    role Admin, or group 0a1b2c3d-0000-4000-8000-000000000001 and user maya@contoso.com\n";
    let default = "  decides  [access] default, because no rule matches this path\n  allow    anyone who is signed in\n";
    let strong = "  decides  the rule at line 17, path = \"/strong/**\", suffixes = true\n  allow    role Admin and authentication context c1 or c2\n";
    let step_up = "authentication context c1 or c2 required (302 for browsers, 401 otherwise)";
    let kept =
        "  decides  the rule at line 21, path = \"/kept/**\", suffixes = true\n  allow    nobody\n";
    let overage = "unknown: a group decides, and the groups are not in the token; at run time, Entrada asks Microsoft Graph";
    for (typed, head, why, result) in [
        (
            "GET /admin/users --organization contoso --directory-role admin",
            "GET /admin/users",
            admin,
            "denied (403)",
        ),
        ("GET /admin/users --role Reader", "GET /admin/users", admin, "denied (403)"),
        ("get /admin/users?x=1 --role Admin", "GET /admin/users", admin, "allowed"),
        ("HEAD /admin --overage --user maya@contoso.com", "HEAD /admin", admin, overage),
        (
            "GET /admin --signed-out",
            "GET /admin",
            admin,
            "sign-in required (302 for browsers, 401 otherwise)",
        ),
        (
            "POST /admin",
            "POST /admin",
            "  decides  rules match this path, but not this method\n",
            "denied (403)",
        ),
        ("GET /x", "GET /x", default, "allowed"),
        ("GET /kept.json", "GET /kept.json", kept, "denied (403)"),
        ("GET /kept%20", "GET /kept%20", kept, "denied (403)"),
        ("GET /strong.json --role Admin", "GET /strong.json", strong, step_up),
        ("GET /strong --role Admin", "GET /strong", strong, step_up),
        ("GET /strong --role Admin --acrs c2", "GET /strong", strong, "allowed"),
        ("GET /strong --acrs c1", "GET /strong", strong, "denied (403)"),
        (
            "GET /strong --signed-out",
            "GET /strong",
            strong,
            "sign-in required (302 for browsers, 401 otherwise)",
        ),
    ] {
        assert_eq!(
            place.types(&format!("explain {typed}")),
            transcript(&format!("{head}\n{why}  result   {result}\n"), "", 0),
            "{typed}"
        );
    }
    let err = "error: \"mfa\" is not an authentication context\nhint: write one of c1 to c99\n";
    assert_eq!(place.types("explain GET /strong --acrs mfa"), transcript("", err, 1));
    assert_eq!(
        place.types("explain GET /a/../b"),
        transcript("GET /a/../b\n  rejected with 400: a dot segment\n", "", 0)
    );
    assert_eq!(
        place.types("explain GET /oauth2/start"),
        transcript("GET /oauth2/start\n  answered by Entrada itself; no rule decides\n", "", 0)
    );
    for (typed, meant) in [
        ("admin/users", "/admin/users"),
        ("https://app.example.com/admin?x=1", "/admin"),
        ("*", "/*"),
    ] {
        let err = format!(
            "error: \"{typed}\" does not begin with \"/\"\nhint: write only the path, like {meant}\n"
        );
        assert_eq!(place.types(&format!("explain GET {typed}")), transcript("", &err, 1));
    }
    assert_eq!(
        place.types("explain G@T /x"),
        transcript("", "error: \"G@T\" is not an HTTP method\n", 1)
    );
}

#[test]
fn sockets_that_systemd_did_not_hand_over_are_told_as_such() {
    let place = CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET);
    let small = SmallConfig::new();
    place.writes(
        "entrada.toml",
        &small
            .text("http://127.0.0.1:9", "")
            .replace(&format!("\"127.0.0.1:{}\"", small.port), "\"systemd\""),
    );
    let told = place.types("run");
    assert_eq!(told.code, Some(1));
    let why = "error: cannot listen on systemd: systemd passed no socket (LISTEN_FDS)\nhint: start the socket unit, not only the service, or set [server] listen to an address\n";
    assert!(told.err.ends_with(why), "{}", told.err);
}

#[test]
fn secrets_completions_help_and_usage() {
    let place = CliFolder::new();
    let (one, other) = (place.types("secret"), place.types("secret"));
    assert!(one.out.trim().len() >= 43 && one.out != other.out && one.err.is_empty());
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.types(&format!("completions {shell}")).out.contains("explain"), "{shell}");
    }
    assert_eq!(
        place.types("--version"),
        transcript(&format!("entrada {}\n", env!("CARGO_PKG_VERSION")), "", 0)
    );
    assert_eq!(place.types("--help").code, Some(0));
    for usage in ["", "rn", "run --prot 1", "explain GET"] {
        let told = place.types(usage);
        assert!(
            told.code == Some(2) && told.err.contains("Usage:") && told.out.is_empty(),
            "{usage}: {told:?}"
        );
    }
}

#[test]
fn a_secret_is_printed_alone_and_its_rotation_is_explained_beside_it() {
    let place = CliFolder::new();
    let told = place.types("secret rotate");
    assert!(told.code == Some(0) && told.out.trim().len() >= 43 && told.out.lines().count() == 1);
    assert_ne!(told.out, place.types("secret rotate").out);
    let help = place.types("secret rotate --help").out;
    for text in [&told.err, &help] {
        let steps = ["behind the old one", "When every replica has reloaded", "remove it"];
        let places = steps.map(|it| text.find(it).unwrap_or_else(|| panic!("{it}: {text}")));
        assert!(places.is_sorted(), "{text}");
        assert!(text.lines().all(|it| it.len() <= 80), "{text}");
    }
    assert!(!told.err.contains(told.out.trim()));
}

#[test]
fn dev_is_told_an_upstream_that_is_no_address() {
    let err = "error: --upstream is not an address\nhint: write scheme, host and port, like http://host.example:8080\n";
    assert_eq!(CliFolder::new().types("dev --port 0 --upstream foo"), transcript("", err, 1));
}
