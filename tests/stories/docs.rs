//! The documents say what is true: their configurations are read, their commands run, and what they name exists.

use entrada::config;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every page of ours.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"].iter().map(|it| root.join(it)).collect();
    let mut todo = vec![root.join("docs"), root.join("examples")];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                todo.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found.into_iter().map(|it| (it.clone(), std::fs::read_to_string(it).unwrap())).collect()
}

/// The blocks of one kind.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    text.split(fence.as_str()).skip(1).map(|it| it.split("```").next().unwrap()).collect()
}

fn environment() -> Vec<(String, String)> {
    let pairs = [("AZURE_CLIENT_SECRET", "a~value.of-a-client-secret"), ("ENTRADA_SECRET", "thirty-two bytes of a secret at the least")];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// What a fragment leaves open.
fn completed(block: &str) -> String {
    let rest = [
        ("[upstream]", "url = \"http://127.0.0.1:3000\""),
        (
            "[entra]",
            "tenant = \"contoso.onmicrosoft.com\"\nclient_id = \"11112222-bbbb-3333-cccc-4444dddd5555\"\nclient_secret = { env = \"AZURE_CLIENT_SECRET\" }",
        ),
        ("[server]", "public_url = \"https://app.example.com\""),
    ];
    let missing = rest.iter().filter(|it| !block.contains(it.0)).map(|(section, keys)| format!("\n{section}\n{keys}\n"));
    format!("{block}{}", missing.collect::<String>())
}

#[test]
fn every_configuration_in_the_docs_is_read_without_a_problem() {
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml").into_iter().filter(|it| !it.contains("[dependencies]")) {
            let outcome = config::read("docs", &completed(block), &environment());
            assert!(outcome.config.is_some(), "{}: {}\n{block}", page.display(), config::problem::print(&outcome, "docs"));
            count += 1;
        }
    }
    assert!(count >= 2, "no configuration was found");
}

#[test]
fn every_command_in_the_docs_is_understood() {
    let directory = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    std::fs::write(directory.path().join("entrada.toml"), blocks(&readme, "toml").first().unwrap()).unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        for line in blocks(&text, "sh").into_iter().flat_map(str::lines).filter_map(|it| it.strip_prefix("entrada ")) {
            let mut words: Vec<_> = line.split_whitespace().collect();
            // What serves until it is stopped is asked for its help instead, with all that it is given.
            let serves = matches!(words.first(), Some(&"run" | &"dev" | &"emulator"));
            if serves {
                words.push("--help");
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_entrada"));
            let out = command.args(&words).envs(environment()).current_dir(directory.path()).output().unwrap();
            assert!(out.status.success(), "{}: entrada {line}\n{}", page.display(), String::from_utf8_lossy(&out.stderr));
            count += 1;
        }
    }
    assert!(count >= 3, "no command was found");
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            let target = link.split('#').next().unwrap();
            // The table of figures is written by `make bench`.
            if target.is_empty() || target.contains("://") || target.ends_with("benchmarks.md") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: {link}", page.display());
        }
    }
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    let mut todo = vec![root.join("src"), root.join("tests")];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                names.extend(text.split("fn ").skip(1).filter_map(|it| it.split('(').next()).map(str::to_owned));
            }
        }
    }
    let security = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named = security.split('`').skip(1).step_by(2).filter(|it| it.len() > 24 && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'));
    let mut count = 0;
    for name in named {
        assert!(names.contains(name), "SECURITY.md names {name}, which is no test");
        count += 1;
    }
    assert!(count >= 15);
}

#[test]
fn every_target_of_make_that_is_named_exists() {
    let makefile = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")).unwrap();
    for (page, text) in pages() {
        for target in text.split("make ").skip(1).map(|it| it.split(|it: char| !it.is_ascii_lowercase()).next().unwrap()) {
            let in_code = text.contains(&format!("`make {target}")) || text.contains(&format!("    make {target}\n"));
            assert!(!in_code || target.is_empty() || makefile.contains(&format!("\n{target}:")), "{}: make {target}", page.display());
        }
    }
}

#[test]
fn the_headers_and_paths_that_are_promised_are_written_down() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/headers.md")).unwrap();
    for set in ["X-Forwarded-", "X-Auth-Request-"] {
        for word in ["User", "Preferred-Username", "Email", "Name", "Groups", "Roles", "Tenant", "Groups-Truncated"] {
            assert!(page.contains(&format!("`{set}{word}`")), "{set}{word}");
        }
    }
    for path in ["/start", "/sign_in", "/callback", "/sign_out", "/auth", "/userinfo", "/session", "/jwks.json"] {
        assert!(page.contains(&format!("{path}`")), "{path}");
    }
}
