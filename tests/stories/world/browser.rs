//! A browser with the features that sign-in needs: cookies, redirects, forms, and fetch metadata.

pub use super::page::BrowserPage;
use super::page::is_small;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

/// Cookies, codes and tokens that any browser in this run received; logs must not contain them.
pub static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// One person's browser.
pub struct TestBrowser {
    jar: Vec<StoredCookie>,
    pub(super) address: SocketAddr,
    home: Url,
    /// Headers that it sends with each request to the app.
    pub says: Vec<(&'static str, String)>,
    /// The page that it shows.
    pub page: BrowserPage,
    /// Whether it stores cookies.
    pub keeps_cookies: bool,
    /// If set, https uses TLS; otherwise a front proxy in the story is assumed to have terminated
    /// it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The address of an Entra that has a name elsewhere.
    pub entra: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
struct StoredCookie {
    host: String,
    name: String,
    value: String,
    /// Whether a story put it there instead of the site.
    is_planted: bool,
}

impl TestBrowser {
    pub fn new(address: SocketAddr, public_url: &str) -> Self {
        let home = Url::parse(public_url).unwrap();
        let page = BrowserPage {
            url: home.clone(),
            status: 0,
            headers: HeaderMap::new(),
            body: String::new(),
            way: Vec::new(),
        };
        Self {
            jar: Vec::new(),
            address,
            home,
            says: Vec::new(),
            page,
            keeps_cookies: true,
            tls: None,
            entra: None,
        }
    }

    /// Opens a page of the app and follows redirects.
    pub async fn visits(&mut self, path: &str) -> BrowserPage {
        let url = self.home.join(path).unwrap();
        self.navigates(Method::GET, url, Vec::new()).await
    }

    /// Submits a page's own form and follows redirects.
    pub async fn fills(&mut self, path: &str, fields: &[(&str, &str)]) -> BrowserPage {
        let url = self.home.join(path).unwrap();
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.navigates(Method::POST, url, form.into_bytes()).await
    }

    /// Picks a person on the emulator's page that is shown.
    pub async fn signs_in_as(&mut self, person: &str) -> BrowserPage {
        let (url, form) = self.picks(person);
        self.navigates(Method::POST, url, form.into_bytes()).await
    }

    fn picks(&self, person: &str) -> (Url, String) {
        let shown = &self.page;
        assert!(shown.is_the_sign_in_at_entra(), "not the picker: {} {}", shown.status, shown.url);
        let action = between(&shown.body, "action=\"", "\"");
        let transaction = between(&shown.body, "name=\"transaction\" value=\"", "\"");
        let (before, _) = shown
            .body
            .split_once(&format!("<small>{person}"))
            .unwrap_or_else(|| panic!("{person} is not in the picker"));
        let (_, button) = before.rsplit_once("name=\"person\" value=\"").unwrap();
        let oid = button.split('"').next().unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("transaction", transaction)
            .append_pair("person", oid)
            .finish();
        (shown.url.join(action).unwrap(), form)
    }

    /// Signs in up to the redirect to the callback, and returns the address of the callback without
    /// following it.
    pub async fn stops_at_the_callback(&mut self, person: &str, shown: BrowserPage) -> Url {
        self.page = shown;
        let (url, form) = self.picks(person);
        let page = self.sends(Method::POST, url.clone(), FORM, form.into_bytes()).await;
        let callback = url.join(page.header("location")).unwrap();
        assert!(callback.query().unwrap().contains("code="), "{callback}");
        callback
    }

    /// Sends one request without following redirects.
    pub async fn asks(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> BrowserPage {
        let url = self.home.join(path).unwrap();
        self.sends(Method::from_bytes(method.as_bytes()).unwrap(), url, headers, Vec::new()).await
    }

    /// Sends one request with a body, without following redirects.
    pub async fn posts(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> BrowserPage {
        let url = self.home.join(path).unwrap();
        self.sends(Method::POST, url, headers, body.as_bytes().to_vec()).await
    }

    /// Navigates and stops at the first redirect that matches `stop`.
    pub async fn until(&mut self, path: &str, stop: &str) -> BrowserPage {
        let mut url = self.home.join(path).unwrap();
        for _ in 0..20 {
            let page = self.sends(Method::GET, url.clone(), NAVIGATION, Vec::new()).await;
            let location = page.header("location").to_owned();
            assert!(!location.is_empty(), "no redirect at {url}: {} {}", page.status, page.body);
            url = url.join(&location).unwrap();
            if url.as_str().contains(stop) {
                return BrowserPage { url, ..page };
            }
        }
        panic!("{stop} was not reached");
    }

    /// Opens an address of the public site from another site.
    pub async fn opens(&mut self, url: &Url) -> BrowserPage {
        self.navigates(Method::GET, url.clone(), Vec::new()).await
    }

    async fn navigates(
        &mut self,
        mut method: Method,
        mut url: Url,
        mut body: Vec<u8>,
    ) -> BrowserPage {
        let mut way = Vec::new();
        for _ in 0..20 {
            way.push(url.clone());
            let says = if method == Method::POST { FORM } else { NAVIGATION };
            let mut page =
                self.sends(method.clone(), url.clone(), says, std::mem::take(&mut body)).await;
            if let Some(onward) = page.onward() {
                url = url.join(&onward).unwrap();
                method = Method::GET;
                continue;
            }
            if !matches!(page.status, 301 | 302 | 303 | 307) {
                page.way = way;
                self.page = page.clone();
                return page;
            }
            url = url.join(page.header("location")).unwrap();
            method = Method::GET;
        }
        panic!("twenty redirects: {way:#?}");
    }

    async fn sends(
        &mut self,
        method: Method,
        url: Url,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> BrowserPage {
        let ours = url.origin() == self.home.origin();
        let resolved =
            || url.socket_addrs(|| None).unwrap().into_iter().find(SocketAddr::is_ipv4).unwrap();
        let address = if ours { self.address } else { self.entra.unwrap_or_else(resolved) };
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&url[url::Position::BeforePath..url::Position::AfterQuery]);
        let out = request.headers_mut().unwrap();
        out.insert(
            "host",
            HeaderValue::from_str(&url[url::Position::BeforeHost..url::Position::AfterPort])
                .unwrap(),
        );
        if method == Method::POST {
            out.insert(
                "content-type",
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            out.insert(
                "origin",
                HeaderValue::from_str(&url.origin().ascii_serialization()).unwrap(),
            );
        }
        let said = self.says.iter().filter(|_| ours).map(|(name, value)| (*name, value.as_str()));
        for (name, _) in headers.iter().copied().chain(said) {
            out.remove(name);
        }
        for (name, value) in headers
            .iter()
            .copied()
            .chain(self.says.iter().filter(|_| ours).map(|(name, value)| (*name, value.as_str())))
        {
            out.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let cookies = self.cookies(url.host_str().unwrap());
        if !cookies.is_empty() {
            out.append("cookie", HeaderValue::from_bytes(cookies.as_bytes()).unwrap());
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (parts, body) = match self.tls.clone().filter(|_| url.scheme() == "https") {
            Some(tls) => {
                let name =
                    rustls::pki_types::ServerName::try_from(url.host_str().unwrap().to_owned())
                        .unwrap();
                exchange(
                    tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.unwrap(),
                    request,
                )
                .await
            }
            None => exchange(stream, request).await,
        };
        if ours {
            is_small(&parts, &self.cookies_of_the_site(url.host_str().unwrap()));
        }
        self.keeps(url.host_str().unwrap(), &parts.headers);
        remember(&url, &parts.headers);
        // Decodes slashes, so that the text is as a reader sees it.
        let body = String::from_utf8_lossy(&body).replace("&#x2f;", "/");
        BrowserPage {
            way: vec![url.clone()],
            url,
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    fn cookies(&self, host: &str) -> String {
        let ours = self
            .jar
            .iter()
            .filter(|it| it.host == host)
            .map(|it| format!("{}={}", it.name, it.value));
        ours.collect::<Vec<_>>().join("; ")
    }

    fn keeps(&mut self, host: &str, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie").iter().filter(|_| self.keeps_cookies) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.jar.retain(|it| !(it.host == host && it.name == name));
            if !line.contains("Max-Age=0") {
                self.jar.push(StoredCookie {
                    host: host.to_owned(),
                    name: name.to_owned(),
                    value: value.to_owned(),
                    is_planted: false,
                });
            }
        }
    }

    /// Returns the cookies that the site itself has set.
    fn cookies_of_the_site(&self, host: &str) -> Vec<String> {
        let own = self.jar.iter().filter(|it| it.host == host && !it.is_planted);
        own.map(|it| format!("{}={}", it.name, it.value)).collect()
    }

    /// Returns the value of a cookie for the app's site. Names of Entrada's are written without the
    /// port that they have on http.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let (host, name) = (self.home.host_str().unwrap(), self.with_port(name));
        self.jar.iter().find(|it| it.host == host && it.name == name).map(|it| it.value.clone())
    }

    /// Returns the names of all cookies for the app's site, without the port.
    pub fn cookie_names(&self) -> Vec<String> {
        let host = self.home.host_str().unwrap();
        let session = self.with_port("entrada");
        let name = |it: &str| match it.strip_prefix(&session) {
            Some(rest) => format!("entrada{rest}"),
            None => it.to_owned(),
        };
        self.jar.iter().filter(|it| it.host == host).map(|it| name(&it.name)).collect()
    }

    /// Adds a cookie, as a sibling host or a thief would; its name is without the port.
    pub fn plants(&mut self, name: &str, value: &str) {
        let (host, name) = (self.home.host_str().unwrap().to_owned(), self.with_port(name));
        self.jar.retain(|it| !(it.host == host && it.name == name));
        self.jar.push(StoredCookie { host, name, value: value.to_owned(), is_planted: true });
    }

    /// Goes to another program on this host, with the same cookies.
    pub fn moves_to(&mut self, world: &super::World) {
        (self.address, self.home) = (world.address, Url::parse(&world.public_url).unwrap());
    }

    /// Returns the name of one of Entrada's cookies with the port of the site, which is part of it
    /// on http. Other names stay as they are.
    pub fn with_port(&self, name: &str) -> String {
        let rest = name.strip_prefix("entrada").filter(|it| it.is_empty() || it.starts_with('-'));
        match rest.filter(|_| self.home.scheme() == "http") {
            Some(rest) => format!("entrada-{}{rest}", self.home.port_or_known_default().unwrap()),
            None => name.to_owned(),
        }
    }

    /// Deletes all cookies for the app's site.
    pub fn forgets(&mut self) {
        let host = self.home.host_str().unwrap().to_owned();
        self.jar.retain(|it| it.host != host);
    }

    /// Returns the `Cookie` header that it sends to the app.
    pub fn cookie_header(&self) -> String {
        self.cookies(self.home.host_str().unwrap())
    }
}

async fn exchange(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> (http::response::Parts, Bytes) {
    let what = format!("{} {}", request.method(), request.uri());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(io)).await.unwrap();
    let driven = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap_or_else(|it| panic!("{what}: {it}"));
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    driven.abort();
    (parts, body)
}

/// Headers that browsers send when a person navigates to a page.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
];

/// Headers that browsers send when a page's own form is submitted.
pub const FORM: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
];

/// Headers that a page's own script sends.
pub const SCRIPT: &[(&str, &str)] = &[
    ("accept", "application/json"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
];

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"))
        .1
        .split_once(to)
        .unwrap()
        .0
}

fn remember(url: &Url, headers: &HeaderMap) {
    let mut secrets = SECRETS.lock().unwrap();
    for line in headers.get_all("set-cookie") {
        let value = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap().1;
        if value.len() >= 32 {
            secrets.push(value.to_owned());
        }
    }
    for (name, value) in url.query_pairs() {
        if matches!(&*name, "code" | "state" | "nonce" | "code_challenge") && value.len() >= 16 {
            secrets.push(value.into_owned());
        }
    }
}
