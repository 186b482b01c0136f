//! The requests that every app receives, and how each of its responses must arrive.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// How an app that is asked directly frames its response: it proves that the exchange is what its
/// name says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Length,
    Chunked,
    /// The end of the connection ends the body.
    Closed,
    /// The status has no body.
    Bodiless,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub enum Upload {
    None,
    Length(usize),
    Chunked(usize),
}

/// A request, and what the response must be.
pub struct Exchange {
    /// The path after `/public/`; apps that cannot do it list it.
    pub path: &'static str,
    pub method: Method,
    pub upload: Upload,
    pub status: u16,
    pub shape: Shape,
}

/// The exchanges of every app, but those that it lists as lacking.
pub fn all() -> Vec<Exchange> {
    let get = |path, status, shape| Exchange {
        path,
        method: Method::GET,
        upload: Upload::None,
        status,
        shape,
    };
    let mut list = vec![
        get("length", 200, Shape::Length),
        get("empty", 200, Shape::Length),
        get("chunked", 200, Shape::Chunked),
        get("trailers", 200, Shape::Chunked),
        get("early-hints", 200, Shape::Length),
        get("no-content", 204, Shape::Bodiless),
        get("not-modified", 304, Shape::Bodiless),
        get("reason", 299, Shape::Length),
        get("repeated", 200, Shape::Length),
        get("headers-8", 200, Shape::Length),
        get("headers-32", 200, Shape::Length),
        get("headers-100", 200, Shape::Length),
        get("until-close", 200, Shape::Closed),
    ];
    for path in ["length", "chunked", "headers-32"] {
        let shape = if path == "chunked" { Shape::Bodiless } else { Shape::Length };
        list.push(Exchange { method: Method::HEAD, shape, ..get(path, 200, shape) });
    }
    for method in [Method::POST, Method::PUT] {
        for upload in [
            Upload::Length(0),
            Upload::Length(1),
            Upload::Length(700_000),
            Upload::Chunked(0),
            Upload::Chunked(1),
            Upload::Chunked(700_000),
        ] {
            let method = method.clone();
            list.push(Exchange { method, upload, ..get("upload", 200, Shape::Length) });
        }
    }
    list
}

/// Bytes that differ at every place, so that a missing or repeated part shows.
pub fn content(bytes: usize) -> Bytes {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

/// The body, in parts of 16 KiB if it has no length.
pub fn body(upload: Upload) -> BoxBody<Bytes, Infallible> {
    match upload {
        Upload::None => Full::default().boxed(),
        Upload::Length(bytes) => Full::new(content(bytes)).boxed(),
        Upload::Chunked(bytes) => {
            let content = content(bytes);
            let parts: Vec<Bytes> = content.chunks(16_384).map(Bytes::copy_from_slice).collect();
            let frames = futures_util::stream::iter(parts).map(|part| Ok(Frame::data(part)));
            BodyExt::boxed(StreamBody::new(frames))
        }
    }
}

impl Exchange {
    /// The name in a failure.
    pub fn name(&self) -> String {
        let upload = match self.upload {
            Upload::None => String::new(),
            Upload::Length(bytes) => format!(" with a length of {bytes}"),
            Upload::Chunked(bytes) => format!(" of {bytes} bytes without a length"),
        };
        format!("{} {}{upload}", self.method, self.path)
    }

    pub fn request(&self, uri: &str, host: Option<&str>) -> Request<BoxBody<Bytes, Infallible>> {
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        // Otherwise the client would leave out a length of 0.
        if let Upload::Length(bytes) = self.upload {
            request = request.header("content-length", bytes);
        }
        if self.path == "trailers" {
            request = request.header("te", "trailers");
        }
        request.body(body(self.upload)).unwrap()
    }
}

/// A response as a client received it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Over HTTP/1.1 only.
    pub reason: Option<String>,
    pub fields: HeaderMap,
    pub body: Bytes,
    pub trailers: BTreeMap<String, Vec<String>>,
    /// The number of 1xx responses before it.
    pub interim: usize,
}

/// Fields that the connection owns, and `Date`, which passes unless the second changes in between.
const NOT_COMPARED: &[&str] = &["connection", "keep-alive", "transfer-encoding", "date"];

/// All values of each field, in their order.
pub fn values(fields: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        values.entry(name.to_string()).or_default().push(value);
    }
    values
}

impl Answer {
    pub fn shape(&self) -> Shape {
        if self.fields.contains_key("transfer-encoding") {
            Shape::Chunked
        } else if self.status == 204 || self.status == 304 {
            Shape::Bodiless
        } else if self.fields.contains_key("content-length") {
            Shape::Length
        } else {
            Shape::Closed
        }
    }

    fn compared(&self) -> BTreeMap<String, Vec<String>> {
        let mut values = values(&self.fields);
        values.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
        if self.status == 304 {
            // Towards HTTP/1.1 the server library removes it.
            values.remove("content-length");
        }
        values
    }

    /// What a client loses or gains through the proxy; empty if nothing.
    pub fn differences(&self, passed: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.status != passed.status {
            found.push(format!("status {} became {}", self.status, passed.status));
        }
        if self.reason.is_some() && passed.reason.is_some() && self.reason != passed.reason {
            found.push(format!("reason {:?} became {:?}", self.reason, passed.reason));
        }
        let (before, after) = (self.compared(), passed.compared());
        for name in before.keys().chain(after.keys().filter(|it| !before.contains_key(*it))) {
            if before.get(name) != after.get(name) {
                let short = |values: Option<&Vec<String>>| format!("{values:.200?}");
                let (before, after) = (short(before.get(name)), short(after.get(name)));
                found.push(format!("field {name}: {before} became {after}"));
            }
        }
        if self.body != passed.body {
            let (before, after) = (self.body.len(), passed.body.len());
            found.push(format!("another body, of {before} bytes, then of {after}"));
        }
        if self.trailers != passed.trailers {
            found.push(format!("trailers {:?} became {:?}", self.trailers, passed.trailers));
        }
        found
    }
}
