//! Access rules that can never match, and forms of a path that a rule leaves open.

use super::*;

#[test]
fn a_rule_for_groups_is_a_problem_where_nobody_has_any() {
    let rule = "[[access.rule]]\npath = \"/x/**\"\nsuffixes = true\nallow = { groups = [\"22223333-cccc-4444-dddd-5555eeee6666\"] }\n";
    let report = |groups: &str| {
        report(&format!("{SMALL}groups = \"{groups}\"\n{rule}"), &[("CLIENT", SECRET)])
    };
    assert!(
        report("off").contains("access.rule.allow.groups")
            && report("off").contains("can never match"),
        "{}",
        report("off")
    );
    assert_eq!((report("token"), report("graph")), (String::new(), String::new()));
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
        report_of(&rules.iter().map(rule).collect::<String>())
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
fn a_rule_that_closes_one_path_only_gets_a_hint_to_close_what_is_below() {
    let report = |default: &str, rules: &[(&str, &str)]| {
        let rules: String = rules
            .iter()
            .map(|it| format!("[[access.rule]]\npath = \"{}\"\nallow = {}\n", it.0, it.1))
            .collect();
        report_of(&format!("[access]\ndefault = \"{default}\"\n{rules}"))
    };
    let admin = "{ roles = [\"Admin\"] }";
    assert_report(
        &report("signed-in", &[("/admin", admin)]),
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
        assert!(report(default, rules).contains("hint: write "), "{default} {rules:?}");
    }
    for (default, rules) in [
        ("signed-in", [("/admin", admin), ("/**", "\"signed-in\"")].as_slice()),
        ("signed-in", &[("/health", "\"anyone\""), ("/me", "\"signed-in\""), ("/", admin)]),
        ("nobody", &[("/admin", admin)]),
    ] {
        assert_eq!(report(default, rules), "", "{default} {rules:?}");
    }
}

#[test]
fn a_rule_that_leaves_names_with_a_suffix_to_a_wider_default_is_reported_once() {
    let report = |default: &str, rules: &[(&str, &str, &str)]| {
        let rule = |it: &(&str, &str, &str)| {
            format!("[[access.rule]]\npath = \"{}\"\nallow = {}\n{}", it.0, it.1, it.2)
        };
        report_of(&format!(
            "[access]\ndefault = \"{default}\"\n{}",
            rules.iter().map(rule).collect::<String>()
        ))
    };
    let (admin, yes) = ("{ roles = [\"Admin\"] }", "suffixes = true\n");
    assert_report(
        &report("signed-in", &[("/admin/**", admin, "")]),
        r#"
warning: 1 warning in entrada.toml
  access.rule.path  does not cover "/admin.json", "/admin." and the like, which some apps serve as "/admin"
                    at entrada.toml:13:8
                    hint: add suffixes = true to the rule, unless the app returns 404 for them
"#,
    );
    assert_report(
        &report("signed-in", &[("/public/**", "\"anyone\"", yes)]),
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
        let report = report(default, rules);
        assert!(
            report.starts_with("warning: 1 warning") && report.contains("suffixes = true"),
            "{default} {rules:?} {report}"
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
        assert_eq!(report(default, rules), "", "{default} {rules:?}");
    }
}
