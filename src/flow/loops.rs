//! Why signing in goes round in circles: one of the known causes, or what it is not.

use super::words::Words;
use crate::base::site::Site;
use crate::pages::phrases::{Circle, Circles, Mend, Phrases, Said};
use crate::pages::{Kind, Whose};
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
    pub(super) fn words(&self, say: &Phrases, site: &Site) -> Words {
        let (cause, circle) = (self.cause(), &say.circle);
        let whose = if cause == Cause::Cookie || cause == Cause::Host { Whose::You } else { Whose::AppOwner };
        let mut words = Words::under(&circle.title, (Kind::Loop, StatusCode::BAD_REQUEST, whose), self.said(cause, circle));
        words = words.mended(Whose::AppOwner, self.mend(cause, &circle.mend));
        if cause == Cause::Host {
            words = words.with(&say.way.public_address, &site.origin());
        }
        let seconds = self.ahead.unwrap_or_default().unsigned_abs().to_string();
        let values = [
            ("host", site.authority()),
            ("origin", &site.origin()),
            ("prefix", site.prefix()),
            ("callback", site.redirect_path()),
            ("seconds", seconds.as_str()),
        ];
        words = values.into_iter().fold(words, |words, (name, value)| words.fill(name, value));
        words
            .detail("Cause", "cause", Some(cause.name()))
            .detail("Cookies", "cookies", Some(if self.cookie { "returned" } else { "not returned" }))
            .detail("Host", "host", Some(self.other_host.as_deref().unwrap_or("public address")))
            .detail("Scheme", "scheme", Some(self.scheme()))
            .detail("Clock", "clock", Some(&self.clock()))
            .detail("Session", "session", Some(self.session.name()))
    }

    fn said<'a>(&self, cause: Cause, circle: &'a Circle) -> &'a Said {
        match cause {
            Cause::Cookie => &circle.cookie,
            Cause::Host => &circle.host,
            Cause::Scheme => &circle.scheme,
            Cause::Clock if self.ahead.is_some_and(|it| it > 0) => &circle.clock_ahead,
            Cause::Clock => &circle.clock_behind,
            Cause::App => &circle.app,
            Cause::Callback => &circle.callback,
            Cause::Unknown if self.ahead.is_some() => &circle.none,
            Cause::Unknown => &circle.none_or_clock,
        }
    }

    fn mend<'a>(&self, cause: Cause, all: &'a Circles) -> &'a Mend {
        match cause {
            Cause::Cookie => &all.cookie,
            Cause::Host => &all.host,
            Cause::Scheme => match self.http {
                Some(Http::Untrusted) => &all.http_untrusted,
                Some(Http::Said) => &all.http_said,
                Some(Http::NotSaid) => &all.http_not_said,
                None => &all.http_at_first,
            },
            Cause::Clock => &all.clock,
            Cause::App => &all.app,
            Cause::Callback => &all.callback,
            Cause::Unknown if self.session == Session::None => &all.session_lost,
            Cause::Unknown => &all.session_unknown,
        }
    }

    fn scheme(&self) -> &'static str {
        match self.http {
            Some(Http::Untrusted) => "http; an untrusted proxy reports https",
            Some(Http::NotSaid) => "http; no proxy reports https",
            Some(Http::Said) => "http, as reported by the proxy in front",
            None if self.lost.unwrap_or_default().http => "https now, http at the start",
            None => "same as the public address",
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
            Self::Unknown => "cookie received, but it opens no session",
            Self::None => "cookie not received",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::pages::Pages;
    use crate::session::rounds::From;

    fn seen() -> Seen {
        let rounds = Rounds { returned: 3, begun: 1, since: 1000, from: From::default() };
        Seen { rounds, lost: None, cookie: true, other_host: None, http: None, ahead: Some(1), session: Session::None }
    }

    #[test]
    fn each_cause_is_known_by_what_is_seen() {
        let lost = |http, elsewhere| Some(From { http, elsewhere, ..From::default() });
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
        let (pages, _) = Pages::new(None);
        let say = pages.phrases(Language::English);
        let words = seen().words(say, &site);
        assert!(words.what.contains("found no cause") && words.what.contains("the clock are right"), "{}", words.what);
        let words = Seen { ahead: None, session: Session::Unknown, ..seen() }.words(say, &site);
        assert!(words.what.contains("could not be compared") && words.remedy.unwrap().what.contains("same replica"));
    }
}
