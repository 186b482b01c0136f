//! What one file may hold.

use crate::tree::{SourceFile, SourceTree};

const MAX_FUNCTION_LINES: usize = 60;
const MAX_FILE_LINES: usize = 400;

/// What clippy and rustc refuse for the whole package (Cargo.toml), and what nobody may switch off again.
pub const REFUSED: &[(&str, &[&str])] = &[
    ("rust", &["unsafe_code", "missing_docs"]),
    ("clippy", &["unwrap_used", "expect_used", "panic", "indexing_slicing", "todo", "unimplemented", "dbg_macro", "print_stdout", "print_stderr"]),
];

/// Where the header names of a front proxy may stand: where they are read, where we write our own, where an operator's names
/// are judged, which sees no request, and in the app that shows what it received.
const READS_FORWARDED: &[&str] = &["src/wire/forwarded.rs"];
const NAMES_FORWARDED: &[&str] = &["src/headers/", "src/upstream/", "src/config/", "src/demo/"];

/// Functions and files that cannot be read at one sitting.
pub fn too_long(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in &tree.files {
        let lines = file.text.lines().count() - file.source.test_lines;
        if lines > MAX_FILE_LINES {
            out.push(format!("{}: {lines} lines without tests, {MAX_FILE_LINES} at most", file.path));
        }
        for (name, line, lines) in file.source.functions.iter().filter(|it| it.2 > MAX_FUNCTION_LINES) {
            out.push(format!("{}:{line}: {name} has {lines} lines, {MAX_FUNCTION_LINES} at most", file.path));
        }
    }
    out
}

/// Caches that may drop a new entry: moka's default policy keeps what is used often and rejects newcomers, so that a full table of counts
/// counts no new client, and a full table of answers asks again for each request.
pub fn caches_that_reject_newcomers(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in &tree.files {
        let is_a_type_of_ours = |at: usize| file.text[..at].ends_with(|it: char| it.is_alphanumeric());
        let made = file.text.match_indices("Cache::builder()").chain(file.text.match_indices("Cache::new("));
        for (at, _) in made.filter(|it| !is_a_type_of_ours(it.0)) {
            let statement = file.text[at..].split(".build").next().unwrap();
            if !statement.contains("eviction_policy(EvictionPolicy::lru())") {
                out.push(format!("{}:{}: a cache without EvictionPolicy::lru()", file.path, file.text[..at].lines().count()));
            }
        }
    }
    out
}

/// Lints that are switched off outside tests: never by `allow`; by `expect` with a reason where an invariant makes it right.
pub fn lints_switched_off(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in &tree.files {
        for (line, text) in &file.source.attributes {
            let text = text.replace([' ', '\n'], "");
            let names_one = ["clippy::all", "clippy::restriction", "disallowed_methods", "warnings"].into_iter().any(|it| text.contains(it))
                || REFUSED.iter().flat_map(|it| it.1).any(|it| text.contains(it));
            let off = ["allow(", "warn("].into_iter().any(|it| text.contains(it));
            let silent = text.contains("expect(") && !text.contains("reason=");
            let for_tests = text.starts_with("cfg_attr(test,");
            if names_one && !for_tests && (off || silent) {
                out.push(format!("{}:{line}: #[{text}] switches off what keeps the program from falling over", file.path));
            }
        }
    }
    out
}

/// Files that are compiled from elsewhere than where they seem to be.
pub fn hidden_files(tree: &SourceTree) -> Vec<String> {
    let moved =
        |file: &SourceFile| file.source.attributes.iter().filter(|it| it.1 == "path").map(|it| format!("{}:{}: #[path]", file.path, it.0)).collect::<Vec<_>>();
    tree.files.iter().flat_map(moved).collect()
}

/// Forwarded headers that are read elsewhere than in `wire/forwarded.rs`.
///
/// A name of theirs may stand as a string only in these places; and outside of the first nobody asks a header map for it.
pub fn forwarded_read_elsewhere(tree: &SourceTree) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.files.iter().filter(|it| !READS_FORWARDED.contains(&it.path.as_str())) {
        let names = NAMES_FORWARDED.iter().any(|it| file.path.starts_with(it));
        for text in file.source.texts.iter().filter(|it| is_forwarded(&it.value) && (it.asked || !names)) {
            out.push(format!("{}:{}: {:?} is read in wire/forwarded.rs only", file.path, text.line, text.value));
        }
        let constant = |path: &[String]| path.last().is_some_and(|it| it == "FORWARDED") && path.iter().any(|it| it == "header");
        for named in file.source.named.iter().filter(|it| constant(&it.path) && !names) {
            out.push(format!("{}:{}: FORWARDED is read in wire/forwarded.rs only", file.path, named.line));
        }
    }
    out
}

fn is_forwarded(text: &str) -> bool {
    let name = text.to_ascii_lowercase().replace('_', "-");
    let whole = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    whole && (name == "forwarded" || name.starts_with("x-forwarded-") || name.starts_with("x-original-"))
}
