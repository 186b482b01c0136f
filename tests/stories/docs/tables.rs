//! What the tables of the documents list is all there is, and all that is there.

use super::{root, text};
use std::collections::BTreeSet;
use std::fs;

/// The cells of the rows of all tables in a document.
fn rows(text: &str) -> Vec<Vec<String>> {
    let row = |line: &str| {
        line.trim().strip_prefix('|').map(|it| {
            it.trim_end_matches('|').split(" | ").map(|it| it.trim().to_owned()).collect()
        })
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_key_is_documented_with_its_default_and_its_variable() {
    let table = rows(&text("docs/reference/configuration.md"));
    let keys = entrada::config::keys();
    assert!(keys.len() > 40, "{}", keys.len());
    let mut wrong = Vec::new();
    for key in &keys {
        let row = table.iter().find(|it| it[0] == format!("`{}`", key.name));
        let Some([_, _, default, _, variable, meaning]) = row.map(Vec::as_slice) else {
            wrong.push(format!(
                "{} has no row (default {:?}, variable {:?})",
                key.name, key.default, key.variable
            ));
            continue;
        };
        let expected = key.default.as_ref().map_or_else(|| "-".to_owned(), |it| format!("`{it}`"));
        if *default != expected {
            wrong.push(format!("{}: the default is {expected}, not {default}", key.name));
        }
        if *variable != key.variable.as_ref().map_or_else(|| "-".to_owned(), |it| format!("`{it}`"))
        {
            wrong.push(format!("{}: the variable is {:?}, not {variable}", key.name, key.variable));
        }
        if meaning.len() < 20 {
            wrong.push(format!("{}: {meaning:?} is no meaning", key.name));
        }
    }
    for row in table.iter().filter(|it| it.len() == 6 && it[0].starts_with('`')) {
        if !keys.iter().any(|it| format!("`{}`", it.name) == row[0]) {
            wrong.push(format!("{} is no key", row[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_promise_of_security_names_a_story_that_exists() {
    let security = text("SECURITY.md");
    let promises: Vec<_> = rows(&security)
        .into_iter()
        .filter(|it| it.len() == 3 && it[0].parse::<u32>().is_ok())
        .collect();
    assert!(promises.len() >= 18, "{}", promises.len());
    let mut wrong = Vec::new();
    for promise in &promises {
        let stories: Vec<_> = promise[2].split('`').skip(1).step_by(2).collect();
        if stories.is_empty() {
            wrong.push(format!("{}: no story", promise[1]));
        }
        wrong.extend(stories.into_iter().filter(|it| !is_a_story(it)).map(str::to_owned));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `module::name` is a test of that file.
fn is_a_story(story: &str) -> bool {
    let Some((module, name)) = story.rsplit_once("::") else { return false };
    let file = root().join(format!("tests/stories/{}.rs", module.replace("::", "/")));
    fs::read_to_string(file).is_ok_and(|text| {
        let (before, _) = text.split_once(&format!("fn {name}(")).unwrap_or_default();
        before
            .lines()
            .rev()
            .take(2)
            .any(|it| it.starts_with("#[test]") || it.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_path_and_every_header_of_ours_is_listed() {
    let listed = text("docs/reference/headers.md").to_lowercase();
    let quoted = |file: &str, begins: &str| -> BTreeSet<String> {
        text(file)
            .split('"')
            .filter(|it| {
                it.starts_with(begins)
                    && it.chars().all(|it| it.is_ascii_lowercase() || "/_.-".contains(it))
            })
            .map(str::to_owned)
            .collect()
    };
    let mut paths = quoted("src/base/own_path.rs", "/");
    // What is below it is listed.
    assert!(paths.remove("/native"));
    let headers: BTreeSet<_> = ["x-forwarded-", "x-auth-request-"]
        .iter()
        .flat_map(|it| quoted("src/headers/names.rs", it))
        .collect();
    assert!(paths.len() >= 8 && headers.len() >= 16, "{paths:?} {headers:?}");
    for it in paths
        .iter()
        .map(|it| format!("/oauth2{it}`"))
        .chain(headers.iter().map(|it| format!("`{it}`")))
    {
        assert!(listed.contains(&it), "docs/reference/headers.md does not list {it}");
    }
}

#[test]
fn every_setting_of_the_emulator_is_listed_with_its_names() {
    let listed = text("docs/guides/emulator.md");
    let names = |file: &str, list: &str| -> BTreeSet<String> {
        let source = text(file);
        let (_, after) = source.split_once(list).unwrap_or_else(|| panic!("{file}: {list}"));
        let (list, _) = after.split_once("];").unwrap();
        list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let settings = names("src/emulator/control_request.rs", "const CONTROL_SETTINGS");
    let wrong = names("src/emulator/token_defect.rs", "const ALL");
    let (token, graph) = (
        names("src/emulator/faults.rs", "const NAMES"),
        names("src/emulator/faults.rs", "impl GraphFault"),
    );
    assert!(
        settings.len() >= 18 && wrong.len() >= 15 && token.len() >= 7 && graph.len() >= 7,
        "{settings:?} {wrong:?} {token:?} {graph:?}"
    );
    for name in settings.iter().chain(&wrong).chain(&token).chain(&graph) {
        assert!(
            listed.contains(&format!("`{name}`")),
            "docs/guides/emulator.md does not list {name}"
        );
    }
}

/// What notices can be called: each `title` of the catalog, and what stands in a table of that name.
fn titles(value: &toml::Value) -> BTreeSet<String> {
    let toml::Value::Table(table) = value else { return BTreeSet::new() };
    let of = |(name, value): (&String, &toml::Value)| match value {
        toml::Value::String(text) if name == "title" => BTreeSet::from([text.clone()]),
        toml::Value::Table(all) if name == "title" => {
            all.values().map(|it| it.as_str().unwrap().to_owned()).collect()
        }
        other => titles(other),
    };
    table.iter().flat_map(of).collect()
}

#[test]
fn every_title_of_an_answer_and_every_figure_is_listed() {
    let table = rows(&text("docs/guides/operations.md"));
    let listed = |column: usize, what: &str| {
        table.iter().any(|it| {
            it.get(column).is_some_and(|it| *it == what || it.starts_with(&format!("{what}, ")))
        })
    };
    let words: toml::Table = text("src/pages/words/en.toml").parse().unwrap();
    let titles = titles(&words["phrases"]);
    assert!(titles.len() >= 30, "{titles:?}");
    for title in titles {
        assert!(listed(1, &title), "docs/guides/operations.md does not list {title:?}");
    }
    let metrics = text("src/telemetry/metrics.rs");
    let figures: Vec<_> =
        metrics.split("registry.register(").skip(1).filter_map(|it| it.split('"').nth(1)).collect();
    assert!(figures.len() >= 7, "{figures:?}");
    for figure in figures {
        assert!(
            [format!("`entrada_{figure}`"), format!("`entrada_{figure}_total`")]
                .iter()
                .any(|it| listed(0, it)),
            "docs/guides/operations.md does not list {figure}"
        );
    }
}
