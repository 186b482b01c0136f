//! Messages for mistakes.

use super::*;

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text = r#"
[server]
listen = ["127.0.0.1:4180", ":8080"]
publik_url = "https://app.example.com"
public_url = "http://app.example.com"
admin_listen = "127.0.0.1:4180"
shutdown_grace = 30

[server.limits]
idle_timeout = "2d"
conections = 5

[upstream]
url = "127.0.0.1:3000"

[entra]
tenant = "contoso"
client_id = "app"
client_secret = { env = "CLIENT" }

[session]
store = "disk"
secrets = [{ env = "SHORT" }, { file = "/nowhere/secret" }]
idle = "1d"

[[access.rule]]
path = "/admin/**"
allow = "anyone"

[[access.rule]]
path = "/admin/users"
allow = "nobody"

[[access.rule]]
path = "/reports"
methods = ["get"]
allow = { roles = [], tenants = ["contoso"] }

[bearer]
audiences = []
"#;
    assert_report(
        &report(text, &[("CLIENT", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e"), ("SHORT", "tooshort")]),
        r#"
error: 20 problems in entrada.toml
  server.listen               ":8080" is not an address to listen on
                              at entrada.toml:3:29
                              hint: write "0.0.0.0:8080" for all addresses, or "127.0.0.1:8080" for this machine only
  server.publik_url           is not a known key
                              at entrada.toml:4:1
                              hint: did you mean server.public_url?
  server.public_url           "http://app.example.com" is not https
                              at entrada.toml:5:14
                              hint: also behind a TLS proxy, write the address that people see; http is allowed only for localhost
  server.admin_listen         "127.0.0.1:4180" is the public listener
                              at entrada.toml:6:16
                              hint: the admin listener needs its own address, like "127.0.0.1:4181"
  server.shutdown_grace       expected a duration, found integer
                              at entrada.toml:7:18
                              hint: write a number and a unit in quotes, like "30s"
  server.limits.idle_timeout  "2d" is out of range
                              at entrada.toml:10:16
                              hint: choose from "1s" to "1h"
  server.limits.conections    is not a known key
                              at entrada.toml:11:1
                              hint: did you mean server.limits.connections?
  upstream.url                is not an address
                              at entrada.toml:14:7
                              hint: write scheme, host and port, like http://host.example:8080
  entra.tenant                "contoso" is neither a tenant ID nor a domain
                              at entrada.toml:17:10
                              hint: write the Directory (tenant) ID, a domain like contoso.com, "organizations" or "common"
  entra.client_id             is not an Application (client) ID
                              at entrada.toml:18:13
                              hint: copy it from the app registration's Overview; it looks like 11112222-bbbb-3333-cccc-4444dddd5555
  entra.client_secret         this is a Secret ID, not a secret
                              at entrada.toml:19:17
                              hint: copy the Value, not the Secret ID; it is shown only once, so create a new secret if you no longer have it
  session.store               "disk" is not a valid value
                              at entrada.toml:22:9
                              hint: write "memory" or "cookie" or "redis"
  session.secrets             a secret has fewer than 32 bytes
                              at entrada.toml:23:12
                              hint: entrada secret prints a good one
  session.secrets             cannot read the secret file "/nowhere/secret": No such file or directory (os error 2)
                              at entrada.toml:23:31
  session.idle                is longer than lifetime, so it would have no effect
                              at entrada.toml:24:8
                              hint: choose at most lifetime
  access.rule.path            can never match: "/admin/**" at line 26 matches first
                              at entrada.toml:31:8
                              hint: the first rule that matches decides; put the narrower one first
  access.rule.methods         "get" is not a method
                              at entrada.toml:36:12
                              hint: write methods in upper case: "GET"
  access.rule.allow           matches no one
                              at entrada.toml:37:9
                              hint: write at least one value for each key; or "signed-in", or "nobody"
  access.rule.allow.tenants   "contoso" is neither a tenant ID nor a domain
                              at entrada.toml:37:34
                              hint: write the Directory (tenant) ID, or a domain like contoso.com
  bearer                      is not a known section
                              at entrada.toml:39:2
                              hint: valid here: access, directory, entra, headers, native, organization, pages, server, session, telemetry, upstream
"#,
    );
}

#[test]
fn warnings_are_reported_and_are_no_obstacle() {
    let text = format!(
        r#"{SMALL}
[session]
secrets = "{SECRET}"
[[access.rule]]
path = "/staff/**"
suffixes = true
allow = {{ groups = ["Staff", "22223333-cccc-4444-dddd-5555eeee6666"] }}
"#
    );
    let pairs = [
        ("CLIENT", SECRET),
        ("ENTRADA_SERVER_TRUSTED_PROXIES", "0.0.0.0/0, unix"),
        ("ENTRADA_SERVER_ADMIN_LISTEN", "0.0.0.0:4181"),
        ("ENTRADA_SESION_IDLE", "1h"),
        ("ENTRADA_PORT_443_TCP", "tcp://10.0.0.1:443"),
        ("ENTRADA_CONFIG", "entrada.toml"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
    ];
    assert!(read("entrada.toml", &text, &environment(&pairs)).config.is_some());
    assert_report(
        &report(&text, &pairs),
        r#"
warning: 7 warnings in entrada.toml
  entra.client_secret       both AZURE_FEDERATED_TOKEN_FILE and a client secret are set; the client secret is used
                            at entrada.toml:9:17
                            hint: write federated_token = { file = "..." }, or unset the secret
  session.secrets           the file contains a secret
                            at entrada.toml:12:11
                            hint: write { file = "/run/secrets/name" } or { env = "NAME" }, so that the file can be shared
  access.rule.allow.groups  "Staff" is a group name, but Entra sends object IDs
                            at entrada.toml:16:21
                            hint: copy the group's Object ID from Entra, unless tokens are configured to contain names
  environment               this variable does not belong to a key
                            in ENTRADA_PORT_443_TCP
  server.admin_listen       health and metrics are open to everyone who can reach this machine
                            in ENTRADA_SERVER_ADMIN_LISTEN
                            hint: block the port from the public, or write "127.0.0.1:4181"
  server.trusted_proxies    every client can forge its address and the requested host
                            in ENTRADA_SERVER_TRUSTED_PROXIES
                            hint: list only the networks of your proxies, like "10.0.0.0/8"
  environment               this variable does not belong to a key
                            in ENTRADA_SESION_IDLE
                            hint: did you mean ENTRADA_SESSION_IDLE?
"#,
    );
}

#[test]
fn a_file_that_is_no_toml_is_one_problem_without_the_line_that_may_hold_a_secret() {
    let text = format!("[entra]\ntenant = \"contoso.com\"\nclient_secret = {SECRET}\"\n");
    assert_report(
        &report(&text, &[]),
        r#"
error: 1 problem in entrada.toml
  TOML  missing opening quote, expected `"`
        at entrada.toml:3:17
"#,
    );
}

#[test]
fn what_does_not_fit_together_is_reported() {
    let more = r#"
redirect_path = "/v1/callback"
[[upstream.route]]
path = "/v1"
url = "http://localhost:4180"
[[upstream.route]]
path = "/oauth2/app"
url = "https://api.example"
[[upstream.route]]
path = "/v1"
url = "h2c://api.example"
[[upstream.route]]
path = "/v2/**"
url = "https://user:hunter2@api.example"
"#;
    assert_report(
        &report_of(more),
        r#"
error: 6 problems in entrada.toml
  entra.redirect_path  "/v1/callback" is covered by the route "/v1/**"
                       at entrada.toml:11:17
                       hint: choose a path that no route covers, like /oauth2/callback
  upstream.route.url   is an address that Entrada listens on
                       at entrada.toml:14:7
                       hint: write the app's address, with a port other than those of [server] listen and admin_listen
  upstream.route.path  "/oauth2/app" is handled by Entrada itself
                       at entrada.toml:16:8
                       hint: choose another [server] prefix, or another path for the app
  upstream.route.path  another route already has this path
                       at entrada.toml:19:8
  upstream.route.path  "/v2/**" is not a valid route path
                       at entrada.toml:22:8
                       hint: write "/v2"; it includes everything below
  upstream.route.url   contains a user or a password
                       at entrada.toml:23:7
                       hint: write only scheme, host and port
"#,
    );
    assert_report(
        &report_of("redirect_path = \"/oauth2/auth/nginx\"\n"),
        r#"
error: 1 problem in entrada.toml
  entra.redirect_path  "/oauth2/auth/nginx" is already a page of Entrada
                       at entrada.toml:10:17
                       hint: choose an unused path, like /oauth2/callback
"#,
    );
}

#[test]
fn two_processes_at_one_port_need_sessions_that_both_know() {
    let with = |server: &str, session: &str| {
        let text = SMALL.replace("[server]", &format!("[server]\nreuse_port = true\n{server}"));
        let text = format!("{text}[session]\nsecrets = {{ env = \"CLIENT\" }}\n{session}");
        report(&text, &[("CLIENT", SECRET)])
    };
    assert_report(
        &with("", ""),
        r#"
error: 1 problem in entrada.toml
  server.reuse_port  needs session.snapshot: a person's next request may reach the other process, which does not know a session in memory
                     at entrada.toml:3:14
                     hint: set session.snapshot = "/var/lib/entrada/sessions" and session.secrets
"#,
    );
    let snapshot = "snapshot = \"/var/lib/entrada/sessions\"";
    let problems = with("admin_listen = \"unix:/run/admin.sock\"", snapshot);
    assert!(
        problems.contains("two processes cannot listen on \"unix:/run/admin.sock\""),
        "{problems}"
    );
    let warnings = with("listen = \"systemd\"", snapshot);
    assert!(warnings.contains("has no effect on \"systemd\""), "{warnings}");
    for session in [snapshot, "store = \"cookie\""] {
        let report = with("", session);
        assert!(!report.contains("reuse_port"), "{report}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\r\n")).unwrap();
    let line = |secret: &str| SMALL.replace("{ env = \"CLIENT\" }", secret);
    let config = meant(&line(&format!("{{ file = {file:?} }}")), &[]);
    let Some(secret) = config.entra.credential.secret() else { panic!("no secret") };
    assert_eq!(secret.expose(), SECRET);
    assert!(!format!("{config:?}").contains(SECRET));

    std::fs::write(&file, "\n").unwrap();
    for (wrong, what) in [
        (format!("{{ file = {file:?} }}"), "is empty"),
        (format!("{{ file = {:?} }}", directory.path()), "it is not a file"),
        ("{ file = \"/dev/zero\" }".to_owned(), "it is not a file"),
        ("{ env = \"NOT_SET\" }".to_owned(), "the variable NOT_SET is not set, or is empty"),
        (format!("{{ env = \"{SECRET}\" }}"), "env is not a variable name"),
        (format!("{{ env = \"A\", file = \"{SECRET}\" }}"), "is not a valid secret"),
        (format!("{{ value = \"{SECRET}\" }}"), "is not a valid secret"),
        (format!("[\"{SECRET}\"]"), "expected a secret, found array"),
        ("\"\"".to_owned(), "is empty"),
        (format!("\"{SECRET}\"\nclient_id = \"{SECRET}\""), "duplicate key"),
    ] {
        let report = report(&line(&wrong), &[]);
        assert!(
            report.starts_with("error: 1 problem")
                && report.contains(what)
                && !report.contains(SECRET),
            "{report}"
        );
    }
    let report = report(
        &SMALL.replace("11112222-bbbb-3333-cccc-4444dddd5555", SECRET),
        &[("CLIENT", SECRET)],
    );
    assert!(report.starts_with("error: 1 problem") && !report.contains(SECRET), "{report}");
}

#[test]
fn a_named_file_must_be_there_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("e.toml");
    let report = |file: &Path| load(Some(file), &[]).problems.first().unwrap().what.clone();
    assert!(report(&file).contains("there is no file "));
    std::fs::write(&file, b"\xff").unwrap();
    assert!(report(&file).contains("it is not UTF-8"));
    std::fs::write(&file, "#".repeat(MAX_CONFIG_FILE_BYTES + 1)).unwrap();
    assert!(report(&file).contains("is longer than 1048576 bytes"));
    std::fs::write(&file, SMALL).unwrap();
    assert!(load(Some(&file), &environment(&[("CLIENT", SECRET)])).config.is_some());
}

#[test]
fn a_file_of_garbage_is_reported_in_part_and_at_once() {
    let keys: String = (0..60_000).map(|it| format!("key{it} = 1\n")).collect();
    let rules = "[[access.rule]]\npath = \"/**\"\nallow = \"anyone\"\n".repeat(20_000);
    for text in [
        format!("[server]\n{keys}"),
        rules.clone(),
        format!("x = {}", "[".repeat(100_000)),
        format!("x = [{}]", "{ a = 1 },".repeat(50_000)),
    ] {
        let outcome = read("entrada.toml", &text, &[]);
        assert!(outcome.config.is_none() && outcome.problems.len() <= 100);
    }
    assert!(
        read("entrada.toml", &rules, &[])
            .problems
            .iter()
            .any(|it| it.what == "20000 entries are too many; the maximum is 1000")
    );
}
