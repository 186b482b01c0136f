//! The admin listener's HTTP API: what an app or an operator's program asks of it, and who may.

mod access;
mod decisions;
mod domains;
mod linking;
mod schema;

use crate::world::browser::SCRIPT;
use crate::world::raw::{status, talk};
use crate::world::samples::{CONTOSO, MAYA, MAYA_ID};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan};
use schema::OpenApiDocument;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A world with a directory, and somebody who calls its admin listener. Whatever goes either way is held against the document.
struct ApiWorld {
    world: World,
    document: OpenApiDocument,
}

struct ApiAnswer {
    status: u16,
    body: Value,
    text: String,
}

impl ApiWorld {
    async fn start() -> Self {
        Self::with(|it| it).await
    }

    async fn with(plan: impl FnOnce(WorldPlan) -> WorldPlan) -> Self {
        let usual = WorldPlan::of_directory("").sending(&["x-forwarded"]);
        Self { world: World::with(plan(usual)).await, document: OpenApiDocument::read() }
    }

    async fn gets(&self, path: &str) -> ApiAnswer {
        self.calls("GET", path, &Value::Null).await
    }

    /// A call in JSON that the document allows.
    async fn calls(&self, method: &str, path: &str, body: &Value) -> ApiAnswer {
        if !body.is_null() {
            assert_eq!(
                self.document.judge_request(method, path, "application/json", body),
                None,
                "{method} {path} {body}"
            );
        }
        self.tries(method, path, body).await
    }

    /// A call that the document may not allow; the answer is one of the document all the same.
    async fn tries(&self, method: &str, path: &str, body: &Value) -> ApiAnswer {
        let (head, body) = if body.is_null() {
            (String::new(), String::new())
        } else {
            ("Content-Type: application/json\r\n".to_owned(), body.to_string())
        };
        self.sends(
            self.world.admin,
            method,
            path,
            &format!("Host: localhost\r\nX-Entrada-Actor: ines@app.example\r\n{head}"),
            &body,
        )
        .await
    }

    async fn sends(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        head: &str,
        body: &str,
    ) -> ApiAnswer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let text = talk(address, &request).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let kind =
            head.lines().find_map(|it| it.strip_prefix("content-type: ")).unwrap_or_default();
        let body = if head.contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_owned()
        };
        let value = if kind.contains("json") {
            serde_json::from_str(&body).unwrap()
        } else {
            Value::String(body.clone())
        };
        self.document.holds_answer(method, path, status(&text), kind, &value);
        assert!(!body.contains(CLIENT_SECRET), "a secret was read back: {method} {path}");
        ApiAnswer { status: status(&text), body: value, text }
    }

    /// Contoso as an organization that is on.
    async fn contoso(&self) {
        let new = json!({ "code": "contoso", "name": "Contoso Freight", "tenant": CONTOSO, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "domains": ["contoso.example"], "state": "on" });
        let made = self.calls("POST", "/organizations", &new).await;
        assert_eq!(
            (made.status, &made.body["state"], &made.body["credential"]),
            (201, &json!("on"), &json!("sealed")),
            "{}",
            made.body
        );
    }
}

