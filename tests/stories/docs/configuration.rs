//! Configurations in the documents.

use super::{SECRET, blocks, completed, documents, environment};
use std::fs;
use std::path::Path;

/// Folders of an installation that the documents name; a story has them in a place of its own.
const PLACES: [&str; 2] = ["/etc/entrada/", "/run/secrets/"];

/// A logo, where a document names one.
const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

/// The text with the places it names in a folder of the story, where they are made.
fn placed(text: &str, folder: &Path) -> String {
    let mut out = text.to_owned();
    for quoted in text.split('"').filter(|it| PLACES.iter().any(|place| it.starts_with(place))) {
        let here = folder.join(&quoted[1..]);
        if here.extension().is_some() || quoted.starts_with("/run/") {
            fs::create_dir_all(here.parent().unwrap()).unwrap();
            let is_logo = here.extension().is_some_and(|it| it == "svg");
            let content = if is_logo { LOGO } else { SECRET };
            fs::write(&here, content).unwrap();
        } else {
            fs::create_dir_all(&here).unwrap();
        }
    }
    for place in PLACES {
        out = out.replace(&format!("\"{place}"), &format!("\"{}{place}", folder.display()));
    }
    out
}

#[test]
fn every_configuration_in_the_documents_is_read_without_a_problem() {
    let mut read = 0;
    for document in documents() {
        for block in blocks(&document).iter().filter(|it| it.info == "toml") {
            let folder = tempfile::tempdir().unwrap();
            let text = placed(&completed(&block.text), folder.path());
            let outcome = entrada::config::read("block", &text, &environment());
            let problems = entrada::config::problem::print(&outcome, "block");
            assert!(
                outcome.config.is_some(),
                "{}:{}\n{problems}\n{text}",
                document.path.display(),
                block.line
            );
            read += 1;
        }
    }
    assert!(read >= 6, "only {read} configurations were found");
}
