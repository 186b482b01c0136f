//! Tests the rules themselves on small sources: violations that each rule must report, and code
//! that it must accept.

use crate::tree::SourceTree;
use crate::{layers, shape};

/// Returns a crate with these files, `path: text` each, and the parents that declare them.
fn tree(files: &[(&str, &str)]) -> SourceTree {
    SourceTree::new(
        files.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_owned())).collect(),
    )
}

/// Returns a crate with two modules, `flow` above `wire`; `wire/inbound.rs` holds the text.
fn wire(text: &str) -> SourceTree {
    tree(&[
        ("lib.rs", "pub mod base; pub mod config; pub mod wire; pub mod flow;"),
        ("base.rs", "pub struct Target;"),
        ("config/mod.rs", "pub mod server; pub mod entra; pub struct Config;"),
        ("config/server.rs", "pub struct Trust;"),
        ("config/entra.rs", "pub struct Entra;"),
        ("flow/mod.rs", "pub mod route; pub fn handle() {}"),
        ("flow/route.rs", "pub struct Route;"),
        (
            "wire/mod.rs",
            "pub mod inbound; pub mod peer; pub struct Own; pub use peer::Peer as Reexported;",
        ),
        ("wire/peer.rs", "pub struct Peer;"),
        ("wire/inbound.rs", text),
    ])
}

#[track_caller]
fn reported(wrong: &[String], part: &str) {
    assert!(wrong.iter().any(|it| it.contains(part)), "{part:?} is not among {wrong:#?}");
}

#[test]
fn an_import_upward_is_reported_however_it_is_written() {
    for text in [
        "use crate::flow::handle;",
        "use crate::{base::Target, flow};",
        "use crate::{base::{Target}, flow::{route::Route}};",
        "use super::super::flow::handle;",
        "use super::super::{base, flow};",
        "use crate::*;",
        "use crate as me; fn f() { me::flow::handle() }",
        "use crate::{self as me}; fn f() { me::flow::handle() }",
        "extern crate self as me; use me::flow::handle;",
        "use entrada::flow::handle;",
        "fn f() { crate::flow::handle() }",
        "fn f() { use crate::flow::handle; handle() }",
        "fn f(it: &crate::flow::route::Route) {}",
        "impl From<crate::flow::route::Route> for u8 { fn from(_: crate::flow::route::Route) -> u8 { 0 } }",
        "fn f() -> String { format!(\"{}\", crate::flow::NAME) }",
        "macro_rules! m { () => { $crate::flow::handle() } }",
        "macro_rules! m { () => { use crate::{base, flow}; } }",
        "#[serde(with = \"crate::flow::route\")] struct S;",
        "#[derive(crate::flow::Derived)] struct S;",
        "mod inner { use super::super::super::flow::handle; }",
        "mod inner { use crate::flow::handle; }",
        "#[cfg(test)] mod early { } use crate::flow::handle;",
        "#[cfg(test)] fn early() {} fn late() { crate::flow::handle() }",
        "#[cfg(not(test))] use crate::flow::handle;",
        "#[cfg(any(test, unix))] use crate::flow::handle;",
        "pub(in crate::wire) use crate::flow::handle;",
    ] {
        let wrong = layers::against_the_layers(&wire(text));
        let root = text.contains("crate::*") || text.contains("use crate::{base, flow}; }");
        reported(&wrong, if root { "wire imports lib" } else { "wire imports flow" });
    }
}

#[test]
fn what_only_looks_like_an_import_upward_passes() {
    for text in [
        "//! See crate::flow::handle.\n// crate::flow\n/* crate::flow */\n/// [`crate::flow::handle`]\nstruct S;",
        "const TEXT: &str = \"crate::flow::handle\";",
        "pub(in crate::wire) struct S;",
        "pub(in super::super) struct S;",
        "#[cfg(test)] mod tests { use crate::flow::handle; }",
        "#[cfg(all(test, unix))] use crate::flow::handle;",
        "#[cfg(test)] fn f() { crate::flow::handle() }",
        "struct S; impl S { #[cfg(test)] fn f() { crate::flow::handle() } }",
        "#[test] fn f() { crate::flow::handle() }",
        "use crate as me; use me::base::Target;",
        "use crate::base::Target; use super::super::base;",
        "use super::{peer, peer::Peer};",
        "mod flow { pub fn handle() {} } fn f() { flow::handle() }",
        "mod inner { use super::S; pub mod flow { } } struct S; fn f() { inner::flow::x() }",
        "use ::flow::handle;",
        "use http::flow::handle; use other::crate_::flow;",
        "fn f(flow: u8) -> u8 { flow }",
        "fn f() { println!(\"flow::handle {}\", 1) }",
    ] {
        let wrong = layers::against_the_layers(&wire(text));
        assert!(wrong.is_empty(), "{text}: {wrong:#?}");
    }
}

#[test]
fn modules_of_one_layer_do_not_import_each_other() {
    let both = tree(&[
        ("lib.rs", "pub mod wire; pub mod seal;"),
        ("wire.rs", "use crate::seal::X;"),
        ("seal.rs", "pub struct X;"),
    ]);
    reported(&layers::against_the_layers(&both), "wire imports seal");
    let new = tree(&[("lib.rs", "pub mod novelty;"), ("novelty.rs", "")]);
    reported(&layers::against_the_layers(&new), "`novelty` stands in no layer");
}

