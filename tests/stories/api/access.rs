//! What the admin listener does not listen to.

use super::ApiWorld;
use crate::world::browser::SECRETS;
use crate::world::samples::MAYA;
use crate::world::{CLIENT_SECRET, World, WorldPlan, free_port};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};

const TOKEN: &str = "a-token-of-the-stories-that-opens-the-admin-listener";

/// An address of this machine that is no loopback one; nothing where it has none. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|it| it.ip())
        .filter(|it| !it.is_loopback() && !it.is_unspecified())
}

#[tokio::test]
async fn what_is_not_understood_too_long_or_in_the_way_changes_nothing() {
    let office = ApiWorld::start().await;
    office.contoso().await;
    let long = "x".repeat(400);
    let (people, contoso) = ("/organizations/contoso/people", "/organizations/contoso");
    for (method, path, body, status) in [
        ("POST", "/organizations", json!({ "code": "contoso", "name": "Again" }), 409),
        ("POST", "/organizations", json!({ "code": "x", "name": "Short" }), 400),
        ("POST", "/organizations", json!({}), 400),
        ("POST", "/organizations", json!({ "name": long }), 400),
        ("POST", "/organizations", json!({ "name": "a\u{0}b" }), 400),
        ("POST", "/organizations", json!({ "name": "Fine", "colour": "red" }), 400),
        ("POST", "/organizations", json!({ "name": "Fine", "state": "on" }), 409),
        ("POST", "/organizations", json!({ "name": "Fine", "domains": ["contoso.example"] }), 409),
        ("PATCH", contoso, json!({ "tenant": "contoso" }), 400),
        ("PATCH", contoso, json!({ "client_secret": "8f3c2a10-1111-4222-8333-944444444444" }), 400),
        ("PATCH", contoso, json!({ "client_secret": "" }), 400),
        ("PATCH", contoso, json!({ "client_secret": ["a-secret-in-a-list"] }), 400),
        ("PATCH", contoso, json!({ "state": "draft" }), 400),
        ("PATCH", contoso, json!({ "name": null }), 400),
        ("PATCH", contoso, json!({ "default_role": "king" }), 400),
        ("PATCH", contoso, json!({ "code": "other" }), 400),
        ("PATCH", "/organizations/nobody-here", json!({ "name": "x" }), 404),
        ("PATCH", "/organizations/'%20OR%201=1%20--", json!({ "name": "x" }), 400),
        (
            "POST",
            "/organizations/contoso/code",
            json!({ "code": "contoso-2", "keep_days": 9999 }),
            400,
        ),
        ("POST", people, json!({ "username": "" }), 400),
        ("POST", people, json!({ "username": "ma ya" }), 400),
        ("POST", people, json!({ "username": "\u{202e}ayam" }), 400),
        ("POST", people, json!({ "username": "contoso" }), 409),
        ("POST", people, json!({ "username": "maya", "email": "nowhere" }), 400),
        ("POST", people, json!({ "username": "maya", "name": long }), 400),
        ("POST", people, json!({ "username": "maya", "role": "king" }), 400),
        ("POST", people, json!({ "username": "maya", "state": "off" }), 400),
        ("PATCH", "/people/nobody", json!({ "state": "off" }), 404),
        ("PATCH", "/people/nobody", json!({ "role": "admin", "role_by_entra": true }), 400),
        ("GET", "/people?limit=0", Value::Null, 400),
        ("GET", "/people?most=5", Value::Null, 400),
        ("GET", "/people?after=a&after=b", Value::Null, 400),
    ] {
        let answer = office.tries(method, path, &body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
        assert!(
            !answer.text.contains("a-secret-in-a-list") && !answer.text.contains("8f3c2a10"),
            "a secret comes back: {}",
            answer.body
        );
    }
    // Text that would be SQL is text.
    for text in ["'; DROP TABLE person; --", "\" OR \"\"=\"", "%", "\\"] {
        let found = office
            .gets(&format!(
                "/people?search={}",
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            ))
            .await;
        assert_eq!((found.status, &found.body["people"]), (200, &json!([])), "{text}");
        let made = office.calls("PATCH", contoso, &json!({ "name": text })).await;
        assert_eq!(made.body["name"], text);
    }
    let changes = office.gets("/organizations/contoso/history").await.body;
    assert_eq!(
        changes["changes"].as_array().unwrap().len(),
        5,
        "what was refused is in no history"
    );
    let (admin, local) = (office.world.admin, "Host: localhost\r\n");
    for (head, body, status) in [
        (
            "Content-Type: application/json\r\n",
            format!("{{\"name\":\"{}\"}}", "x".repeat(70_000)),
            413,
        ),
        ("Content-Type: text/plain\r\n", "{}".to_owned(), 415),
        ("", "{}".to_owned(), 415),
        ("Content-Type: application/json\r\n", "{\"name\":\"a\",\"name\":\"b\"}".to_owned(), 400),
        ("Content-Type: application/json\r\n", "not json".to_owned(), 400),
        (
            "Content-Type: application/json\r\nX-Entrada-Actor: a\r\nX-Entrada-Actor: b\r\n",
            "{\"name\":\"Two\"}".to_owned(),
            400,
        ),
        (
            "Content-Type: application/json\r\nX-Entrada-Actor: \u{fc}\r\n",
            "{\"name\":\"Two\"}".to_owned(),
            400,
        ),
    ] {
        let answer = office.sends(admin, "PATCH", contoso, &format!("{local}{head}"), &body).await;
        assert_eq!(answer.status, status, "{head}");
    }
    let none = crate::world::raw::talk(
        admin,
        "PUT /organizations/contoso HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        none.starts_with("HTTP/1.1 405") && none.contains("allow: GET, HEAD, PATCH, DELETE"),
        "{none}"
    );
}

#[tokio::test]
async fn a_web_page_in_the_operators_browser_reaches_none_of_it() {
    let office = ApiWorld::start().await;
    let json = "Content-Type: application/json\r\n";
    for (head, status) in [
        (format!("Host: localhost\r\n{json}Origin: http://localhost\r\n"), 403),
        (format!("Host: localhost\r\n{json}Sec-Fetch-Site: none\r\n"), 403),
        (format!("Host: localhost\r\n{json}Referer: http://localhost/\r\n"), 403),
        (format!("Host: rebound.evil.example\r\n{json}"), 421),
    ] {
        for (method, path) in [
            ("GET", "/organizations"),
            ("GET", "/people.csv"),
            ("POST", "/organizations"),
            ("POST", "/organizations/contoso/invitations"),
        ] {
            let answer = office.sends(office.world.admin, method, path, &head, "{}").await;
            assert_eq!(answer.status, status, "{method} {path} {head}");
        }
    }
    // Not on the public listener, signed in or not.
    let mut browser = office.world.browser();
    for path in ["/organizations", "/people.csv", "/oauth2/organizations"] {
        assert!(
            matches!(
                browser.asks("GET", path, crate::world::browser::SCRIPT).await.status,
                401 | 404
            ),
            "{path}"
        );
    }
}

#[tokio::test]
async fn another_machine_needs_the_token_and_so_does_this_one_where_there_is_one() {
    let Some(ip) = own_address() else { panic!("this machine has no address but loopback") };
    let port = free_port();
    let listen = format!("admin_listen = \"0.0.0.0:{port}\"\n");
    let bare = ApiWorld::with(|it| WorldPlan { server: listen.clone(), ..it }).await;
    for address in [SocketAddr::new(ip, port), ([127, 0, 0, 1], port).into()] {
        let answer = bare.sends(address, "GET", "/organizations", "Host: localhost\r\n", "").await;
        assert_eq!(answer.status, 403, "without a token such a listener takes no order");
        assert_eq!(bare.sends(address, "GET", "/healthz", "Host: x\r\n", "").await.status, 200);
    }
    drop(bare);

    SECRETS.lock().unwrap().push(TOKEN.to_owned());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
    let port = free_port();
    let server = format!(
        "admin_listen = \"0.0.0.0:{port}\"\nadmin_token = {{ file = \"{}\" }}\n",
        file.path().display()
    );
    let office = ApiWorld::with(|it| WorldPlan { server, ..it }).await;
    for address in [SocketAddr::new(ip, port), ([127, 0, 0, 1], port).into()] {
        for (authorization, status) in [
            (format!("Authorization: Bearer {TOKEN}\r\n"), 200),
            (String::new(), 401),
            (format!("Authorization: Bearer {TOKEN}x\r\n"), 401),
            (format!("Authorization: Bearer {}\r\n", &TOKEN[1..]), 401),
            (format!("Authorization: Basic {TOKEN}\r\n"), 401),
            (format!("Authorization: Bearer {TOKEN}\r\nOrigin: http://{ip}\r\n"), 403),
        ] {
            let answer = office
                .sends(
                    address,
                    "GET",
                    "/organizations",
                    &format!("Host: {ip}:{port}\r\n{authorization}"),
                    "",
                )
                .await;
            assert_eq!(answer.status, status, "{address} {authorization}");
            assert_eq!(
                status == 401,
                answer.text.contains("www-authenticate: Bearer"),
                "{}",
                answer.text
            );
            assert!(!answer.text.contains(TOKEN));
        }
        assert_eq!(office.sends(address, "GET", "/healthz", "Host: x\r\n", "").await.status, 200);
    }
    a_new_token_counts_after_a_reload(
        &office.world,
        file.path(),
        &office,
        SocketAddr::new(ip, port),
    )
    .await;
}

async fn a_new_token_counts_after_a_reload(
    world: &World,
    file: &std::path::Path,
    office: &ApiWorld,
    address: SocketAddr,
) {
    let other = "another-token-of-the-stories-0123456789";
    SECRETS.lock().unwrap().push(other.to_owned());
    std::fs::write(file, other).unwrap();
    world.service.reload(&world.changed("shutdown_grace", "shutdown_grace")).await.unwrap();
    for (token, status) in [(TOKEN, 401), (other, 200)] {
        let head = format!("Host: x\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(office.sends(address, "GET", "/organizations", &head, "").await.status, status);
    }
}

#[tokio::test]
async fn nothing_that_the_database_or_the_log_keeps_holds_the_secret() {
    let office = ApiWorld::start().await;
    office.contoso().await;
    office
        .calls("PATCH", "/organizations/contoso", &json!({ "client_secret": CLIENT_SECRET }))
        .await;
    assert!(
        office
            .calls("POST", "/organizations/contoso/people", &json!({ "username": MAYA }))
            .await
            .status
            == 201
    );
    for it in std::fs::read_dir(office.world.folder.path()).unwrap() {
        let path = it.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(CLIENT_SECRET.len()).any(|it| it == CLIENT_SECRET.as_bytes()),
            "{}",
            path.display()
        );
    }
    assert!(!office.world.logged().await.contains(CLIENT_SECRET));
}
