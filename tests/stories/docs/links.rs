//! Links, files and targets that the documents name.

use super::{blocks, documents, root, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_link_and_every_file_that_is_named_is_there() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for document in documents() {
        let folder = document.path.parent().unwrap();
        for target in document.text.split("](").skip(1).map(|it| it.split(')').next().unwrap()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { document.path.clone() } else { folder.join(file) };
            links += 1;
            if !path.exists() || (!anchor.is_empty() && !anchors(&path).contains(anchor)) {
                wrong.push(format!("{}: {target}", document.path.display()));
            }
        }
        for name in document.text.split('`').filter(|it| {
            ["src/", "tests/", "docs/", "examples/", "benches/", "fuzz/"]
                .iter()
                .any(|top| it.starts_with(top))
        }) {
            let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it));
            if is_plain && name != "docs/benchmarks.md" && !root().join(name).exists() {
                wrong.push(format!("{}: `{name}`", document.path.display()));
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What can be linked to within a document, as GitHub names it.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let titles = text
        .lines()
        .filter(|it| it.starts_with('#'))
        .map(|it| it.trim_start_matches('#').trim().to_lowercase());
    titles
        .map(|it| {
            it.replace(' ', "-")
                .chars()
                .filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_'))
                .collect()
        })
        .collect()
}

#[test]
fn every_target_of_make_that_is_named_is_there() {
    let makefile = text("Makefile");
    let mut named = BTreeSet::new();
    for document in documents() {
        for quoted in document.text.split('`').filter_map(|it| it.strip_prefix("make ")) {
            named.insert(quoted.split_whitespace().next().unwrap().to_owned());
        }
        for block in blocks(&document).iter().filter(|it| it.info == "sh") {
            named.extend(
                block
                    .text
                    .lines()
                    .filter_map(|it| it.strip_prefix("make "))
                    .map(|it| it.split_whitespace().next().unwrap().to_owned()),
            );
        }
    }
    assert!(named.contains("dev") && named.contains("test"), "{named:?}");
    for target in named {
        assert!(makefile.lines().any(|it| it.starts_with(&format!("{target}:"))), "make {target}");
    }
}
