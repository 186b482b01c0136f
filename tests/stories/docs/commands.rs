//! Commands in the documents, and the labels of their blocks.

use super::{CodeBlock, RunningCommand, SECRET, blocks, completed, documents, environment};
use crate::world::free_port;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

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
    fs::create_dir(folder.path().join("secrets")).unwrap();
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
