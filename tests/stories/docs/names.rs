//! Files and targets of make that the documents name.

use super::{blocks, documents, root, text};
use std::collections::BTreeSet;

#[test]
fn every_file_that_is_named_is_there() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents() {
        for name in document.text.split('`').filter(|it| {
            ["src/", "tests/", "docs/", "examples/", "benches/", "fuzz/"]
                .iter()
                .any(|top| it.starts_with(top))
        }) {
            let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it));
            count += usize::from(is_plain);
            if is_plain && name != "docs/development/benchmarks.md" && !root().join(name).exists() {
                wrong.push(format!("{}: `{name}`", document.path.display()));
            }
        }
    }
    assert!(count > 20, "only {count} names were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
