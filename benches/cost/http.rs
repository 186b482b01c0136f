//! A client for a few requests: HTTP/1.1 on one connection, plain or over TLS, without following
//! redirects.

use crate::terminal::BenchOutcome;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Maximum time to wait for a response.
const PATIENCE: Duration = Duration::from_secs(20);

/// The address of a server on loopback, and its host name.
#[derive(Clone, Debug)]
pub struct BenchSite {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The `Host` that it serves.
    pub host: String,
    /// The certificates to trust, if it uses TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

impl BenchSite {
    /// Returns `localhost` on this port.
    pub fn local(port: u16, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { port, host: format!("localhost:{port}"), tls }
    }

    /// Returns the public scheme, host and port.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.host)
    }

    /// Returns the address for a load generator, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme(), self.port)
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A response.
#[derive(Debug)]
pub struct HttpReply {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// Returns the first field with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    /// Returns the `name=value` of every cookie that it sets.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        let lines = self.headers.iter().filter(|it| it.0 == "set-cookie");
        lines.filter_map(|it| it.1.split(';').next()).map(str::trim)
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the `Location` of a redirect.
    pub fn location(&self) -> BenchOutcome<&str> {
        let location = self.header("location").filter(|_| matches!(self.status, 302 | 303));
        location.ok_or_else(|| {
            format!(
                "a redirect was expected, {} came: {}",
                self.status,
                self.text().chars().take(300).collect::<String>()
            )
            .into()
        })
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A keep-alive connection.
pub struct HttpConnection {
    stream: BufReader<Box<dyn Stream>>,
    host: String,
}

impl HttpConnection {
    /// Opens a connection.
    pub fn open(site: &BenchSite) -> BenchOutcome<Self> {
        let tcp = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, site.port)))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let stream: Box<dyn Stream> = match &site.tls {
            None => Box::new(tcp),
            Some(config) => Box::new(StreamOwned::new(
                ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?,
                tcp,
            )),
        };
        Ok(Self { stream: BufReader::new(stream), host: site.host.clone() })
    }

    /// Sends a `GET` with these fields.
    pub fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> BenchOutcome<HttpReply> {
        self.ask("GET", target, headers, "")
    }

    /// Sends a `POST` with a form that is already encoded.
    pub fn post(
        &mut self,
        target: &str,
        headers: &[(&str, &str)],
        form: &str,
    ) -> BenchOutcome<HttpReply> {
        let length = form.len().to_string();
        let own = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", length.as_str()),
        ];
        let headers: Vec<_> = headers.iter().copied().chain(own).collect();
        self.ask("POST", target, &headers, form)
    }

    fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> BenchOutcome<HttpReply> {
        let fields: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n{body}", self.host);
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.stream.get_mut().flush()?;
        self.read()
    }

    fn read(&mut self) -> BenchOutcome<HttpReply> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok())
            .ok_or_else(|| format!("no status line: {first}"))?;
        let mut reply = HttpReply { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            reply.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if reply.header("transfer-encoding").is_some() {
            self.chunks(&mut reply.body)?;
        } else if let Some(length) = reply.header("content-length") {
            reply.body = self.exactly(length.parse()?)?;
        }
        Ok(reply)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> BenchOutcome<()> {
        loop {
            let line = self.line()?;
            let size =
                usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            body.extend(self.exactly(size)?);
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn exactly(&mut self, size: usize) -> BenchOutcome<Vec<u8>> {
        let mut out = vec![0; size];
        self.stream.read_exact(&mut out)?;
        Ok(out)
    }

    fn line(&mut self) -> BenchOutcome<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(format!("{} closed the connection", self.host).into());
        }
        Ok(line.trim_end().to_owned())
    }
}
