//! The files in the repository, and the words that they must not contain.

use crate::shape::{REFUSED, too_many_lines};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Exactly the entries at the top of the repository.
const TOP: &[&str] = &[
    ".ci",
    ".dockerignore",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benches",
    "clippy.toml",
    "config.example.toml",
    "deny.toml",
    "docs",
    "examples",
    "fuzz",
    "rustfmt.toml",
    "src",
    "tests",
];

/// Words about one person's machine or task, in pieces so that this list does not contain them
/// itself.
const FOREIGN: &[&[&str]] = &[
    &["/wo", "rk/"],
    &["/fa", "rm/"],
    &["/root", "/"],
    &["/ho", "me/"],
    &["before", "-stop"],
    &["sub", "agent"],
    &["DEVELOP", "ERS.md"],
    &["registry.npm", "js"],
    &["pypi", ".org/simple"],
    &["files.python", "hosted"],
    &["proxy.go", "lang"],
    &["repo.ma", "ven"],
    &["repo1.ma", "ven"],
    &["static.", "crates.io"],
    &["deb.deb", "ian"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns names at the top that git ignores.
fn ignored() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(".gitignore")).unwrap();
    text.lines()
        .filter_map(|it| it.strip_prefix('/'))
        .map(str::to_owned)
        .chain([".git".to_owned()])
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    out.sort();
    out
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Lists all files that git would track; files that tools leave in subfolders are ignored by name.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let ignored = ignored();
    for path in entries(folder) {
        let left_behind =
            ["node_modules", "target", ".venv", "__pycache__", "artifacts", "coverage"]
                .contains(&name(&path))
                || name(&path).ends_with(".profraw");
        if left_behind || (folder == root() && ignored.contains(name(&path))) {
            continue;
        }
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn the_top_level_has_the_expected_files_and_nothing_else() {
    let ignored = ignored();
    let there: BTreeSet<_> = entries(root())
        .iter()
        .map(|it| name(it).to_owned())
        .filter(|it| !ignored.contains(it) && !it.ends_with(".profraw"))
        .collect();
    let should: BTreeSet<_> = TOP.iter().map(|it| (*it).to_owned()).collect();
    let (missing, strange) = (
        should.difference(&there).collect::<Vec<_>>(),
        there.difference(&should).collect::<Vec<_>>(),
    );
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing {missing:?}, not expected {strange:?}"
    );
}

#[test]
fn the_repository_is_about_the_product_only() {
    let words: Vec<_> = FOREIGN.iter().map(|it| it.concat().to_lowercase()).collect();
    let mut all = Vec::new();
    files(root(), &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            wrong.extend(
                words
                    .iter()
                    .filter(|it| line.contains(*it))
                    .map(|it| format!("{}:{}: {it:?}", path.display(), number + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

/// All lines count: these files contain nothing but tests.
#[test]
fn stories_fuzz_targets_and_benchmarks_keep_the_limits_of_length() {
    let mut all = Vec::new();
    for folder in ["tests", "fuzz", "benches"] {
        files(&root().join(folder), &mut all);
    }
    all.retain(|it| it.extension().is_some_and(|it| it == "rs"));
    assert!(all.len() > 100, "these are not all files: {all:?}");
    let wrong: Vec<_> = all
        .iter()
        .filter_map(|it| {
            let lines = fs::read_to_string(it).unwrap().lines().count();
            too_many_lines(&it.display().to_string(), lines)
        })
        .collect();
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn the_lints_of_this_code_base_are_on() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    for (tool, lints) in REFUSED {
        for lint in *lints {
            let level = manifest["lints"][tool].get(lint).and_then(toml::Value::as_str);
            assert!(
                matches!(level, Some("deny" | "forbid"))
                    || (*lint == "missing_docs" && level == Some("warn")),
                "{tool}::{lint} is {level:?}"
            );
        }
    }
    let pedantic = &manifest["lints"]["clippy"]["pedantic"];
    assert_eq!(pedantic.get("level").and_then(toml::Value::as_str), Some("warn"));
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains("cargo clippy --all-targets -- -D warnings"), "warnings must fail");
}

#[test]
fn every_file_of_flow_is_in_the_architecture() {
    let (flow, page) =
        (root().join("src/flow"), fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let mut all = Vec::new();
    files(&flow, &mut all);
    let listed: BTreeSet<_> = page
        .lines()
        .filter_map(|it| it.strip_prefix("| `")?.split_once("` |"))
        .map(|it| it.0)
        .filter(|it| it.ends_with(".rs"))
        .collect();
    let there: BTreeSet<_> =
        all.iter().filter_map(|it| it.strip_prefix(&flow).ok()?.to_str()).collect();
    let modules_alone = ["native/mod.rs", "sign_in/mod.rs", "upkeep/mod.rs"];
    let missing: Vec<_> =
        there.difference(&listed).filter(|it| !modules_alone.contains(*it)).collect();
    let gone: Vec<_> = listed.difference(&there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not listed {missing:?}, not there {gone:?}");
}

#[test]
fn every_configuration_key_is_in_the_example_and_in_the_docs() {
    let example = fs::read_to_string(root().join("config.example.toml")).unwrap();
    let page =
        fs::read_to_string(root().join("docs/reference/configuration.md")).unwrap_or_default();
    let keys = entrada::config::keys();
    assert!(keys.len() > 20, "these are not all keys: {keys:?}");
    let mut wrong = Vec::new();
    for key in keys.iter().map(|it| it.name.as_str()) {
        let last = key.rsplit('.').next().unwrap();
        let shown = example
            .lines()
            .map(|it| it.trim_start_matches(['#', ' ']))
            .any(|it| it.contains(&format!("{last} =")) || it.contains(&format!("{last}]")));
        if !shown {
            wrong.push(format!("{key} is not in config.example.toml"));
        }
        if !page.contains(&format!("`{key}`")) {
            wrong.push(format!("{key} is not in docs/reference/configuration.md as `{key}`"));
        }
    }
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}
