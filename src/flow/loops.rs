//! Why signing in goes round in circles: one of the known causes, or what it is not.

use super::words::Words;
use crate::base::site::Site;
use crate::pages::{Kind, Remedy, Whose};
use crate::session::rounds::{self, From, Rounds};
use crate::wire::forwarded::Http;
use http::StatusCode;

/// Seconds by which two clocks may differ.
const CLOSE: u64 = 60;

/// What is seen of a browser that goes round.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The count so far, of the cookie or of the state.
    pub(super) rounds: Rounds,
    /// How the sign-in began that came back without its cookie, where one did.
    pub(super) lost: Option<From>,
    /// Whether the count came back in our cookie.
    pub(super) cookie: bool,
    /// The host that was asked, where it is not that of the public address.
    pub(super) other_host: Option<String>,
    /// Why the request counts as http, where the public address is https.
    pub(super) http: Option<Http>,
    /// By how many seconds our clock is ahead of Entra's.
    pub(super) ahead: Option<i64>,
    /// What the session's cookie is worth.
    pub(super) session: Session,
}

/// What the session's cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// It opens a live session.
    Live,
    /// It is there, and opens none.
    Unknown,
    /// It is not there.
    None,
}

/// What keeps a browser going round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Our cookies do not come back.
    Cookie,
    /// The browser comes to another host than the sign-in ends at.
    Host,
    /// The public address is https, and the browser came by http.
    Scheme,
    /// This machine's clock is wrong.
    Clock,
    /// The app, or a proxy in front, sends signed-in people to sign in.
    App,
    /// Nobody comes back from Entra.
    Callback,
    /// None of these.
    Unknown,
}

impl Seen {
    /// The cause, by what is certain first.
    pub(super) fn cause(&self) -> Cause {
        let lost = self.lost.unwrap_or_default();
        match self {
            _ if lost.elsewhere => Cause::Host,
            _ if self.session == Session::Live => Cause::App,
            _ if lost.http || (!self.cookie && self.http.is_some()) => Cause::Scheme,
            _ if self.other_host.is_some() => Cause::Host,
            _ if !self.cookie => Cause::Cookie,
            _ if self.rounds.returned < rounds::MOST => Cause::Callback,
            _ if self.ahead.is_some_and(|it| it.unsigned_abs() > CLOSE) => Cause::Clock,
            _ => Cause::Unknown,
        }
    }

    /// The words of the page.
    pub(super) fn words(&self, site: &Site) -> Words {
        let cause = self.cause();
        let (whose, what, next) = self.told(cause, site);
        let mut words = Words::new(Kind::Loop, StatusCode::BAD_REQUEST, whose, "Signing in goes round in circles", &what).then(next);
        words.remedy = Some(self.remedy(cause, site));
        if cause == Cause::Host {
            words = words.with(&format!("Go to {}", site.authority()), &site.origin());
        }
        words
            .detail("Cause", "cause", Some(cause.name()))
            .detail("Cookies", "cookies", Some(if self.cookie { "they come back" } else { "they do not come back" }))
            .detail("Host", "host", Some(self.other_host.as_deref().unwrap_or("that of the public address")))
            .detail("Scheme", "scheme", Some(self.scheme()))
            .detail("Clock", "clock", Some(&self.clock()))
            .detail("Session", "session", Some(self.session.name()))
    }

    fn told(&self, cause: Cause, site: &Site) -> (Whose, String, &'static str) {
        const ROUND: &str = "You were sent to sign in three times within a minute";
        const TELL: &str = "You cannot mend this yourself. Tell the app’s owner, and send them this page.";
        match cause {
            Cause::Cookie => (
                Whose::You,
                format!("{ROUND}, since your browser does not send our cookies back."),
                "Allow cookies for this site, or open it in its own tab instead of inside another page. Then wait a minute and try again.",
            ),
            Cause::Host => (
                Whose::You,
                format!("{ROUND}: you came to another address of this app, and its cookies do not count at {}, where the sign-in ends.", site.authority()),
                "Go to the app at its public address.",
            ),
            Cause::Scheme => {
                (Whose::AppOwner, format!("{ROUND}: the sign-in is for https, but your browser came by http, where its cookies are not kept."), TELL)
            }
            Cause::Clock => (Whose::AppOwner, format!("{ROUND}, and the clock of this service is wrong: {}.", self.clock()), TELL),
            Cause::App => (Whose::AppOwner, format!("{ROUND}. You are signed in, but the app sends you to sign in again."), TELL),
            Cause::Callback => (Whose::AppOwner, "You were sent to sign in again and again, and nobody came back from there.".to_owned(), TELL),
            Cause::Unknown => (Whose::AppOwner, format!("{ROUND}, and your sign-in was lost each time. {}", self.ruled_out()), TELL),
        }
    }

    fn ruled_out(&self) -> String {
        let clock = if self.ahead.is_some() { ", and the clock is right" } else { "; the clock could not be compared" };
        format!("It is none of these: cookies come back, the host is right, the scheme is right{clock}.")
    }

