use super::*;
use crate::base::secret::Secret;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::DeValue;

const EXAMPLE: &str = include_str!("../../config.example.toml");
const SECRET: &str = "8Qx~uN7mGd2Jz4kPw9Rt5Yb1Vc6Hs3Lf";

/// As small as a file can be.
const SMALL: &str = r#"
[server]
public_url = "https://app.example.com"
[upstream]
url = "http://127.0.0.1:3000"
[entra]
tenant = "contoso.com"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "CLIENT" }
"#;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect()
}

fn told(text: &str, pairs: &[(&str, &str)]) -> String {
    problem::print(&read("entrada.toml", text, &environment(pairs)), "entrada.toml")
}

/// What is told of the small file with further lines.
fn told_of(more: &str) -> String {
    told(&format!("{SMALL}{more}"), &[("CLIENT", SECRET)])
}

fn meant(text: &str, pairs: &[(&str, &str)]) -> Config {
    let outcome = read("entrada.toml", text, &environment(pairs));
    assert_eq!(problem::print(&outcome, "entrada.toml"), "");
    outcome.config.unwrap()
}

fn assert_told(text: &str, expected: &str) {
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

#[test]
fn a_file_with_many_mistakes_is_told_all_of_them_at_once() {
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
store = "redis"
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
    assert_told(
        &told(text, &[("CLIENT", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e"), ("SHORT", "tooshort")]),
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
                              hint: behind a TLS proxy, still write the address that people see; http is for localhost only
  server.admin_listen         "127.0.0.1:4180" is where people's requests arrive
                              at entrada.toml:6:16
                              hint: health and figures need an address of their own, like "127.0.0.1:4181"
  server.shutdown_grace       expected a length of time, found integer
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
                              hint: copy the Value, not the Secret ID; it is shown only once, so make a new secret if it is gone
  session.store               "redis" is not understood
                              at entrada.toml:22:9
                              hint: write "memory"
  session.secrets             a secret has fewer than 32 bytes
                              at entrada.toml:23:12
                              hint: entrada secret prints a good one
  session.secrets             the secret's file "/nowhere/secret" cannot be read: No such file or directory (os error 2)
                              at entrada.toml:23:31
  session.idle                is longer than lifetime, so it would never end a session
                              at entrada.toml:24:8
                              hint: choose an idle time of at most lifetime
  access.rule.path            can never match: "/admin/**" at line 26 matches first
                              at entrada.toml:31:8
                              hint: the first rule that matches decides; put the narrower one first
  access.rule.methods         "get" is not a method
                              at entrada.toml:36:12
                              hint: methods are in capitals: "GET"
  access.rule.allow           names nobody
                              at entrada.toml:37:9
                              hint: write at least one value for each key; or "signed-in", or "nobody"
  access.rule.allow.tenants   "contoso" is neither a tenant ID nor a domain
                              at entrada.toml:37:34
                              hint: write the Directory (tenant) ID, or a domain like contoso.com
  bearer                      is not a known section
                              at entrada.toml:39:2
                              hint: known here: access, entra, headers, pages, server, session, telemetry, upstream
"#,
    );
}

#[test]
fn warnings_are_told_and_are_no_obstacle() {
    let text = format!(
        r#"{SMALL}
[session]
secrets = "{SECRET}"
[[access.rule]]
path = "/staff/**"
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
    assert_told(
        &told(&text, &pairs),
        r#"
warning: 7 things to look at in entrada.toml
  entra.client_secret       AZURE_FEDERATED_TOKEN_FILE is set, but a federated token cannot be used yet; the client secret is used
                            at entrada.toml:9:17
  session.secrets           a secret stands in the file itself
                            at entrada.toml:12:11
                            hint: write { file = "/run/secrets/name" } or { env = "NAME" }, so that the file can be shown to others
  access.rule.allow.groups  "Staff" is a group's name; Entra sends object IDs
                            at entrada.toml:15:21
                            hint: copy the group's Object ID from Entra, unless its token is set to carry names
  environment               no key has this variable
                            in ENTRADA_PORT_443_TCP
  server.admin_listen       health and figures are open to whoever can reach this machine
                            in ENTRADA_SERVER_ADMIN_LISTEN
                            hint: keep the port from the public, or write "127.0.0.1:4181"
  server.trusted_proxies    everybody may say who a client is and which host was asked
                            in ENTRADA_SERVER_TRUSTED_PROXIES
                            hint: name only the networks your proxies are in, like "10.0.0.0/8"
  environment               no key has this variable
                            in ENTRADA_SESION_IDLE
                            hint: did you mean ENTRADA_SESSION_IDLE?
"#,
    );
}

#[test]
fn a_file_that_is_no_toml_is_one_problem_without_the_line_that_may_hold_a_secret() {
    let text = format!("[entra]\ntenant = \"contoso.com\"\nclient_secret = {SECRET}\"\n");
    assert_told(
        &told(&text, &[]),
        r#"
error: 1 problem in entrada.toml
  TOML  missing opening quote, expected `"`
        at entrada.toml:3:17
"#,
    );
}

#[test]
fn the_environment_alone_is_enough() {
    let mut pairs = vec![
        ("AZURE_TENANT_ID", "aaaabbbb-0000-cccc-1111-dddd2222eeee"),
        ("AZURE_CLIENT_ID", "11112222-bbbb-3333-cccc-4444dddd5555"),
        ("AZURE_CLIENT_SECRET", SECRET),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"),
        ("ENTRADA_UPSTREAM_URL", "http://app:8080"),
        ("ENTRADA_SERVER_PUBLIC_URL", "https://app.example.com"),
    ];
    let outcome = finish(None, None, &environment(&pairs));
    assert_eq!(problem::print(&outcome, "entrada.toml"), "");
    let config = outcome.config.unwrap();
    assert_eq!(config.entra.authority, "https://login.microsoftonline.us");
    assert_eq!(config.server.site.redirect_uri(), "https://app.example.com/oauth2/callback");
    assert_eq!(config.headers.assertion.audience, "https://app.example.com");

    pairs.truncate(1);
    pairs.push(("ENTRADA_SESSION_IDLE", "soon"));
    pairs.push(("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"));
    let outcome = finish(None, None, &environment(&pairs));
    assert_told(
        &problem::print(&outcome, "entrada.toml"),
        r#"
error: 5 problems in the environment
  entra.client_id      is missing
                       hint: set client_id in [entra], or by ENTRADA_ENTRA_CLIENT_ID or AZURE_CLIENT_ID
  entra.client_secret  AZURE_FEDERATED_TOKEN_FILE is set, but a federated token cannot be used yet
                       hint: set client_secret in [entra], or by ENTRADA_ENTRA_CLIENT_SECRET
  server.public_url    is missing
                       hint: set public_url in [server], or by ENTRADA_SERVER_PUBLIC_URL
  upstream.url         is missing
                       hint: set url in [upstream], or by ENTRADA_UPSTREAM_URL
  session.idle         "soon" is not a length of time
                       in ENTRADA_SESSION_IDLE
                       hint: write a whole number and a unit: "500ms", "30s", "5m", "12h", "1d"
"#,
    );
}

#[test]
fn our_variables_count_before_the_file_and_the_file_before_those_that_platforms_inject() {
    let pairs = [
        ("CLIENT", SECRET),
        ("AZURE_TENANT_ID", "fabrikam.com"),
        ("AZURE_CLIENT_SECRET", "0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e"),
        ("ENTRADA_UPSTREAM_URL", "unix:/run/app.sock"),
        ("ENTRADA_SERVER_LISTEN", "127.0.0.1:1, [::1]:1"),
        ("ENTRADA_SERVER_LIMITS_IDLE_TIMEOUT", "20s"),
        ("ENTRADA_SERVER_LIMITS_STREAMS", "7"),
        ("ENTRADA_ENTRA_GUESTS", "false"),
        ("ENTRADA_SESSION_IDLE", ""),
        ("ENTRADA_SESSION_SECRETS", "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210"),
    ];
    let config = meant(SMALL, &pairs);
    assert_eq!(config.entra.tenant, entra::Tenant::Domain("contoso.com".into()));
    assert_eq!(config.upstream.destination, upstream::Destination::Unix("/run/app.sock".into()));
    assert_eq!(config.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:1", "[::1]:1"]);
    assert_eq!((config.server.limits.idle_timeout, config.server.limits.streams), (Duration::from_secs(20), 7));
    assert!(!config.entra.guests);
    assert_eq!(config.session.idle, Duration::from_secs(3600));
    assert_eq!(config.session.secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]);
}

#[test]
fn what_does_not_fit_together_is_told() {
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
    assert_told(
        &told_of(more),
        r#"
error: 6 problems in entrada.toml
  entra.redirect_path  "/v1/callback" would be taken from the app behind the route "/v1/**"
                       at entrada.toml:11:17
                       hint: choose a path that no route covers, like /oauth2/callback
  upstream.route.url   is where Entrada itself listens
                       at entrada.toml:14:7
                       hint: write the app's own address, and give it another port than [server] listen and admin_listen
  upstream.route.path  "/oauth2/app" is answered by Entrada itself
                       at entrada.toml:16:8
                       hint: choose another [server] prefix, or another path for the app
  upstream.route.path  another route has this path already
                       at entrada.toml:19:8
  upstream.route.path  "/v2/**" cannot be a route's path
                       at entrada.toml:22:8
                       hint: write "/v2"; what is below it is meant too
  upstream.route.url   has a user or a password
                       at entrada.toml:23:7
                       hint: only scheme, host and port belong here
"#,
    );
    assert_told(
        &told_of("redirect_path = \"/oauth2/auth/nginx\"\n"),
        r#"
error: 1 problem in entrada.toml
  entra.redirect_path  "/oauth2/auth/nginx" is another page of ours
                       at entrada.toml:10:17
                       hint: choose a free path, like /oauth2/callback
"#,
    );
}

#[test]
fn headers_have_one_meaning_each() {
    let more = r#"
[headers]
send = ["x-forwarded", "easy-auth"]
custom = { "X-Forwarded-User" = "oid", "X_Entrada_Assertion" = "a", "Cookie" = "b", "a b" = "c", "X-Id" = 7, "X-One" = "d", "X_One" = "e" }
[headers.assertion]
name = "Authorization"
lifetime = "2h"
"#;
    assert_told(
        &told_of(more),
        r#"
error: 9 problems in entrada.toml
  headers.send                        "easy-auth" is not understood
                                      at entrada.toml:12:24
                                      hint: write "x-forwarded" or "x-auth-request"
  headers.custom.X-Forwarded-User     "X-Forwarded-User" has a meaning of its own
                                      at entrada.toml:13:12
                                      hint: choose another name, like X-Employee-Id
  headers.custom.X_Entrada_Assertion  "X_Entrada_Assertion" has a meaning of its own
                                      at entrada.toml:13:40
                                      hint: choose another name, like X-Employee-Id
  headers.custom.Cookie               "Cookie" has a meaning of its own
                                      at entrada.toml:13:69
                                      hint: choose another name, like X-Employee-Id
  headers.custom."a b"                "a b" is not a header's name
                                      at entrada.toml:13:85
                                      hint: write letters, digits and hyphens, like X-Employee-Id
  headers.custom.X-Id                 a header carries a claim, by the claim's name
                                      at entrada.toml:13:98
                                      hint: write { "X-Employee-Id" = "employeeid" }
  headers.custom.X_One                this header is written by something else already
                                      at entrada.toml:13:125
                                      hint: give each header one meaning; "_" counts as "-"
  headers.assertion.name              "Authorization" has a meaning of its own
                                      at entrada.toml:15:8
                                      hint: choose another name, like X-Employee-Id
  headers.assertion.lifetime          "2h" is out of range
                                      at entrada.toml:16:12
                                      hint: choose from "1m" to "1h"
"#,
    );
}

#[test]
fn a_secret_is_never_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\r\n")).unwrap();
    let line = |secret: &str| SMALL.replace("{ env = \"CLIENT\" }", secret);
    let config = meant(&line(&format!("{{ file = {file:?} }}")), &[]);
    let entra::Credential::Secret(secret) = &config.entra.credential;
    assert_eq!(secret.expose(), SECRET);
    assert!(!format!("{config:?}").contains(SECRET));

    std::fs::write(&file, "\n").unwrap();
    for (wrong, what) in [
        (format!("{{ file = {file:?} }}"), "is empty"),
        (format!("{{ file = {:?} }}", directory.path()), "it is not a file"),
        ("{ file = \"/dev/zero\" }".to_owned(), "it is not a file"),
        ("{ env = \"NOT_SET\" }".to_owned(), "the variable NOT_SET is not set, or is empty"),
        (format!("{{ env = \"{SECRET}\" }}"), "env is not the name of a variable"),
        (format!("{{ env = \"A\", file = \"{SECRET}\" }}"), "is not how a secret is written"),
        (format!("{{ value = \"{SECRET}\" }}"), "is not how a secret is written"),
        (format!("[\"{SECRET}\"]"), "expected a secret, found array"),
        ("\"\"".to_owned(), "is empty"),
        (format!("\"{SECRET}\"\nclient_id = \"{SECRET}\""), "duplicate key"),
    ] {
        let told = told(&line(&wrong), &[]);
        assert!(told.starts_with("error: 1 problem") && told.contains(what) && !told.contains(SECRET), "{told}");
    }
    let told = told(&SMALL.replace("11112222-bbbb-3333-cccc-4444dddd5555", SECRET), &[("CLIENT", SECRET)]);
    assert!(told.starts_with("error: 1 problem") && !told.contains(SECRET), "{told}");
}

/// Values one by one: what is written after the small file, and the first words of what is told.
#[test]
fn values_that_are_refused() {
    for (section, line, what) in [
        ("server", "prefix = \"/\"", "\"/\" cannot be our prefix"),
        ("server", "prefix = \"oauth2\"", "\"oauth2\" cannot be our prefix"),
        ("server", "prefix = \"/a/../b\"", "\"/a/../b\" cannot be our prefix"),
        ("server", "hosts = [\"https://a.example\"]", "\"https://a.example\" is not a host name"),
        ("server", "return_hosts = [\"*.example.com\"]", "hint: write \".example.com\" for all names below it"),
        ("server", "trusted_proxies = [\"10.0.0.0/33\"]", "\"10.0.0.0/33\" is not a network"),
        ("server", "listen = [\"127.0.0.1:1\", \"0.0.0.0:1\"]", "\"0.0.0.0:1\" is listened on already"),
        ("server", "listen = \"localhost:80\"", "hint: write \"127.0.0.1:80\""),
        ("server", "listen = \"unix:run/x\"", "\"run/x\" is not a socket's path"),
        ("server", "tls = { certificate = \"/etc/hostname\" }", "is missing beside the certificate"),
        ("server", "tls = { certificate = \"/nowhere\", key = \"/etc/hostname\" }", "\"/nowhere\" cannot be read"),
        ("server", "limits = 3", "expected a table, found integer"),
        ("server", "limits = { streams = 0 }", "is out of range"),
        ("server", "limits = { streams = -1 }", "is out of range"),
        ("server", "limits = { streams = \"9\" }", "expected a whole number, found string"),
        ("upstream", "host = \"upstrem\"", "did you mean \"upstream\"?"),
        ("upstream", "route = [3]", "expected a table, found integer"),
        ("upstream", "route = 3", "expected [[upstream.route]], found integer"),
        ("upstream", "route = [{ path = \"/\", url = \"http://a\" }]", "everything else goes to [upstream] url"),
        ("upstream", "route = [{ path = \"/a/{b}\", url = \"http://a\" }]", "\"/a/{b}\" cannot be a route's path"),
        ("upstream", "route = [{ path = \"/a\" }]", "set url in [[upstream.route]]"),
        ("entra", "cloud = \"moon\"", "\"moon\" is not understood"),
        ("entra", "cloud = \"china\"\nauthority = \"https://login.microsoftonline.us\"", "is not where this cloud signs people in"),
        ("entra", "authority = \"http://login.example.com\"", "is http"),
        ("entra", "authority = \"https://login.microsoftonline.com/contoso\"", "has a path or a query"),
        ("entra", "scopes = [\"a b\"]", "\"a b\" is not a scope"),
        ("entra", "graph = \"http://graph.microsoft.com\"", "is http"),
        ("entra", "graph = \"https://graph.microsoft.com/v1.0\"", "has a path or a query"),
        ("entra", "guests = 1", "expected true or false, found integer"),
        ("entra", "ca_file = \"/nowhere\"", "\"/nowhere\" cannot be read"),
        ("entra", "certificate = { file = \"x\" }", "entra.certificate  is not a known section"),
        ("session", "capacity = 10_000_001", "choose a whole number from 1 to 10000000"),
        ("pages", "templates = \"/nowhere\"", "\"/nowhere\" is not a directory"),
        ("telemetry", "level = \"trace\"", "\"trace\" is not understood"),
        ("access", "rule = [{ path = \"/x\" }]", "access.rule.allow  is missing"),
        ("access", "rule = [{ path = \"/x*\", allow = \"anyone\" }]", "\"*\" is understood only as"),
        ("access", "rule = [{ path = \"/x\", allow = \"signedin\" }]", "did you mean \"signed-in\"?"),
        ("access", "rule = [{ path = \"/x\", allow = {} }]", "names nobody"),
        ("access", "rule = [{ path = \"/x\", allow = [] }]", "expected a word, a table or a list of tables"),
        ("access", "rule = [{ path = \"/x\", allow = { role = [\"a\"] } }]", "did you mean access.rule.allow.roles?"),
        ("access", "rule = [{ path = \"/x\", allow = { users = [\"maya\"] } }]", "\"maya\" is not a user"),
        ("access", "rule = [{ path = \"/x\", allow = \"anyone\", signed_out = \"redirect\" }]", "\"redirect\" is not understood"),
        ("access", "public_url = \"https://x\"", "public_url belongs under [server]"),
    ] {
        let header = format!("[{section}]\n");
        let text = if SMALL.contains(&header) { SMALL.replace(&header, &format!("{header}{line}\n")) } else { format!("{SMALL}{header}{line}\n") };
        let told = told(&text, &[("CLIENT", SECRET)]);
        assert!(told.starts_with("error: ") && told.contains(what), "{section}: {line}\n{told}");
    }
}

fn of_many(tenant: &str, allowed: &str, more: &str) -> String {
    let text = SMALL.replace("tenant = \"contoso.com\"", &format!("tenant = \"{tenant}\"\nallowed_tenants = {allowed}"));
    told(&format!("{text}{more}"), &[("CLIENT", SECRET)])
}

#[test]
fn many_tenants_need_a_list_and_one_needs_none() {
    for tenant in ["organizations", "Common"] {
        let told = of_many(tenant, "[]", "");
        assert!(told.contains("is missing: whoever owns any tenant could sign in"), "{told}");
    }
    let id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    for allowed in [format!("[\"{id}\", \"Fabrikam.com\"]"), "\"*\"".to_owned()] {
        assert_eq!(of_many("organizations", &allowed, ""), "");
    }
    for (tenant, allowed, what) in [
        ("contoso.com", "[\"fabrikam.com\"]", "means nothing where tenant names one"),
        (id, "[\"*\"]", "means nothing where tenant names one"),
        ("organizations", "[\"consumers\"]", "names personal accounts, which \"organizations\" leaves out"),
        ("common", "[\"*\"]", "warning: 1 thing"),
        ("organizations", "[\"fabrikam\"]", "\"fabrikam\" is neither a tenant ID nor a domain"),
    ] {
        let told = of_many(tenant, allowed, "");
        assert!(told.contains(what), "{tenant} {allowed}: {told}");
    }
    assert_eq!(of_many("common", "[\"*\", \"consumers\"]", ""), "");
    let outcome = read("f", &SMALL.replace("contoso.com", "consumers"), &environment(&[("CLIENT", SECRET)]));
    assert_eq!(outcome.config.unwrap().entra.tenant, entra::Tenant::Id(crate::base::guid::Guid::PERSONAL));
}

#[test]
fn with_several_tenants_a_rule_says_whose() {
    let rule = |allow: &str| format!("[[access.rule]]\npath = \"/x\"\nallow = {allow}\n");
    let many = |allow: &str| of_many("organizations", "\"*\"", &rule(allow));
    let oid = "00aa00aa-bb11-cc22-dd33-44ee44ee44ee";
    for allow in ["{ roles = [\"Admin\"] }".to_owned(), format!("{{ groups = [\"{oid}\"] }}"), format!("{{ users = [\"{oid}\"] }}")] {
        let told = many(&allow);
        assert!(told.contains("does not say whose") && told.contains("add tenants = [...]"), "{told}");
        assert_eq!(many(&allow.replace(" }", ", tenants = [\"contoso.com\"] }")), "");
        assert_eq!(told_of(&rule(&allow)), "");
    }
    let told = many("{ users = [\"maya@contoso.com\"], tenants = [\"contoso.com\"] }");
    assert!(told.contains("may be anybody"), "{told}");
    assert_eq!(many("{ tenants = [\"contoso.com\"] }"), "");
    assert_eq!(many("\"signed-in\""), "");
}

#[test]
fn each_cloud_has_its_authority_and_its_graph() {
    for (line, authority, graph) in [
        ("cloud = \"public\"", "https://login.microsoftonline.com", "graph.microsoft.com"),
        ("cloud = \"usgov\"", "https://login.microsoftonline.us", "graph.microsoft.us"),
        ("cloud = \"usgov-dod\"", "https://login.microsoftonline.us", "dod-graph.microsoft.us"),
        ("cloud = \"china\"", "https://login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
        ("authority = \"https://login.microsoftonline.us\"", "https://login.microsoftonline.us", "graph.microsoft.us"),
        ("authority = \"https://contoso.ciamlogin.com\"", "https://contoso.ciamlogin.com", "graph.microsoft.com"),
    ] {
        let text = SMALL.replace("[entra]\n", &format!("[entra]\n{line}\n"));
        let config = read("f", &text, &environment(&[("CLIENT", SECRET)])).config.unwrap();
        assert_eq!((config.entra.authority.as_str(), config.entra.cloud.graph, config.entra.graph), (authority, graph, None), "{line}");
    }
}

#[test]
fn a_rule_is_covered_only_where_every_method_is() {
    let rules = |rules: &[(&str, &str)]| {
        let rule = |it: &(&str, &str)| format!("[[access.rule]]\npath = \"{}\"\nmethods = {}\nallow = \"anyone\"\n", it.0, it.1);
        told_of(&rules.iter().map(rule).collect::<String>())
    };
    for covered in [
        [("/**", "[]"), ("/a", "[]"), ("/b", "[]")].as_slice(),
        &[("/**", "[\"GET\"]"), ("/a", "[\"HEAD\"]")],
        &[("/a/**", "[\"GET\"]"), ("/**", "[\"POST\"]"), ("/a", "[\"GET\", \"POST\"]")],
        &[("/a", "[\"GET\"]"), ("/a", "[\"GET\"]")],
    ] {
        assert!(rules(covered).contains("can never match"), "{covered:?}");
    }
    for free in [
        [("/a", "[]"), ("/**", "[]")].as_slice(),
        &[("/**", "[\"GET\"]"), ("/a", "[]")],
        &[("/**", "[\"GET\"]"), ("/a", "[\"GET\", \"POST\"]")],
        &[("/a", "[\"HEAD\"]"), ("/a", "[\"GET\"]")],
    ] {
        assert_eq!(rules(free), "", "{free:?}");
    }
    // A method that cannot be read must not turn into "all methods", which would cover what follows.
    assert!(!rules(&[("/**", "[\"get\"]"), ("/a", "[]")]).contains("can never match"));
}

#[test]
fn what_is_written_is_what_is_meant() {
    let more = r#"
authority = "http://127.0.0.1:9000/"
[[upstream.route]]
path = "/a"
url = "http://[::1]:81"
[[upstream.route]]
path = "/a/long"
url = "h2c://Api.example"
[[access.rule]]
path = "/x"
allow = [{ roles = "Admin" }, { users = ["maya@contoso.com"], tenants = ["aaaabbbb-0000-cccc-1111-dddd2222eeee"] }]
signed_out = "401"
[headers]
send = []
custom = { "X-Employee-Id" = "employeeid" }
"#;
    let text = format!("{SMALL}{more}").replace("[server]\n", "[server]\ntrusted_proxies = [\"10.1.2.3\", \"fd00::/8\", \"unix\"]\nlisten = \"systemd\"\n");
    let config = meant(&text, &[("CLIENT", SECRET)]);
    assert_eq!(config.server.listen, [server::Listen::Systemd]);
    let networks = ["10.1.2.3/32", "fd00::/8"].map(|it| it.parse().unwrap());
    assert_eq!(config.server.trusted_proxies, server::Trust { networks: networks.to_vec(), unix: true });
    assert_eq!(config.entra.authority, "http://127.0.0.1:9000");
    let routes: Vec<_> = config.upstream.routes.iter().map(|it| (it.path.to_string(), it.destination.clone())).collect();
    let h2c = upstream::Destination::H2c { host: "api.example".into(), port: 80 };
    assert_eq!(routes, [("/a/long/**".into(), h2c), ("/a/**".into(), upstream::Destination::Http { host: "::1".into(), port: 81 })]);
    let rule = config.access.rules.first().unwrap();
    let line = text.lines().position(|it| it == "[[access.rule]]").unwrap() + 1;
    assert_eq!((rule.line, rule.signed_out), (line, access::SignedOut::Unauthorized));
    assert!(matches!(&rule.allow, access::Allow::Tables(tables) if tables.len() == 2));
    assert!(config.headers.send.is_empty());
    assert_eq!(config.headers.custom.first().unwrap().0, "x-employee-id");
}

#[test]
fn a_named_file_must_be_there_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("e.toml");
    let told = |file: &Path| load(Some(file), &[]).problems.first().unwrap().what.clone();
    assert!(told(&file).contains("e.toml cannot be read: No such file"));
    std::fs::write(&file, b"\xff").unwrap();
    assert!(told(&file).contains("it is not UTF-8"));
    std::fs::write(&file, "#".repeat(MOST_BYTES + 1)).unwrap();
    assert!(told(&file).contains("is longer than 1048576 bytes"));
    std::fs::write(&file, SMALL).unwrap();
    assert!(load(Some(&file), &environment(&[("CLIENT", SECRET)])).config.is_some());
}

#[test]
fn a_file_of_rubbish_is_told_in_part_and_at_once() {
    let keys: String = (0..60_000).map(|it| format!("key{it} = 1\n")).collect();
    let rules = "[[access.rule]]\npath = \"/**\"\nallow = \"anyone\"\n".repeat(20_000);
    for text in [format!("[server]\n{keys}"), rules.clone(), format!("x = {}", "[".repeat(100_000)), format!("x = [{}]", "{ a = 1 },".repeat(50_000))] {
        let outcome = read("entrada.toml", &text, &[]);
        assert!(outcome.config.is_none() && outcome.problems.len() <= 100);
    }
    assert!(read("entrada.toml", &rules, &[]).problems.iter().any(|it| it.what == "20000 are too many; 1000 is the most"));
}

#[test]
fn every_key_is_known_by_one_variable() {
    let keys = keys();
    let variables: BTreeSet<_> = keys.iter().filter_map(|it| it.variable.as_deref()).collect();
    assert_eq!(variables.len(), keys.iter().filter(|it| it.variable.is_some()).count());
    for name in ["ENTRADA_SERVER_LIMITS_IDLE_TIMEOUT", "ENTRADA_HEADERS_ASSERTION_NAME", "ENTRADA_SERVER_TLS_KEY", "ENTRADA_ENTRA_CLIENT_SECRET"] {
        assert!(variables.contains(name), "{name}");
    }
    let from_file: Vec<_> = keys.iter().filter(|it| it.variable.is_none()).map(|it| it.name.as_str()).collect();
    assert_eq!(
        from_file,
        [
            "access.rule.allow",
            "access.rule.allow.groups",
            "access.rule.allow.roles",
            "access.rule.allow.tenants",
            "access.rule.allow.users",
            "access.rule.methods",
            "access.rule.path",
            "access.rule.signed_out",
            "headers.custom",
            "upstream.route.path",
            "upstream.route.url",
        ]
    );
}

/// Every key of a table and what is written for it, tables in arrays and behind keys too.
fn walk(table: &DeTable<'_>, section: &str, text: &str, out: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = written::join(section, key.get_ref());
        out.insert(name.clone(), text[value.span()].to_owned());
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, &name, text, out),
            DeValue::Array(values) => values.iter().filter_map(|it| it.get_ref().as_table()).for_each(|it| walk(it, &name, text, out)),
            _ => {}
        }
    }
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let pairs = [("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)];
    meant(EXAMPLE, &pairs);

    let mut active = BTreeMap::new();
    walk(DeTable::parse(EXAMPLE).unwrap().get_ref(), "", EXAMPLE, &mut active);
    let is_toml = |it: &&str| it.starts_with("# [") || it.strip_prefix("# ").is_some_and(|it| it.split_once(" = ").is_some_and(|it| !it.0.contains(' ')));
    let whole: String = EXAMPLE.lines().map(|it| if is_toml(&it) { it.trim_start_matches("# ") } else { it }).map(|it| format!("{it}\n")).collect();
    let mut shown = BTreeMap::new();
    walk(DeTable::parse(&whole).unwrap().get_ref(), "", &whole, &mut shown);
    // What is commented out is as good as the rest, where its files are there.
    let rest = whole.lines().filter(|it| !it.contains("/etc/entrada/")).map(|it| format!("{it}\n")).collect::<String>();
    meant(&rest, &pairs);

    let is_table = |name: &str| shown.keys().any(|it| it.strip_prefix(name).is_some_and(|it| it.starts_with('.')));
    let leaves: BTreeSet<_> = shown.keys().filter(|it| !it.ends_with(".env") && !it.starts_with("headers.custom.")).cloned().collect();
    let known: BTreeSet<_> = keys().into_iter().map(|it| it.name).collect();
    assert_eq!(leaves.difference(&known).filter(|it| !is_table(it)).collect::<Vec<_>>(), Vec::<&String>::new());
    for key in keys() {
        let text = shown.get(&key.name).unwrap_or_else(|| panic!("config.example.toml does not show {}", key.name));
        match &key.default {
            Some(default) if key.variable.is_some() => {
                let mut active = active.get(&key.name).unwrap_or_else(|| panic!("{} has a default, so it is not commented out", key.name)).clone();
                if default.starts_with('[') && !active.starts_with('[') {
                    active = format!("[{active}]");
                }
                assert_eq!(&active, default, "{}", key.name);
            }
            _ => assert!(!text.is_empty()),
        }
    }
}

#[test]
fn defaults_are_those_of_the_code() {
    let (small, example) = (meant(SMALL, &[("CLIENT", SECRET)]), meant(EXAMPLE, &[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]));
    assert_eq!(small.server.limits, server::Limits::default());
    assert_eq!(small.server.limits, example.server.limits);
    assert_eq!(small.server.listen, example.server.listen);
    assert_eq!(small.server.site, example.server.site);
    assert_eq!(small.telemetry, example.telemetry);
    assert_eq!(
        (small.session.idle, small.session.lifetime, small.session.capacity),
        (example.session.idle, example.session.lifetime, example.session.capacity)
    );
    assert_eq!(format!("{:?}", small.headers), format!("{:?}", example.headers));
    assert_eq!(format!("{:?}", small.access), format!("{:?}", example.access));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), value in any::<String>()) {
        let environment = environment(&[("ENTRADA_SERVER_LISTEN", &value), ("ENTRADA_SERVER_PUBLIC_URL", &value), ("ENTRADA_UPSTREAM_URL", &value)]);
        let outcome = read("x", &text, &environment);
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
        problem::print(&outcome, "x");
    }

    #[test]
    fn any_change_of_the_example_is_read_or_refused(at in 0..EXAMPLE.len(), length in 0..40_usize, put in "[\\[\\]{}\"=,.a-zä0-9/ \n#-]{0,12}") {
        let end = (at + length).min(EXAMPLE.len());
        prop_assume!(EXAMPLE.is_char_boundary(at) && EXAMPLE.is_char_boundary(end));
        let text = format!("{}{put}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        let outcome = read("x", &text, &environment(&[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]));
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
        prop_assert!(!problem::print(&outcome, "x").contains(SECRET));
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(value in any::<String>(), which in any::<prop::sample::Index>()) {
        let keys = keys();
        let Some(variable) = keys.get(which.index(keys.len())).and_then(|it| it.variable.clone()) else { return Ok(()) };
        let mut environment = environment(&[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]);
        environment.push((variable, value));
        let outcome = read("x", EXAMPLE, &environment);
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
    }
}
