//! Companies and their people, as an operator tends them.

mod domains;
mod imports;
mod organizations;
mod people;
mod start;

use super::{CliFolder, CliTranscript, SmallConfig};
use crate::world::{CLIENT_SECRET, SEAL};
use serde_json::Value;

const ADD: &str = "organization add contoso --name Contoso --tenant aaaabbbb-0000-cccc-1111-dddd2222eeee \
                   --client-id 11112222-bbbb-3333-cccc-4444dddd5555 --client-secret-file secret --domain contoso.com --on";
const DIRECTORY: &str = "[session]\nsecrets = [{ env = \"SEAL\" }]\n[directory]\n";

fn place() -> CliFolder {
    let place = CliFolder::new()
        .with("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .with("SEAL", SEAL)
        .with("USER", "olga");
    place.writes("entrada.toml", &SmallConfig::new().text("http://127.0.0.1:3000", DIRECTORY));
    place.writes("secret", &format!("{CLIENT_SECRET}\n"));
    place
}

impl CliFolder {
    fn does(&self, line: &str) -> String {
        let told = self.types(line);
        assert!(told.code == Some(0) && told.err.is_empty(), "{line}\n{told:?}");
        told.out
    }

    /// A command that succeeds and warns.
    fn does_with_warnings(&self, line: &str) -> CliTranscript {
        let told = self.types(line);
        let only_warnings = told.err.lines().all(|it| it.starts_with("warning: "));
        assert!(told.code == Some(0) && only_warnings && !told.err.is_empty(), "{line}\n{told:?}");
        told
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.does(&format!("{line} --json"))).unwrap()
    }

    fn refuses(&self, line: &str, with: &str) -> CliTranscript {
        let told = self.types(line);
        assert!(told.code != Some(0) && told.err.contains(with), "{line}\n{told:?}");
        told
    }
}
