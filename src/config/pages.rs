//! `[pages]`: the pages that people see.

use super::section::ConfigSection;
use std::path::PathBuf;

/// The parsed section `[pages]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesConfig {
    /// A directory of templates that replace the built-in ones with the same file name.
    pub templates: Option<PathBuf>,
}

pub(super) fn read(section: &ConfigSection<'_>) -> PagesConfig {
    PagesConfig {
        templates: section
            .key("templates", "Templates that replace the built-in ones, by file name")
            .directory(),
    }
}
