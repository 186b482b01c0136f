//! The file, Entrada's variables and the platforms' variables.

use super::*;

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
    pairs.push(("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"));
    let outcome = finish(None, None, &environment(&pairs));
    assert_report(
        &problem::print(&outcome, "entrada.toml"),
        r#"
error: 5 problems in the environment
  entra.client_id             is missing
                              hint: set client_id in [entra], or in ENTRADA_ENTRA_CLIENT_ID or AZURE_CLIENT_ID
  server.public_url           is missing
                              hint: set public_url in [server], or in ENTRADA_SERVER_PUBLIC_URL
  upstream.url                is missing
                              hint: set url in [upstream], or in ENTRADA_UPSTREAM_URL
  entra.federated_token.file  "/nowhere/token" cannot be read: No such file or directory (os error 2)
                              in AZURE_FEDERATED_TOKEN_FILE
  session.idle                "soon" is not a duration
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
        (
            "ENTRADA_SESSION_SECRETS",
            "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210",
        ),
    ];
    let config = meant(SMALL, &pairs);
    assert_eq!(config.entra.tenant, entra::TenantConfig::Domain("contoso.com".into()));
    assert_eq!(config.upstream.destination, upstream::AppAddress::Unix("/run/app.sock".into()));
    assert_eq!(
        config.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1:1", "[::1]:1"]
    );
    assert_eq!(
        (config.server.limits.idle_timeout, config.server.limits.streams),
        (Duration::from_secs(20), 7)
    );
    assert!(!config.entra.guests);
    assert_eq!(config.session.idle, Duration::from_secs(3600));
    assert_eq!(
        config.session.secrets.iter().map(Secret::expose).collect::<Vec<_>>(),
        ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]
    );
}

#[test]
fn every_key_is_known_by_one_variable() {
    let keys = keys();
    let variables: BTreeSet<_> = keys.iter().filter_map(|it| it.variable.as_deref()).collect();
    assert_eq!(variables.len(), keys.iter().filter(|it| it.variable.is_some()).count());
    for name in [
        "ENTRADA_SERVER_LIMITS_IDLE_TIMEOUT",
        "ENTRADA_HEADERS_ASSERTION_NAME",
        "ENTRADA_SERVER_TLS_KEY",
        "ENTRADA_ENTRA_CLIENT_SECRET",
    ] {
        assert!(variables.contains(name), "{name}");
    }
    let from_file: Vec<_> =
        keys.iter().filter(|it| it.variable.is_none()).map(|it| it.name.as_str()).collect();
    assert_eq!(
        from_file,
        [
            "access.rule.allow",
            "access.rule.allow.acrs",
            "access.rule.allow.directory_roles",
            "access.rule.allow.groups",
            "access.rule.allow.organizations",
            "access.rule.allow.roles",
            "access.rule.allow.tenants",
            "access.rule.allow.users",
            "access.rule.methods",
            "access.rule.path",
            "access.rule.signed_out",
            "access.rule.suffixes",
            "directory.role_map",
            "headers.custom",
            "native.client.id",
            "native.client.name",
            "native.client.redirect_uris",
            "native.client.scopes",
            "organization.certificate.certificate",
            "organization.certificate.key",
            "organization.client_id",
            "organization.client_secret",
            "organization.code",
            "organization.default_role",
            "organization.domains",
            "organization.federated_token.file",
            "organization.first_sign_in",
            "organization.guests",
            "organization.name",
            "organization.tenant",
            "upstream.route.audience",
            "upstream.route.connect_timeout",
            "upstream.route.path",
            "upstream.route.response_timeout",
            "upstream.route.stream_timeout",
            "upstream.route.url",
        ]
    );
}
