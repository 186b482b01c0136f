//! Rules for the content of one file.

use crate::tree::{SourceFile, SourceTree};

const MAX_FUNCTION_LINES: usize = 60;
const MAX_FILE_LINES: usize = 400;

/// Functions that are longer, and why splitting them would make them worse.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "src/config/access/conditions.rs",
        "check_role_owner",
        "one complaint after the other, each with its hint",
    ),
    ("src/config/credential.rs", "read", "one kind of credential after the other"),
    ("src/config/directory/mod.rs", "section", "one key after the other"),
    ("src/config/entra/mod.rs", "read", "one key after the other"),
    ("src/config/server/limits.rs", "limits", "one key after the other"),
    ("src/directory/file.rs", "one", "one column after the other"),
    ("src/directory/organizations.rs", "change_organization", "one transaction"),
    ("src/directory/transfer.rs", "try_to_import_rows", "one transaction"),
    ("src/emulator/authorize.rs", "picked", "Entra's checks in Entra's order"),
    ("src/flow/mod.rs", "respond", "the order of a request's steps"),
    ("src/server/api/mod.rs", "follow", "one call after the other"),
    ("src/sidecar/mod.rs", "new", "builds one part after the other"),
    ("src/telemetry/metrics.rs", "default", "registers one metric after the other"),
];

/// Lints that clippy and rustc deny for the whole package (Cargo.toml), and that must not be
/// switched off again.
pub const REFUSED: &[(&str, &[&str])] = &[
    ("rust", &["unsafe_code", "missing_docs"]),
    (
        "clippy",
        &[
            "unwrap_used",
            "expect_used",
            "panic",
            "indexing_slicing",
            "todo",
            "unimplemented",
            "dbg_macro",
            "print_stdout",
            "print_stderr",
        ],
    ),
];

/// Places that may name a front proxy's headers: the module that reads them, the modules that write
/// our own, the configuration, which checks an operator's header names and sees no request, and the
/// demo app, which shows the headers that it received.
const READS_FORWARDED: &[&str] = &["src/wire/forwarded.rs"];
const NAMES_FORWARDED: &[&str] = &["src/headers/", "src/upstream/", "src/config/", "src/demo/"];

/// Returns what is too long without an exception, and the number of exceptions that are used.
fn long_parts(tree: &SourceTree) -> (Vec<String>, usize) {
    let (mut out, mut used) = (Vec::new(), 0);
    for file in &tree.files {
        let lines = file.text.lines().count() - file.source.test_lines;
        out.extend(too_many_lines(&file.path, lines));
        for (name, line, lines) in
            file.source.functions.iter().filter(|it| it.2 > MAX_FUNCTION_LINES)
        {
            if LONG_FUNCTIONS.iter().any(|it| it.0 == file.path && it.1 == name) {
                used += 1;
            } else {
                out.push(format!(
                    "{}:{line}: {name} has {lines} lines, {MAX_FUNCTION_LINES} at most",
                    file.path
                ));
            }
        }
    }
    (out, used)
}

/// Returns a complaint if a file with this number of lines cannot be read at one sitting.
pub fn too_many_lines(path: &str, lines: usize) -> Option<String> {
    (lines > MAX_FILE_LINES).then(|| format!("{path}: {lines} lines, {MAX_FILE_LINES} at most"))
}

/// Returns files and functions that are too long to read at one sitting.
pub fn too_long(tree: &SourceTree) -> Vec<String> {
    long_parts(tree).0
}

/// Reports exceptions that are no longer needed.
pub fn needless_exceptions(tree: &SourceTree) -> Vec<String> {
    let (listed, used) = (LONG_FUNCTIONS.len(), long_parts(tree).1);
    let message = || format!("{listed} exceptions are listed, and {used} are needed");
    (used != listed).then(message).into_iter().collect()
}

/// Returns caches that may drop a new entry: moka's default policy keeps frequently used entries
/// and rejects new ones, so a full table of counts does not count a new client, and a full table of
/// answers asks again for each request.
pub fn caches_that_reject_newcomers(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in &tree.files {
        let is_a_type_of_ours =
            |at: usize| file.text[..at].ends_with(|it: char| it.is_alphanumeric());
        let made = file
            .text
            .match_indices("Cache::builder()")
            .chain(file.text.match_indices("Cache::new("));
        for (at, _) in made.filter(|it| !is_a_type_of_ours(it.0)) {
            let statement = file.text[at..].split(".build").next().unwrap();
            if !statement.contains("eviction_policy(EvictionPolicy::lru())") {
                out.push(format!(
                    "{}:{}: a cache without EvictionPolicy::lru()",
                    file.path,
                    file.text[..at].lines().count()
                ));
            }
        }
    }
    out
}

/// Returns lints that are switched off outside tests: `allow` is never permitted; `expect` with a
/// reason is, if an invariant justifies it.
pub fn lints_switched_off(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in &tree.files {
        for (line, text) in &file.source.attributes {
            let text = text.replace([' ', '\n'], "");
            let names_one =
                ["clippy::all", "clippy::restriction", "disallowed_methods", "warnings"]
                    .into_iter()
                    .any(|it| text.contains(it))
                    || REFUSED.iter().flat_map(|it| it.1).any(|it| text.contains(it));
            let off = ["allow(", "warn("].into_iter().any(|it| text.contains(it));
            let silent = text.contains("expect(") && !text.contains("reason=");
            let for_tests = text.starts_with("cfg_attr(test,");
            if names_one && !for_tests && (off || silent) {
                out.push(format!(
                    "{}:{line}: #[{text}] switches off what keeps the program from falling over",
                    file.path
                ));
            }
        }
    }
    out
}

/// Returns files that are compiled from a place other than their apparent one.
pub fn hidden_files(tree: &SourceTree) -> Vec<String> {
    let moved = |file: &SourceFile| {
        file.source
            .attributes
            .iter()
            .filter(|it| it.1 == "path")
            .map(|it| format!("{}:{}: #[path]", file.path, it.0))
            .collect::<Vec<_>>()
    };
    tree.files.iter().flat_map(moved).collect()
}

/// Returns forwarded headers that are read outside of `wire/forwarded.rs`.
///
/// Their names may appear as strings only in these places, and a header map may be queried with
/// them only in the first.
pub fn forwarded_read_elsewhere(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.files.iter().filter(|it| !READS_FORWARDED.contains(&it.path.as_str())) {
        let names = NAMES_FORWARDED.iter().any(|it| file.path.starts_with(it));
        for text in
            file.source.texts.iter().filter(|it| is_forwarded(&it.value) && (it.asked || !names))
        {
            out.push(format!(
                "{}:{}: {:?} is read in wire/forwarded.rs only",
                file.path, text.line, text.value
            ));
        }
        let constant = |path: &[String]| {
            path.last().is_some_and(|it| it == "FORWARDED") && path.iter().any(|it| it == "header")
        };
        for named in file.source.named.iter().filter(|it| constant(&it.path) && !names) {
            out.push(format!(
                "{}:{}: FORWARDED is read in wire/forwarded.rs only",
                file.path, named.line
            ));
        }
    }
    out
}

fn is_forwarded(text: &str) -> bool {
    let name = text.to_ascii_lowercase().replace('_', "-");
    let whole = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    whole
        && (name == "forwarded"
            || name.starts_with("x-forwarded-")
            || name.starts_with("x-original-"))
}