fn unchunked(body: &str) -> String {
    let (mut out, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        out.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    out
}

#[tokio::test]
async fn an_organization_is_made_changed_and_invited_and_its_secret_is_never_read_back() {
    let office = ApiWorld::start().await;
    assert_eq!(office.gets("/organizations").await.body, json!({ "organizations": [] }));
    let draft =
        office.calls("POST", "/organizations", &json!({ "name": "Fabrikam & Söhne" })).await;
    assert_eq!(
        (draft.status, &draft.body["state"], &draft.body["credential"]),
        (201, &json!("draft"), &json!("none"))
    );
    office.contoso().await;
    let all = office.gets("/organizations").await.body;
    assert_eq!(all["organizations"].as_array().unwrap().len(), 2);
    let change = json!({ "name": "Contoso Cargo", "guests": false, "first_sign_in": "refuse", "bind": ["contoso.net"], "unbind": ["contoso.example"],
        "default_role": "admin", "client_secret": "another~secret.Value-0123456789", "client_secret_ends": 1_900_000_000 });
    let now = office.calls("PATCH", "/organizations/contoso", &change).await;
    assert_eq!(now.status, 200, "{}", now.body);
    for (name, value) in [
        ("name", json!("Contoso Cargo")),
        ("guests", json!(false)),
        ("first_sign_in", json!("refuse")),
        ("domains", json!(["contoso.net"])),
    ] {
        assert_eq!(now.body[name], value, "{name}");
    }
    assert!(
        !now.text.contains("another~secret") && now.body["credential"] == "sealed, new one waiting",
        "{}",
        now.body
    );
    let now =
        office.calls("PATCH", "/organizations/contoso", &json!({ "take_back_secret": true })).await;
    assert_eq!(now.body["credential"], "sealed");
    let now = office
        .calls(
            "POST",
            "/organizations/contoso/code",
            &json!({ "code": "contoso-eu", "keep_days": 3 }),
        )
        .await;
    assert_eq!(
        (&now.body["code"], &now.body["former_codes"][0]["code"]),
        (&json!("contoso-eu"), &json!("contoso"))
    );
    assert_eq!(office.gets("/organizations/contoso").await.body["code"], "contoso-eu");
    // The app's own menu sends its user's browser there.
    let link = office.calls("POST", "/organizations/contoso-eu/invitations", &Value::Null).await;
    let url = link.body["url"].as_str().unwrap();
    assert!(
        link.status == 201
            && url.starts_with(&format!("{}/oauth2/setup/", office.world.public_url)),
        "{}",
        link.body
    );
    let page =
        office.world.browser().visits(url.strip_prefix(&office.world.public_url).unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let off = office.calls("PATCH", "/organizations/contoso-eu", &json!({ "state": "off" })).await;
    assert_eq!(off.body["state"], "off");
    // The history knows who it was in the app, and no secret.
    let history = office.gets("/organizations/contoso-eu/history?limit=3").await;
    let changes = history.body["changes"].as_array().unwrap();
    assert!(
        changes.len() == 3 && changes.iter().all(|it| it["by"] == "admin api for ines@app.example"),
        "{}",
        history.body
    );
    let before = changes[2]["id"].as_str().unwrap();
    let older = office.gets(&format!("/organizations/contoso-eu/history?before={before}")).await;
    assert!(
        !older.body["changes"].as_array().unwrap().iter().any(|it| changes.contains(it))
            && !older.text.contains("another~secret")
    );
}

#[tokio::test]
async fn people_are_made_changed_paged_and_switched_off_at_once() {
    let office = ApiWorld::start().await;
    office.contoso().await;
    let maya = office
        .calls(
            "POST",
            "/organizations/contoso/people",
            &json!({ "username": MAYA, "name": "Maya", "role": "admin" }),
        )
        .await;
    assert_eq!(
        (maya.status, &maya.body["organization"], &maya.body["role_source"]),
        (201, &json!("contoso"), &json!("hand"))
    );
    for name in ["anna", "bert", "carl"] {
        let made = office
            .calls(
                "POST",
                "/organizations/contoso/people",
                &json!({ "username": name, "email": format!("{name}@contoso.example") }),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let page = office.gets("/organizations/contoso/people?limit=3").await.body;
    assert_eq!((page["people"].as_array().unwrap().len(), &page["next"]), (3, &json!("carl")));
    let page = office.gets("/people?limit=3&after=carl").await.body;
    assert_eq!((page["people"][0]["username"].as_str(), &page["next"]), (Some(MAYA), &Value::Null));
    assert_eq!(
        office.gets("/people?search=bert").await.body["people"].as_array().unwrap().len(),
        1
    );
    let bert = office.calls("PATCH", "/people/bert", &json!({ "username": "bertram", "name": "Bertram", "email": "Bertram@contoso.example" })).await;
    assert_eq!(
        (&bert.body["username"], &bert.body["email"]),
        (&json!("bertram"), &json!("bertram@contoso.example"))
    );
    assert_eq!(office.gets("/people/bert").await.status, 404);
    // Her role opens the set-up page, so the operator names her account.
    let at = format!("/people/{}", MAYA.replace('@', "%40"));
    assert_eq!(maya.body["warnings"].as_array().unwrap().len(), 1, "{}", maya.body);
    let linked = office.calls("PATCH", &at, &json!({ "link": MAYA_ID })).await;
    assert_eq!((linked.status, &linked.body["oid"]), (200, &json!(MAYA_ID)));
    // Whoever is here is out.
    let mut browser = office.world.browser();
    browser.visits("/x").await;
    browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", MAYA)]).await;
    assert_eq!(browser.signs_in_as(MAYA).await.app_heard("x-entrada-role"), "admin");
    for (method, path, body, status, after) in [
        ("PATCH", at.clone(), json!({ "role_by_entra": true }), 200, "worker"),
        ("POST", format!("{at}/sign_out"), Value::Null, 401, ""),
    ] {
        assert_eq!(office.calls(method, &path, &body).await.status, 200);
        until(&mut browser, status, after).await;
    }
    browser.visits("/x").await;
    browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", MAYA)]).await;
    until(&mut browser, 200, "worker").await;
    assert_eq!(
        office.calls("PATCH", &at, &json!({ "state": "off", "unlink": true })).await.body["state"],
        "off"
    );
    until(&mut browser, 401, "").await;
}

async fn until(browser: &mut crate::world::browser::TestBrowser, status: u16, role: &str) {
    let began = std::time::Instant::now();
    loop {
        let page = browser.asks("GET", "/api/x", SCRIPT).await;
        if page.status == status && (status != 200 || page.app_heard("x-entrada-role") == role) {
            return;
        }
        assert!(began.elapsed().as_millis() < 5500, "{status} {role} did not come about");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn people_come_in_and_go_out_as_a_file() {
    let office = ApiWorld::start().await;
    office.contoso().await;
    let head = "Host: localhost\r\nContent-Type: text/csv\r\n";
    let mut file = "username,name,role\n".to_owned();
    (0..2500).for_each(|it| file.push_str(&format!("person{it:04},Person {it},\n")));
    file.push_str("bad name,,\nperson0000,,\nkarl,\"=cmd|'/c calc'!A1\",king\nlena,=1+1,admin\n");
    let told = office
        .sends(office.world.admin, "POST", "/organizations/contoso/people.csv", head, &file)
        .await;
    assert_eq!(
        (told.status, &told.body["made"], &told.body["left_out"]),
        (200, &json!(2501), &json!(2)),
        "{}",
        told.body
    );
    assert_eq!(told.body["wrong"][0]["line"], 2502);
    let again = office
        .sends(office.world.admin, "POST", "/organizations/contoso/people.csv", head, &file)
        .await;
    assert_eq!((&again.body["made"], &again.body["unchanged"]), (&json!(0), &json!(2502)));
    for path in ["/organizations/contoso/people.csv", "/people.csv"] {
        let out = office.gets(path).await.body;
        let text = out.as_str().unwrap();
        assert_eq!(
            (text.lines().count(), text.lines().next()),
            (2502, Some("username,name,email,role,organization,state,last_sign_in"))
        );
        assert!(text.contains("\nlena,'=1+1,,admin,contoso,on,\n"), "a formula goes out");
    }
    let told = office
        .sends(
            office.world.admin,
            "POST",
            "/organizations/contoso/people.csv",
            head,
            "mail,name\na,b\n",
        )
        .await;
    assert!(
        told.status == 400 && told.body["title"].as_str().unwrap().contains("mail"),
        "{}",
        told.body
    );
}

#[tokio::test]
async fn the_document_is_served_and_every_call_of_it_is_asked_for_here() {
    let office = ApiWorld::start().await;
    let served = office.gets("/openapi.json").await;
    assert_eq!(
        served.body,
        serde_json::from_str::<Value>(
            &std::fs::read_to_string("docs/reference/openapi.json").unwrap()
        )
        .unwrap()
    );
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(office.gets(path).await.status, 200, "{path}");
    }
    let ended = office.calls("POST", "/sessions/revoke", &json!({ "user": MAYA })).await;
    assert_eq!(
        (ended.status, ended.body),
        (200, json!({ "ended": 0, "user": null, "tenant": null }))
    );
}
