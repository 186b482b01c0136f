//! The size of Entrada's responses does not grow with the size of a request.

use super::MIB;
use crate::flood::{FloodedProgram, ProgramLaunch, ProgramOutput};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::raw::talk_for;
use crate::world::{MAX_BODY_BYTES, MAX_COOKIES, MAX_HEAD_BYTES, World, WorldPlan, company};
use std::time::Duration;

/// Maximum ratio of the processor time for the largest request to a route of Entrada to the time
/// for the largest request that is forwarded to the app.
const MAX_TIME_RATIO: f64 = 4.0;
/// Number of requests of one kind in a measurement. The system reports time in steps of 10 ms,
/// which is several requests, so anything that looks slow is measured again with more requests.
const ROUNDS: u32 = 10;
const MANY_ROUNDS: u32 = 200;

const ROUTES: &[&str] = &[
    "/reports",
    "/oauth2/auth",
    "/oauth2/auth/nginx",
    "/oauth2/start",
    "/oauth2/sign_in",
    "/oauth2/callback",
    "/v1/callback",
    "/oauth2/sign_out",
    "/oauth2/front_channel_logout",
    "/oauth2/userinfo",
    "/oauth2/session",
    "/oauth2/session/refresh",
    "/oauth2/jwks.json",
    "/oauth2/logo",
    "/oauth2/native/authorize",
    "/oauth2/native/token",
    "/oauth2/native/revoke",
    "/oauth2/native/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/oauth2/setup",
    "/oauth2/setup/people",
    "/oauth2/setup/deletion",
    "/oauth2/setup/organization",
    "/oauth2/nothing",
];

/// Returns requests of the maximum size, each with a different large part.
fn largest(host: &str, route: &str) -> Vec<(&'static str, String)> {
    // The request that a front proxy asks about; no other route reads it.
    let asked = if route.starts_with("/oauth2/auth") {
        "X-Original-Method: GET\r\nX-Original-URI: /reports\r\n"
    } else {
        ""
    };
    let head = |method: &str, target: &str, lines: &str| {
        let asked = if lines.contains("X-Original") { "" } else { asked };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{asked}{lines}\r\n"
        )
    };
    let navigation: String =
        NAVIGATION.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let script: String =
        SCRIPT.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let sign_ins: String = (0..1900).map(|it| format!("entrada-{it:08}=x; ")).collect();
    let same = "entrada-00000000=x; ".repeat(2500);
    let fields: String = (0..90).map(|it| format!("x-{it}: {}\r\n", "y".repeat(600))).collect();
    let quoted = "%22%3C%26".repeat(1600);
    let places = format!("rd=%2F{}", "%22".repeat(680));
    let wanted: String = (1..100).map(|it| format!("&acrs=c{it}")).collect();
    let form = format!("identifier={0}&state={0}&code={0}", "%22".repeat(6000));
    vec![
        (
            "cookies with names like ours",
            head("GET", route, &format!("{navigation}Cookie: {sign_ins}\r\n")),
        ),
        (
            "the same cookie again and again",
            head("GET", route, &format!("{navigation}Cookie: {same}\r\n")),
        ),
        ("cookies of a script", head("GET", route, &format!("{script}Cookie: {sign_ins}\r\n"))),
        ("header fields", head("GET", route, &format!("{navigation}{fields}"))),
        ("a query", head("GET", &format!("{route}?{quoted}"), &navigation)),
        ("a query of a script", head("GET", &format!("{route}?{quoted}"), &script)),
        ("a long way back", head("GET", &format!("{route}?{places}{wanted}"), &navigation)),
        (
            "a state",
            head("GET", &format!("{route}?code=x&state={}", "a".repeat(15_000)), &navigation),
        ),
        (
            "an error",
            head(
                "GET",
                &format!("{route}?error=access_denied&error_description={quoted}"),
                &navigation,
            ),
        ),
        ("a long path", head("GET", &format!("{route}/{}", "a".repeat(15_000)), &navigation)),
        (
            "a form",
            head(
                "POST",
                route,
                &format!(
                    "{navigation}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                    form.len()
                ),
            ) + &form,
        ),
        (
            "a long target that is asked about",
            head(
                "GET",
                route,
                &format!(
                    "{navigation}X-Original-Method: GET\r\nX-Original-URI: /reports?{quoted}\r\n"
                ),
            ),
        ),
        (
            "a token",
            head(
                "GET",
                route,
                &format!("{script}Authorization: Bearer {}\r\n", "a.".repeat(20_000)),
            ),
        ),
    ]
}

