//! The seven steps of a native app's sign-in, and the current state of a walk.

use super::answer::{PhoneResponse, get, post};
use super::step::{self, PhoneStep, shortened};
use crate::base::random::RandomSource;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minijinja::context;
use minijinja::value::Value;
use serde_json::Value as Json;

/// The settings that are built into an app on a phone.
#[derive(Debug)]
pub(super) struct PhoneBuild {
    pub(super) client_id: String,
    pub(super) issuer: String,
    pub(super) redirect_uri: String,
}

/// The state of one walk.
#[derive(Clone, Debug)]
pub(super) struct PhoneVisit {
    typed: String,
    state: String,
    /// The PKCE code verifier (RFC 7636 4.1).
    verifier: String,
    endpoints: OAuthEndpoints,
    next: NextStep,
    code: String,
    access: String,
    refresh: String,
    steps: Vec<PhoneStep>,
}

/// The endpoints in the metadata.
#[derive(Clone, Debug, Default)]
struct OAuthEndpoints {
    authorization: String,
    token: String,
    revocation: String,
}

/// The next possible step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextStep {
    Browser,
    Token,
    Call,
    Refresh,
    Revoke,
    /// The walk is over: start again.
    Nothing,
}

impl NextStep {
    /// Returns the name for the template.
    fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Token => "token",
            Self::Call => "call",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
            Self::Nothing => "begin",
        }
    }
}