#[test]
fn stores_and_rules_do_not_import_wire_and_only_the_command_line_imports_the_emulator() {
    let files = |here: &'static str, text: &'static str| {
        let lib = (
            "lib.rs",
            "pub mod session; pub mod access; pub mod flow; pub mod cli; pub mod wire; pub mod emulator; pub mod demo;",
        );
        tree(&[lib, ("wire.rs", ""), ("emulator.rs", ""), ("demo.rs", ""), (here, text)])
    };
    reported(
        &layers::against_the_layers(&files("session.rs", "use crate::wire::cookies;")),
        "session must not know wire",
    );
    reported(
        &layers::against_the_layers(&files("access.rs", "use crate::{wire as w};")),
        "access must not know wire",
    );
    reported(
        &layers::against_the_layers(&files("flow.rs", "use crate::emulator::serve;")),
        "flow must not know emulator",
    );
    reported(
        &layers::against_the_layers(&files("flow.rs", "use crate::demo;")),
        "flow must not know demo",
    );
    assert!(
        layers::against_the_layers(&files("cli.rs", "use crate::{emulator, demo, wire};"))
            .is_empty()
    );
    assert!(
        layers::against_the_layers(&files("main.rs", "fn main() { entrada::cli::main() }"))
            .is_empty()
    );
    reported(
        &layers::against_the_layers(&files("cli.rs", "use crate::main_of_the_root;")),
        "cli imports lib",
    );
}

#[test]
fn a_child_that_imports_its_mod_rs_is_an_import_cycle() {
    for text in [
        "use super::Own;",
        "use crate::wire::Own;",
        "use super::*;",
        "use super::Reexported;",
        "use crate::wire::{peer, Reexported};",
        "mod inner { use super::super::Own; }",
        "use super::super::wire as w; fn f(it: w::Own) {}",
        "fn f(it: super::Own) {}",
    ] {
        reported(&layers::rings(&wire(text)), "src/wire/inbound.rs <-> src/wire/mod.rs");
    }
    for text in [
        "use super::peer::Peer;",
        "use super::{peer, peer::Peer};",
        "mod inner { use super::S; } struct S;",
        "#[cfg(test)] mod tests { use super::super::Own; }",
        "use crate::wire::peer::Peer;",
        "// super::Own\nstruct S;",
    ] {
        let wrong = layers::rings(&wire(text));
        assert!(wrong.is_empty(), "{text}: {wrong:#?}");
    }
}

#[test]
fn a_grandchild_that_imports_its_own_mod_rs_is_an_import_cycle() {
    let deep = |text: &'static str| {
        let lib = ("lib.rs", "pub mod flow;");
        let (flow, inner) = (
            ("flow/mod.rs", "pub mod inner; pub struct Own;"),
            ("flow/inner/mod.rs", "pub mod leaf; pub struct Inner;"),
        );
        tree(&[lib, flow, inner, ("flow/inner/leaf.rs", text)])
    };
    reported(&layers::rings(&deep("use super::super::Own;")), "src/flow/inner/leaf.rs");
    reported(
        &layers::rings(&deep("use super::Inner;")),
        "src/flow/inner/leaf.rs <-> src/flow/inner/mod.rs",
    );
    reported(&layers::rings(&deep("use crate::flow::Own;")), "src/flow/mod.rs");
    assert!(layers::rings(&deep("pub struct Leaf;")).is_empty());
}

#[test]
fn a_folder_of_flow_that_imports_one_above_it_is_reported() {
    let flow = |text: &'static str| {
        let folders = [
            ("flow/mod.rs", "mod native; mod refusal; mod sign_in; mod exchange;"),
            ("flow/native/mod.rs", "pub mod token;"),
        ];
        let files = [
            ("flow/refusal/mod.rs", "pub enum Refusal {}"),
            ("flow/exchange.rs", "use super::refusal::Refusal; use super::native::token;"),
        ];
        let end = [
            ("lib.rs", "pub mod flow;"),
            ("flow/native/token.rs", "use super::super::sign_in;"),
            ("flow/sign_in/mod.rs", text),
        ];
        tree(&[&folders[..], &files[..], &end[..]].concat())
    };
    reported(
        &layers::between_folders_of_flow(&flow("use super::native::token;")),
        "flow/sign_in must not know flow/native",
    );
    let wrong =
        layers::between_folders_of_flow(&flow("use super::refusal::Refusal; use super::exchange;"));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn siblings_that_import_each_other_are_an_import_cycle() {
    let files = [
        ("lib.rs", "pub mod wire;"),
        ("wire/mod.rs", "mod a; mod b; mod c;"),
        ("wire/a.rs", "use super::b::B;"),
        ("wire/c.rs", "use super::a::A;"),
    ];
    let with = |b| [&files[..], &[("wire/b.rs", b)]].concat();
    reported(
        &layers::rings(&tree(&with("use super::c::C;"))),
        "src/wire/a.rs <-> src/wire/b.rs <-> src/wire/c.rs",
    );
    assert!(layers::rings(&tree(&with("pub struct B;"))).is_empty());
}

