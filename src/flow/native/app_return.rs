//! Returns the browser to the app that started the sign-in, at a redirect URI that the app
//! registered.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use crate::base::redirect_uri::{MatchedRedirectUri, RedirectUriKind};
use crate::pages::{AppReturn, NativeOpenPage, Page};
use crate::session::pending::NativeSignIn;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::REFRESH;
use http::{HeaderValue, Response, StatusCode};

/// The app that asked for a sign-in, and where it receives the response.
#[derive(Debug)]
pub(in crate::flow) struct RequestingApp<'a> {
    pub(in crate::flow) name: &'a str,
    pub(in crate::flow) target: MatchedRedirectUri,
    pub(in crate::flow) state: Option<String>,
}

impl<'a> RequestingApp<'a> {
    /// Returns the app that asked for a pending sign-in, if the client and its redirect URI are
    /// still registered.
    pub(in crate::flow) fn of(sidecar: &'a Sidecar, native: &'a NativeSignIn) -> Option<Self> {
        let client = sidecar.native.as_ref()?.client(&native.client)?;
        Some(Self {
            name: &client.name,
            target: client.target(&native.redirect_uri)?,
            state: native.state.clone(),
        })
    }

    /// Returns the redirect with a code.
    pub(in crate::flow) fn with_code(&self, app: &App, code: &str) -> AppReturn {
        self.app_return(app, &[("code", code)])
    }

    /// Returns the redirect with an error (RFC 6749 section 4.1.2.1). `why` is for the client's
    /// developer.
    pub(in crate::flow) fn with_error(&self, app: &App, error: &str, why: &str) -> AppReturn {
        self.app_return(app, &[("error", error), ("error_description", why)])
    }

    /// Adds the client's own `state` and the issuer (RFC 9207).
    fn app_return(&self, app: &App, parameters: &[(&str, &str)]) -> AppReturn {
        let issuer = app.site.origin();
        let all: Vec<_> = parameters
            .iter()
            .copied()
            .chain(self.state.as_deref().map(|it| ("state", it)))
            .chain([("iss", issuer.as_str())])
            .collect();
        AppReturn { app: self.name.to_owned(), to: self.target.answer(&all) }
    }
}

/// Returns the redirect for a refused sign-in. It is for a button on the page that shows the
/// reason.
pub(in crate::flow) fn refused(
    exchange: &Exchange<'_>,
    native: &NativeSignIn,
) -> Option<AppReturn> {
    RequestingApp::of(exchange.sidecar, native).map(|request| {
        request.with_error(
            exchange.app,
            "access_denied",
            "the person was not signed in; the page explained why",
        )
    })
}

/// Redirects to the app. A private-use scheme is opened from a page instead: some browsers do not
/// follow a redirect to an app, and on a page the person can still click the link.
pub(in crate::flow) fn go(
    exchange: &Exchange<'_>,
    back: AppReturn,
    good: bool,
) -> Result<Response<Body>, Refusal> {
    let failed = Refusal::Internal("the address of an app is not a valid header value");
    if back.to.kind() != RedirectUriKind::PrivateUse {
        return reply::redirect(StatusCode::SEE_OTHER, back.to.as_str()).ok_or(failed);
    }
    let refresh =
        HeaderValue::from_str(&format!("0; url={}", back.to.as_str())).map_err(|_| failed)?;
    let page = Page::NativeOpen(NativeOpenPage { good, back });
    let mut response = exchange.page(StatusCode::OK, &page);
    response.headers_mut().insert(REFRESH, refresh);
    Ok(response)
}
