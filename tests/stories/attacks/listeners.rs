//! Classes 22, 23 and 25: what is for this machine stays on it, and what is for the operator is not for the public.

use super::{BOTH, HttpVersion, ask, authority};
use crate::world::raw::{self, talk};
use crate::world::{World, WorldPlan};
use entrada::emulator::{Emulator, EmulatorOptions, Error};
use entrada::seal::random;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::net::TcpListener;

#[tokio::test]
async fn the_emulator_is_seen_from_this_machine_only() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let options = EmulatorOptions {
            clock: entrada::base::clock::Clock::system(),
            random: random::system(),
            redirect_uris: Vec::new(),
            client_id: None,
            client_secret: None,
            registrations: Vec::new(),
            tls: None,
            host: None,
        };
        assert!(
            matches!(Emulator::start(listener, options).await, Err(Error::NotLoopback(_))),
            "{address}"
        );
    }
}

/// A page of another site whose name resolves to this machine reaches nothing.
#[tokio::test]
async fn a_foreign_name_for_this_machine_reaches_neither_the_emulator_nor_the_app() {
    let world = World::start().await;
    let emulator: std::net::SocketAddr =
        world.emulator.authority().strip_prefix("http://").unwrap().parse().unwrap();
    let tenant = world.emulator.tenant_id();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{}", emulator.port()),
        "127.0.0.1.evil.example".into(),
        "localhost.evil.example".into(),
        "localhost@evil.example".into(),
        "0.0.0.0".into(),
    ] {
        for path in [
            format!("/{tenant}/v2.0/.well-known/openid-configuration"),
            format!("/{tenant}/oauth2/v2.0/authorize"),
            "/".into(),
            format!("/{tenant}/pick"),
        ] {
            for method in ["GET", "POST"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                assert_eq!(raw::status(&talk(emulator, &request).await), 421, "{host} {path}");
            }
        }
        for target in ["/public/x", "/x", "/oauth2/sign_in", "/oauth2/userinfo"] {
            assert_eq!(
                ask(&world, HttpVersion::One, "GET", target, &[("Host", &host)]).await.status,
                421,
                "{host}"
            );
        }
    }
    assert_eq!(world.app.seen.count(), 0);
}

#[tokio::test]
async fn the_operators_paths_are_not_public_and_the_publics_not_the_operators() {
    let world = World::start().await;
    for http in BOTH {
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/ping",
            "/ready",
            "/oauth2/healthz",
            "/oauth2/metrics",
            "/oauth2/debug",
            "/debug/pprof/",
            "/oauth2/config",
        ] {
            for agent in
                ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/2"]
            {
                let answer = ask(&world, http, "GET", path, &[("user-agent", agent)]).await;
                assert!(matches!(answer.status, 401 | 404), "{path} {agent}: {answer:?}");
            }
        }
    }
    for path in ["/", "/x", "/public/x", "/oauth2/auth", "/oauth2/jwks.json", "/oauth2/sign_in"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            authority(&world)
        );
        assert_eq!(raw::status(&talk(world.admin, &request).await), 404, "{path}");
    }
    assert_eq!(world.app.seen.count(), 0);
}

/// Whatever a stranger asks, in whatever dress: yes only where a rule or a page of ours is open to anyone.
#[tokio::test]
async fn a_yes_of_forward_auth_needs_a_session_whatever_is_asked() {
    let world = World::with(WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        ..WorldPlan::default()
    })
    .await;
    let piece = prop::sample::select(vec![
        "/x",
        "/admin",
        "/api",
        "/public",
        "/oauth2",
        "/auth",
        "/healthz",
        "/ping",
        "/metrics",
        "/.well-known",
        "/",
        "/static",
        "/favicon.ico",
        "/%61",
        "/..",
        ";",
        "%2f",
        "?",
        "skip=true",
        ".js",
        "%00",
    ]);
    let path = prop::collection::vec(piece, 1..6).prop_map(|it| it.concat());
    let method = prop::sample::select(vec![
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get", "X",
    ]);
    let agent =
        prop::sample::select(vec!["GoogleHC/1.0", "kube-probe/1.30", "Mozilla/5.0", "", "curl/8"]);
    let shape = prop::sample::select(vec!["/oauth2/auth", "/oauth2/auth/nginx", "path"]);
    let mut runner = TestRunner::deterministic();
    for round in 0..400 {
        let (path, method, agent, shape) =
            (path.clone(), method.clone(), agent.clone(), shape.clone())
                .new_tree(&mut runner)
                .unwrap()
                .current();
        let public =
            path == "/public" || path.starts_with("/public/") || path.starts_with("/public?");
        let before = world.app.seen.count();
        let answer = if shape == "path" {
            ask(&world, HttpVersion::One, method, &path, &[("user-agent", agent)]).await
        } else {
            let question = [
                ("x-original-uri", path.as_str()),
                ("x-original-method", method),
                ("user-agent", agent),
            ];
            ask(&world, BOTH[round % 2], ["GET", "POST", "OPTIONS"][round % 3], shape, &question)
                .await
        };
        assert!(
            !(200..300).contains(&answer.status) || public,
            "{shape} {method} {path} {agent}: {answer:?}"
        );
        assert!(world.app.seen.count() == before || (public && shape == "path"), "{method} {path}");
    }
}
