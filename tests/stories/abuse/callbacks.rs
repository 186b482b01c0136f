//! A posted callback is redirected to a GET, and its response does not grow with it.

use crate::flood::FloodedProgram;
use crate::world::raw::{status, talk_for};
use crate::world::{World, WorldPlan};
use std::time::Duration;

/// Maximum size of a head in a response from Entrada.
const MAX_HEAD_BYTES: usize = 12 * 1024;

async fn posted(program: &FloodedProgram, form: &str) -> String {
    let head = format!(
        "POST /oauth2/callback HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        program.host
    );
    let head = format!(
        "{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    talk_for(program.address, (head + form).as_bytes(), Duration::from_secs(10)).await
}

/// Characters that a form does not need to escape take three bytes each in a query: a form of 16 kB
/// once produced a response of 48 kB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_posted_callback_is_not_answered_by_a_longer_one() {
    let world = World::with(WorldPlan::default()).await;
    let program = FloodedProgram::start(&world).await;
    for part in ["\"", "<", "a", "%22", "\u{e9}"] {
        for name in ["state", "code", "error_description"] {
            let form = format!("{name}={}", part.repeat(15_000 / part.len()));
            let answer = posted(&program, &form).await;
            let head = answer.split_once("\r\n\r\n").unwrap().0;
            assert!(head.len() <= MAX_HEAD_BYTES, "{name} of {part:?}: {} bytes", head.len());
            assert_eq!(status(&answer), 400, "{name} of {part:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_code_comes_through_a_posted_callback() {
    let world = World::with(WorldPlan::default()).await;
    let program = FloodedProgram::start(&world).await;
    let (code, state) = ("c".repeat(3000), "s".repeat(2000));
    let answer = posted(&program, &format!("code={code}&state={state}&session_state=x")).await;
    // A head of that length would be too long for a front proxy: a page leads there.
    assert!(status(&answer) == 200 && answer.split_once("\r\n\r\n").unwrap().0.len() < 4096);
    assert!(
        answer.contains(&format!(
            "content=\"0; url=/oauth2/callback?code={code}&amp;state={state}&amp;session_state=x\""
        )),
        "{answer}"
    );
}
