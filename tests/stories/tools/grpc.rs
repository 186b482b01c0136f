//! gRPC by `grpcio` (PyPI), both as the client and as the app.

use super::command;
use super::python::{PythonServer, ServedScript, script};
use crate::flood::{FastClock, FloodedProgram, ProgramLaunch};
use crate::outside;
use crate::tls::{TestAuthority, https_browser, https_world_before};
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};

/// Makes the calls of that name as a person who is signed in, with further lines of `[server]`.
async fn calls(name: &str, server_lines: &str) {
    let served = ServedScript::start("grpc_calls.py", "h2c", server_lines).await;
    let Some(served) = served else { return };
    let mut client = served.client();
    client.arg("call").arg(name);
    client.arg(served.world.address.to_string()).arg(served.maya.cookie_header());
    let output = command::run(client).await;
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        served.world.logged().await
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{name}: as it should be\n"));
}

macro_rules! grpc_calls {
    ($name:ident, $calls:literal) => {
        grpc_calls!($name, $calls, "");
    };
    ($name:ident, $calls:literal, $server:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            calls($calls, $server).await;
        }
    };
}

grpc_calls!(unary_calls_return_messages_of_every_size_and_both_metadata, "unary");
grpc_calls!(a_server_streams_as_fast_as_its_client_reads, "server-stream");
grpc_calls!(a_client_streams_and_is_answered_once, "client-stream");
grpc_calls!(both_sides_stream_in_turn, "bidirectional");
grpc_calls!(a_server_may_answer_before_its_client_has_streamed_all, "early");
grpc_calls!(errors_keep_their_status_message_and_trailers, "errors");
grpc_calls!(a_canceled_call_ends_at_the_server, "cancel");
grpc_calls!(a_deadline_ends_the_call_and_reaches_the_server, "deadline");
grpc_calls!(a_hundred_calls_at_once_share_connections, "many");
grpc_calls!(
    a_quiet_bidirectional_call_outlives_the_timeout_of_uploads,
    "quiet",
    "limits = { body_timeout = \"1s\" }"
);

/// TLS on both sides: the client's, and that to the app, which chooses HTTP/2 by ALPN.
#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_of_calls_pass_over_tls_on_both_sides() {
    let Some(python) = outside::python() else { return };
    let authority = TestAuthority::new();
    let (certificate, key) = authority.makes("app", "localhost");
    let script = script("grpc_calls.py");
    let served = PythonServer::start_with(&python, &script, &[&certificate, &key]);
    let world = https_world_before(&authority, &served.port).await;
    let mut maya = https_browser(&world, &authority);
    maya.visits("/").await;
    maya.signs_in_as(MAYA).await;
    let names = "unary,server-stream,client-stream,bidirectional,early,errors,cancel,deadline,many";
    let mut client = command::of(&python);
    client.arg(script).arg("call").arg(names);
    client.arg(format!("localhost:{}", world.address.port()));
    client.arg(maya.cookie_header()).arg(authority.ca_file());
    let output = command::run(client).await;
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        world.logged().await
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), names.split(',').count());
}

/// The program's clock runs sixty times as fast as those of the client and the app.
#[tokio::test(flavor = "multi_thread")]
async fn a_bidirectional_call_outlives_ten_quiet_minutes() {
    let (Some(python), Some(library)) = (outside::python(), outside::fast_clock()) else { return };
    let script = script("grpc_calls.py");
    let served = PythonServer::start(&python, &script);
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://127.0.0.1:{}\"", served.port),
        more: "[access]\ndefault = \"anyone\"".to_owned(),
        server: "limits = { stream_timeout = \"15m\" }".to_owned(),
        ..WorldPlan::default()
    })
    .await;
    let clock = Some(FastClock { library, times: 60 });
    let program =
        FloodedProgram::launch(&world, ProgramLaunch { clock, ..ProgramLaunch::default() }).await;
    let mut client = command::of(&python);
    client.arg(script).arg("call").arg("ten-minutes-quiet");
    client.arg(format!("{}={}", program.address, program.host)).arg("nobody=here");
    let said = command::succeeds(client).await;
    assert_eq!(said, "ten-minutes-quiet: as it should be\n");
}
