//! What the documents say is read, run and looked up: a document that is no longer true fails here.

mod api;
mod commands;
mod configuration;
mod links;
mod names;
mod readme;
mod schema;
mod tables;
mod units;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "a~client.secret-Value_of_the_documents-0123";

/// What a configuration needs: section, key, value.
const NEEDED: [(&str, &str, &str); 5] = [
    ("server", "public_url", "\"https://app.example.com\""),
    ("upstream", "url", "\"http://127.0.0.1:3000\""),
    ("entra", "tenant", "\"contoso.onmicrosoft.com\""),
    ("entra", "client_id", "\"11112222-bbbb-3333-cccc-4444dddd5555\""),
    ("entra", "client_secret", "{ env = \"AZURE_CLIENT_SECRET\" }"),
];

struct MarkdownFile {
    path: PathBuf,
    text: String,
}

struct CodeBlock {
    info: String,
    text: String,
    line: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|it| panic!("{path}: {it}"));
    with_secret(&text)
}

/// The example of a client secret stands for one, and is refused as such.
fn with_secret(text: &str) -> String {
    text.replace("the-Value-of-the-client-secret", SECRET)
}

/// All documents; parts of others that lie below (npm's, for one) are not ours.
fn documents() -> Vec<MarkdownFile> {
    let mut found = Vec::new();
    for it in fs::read_dir(root()).unwrap() {
        let path = it.unwrap().path();
        if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
    for folder in ["docs", "examples"] {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
        .into_iter()
        .map(|path| MarkdownFile { text: with_secret(&fs::read_to_string(&path).unwrap()), path })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for it in fs::read_dir(folder).unwrap() {
        let path = it.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !matches!(name, "node_modules" | "target" | ".venv") {
            collect(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

fn blocks(document: &MarkdownFile) -> Vec<CodeBlock> {
    let mut found = Vec::new();
    let mut open: Option<CodeBlock> = None;
    for (at, line) in document.text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(CodeBlock {
                    info: info.trim().to_owned(),
                    text: String::new(),
                    line: at + 1,
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => block.text = format!("{}{line}\n", block.text),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{} ends within a block", document.path.display());
    found
}

fn environment() -> Vec<(String, String)> {
    let secret = "a secret of the documents, longer than 32 bytes";
    [("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", secret), ("ENTRADA_SECRET_OLD", secret)]
        .map(|it| (it.0.to_owned(), it.1.to_owned()))
        .to_vec()
}

/// A fragment with what it lacks.
fn completed(fragment: &str) -> String {
    let mut lines: Vec<String> = fragment.lines().map(str::to_owned).collect();
    for (section, key, value) in NEEDED {
        let head = format!("[{section}]");
        let begin = lines.iter().position(|it| it.starts_with(&head)).unwrap_or_else(|| {
            lines.push(head.clone());
            lines.len() - 1
        });
        let end = lines
            .iter()
            .skip(begin + 1)
            .position(|it| it.starts_with('['))
            .map_or(lines.len(), |it| begin + 1 + it);
        if !lines[begin..end].iter().any(|it| it.split('=').next().unwrap().trim() == key) {
            lines.insert(begin + 1, format!("{key} = {value}"));
        }
    }
    lines.join("\n")
}

/// A program under way; it ends with the story.
struct RunningCommand(Child, String);

impl RunningCommand {
    fn start(
        arguments: &[String],
        folder: &Path,
        environment: &[(String, String)],
        listens: u16,
    ) -> Self {
        let mut command = command(environment, folder);
        command.args(arguments);
        Self::of(command, &format!("entrada {}", arguments.join(" ")), listens)
    }

    /// Starts a command that listens on this port.
    fn of(mut command: Command, line: &str, listens: u16) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut running = Self(child, line.to_owned());
        let begin = Instant::now();
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], listens))).is_err() {
            assert!(running.0.try_wait().unwrap().is_none(), "{line} ended");
            assert!(begin.elapsed() < Duration::from_secs(30), "{line} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Asks it to end, which it does well.
    fn stops(mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        let ended = self.0.wait().unwrap();
        assert!(ended.success(), "{}: {ended}", self.1);
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(environment: &[(String, String)], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entrada"));
    command.env_clear().envs(environment.iter().cloned()).current_dir(folder);
    command
}
