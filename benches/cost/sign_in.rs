//! Real sign-ins at the emulator, along the redirects that a browser would follow.

use crate::http::{BenchSite, HttpConnection, HttpReply};
use crate::process::ChildProcess;
use crate::terminal::BenchOutcome;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The person who signs in, with a role and three groups.
const PERSON: &str = "maya@contoso.example";

/// The path at which a sign-in begins.
const START: &str = "/oauth2/start?rd=%2Fapp%2F1k&login_hint=maya%40contoso.example";

/// Headers that a browser sends when a person follows a link.
const NAVIGATION: [(&str, &str); 2] = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];

/// The program's own Entra emulator, in a separate process.
#[derive(Debug)]
pub struct EmulatorProcess {
    _process: ChildProcess,
    site: BenchSite,
    /// The value of `[entra] authority`.
    pub authority: String,
    /// The value of `[entra] tenant`.
    pub tenant: String,
    /// The value of `[entra] client_id`.
    pub client_id: String,
    /// The value of `[entra] client_secret`.
    pub client_secret: String,
}

impl EmulatorProcess {
    /// Starts the emulator for these redirect URIs, and parses its output.
    pub fn start(binary: &Path, redirect_uris: &[String]) -> BenchOutcome<Self> {
        let mut command = Command::new(binary);
        command
            .args(["emulator", "--port", "0"])
            .args(redirect_uris.iter().flat_map(|it| ["--redirect-uri", it]));
        let mut process = ChildProcess::start("entrada emulator", command.stdout(Stdio::piped()))?;
        let mut lines = BufReader::new(process.child().stdout.take().ok_or("no output")?).lines();
        let mut said = |label: &str| -> BenchOutcome<String> {
            let line = lines.next().ok_or("the emulator ended without a word")??;
            let value = line
                .strip_prefix(label)
                .ok_or_else(|| format!("the emulator said {line:?} in place of its {label}"))?;
            Ok(value.trim().to_owned())
        };
        let authority = said("authority")?;
        let (tenant, client_id, client_secret) =
            (said("tenant")?, said("client id")?, said("client secret")?);
        let host =
            authority.strip_prefix("http://").ok_or("the emulator is not at http://")?.to_owned();
        let port = host.rsplit(':').next().unwrap_or_default().parse()?;
        Ok(Self {
            _process: process,
            site: BenchSite { port, host, tls: None },
            authority,
            tenant,
            client_id,
            client_secret,
        })
    }
}

/// A person's browser, with the features that sign-in needs.
pub struct BenchBrowser<'a> {
    app: HttpConnection,
    app_origin: String,
    entra: HttpConnection,
    emulator: &'a EmulatorProcess,
    /// The cookie of the session at the emulator, which then no longer asks the person to sign in.
    known: Option<String>,
}

/// Whether a cookie is the session's: `__Host-entrada`, or `entrada` with the port over http.
fn is_session(cookie: &str) -> bool {
    let name = cookie.split_once('=').map_or(cookie, |it| it.0);
    let suffix = name.strip_prefix("__Host-").unwrap_or(name).strip_prefix("entrada");
    suffix.is_some_and(|it| {
        it.is_empty()
            || it
                .strip_prefix('-')
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()))
    })
}

impl<'a> BenchBrowser<'a> {
    /// Opens a browser for this site.
    pub fn open(app: &BenchSite, emulator: &'a EmulatorProcess) -> BenchOutcome<Self> {
        Ok(Self {
            app: HttpConnection::open(app)?,
            app_origin: app.origin(),
            entra: HttpConnection::open(&emulator.site)?,
            emulator,
            known: None,
        })
    }

    /// Signs in again; returns the session's cookie, `name=value`.
    pub fn sign_in(&mut self) -> BenchOutcome<String> {
        let started = self.app.get(START, &NAVIGATION)?;
        let pending = started.cookies().collect::<Vec<_>>().join("; ");
        let back = self.at_entra(started.location()?)?;
        let target = back
            .strip_prefix(&self.app_origin)
            .ok_or_else(|| format!("the emulator leads to another place: {back}"))?;
        let headers: Vec<_> =
            NAVIGATION.into_iter().chain([("cookie", pending.as_str())]).collect();
        let landed = self.app.get(target, &headers)?;
        landed.location().map_err(|it| format!("the callback failed: {it}"))?;
        let session = landed.cookies().find(|it| is_session(it));
        Ok(session.ok_or("the callback set no session cookie")?.to_owned())
    }

    /// Follows the authorization request to the address to which the emulator sends the browser
    /// back.
    fn at_entra(&mut self, address: &str) -> BenchOutcome<String> {
        let target = address
            .strip_prefix(&self.emulator.authority)
            .ok_or_else(|| format!("sign-in leads to another place: {address}"))?;
        let cookie = self.known.clone().unwrap_or_default();
        let headers: Vec<_> = NAVIGATION
            .into_iter()
            .chain((!cookie.is_empty()).then_some(("cookie", cookie.as_str())))
            .collect();
        let mut reply = self.entra.get(target, &headers)?;
        if reply.status == 200 {
            reply = self.pick(&reply)?;
        }
        if let Some(cookie) = reply.cookies().next() {
            self.known = Some(cookie.to_owned());
        }
        Ok(reply.location()?.to_owned())
    }

    /// Presses the person's button on the account picker.
    fn pick(&mut self, page: &HttpReply) -> BenchOutcome<HttpReply> {
        let text = page.text();
        let action = between(&text, "action=\"", "\"")?;
        let transaction = between(&text, "name=\"transaction\" value=\"", "\"")?;
        let before_her = text.split_once(PERSON).ok_or("the person is not on the picker")?.0;
        let button = before_her
            .rsplit("name=\"person\" value=\"")
            .next()
            .ok_or("the person has no button")?;
        let form = format!("transaction={transaction}&person={}", between(button, "", "\"")?);
        self.entra.post(
            action,
            &[("origin", &self.emulator.authority), ("sec-fetch-site", "same-origin")],
            &form,
        )
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> BenchOutcome<&'a str> {
    let rest = text.split_once(before).map(|it| it.1);
    rest.and_then(|it| it.split_once(after))
        .map(|it| it.0)
        .ok_or_else(|| format!("no {before} on the page").into())
}
