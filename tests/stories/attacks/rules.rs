//! Every option of a rule denies, on the way and in forward-auth; and a name is no key.

use super::{BOTH, ask};
use crate::world::samples::{MAYA, PRIYA, TOM};
use crate::world::{World, WorldPlan};

const RULES: &str = r#"
[[access.rule]]
path = "/roles/**"
allow = { roles = ["Admin"] }
[[access.rule]]
path = "/rolecase/**"
allow = { roles = ["admin"] }
[[access.rule]]
path = "/groups/**"
allow = { groups = ["0a1b2c3d-0000-4000-8000-000000000002"] }
[[access.rule]]
path = "/users/**"
allow = { users = ["maya@contoso.example"] }
[[access.rule]]
path = "/oid/**"
allow = { users = ["00aa00aa-bb11-cc22-dd33-44ee44ee0001"] }
[[access.rule]]
path = "/likeusers/**"
allow = { users = ["aya@contoso.example", "maya@contoso.example.org", "xmaya@contoso.example", "00aa00aa-bb11-cc22-dd33-44ee44ee0011"] }
[[access.rule]]
path = "/tenants/**"
allow = { tenants = ["TENANT"] }
[[access.rule]]
path = "/othertenant/**"
allow = { roles = ["Admin"], tenants = ["bbbbcccc-1111-dddd-2222-eeee3333ffff"] }
[[access.rule]]
path = "/both/**"
allow = { roles = ["Admin"], users = ["tom@contoso.example"] }
[[access.rule]]
path = "/either/**"
allow = [{ roles = ["Admin"] }, { users = ["tom@contoso.example"] }]
[[access.rule]]
path = "/methods/**"
methods = ["GET"]
allow = "signed-in"
[[access.rule]]
path = "/nobody/**"
allow = "nobody"
[[access.rule]]
path = "/signedout/**"
allow = "signed-in"
signed_out = "401"
[access]
default = "nobody"
"#;

#[tokio::test]
async fn every_option_of_a_rule_denies() {
    let rules = RULES.replace("TENANT", "00000000-0000-0000-0000-000000000000");
    let probe = World::start().await;
    let tenant = probe.emulator.tenant_id().to_owned();
    let rules = rules.replace("00000000-0000-0000-0000-000000000000", &tenant);
    let world = World::with(WorldPlan {
        more: format!("{}{rules}", "[[access.rule]]\npath = \"/\"\nallow = \"signed-in\"\n"),
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let (maya, tom) =
        (world.signed_in(MAYA).await.cookie_header(), world.signed_in(TOM).await.cookie_header());
    // Path, method, and what a stranger, Tom and Maya get.
    for (path, method, expected) in [
        ("/roles/x", "GET", [401, 403, 200]),
        ("/rolecase/x", "GET", [401, 403, 403]),
        ("/groups/x", "GET", [401, 403, 200]),
        ("/users/x", "GET", [401, 403, 200]),
        ("/oid/x", "GET", [401, 403, 200]),
        ("/likeusers/x", "GET", [401, 403, 403]),
        ("/tenants/x", "GET", [401, 200, 200]),
        ("/othertenant/x", "GET", [401, 403, 403]),
        ("/both/x", "GET", [401, 403, 403]),
        ("/either/x", "GET", [401, 200, 200]),
        ("/methods/x", "GET", [401, 200, 200]),
        ("/methods/x", "HEAD", [401, 200, 200]),
        ("/methods/x", "POST", [403, 403, 403]),
        ("/methods/x", "get", [403, 403, 403]),
        ("/methods/x", "DELETE", [403, 403, 403]),
        ("/nobody/x", "GET", [403, 403, 403]),
        ("/elsewhere", "GET", [403, 403, 403]),
        ("/Roles/x", "GET", [403, 403, 403]),
        ("/rolesx", "GET", [403, 403, 403]),
        ("/signedout/x", "GET", [401, 200, 200]),
    ] {
        for (cookie, status) in [String::new(), tom.clone(), maya.clone()].iter().zip(expected) {
            for http in BOTH {
                let answer = ask(
                    &world,
                    http,
                    method,
                    path,
                    &[("cookie", cookie), ("x-http-method-override", "GET")],
                )
                .await;
                assert_eq!(answer.status, status, "{http:?} {method} {path} {cookie}: {answer:?}");
                let question =
                    [("x-original-method", method), ("x-original-uri", path), ("cookie", cookie)];
                assert_eq!(
                    ask(&world, http, "GET", "/oauth2/auth", &question).await.status,
                    status,
                    "asked by nginx: {method} {path}"
                );
            }
        }
    }
    // `signed_out = "401"` keeps a navigation from being redirected.
    let answer = ask(
        &world,
        super::HttpVersion::One,
        "GET",
        "/signedout/x",
        crate::world::browser::NAVIGATION,
    )
    .await;
    assert_eq!((answer.status, answer.header("location")), (401, ""));
}

/// A person is `oid` and tenant; names and addresses change hands (nOAuth).
#[tokio::test]
async fn a_name_is_no_key() {
    let world = World::start().await;
    let mut priya = world.signed_in(PRIYA).await;
    let page = priya.visits("/x").await;
    assert_eq!(page.app_heard("x-forwarded-user"), "00aa00aa-bb11-cc22-dd33-44ee44ee0004");
    assert_eq!(page.app_heard("x-forwarded-tenant"), world.emulator.tenant_id());
    let assertion = page.app_heard("x-entrada-assertion");
    let claims =
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&assertion).unwrap().claims;
    assert_eq!(
        claims["sub"],
        format!("00aa00aa-bb11-cc22-dd33-44ee44ee0004.{}", world.emulator.tenant_id())
    );
    assert!(claims.get("email_verified").is_none());
    assert!(world.logged().await.contains("\"user\":\"00aa00aa-bb11-cc22-dd33-44ee44ee0004\""));
}
