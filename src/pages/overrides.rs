//! The operator's own templates; each is tested with sample data before it is used.

use super::hostile;
use super::page::Page;
use super::samples::samples;
use super::set::{self, STYLE_SHEET_NAME, TEMPLATES, TemplateSet};
use crate::base::language::Language;
use std::io::Read as _;
use std::path::Path;

/// Maximum size of a file, in bytes.
const MAX_OVERRIDE_BYTES: u64 = 256 * 1024;

/// Returns the built-in set with the operator's replacements, or `None` if none of the operator's
/// files can be used.
///
/// A file whose name begins with `_` is for other templates to include; any other must have the
/// name of a built-in file.
pub(super) fn load(
    ours: &TemplateSet,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Option<TemplateSet> {
    let files = match names(folder) {
        Ok(names) => names,
        Err(error) => {
            warnings.push(format!(
                "[pages] templates: {} cannot be read ({error}); the built-in pages are used",
                folder.display()
            ));
            return None;
        }
    };
    let pages: Vec<_> =
        samples().into_iter().flat_map(|(_, page)| [hostile::make_hostile(&page), page]).collect();
    let (mut set, mut used) = (ours.clone(), 0);
    for name in in_order(&files) {
        match read(&folder.join(name)).and_then(|text| tried(&set, name, text, &pages)) {
            Ok(with_it) => {
                set = with_it;
                used += 1;
            }
            Err(why) => warnings.push(format!(
                "[pages] templates: {name} cannot be used, the built-in page stands in: {why}"
            )),
        }
    }
    for name in files.iter().filter(|it| !is_partial(it) && !is_ours(it)) {
        let known: Vec<_> = TEMPLATES.iter().map(|it| it.0).chain([STYLE_SHEET_NAME]).collect();
        warnings.push(format!(
            "[pages] templates: {name} is not used; the names are {}, or _any.html to be included",
            known.join(", ")
        ));
    }
    (used > 0).then_some(set)
}

/// Sorts the files: included ones first, then the layout, then the pages.
fn in_order(files: &[String]) -> impl Iterator<Item = &str> {
    let partials = files.iter().map(String::as_str).filter(|it| is_partial(it));
    let ours = [STYLE_SHEET_NAME].into_iter().chain(TEMPLATES.iter().map(|it| it.0));
    partials.chain(ours.filter(|name| files.iter().any(|it| it == name)))
}

fn is_partial(name: &str) -> bool {
    name.starts_with('_') && name.ends_with(".html")
}

fn is_ours(name: &str) -> bool {
    name == STYLE_SHEET_NAME || TEMPLATES.iter().any(|it| it.0 == name)
}

/// Returns the names of templates and style sheets; the folder may also contain pictures and notes.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(".html") || name.ends_with(".css") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|it| it.to_string())?;
    let mut text = String::new();
    let size =
        file.take(MAX_OVERRIDE_BYTES + 1).read_to_string(&mut text).map_err(|it| it.to_string())?;
    if size as u64 > MAX_OVERRIDE_BYTES {
        Err(format!("it is larger than {} KiB", MAX_OVERRIDE_BYTES / 1024))
    } else {
        Ok(text)
    }
}

/// Returns the set with this file in it, if every page still renders.
fn tried(
    set: &TemplateSet,
    name: &str,
    text: String,
    pages: &[Page],
) -> Result<TemplateSet, String> {
    let mut set = set.clone();
    if name == STYLE_SHEET_NAME {
        set.restyle(&text).map_err(|it| it.to_string())?;
        return Ok(set);
    }
    set.put(name, text).map_err(|it| set::cause(&it))?;
    for (page, language) in pages.iter().flat_map(|it| Language::ALL.map(|language| (it, language)))
    {
        let html = set.render(page, language).map_err(|it| set::cause(&it))?;
        if hostile::contains_hostile_text(&html) {
            return Err("it prints a value without escaping it".to_owned());
        }
    }
    Ok(set)
}
