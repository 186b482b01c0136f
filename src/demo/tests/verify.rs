//! Valid and invalid assertions.

use super::*;

#[tokio::test]
async fn a_person_with_a_true_assertion_is_greeted_and_sees_every_step() {
    let world = World::start().await;
    let html = world.page(&world.token(|_, _| {})).await;
    assert!(
        html.contains("<h1>Hello, Maya Okafor</h1>") && !html.contains("Not verified"),
        "{html}"
    );
    let all = [
        "Header",
        "Three parts",
        "Type",
        "Algorithm",
        "Keys fetched",
        "Key found",
        "Signature",
        "Issuer",
        "Audience",
        "Not expired",
        "Already valid",
    ];
    assert_eq!(steps(&html, "ok"), all);
}

#[tokio::test]
async fn each_way_an_assertion_can_be_wrong_fails_at_its_own_step() {
    type Change = fn(&mut Value, &mut Value);
    let cases: [(&str, Change); 15] = [
        ("Type", |header, _| header["typ"] = json!("JWT")),
        ("Type", |header, _| header["crit"] = json!(["exp"])),
        ("Algorithm", |header, _| header["alg"] = json!("none")),
        ("Algorithm", |header, _| header["alg"] = json!("HS256")),
        ("Key found", |header, _| header["kid"] = json!("other")),
        ("Key found", |header, _| header["kid"] = Value::Null),
        ("Issuer", |_, claims| claims["iss"] = json!("http://localhost:4181")),
        ("Issuer", |_, claims| claims["iss"] = json!([ISSUER])),
        ("Audience", |_, claims| claims["aud"] = json!("https://other.example")),
        ("Audience", |_, claims| claims["aud"] = json!([])),
        ("Not expired", |_, claims| claims["exp"] = json!(claims["iat"].as_u64().unwrap() - 600)),
        ("Not expired", |_, claims| claims["exp"] = Value::Null),
        ("Not expired", |_, claims| claims["exp"] = json!("9999999999")),
        ("Already valid", |_, claims| claims["nbf"] = json!(claims["iat"].as_u64().unwrap() + 600)),
        ("Already valid", |_, claims| claims["nbf"] = json!(-1)),
    ];
    let world = World::start().await;
    for (name, change) in cases {
        let html = world.page(&world.token(change)).await;
        assert_eq!(steps(&html, "failed"), [name]);
        assert!(is_nobody(&html), "{name}: {html}");
    }
}

#[tokio::test]
async fn a_list_of_audiences_will_do_if_the_app_is_among_them() {
    let world = World::start().await;
    let html = world
        .page(&world.token(|_, claims| claims["aud"] = json!(["https://other.example", ISSUER])))
        .await;
    assert!(html.contains("Hello, Maya Okafor"));
}

#[tokio::test]
async fn a_signature_of_another_key_or_over_other_claims_fails() {
    let world = World::start().await;
    let stranger = Key::new("first").sign(&header("first"), &claims());
    let token = world.token(|_, _| {});
    let (front, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = front.split_once('.').unwrap();
    let mut admin = claims();
    admin["name"] = json!("Maya the Great");
    let swapped = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(admin.to_string()));
    let unsigned = format!("{front}.");
    let zero = format!("{front}.{}", URL_SAFE_NO_PAD.encode([0; 64]));
    for token in [stranger, swapped, unsigned, zero] {
        let html = world.page(&token).await;
        assert_eq!(steps(&html, "failed"), ["Signature"]);
        assert!(is_nobody(&html), "{html}");
    }
}

#[tokio::test]
async fn the_public_key_as_a_shared_secret_opens_nothing() {
    let world = World::start().await;
    let mut head = header("first");
    head["alg"] = json!("HS256");
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(&head), text(&claims()));
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, world.key.pair.public_key().as_ref()),
        signed.as_bytes(),
    );
    let html = world.page(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))).await;
    assert_eq!(steps(&html, "failed"), ["Algorithm"]);
    assert_eq!(steps(&html, "skipped"), ["Signature"]);
    assert!(is_nobody(&html));
}

#[tokio::test]
async fn what_is_no_token_and_what_stands_there_twice_is_refused() {
    let world = World::start().await;
    for token in ["", "x", "a.b", "a.b.c", "e30.e30", "e30.W10.", &"a".repeat(20_000)] {
        let html = world.page(token).await;
        assert_eq!(steps(&html, "failed").len(), 1, "{token}");
        assert!(is_nobody(&html), "{token}");
    }
    let token = world.token(|_, _| {});
    let twice = Request::get("/")
        .header("host", "h")
        .header("x-entrada-assertion", &token)
        .header("x-entrada-assertion", &token);
    let html = text(world.asks(twice.body(Full::default()).unwrap()).await).await;
    assert_eq!(steps(&html, "failed"), ["Header"]);
    assert!(is_nobody(&html));
}

#[tokio::test]
async fn without_an_assertion_nobody_is_greeted_whatever_other_headers_say() {
    let world = World::start().await;
    let request = Request::get("/")
        .header("host", "h")
        .header("x-forwarded-name", "Maya Okafor")
        .body(Full::default())
        .unwrap();
    let html = text(world.asks(request).await).await;
    assert!(is_nobody(&html) && html.contains("This request carried no assertion"), "{html}");
    assert!(html.contains("<dt>x-forwarded-name</dt><dd>Maya Okafor</dd>"));
}