#[test]
fn each_module_reads_its_own_section_only() {
    for text in [
        "use crate::config::Config;",
        "use crate::config::entra::Entra;",
        "use crate::config::{server::Trust, entra};",
        "use crate::config; fn f(it: config::entra::Entra) {}",
        "use crate::config as c; fn f(it: &c::Config) {}",
        "use crate::config::*;",
        "fn f() { crate::config::read() }",
    ] {
        reported(&layers::beyond_its_section(&wire(text)), "wire reads config::");
    }
    for text in [
        "use crate::config::server::Trust;",
        "use crate::config; fn f(it: config::server::Trust) {}",
        "// crate::config::Config\nstruct S;",
    ] {
        assert!(layers::beyond_its_section(&wire(text)).is_empty(), "{text}");
    }
}

#[test]
fn a_forwarded_header_that_is_read_elsewhere_is_reported() {
    for text in [
        "fn f() { headers.get(\"x-forwarded-for\") }",
        "const NAME: &str = \"X-Forwarded-Host\";",
        "const NAME: &[u8] = b\"forwarded\";",
        "fn f() { get!(\"X_Original_URI\") }",
        "use http::header::FORWARDED;",
        "fn f() { headers.get(http::header::FORWARDED) }",
    ] {
        assert_eq!(shape::forwarded_read_elsewhere(&wire(text)).len(), 1, "{text}");
    }
    for text in [
        "const SET: &str = \"x-forwarded\"; const PROSE: &str = \"X-Forwarded-For is believed\";",
        "#[cfg(test)] mod tests { const NAME: &str = \"x-forwarded-for\"; }",
        "/// X-Forwarded-For\nstruct S; // \"x-forwarded-for\"",
    ] {
        assert!(shape::forwarded_read_elsewhere(&wire(text)).is_empty(), "{text}");
    }
    let written = |text: &'static str| {
        shape::forwarded_read_elsewhere(&tree(&[("headers/owned.rs", text)])).len()
    };
    assert_eq!(written("fn f() { out.insert(\"x-forwarded-user\", value) }"), 0);
    assert_eq!(written("fn f() { headers.get(\"x-forwarded-user\") }"), 1);
    assert_eq!(
        written("fn f() { headers.get_all(HeaderName::from_static(\"x-forwarded-user\")) }"),
        1
    );
    assert!(
        shape::forwarded_read_elsewhere(&tree(&[(
            "wire/forwarded.rs",
            "fn f() { get(\"x-forwarded-for\") }"
        )]))
        .is_empty()
    );
}

#[test]
fn long_code_is_reported_and_long_tests_are_not() {
    let body = "    f();\n";
    let function =
        |lines: usize| format!("#[doc = \"x\"]\nfn long() {{\n{}}}\n", body.repeat(lines - 2));
    assert!(shape::too_long(&wire(&function(60))).is_empty());
    reported(&shape::too_long(&wire(&function(61))), "long has 61 lines");
    let method = format!("struct S;\nimpl S {{\n{}}}\n", function(61));
    reported(&shape::too_long(&wire(&method)), "long has 61 lines");
    assert!(
        shape::too_long(&wire(&format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(500))))
            .is_empty()
    );
    let file = "struct S;\n".repeat(400);
    assert!(
        shape::too_long(&wire(&format!("{file}#[cfg(test)]\nmod tests {{\n\n}}\n"))).is_empty()
    );
    reported(
        &shape::too_long(&wire(&format!("#[cfg(test)]\nmod tests {{\n\n}}\n{file}struct One;\n"))),
        "401 lines",
    );
}

#[test]
fn a_lint_that_is_switched_off_is_reported() {
    for text in [
        "#[allow(clippy::unwrap_used)] fn f() {}",
        "#![allow(clippy::all)]",
        "#[allow(dead_code, clippy::indexing_slicing)] fn f() {}",
        "fn f() { #[allow(clippy::panic)] { } }",
        "#[expect(clippy::expect_used)] fn f() {}",
        "#[cfg_attr(unix, allow(missing_docs))] struct S;",
        "#[warn(clippy::print_stdout)] fn f() {}",
        "#[allow(warnings)] fn f() {}",
    ] {
        assert_eq!(shape::lints_switched_off(&wire(text)).len(), 1, "{text}");
    }
    for text in [
        "#[expect(clippy::disallowed_methods, reason = \"the one place\")] fn f() {}",
        "#![cfg_attr(test, allow(clippy::unwrap_used))]",
        "#[cfg(test)] #[allow(clippy::unwrap_used)] mod tests {}",
        "#[allow(clippy::too_many_arguments)] fn f() {}",
        "#[deny(missing_docs)] struct S;",
    ] {
        assert!(shape::lints_switched_off(&wire(text)).is_empty(), "{text}");
    }
    assert_eq!(shape::hidden_files(&wire("#[path = \"elsewhere.rs\"] mod x;")).len(), 1);
}
