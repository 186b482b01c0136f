//! One tenant or several.

use super::*;

fn of_many(tenant: &str, allowed: &str, more: &str) -> String {
    let text = SMALL.replace(
        "tenant = \"contoso.com\"",
        &format!("tenant = \"{tenant}\"\nallowed_tenants = {allowed}"),
    );
    report(&format!("{text}{more}"), &[("CLIENT", SECRET)])
}

#[test]
fn many_tenants_need_a_list_and_one_needs_none() {
    for tenant in ["organizations", "Common"] {
        let report = of_many(tenant, "[]", "");
        assert!(report.contains("is missing: people of every tenant could sign in"), "{report}");
    }
    let id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    for allowed in [format!("[\"{id}\", \"Fabrikam.com\"]"), "\"*\"".to_owned()] {
        assert_eq!(of_many("organizations", &allowed, ""), "");
    }
    for (tenant, allowed, what) in [
        ("contoso.com", "[\"fabrikam.com\"]", "has no effect if tenant is a single tenant"),
        (id, "[\"*\"]", "has no effect if tenant is a single tenant"),
        (
            "organizations",
            "[\"consumers\"]",
            "contains personal accounts, which \"organizations\" excludes",
        ),
        ("common", "[\"*\"]", "warning: 1 warning"),
        ("organizations", "[\"fabrikam\"]", "\"fabrikam\" is neither a tenant ID nor a domain"),
    ] {
        let report = of_many(tenant, allowed, "");
        assert!(report.contains(what), "{tenant} {allowed}: {report}");
    }
    assert_eq!(of_many("common", "[\"*\", \"consumers\"]", ""), "");
    let outcome =
        read("f", &SMALL.replace("contoso.com", "consumers"), &environment(&[("CLIENT", SECRET)]));
    assert_eq!(
        outcome.config.unwrap().entra.tenant,
        entra::TenantConfig::Id(crate::base::guid::Guid::PERSONAL)
    );
}

#[test]
fn with_several_tenants_a_rule_says_whose() {
    let rule = |allow: &str| {
        format!("[[access.rule]]\npath = \"/x/**\"\nsuffixes = true\nallow = {allow}\n")
    };
    let many = |allow: &str| of_many("organizations", "\"*\"", &rule(allow));
    let oid = "00aa00aa-bb11-cc22-dd33-44ee44ee44ee";
    for allow in [
        "{ roles = [\"Admin\"] }".to_owned(),
        "{ acrs = [\"c1\"] }".to_owned(),
        format!("{{ groups = [\"{oid}\"] }}"),
        format!("{{ users = [\"{oid}\"] }}"),
    ] {
        let report = many(&allow);
        assert!(
            report.contains("must also name tenants") && report.contains("add tenants = [...]"),
            "{report}"
        );
        assert_eq!(many(&allow.replace(" }", ", tenants = [\"contoso.com\"] }")), "");
        assert_eq!(report_of(&rule(&allow)), "");
    }
    let report = many("{ users = [\"maya@contoso.com\"], tenants = [\"contoso.com\"] }");
    assert!(report.contains("is ambiguous: any tenant"), "{report}");
    assert_eq!(many("{ tenants = [\"contoso.com\"] }"), "");
    assert_eq!(many("\"signed-in\""), "");
}

#[test]
fn each_cloud_has_its_authority_and_its_graph() {
    for (line, authority, graph) in [
        ("cloud = \"public\"", "https://login.microsoftonline.com", "graph.microsoft.com"),
        ("cloud = \"usgov\"", "https://login.microsoftonline.us", "graph.microsoft.us"),
        ("cloud = \"usgov-dod\"", "https://login.microsoftonline.us", "dod-graph.microsoft.us"),
        (
            "cloud = \"china\"",
            "https://login.partner.microsoftonline.cn",
            "microsoftgraph.chinacloudapi.cn",
        ),
        (
            "authority = \"https://login.microsoftonline.us\"",
            "https://login.microsoftonline.us",
            "graph.microsoft.us",
        ),
        (
            "authority = \"https://contoso.ciamlogin.com\"",
            "https://contoso.ciamlogin.com",
            "graph.microsoft.com",
        ),
    ] {
        let text = SMALL.replace("[entra]\n", &format!("[entra]\n{line}\n"));
        let config = read("f", &text, &environment(&[("CLIENT", SECRET)])).config.unwrap();
        assert_eq!(
            (config.entra.authority.as_str(), config.entra.cloud.graph, config.entra.graph),
            (authority, graph, None),
            "{line}"
        );
    }
}

const DIRECTORY: &str = "[directory]\n[session]\nsecrets = [{ env = \"CLIENT\" }]\n";

