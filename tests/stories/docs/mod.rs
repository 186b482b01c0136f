//! What the documents say is read, run and looked up: a document that is no longer true fails here.

mod api;
mod tables;

use crate::world::free_port;
use std::collections::BTreeSet;
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

/// Folders of an installation that the documents name; a story has them in a place of its own.
const PLACES: [&str; 2] = ["/etc/entrada/", "/run/secrets/"];

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
    fs::read_to_string(root().join(path)).unwrap_or_else(|it| panic!("{path}: {it}"))
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
        .map(|path| MarkdownFile { text: fs::read_to_string(&path).unwrap(), path })
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
                })
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

/// The text with the places it names in a folder of the story, where they are made.
fn placed(text: &str, folder: &Path) -> String {
    let mut out = text.to_owned();
    for quoted in text.split('"').filter(|it| PLACES.iter().any(|place| it.starts_with(place))) {
        let here = folder.join(&quoted[1..]);
        if here.extension().is_some() || quoted.starts_with("/run/") {
            fs::create_dir_all(here.parent().unwrap()).unwrap();
            fs::write(&here, SECRET).unwrap();
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

#[test]
fn every_block_says_what_it_is() {
    for document in documents() {
        for block in blocks(&document) {
            let known = [
                "toml", "sh", "text", "nginx", "ini", "json", "html", "promql", "mermaid",
                "python", "swift", "kotlin",
            ];
            assert!(
                known.contains(&block.info.as_str()),
                "{}:{}: {:?}",
                document.path.display(),
                block.line,
                block.info
            );
        }
    }
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
        let child = command(environment, folder)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Self(child, arguments.join(" "));
        let begin = Instant::now();
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], listens))).is_err() {
            assert!(
                running.0.try_wait().unwrap().is_none(),
                "entrada {} ended",
                arguments.join(" ")
            );
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "entrada {} does not listen",
                arguments.join(" ")
            );
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

/// The block's own variables, then what a story has to set: ports of its own, and a secret in place of what the shell would read from a file.
fn variables(block: &CodeBlock) -> (Vec<(String, String)>, [u16; 2]) {
    let ports = [free_port(), free_port()];
    let mut all = environment();
    for line in block.text.lines().filter_map(|it| it.strip_prefix("export ")) {
        let (name, value) = line.split_once('=').unwrap();
        assert!(
            !matches!(name, "ENTRADA_SERVER_LISTEN" | "ENTRADA_SERVER_ADMIN_LISTEN"),
            "{line}: choose what a story can run beside others"
        );
        let value = if value.contains("$(cat ") { SECRET } else { value };
        all.retain(|it| it.0 != name);
        all.push((name.to_owned(), value.to_owned()));
    }
    all.push(("ENTRADA_SERVER_LISTEN".to_owned(), format!("127.0.0.1:{}", ports[0])));
    all.push(("ENTRADA_SERVER_ADMIN_LISTEN".to_owned(), format!("127.0.0.1:{}", ports[1])));
    (all, ports)
}

fn try_line(line: &str, block: &CodeBlock, folder: &Path) {
    let (environment, ports) = variables(block);
    let mut words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
    let subcommand = words.first().cloned().unwrap_or_default();
    match subcommand.as_str() {
        "run" => RunningCommand::start(&words, folder, &environment, ports[0]).stops(),
        "dev" | "emulator" => {
            if let Some(at) = words.iter().position(|it| it == "--port") {
                words.drain(at..at + 2);
            }
            words.extend(["--port".to_owned(), ports[0].to_string()]);
            RunningCommand::start(&words, folder, &environment, ports[0]).stops();
        }
        _ => {
            let needs_a_service = subcommand == "health";
            let service = needs_a_service.then(|| {
                RunningCommand::start(&["run".to_owned()], folder, &environment, ports[1])
            });
            let binary = Path::new(env!("CARGO_BIN_EXE_entrada")).parent().unwrap();
            let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
            let of_directory = matches!(subcommand.as_str(), "organization" | "person")
                .then_some(("ENTRADA_CONFIG", "directory.toml"));
            let output = Command::new("sh")
                .arg("-c")
                .arg(line)
                .env_clear()
                .envs(environment)
                .envs(of_directory)
                .env("PATH", path)
                .current_dir(folder)
                .output()
                .unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            drop(service);
        }
    }
}