impl PhoneVisit {
    /// The first step: discovers the endpoints of the authorization server (RFC 8414).
    pub(super) async fn start(place: &PhoneBuild, typed: &str, random: &RandomSource) -> Self {
        let url = format!("{}/.well-known/oauth-authorization-server", place.issuer);
        let response = get(&url, None).await;
        let text = |name: &str| {
            response
                .good()
                .and_then(|it| it.get(name))
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let endpoints = OAuthEndpoints {
            authorization: text("authorization_endpoint"),
            token: text("token_endpoint"),
            revocation: text("revocation_endpoint"),
        };
        let is_well = text("issuer") == place.issuer
            && !endpoints.authorization.is_empty()
            && !endpoints.token.is_empty();
        let mut out = Self {
            typed: typed.chars().take(256).collect(),
            state: random.text::<18>(),
            verifier: random.text::<32>(),
            endpoints,
            next: if is_well { NextStep::Browser } else { NextStep::Nothing },
            code: String::new(),
            access: String::new(),
            refresh: String::new(),
            steps: Vec::new(),
        };
        out.record_step("metadata", format!("GET {url}"), step::answer(&response), is_well);
        out
    }

    /// The third step: receives the code at the app's own address, through the browser.
    pub(super) fn return_with(&mut self, place: &PhoneBuild, query: &str) {
        if self.next != NextStep::Browser {
            return;
        }
        let field = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|it| it.0 == name)
                .map(|it| it.1.into_owned())
        };
        let (code, state, issuer) =
            (field("code").unwrap_or_default(), field("state").unwrap_or_default(), field("iss"));
        // RFC 9207: a response from another server is rejected. A state other than ours was not
        // requested here.
        let is_ours = state == self.state && issuer.as_deref() == Some(place.issuer.as_str());
        let is_well = is_ours && !code.is_empty();
        let lines: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| format!("{name}={}", shortened(&name, &value)))
            .collect();
        let seen = format!("GET {}\n?{}", place.redirect_uri, lines.join("\n&"));
        let verdict = match (is_ours, field("error")) {
            (false, _) => "state or iss is not the expected value: the app discards the answer",
            (true, Some(_)) => "the server returned an error",
            (true, None) => "state matches the app's value, and iss is the issuer (RFC 9207)",
        };
        (self.code, self.next) = (code, if is_well { NextStep::Token } else { NextStep::Nothing });
        self.record_step("code", seen, verdict.to_owned(), is_well);
    }

    /// The fourth step: exchanges the code for tokens, with proof that it was requested here.
    pub(super) async fn redeems(&mut self, place: &PhoneBuild) {
        if self.next != NextStep::Token {
            return;
        }
        let (code, verifier) = (self.code.clone(), self.verifier.clone());
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &place.redirect_uri),
            ("client_id", &place.client_id),
            ("code_verifier", &verifier),
        ];
        let is_well = self.tokens("token", &fields).await;
        self.next = if is_well { NextStep::Call } else { NextStep::Nothing };
    }

    /// The fifth step: calls the app behind the proxy, which receives the person's identity as it
    /// does for a browser.
    pub(super) async fn calls(&mut self, place: &PhoneBuild) {
        if self.next != NextStep::Call {
            return;
        }
        let url = format!("{}/echo", place.issuer);
        let response = get(&url, Some(&self.access)).await;
        let view = response.good().map(app_view);
        let shown = view.map_or_else(
            || step::answer(&response),
            |it| step::answer(&PhoneResponse::Answer(200, it)),
        );
        let request =
            format!("GET {url}\nAuthorization: Bearer {}", shortened("access_token", &self.access));
        let is_well = response.good().is_some();
        self.next = if is_well { NextStep::Refresh } else { NextStep::Nothing };
        self.record_step("call", request, shown, is_well);
    }

    /// The sixth step: gets a new access token, and a new refresh token that replaces the old one.
    pub(super) async fn refreshes(&mut self, place: &PhoneBuild) {
        if self.next != NextStep::Refresh {
            return;
        }
        let refresh = self.refresh.clone();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh),
            ("client_id", &place.client_id),
        ];
        let is_well = self.tokens("refresh", &fields).await;
        self.next = if is_well { NextStep::Revoke } else { NextStep::Nothing };
    }

    /// The seventh step: signs out and revokes the refresh token (RFC 7009), which is invalid
    /// afterwards.
    pub(super) async fn revokes(&mut self, place: &PhoneBuild) {
        if self.next != NextStep::Revoke {
            return;
        }
        let refresh = std::mem::take(&mut self.refresh);
        let fields = [
            ("token", refresh.as_str()),
            ("token_type_hint", "refresh_token"),
            ("client_id", &place.client_id),
        ];
        let response = post(&self.endpoints.revocation, &fields).await;
        let again = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("client_id", &place.client_id),
        ];
        let after = post(&self.endpoints.token, &again).await;
        let is_well = matches!(response, PhoneResponse::Answer(200, _))
            && matches!(after, PhoneResponse::Answer(400, _));
        let shown = format!(
            "{}\n\nthen with the same refresh token:\n\n{}",
            step::answer(&response),
            step::answer(&after)
        );
        self.next = NextStep::Nothing;
        self.record_step("revoke", step::form(&self.endpoints.revocation, &fields), shown, is_well);
    }

    /// Calls the token endpoint, and stores the tokens in its response.
    async fn tokens(&mut self, name: &'static str, fields: &[(&str, &str)]) -> bool {
        let response = post(&self.endpoints.token, fields).await;
        let text = |name: &str| {
            response
                .good()
                .and_then(|it| it.get(name))
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        (self.access, self.refresh) = (text("access_token"), text("refresh_token"));
        let is_well = !self.access.is_empty() && !self.refresh.is_empty();
        self.record_step(
            name,
            step::form(&self.endpoints.token, fields),
            step::answer(&response),
            is_well,
        );
        is_well
    }

    fn record_step(&mut self, name: &'static str, request: String, answer: String, is_well: bool) {
        self.steps.push(PhoneStep { name, request, answer, is_well });
    }

    /// Returns the values for the template. The browser takes the second step, not the app.
    pub(super) fn shown(&self, place: &PhoneBuild) -> Value {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let address = self.address(place, &challenge);
        let lines =
            address.as_deref().unwrap_or_default().replacen('?', "\n?", 1).replace('&', "\n&");
        context! {
            steps => self.steps.iter().map(PhoneStep::shown).collect::<Vec<_>>(),
            next => self.next.name(),
            address,
            lines,
            verifier => self.verifier.as_str(),
            challenge,
            typed => self.typed.as_str(),
        }
    }

    /// The second step: returns the address to which the browser is sent (RFC 6749 4.1.1, RFC 7636
    /// 4.3). It includes the text that the person typed, so that they are not asked again.
    fn address(&self, place: &PhoneBuild, challenge: &str) -> Option<String> {
        let mut url = url::Url::parse(&self.endpoints.authorization).ok()?;
        let asked = [
            ("response_type", "code"),
            ("client_id", &place.client_id),
            ("redirect_uri", &place.redirect_uri),
            ("state", &self.state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        let hint = if self.typed.contains('@') { "login_hint" } else { "organization" };
        let hint = (!self.typed.is_empty()).then_some((hint, self.typed.as_str()));
        url.query_pairs_mut().extend_pairs(asked).extend_pairs(hint);
        Some(url.into())
    }
}

/// Returns the parts of the app's echo that concern the person.
fn app_view(echo: &Json) -> Json {
    let all = echo.get("headers").and_then(Json::as_array).into_iter().flatten();
    let pairs = all.filter_map(|it| Some((it.get(0)?.as_str()?, it.get(1)?.as_str()?)));
    let of_person =
        pairs.filter(|it| it.0.starts_with("x-entrada-") || it.0.starts_with("x-forwarded-"));
    of_person
        .map(|(name, value)| (name.to_owned(), Json::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
