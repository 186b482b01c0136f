//! What pages show of the brand, and how the logo is served.

use super::*;

#[tokio::test]
async fn pages_show_name_logo_color_and_help_without_a_change_to_the_policy_of_scripts() {
    let (world, _folder) = branded(SVG.as_bytes()).await;
    let mut browser = world.browser();
    let page = browser.asks("GET", "/oauth2/sign_in", NAVIGATION).await;
    assert!(
        page.body.contains("You are signing in to <b>Fleet &lt;Tracker&gt;</b>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("alt=\"Fleet &lt;Tracker&gt;\""), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("img-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    // Yellow cannot be told apart from white, so its button is darker, and the text is black.
    assert!(
        page.body.contains("--accent: #b09200; --on-accent: #000000;")
            && page.body.contains("--accent: #ffd400; --on-accent: #000000;"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("Get help"), "a page that refuses nothing");
    let refused = browser.asks("GET", "/oauth2/nothing", NAVIGATION).await;
    assert!(
        refused.status == 404
            && refused.body.contains(
                "<a href=\"mailto:help@fleet.example?subject=SSO&amp;body=Hi\" rel=\"noreferrer\">Get help</a>"
            ),
        "{}",
        refused.body
    );
    // In a frame, there is no name.
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-site", "same-origin"),
    ];
    let framed = browser.asks("GET", "/x", &headers).await;
    assert!(framed.status == 401 && !framed.body.contains("Fleet"), "{}", framed.body);
}

#[tokio::test]
async fn the_logo_needs_no_session_and_a_browser_keeps_it_for_an_hour() {
    let (world, _folder) = branded(SVG.as_bytes()).await;
    let mut browser = world.browser();
    let href = logo_of(&browser.asks("GET", "/oauth2/sign_in", NAVIGATION).await.body);
    assert!(href.starts_with("/oauth2/logo?"), "{href}");
    let logo = browser.asks("GET", &href, &[("accept", "image/*")]).await;
    assert_eq!((logo.status, logo.body.as_str()), (200, SVG));
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=3600"),
        ("cross-origin-resource-policy", "same-origin"),
        ("set-cookie", ""),
    ] {
        assert_eq!(logo.header(name), value, "{name}");
    }
    let tag = logo.header("etag").to_owned();
    let again = browser.asks("GET", &href, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    let head = browser.asks("HEAD", "/oauth2/logo", &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, SVG.len().to_string().as_str()));
    assert_eq!(browser.asks("POST", "/oauth2/logo", &[]).await.status, 405);
    // The page about a wrong host shows it too.
    let wrong = "GET /oauth2/logo HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n";
    assert!(raw::talk(world.address, wrong).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_reload_shows_another_logo_and_without_one_there_is_no_such_path() {
    let (world, folder) = branded(&png()).await;
    let mut browser = world.browser();
    let page = browser.asks("GET", "/oauth2/sign_in", NAVIGATION).await;
    assert!(page.body.contains("<img class=\"png\""), "{}", page.body);
    let before = logo_of(&page.body);
    let served = browser.asks("GET", &before, &[]).await;
    assert_eq!((served.status, served.header("content-type")), (200, "image/png"));
    let other = folder.path().join("other.svg");
    std::fs::write(&other, SVG).unwrap();
    let old = format!("logo = \"{}\"", folder.path().join("logo").display());
    let changed = world.changed(&old, &format!("logo = \"{}\"", other.display()));
    world.service.reload(&changed).await.unwrap();
    let after = logo_of(&browser.asks("GET", "/oauth2/sign_in", NAVIGATION).await.body);
    assert_ne!(before, after);
    assert_eq!(browser.asks("GET", &after, &[]).await.header("content-type"), "image/svg+xml");
    world.service.reload(&world.changed(&old, "")).await.unwrap();
    let page = browser.asks("GET", "/oauth2/sign_in", NAVIGATION).await;
    assert!(
        page.body.contains("<p class=\"brand\">Fleet &lt;Tracker&gt;</p>")
            && !page.header("content-security-policy").contains("img-src"),
        "{}",
        page.body
    );
    assert_eq!(browser.asks("GET", "/oauth2/logo", NAVIGATION).await.status, 404);
}

#[tokio::test]
async fn the_pages_of_a_customer_name_the_app_and_the_company() {
    let folder = tempfile::tempdir().unwrap();
    let draft = NewOrganization {
        code: CompanyCode::parse("contoso"),
        name: "Contoso Freight".to_owned(),
        ..NewOrganization::default()
    };
    let plan =
        WorldPlan::of_directory("").with_organizations([draft, company("fabrikam", FABRIKAM)]);
    let plan = WorldPlan { more: section(folder.path(), SVG.as_bytes()), ..plan };
    let world = World::with(plan).await;
    let page = world.browser().asks("GET", "/oauth2/sign_in", NAVIGATION).await;
    assert!(page.body.contains("<b>Fleet &lt;Tracker&gt;</b>"), "{}", page.body);
    let code = CompanyCode::parse("contoso").unwrap();
    let made = world.directory().invite(&code, "story").await.unwrap();
    let token = made.token.expose().to_owned();
    crate::world::browser::SECRETS.lock().unwrap().push(token.clone());
    let mut admin = world.browser();
    let link = admin.visits(&format!("/oauth2/setup/invitation?token={token}")).await;
    assert!(link.body.contains("The owner of Fleet &lt;Tracker&gt; invites you"), "{}", link.body);
    let steps = admin.fills("/oauth2/setup/invitation", &[("token", &token)]).await;
    assert!(
        steps.body.contains("<p class=\"over\">Fleet &lt;Tracker&gt;</p>")
            && steps.body.contains("Single sign-on for Contoso Freight")
            && steps.header("content-security-policy").contains("img-src 'self'"),
        "{}",
        steps.body
    );
    // The picture of the redirect URI shows the host.
    assert!(steps.body.contains(&format!(">{}/…</text>", world.public_url)), "{}", steps.body);
    let sheet = admin.visits("/oauth2/setup/sheet").await;
    assert!(
        sheet.body.contains("How to sign in to Fleet &lt;Tracker&gt;")
            && sheet.body.contains("At Contoso Freight,"),
        "{}",
        sheet.body
    );
    let message = world.browser().visits("/oauth2/setup/invitation?token=").await;
    assert!(message.status == 410 && message.body.contains(">Get help</a>"), "{}", message.body);
}
