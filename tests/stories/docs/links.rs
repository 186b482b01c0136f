//! Links between pages lead somewhere, and the index has every page.

use super::{MarkdownFile, blocks, collect, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Every Markdown file of the repository.
fn pages() -> Vec<MarkdownFile> {
    let mut paths = Vec::new();
    collect(root(), &mut paths);
    paths.sort();
    assert!(paths.len() > 15, "{paths:?}");
    paths
        .into_iter()
        .map(|path| MarkdownFile { text: fs::read_to_string(&path).unwrap(), path })
        .collect()
}

/// The text without blocks of code and without `code`.
fn prose(page: &MarkdownFile) -> String {
    let mut text = page.text.clone();
    for block in blocks(page) {
        text = text.replace(&format!("```{}\n{}```", block.info, block.text), "");
    }
    // Every second part between backticks is code.
    text.split('`').step_by(2).collect::<Vec<_>>().join("code")
}

/// The targets of links and images that are not on the web. Only inline links are used.
fn targets(page: &MarkdownFile) -> Vec<String> {
    let prose = prose(page);
    let is_reference = |it: &str| it.starts_with('[') && it.contains("]:");
    assert!(!prose.lines().any(is_reference), "{}: a link by reference", page.path.display());
    prose
        .split("](")
        .skip(1)
        .map(|it| it.split(')').next().unwrap().to_owned())
        .filter(|it| !it.contains("://") && !it.starts_with("mailto:"))
        .collect()
}

/// The anchors of the headings, as GitHub names them.
fn anchors(page: &MarkdownFile) -> BTreeSet<String> {
    let mut text = page.text.clone();
    for block in blocks(page) {
        text = text.replace(&format!("```{}\n{}```", block.info, block.text), "");
    }
    let mut found = BTreeSet::new();
    for title in text.lines().filter(|it| it.starts_with('#')) {
        let plain: String = title
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'))
            .collect();
        let name = plain.replace(' ', "-");
        let again = (1..).map(|it| format!("{name}-{it}"));
        let free = std::iter::once(name.clone()).chain(again).find(|it| !found.contains(it));
        found.extend(free);
    }
    found
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(out.pop(), "{}", path.display()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[test]
fn every_relative_link_and_its_anchor_is_there() {
    let pages = pages();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in &pages {
        for target in targets(page) {
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() {
                page.path.clone()
            } else {
                plain(&page.path.parent().unwrap().join(file))
            };
            let there = pages.iter().find(|it| it.path == path);
            let is_there = match there {
                Some(there) => anchor.is_empty() || anchors(there).contains(anchor),
                None => path.exists() && anchor.is_empty() && path.starts_with(root()),
            };
            if !is_there {
                wrong.push(format!("{}: {target}", page.path.display()));
            }
        }
    }
    assert!(count > 120, "only {count} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_of_the_four_parts_is_in_the_index_once_under_its_part() {
    let index = root().join("docs/README.md");
    let text = fs::read_to_string(&index).unwrap();
    let parts = ["getting-started", "guides", "reference", "development"];
    let mut wrong = Vec::new();
    for page in pages().iter().filter(|it| it.path.starts_with(root().join("docs"))) {
        let name = page.path.strip_prefix(root().join("docs")).unwrap().to_str().unwrap();
        if page.path == index {
            continue;
        }
        let part = parts.iter().find(|it| name.starts_with(&format!("{it}/")));
        let heading = part.map(|it| format!("## {}", title(it))).unwrap_or_default();
        let section = text.split("\n## ").find(|it| format!("## {it}").starts_with(&heading));
        let link = format!("]({name})");
        let of_part = section.filter(|_| part.is_some()).map_or(0, |it| it.matches(&link).count());
        if (of_part, text.matches(&link).count()) != (1, 1) {
            wrong.push(name.to_owned());
        }
    }
    assert!(wrong.is_empty(), "not in docs/README.md once, under its part: {wrong:?}");
}

fn title(part: &str) -> String {
    let text = part.replace('-', " ");
    text[..1].to_uppercase() + &text[1..]
}
