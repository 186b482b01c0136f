//! What proxies of this kind have been broken with, tried against the running program over real sockets.
//!
//! | class, and where it was seen | stories |
//! |---|---|
//! | 1 identity headers of the client (Caddy CVE-2026-30851, gatekeeper CVE-2020-14359) | `headers::no_spelling_of_our_headers_*`, `headers::trailers_*` |
//! | 2 `_`, `.` and case (Traefik CVE-2026-39858, oauth2-proxy CVE-2025-64484) | `headers::no_spelling_of_our_headers_*`, `headers::names_that_are_no_names_*` |
//! | 3 `Connection` names ours (Traefik CVE-2024-45410, fabio CVE-2025-48865) | `headers::connection_talks_none_of_ours_away` |
//! | 4 forwarded headers of anyone (oauth2-proxy CVE-2026-40575, heimdall CVE-2026-57209) | `proxy_trust::*` |
//! | 5 paths with two readings (oathkeeper CVE-2026-33494, Traefik CVE-2025-66490, Envoy CVE-2021-32779) | `paths::*` |
//! | 6 case, dot and port of the host (authelia CVE-2026-48794, Caddy CVE-2026-27588) | `paths::a_host_in_another_spelling_*` |
//! | 7 fail-open on what cannot be read (authentik CVE-2026-25748) | `cookies::junk_*`, `cookies::two_session_cookies_*` |
//! | 8 presence taken for proof (Envoy CVE-2022-29226) | `cookies::presence_is_not_proof` |
//! | 9 weak cookie crypto (Envoy CVE-2023-35941, moa CVE-2021-32791) | `cookies::a_pending_cookie_*` |
//! | 10 confused caches (oathkeeper CVE-2026-33496) | `cookies::people_at_the_same_time_are_not_confused` |
//! | 11 open redirects (moa CVE-2021-32786, authelia CVE-2021-29456) | `redirects::*` |
//! | 12 login CSRF, fixation, doubled parameters (Envoy CVE-2023-27496, authentik CVE-2024-23647) | `sign_in::*` |
//! | 14 tokens that leak (Pomerium CVE-2024-39315, Traefik CVE-2026-41181) | `pages::*`, and every story: secrets stand in no log |
//! | 15, 16 tokens that are not ours (nOAuth, `alg: none`) | `sign_in::a_token_that_is_wrong_signs_nobody_in_and_takes_nothing` |
//! | 18 repeated headers (Envoy CVE-2026-26308) | `headers::no_spelling_of_our_headers_*`, `proxy_trust::*`, `cookies::two_session_cookies_*` |
//! | 19 the app's answer before ours (moa CVE-2025-31492, ingress-nginx CVE-2026-24513) | `pages::*` |
//! | 21 sign-out without a proof, and what it does beside (moa) | `sign_out::*` |
//! | 22 callers from elsewhere, DNS rebinding | `listeners::*` |
//! | 23 admin on the public listener (Pomerium CVE-2022-24797) | `listeners::a_yes_of_forward_auth_needs_a_session_whatever_is_asked` |
//! | 24 keys that are names (nOAuth, authelia CVE-2026-47203) | `rules::a_name_is_no_key` |
//! | 25 the pretend authority in production | `listeners::the_emulator_is_seen_from_this_machine_only` |
//! | 26 smuggling, and tunnels that outlive a session | `smuggling::*` |
//! | options that are not enforced | `rules::every_option_of_a_rule_denies` |
//! | sign-out that does not end, or that another site sends | `cookies::an_old_cookie_*`, `pages::another_site_*`, `sign_out::*` |

mod cookies;
mod headers;
mod listeners;
mod pages;
mod paths;
mod proxy_trust;
mod redirects;
mod reloads;
mod rules;
mod sign_in;
mod sign_out;
mod smuggling;

use crate::world::World;
use crate::world::raw::{self, ask2, http2, talk};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;

/// What an attacker writes where only we may write.
const EVIL: &str = "EVIL-0000";

/// How a request is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpVersion {
    One,
    Two,
}

const BOTH: [HttpVersion; 2] = [HttpVersion::One, HttpVersion::Two];

/// An answer in either version.
#[derive(Debug)]
struct RawAnswer {
    status: u16,
    /// Lines of the head; names in lower case.
    head: Vec<(String, String)>,
    body: String,
}

impl RawAnswer {
    fn header(&self, name: &str) -> &str {
        self.head.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
    }

    /// Every value that the app heard under a name.
    fn heard(&self, name: &str) -> Vec<String> {
        let json: serde_json::Value =
            serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not the app: {self:?}"));
        let headers = json["headers"].as_array().unwrap_or_else(|| panic!("not the app: {self:?}"));
        headers
            .iter()
            .filter(|it| it[0] == name)
            .map(|it| it[1].as_str().unwrap().to_owned())
            .collect()
    }
}

fn authority(world: &World) -> &str {
    world.public_url.split_once("://").unwrap().1
}

/// One request as an attacker writes it; in HTTP/1.1 byte for byte.
async fn ask(
    world: &World,
    http: HttpVersion,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> RawAnswer {
    match http {
        HttpVersion::One => one(world, method, target, headers).await,
        HttpVersion::Two => two(world, method, target, headers).await,
    }
}

async fn one(world: &World, method: &str, target: &str, headers: &[(&str, &str)]) -> RawAnswer {
    let host = if headers.iter().any(|it| it.0.eq_ignore_ascii_case("host")) {
        String::new()
    } else {
        format!("Host: {}\r\n", authority(world))
    };
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let close = if lines.to_ascii_lowercase().contains("connection:") {
        ""
    } else {
        "Connection: close\r\n"
    };
    read(
        &talk(world.address, &format!("{method} {target} HTTP/1.1\r\n{host}{lines}{close}\r\n"))
            .await,
    )
}

fn read(answer: &str) -> RawAnswer {
    let status = raw::status(answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let head = head
        .lines()
        .skip(1)
        .filter_map(|it| it.split_once(": "))
        .map(|it| (it.0.to_ascii_lowercase(), it.1.to_owned()))
        .collect();
    RawAnswer { status, head, body: body.to_owned() }
}

async fn two(world: &World, method: &str, target: &str, headers: &[(&str, &str)]) -> RawAnswer {
    let mut sender = http2(world.address).await;
    let mut request =
        Request::builder().method(method).uri(format!("http://{}{target}", authority(world)));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().unwrap().append(name, HeaderValue::from_str(value).unwrap());
    }
    let response = ask2(&mut sender, request.body(Full::new(Bytes::new())).unwrap()).await;
    let head = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    RawAnswer { status: response.status().as_u16(), head, body: response.into_body() }
}

/// The paths that are ours.
const OURS: [&str; 10] = [
    "/oauth2/start",
    "/oauth2/sign_in",
    "/oauth2/callback",
    "/oauth2/sign_out",
    "/oauth2/front_channel_logout",
    "/oauth2/userinfo",
    "/oauth2/session",
    "/oauth2/jwks.json",
    "/oauth2/auth",
    "/oauth2/x",
];
