//! The apps: how each is started, and what of the list it does not have.

use crate::outside;
use crate::tools::command;
use crate::world::free_port;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;

/// A server that runs until the end of the story.
pub struct ForeignApp {
    process: Child,
    pub address: SocketAddr,
    /// `http` or `h2c`.
    pub scheme: &'static str,
    /// The paths of the list that the server does not have.
    pub lacks: &'static [&'static str],
    folder: tempfile::TempDir,
}

impl Drop for ForeignApp {
    fn drop(&mut self) {
        // To `timeout`, which ends the server with it.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the app's log: {}", self.log());
        }
    }
}

fn script(name: &str) -> PathBuf {
    outside::root().join("tests/outside/conformance").join(name)
}

/// A script with `{folder}` and `{port}` filled in.
fn filled(name: &str, folder: &Path, port: u16) -> String {
    std::fs::read_to_string(script(name))
        .unwrap()
        .replace("{folder}", &folder.display().to_string())
        .replace("{port}", &port.to_string())
}

/// A folder for a server that gives up its rights: everybody may read it.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

impl ForeignApp {
    /// Starts a server, which gets its arguments from its folder and port.
    async fn start(
        program: &Path,
        lacks: &'static [&'static str],
        arguments: impl FnOnce(&Path, u16, &mut Command),
    ) -> Self {
        let (folder, port) = (open_folder(), free_port());
        let mut command = command::of(program);
        arguments(folder.path(), port, &mut command);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let app = Self { process, address, scheme: "http", lacks, folder };
        // A machine that starts several virtual machines of Java at once takes seconds.
        for _ in 0..1500 {
            if TcpStream::connect(address).await.is_ok() {
                return app;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} did not start: {}", program.display(), app.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn over_http2(mut self, lacks: &'static [&'static str]) -> Self {
        self.scheme = "h2c";
        self.lacks = lacks;
        self
    }

    pub async fn node() -> Option<Self> {
        let node = outside::tool("node")?;
        let started = Self::start(&node, &[], |_, port, command| {
            command.arg(script("node.mjs")).arg(port.to_string());
        });
        Some(started.await)
    }

    pub async fn http_server() -> Option<Self> {
        let python = outside::python()?;
        let started = Self::start(&python, &[], |_, port, command| {
            command.arg(script("http_server.py")).arg(port.to_string());
        });
        Some(started.await)
    }

    async fn asgi(server: &str, lacks: &'static [&'static str]) -> Option<Self> {
        let python = outside::python()?;
        let started = Self::start(&python, lacks, |_, port, command| {
            command.arg(script("asgi.py")).arg(server).arg(port.to_string());
        });
        Some(started.await)
    }

    /// ASGI has no reasons, always frames, and upgrades to `WebSockets` alone.
    pub async fn uvicorn() -> Option<Self> {
        let lacks = &["reason", "until-close", "upgrade", "trailers", "early-hints"];
        Self::asgi("uvicorn", lacks).await
    }

    /// It sends early hints over HTTP/2 only, and trailers only with `TE: trailers`, which reaches
    /// HTTP/2 apps alone.
    pub async fn hypercorn() -> Option<Self> {
        let lacks = &["reason", "until-close", "upgrade", "trailers", "early-hints"];
        Self::asgi("hypercorn", lacks).await
    }

    /// Data on a stream that it has answered is an unhandled exception, which ends its connection.
    pub async fn hypercorn_over_http2() -> Option<Self> {
        let app = Self::asgi("hypercorn-h2", &[]).await?;
        Some(app.over_http2(&["reason", "until-close", "upgrade", "early"]))
    }

    /// `nginx` stores uploads, but does not answer with what it received.
    pub async fn nginx() -> Option<Self> {
        let nginx = outside::tool("nginx")?;
        let lacks = &["early-hints", "upload", "upgrade"];
        let started = Self::start(&nginx, lacks, |folder, port, command| {
            let mut text = filled("nginx.conf", folder, port);
            for kib in [8, 32, 100] {
                let fields = (0..kib).map(|at| format!("add_header X-Big-{at} {:01000};\n", 0));
                text = text.replace(&format!("{{big {kib}}}"), &fields.collect::<String>());
            }
            let public = folder.join("public");
            std::fs::create_dir(&public).unwrap();
            for (name, content) in [
                ("chunked", "x".repeat(100_000)),
                ("trailers", "with trailers".to_owned()),
                ("until-close", "until close".to_owned()),
            ] {
                std::fs::write(public.join(name), content).unwrap();
            }
            std::fs::write(folder.join("nginx.conf"), text).unwrap();
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
        });
        Some(started.await)
    }

    /// A CGI program cannot send trailers or 1xx responses.
    pub async fn apache() -> Option<Self> {
        let apache = outside::tool("apache2")?;
        let lacks = &["trailers", "early-hints", "upgrade"];
        let started = Self::start(&apache, lacks, |folder, port, command| {
            let text = filled("apache.conf", folder, port)
                .replace("{modules}", "/usr/lib/apache2/modules");
            std::fs::write(folder.join("apache.conf"), text).unwrap();
            std::fs::copy(script("apache.sh"), folder.join("apache.sh")).unwrap();
            command.arg("-DFOREGROUND").arg("-f").arg(folder.join("apache.conf"));
        });
        Some(started.await)
    }

    pub async fn go() -> Option<Self> {
        let app = outside::there("target/tools/conformance/go")?;
        let started = Self::start(&app, &["reason"], |_, port, command| {
            command.arg(port.to_string());
        });
        Some(started.await)
    }

    /// HTTP/2 has neither reasons, upgrades of this kind, nor bodies that a connection ends.
    pub async fn go_over_http2() -> Option<Self> {
        let app = Self::go().await?;
        Some(app.over_http2(&["reason", "until-close", "upgrade"]))
    }

    /// Tomcat has no early hints, no reasons, and always frames.
    pub async fn tomcat() -> Option<Self> {
        let (java, classes) =
            (outside::tool("java")?, outside::there("target/tools/conformance/tomcat")?);
        let lacks = &["early-hints", "until-close"];
        let started = Self::start(&java, lacks, |_, port, command| {
            let path = format!("{0}:{0}/lib/*", classes.display());
            command.args(["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", &path, "TomcatApp"]);
            command.arg(port.to_string());
        });
        Some(started.await)
    }
}
