//! What it is all for, from start to finish in a real browser: a customer's admin connects the company, and its people come.

use super::command;
use crate::outside;
use crate::world::browser::SECRETS;
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan, free_port};
use entrada::emulator::EmulatedRegistration;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

const TENANT: &str = "ccccdddd-2222-eeee-3333-ffff4444aaaa";
const CLIENT_ID: &str = "44445555-eeee-4666-8fff-7777aaaa8888";
const SECRET_ID: &str = "44445555-5ec1-4e71-8fff-000000000000";
const VALUE: &str = "nor~client.secret-Value_of_Northwind-0123";

const NATIVE: &str = r#"
[[native.client]]
id = "fleet-phone"
name = "Fleet for phones"
redirect_uris = ["http://127.0.0.1/signed-in"]
"#;

/// The operator at a terminal, beside the running program.
struct SeedOperator<'a> {
    place: &'a Path,
}

impl SeedOperator<'_> {
    async fn types(&self, line: &[&str]) -> String {
        let mut command = command::of(Path::new(env!("CARGO_BIN_EXE_entrada")));
        command.args(line).args(["--config", "entrada.toml"]).current_dir(self.place);
        command
            .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
            .env("STORY_SEAL", SEAL)
            .env("USER", "olga");
        command::succeeds(command).await
    }

    /// Approves two accounts that wait, and writes into a file how many it has approved.
    async fn approves_two(&self, file: &Path) {
        let mut approved = 0;
        for _ in 0..400 {
            let said = self.types(&["person", "requests", "--json"]).await;
            let said: Value = serde_json::from_str(&said).unwrap();
            if let Some(request) = said["requests"].as_array().and_then(|it| it.first()) {
                let (id, mark) = (&request["id"], &request["mark"]);
                let approve = ["person", "approve", id.as_str().unwrap(), "--mark"];
                self.types(&[&approve[..], &[mark.as_str().unwrap()]].concat()).await;
                approved += 1;
                std::fs::write(file, approved.to_string()).unwrap();
            }
            if approved == 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        panic!("{approved} accounts waited");
    }

    /// Makes the company and its two known people, and the link for its admin.
    async fn invites(&self) -> String {
        self.types(&[
            "organization",
            "add",
            "northwind",
            "--name",
            "Northwind Traders",
            "--domain",
            "northwind.example",
        ])
        .await;
        for (username, role) in
            [("nora@northwind.example", "owner"), ("nils@northwind.example", "admin")]
        {
            self.types(&["person", "add", username, "--organization", "northwind", "--role", role])
                .await;
        }
        let said: Value = serde_json::from_str(
            &self.types(&["organization", "invite", "northwind", "--json"]).await,
        )
        .unwrap();
        said["url"].as_str().unwrap().to_owned()
    }
}

async fn world() -> World {
    let plan = WorldPlan {
        entra: "redirect_path = \"/v1/callback\"".to_owned(),
        registrations: vec![EmulatedRegistration {
            tenant: TENANT.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: VALUE.to_owned(),
            secret_id: SECRET_ID.to_owned(),
        }],
        ..WorldPlan::of_directory("").with_native(NATIVE)
    };
    let world = World::with(plan).await;
    let file = world.folder.path().join("entrada.toml");
    std::fs::write(file, world.text_for(free_port(), free_port())).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sets_the_company_up_and_its_people_come_by_name_by_code_and_in_vain() {
    let Some((node, packages)) = super::chromium::browser() else { return };
    let world = world().await;
    let place = world.folder.path();
    let link = SeedOperator { place }.invites().await;
    SECRETS
        .lock()
        .unwrap()
        .extend([VALUE.to_owned(), link.split_once("token=").unwrap().1.to_owned()]);
    let approved = place.join("approved");
    let there = json!({ "address": world.public_url, "link": link, "redirect_uri": format!("{}/v1/callback", world.public_url),
        "tenant": TENANT, "client_id": CLIENT_ID, "value": VALUE, "secret_id": SECRET_ID,
        "approved": approved });
    std::fs::write(place.join("there.json"), there.to_string()).unwrap();
    let mut command: Command = command::within(240, &node);
    command
        .env("NODE_MODULES", packages)
        .arg(outside::root().join("tests/outside/seed.mjs"))
        .arg(outside::root().join("target/screenshots/seed"));
    command.stdin(Stdio::from(std::fs::File::open(place.join("there.json")).unwrap()));
    let operator = SeedOperator { place };
    let (said, ()) = tokio::join!(command::succeeds(command), operator.approves_two(&approved));
    let heard: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let keys = keys(&world).await;
    for (who, username, role) in [
        ("nora", "nora@northwind.example", "owner"),
        ("nils", "nils@northwind.example", "admin"),
        ("nele", "nele@northwind.example", "worker"),
        ("phone", "nele@northwind.example", "worker"),
    ] {
        let (headers, said) =
            (&heard[who], verified(&heard[who]["assertion"], &keys, &world.public_url));
        for claim in ["person", "role", "organization"] {
            assert_eq!(said[claim], headers[claim], "{who} {claim}");
        }
        assert_eq!(
            (&said["role"], &said["organization"], &said["tid"]),
            (&json!(role), &json!("northwind"), &json!(TENANT)),
            "{who}"
        );
        assert_eq!(said["preferred_username"], username);
    }
    assert_eq!(
        heard["phone"]["person"], heard["nele"]["person"],
        "on the phone one is who one is on the web"
    );
    let told = SeedOperator { place }
        .types(&["person", "list", "--organization", "northwind", "--json"])
        .await;
    let people: Value = serde_json::from_str(&told).unwrap();
    let mut named: Vec<_> =
        people.as_array().unwrap().iter().map(|it| it["username"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(
        named,
        ["nele@northwind.example", "nils@northwind.example", "nora@northwind.example"],
        "whoever was not assigned is nobody here"
    );
}

async fn keys(world: &World) -> JwkSet {
    serde_json::from_value(
        world
            .browser()
            .asks("GET", "/oauth2/jwks.json", crate::world::browser::SCRIPT)
            .await
            .json(),
    )
    .unwrap()
}

/// The claims of an assertion, by a library that is not ours.
fn verified(assertion: &Value, keys: &JwkSet, us: &str) -> Value {
    let token = assertion.as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("entrada+jwt"));
    let key =
        jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[us]);
    rules.set_issuer(&[us]);
    rules.validate_nbf = true;
    jsonwebtoken::decode(token, &key, &rules).unwrap().claims
}
