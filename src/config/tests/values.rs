//! Rejected values, and the meaning of accepted ones.

use super::*;

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
    assert_report(
        &report_of(more),
        r#"
error: 9 problems in entrada.toml
  headers.send                        "easy-auth" is not a valid value
                                      at entrada.toml:12:24
                                      hint: write "x-forwarded" or "x-auth-request"
  headers.custom.X-Forwarded-User     "X-Forwarded-User" is reserved
                                      at entrada.toml:13:12
                                      hint: choose another name, like X-Employee-Id
  headers.custom.X_Entrada_Assertion  "X_Entrada_Assertion" is reserved
                                      at entrada.toml:13:40
                                      hint: choose another name, like X-Employee-Id
  headers.custom.Cookie               "Cookie" is reserved
                                      at entrada.toml:13:69
                                      hint: choose another name, like X-Employee-Id
  headers.custom."a b"                "a b" is not a header name
                                      at entrada.toml:13:85
                                      hint: write letters, digits and hyphens, like X-Employee-Id
  headers.custom.X-Id                 expected the name of a claim
                                      at entrada.toml:13:98
                                      hint: write { "X-Employee-Id" = "employeeid" }
  headers.custom.X_One                this header already has another meaning
                                      at entrada.toml:13:125
                                      hint: use each header name once; "_" counts as "-"
  headers.assertion.name              "Authorization" is reserved
                                      at entrada.toml:15:8
                                      hint: choose another name, like X-Employee-Id
  headers.assertion.lifetime          "2h" is out of range
                                      at entrada.toml:16:12
                                      hint: choose from "1m" to "1h"
"#,
    );
}

