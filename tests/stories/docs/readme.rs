//! Everything that README.md shows is typed, in the order of the page.

use super::{RunningCommand, SECRET, blocks, documents, root};
use crate::world::browser::TestBrowser;
use crate::world::echo::EchoApp;
use crate::world::free_port;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const CLIENT_ID: &str = "0a1b2c3d-bbbb-3333-cccc-4444dddd5555";

/// A terminal: a directory, a home and variables, which lines change.
struct Terminal {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Terminal {
    /// The directory has what `make dev` built.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("target/debug")).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_entrada"),
            folder.path().join("target/debug/entrada"),
        )
        .unwrap();
        let environment = BTreeMap::from([
            ("HOME".to_owned(), folder.path().display().to_string()),
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
        ]);
        Self { folder, environment }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-ec", script])
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Types lines that end by themselves; the variables that they export stay.
    fn types(&mut self, lines: &[String]) {
        let script = format!("{}\nenv -0 > exported", lines.join("\n"));
        let output = self.command(&script).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{script}\n{}{}",
            said(&output.stdout),
            said(&output.stderr)
        );
        let exported = std::fs::read_to_string(self.folder.path().join("exported")).unwrap();
        let pair = |it: &str| it.split_once('=').map(|(name, value)| (name.into(), value.into()));
        self.environment = exported.split('\0').filter_map(pair).collect();
    }

    /// Types a line that runs until it is stopped.
    fn starts(&self, line: &str, listens: u16) -> RunningCommand {
        RunningCommand::of(self.command(&format!("exec {line}")), line, listens)
    }
}

/// The values that README.md tells people to replace with their own.
fn with_own_values(text: &str, public_url: &str, app: SocketAddr) -> String {
    let mut text = text.to_owned();
    for (shown, own) in [
        ("https://app.example.com", public_url),
        ("http://127.0.0.1:3000", &format!("http://{app}")),
        ("contoso.onmicrosoft.com", "contoso.example"),
        ("11112222-bbbb-3333-cccc-4444dddd5555", CLIENT_ID),
    ] {
        text = text.replace(shown, own);
    }
    text
}

/// The command that a target of the Makefile runs last.
fn made_by(line: &str) -> String {
    let target = line.strip_prefix("make ").unwrap();
    let output = Command::new("make")
        // `make test` runs this, and passes its own options on.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .args(["-n", "--no-print-directory", target])
        .current_dir(root())
        .output()
        .unwrap();
    let recipe = String::from_utf8(output.stdout).unwrap();
    // Compiling takes minutes: the recipe says so, and does not hide cargo's progress.
    assert!(recipe.contains("minutes") && !recipe.contains(" -q"), "{recipe}");
    let (_, arguments) = recipe.trim_end().rsplit_once("\ncargo run -- ").unwrap();
    format!("target/debug/entrada {arguments}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_readme_can_be_typed_and_ends_in_a_sign_in() {
    let app = EchoApp::start().await;
    let [port, admin, entra, free] = [free_port(), free_port(), free_port(), free_port()];
    let public_url = format!("http://localhost:{port}");
    let mut terminal = Terminal::new();
    let readme = documents().into_iter().find(|it| it.path == root().join("README.md")).unwrap();
    let (mut started, mut is_signed_in) = (Vec::new(), false);
    for block in blocks(&readme) {
        let text = with_own_values(&block.text, &public_url, app.address);
        if block.info == "toml" {
            let file = terminal.folder.path().join("entrada.toml");
            assert!(!file.exists(), "README.md shows one file, entrada.toml");
            std::fs::write(file, text).unwrap();
            continue;
        }
        assert_eq!(block.info, "sh", "README.md:{}", block.line);
        let mut lines = Vec::new();
        for line in text.lines() {
            if line.starts_with("make ") {
                terminal.starts(&format!("{} --port {free}", made_by(line)), free).stops();
            } else if line.starts_with("entrada dev ") {
                terminal.starts(&format!("{line} --port {free}"), free).stops();
            } else if line == "entrada run" {
                terminal.types(&lines.split_off(0));
                let emulator = format!(
                    "entrada emulator --port {entra} --client-id {CLIENT_ID} \
                     --client-secret '{SECRET}' --redirect-uri {public_url}/oauth2/callback"
                );
                let emulator = terminal.starts(&emulator, entra);
                // Only what leads to the emulator and to free ports is not in README.md.
                for (name, value) in [
                    ("AZURE_AUTHORITY_HOST", format!("http://127.0.0.1:{entra}")),
                    ("ENTRADA_SERVER_LISTEN", format!("127.0.0.1:{port}")),
                    ("ENTRADA_SERVER_ADMIN_LISTEN", format!("127.0.0.1:{admin}")),
                ] {
                    terminal.environment.insert(name.to_owned(), value);
                }
                let running = terminal.starts(line, port);
                signs_in(port, &public_url).await;
                is_signed_in = true;
                running.stops();
                emulator.stops();
            } else {
                lines.push(line.to_owned());
                continue;
            }
            started.push(line.to_owned());
        }
        if !lines.is_empty() {
            terminal.types(&lines);
        }
    }
    assert!(is_signed_in && started.len() == 4, "{started:?}");
    assert!(Path::new(&terminal.environment["HOME"]).join(".local/bin/entrada").is_file());
}

async fn signs_in(port: u16, public_url: &str) {
    let mut browser = TestBrowser::new(SocketAddr::from(([127, 0, 0, 1], port)), public_url);
    let mut page = browser.visits("/reports").await;
    // Entrada learns of its tenant from Entra after it listens.
    for _ in 0..100 {
        if page.is_the_sign_in_at_entra() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        page = browser.visits("/reports").await;
    }
    let page = browser.signs_in_as("maya@contoso.example").await;
    assert_eq!((page.status, page.url.path()), (200, "/reports"), "{}", page.body);
    assert_eq!(page.app_heard("x-forwarded-preferred-username"), "maya@contoso.example");
}
