//! `[pages]`: what people see.

use super::section::Section;
use std::path::PathBuf;

/// `[pages]`, as meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// A directory of templates that stand in for ours, by file name.
    pub templates: Option<PathBuf>,
}

pub(super) fn read(section: &Section<'_>) -> Pages {
    Pages { templates: section.key("templates").directory() }
}
