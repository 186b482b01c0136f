//! Diagnoses sign-in loops: returns one of the known causes, or shows which causes are ruled out.

use super::notice::{NoticeShape, RefusalWords};
use crate::base::site::Site;
use crate::pages::phrases::{LoopPhrases, LoopRemedies, NoticePhrases, RemedyText, TitledText};
use crate::pages::{NoticeKind, NoticeParty};
use crate::session::rounds::{self, SignInOrigin, SignInRounds};
use crate::wire::forwarded::PlainHttpReason;
use http::StatusCode;

/// Tolerated difference between two clocks, in seconds.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;

/// The observations about a browser in a sign-in loop.
#[derive(Clone, Debug)]
pub(in crate::flow) struct LoopEvidence {
    /// The rounds counted so far, from the cookie or from `state`.
    pub(in crate::flow) rounds: SignInRounds,
    /// How the sign-in began that returned without its cookie, if there was one.
    pub(in crate::flow) lost: Option<SignInOrigin>,
    /// Whether the cookie that counts rounds was returned.
    pub(in crate::flow) cookie: bool,
    /// The requested host, if it differs from the host of the public address.
    pub(in crate::flow) other_host: Option<String>,
    /// Why the request counts as http, if the public address is https.
    pub(in crate::flow) http: Option<PlainHttpReason>,
    /// How many seconds this machine's clock is ahead of Entra's.
    pub(in crate::flow) ahead: Option<i64>,
    /// The state of the session cookie.
    pub(in crate::flow) session: SessionCookieState,
}

/// The state of the session cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum SessionCookieState {
    /// The cookie belongs to a live session.
    Live,
    /// The cookie is present but belongs to no live session.
    Unknown,
    /// The cookie is absent.
    None,
}

/// The cause of a sign-in loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum LoopCause {
    /// The browser does not return Entrada's cookies.
    Cookie,
    /// The browser uses a different host than the one where the sign-in ends.
    Host,
    /// The public address is https, but the browser uses http.
    Scheme,
    /// This machine's clock is wrong.
    Clock,
    /// The app, or a proxy in front of Entrada, sends signed-in people to sign in.
    App,
    /// The browser does not return from Entra.
    Callback,
    /// None of the known causes.
    Unknown,
}

impl LoopEvidence {
    /// Returns the cause. The most certain evidence is checked first.
    pub(in crate::flow) fn cause(&self) -> LoopCause {
        let lost = self.lost.unwrap_or_default();
        match self {
            _ if lost.elsewhere => LoopCause::Host,
            _ if self.session == SessionCookieState::Live => LoopCause::App,
            _ if lost.http || (!self.cookie && self.http.is_some()) => LoopCause::Scheme,
            _ if self.other_host.is_some() => LoopCause::Host,
            _ if !self.cookie => LoopCause::Cookie,
            _ if self.rounds.returned < rounds::MAX_ROUNDS => LoopCause::Callback,
            _ if self.ahead.is_some_and(|it| it.unsigned_abs() > CLOCK_TOLERANCE_SECONDS) => {
                LoopCause::Clock
            }
            _ => LoopCause::Unknown,
        }
    }

