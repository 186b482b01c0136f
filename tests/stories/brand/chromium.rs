//! The brand in headless Chromium, on a phone and a desktop, in light and in dark. The pictures stay in `target/screenshots`.

use super::*;
use crate::outside;
use crate::tools::command;
use crate::world::browser::SECRETS;

/// A logo that would leave a mark if its script ran.
const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"160\" height=\"40\" viewBox=\"0 0 160 40\"><script>document.documentElement.setAttribute(\"data-ran\", \"\")</script><style>text { fill: #7a4a00 } @media (prefers-color-scheme: dark) { text { fill: #ffd400 } }</style><circle cx=\"20\" cy=\"20\" r=\"16\" fill=\"#e8a400\"/><text x=\"44\" y=\"27\" font-family=\"sans-serif\" font-size=\"20\">Fleet</text></svg>";

#[tokio::test(flavor = "multi_thread")]
async fn every_accent_can_be_read_in_a_real_browser_and_the_logo_runs_nothing() {
    let Some(_) = outside::tool("chromium") else { return };
    let (Some(node), Some(packages)) = (outside::tool("node"), outside::node_modules()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let section = section(folder.path(), LOGO.as_bytes());
    let plan = WorldPlan::of_directory("").with_organizations([company("fabrikam", FABRIKAM)]);
    let world = World::with(WorldPlan { more: section, ..plan }).await;
    let code = CompanyCode::parse("fabrikam").unwrap();
    for accent in ["#ffd400", "#c2185b"] {
        let changed = world.changed("accent = \"#ffd400\"", &format!("accent = \"{accent}\""));
        world.service.reload(&changed).await.unwrap();
        let made = world.directory().invite(&code, "story").await.unwrap();
        let token = made.token.expose().to_owned();
        SECRETS.lock().unwrap().push(token.clone());
        let mut admin = world.browser();
        admin.fills("/oauth2/setup/invitation", &[("token", &token)]).await;
        let visit = admin.cookie("entrada-v").unwrap();
        let mut command = command::within(300, &node);
        command
            .env("NODE_MODULES", &packages)
            .arg(outside::root().join("tests/outside/brand.mjs"))
            .args([&world.public_url, &admin.with_port("entrada-v"), &visit])
            .arg(
                outside::root().join("target/screenshots").join(format!("brand-{}", &accent[1..])),
            );
        let said = command::succeeds(command).await;
        assert!(said.contains("\"violations\": []"), "{said}");
    }
}
