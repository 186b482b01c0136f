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
    assert_told(
        &told_of(more),
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
        let told = told(&text, &[("CLIENT", SECRET)]);
        assert!(told.starts_with("error: ") && told.contains(what), "{section}: {line}\n{told}");
    }
}

#[test]
fn a_rule_for_groups_is_a_problem_where_nobody_has_any() {
    let rule = "[[access.rule]]\npath = \"/x/**\"\nsuffixes = true\nallow = { groups = [\"22223333-cccc-4444-dddd-5555eeee6666\"] }\n";
    let told = |groups: &str| {
        told(&format!("{SMALL}groups = \"{groups}\"\n{rule}"), &[("CLIENT", SECRET)])
    };
    assert!(
        told("off").contains("access.rule.allow.groups") && told("off").contains("can never match"),
        "{}",
        told("off")
    );
    assert_eq!((told("token"), told("graph")), (String::new(), String::new()));
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
        let told = told(&text(written), &[("CLIENT", SECRET)]);
        assert!(told.contains(what), "{written}: {told}");
    }
    let alone = told(
        &SMALL.replace("[server]\n", "[server]\ntls = { hsts = \"1d\" }\n"),
        &[("CLIENT", SECRET)],
    );
    assert!(alone.contains("has no effect without a certificate"), "{alone}");
}