#[test]
fn where_companies_bring_their_own_registrations_entra_needs_none_and_half_of_one_is_reported() {
    let own = "tenant = \"contoso.com\"\nclient_id = \"11112222-bbbb-3333-cccc-4444dddd5555\"\nclient_secret = { env = \"CLIENT\" }\n";
    let without = SMALL.replace(own, "");
    let config = meant(&format!("{without}{DIRECTORY}"), &[("CLIENT", SECRET)]);
    assert_eq!(
        (config.entra.tenant, config.entra.allowed_tenants),
        (entra::TenantConfig::Organizations, entra::AllowedTenants::default())
    );
    assert!(report(&without, &[]).contains("entra.client_id"), "without a directory it is needed");
    let half = SMALL.replace("tenant = \"contoso.com\"\n", "");
    assert!(report(&format!("{half}{DIRECTORY}"), &[("CLIENT", SECRET)]).contains("entra.tenant"));
}

#[test]
fn whoever_has_entra_asked_first_needs_a_registration_for_all_organizations() {
    let asks = DIRECTORY.replace("[directory]\n", "[directory]\nunknown = \"ask-entra\"\n");
    let with = |from: &str, to: &str| {
        assert!(SMALL.contains(from));
        report(&format!("{}{asks}", SMALL.replace(from, to)), &[("CLIENT", SECRET)])
    };
    let tenant = "tenant = \"contoso.com\"";
    assert!(
        with("client_id = \"11112222-bbbb-3333-cccc-4444dddd5555\"\n", "")
            .contains("entra.client_id")
    );
    assert!(
        with("\n", "\n").contains("hint: write tenant = \"organizations\""),
        "{}",
        with("\n", "\n")
    );
    assert!(with(tenant, "tenant = \"organizations\"").contains("allowed_tenants"));
    assert_eq!(with(tenant, "tenant = \"organizations\"\nallowed_tenants = [\"*\"]"), "");
    // `[entra]` is required even if nothing in it is written.
    let own = "tenant = \"contoso.com\"\nclient_id = \"11112222-bbbb-3333-cccc-4444dddd5555\"\nclient_secret = { env = \"CLIENT\" }\n";
    assert!(with(own, "").contains("entra.tenant"));
}

#[test]
fn rules_of_many_companies_say_whose_and_what_is_no_code_or_role_is_reported() {
    let rule = |allow: &str| {
        format!("[[access.rule]]\npath = \"/x/**\"\nsuffixes = true\nallow = {allow}\n")
    };
    let with =
        |allow: &str| report(&format!("{SMALL}{DIRECTORY}{}", rule(allow)), &[("CLIENT", SECRET)]);
    let group = "0a1b2c3d-0000-4000-8000-000000000001";
    for right in [
        "{ organizations = [\"Contoso\"], roles = [\"Admin\"] }".to_owned(),
        "{ directory_roles = [\"admin\"] }".to_owned(),
        format!("{{ organizations = [\"contoso\"], groups = [\"{group}\"] }}"),
    ] {
        assert_eq!(with(&right), "", "{right}");
    }
    let by_tenant = with(&format!("{{ tenants = [\"contoso.com\"], groups = [\"{group}\"] }}"));
    assert!(
        by_tenant.starts_with("warning:") && by_tenant.contains("[entra] groups = \"graph\""),
        "{by_tenant}"
    );
    for (allow, what) in [
        // An app role is valid only for the registration that issued it, and a tenant may have
        // several.
        (
            "{ tenants = [\"contoso.com\"], roles = [\"Admin\"] }",
            "add organizations = [...] to the same table",
        ),
        (
            "{ tenants = [\"contoso.com\"], directory_roles = [\"admin\"], roles = [\"Admin\"] }",
            "tenants alone is not enough",
        ),
        // With `role_map`, an app role of any registration in the tenant becomes a role of its own
        // organization.
        (
            "{ tenants = [\"contoso.com\"], directory_roles = [\"admin\"] }",
            "each organization assigns its own",
        ),
        (
            "{ tenants = [\"contoso.com\"], groups = [\"Admins\"] }",
            "must also name organizations: each app registration defines its own",
        ),
        ("{ roles = [\"Admin\"] }", "must also name organizations"),
        (
            "{ groups = [\"0a1b2c3d-0000-4000-8000-000000000001\"] }",
            "add organizations = [...] to the same table",
        ),
        (
            "{ users = [\"maya@contoso.com\"], organizations = [\"contoso\"] }",
            "is ambiguous: any tenant",
        ),
        ("{ organizations = [\"x\"] }", "\"x\" is not a company code"),
        ("{ organizations = [] }", "matches no one"),
        ("{ directory_roles = [\"boss\"] }", "\"boss\" is not one of [directory] roles"),
    ] {
        let report = with(allow);
        assert!(report.contains(what), "{allow}: {report}");
    }
    let report = report(
        &format!("{SMALL}{}", rule("{ organizations = [\"contoso\"] }")),
        &[("CLIENT", SECRET)],
    );
    assert!(
        report.contains("access.rule.allow.organizations") && report.contains("needs [directory]"),
        "{report}"
    );
}