    fn remedy(&self, cause: Cause, site: &Site) -> Remedy {
        let (prefix, origin) = (site.prefix(), site.origin());
        let (what, place) = match cause {
            Cause::Cookie => (
                "If many people see this: something in front drops Set-Cookie or Cookie, or people come by another host name than this service hears."
                    .to_owned(),
                "The proxies in front; Host and X-Forwarded-Host".to_owned(),
            ),
            Cause::Host => (format!("Redirect all other host names to {origin}."), "The proxy in front, or DNS; server.public_url, server.hosts".to_owned()),
            Cause::Scheme => (self.why_http(), "The proxy in front: X-Forwarded-Proto; server.trusted_proxies".to_owned()),
            Cause::Clock => ("Set this machine’s clock by NTP.".to_owned(), "The machine that the sidecar runs on".to_owned()),
            Cause::App => (
                format!(
                    "Find out what answers signed-in people with 401 or with a redirect to {prefix}/start: a sign-in of the app’s own, or a proxy’s error page."
                ),
                "The app; the proxy in front (error_page 401)".to_owned(),
            ),
            Cause::Callback => (
                format!("Send all of {prefix}/ and {} to this service.", site.redirect_path()),
                format!("The proxy in front: its route for {}", site.redirect_path()),
            ),
            Cause::Unknown => (self.session.remedy().to_owned(), "The proxies in front; the number of replicas".to_owned()),
        };
        Remedy { reader: Whose::AppOwner, what, place, command: None }
    }

    fn why_http(&self) -> String {
        match self.http {
            Some(Http::Untrusted) => "The proxy in front says https, but is not believed: list its address in server.trusted_proxies.",
            Some(Http::Said) => "The proxy in front says http: let it redirect http to https before it asks here.",
            Some(Http::NotSaid) => "Nothing says that the browser came by https: let the proxy in front redirect http to https and send X-Forwarded-Proto.",
            None => "The browser began by http: let the proxy in front redirect http to https before it asks here.",
        }
        .to_owned()
    }

    fn scheme(&self) -> &'static str {
        match self.http {
            Some(Http::Untrusted) => "http; a proxy that is not trusted says otherwise",
            Some(Http::NotSaid) => "http; no proxy says otherwise",
            Some(Http::Said) => "http, says the proxy in front",
            None if self.lost.unwrap_or_default().http => "https now, http when it began",
            None => "as in the public address",
        }
    }

    fn clock(&self) -> String {
        match self.ahead {
            None => "not compared yet".to_owned(),
            Some(ahead) if ahead.unsigned_abs() <= CLOSE => "agrees with Microsoft’s".to_owned(),
            Some(ahead) => format!("{} s {} Microsoft’s", ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" }),
        }
    }
}

impl Cause {
    /// For programs, and for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie-not-returned",
            Self::Host => "other-host",
            Self::Scheme => "http-not-https",
            Self::Clock => "clock",
            Self::App => "app",
            Self::Callback => "callback-not-reached",
            Self::Unknown => "unknown",
        }
    }
}

impl Session {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "signed in",
            Self::Unknown => "its cookie comes, but opens no session",
            Self::None => "its cookie does not come",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::None => "The session’s cookie is lost while another of ours comes back: look for what removes it, such as a limit on the size of headers.",
            Self::Unknown | Self::Live => "The session’s cookie comes, but is not known here: send a browser to the same replica, and see that none restarts.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::rounds::From;

    fn seen() -> Seen {
        let rounds = Rounds { returned: 3, begun: 1, since: 1000, from: From::default() };
        Seen { rounds, lost: None, cookie: true, other_host: None, http: None, ahead: Some(1), session: Session::None }
    }

    #[test]
    fn each_cause_is_known_by_what_is_seen() {
        let lost = |http, elsewhere| Some(From { http, elsewhere });
        for (it, cause) in [
            (seen(), Cause::Unknown),
            (Seen { ahead: None, ..seen() }, Cause::Unknown),
            (Seen { session: Session::Live, ahead: Some(999), ..seen() }, Cause::App),
            (Seen { cookie: false, ..seen() }, Cause::Cookie),
            (Seen { cookie: false, http: Some(Http::NotSaid), ..seen() }, Cause::Scheme),
            (Seen { lost: lost(true, false), ..seen() }, Cause::Scheme),
            (Seen { lost: lost(false, true), session: Session::Live, ..seen() }, Cause::Host),
            (Seen { other_host: Some("b".into()), ..seen() }, Cause::Host),
            (Seen { ahead: Some(-61), ..seen() }, Cause::Clock),
            // Where cookies come back, the browser speaks https, whatever arrives here.
            (Seen { http: Some(Http::NotSaid), ..seen() }, Cause::Unknown),
            (Seen { rounds: Rounds { returned: 0, ..seen().rounds }, ..seen() }, Cause::Callback),
        ] {
            assert_eq!(it.cause(), cause, "{it:?}");
        }
    }

    #[test]
    fn an_unknown_cause_says_what_it_is_not() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        let words = seen().words(&site);
        assert!(words.what.contains("none of these") && words.what.contains("the clock is right"), "{}", words.what);
        let words = Seen { ahead: None, session: Session::Unknown, ..seen() }.words(&site);
        assert!(words.what.contains("could not be compared") && words.remedy.unwrap().what.contains("same replica"));
    }
}
