//! What can be said of the container image without an engine: its Dockerfile.

use crate::outside::root;
use std::fs;

/// Instructions with continued lines joined: name and the rest.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines = text
        .lines()
        .filter(|it| !it.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\\\n", " ");
    lines
        .lines()
        .filter_map(|it| it.trim().split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// The instructions of the image that is shipped: those of the last stage.
fn shipped() -> Vec<(String, String)> {
    let all = instructions();
    let last = all.iter().rposition(|it| it.0 == "FROM").unwrap();
    all[last..].to_vec()
}

fn only(name: &str) -> String {
    let found: Vec<_> = shipped().into_iter().filter(|it| it.0 == name).collect();
    assert_eq!(found.len(), 1, "{name} stands {} times", found.len());
    found[0].1.clone()
}

#[test]
fn the_image_is_built_by_the_makefiles_own_release() {
    assert!(instructions().iter().any(|it| it.0 == "RUN" && it.1.contains("make release")));
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains("\nrelease:\n\tbenches/pgo.sh\n"));
    assert!(shipped().iter().any(|it| it.0 == "COPY"
        && it.1.contains("--from=build")
        && it.1.contains("target/dist/entrada")));
}

#[test]
fn the_compiler_is_the_one_that_the_manifest_asks_for() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let version = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(instructions()[0].1.starts_with(&format!("rust:{version}")), "{}", instructions()[0].1);
}

#[test]
fn every_base_has_a_version_and_none_is_the_newest() {
    for (_, image) in instructions().into_iter().filter(|it| it.0 == "FROM") {
        let image = image.split_whitespace().next().unwrap().to_owned();
        let tag = image.rsplit('/').next().unwrap().split_once(':').map(|it| it.1.to_owned());
        assert!(tag.is_some_and(|it| !it.contains("latest")), "{image}");
    }
}

#[test]
fn the_shipped_image_has_no_shell_and_runs_as_nobody_in_particular() {
    assert!(only("FROM").contains("distroless"));
    let user = only("USER");
    let id: u32 = user
        .split(':')
        .next()
        .unwrap()
        .parse()
        .expect("a number, so that an orchestrator can see that it is not root");
    assert!(id > 0);
    assert!(
        !shipped().iter().any(|it| it.0 == "RUN" || it.0 == "VOLUME"),
        "nothing is run in the shipped image, and nothing is written"
    );
}

/// `docs` was left out, although the code contains the description of the admin API.
#[test]
fn everything_that_the_code_contains_goes_into_the_build() {
    let listed = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let entries: Vec<_> = listed.lines().filter_map(|it| it.strip_prefix('!')).collect();
    let mut outside_of_src = 0;
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for name in
                text.split("include_str!(\"").skip(1).map(|it| it.split('"').next().unwrap())
            {
                let file = fs::canonicalize(folder.join(name)).unwrap();
                let file = file.strip_prefix(fs::canonicalize(root()).unwrap()).unwrap().to_owned();
                outside_of_src += usize::from(!file.starts_with("src"));
                assert!(entries.iter().any(|it| file.starts_with(it)), "{}", file.display());
            }
        }
    }
    assert!(outside_of_src > 0, "openapi.json is in docs");
}

#[test]
fn it_listens_for_others_and_answers_for_its_health() {
    assert_eq!(only("ENV"), "ENTRADA_SERVER_LISTEN=0.0.0.0:4180");
    assert_eq!(only("EXPOSE"), "4180");
    assert_eq!(only("ENTRYPOINT"), "[\"/usr/local/bin/entrada\"]");
    assert_eq!(only("CMD"), "[\"run\"]");
    let health = only("HEALTHCHECK");
    assert!(health.ends_with("CMD [\"/usr/local/bin/entrada\", \"health\"]"), "{health}");
}

#[test]
fn no_secret_of_a_developer_gets_into_the_build() {
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let lines: Vec<_> = ignored.lines().collect();
    assert_eq!(
        lines.iter().find(|it| !it.starts_with('#') && !it.is_empty()),
        Some(&"*"),
        "everything is left out first"
    );
    let let_in: Vec<_> = lines.iter().filter_map(|it| it.strip_prefix('!')).collect();
    assert_eq!(
        let_in,
        [
            "Cargo.lock",
            "Cargo.toml",
            "Makefile",
            "benches",
            "config.example.toml",
            "docs/reference/openapi.json",
            "src"
        ]
    );
}