/// One value at a time: the lines after the small file, and the start of the message.
#[test]
fn values_that_are_refused() {
    for (section, line, what) in [
        ("server", "prefix = \"/\"", "\"/\" is not a valid prefix"),
        ("server", "prefix = \"oauth2\"", "\"oauth2\" is not a valid prefix"),
        ("server", "prefix = \"/a/../b\"", "\"/a/../b\" is not a valid prefix"),
        ("server", "hosts = [\"https://a.example\"]", "\"https://a.example\" is not a host name"),
        (
            "server",
            "return_hosts = [\"*.example.com\"]",
            "hint: write \".example.com\" for all names below it",
        ),
        ("server", "trusted_proxies = [\"10.0.0.0/33\"]", "\"10.0.0.0/33\" is not a network"),
        ("server", "proxy_protocol = [\"load-balancer\"]", "\"load-balancer\" is not a network"),
        (
            "server",
            "trusted_headers = [\"X-Real-IP\"]",
            "\"X-Real-IP\" is not one of these headers",
        ),
        ("access", "origins = [\"https://App.example.com/\"]", "is not an origin"),
        ("access", "origins = [\"null\"]", "\"null\" is not an origin"),
        ("access", "origins = [\"https://app.example.com:443\"]", "is not an origin"),
        ("server", "listen = [\"127.0.0.1:1\", \"0.0.0.0:1\"]", "\"0.0.0.0:1\" is listed twice"),
        ("server", "listen = \"localhost:80\"", "hint: write \"127.0.0.1:80\""),
        ("server", "listen = \"unix:run/x\"", "\"run/x\" is not the path of a socket"),
        (
            "server",
            "tls = { certificate = \"/etc/hostname\" }",
            "is missing, but the certificate is set",
        ),
        (
            "server",
            "tls = { certificate = \"/nowhere\", key = \"/etc/hostname\" }",
            "\"/nowhere\" cannot be read",
        ),
        ("server", "limits = 3", "expected a table, found integer"),
        ("server", "limits = { streams = 0 }", "is out of range"),
        ("server", "limits = { streams = -1 }", "is out of range"),
        ("server", "limits = { streams = \"9\" }", "expected a whole number, found string"),
        ("upstream", "host = \"upstrem\"", "did you mean \"upstream\"?"),
        ("upstream", "route = [3]", "expected a table, found integer"),
        ("upstream", "route = 3", "expected [[upstream.route]], found integer"),
        (
            "upstream",
            "route = [{ path = \"/\", url = \"http://a\" }]",
            "remove the route: everything else goes to [upstream] url",
        ),
        (
            "upstream",
            "route = [{ path = \"/a/{b}\", url = \"http://a\" }]",
            "\"/a/{b}\" is not a valid route path",
        ),
        ("upstream", "route = [{ path = \"/a\" }]", "set url in [[upstream.route]]"),
        ("entra", "cloud = \"moon\"", "\"moon\" is not a valid value"),
        (
            "entra",
            "cloud = \"china\"\nauthority = \"https://login.microsoftonline.us\"",
            "is not the sign-in address of this cloud",
        ),
        ("entra", "authority = \"http://login.example.com\"", "is http"),
        (
            "entra",
            "authority = \"https://login.microsoftonline.com/contoso\"",
            "contains a path or a query",
        ),
        ("entra", "scopes = [\"a b\"]", "\"a b\" is not a scope"),
        (
            "entra",
            "scopes = [\"User.Read\", \"api://app/access\"]",
            "names scopes of two services, Microsoft Graph and api://app; Entra issues a token for one (AADSTS28000)",
        ),
        (
            "entra",
            "scopes = [\"api://one/a\", \"api://two/a\"]",
            "two services, api://one and api://two",
        ),
        (
            "entra",
            "scopes = [\"https://graph.microsoft.com/User.Read\", \"11112222-bbbb-3333-cccc-4444dddd5555/.default\"]",
            "(AADSTS28000)",
        ),
        ("entra", "scopes = [\"api://one/.default\", \"api://one/a\"]", "(AADSTS70011)"),
        ("entra", "scopes = [\"groups\"]", "\"groups\" is not a scope but a claim (AADSTS650053)"),
        ("entra", "graph = \"http://graph.microsoft.com\"", "is http"),
        ("entra", "graph = \"https://graph.microsoft.com/v1.0\"", "contains a path or a query"),
        ("entra", "guests = 1", "expected true or false, found integer"),
        ("entra", "ca_file = \"/nowhere\"", "\"/nowhere\" cannot be read"),
        ("entra", "certificate = { file = \"x\" }", "entra.certificate.file  is not a known key"),
        ("session", "capacity = 10_000_001", "choose a whole number from 1 to 10000000"),
        ("directory", "database = \"sqlite::memory:\"", "is not a file name"),
        ("directory", "database = \"postgres://host\"", "names no database"),
        ("directory", "roles = []", "write at least one role"),
        ("directory", "roles = [\"a b\"]", "\"a b\" is not a role"),
        ("directory", "roles = [\"one\"]", "\"worker\" is not one of [directory] roles"),
        ("directory", "first_sign_in = \"refus\"", "did you mean \"refuse\"?"),
        ("directory", "unknown = \"ask\"", "ask-entra"),
        ("directory", "role_map = 3", "expected a table, found integer"),
        ("directory", "default_role = \"worker\"", "needs [session] secrets"),
        ("pages", "templates = \"/nowhere\"", "\"/nowhere\" is not a directory"),
        ("telemetry", "level = \"trace\"", "\"trace\" is not a valid value"),
        ("access", "rule = [{ path = \"/x\" }]", "access.rule.allow  is missing"),
        ("access", "rule = [{ path = \"/x*\", allow = \"anyone\" }]", "\"*\" is allowed only as"),
        (
            "access",
            "rule = [{ path = \"/x\", allow = \"signedin\" }]",
            "did you mean \"signed-in\"?",
        ),
        ("access", "rule = [{ path = \"/x\", allow = {} }]", "matches no one"),
        (
            "access",
            "rule = [{ path = \"/x\", allow = [] }]",
            "expected a keyword, a table or a list of tables",
        ),
        (
            "access",
            "rule = [{ path = \"/x\", allow = { role = [\"a\"] } }]",
            "did you mean access.rule.allow.roles?",
        ),
        (
            "access",
            "rule = [{ path = \"/x\", allow = { users = [\"maya\"] } }]",
            "\"maya\" is not a user",
        ),
        (
            "access",
            "rule = [{ path = \"/x\", allow = { acrs = [\"mfa\"] } }]",
            "\"mfa\" is not an authentication context",
        ),
        (
            "access",
            "rule = [{ path = \"/x\", allow = { acrs = [\"c0\"] } }]",
            "write its ID, \"c1\" to \"c99\"",
        ),
        (
            "access",
            "rule = [{ path = \"/x\", allow = { acrs = [\"c100\"] } }]",
            "\"c100\" is not an authentication context",
        ),
        ("access", "rule = [{ path = \"/x\", allow = { acrs = [] } }]", "matches no one"),
        (
            "access",
            "rule = [{ path = \"/x\", allow = \"anyone\", signed_out = \"redirect\" }]",
            "\"redirect\" is not a valid value",
        ),
        ("access", "public_url = \"https://x\"", "public_url belongs under [server]"),
    ] {
        let header = format!("[{section}]\n");
        let text = if SMALL.contains(&header) {
            SMALL.replace(&header, &format!("{header}{line}\n"))
        } else {
            format!("{SMALL}{header}{line}\n")
        };
        let report = report(&text, &[("CLIENT", SECRET)]);
        assert!(
            report.starts_with("error: ") && report.contains(what),
            "{section}: {line}\n{report}"
        );
    }
}

