//! Programs that nobody here wrote: where they are, or a loud word that a story is skipped. `make setup` gets them.
#![allow(dead_code, reason = "each story takes what it needs")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program that the set-up built (`target/tools`), that is on the PATH, or where Debian keeps servers.
///
/// Without it the story is skipped; with `CI=true` only where `unavailable.txt` lists the program.
pub fn tool(name: &str) -> Option<PathBuf> {
    let (own, servers) = (root().join("target/tools"), PathBuf::from("/usr/sbin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&path))
        .chain([servers])
        .map(|it| it.join(name))
        .find(|it| it.is_file());
    found.or_else(|| skip(name))
}

/// The library by which a program sees another clock.
pub fn fast_clock() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found =
        folders.map(|it| it.path().join("faketime/libfaketimeMT.so.1")).find(|it| it.is_file());
    found.or_else(|| skip("faketime"))
}

/// The Python of the virtual environment, with the packages of `requirements.txt`.
pub fn python() -> Option<PathBuf> {
    there(".venv/bin/python")
}

/// The folder of the npm packages of `package.json`.
pub fn node_modules() -> Option<PathBuf> {
    there("node_modules")
}

/// A file or folder that the set-up makes, by its path in the repository.
pub fn there(path: &str) -> Option<PathBuf> {
    Some(root().join(path)).filter(|it| it.exists()).or_else(|| skip(path))
}

/// Says that a story is skipped, where a test runner does not hide it and where `make test` sums it up.
fn skip(name: &str) -> Option<PathBuf> {
    let listed = unavailable(name);
    let ci = std::env::var("CI").is_ok_and(|it| it == "true");
    assert!(
        !ci || listed.is_some(),
        "{name} is not there, and with CI=true nothing may be skipped: run tests/outside/setup.sh"
    );
    let line = format!(
        "{name}: {}\n",
        listed.unwrap_or_else(
            || "not on this machine; `make setup` gets it or says why not".to_owned()
        )
    );
    // Not by eprintln!, which the test runner keeps to itself when a test passes.
    std::io::stderr().write_all(format!("SKIPPED {line}").as_bytes()).unwrap();
    let file = OpenOptions::new().create(true).append(true).open(root().join("target/skipped.txt"));
    file.and_then(|mut it| it.write_all(line.as_bytes())).unwrap();
    None
}

/// Why no registry offers this program, if `unavailable.txt` says so.
fn unavailable(name: &str) -> Option<String> {
    let text = fs::read_to_string(root().join("tests/outside/unavailable.txt")).unwrap();
    let lines = text.lines().filter(|it| !it.starts_with('#')).filter_map(|it| it.split_once(": "));
    lines.filter(|it| it.0 == name).map(|it| it.1.to_owned()).next()
}

#[test]
fn what_no_registry_offers_is_listed_with_a_reason() {
    assert!(unavailable("dotnet").is_some_and(|it| it.len() > 20));
    assert_eq!(unavailable("curl"), None);
}