    /// Returns the texts of the page.
    pub(in crate::flow) fn words(&self, phrases: &NoticePhrases, site: &Site) -> RefusalWords {
        let (cause, texts) = (self.cause(), &phrases.sign_in_loop);
        let whose = if cause == LoopCause::Cookie || cause == LoopCause::Host {
            NoticeParty::You
        } else {
            NoticeParty::AppOwner
        };
        let mut words = RefusalWords::under(
            &texts.title,
            NoticeShape { kind: NoticeKind::Loop, status: StatusCode::BAD_REQUEST, whose },
            self.text_for(cause, texts),
        );
        words = words.with_remedy(NoticeParty::AppOwner, self.remedy_for(cause, &texts.remedy));
        if cause == LoopCause::Host {
            words = words.with(&phrases.action.public_address, &site.origin());
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
            .detail(
                "Cookies",
                "cookies",
                Some(if self.cookie { "returned" } else { "not returned" }),
            )
            .detail("Host", "host", Some(self.other_host.as_deref().unwrap_or("public address")))
            .detail("Scheme", "scheme", Some(self.scheme()))
            .detail("Clock", "clock", Some(&self.clock()))
            .detail("Session", "session", Some(self.session.name()))
    }

    fn text_for<'a>(&self, cause: LoopCause, texts: &'a LoopPhrases) -> &'a TitledText {
        match cause {
            LoopCause::Cookie => &texts.cookie,
            LoopCause::Host => &texts.host,
            LoopCause::Scheme => &texts.scheme,
            LoopCause::Clock if self.ahead.is_some_and(|it| it > 0) => &texts.clock_ahead,
            LoopCause::Clock => &texts.clock_behind,
            LoopCause::App => &texts.app,
            LoopCause::Callback => &texts.callback,
            LoopCause::Unknown if self.ahead.is_some() => &texts.none,
            LoopCause::Unknown => &texts.none_or_clock,
        }
    }

    fn remedy_for<'a>(&self, cause: LoopCause, all: &'a LoopRemedies) -> &'a RemedyText {
        match cause {
            LoopCause::Cookie => &all.cookie,
            LoopCause::Host => &all.host,
            LoopCause::Scheme => match self.http {
                Some(PlainHttpReason::Untrusted) => &all.http_untrusted,
                Some(PlainHttpReason::Reported) => &all.http_said,
                Some(PlainHttpReason::NotReported) => &all.http_not_said,
                None => &all.http_at_first,
            },
            LoopCause::Clock => &all.clock,
            LoopCause::App => &all.app,
            LoopCause::Callback => &all.callback,
            LoopCause::Unknown if self.session == SessionCookieState::None => &all.session_lost,
            LoopCause::Unknown => &all.session_unknown,
        }
    }

    fn scheme(&self) -> &'static str {
        match self.http {
            Some(PlainHttpReason::Untrusted) => "http; an untrusted proxy reports https",
            Some(PlainHttpReason::NotReported) => "http; no proxy reports https",
            Some(PlainHttpReason::Reported) => "http, as reported by the proxy in front",
            None if self.lost.unwrap_or_default().http => "https now, http at the start",
            None => "same as the public address",
        }
    }

    fn clock(&self) -> String {
        match self.ahead {
            None => "not compared yet".to_owned(),
            Some(ahead) if ahead.unsigned_abs() <= CLOCK_TOLERANCE_SECONDS => {
                "agrees with Microsoft’s".to_owned()
            }
            Some(ahead) => format!(
                "{} s {} Microsoft’s",
                ahead.unsigned_abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
        }
    }
}

impl LoopCause {
    /// The name for programs and for the log.
    pub(in crate::flow) fn name(self) -> &'static str {
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

impl SessionCookieState {
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
    use crate::session::rounds::SignInOrigin;

    fn seen() -> LoopEvidence {
        let rounds = SignInRounds {
            returned: 3,
            started: 1,
            since: 1000,
            page: 0,
            origin: SignInOrigin::default(),
        };
        LoopEvidence {
            rounds,
            lost: None,
            cookie: true,
            other_host: None,
            http: None,
            ahead: Some(1),
            session: SessionCookieState::None,
        }
    }

    #[test]
    fn each_cause_is_known_by_what_is_seen() {
        let lost = |http, elsewhere| Some(SignInOrigin { http, elsewhere });
        for (it, cause) in [
            (seen(), LoopCause::Unknown),
            (LoopEvidence { ahead: None, ..seen() }, LoopCause::Unknown),
            (
                LoopEvidence { session: SessionCookieState::Live, ahead: Some(999), ..seen() },
                LoopCause::App,
            ),
            (LoopEvidence { cookie: false, ..seen() }, LoopCause::Cookie),
            (
                LoopEvidence { cookie: false, http: Some(PlainHttpReason::NotReported), ..seen() },
                LoopCause::Scheme,
            ),
            (LoopEvidence { lost: lost(true, false), ..seen() }, LoopCause::Scheme),
            (
                LoopEvidence {
                    lost: lost(false, true),
                    session: SessionCookieState::Live,
                    ..seen()
                },
                LoopCause::Host,
            ),
            (LoopEvidence { other_host: Some("b".into()), ..seen() }, LoopCause::Host),
            (LoopEvidence { ahead: Some(-61), ..seen() }, LoopCause::Clock),
            // If cookies are returned, the browser uses https, even if the request arrives here as
            // http.
            (
                LoopEvidence { http: Some(PlainHttpReason::NotReported), ..seen() },
                LoopCause::Unknown,
            ),
            (
                LoopEvidence { rounds: SignInRounds { returned: 0, ..seen().rounds }, ..seen() },
                LoopCause::Callback,
            ),
        ] {
            assert_eq!(it.cause(), cause, "{it:?}");
        }
    }

    #[test]
    fn an_unknown_cause_says_what_it_is_not() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        let (pages, _) = Pages::new(None);
        let phrases = pages.phrases(Language::English);
        let words = seen().words(phrases, &site);
        assert!(
            words.what.contains("found no cause") && words.what.contains("the clock are right"),
            "{}",
            words.what
        );
        let words = LoopEvidence { ahead: None, session: SessionCookieState::Unknown, ..seen() }
            .words(phrases, &site);
        assert!(
            words.what.contains("could not be compared")
                && words.remedy.unwrap().what.contains("same replica")
        );
    }
}