#[test]
fn every_command_in_the_documents_runs() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("entrada.toml"), completed("")).unwrap();
    // Sign-in does not ask the directory yet, so `entrada run` has another one.
    fs::write(
        folder.path().join("directory.toml"),
        completed("[session]\nsecrets = [{ env = \"ENTRADA_SECRET\" }]\n[directory]\n"),
    )
    .unwrap();
    fs::write(folder.path().join("contoso.secret"), SECRET).unwrap();
    fs::write(folder.path().join("people.csv"), "username,name\njonas,Jonas Winter\n").unwrap();
    let mut run = BTreeSet::new();
    for document in documents() {
        for block in blocks(&document).iter().filter(|it| it.info == "sh") {
            let syntax = Command::new("sh").args(["-n", "-c", &block.text]).output().unwrap();
            assert!(
                syntax.status.success(),
                "{}:{}: {}",
                document.path.display(),
                block.line,
                String::from_utf8_lossy(&syntax.stderr)
            );
            for line in block
                .text
                .lines()
                .map(|it| it.split(" #").next().unwrap().trim())
                .filter(|it| it.starts_with("entrada "))
            {
                try_line(line, block, folder.path());
                run.insert(line.split_whitespace().nth(1).unwrap().to_owned());
            }
        }
    }
    for command in [
        "run",
        "dev",
        "emulator",
        "check",
        "explain",
        "health",
        "organization",
        "person",
        "secret",
        "completions",
    ] {
        assert!(run.contains(command), "no document shows entrada {command}");
    }
}

#[test]
fn every_link_and_every_file_that_is_named_is_there() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for document in documents() {
        let folder = document.path.parent().unwrap();
        for target in document.text.split("](").skip(1).map(|it| it.split(')').next().unwrap()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { document.path.clone() } else { folder.join(file) };
            links += 1;
            if !path.exists() || (!anchor.is_empty() && !anchors(&path).contains(anchor)) {
                wrong.push(format!("{}: {target}", document.path.display()));
            }
        }
        for name in document.text.split('`').filter(|it| {
            ["src/", "tests/", "docs/", "examples/", "benches/", "fuzz/"]
                .iter()
                .any(|top| it.starts_with(top))
        }) {
            let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it));
            if is_plain && name != "docs/benchmarks.md" && !root().join(name).exists() {
                wrong.push(format!("{}: `{name}`", document.path.display()));
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What can be linked to within a document, as GitHub names it.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let titles = text
        .lines()
        .filter(|it| it.starts_with('#'))
        .map(|it| it.trim_start_matches('#').trim().to_lowercase());
    titles
        .map(|it| {
            it.replace(' ', "-")
                .chars()
                .filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_'))
                .collect()
        })
        .collect()
}

#[test]
fn every_target_of_make_that_is_named_is_there() {
    let makefile = text("Makefile");
    let mut named = BTreeSet::new();
    for document in documents() {
        for quoted in document.text.split('`').filter_map(|it| it.strip_prefix("make ")) {
            named.insert(quoted.split_whitespace().next().unwrap().to_owned());
        }
        for block in blocks(&document).iter().filter(|it| it.info == "sh") {
            named.extend(
                block
                    .text
                    .lines()
                    .filter_map(|it| it.strip_prefix("make "))
                    .map(|it| it.split_whitespace().next().unwrap().to_owned()),
            );
        }
    }
    assert!(named.contains("dev") && named.contains("test"), "{named:?}");
    for target in named {
        assert!(makefile.lines().any(|it| it.starts_with(&format!("{target}:"))), "make {target}");
    }
}
