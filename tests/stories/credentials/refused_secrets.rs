//! What is no client secret is refused whichever way it comes, with the reason, and stored nowhere.

use crate::world::browser::TestBrowser;
use crate::world::samples::CONTOSO;
use crate::world::{CLIENT_ID, CLIENT_SECRET, SEAL, World, WorldPlan, raw};
use entrada::base::client_secret;
use entrada::base::company_code::CompanyCode;
use entrada::config;
use entrada::directory::change::NewOrganization;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each form in which people paste something else, and the end of one that is no secret.
const REFUSED: [&str; 14] = [
    "\"8Q~quoted.Value_of_the_stories-0123\"",
    "'8Q~quoted.Value_of_the_stories-0123'",
    "“8Q~quoted.Value_of_the_stories-0123”",
    "CLIENT_SECRET=8Q~assigned.Value_of_the_stories-0123",
    "ENTRADA_ENTRA_CLIENT_SECRET=\"8Q~assigned.Value_of_the_stories\"",
    "8f3c2a10-1111-4222-8333-944444444444",
    "{8f3c2a10-1111-4222-8333-944444444444}",
    "8Q~***************",
    "8Q~first.line.of.the.stories\n8Q~second.line.of.the.stories",
    "8Q~control\u{7}.Value_of_the_stories-0123",
    "...",
    "changeme",
    "the-value-of-the-client-secret",
    " \u{feff}\r\n",
];

struct SecretWorld {
    world: World,
    /// Someone who sets the organization up.
    admin: TestBrowser,
    file: PathBuf,
    config: PathBuf,
}

impl SecretWorld {
    async fn start() -> Self {
        let draft = NewOrganization {
            code: CompanyCode::parse("contoso"),
            name: "Contoso Freight".to_owned(),
            ..NewOrganization::default()
        };
        let world = World::with(WorldPlan::of_directory("").with_organizations([draft])).await;
        let code = CompanyCode::parse("contoso").unwrap();
        let token = world.directory().invite(&code, "story").await.unwrap().token;
        let mut admin = world.browser();
        let page = admin.fills("/oauth2/setup/invitation", &[("token", token.expose())]).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (file, config) =
            (world.folder.path().join("secret"), world.folder.path().join("entrada.toml"));
        std::fs::write(&config, world.text_for(1, 2)).unwrap();
        Self { world, admin, file, config }
    }

    /// What the configuration says to a secret of `[entra]` or of an organization, from a file or a
    /// variable; nothing if it is valid.
    fn configured(&self, text: &str, of_entra: bool, from_file: bool) -> String {
        std::fs::write(&self.file, text).unwrap();
        let source = if from_file {
            format!("{{ file = \"{}\" }}", self.file.display())
        } else {
            "{ env = \"GIVEN\" }".to_owned()
        };
        let (entra, usual) =
            ("client_secret = { env = \"STORY_CLIENT_SECRET\" }", self.world.text_for(1, 2));
        assert!(usual.contains(entra), "{usual}");
        let all = if of_entra {
            usual.replacen(entra, &format!("client_secret = {source}"), 1)
        } else {
            format!(
                "{usual}\n[[organization]]\ncode = \"woodgrove\"\ntenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {source}\n"
            )
        };
        let environment =
            [("STORY_CLIENT_SECRET", CLIENT_SECRET), ("STORY_SEAL", SEAL), ("GIVEN", text)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let outcome = config::read("story", &all, &environment);
        let said = config::problem::print(&outcome, "story");
        assert_eq!(outcome.config.is_none(), said.contains("error"), "{said}");
        said
    }

    /// What the command says, and whether it did what was asked.
    fn commanded(&self, text: &str) -> (bool, String) {
        std::fs::write(&self.file, text).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_entrada"))
            .args(["organization", "set", "contoso", "--client-secret-file"])
            .args([as_text(&self.file), "--config", as_text(&self.config)])
            .env_clear()
            .envs([("STORY_CLIENT_SECRET", CLIENT_SECRET), ("STORY_SEAL", SEAL)])
            .output()
            .unwrap();
        let said = [out.stdout, out.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        (out.status.success(), said)
    }

    async fn called(&self, text: &str) -> String {
        let body = serde_json::json!({ "client_secret": text }).to_string();
        let request = format!(
            "PATCH /organizations/contoso HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw::talk(self.world.admin, &request).await
    }

    async fn entered(&mut self, text: &str) -> (u16, String) {
        let fields = [
            ("provider", "azure-ad"),
            ("tenant", CONTOSO),
            ("client_id", CLIENT_ID),
            ("client_secret", text),
            ("ends", "2099-11-30"),
        ];
        let page = self.admin.fills("/oauth2/setup/connection", &fields).await;
        (page.status, page.body)
    }

    async fn has_secret(&self) -> bool {
        self.world.organization("contoso").await.has_credential
    }
}

fn as_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Fails if the answer repeats what was given. Short placeholders are words of our own.
fn repeats_nothing(said: &str, text: &str) {
    for line in text.trim().lines().filter(|it| it.contains("8Q~") || it.contains("8f3c2a10")) {
        assert!(!said.contains(line), "{line:?} in {said}");
    }
}

#[tokio::test]
async fn what_is_no_client_secret_is_refused_whichever_way_it_comes() {
    let mut world = SecretWorld::start().await;
    for text in REFUSED {
        let why = client_secret::read(text).unwrap_err().to_string();
        for (of_entra, from_file) in [(true, true), (true, false), (false, true), (false, false)] {
            let said = world.configured(text, of_entra, from_file);
            assert!(!said.is_empty(), "{text:?} {of_entra} {from_file}");
            // A variable without a text is reported as one that is not set.
            assert!(said.contains(&why) || text.trim().len() < 4, "{text:?}: {why:?} in {said}");
            repeats_nothing(&said, text);
        }
        let (done, said) = world.commanded(text);
        assert!(!done && said.contains("error: ") && said.contains("hint: "), "{text:?}: {said}");
        repeats_nothing(&said, text);
        let said = world.called(text).await;
        assert!(said.starts_with("HTTP/1.1 400") && said.contains("client_secret"), "{said}");
        repeats_nothing(&said, text);
        let (status, page) = world.entered(text).await;
        assert_eq!(status, 422, "{text:?}: {page}");
        repeats_nothing(&page, text);
        assert!(!world.has_secret().await, "{text:?}");
    }
}

#[tokio::test]
async fn what_stands_around_a_client_secret_is_dropped_whichever_way_it_comes() {
    let around = format!("\u{feff} {CLIENT_SECRET}\r\n");
    let world = SecretWorld::start().await;
    for (of_entra, from_file) in [(true, true), (true, false), (false, true), (false, false)] {
        assert_eq!(world.configured(&around, of_entra, from_file), "");
    }
    let (done, said) = world.commanded(&around);
    assert!(done && world.has_secret().await, "{said}");
    let world = SecretWorld::start().await;
    let said = world.called(&around).await;
    assert!(said.starts_with("HTTP/1.1 200") && world.has_secret().await, "{said}");
    let mut world = SecretWorld::start().await;
    let (status, page) = world.entered(&around).await;
    assert!(status == 200 && world.has_secret().await, "{page}");
}
