//! All files together: resolves a path to its module and its file.

use crate::source::{ModulePath, NamedPath, ParsedSource};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file in `src/`.
#[derive(Debug)]
pub struct SourceFile {
    /// The path from the repository's root: `src/flow/route.rs`.
    pub path: String,
    pub text: String,
    pub module: ModulePath,
    pub source: ParsedSource,
}

/// A reference from a file to an item or module of the crate.
#[derive(Debug)]
pub struct ModuleReference<'a> {
    pub file: &'a SourceFile,
    pub line: usize,
    /// The target, from the root.
    pub to: ModulePath,
    /// Whether it imports all items of the target.
    pub glob: bool,
}

/// The crate's modules.
#[derive(Debug, Default)]
pub struct SourceTree {
    pub files: Vec<SourceFile>,
    modules: BTreeMap<ModulePath, ModuleNode>,
}

#[derive(Debug, Default)]
struct ModuleNode {
    file: String,
    children: BTreeSet<String>,
    uses: Vec<NamedPath>,
}

/// Maximum number of aliases of aliases to follow; more means a cycle of `use`.
const DEPTH: usize = 12;

impl SourceTree {
    /// Reads all files in `src/`.
    pub fn of_this_crate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        collect(&root.join("src"), &mut found);
        let texts: Vec<_> = found
            .iter()
            .map(|it| {
                (
                    it.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
                    fs::read_to_string(it).unwrap(),
                )
            })
            .collect();
        Self::new(texts)
    }

    /// Builds the tree from the path and text of each file; files that only tests compile are left
    /// out.
    pub fn new(texts: Vec<(String, String)>) -> Self {
        let mut files: Vec<_> = texts.into_iter().map(|(path, text)| file(path, text)).collect();
        let declared = |it: &SourceFile| {
            it.source
                .children
                .iter()
                .filter(|it| it.test && !it.inline)
                .map(|it| below(&it.at, &it.name))
                .collect::<Vec<_>>()
        };
        let tests: Vec<ModulePath> = files.iter().flat_map(declared).collect();
        files.retain(|it| !tests.iter().any(|test| it.module.starts_with(test)));
        let mut tree = Self { files: Vec::new(), modules: BTreeMap::new() };
        for file in &files {
            tree.add(file);
        }
        tree.files = files;
        tree
    }

    fn add(&mut self, file: &SourceFile) {
        self.modules.entry(file.module.clone()).or_default().file.clone_from(&file.path);
        for child in file.source.children.iter().filter(|it| !it.test) {
            self.modules.entry(child.at.clone()).or_default().children.insert(child.name.clone());
            if child.inline {
                self.modules
                    .entry(below(&child.at, &child.name))
                    .or_default()
                    .file
                    .clone_from(&file.path);
            }
        }
        for named in file.source.named.iter().filter(|it| it.alias.is_some() || it.glob) {
            self.modules.entry(named.at.clone()).or_default().uses.push(named.clone());
        }
    }

    /// Returns every path in the crate that leads to an item or module of the crate.
    pub fn references(&self) -> Vec<ModuleReference<'_>> {
        let mut out = Vec::new();
        for file in &self.files {
            for named in &file.source.named {
                // An alias of the root is judged by the items that are reached through it.
                let only_an_alias = named.alias.is_some() && named.path.len() == 1;
                if let (false, Some(to)) =
                    (only_an_alias, self.resolve(&named.at, &named.path, DEPTH))
                {
                    out.push(ModuleReference { file, line: named.line, to, glob: named.glob });
                }
            }
        }
        out
    }

    /// Returns the file that contains a path's item. An item that a `mod.rs` re-exports counts as
    /// part of the `mod.rs`.
    pub fn file_of(&self, to: &[String]) -> Option<&str> {
        (0..=to.len())
            .rev()
            .find_map(|it| self.modules.get(&to[..it]))
            .map(|it| it.file.as_str())
            .filter(|it| !it.is_empty())
    }

    fn resolve(&self, at: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let depth = depth.checked_sub(1)?;
        match first.as_str() {
            "crate" | "entrada" => Some(rest.to_vec()),
            "self" => Some(self.resolve_up(at, rest)),
            "super" => Some(self.resolve_up(at, path)),
            name => self.resolve_name(at, name, rest, depth),
        }
    }

    fn resolve_up(&self, mut at: &[String], mut path: &[String]) -> ModulePath {
        while let Some(("super", rest)) =
            path.split_first().map(|(first, rest)| (first.as_str(), rest))
        {
            at = at.split_last().map_or(at, |it| it.1);
            path = rest;
        }
        at.iter().chain(path).cloned().collect()
    }

    fn resolve_name(
        &self,
        at: &[String],
        name: &str,
        rest: &[String],
        depth: usize,
    ) -> Option<ModulePath> {
        let module = self.modules.get(at)?;
        if module.children.contains(name) {
            return Some(
                at.iter().cloned().chain([name.to_owned()]).chain(rest.iter().cloned()).collect(),
            );
        }
        let mut aliases = module.uses.iter().filter(|it| {
            it.alias.as_deref() == Some(name) && it.path.first().is_some_and(|first| first != name)
        });
        let through_alias = aliases.find_map(|it| self.resolve(at, &it.path, depth));
        let through_glob = || {
            let globs = module
                .uses
                .iter()
                .filter(|it| it.glob)
                .filter_map(|it| self.resolve(at, &it.path, depth));
            globs.filter(|it| it != at).find_map(|it| self.resolve_name(&it, name, &[], depth))
        };
        let mut out = through_alias.or_else(through_glob)?;
        out.extend(rest.iter().cloned());
        Some(out)
    }
}

fn file(path: String, text: String) -> SourceFile {
    let parts: Vec<_> = path
        .strip_prefix("src/")
        .unwrap()
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    let module = match parts.split_last() {
        Some((last, above)) if last == "mod" || (last == "lib" && above.is_empty()) => {
            above.to_vec()
        }
        _ => parts,
    };
    let source = ParsedSource::read(&text, &module);
    SourceFile { path, text, module, source }
}

fn below(at: &[String], name: &str) -> ModulePath {
    at.iter().cloned().chain([name.to_owned()]).collect()
}

fn collect(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|it| it == "rs") {
            out.push(path);
        }
    }
}