#[test]
fn hsts_is_whole_seconds_beside_a_certificate() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = |hsts: &str| {
        let tls = format!(
            "[server]\ntls = {{ certificate = {0:?}, key = {0:?}, hsts = {hsts} }}\n",
            file.path()
        );
        SMALL.replace("[server]\n", &tls)
    };
    for (written, seconds) in
        [("\"0s\"", 0), ("\"5m\"", 300), ("\"730d\"", 63_072_000), ("\"2000ms\"", 2)]
    {
        assert_eq!(
            meant(&text(written), &[("CLIENT", SECRET)]).server.hsts,
            Some(Duration::from_secs(seconds))
        );
    }
    for (written, what) in [
        ("\"731d\"", "is out of range"),
        ("\"500ms\"", "not a whole number of seconds"),
        ("300", "server.tls.hsts"),
        ("\"long\"", "is not a duration"),
    ] {
        let report = report(&text(written), &[("CLIENT", SECRET)]);
        assert!(report.contains(what), "{written}: {report}");
    }
    let alone = report(
        &SMALL.replace("[server]\n", "[server]\ntls = { hsts = \"1d\" }\n"),
        &[("CLIENT", SECRET)],
    );
    assert!(alone.contains("has no effect without a certificate"), "{alone}");
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
path = "/x/**"
suffixes = true
allow = [{ roles = "Admin", acrs = ["c1", "c99"] }, { users = ["maya@contoso.com"], tenants = ["aaaabbbb-0000-cccc-1111-dddd2222eeee"] }]
signed_out = "401"
[headers]
send = []
custom = { "X-Employee-Id" = "employeeid" }
"#;
    let text = format!("{SMALL}{more}").replace("[server]\n", "[server]\ntrusted_proxies = [\"10.1.2.3\", \"fd00::/8\", \"unix\"]\nlisten = \"systemd\"\n");
    let config = meant(&text, &[("CLIENT", SECRET)]);
    assert_eq!(config.server.listen, [server::ListenAddress::Systemd]);
    let networks = ["10.1.2.3/32", "fd00::/8"].map(|it| it.parse().unwrap());
    assert_eq!(
        config.server.trust.proxies,
        server::PeerSet { networks: networks.to_vec(), unix: true }
    );
    assert_eq!(config.entra.authority, "http://127.0.0.1:9000");
    let routes: Vec<_> = config
        .upstream
        .routes
        .iter()
        .map(|it| (it.path.to_string(), it.destination.clone()))
        .collect();
    let h2c = upstream::AppAddress::H2c { host: "api.example".into(), port: 80 };
    assert_eq!(
        routes,
        [
            ("/a/long/**".into(), h2c),
            ("/a/**".into(), upstream::AppAddress::Http { host: "::1".into(), port: 81 })
        ]
    );
    let rule = config.access.rules.first().unwrap();
    let line = text.lines().position(|it| it == "[[access.rule]]").unwrap() + 1;
    assert_eq!((rule.line, rule.signed_out), (line, access::SignedOutAnswer::Unauthorized));
    assert!(matches!(&rule.allow, access::Allow::Tables(tables) if tables.len() == 2));
    assert!(rule.path.has_suffixes() && rule.path.matches("/x.json"));
    assert!(config.headers.send.is_empty());
    assert_eq!(config.headers.custom.first().unwrap().0, "x-employee-id");
}

#[test]
fn a_token_of_the_admin_listener_is_long_and_goes_into_a_header() {
    for (wrong, at) in [
        ("x".repeat(31), "short"),
        ("x".repeat(513), "long"),
        (format!("{} {}", "x".repeat(20), "y".repeat(20)), "spaces"),
        ("ü".repeat(40), "no header"),
    ] {
        let text = report(SMALL, &[("CLIENT", SECRET), ("ENTRADA_SERVER_ADMIN_TOKEN", &wrong)]);
        assert!(
            text.contains("server.admin_token")
                && text.contains("is not a token of 32 to 512")
                && !text.contains(&wrong),
            "{at}: {text}"
        );
    }
    let config = meant(SMALL, &[("CLIENT", SECRET), ("ENTRADA_SERVER_ADMIN_TOKEN", SECRET)]);
    assert_eq!(config.server.admin_token.unwrap().expose(), SECRET);
    assert!(meant(SMALL, &[("CLIENT", SECRET)]).server.admin_token.is_none());
}
