//! Unit files of systemd: their commands start the program.

use super::{RunningCommand, blocks, completed, documents, environment};
use crate::world::free_port;

#[test]
fn every_unit_file_starts_the_program_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("entrada.toml"), completed("")).unwrap();
    let mut run = 0;
    for document in documents() {
        for block in blocks(&document).iter().filter(|it| it.info == "ini") {
            let mut lines = block.text.lines();
            let Some(line) = lines.find_map(|it| it.strip_prefix("ExecStart=")) else { continue };
            let line = line.replace("/etc/entrada/entrada.toml", "entrada.toml");
            let mut words = line.split_whitespace().map(str::to_owned);
            assert_eq!(words.next().as_deref(), Some("/usr/local/bin/entrada"), "{line}");
            let (port, admin) = (free_port(), free_port());
            let mut all = environment();
            for (name, port) in
                [("ENTRADA_SERVER_LISTEN", port), ("ENTRADA_SERVER_ADMIN_LISTEN", admin)]
            {
                all.push((name.to_owned(), format!("127.0.0.1:{port}")));
            }
            RunningCommand::start(&words.collect::<Vec<_>>(), folder.path(), &all, port).stops();
            run += 1;
        }
    }
    assert!(run >= 2, "only {run} units were found");
}
