//! Commands that go on until they are told to end.

use super::{CliFolder, RunningProgram, SmallConfig};
use crate::world::browser::{BrowserPage, TestBrowser};
use crate::world::echo::EchoApp;
use crate::world::raw::talk;
use crate::world::samples::{FELIX, FRIDA, INES, MAYA, TOM};
use crate::world::{CLIENT_SECRET, free_port};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

const OPEN: &str = "[[access.rule]]\npath = \"/public/**\"\nallow = \"anyone\"";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

async fn serving(place: &CliFolder, small: &SmallConfig, app: &EchoApp) -> RunningProgram {
    place.writes("entrada.toml", &small.text(&format!("http://{}", app.address), OPEN));
    let running = place.starts("run");
    running.says("listening").await;
    running
}

#[tokio::test]
async fn run_drains_and_ends_well_on_either_signal() {
    for signal in ["TERM", "INT"] {
        let (place, small, app) = (
            CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET),
            SmallConfig::new(),
            EchoApp::start().await,
        );
        let mut running = serving(&place, &small, &app).await;
        let (address, host) = (loopback(small.port), format!("localhost:{}", small.port));
        let slow = tokio::spawn(async move { talk(address, &get(&host, "/public/slow")).await });
        while app.seen.count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.signals(signal);
        assert!(slow.await.unwrap().starts_with("HTTP/1.1 200"), "{signal}");
        assert_eq!(running.ends().await.code(), Some(0), "{signal}");
        let log = running.out();
        assert!(
            log.contains("\"draining\"")
                && log.contains("\"drained\"")
                && log.contains("/public/slow"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_configuration_and_a_good_one_takes_effect() {
    let (place, small, app) = (
        CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET),
        SmallConfig::new(),
        EchoApp::start().await,
    );
    let running = serving(&place, &small, &app).await;
    let (address, host) = (loopback(small.port), format!("localhost:{}", small.port));
    let upstream = format!("http://{}", app.address);
    place.writes("entrada.toml", &small.text(&upstream, "[acess]"));
    running.signals("HUP");
    let log = running.says("configuration not reloaded").await;
    assert!(log.contains("\"at\":\"entrada.toml:12:2\""), "{log}");
    assert!(talk(address, &get(&host, "/public/x")).await.starts_with("HTTP/1.1 200"));
    place.writes("entrada.toml", &small.text(&upstream, &OPEN.replace("anyone", "nobody")));
    running.signals("HUP");
    running.says("configuration reloaded").await;
    assert!(talk(address, &get(&host, "/public/x")).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn health_asks_the_admin_listener_of_the_environment_too() {
    let (port, admin) = (free_port(), free_port());
    let place = CliFolder::new()
        .with("AZURE_TENANT_ID", "contoso.com")
        .with("AZURE_CLIENT_ID", "11112222-bbbb-3333-cccc-4444dddd5555")
        .with("AZURE_CLIENT_SECRET", CLIENT_SECRET)
        .with("ENTRADA_UPSTREAM_URL", "http://127.0.0.1:9")
        .with("ENTRADA_SERVER_PUBLIC_URL", "https://app.example.com")
        .with("ENTRADA_ENTRA_AUTHORITY", "http://127.0.0.1:9")
        .with("ENTRADA_SERVER_LISTEN", &format!("127.0.0.1:{port}"))
        .with("ENTRADA_SERVER_ADMIN_LISTEN", &format!("127.0.0.1:{admin}"));
    let told = place.types("health");
    let err = format!(
        "error: no answer on 127.0.0.1:{admin}: Connection refused (os error 111)\nhint: check that entrada is running with the same [server] admin_listen\n"
    );
    assert_eq!((told.out.as_str(), told.err, told.code), ("", err, Some(1)));
    let mut running = place.starts("run");
    running.says("listening").await;
    let told = place.types("health");
    assert_eq!((told.out.as_str(), told.err.as_str(), told.code), ("healthy\n", "", Some(0)));
    running.signals("TERM");
    assert_eq!(running.ends().await.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_with_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET);
    place.writes(
        "entrada.toml",
        &SmallConfig { port, admin: free_port() }.text("http://127.0.0.1:9", ""),
    );
    let why = format!(
        "error: cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)\nhint: "
    );
    for (typed, hint) in [
        (
            "run".to_owned(),
            "check whether another program listens there, or choose another [server] listen or admin_listen\n",
        ),
        (format!("dev --port {port}"), "choose another port with --port\n"),
        (format!("emulator --port {port}"), "choose another port with --port\n"),
    ] {
        let told = place.types(&typed);
        assert_eq!((told.err, told.code), (format!("{why}{hint}"), Some(1)), "{typed}");
    }
}

#[tokio::test]
async fn systemd_hands_over_the_socket_and_hears_of_ready_and_stopping() {
    let place = CliFolder::new().with("STORY_CLIENT_SECRET", CLIENT_SECRET);
    let (small, path) = (SmallConfig::new(), place.directory.path().join("notify"));
    let heard = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    heard.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let text = small
        .text("http://127.0.0.1:9", OPEN)
        .replace(&format!("\"127.0.0.1:{}\"", small.port), "\"systemd\"");
    place.writes("entrada.toml", &text);
    let program = "import os,socket,sys\ns=socket.socket()\ns.bind(('127.0.0.1',int(sys.argv[1])))\ns.listen()\nos.dup2(s.fileno(),3)\nos.set_inheritable(3,True)\n\
os.environ.update(LISTEN_FDS='1',LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[2],['entrada','run'])";
    let mut command = place.command(
        "python3",
        &["-c", program, &small.port.to_string(), env!("CARGO_BIN_EXE_entrada")],
    );
    command.env("PATH", std::env::var("PATH").unwrap()).env("NOTIFY_SOCKET", &path);
    let mut running = place.runs(command);
    let mut told = [0; 512];
    let count = heard.recv(&mut told).unwrap();
    assert!(String::from_utf8_lossy(&told[..count]).contains("READY=1"));
    let answer = talk(loopback(small.port), &get(&format!("localhost:{}", small.port), "/x")).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    running.signals("TERM");
    let count = heard.recv(&mut told).unwrap();
    assert!(String::from_utf8_lossy(&told[..count]).contains("STOPPING=1"));
    assert_eq!(running.ends().await.code(), Some(0));
}

fn word_after<'a>(text: &'a str, label: &str) -> &'a str {
    text.split_once(label)
        .unwrap_or_else(|| panic!("no {label} in {text}"))
        .1
        .split_whitespace()
        .next()
        .unwrap()
}

#[tokio::test]
async fn dev_is_two_clicks_to_the_page_that_verifies_who_it_is() {
    let mut running = CliFolder::new().starts_here("dev --port 0");
    let said = running.0.says("Ctrl-C stops it.").await;
    let (url, app) = (word_after(&said, "open"), word_after(&said, "app"));
    let address = loopback(url.rsplit_once(':').unwrap().1.parse().unwrap());
    let mut maya = TestBrowser::new(address, url);
    assert!(maya.visits("/").await.is_the_sign_in_at_entra());
    let page = maya.signs_in_as(MAYA).await;
    assert!(page.status == 200 && page.body.contains("Maya Okafor"), "{}", page.body);
    assert_eq!(maya.visits("/admin").await.status, 200);
    assert!(talk(address, &get("evil.example", "/")).await.starts_with("HTTP/1.1 421"));
    let behind: SocketAddr = app.trim_start_matches("http://").parse().unwrap();
    running.0.signals("INT");
    assert_eq!(running.0.ends().await.code(), Some(0));
    assert!(
        std::net::TcpStream::connect(behind).is_err()
            && std::net::TcpStream::connect(address).is_err()
    );
}

/// Somebody who was never here types that, and signs in at Entra.
async fn comes(url: &str, typed: &str, person: &str) -> BrowserPage {
    let mut browser =
        TestBrowser::new(loopback(url.rsplit_once(':').unwrap().1.parse().unwrap()), url);
    let page = browser.visits("/").await;
    assert_eq!(page.path_and_query(), "/oauth2/sign_in?rd=%2F", "{}", page.body);
    assert!(
        browser
            .fills("/oauth2/sign_in?rd=%2F", &[("identifier", typed)])
            .await
            .is_the_sign_in_at_entra(),
        "{typed}"
    );
    browser.signs_in_as(person).await
}

/// Our id of a person, as the demo shows it.
fn shown_id(page: &BrowserPage) -> String {
    let shown = page.body.split_once("<dt>Person</dt><dd><code>").unwrap().1;
    shown.split_once('<').unwrap().0.to_owned()
}

#[tokio::test]
async fn dev_with_organizations_has_two_companies_with_people_known_and_unknown_and_a_third_to_set_up()
 {
    let place = CliFolder::new();
    let line = format!(
        "dev --organizations --port 0 --data {}",
        place.directory.path().join("kept").display()
    );
    let mut running = place.starts(&line);
    let said = running.says("Ctrl-C stops it.").await;
    assert!(
        said.contains("contoso   or maya@contoso.example (owner)")
            && said.contains("fabrikam  or frida@fabrikam.example (admin)"),
        "{said}"
    );
    let url = word_after(&said, "open");
    let address = loopback(url.rsplit_once(':').unwrap().1.parse().unwrap());
    for (typed, person, organization, role) in [
        (MAYA, MAYA, "contoso", "owner"),
        ("contoso", INES, "contoso", "worker"),
        ("Fabrikam", FRIDA, "fabrikam", "admin"),
        ("fabrikam", FELIX, "fabrikam", "worker"),
    ] {
        let page = comes(url, typed, person).await;
        let shown = |name: &str, value: &str| {
            page.body.contains(&format!("<dt>{name}</dt><dd><span class=\"chip\">{value}</span>"))
        };
        assert!(
            page.status == 200 && shown("Organization", organization) && shown("Role", role),
            "{person}: {}",
            page.body
        );
    }
    let felix = shown_id(&comes(url, "fabrikam", FELIX).await);
    // A draft is nobody's to sign in at.
    let mut nora = TestBrowser::new(address, url);
    assert_eq!(nora.fills("/oauth2/sign_in", &[("identifier", "northwind")]).await.status, 404);
    // The link that is printed lets somebody set it up: looked at first, as a mail scanner does, and used by the button.
    let link = said.split_once("set up ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let (_, token) = link.split_once("token=").unwrap();
    assert_eq!(nora.visits(link.strip_prefix(url).unwrap()).await.status, 200);
    let page = nora.fills("/oauth2/setup/invitation", &[("token", token)]).await;
    assert_eq!(
        (page.status, page.path_and_query().as_str()),
        (200, "/oauth2/setup"),
        "{}",
        page.body
    );
    assert!(page.body.contains("Northwind") && page.body.contains("Redirect URI"), "{}", page.body);
    let panel = talk(
        word_after(&said, "Entra").trim_start_matches("http://").parse().unwrap(),
        &get("127.0.0.1", "/"),
    )
    .await;
    assert!(panel.contains("App registration at northwind.example"), "{panel}");
    running.signals("INT");
    assert_eq!(running.ends().await.code(), Some(0));
    // What is kept is there again, and as it was left.
    let mut again = place.starts(&line);
    let said = again.says("Ctrl-C stops it.").await;
    assert_eq!(shown_id(&comes(word_after(&said, "open"), "fabrikam", FELIX).await), felix);
    again.signals("INT");
    assert_eq!(again.ends().await.code(), Some(0));
}

#[tokio::test]
async fn dev_before_ones_own_app_opens_and_closes_nothing_of_it() {
    let app = EchoApp::start().await;
    let mut running =
        CliFolder::new().starts_here(&format!("dev --port 0 --upstream http://{}", app.address));
    let said = running.0.says("Ctrl-C stops it.").await;
    let url = word_after(&said, "open");
    let mut tom = TestBrowser::new(loopback(url.rsplit_once(':').unwrap().1.parse().unwrap()), url);
    assert!(tom.visits("/public/x").await.is_the_sign_in_at_entra());
    assert_eq!(app.seen.count(), 0);
    let page = tom.signs_in_as(TOM).await;
    assert_eq!(page.app_heard("x-forwarded-name"), "Tom Becker");
    assert_eq!(tom.visits("/admin/x").await.status, 200);
    running.0.signals("TERM");
    assert_eq!(running.0.ends().await.code(), Some(0));
}

#[tokio::test]
async fn the_emulator_alone_says_what_to_configure() {
    let mut running = CliFolder::new().starts_here("emulator --port 0");
    let said = running.0.says("client secret").await;
    let (authority, tenant) = (word_after(&said, "authority"), word_after(&said, "tenant"));
    let host = authority.trim_start_matches("http://");
    let answer = talk(
        host.parse().unwrap(),
        &get(host, &format!("/{tenant}/v2.0/.well-known/openid-configuration")),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("authorization_endpoint"),
        "{answer}"
    );
    running.0.signals("TERM");
    assert_eq!(running.0.ends().await.code(), Some(0));
}

impl CliFolder {
    /// Starts a command that needs nothing of its place but that it stays.
    fn starts_here(self, line: &str) -> (RunningProgram, Self) {
        let running = self.starts(line);
        (running, self)
    }
}
