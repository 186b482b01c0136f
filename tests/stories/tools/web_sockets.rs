//! WebSockets by `websockets` (PyPI), both as the client and as the app.

use super::command;
use super::python::ServedScript;

/// Runs the case of that name as a person who is signed in.
async fn case(name: &str) {
    let Some(served) = ServedScript::start("websocket_cases.py", "http", "").await else { return };
    let world = &served.world;
    let mut client = served.client();
    client.arg("case").arg(name).arg(format!("ws://{}", world.address));
    client.arg(&world.public_url).arg(served.maya.cookie_header());
    let said = command::succeeds(client).await;
    assert_eq!(said, format!("{name}: as it should be\n"));
}

macro_rules! web_socket_case {
    ($name:ident, $case:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            case($case).await;
        }
    };
}

web_socket_case!(messages_of_every_size_come_back, "sizes");
web_socket_case!(compression_is_agreed_between_client_and_app, "compressed");
web_socket_case!(fragments_stay_fragments_with_pings_between_them, "fragments");
web_socket_case!(pings_of_both_sides_are_answered_by_the_other, "pings");
web_socket_case!(close_codes_and_reasons_reach_the_other_side, "closes");
web_socket_case!(the_app_selects_the_subprotocol, "subprotocols");
web_socket_case!(five_hundred_web_sockets_are_open_at_once, "crowd");
