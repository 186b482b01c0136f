//! curl, as scripts and operators use it.

use super::command;
use crate::outside;
use crate::world::World;
use crate::world::samples::MAYA;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_through_in_http1_and_in_http2() {
    let Some(curl) = outside::tool("curl") else { return };
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let cookie = format!("Cookie: {}", maya.cookie_header());

    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let said = asks(
            &curl,
            &world,
            &[option, "-H", &cookie, "-w", "\n%{http_version} %{http_code}"],
            "/reports",
        )
        .await;
        assert!(said.contains(MAYA) && said.ends_with(&format!("\n{version} 200")), "{said}");

        let head = asks(
            &curl,
            &world,
            &[option, "-H", &cookie, "--head", "-w", "%{http_code} %{size_download}"],
            "/reports",
        )
        .await;
        assert!(head.ends_with("200 0"), "{head}");

        let stranger = asks(&curl, &world, &[option, "-w", "\n%{http_code}"], "/reports").await;
        assert!(stranger.contains("sign_in_url") && stranger.ends_with("\n401"), "{stranger}");

        let climbs = asks(
            &curl,
            &world,
            &[option, "-H", &cookie, "--path-as-is", "-w", "\n%{http_code}"],
            "/public/../admin/users",
        )
        .await;
        assert!(climbs.ends_with("\n400"), "{climbs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_waits_for_100_continue_before_it_uploads() {
    let Some(curl) = outside::tool("curl") else { return };
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let cookie = format!("Cookie: {}", maya.cookie_header());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upload-of-curl");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let data = format!("@{}", file.display());
    let said = asks(
        &curl,
        &world,
        &[
            "--http1.1",
            "-v",
            "--stderr",
            "-",
            "-H",
            &cookie,
            "-H",
            "Expect: 100-continue",
            "--expect100-timeout",
            "30",
            "--data-binary",
            &data,
            "-w",
            "\n%{http_code}",
        ],
        "/reports",
    )
    .await;
    assert!(said.contains("HTTP/1.1 100 Continue") && said.ends_with("\n200"), "{said}");
}

async fn asks(curl: &Path, world: &World, options: &[&str], path: &str) -> String {
    let mut command = command::of(curl);
    command
        .args(["--silent", "--max-time", "40", "--noproxy", "*"])
        .args(options)
        .arg(format!("http://{}{path}", world.address));
    command::succeeds(command).await
}
