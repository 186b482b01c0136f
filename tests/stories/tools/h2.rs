//! h2spec against the listener, in clear HTTP/2 by prior knowledge.

use super::command;
use crate::outside;
use crate::world::World;
use std::collections::BTreeSet;
use std::path::Path;

/// What hyper is known to fail, by section and number, and why we live with it.
const KNOWN: &[(&str, &str)] = &[(
    "http2/3.5: Sends invalid connection preface",
    "the listener speaks HTTP/1.1 on the same port: what is no preface is a bad request of that version, answered 400 and closed",
)];

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_speaks_http2_as_h2spec_wants_it() {
    let Some(h2spec) = outside::tool("h2spec") else { return };
    let world = World::start().await;
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2spec.xml");
    let port = world.address.port().to_string();
    let mut command = command::of(&h2spec);
    command.args(["--host", "127.0.0.1", "--port", &port, "--path", "/public/h2", "--timeout", "2", "--junit-report"]).arg(&report);
    command.args(["generic", "http2"]);
    let output = command::run(command).await;
    let said = String::from_utf8_lossy(&output.stdout);

    let (failed, cases) = failures(&std::fs::read_to_string(&report).unwrap());
    assert!(cases > 100, "only {cases} cases were run: {said}");
    let known: BTreeSet<String> = KNOWN.iter().map(|(case, _)| (*case).to_owned()).collect();
    assert_eq!(failed, known, "{said}");
}

/// The cases that failed, as `section: description`, and how many there were.
fn failures(report: &str) -> (BTreeSet<String>, usize) {
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    let failed = cases.iter().filter(|it| it.contains("<failure") || it.contains("<error"));
    let names = failed.map(|it| format!("{}: {}", attribute(it, "package"), attribute(it, "classname")));
    (names.collect(), cases.len())
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, rest) = element.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {element}"));
    rest.split('"').next().unwrap()
}
