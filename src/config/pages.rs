//! `[pages]`: what people see.

use super::section::ConfigSection;
use std::path::PathBuf;

/// `[pages]`, as meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesConfig {
    /// A directory of templates that stand in for ours, by file name.
    pub templates: Option<PathBuf>,
}

pub(super) fn read(section: &ConfigSection<'_>) -> PagesConfig {
    PagesConfig { templates: section.key("templates").directory() }
}