/// 64 kB of cookies once produced a response of 279 kB, at 20 times the processor time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_of_ours_grows_with_the_request_nor_takes_long() {
    let plan = WorldPlan { entra: "redirect_path = \"/v1/callback\"".into(), ..company::full() };
    let world = World::with(plan).await;
    let program = FloodedProgram::launch(
        &world,
        ProgramLaunch { output: ProgramOutput::Kept, ..ProgramLaunch::default() },
    )
    .await;
    let (mut slowest, mut largest_head, mut largest_body) =
        ((0.0, String::new()), (0, String::new()), (0, String::new()));
    let before = program.weighs();
    let forwarded =
        measured(&program, &largest(&program.host, "/public/x")[0].1, MANY_ROUNDS).await.0;
    assert!(forwarded > 0.0, "the system does not tell processor time");
    for route in ROUTES {
        for (what, request) in largest(&program.host, route) {
            let (mut time, answer) = measured(&program, &request, ROUNDS).await;
            if time > forwarded * MAX_TIME_RATIO / 2.0 {
                time = measured(&program, &request, MANY_ROUNDS).await.0;
            }
            let (head, body) = answer
                .split_once("\r\n\r\n")
                .unwrap_or_else(|| panic!("{route} with {what}: {answer:?}"));
            let name = format!("{route} with {what}");
            if head.len() > largest_head.0 {
                largest_head = (head.len(), name.clone());
            }
            if body.len() > largest_body.0 {
                largest_body = (body.len(), name.clone());
            }
            let ratio = time / forwarded;
            if ratio > slowest.0 {
                slowest = (ratio, name.clone());
            }
            assert!(head.matches("set-cookie:").count() <= MAX_COOKIES, "{name}: {head}");
            assert!(
                head.len() <= MAX_HEAD_BYTES && body.len() <= MAX_BODY_BYTES,
                "{name}: {} + {} bytes",
                head.len(),
                body.len()
            );
        }
    }
    println!(
        "largest head {largest_head:?}, largest body {largest_body:?}, slowest {slowest:?} of a forwarded one in {forwarded} s"
    );
    assert!(slowest.0 <= MAX_TIME_RATIO, "{slowest:?}");
    let grown = program.weighs().saturating_sub(before);
    assert!(grown < 32 * MIB, "memory grew by {} MiB", grown / MIB);
    every_route_was_asked(&program.logged().await);
}

/// Checks that every route was requested; a new route must be added above.
fn every_route_was_asked(log: &str) {
    let names = include_str!("../../../src/flow/route.rs")
        .split_once("fn name(")
        .unwrap()
        .1
        .split_once("#[cfg(test)]")
        .unwrap()
        .0;
    let names: Vec<_> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() >= 18, "{names:?}");
    let missing: Vec<_> =
        names.into_iter().filter(|it| !log.contains(&format!("\"route\":\"{it}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Returns the processor time of one of several requests, in seconds, and the last response.
async fn measured(program: &FloodedProgram, request: &str, rounds: u32) -> (f64, String) {
    let before = program.processor_time();
    let mut answer = String::new();
    for _ in 0..rounds {
        answer = talk_for(program.address, request.as_bytes(), Duration::from_secs(10)).await;
    }
    ((program.processor_time() - before) / f64::from(rounds), answer)
}
