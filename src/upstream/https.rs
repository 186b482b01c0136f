//! An https app: requests use HTTP/1.1, except calls of gRPC, and all requests to an app that offers
//! only HTTP/2. Many apps do not support upgrades or Windows authentication over HTTP/2.

use super::connect::{AppDialer, lacks_protocol, refuses_protocol};
use super::deadline::ConnectionTimer;
use super::error::Error;
use super::http1::{Http1Link, UploadTimeouts};
use super::http2::Http2Link;
use http::uri::{Authority, Scheme};
use std::sync::atomic::{AtomicU8, Ordering};

/// In `HttpsLinks::learned`.
const HTTP1: u8 = 1;
const ONLY_HTTP2: u8 = 2;

/// The connections to one https app.
#[derive(Debug)]
pub(super) struct HttpsLinks {
    pub(super) http1: Http1Link,
    pub(super) http2: Http2Link,
    pub(super) http2_dialer: AppDialer,
    /// What the app was found to offer; 0 if that is unknown.
    learned: AtomicU8,
}

impl HttpsLinks {
    pub(super) fn new(
        dialer: &AppDialer,
        authority: Authority,
        http1: Http1Link,
        timeouts: UploadTimeouts,
    ) -> Self {
        Self {
            http1,
            http2: Http2Link::new(Scheme::HTTPS, authority, timeouts),
            http2_dialer: dialer.for_http2(),
            learned: AtomicU8::new(0),
        }
    }

    /// Whether the app was found to offer HTTP/1.1.
    pub(super) fn offers_http1(&self) -> bool {
        self.learned.load(Ordering::Relaxed) == HTTP1
    }

    /// Whether the app was found to offer HTTP/2 only.
    pub(super) fn offers_only_http2(&self) -> bool {
        self.learned.load(Ordering::Relaxed) == ONLY_HTTP2
    }

    /// Finds out whether the app offers HTTP/1.1, with a connection that is used afterwards.
    ///
    /// # Errors
    /// `Error` if the app cannot be reached.
    pub(super) async fn learn(
        &self,
        dialer: &AppDialer,
        timer: ConnectionTimer,
    ) -> Result<(), Error> {
        match dialer.open().await {
            Ok(io) => {
                self.http1.adopt(io, timer);
                self.learned.store(HTTP1, Ordering::Relaxed);
            }
            Err(error) if refuses_protocol(&error) => {
                self.learned.store(ONLY_HTTP2, Ordering::Relaxed);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The app may have been replaced if it cannot be reached. That it does not offer HTTP/2 says
    /// nothing new.
    pub(super) fn checks<T>(&self, outcome: &Result<T, Error>) {
        if matches!(outcome, Err(error @ Error::Connect(_)) if !lacks_protocol(error)) {
            self.learned.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::connection_permits::ConnectionPermits;
    use crate::upstream::http1::Http1Settings;
    use rustls::AlertDescription;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    // Anyone could otherwise make all requests connect anew, with calls that the app cannot take.
    #[test]
    fn a_call_that_an_app_without_http2_refuses_says_nothing_about_http1() {
        let second = Duration::from_secs(1);
        let timeouts = UploadTimeouts { silence: second, after_response: second };
        let settings = Http1Settings {
            timeouts,
            header_case: crate::config::upstream::HeaderCase::Lower,
            metrics: Arc::default(),
        };
        let dialer = AppDialer::of_local(1, second, ConnectionPermits::of_process());
        let authority = Authority::from_static("app");
        let links = HttpsLinks::new(&dialer, authority, Http1Link::new(settings), timeouts);
        links.learned.store(HTTP1, Ordering::Relaxed);
        let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        for (cause, still_known) in [
            (io::Error::new(io::ErrorKind::InvalidData, alert), true),
            (crate::upstream::connect::no_http2(), true),
            (io::ErrorKind::ConnectionRefused.into(), false),
        ] {
            links.checks::<()>(&Err(Error::Connect(cause)));
            assert_eq!(links.offers_http1(), still_known);
        }
    }
}
