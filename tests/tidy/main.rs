//! Checks the layout of the repository. A failure here concerns the layout, not the behavior.
#![cfg(test)]

mod cases;
mod layers;
mod repository;
mod shape;
mod source;
mod tree;

use tree::SourceTree;

fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn every_module_imports_only_from_layers_below() {
    nothing(&layers::against_the_layers(&SourceTree::of_this_crate()));
}

#[test]
fn folders_of_flow_import_only_the_allowed_ones() {
    nothing(&layers::between_folders_of_flow(&SourceTree::of_this_crate()));
}

#[test]
fn every_module_reads_only_its_own_section_of_the_configuration() {
    nothing(&layers::beyond_its_section(&SourceTree::of_this_crate()));
}

#[test]
fn files_have_no_import_cycle() {
    nothing(&layers::rings(&SourceTree::of_this_crate()));
}

#[test]
fn files_and_functions_keep_the_limits_of_length() {
    nothing(&shape::too_long(&SourceTree::of_this_crate()));
    nothing(&shape::needless_exceptions(&SourceTree::of_this_crate()));
}

#[test]
fn no_lint_is_switched_off_outside_tests() {
    nothing(&shape::lints_switched_off(&SourceTree::of_this_crate()));
}

#[test]
fn no_cache_rejects_new_entries() {
    nothing(&shape::caches_that_reject_newcomers(&SourceTree::of_this_crate()));
}

#[test]
fn every_file_is_the_module_that_its_path_says() {
    nothing(&shape::hidden_files(&SourceTree::of_this_crate()));
}

#[test]
fn forwarded_headers_are_read_in_one_place() {
    nothing(&shape::forwarded_read_elsewhere(&SourceTree::of_this_crate()));
}
