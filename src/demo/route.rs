//! Routes paths to pages.

use super::live;
use super::phone::{DemoPhone, PhoneAnswer};
use super::render::{DemoPage, DemoRenderer, PageExtra};
use super::socket;
use super::verify::{ExpectedAssertion, VerificationReport, verify};
use super::web::{self, DemoReply};
use crate::base::clock::Clock;
use http::header::{ACCEPT, ALLOW};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// The parts of the running app.
#[derive(Debug)]
pub(super) struct DemoApp {
    pub(super) expected: ExpectedAssertion,
    pub(super) renderer: DemoRenderer,
    pub(super) phone: Option<DemoPhone>,
    pub(super) clock: Clock,
    pub(super) shutdown: CancellationToken,
}

impl DemoApp {
    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> DemoReply {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path().to_owned();
        if let Some(phone) = self.phone.as_ref().filter(|_| is_below(&path, "/phone")) {
            return self.phone(phone, request).await;
        }
        match path.as_str() {
            "/ws" => socket::echo(request, self.shutdown.clone()),
            "/echo" => echo(request).await,
            "/upload" if request.method() == Method::POST => self.upload(request).await,
            "/upload" if !is_read => not_with_this_method("GET, HEAD, POST"),
            _ if !is_read => not_with_this_method("GET, HEAD"),
            "/events" => live::events(self.clock.clone(), self.shutdown.clone()),
            "/download" => download(request.uri().query().unwrap_or_default()),
            _ => self.page(page_of(&path), &request.into_parts().0, PageExtra::None).await,
        }
    }

    async fn phone(&self, phone: &DemoPhone, request: Request<Incoming>) -> DemoReply {
        let headers = request.headers().clone();
        match phone.answer(request).await {
            PhoneAnswer::Whole(reply) => reply,
            PhoneAnswer::Page(value) => {
                self.shown(DemoPage::Phone, &headers, &PageExtra::Phone(value)).await
            }
        }
    }

    async fn page(&self, sheet: DemoPage, head: &Parts, extra: PageExtra) -> DemoReply {
        self.shown(sheet, &head.headers, &extra).await
    }

    async fn shown(&self, sheet: DemoPage, headers: &HeaderMap, extra: &PageExtra) -> DemoReply {
        let outcome = self.outcome(headers).await;
        match self.renderer.render(sheet, headers, outcome.as_ref(), extra) {
            Ok(html) => web::page(sheet.status(), html, self.renderer.policy(sheet)),
            Err(error) => {
                tracing::warn!(%error, "cannot render a demo page");
                web::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This demo page cannot be displayed.\n",
                )
            }
        }
    }

    async fn outcome(&self, headers: &HeaderMap) -> Option<VerificationReport> {
        verify(&self.expected, headers, self.clock.now()).await
    }

    /// Counts the bytes of an upload; a browser receives the page, a program receives JSON.
    async fn upload(&self, request: Request<Incoming>) -> DemoReply {
        let (head, body) = request.into_parts();
        let Some(bytes) = live::count(body).await else {
            return web::text(StatusCode::BAD_REQUEST, "The upload was interrupted.\n");
        };
        let wants_page = head
            .headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|it| it.to_str().ok())
            .any(|it| it.contains("text/html"));
        if wants_page {
            self.page(DemoPage::Upload, &head, PageExtra::Uploaded(bytes)).await
        } else {
            web::json(&json!({ "bytes": bytes }))
        }
    }
}

fn page_of(path: &str) -> DemoPage {
    match path {
        "/" => DemoPage::Index,
        "/websocket" => DemoPage::WebSocket,
        "/stream" => DemoPage::Stream,
        "/upload" => DemoPage::Upload,
        _ if is_below(path, "/admin") => DemoPage::Admin,
        _ if is_below(path, "/public") => DemoPage::Public,
        _ => DemoPage::NotFound,
    }
}

fn is_below(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

/// Returns the request as it arrived, for tests and for debugging.
async fn echo(request: Request<Incoming>) -> DemoReply {
    let (head, body) = request.into_parts();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let Some(bytes) = live::count(body).await else {
        return web::text(StatusCode::BAD_REQUEST, "The body was interrupted.\n");
    };
    web::json(&json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "bytes": bytes,
    }))
}

fn download(query: &str) -> DemoReply {
    let bytes = url::form_urlencoded::parse(query.as_bytes())
        .find(|it| it.0 == "bytes")
        .and_then(|it| it.1.parse().ok());
    match bytes {
        Some(bytes) if bytes <= live::MAX_DOWNLOAD_BYTES => live::download(bytes),
        _ => web::text(
            StatusCode::BAD_REQUEST,
            "Specify a size: /download?bytes=1000000, up to 64 GiB.\n",
        ),
    }
}

fn not_with_this_method(allow: &'static str) -> DemoReply {
    let mut out = web::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.\n");
    out.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    out
}
