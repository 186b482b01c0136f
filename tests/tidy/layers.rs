//! The modules that each module may import.

use crate::tree::{ModuleReference, SourceTree};
use std::collections::{BTreeMap, BTreeSet};

/// From the bottom up. A module imports only from layers below its own; modules in the same layer
/// do not import each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["config"],
    &["wire", "seal", "telemetry"],
    &["entra", "pages", "emulator", "demo"],
    &["directory"],
    &["session"],
    &["bearer"],
    &["access"],
    &["headers"],
    &["upstream"],
    &["sidecar"],
    &["flow"],
    &["server"],
    &["service"],
    &["cli"],
    &["lib", "main"],
];

/// Stores do not use cookies, and rules do not use requests; code on the request path does not name
/// modules that only a developer starts.
const NEVER: &[(&[&str], &[&str])] = &[
    (&["session", "access", "directory"], &["wire"]),
    (
        &[
            "session",
            "bearer",
            "access",
            "directory",
            "headers",
            "upstream",
            "sidecar",
            "flow",
            "server",
            "service",
        ],
        &["emulator", "demo"],
    ),
];

/// The folders of `flow` that each folder of `flow` imports; the files of `flow` outside of folders
/// connect them.
const FLOW_FOLDERS: &[(&str, &[&str])] = &[
    ("refusal", &[]),
    ("upkeep", &[]),
    ("sign_in", &["refusal"]),
    ("native", &["refusal", "sign_in", "upkeep"]),
    ("setup", &["refusal", "sign_in"]),
];

/// The modules that read each section of the configuration. `cli` and `sidecar` distribute the
/// sections.
const SECTIONS: &[(&str, &[&str])] = &[
    ("access", &["access", "flow"]),
    ("directory", &["directory"]),
    ("entra", &["entra"]),
    ("headers", &["headers"]),
    ("native", &["flow"]),
    ("pages", &["pages"]),
    ("server", &["wire", "upstream", "server"]),
    ("session", &["session"]),
    ("telemetry", &["telemetry"]),
    ("upstream", &["upstream"]),
];

/// Modules that see the whole configuration.
const WHOLE_CONFIG: &[&str] = &["config", "sidecar", "service", "cli", "lib", "main"];

/// Returns the imports across modules that violate the layers.
pub fn against_the_layers(tree: &SourceTree) -> Vec<String> {
    let mut out = BTreeSet::new();
    for file in &tree.files {
        let here = file.module.first().map_or("lib", String::as_str);
        if layer(here).is_none() {
            out.insert(format!("{}: `{here}` stands in no layer; add it to LAYERS", file.path));
        }
    }
    for it in tree.references() {
        let (here, there) = ends(&it);
        let down = matches!((layer(here), layer(there)), (Some(here), Some(there)) if there < here);
        if here != there && !down {
            out.insert(format!(
                "{}:{}: {here} imports {there}, which is not below it",
                it.file.path, it.line
            ));
        }
        if NEVER.iter().any(|(who, what)| who.contains(&here) && what.contains(&there)) {
            out.insert(format!("{}:{}: {here} must not know {there}", it.file.path, it.line));
        }
    }
    out.into_iter().collect()
}

/// Returns imports between folders of `flow` that are not allowed.
pub fn between_folders_of_flow(tree: &SourceTree) -> Vec<String> {
    let mut out = BTreeSet::new();
    for it in tree.references() {
        let Some((here, known)) =
            FLOW_FOLDERS.iter().find(|folder| is_below(&it.file.module, folder.0))
        else {
            continue;
        };
        let there =
            FLOW_FOLDERS.iter().map(|folder| folder.0).find(|folder| is_below(&it.to, folder));
        if let Some(there) = there.filter(|there| there != here && !known.contains(there)) {
            out.insert(format!(
                "{}:{}: flow/{here} must not know flow/{there}",
                it.file.path, it.line
            ));
        }
    }
    out.into_iter().collect()
}

fn is_below(module: &[String], folder: &str) -> bool {
    module.first().is_some_and(|it| it == "flow") && module.get(1).is_some_and(|it| it == folder)
}

/// Returns the modules that read more of the configuration than their own sections.
pub fn beyond_its_section(tree: &SourceTree) -> Vec<String> {
    let mut out = BTreeSet::new();
    for it in tree.references() {
        let (here, there) = ends(&it);
        // The bare module is judged by the items that are reached through it.
        let Some(item) = it.to.get(1).map(String::as_str).or(it.glob.then_some("*")) else {
            continue;
        };
        let readers = SECTIONS.iter().find(|it| it.0 == item).map_or(&[][..], |it| it.1);
        if there == "config" && !WHOLE_CONFIG.contains(&here) && !readers.contains(&here) {
            out.insert(format!(
                "{}:{}: {here} reads config::{item}, which is not its section",
                it.file.path, it.line
            ));
        }
    }
    out.into_iter().collect()
}

/// Returns files that import each other in a cycle; a `mod.rs` and its child that imports it count
/// as one file.
pub fn rings(tree: &SourceTree) -> Vec<String> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let imported = tree.references();
    let imports =
        imported.iter().filter_map(|it| Some((it.file.path.as_str(), tree.file_of(&it.to)?)));
    let declared = tree.files.iter().flat_map(|file| {
        let children = file.source.children.iter().filter(|it| !it.test);
        children.filter_map(|it| {
            Some((
                file.path.as_str(),
                tree.file_of(&[&it.at[..], std::slice::from_ref(&it.name)].concat())?,
            ))
        })
    });
    for (from, to) in imports.chain(declared).filter(|(from, to)| from != to) {
        below.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        below.keys().map(|it| (*it, reach(&below, it))).collect();
    let cycle = |start: &&str| {
        reached[start]
            .iter()
            .copied()
            .filter(|it| reached.get(it).is_some_and(|it| it.contains(start)))
            .collect::<BTreeSet<_>>()
    };
    let cycles: BTreeSet<_> = below.keys().map(cycle).filter(|it| !it.is_empty()).collect();
    cycles
        .into_iter()
        .map(|it| format!("import cycle: {}", it.into_iter().collect::<Vec<_>>().join(" <-> ")))
        .collect()
}

fn reach<'a>(below: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
    while let Some(at) = todo.pop() {
        todo.extend(below.get(at).into_iter().flatten().copied().filter(|it| seen.insert(*it)));
    }
    seen
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|it| it.contains(&module))
}

/// Returns the modules at both ends of a reference; an item in the root belongs to `lib`.
fn ends<'a>(it: &'a ModuleReference<'_>) -> (&'a str, &'a str) {
    let top = |place: &'a [String]| {
        place.first().map(String::as_str).filter(|it| layer(it).is_some()).unwrap_or("lib")
    };
    let here = it.file.module.first().map_or("lib", String::as_str);
    (here, top(&it.to))
}
