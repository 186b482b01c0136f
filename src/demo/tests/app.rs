//! The demo's pages.

use super::*;

#[tokio::test]
async fn words_of_claims_and_headers_stay_text() {
    let world = World::start().await;
    let token = world.token(|_, claims| {
        for name in ["name", "email", "preferred_username"] {
            claims[name] = json!("<x-entrada>\"'");
        }
        claims["roles"] = json!(["<x-entrada>"]);
        claims["groups"] = json!(["<x-entrada>"]);
    });
    for path in ["/", "/admin", "/public", "/upload"] {
        let request = Request::get(path)
            .header("host", "<x-entrada>")
            .header("x-entrada-assertion", &token)
            .header("x-name", "<x-entrada>");
        let html = text(world.asks(request.body(Full::default()).unwrap()).await).await;
        assert!(!html.contains("<x-entrada"), "{html}");
    }
}

#[tokio::test]
async fn every_answer_has_a_policy_and_is_not_guessed_at() {
    let world = World::start().await;
    for path in [
        "/",
        "/admin",
        "/public/x",
        "/websocket",
        "/stream",
        "/upload",
        "/nothing",
        "/ws",
        "/events",
        "/echo",
        "/download?bytes=3",
        "/download",
    ] {
        let response =
            world.asks(Request::get(path).header("host", "h").body(Full::default()).unwrap()).await;
        let headers = response.headers();
        assert!(
            headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.status() == StatusCode::NOT_FOUND, path == "/nothing", "{path}");
    }
}

#[tokio::test]
async fn the_admin_and_public_pages_say_who_is_there() {
    let world = World::start().await;
    let token = world.token(|_, _| {});
    assert!(world.gets("/admin", Some(&token)).await.1.contains("<b>Maya Okafor</b>"));
    assert!(world.gets("/admin/x", None).await.1.contains("Not verified"));
    assert!(world.gets("/public", Some(&token)).await.1.contains("<b>Maya Okafor</b>"));
    assert!(world.gets("/public", None).await.1.contains("You are not signed in"));
    assert_eq!(world.gets("/publicity", None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_front_page_shows_what_was_proven_where_anything_was() {
    let world = World::start().await;
    let token = world.token(|_, claims| claims["acrs"] = json!(["c1", "c7"]));
    let page = world.gets("/", Some(&token)).await.1;
    let proven = page.split_once("<dt>Proven</dt>").unwrap().1.split_once("</dd>").unwrap().0;
    assert!(proven.contains(">c1<") && proven.contains(">c7<"), "{proven}");
    assert!(!world.gets("/", Some(&world.token(|_, _| {}))).await.1.contains("<dt>Proven</dt>"));
}

#[tokio::test]
async fn the_echo_says_what_arrived() {
    let world = World::start().await;
    let request = Request::put("/echo?a=%2F")
        .header("host", "h")
        .header("x-two", "1")
        .header("x-two", "2")
        .body(Full::new(Bytes::from("12345")))
        .unwrap();
    let said: Value = serde_json::from_str(&text(world.asks(request).await).await).unwrap();
    assert_eq!(
        (&said["method"], &said["path"], &said["query"], &said["bytes"]),
        (&json!("PUT"), &json!("/echo"), &json!("a=%2F"), &json!(5))
    );
    let two: Vec<_> = said["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it[0] == "x-two")
        .map(|it| it[1].clone())
        .collect();
    assert_eq!(two, [json!("1"), json!("2")]);
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let world = World::start().await;
    let response =
        world.asks(Request::delete("/").header("host", "h").body(Full::default()).unwrap()).await;
    assert_eq!(
        (response.status(), &response.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn the_demo_serves_nobody_but_this_machine() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let outcome =
        serve(listener, options("http://127.0.0.1:1/jwks.json"), CancellationToken::new()).await;
    assert!(matches!(outcome, Err(Error::NotLoopback(_))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outcome =
        serve(listener, options("http://192.0.2.1/jwks.json"), CancellationToken::new()).await;
    assert!(matches!(outcome, Err(Error::Keys(_))));
}

/// `tests/outside/pages.mjs` inspects these files too.
#[tokio::test]
async fn all_pages_are_written_to_the_target_folder_to_be_looked_at() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages-of-the-demo");
    std::fs::create_dir_all(&folder).unwrap();
    let world = World::start().await;
    let (maya, forged) = (
        world.token(|_, _| {}),
        world.token(|_, claims| claims["aud"] = json!("https://other.example")),
    );
    let pages = [
        ("index", "/", Some(&maya)),
        ("index-forged", "/", Some(&forged)),
        ("index-bare", "/", None),
        ("admin", "/admin", Some(&maya)),
        ("public", "/public", None),
        ("websocket", "/websocket", Some(&maya)),
        ("stream", "/stream", Some(&maya)),
        ("upload", "/upload", Some(&maya)),
        ("not-found", "/nothing", Some(&maya)),
    ];
    for (name, path, token) in pages {
        let mut request = Request::get(path);
        if let Some(token) = token {
            for (name, value) in [
                ("x-entrada-assertion", token.as_str()),
                ("x-forwarded-name", "Maya Okafor"),
                ("x-forwarded-roles", "Admin"),
            ] {
                request = request.header(name, value);
            }
            request = request
                .header("x-forwarded-user", "00aa00aa-bb11-cc22-dd33-44ee44ee0001")
                .header("x-forwarded-email", "maya@contoso.example");
        }
        let request = request
            .header("host", "localhost:4180")
            .header("x-forwarded-for", "127.0.0.1")
            .header("x-forwarded-proto", "http")
            .header("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736")
            .header("accept", "text/html,application/xhtml+xml")
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0");
        let html = text(world.asks(request.body(Full::default()).unwrap()).await).await;
        assert!(
            html.trim_end().ends_with("</html>") && html.matches("<h1>").count() == 1,
            "{name}"
        );
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}

#[tokio::test]
async fn whoever_is_of_a_company_sees_which_and_as_what() {
    let world = World::start().await;
    let page = world.page(&world.token(|_, _| {})).await;
    assert!(!page.contains("<dt>Organization</dt>") && page.contains("<dt>Roles</dt>"), "{page}");
    let member = world.token(|_, claims| {
        claims["organization"] = json!("contoso");
        claims["role"] = json!("owner");
        claims["person"] = json!("0f0e0d0c-0b0a-4000-8000-000000000001");
    });
    let page = world.page(&member).await;
    for (name, value) in [
        ("Organization", "<span class=\"chip\">contoso"),
        ("Role", "<span class=\"chip\">owner"),
        ("Person", "<code>0f0e0d0c-0b0a"),
    ] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{value}")), "{name}: {page}");
    }
}
