//! nginx stays in front and asks: the files of examples/nginx, as they lie there, before a real nginx.

mod forgery;
mod rules;
mod sign_in;
mod traffic;

use crate::outside;
use crate::world::browser::TestBrowser;
use crate::world::raw::talk;
use crate::world::{World, WorldPlan, free_port};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;

/// nginx before a world.
struct NginxFront {
    address: SocketAddr,
    world: World,
    nginx: Child,
    directory: tempfile::TempDir,
}

impl Drop for NginxFront {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl NginxFront {
    /// `None` where there is no nginx.
    async fn start() -> Option<Self> {
        Self::with(|plan| plan).await
    }

    async fn with(change: impl FnOnce(WorldPlan) -> WorldPlan) -> Option<Self> {
        let program = outside::tool("nginx")?;
        let port = free_port();
        let plan = WorldPlan {
            public_url: Some(format!("http://localhost:{port}")),
            server: "trusted_proxies = [\"127.0.0.1\"]".into(),
            ..WorldPlan::default()
        };
        let world = World::with(change(plan)).await;
        let directory = tempfile::tempdir().unwrap();
        for file in ["nginx.conf", "entrada.conf", "entrada_headers.conf"] {
            let text =
                std::fs::read_to_string(outside::root().join("examples/nginx").join(file)).unwrap();
            std::fs::write(directory.path().join(file), ported(&text, port, &world)).unwrap();
        }
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let nginx = Command::new(program)
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .args(["-g", "daemon off; master_process off; pid nginx.pid; error_log stderr;"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let front =
            Self { address: SocketAddr::from(([127, 0, 0, 1], port)), world, nginx, directory };
        for _ in 0..500 {
            if TcpStream::connect(front.address).await.is_ok() {
                return Some(front);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "nginx did not start: {}",
            std::fs::read_to_string(front.directory.path().join("log")).unwrap()
        );
    }

    fn browser(&self) -> TestBrowser {
        self.world.browser_at(self.address)
    }

    async fn signed_in(&self, person: &str) -> TestBrowser {
        let mut browser = self.browser();
        browser.visits("/").await;
        assert_eq!(browser.signs_in_as(person).await.status, 200);
        browser
    }

    fn host(&self) -> &str {
        self.world.public_url.split_once("://").unwrap().1
    }

    async fn raw(&self, line: &str, more: &str) -> String {
        talk(
            self.address,
            &format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.host()),
        )
        .await
    }
}

/// The ports of the example are those of this world; and nothing is written outside of its folder.
fn ported(text: &str, port: u16, world: &World) -> String {
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {it};\n"));
    let ports =
        [("8080", port), ("4180", world.address.port()), ("3000", world.app.address.port())];
    // In two steps: a port of this world may begin like one of the example's.
    let marked = ports.iter().fold(text.to_owned(), |text, it| {
        text.replace(&format!("127.0.0.1:{}", it.0), &format!("<{}>", it.0))
    });
    let text = ports.iter().fold(marked, |text, it| {
        text.replace(&format!("<{}>", it.0), &format!("127.0.0.1:{}", it.1))
    });
    text.replace("http {\n", &format!("http {{\naccess_log off;\n{}", places.concat()))
}