#[test]
fn a_rule_is_covered_only_where_every_method_is() {
    let rules = |rules: &[(&str, &str)]| {
        let rule = |it: &(&str, &str)| {
            format!(
                "[[access.rule]]\npath = \"{}\"\nmethods = {}\nallow = \"anyone\"\n",
                it.0, it.1
            )
        };
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
    // A method that cannot be read must not become "all methods", which would cover later rules.
    assert!(!rules(&[("/**", "[\"get\"]"), ("/a", "[]")]).contains("can never match"));
}

#[test]
fn a_rule_that_shuts_one_path_only_is_told_to_shut_what_is_below() {
    let told = |default: &str, rules: &[(&str, &str)]| {
        let rules: String = rules
            .iter()
            .map(|it| format!("[[access.rule]]\npath = \"{}\"\nallow = {}\n", it.0, it.1))
            .collect();
        told_of(&format!("[access]\ndefault = \"{default}\"\n{rules}"))
    };
    let admin = "{ roles = [\"Admin\"] }";
    assert_told(
        &told("signed-in", &[("/admin", admin)]),
        r#"
warning: 1 warning in entrada.toml
  access.rule.path  "/admin" covers only this path; [access] default decides about "/admin/" and all below it
                    at entrada.toml:13:8
                    hint: write "/admin/**"
"#,
    );
    for (default, rules) in [
        ("signed-in", [("/admin/", "\"nobody\"")].as_slice()),
        ("anyone", &[("/{name}/x", "\"signed-in\"")]),
        ("signed-in", &[("/admin", admin), ("/admin/{page}", admin), ("/admin/{page}/**", admin)]),
    ] {
        assert!(told(default, rules).contains("hint: write "), "{default} {rules:?}");
    }
    for (default, rules) in [
        ("signed-in", [("/admin", admin), ("/**", "\"signed-in\"")].as_slice()),
        ("signed-in", &[("/health", "\"anyone\""), ("/me", "\"signed-in\""), ("/", admin)]),
        ("nobody", &[("/admin", admin)]),
    ] {
        assert_eq!(told(default, rules), "", "{default} {rules:?}");
    }
}

#[test]
fn a_rule_that_leaves_names_with_a_suffix_to_a_wider_default_is_told_once() {
    let told = |default: &str, rules: &[(&str, &str, &str)]| {
        let rule = |it: &(&str, &str, &str)| {
            format!("[[access.rule]]\npath = \"{}\"\nallow = {}\n{}", it.0, it.1, it.2)
        };
        told_of(&format!(
            "[access]\ndefault = \"{default}\"\n{}",
            rules.iter().map(rule).collect::<String>()
        ))
    };
    let (admin, yes) = ("{ roles = [\"Admin\"] }", "suffixes = true\n");
    assert_told(
        &told("signed-in", &[("/admin/**", admin, "")]),
        r#"
warning: 1 warning in entrada.toml
  access.rule.path  does not cover "/admin.json", "/admin." and the like, which some apps serve as "/admin"
                    at entrada.toml:13:8
                    hint: add suffixes = true to the rule, unless the app returns 404 for them
"#,
    );
    assert_told(
        &told("signed-in", &[("/public/**", "\"anyone\"", yes)]),
        r#"
warning: 1 warning in entrada.toml
  access.rule.path  also allows anyone at "/public.json" and the like, because suffixes = true
                    at entrada.toml:13:8
                    hint: remove suffixes if allow is "anyone"
"#,
    );
    for (default, rules) in [
        ("anyone", [("/a/b/**", "\"signed-in\"", "")].as_slice()),
        (
            "signed-in",
            &[("/admin", admin, ""), ("/admin/**", "\"nobody\"", yes), ("/x/**", admin, "")],
        ),
        ("signed-in", &[("/a/**", admin, ""), ("/a.json/**", "\"nobody\"", yes)]),
    ] {
        let told = told(default, rules);
        assert!(
            told.starts_with("warning: 1 warning") && told.contains("suffixes = true"),
            "{default} {rules:?} {told}"
        );
    }
    for (default, rules) in [
        ("signed-in", [("/admin/**", admin, yes)].as_slice()),
        ("signed-in", &[("/admin", admin, ""), ("/admin/**", "\"nobody\"", yes)]),
        ("signed-in", &[("/a/**", admin, ""), ("/{name}/**", "\"nobody\"", "")]),
        ("signed-in", &[("/{name}/**", admin, ""), ("/", admin, "")]),
        ("signed-in", &[("/public/**", "\"anyone\"", ""), ("/me/**", "\"signed-in\"", yes)]),
        ("nobody", &[("/admin/**", admin, "")]),
    ] {
        assert_eq!(told(default, rules), "", "{default} {rules:?}");
    }
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
        config.server.trusted_proxies,
        server::TrustedProxies { networks: networks.to_vec(), unix: true }
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

const COMPANY: &str = r#"
[[organization]]
code = "Contoso"
tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "CLIENT" }
domains = ["Contoso.com"]
"#;

#[test]
fn organizations_take_what_they_do_not_say_from_the_directory() {
    let more = format!(
        "[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\ndefault_role = \"owner\"\n{COMPANY}"
    );
    let directory = meant(&format!("{SMALL}{more}"), &[("CLIENT", SECRET)]).directory.unwrap();
    assert!(
        matches!(&directory.database, directory::DatabaseConfig::Sqlite(path) if path == std::path::Path::new("entrada.db"))
    );
    let [contoso] = directory.organizations.as_slice() else { panic!("{directory:?}") };
    assert_eq!(
        (contoso.code.as_str(), contoso.name.as_str(), contoso.default_role.as_str()),
        ("contoso", "contoso", "owner")
    );
    assert_eq!(
        (contoso.domains.as_slice(), contoso.first_sign_in, contoso.guests),
        (["contoso.com".to_owned()].as_slice(), None, true)
    );
    assert!(meant(SMALL, &[("CLIENT", SECRET)]).directory.is_none());
}

#[test]
fn organizations_that_meet_and_organizations_without_a_directory_are_refused() {
    let told = told_of(&format!(
        "[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\n{COMPANY}{COMPANY}"
    ));
    assert!(
        told.contains("\"contoso\" already belongs to another organization")
            && told.contains("\"contoso.com\" already belongs to another organization"),
        "{told}"
    );
    assert!(told_of(COMPANY).contains("organization.code  needs [directory]"));
}

#[test]
fn a_password_of_the_database_belongs_elsewhere_and_is_never_told() {
    let more = |it: &str| {
        format!("{SMALL}[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\n{it}\n")
    };
    let address = "postgres://entrada:hunter2@db.example/entrada";
    let warned = told(&more(&format!("database = \"{address}\"")), &[("CLIENT", SECRET)]);
    assert!(
        warned.contains("the file contains a password") && !warned.contains("hunter2"),
        "{warned}"
    );
    let config = meant(&more(""), &[("CLIENT", SECRET), ("ENTRADA_DIRECTORY_DATABASE", address)]);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_token_of_the_admin_listener_is_long_and_goes_into_a_header() {
    for (wrong, at) in [
        ("x".repeat(31), "short"),
        ("x".repeat(513), "long"),
        (format!("{} {}", "x".repeat(20), "y".repeat(20)), "spaces"),
        ("ü".repeat(40), "no header"),
    ] {
        let text = told(SMALL, &[("CLIENT", SECRET), ("ENTRADA_SERVER_ADMIN_TOKEN", &wrong)]);
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

#[test]
fn one_credential_is_meant_and_what_is_none_is_told() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(place.path().join(name), text).unwrap();
        place.path().join(name)
    };
    let (made, other) = (
        rcgen::KeyPair::generate().unwrap(),
        file("other.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    );
    let certificate = rcgen::CertificateParams::default().self_signed(&made).unwrap().pem();
    let (certificate, key) =
        (file("app.crt", &certificate), file("app.key", &made.serialize_pem()));
    let locked = file(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let secret = "client_secret = { env = \"CLIENT\" }";
    let pair = |certificate: &std::path::Path, key: &std::path::Path| {
        format!("certificate = {{ certificate = {certificate:?}, key = {key:?} }}")
    };
    for (credential, what) in [
        (String::new(), "entra.client_secret  is missing"),
        (pair(&certificate, &key), "contains no RSA key of 2048 bits or more"),
        (pair(&certificate, &locked), "contains an encrypted private key"),
        (pair(&certificate, &certificate), "contains no private key in PEM"),
        (pair(&key, &key), "contains no certificate in PEM"),
        (pair(&certificate, &other), "contains no RSA key"),
        (
            format!("certificate = {{ certificate = {certificate:?} }}"),
            "is missing, but the certificate is set",
        ),
        (
            format!("{secret}\n{}", pair(&certificate, &key)),
            "cannot be combined with client_secret",
        ),
        (
            format!("{secret}\nfederated_token = {{ file = {certificate:?} }}"),
            "cannot be combined with client_secret",
        ),
        (
            format!("federated_token = {{ file = {:?} }}", place.path().join("nowhere")),
            "cannot be read",
        ),
    ] {
        let told = told(&SMALL.replace(secret, &credential), &[("CLIENT", SECRET)]);
        assert!(told.contains(what), "{credential}: {told}");
    }
    let federated =
        SMALL.replace(secret, &format!("federated_token = {{ file = {certificate:?} }}"));
    let config = meant(&federated, &[]);
    assert!(
        matches!(config.entra.credential, crate::base::credential::ClientCredential::Federated(_))
            && config.entra.federated_token.is_some()
    );
    // The variable of workload identity counts if nothing is written.
    let injected = meant(
        &SMALL.replace(secret, ""),
        &[("AZURE_FEDERATED_TOKEN_FILE", &certificate.display().to_string())],
    );
    assert_eq!(injected.entra.federated_token, Some(certificate));
}
