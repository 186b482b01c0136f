//! The texts and facts of one refusal, and the page or the problem response (RFC 9457) that shows
//! them.

use crate::base::language::Language;
use crate::pages::phrases::{NoticeText, RemedyText, TitledText};
use crate::pages::{AppReturn, Notice, NoticeAction, NoticeKind, NoticeParty, NoticeRemedy, Page};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::reply;
use http::{Response, StatusCode};
use serde::Serialize;
use std::collections::BTreeMap;

/// The texts of one refusal.
#[derive(Debug)]
pub(in crate::flow) struct RefusalWords {
    pub(in crate::flow) kind: NoticeKind,
    pub(in crate::flow) status: StatusCode,
    pub(in crate::flow) title: String,
    pub(in crate::flow) what: String,
    pub(in crate::flow) whose: NoticeParty,
    pub(in crate::flow) next: Vec<String>,
    pub(in crate::flow) action: Option<NoticeAction>,
    pub(in crate::flow) further: Vec<NoticeAction>,
    pub(in crate::flow) back: Option<AppReturn>,
    pub(in crate::flow) remedy: Option<NoticeRemedy>,
    pub(in crate::flow) details: Vec<RefusalDetail>,
}

/// Which kind of page a refusal is, its status, and who can fix it.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct NoticeShape {
    pub(in crate::flow) kind: NoticeKind,
    pub(in crate::flow) status: StatusCode,
    pub(in crate::flow) whose: NoticeParty,
}

/// A fact for troubleshooting: a name for people, a JSON member for programs, and a value.
#[derive(Debug)]
pub(in crate::flow) struct RefusalDetail {
    pub(in crate::flow) name: &'static str,
    pub(in crate::flow) member: &'static str,
    pub(in crate::flow) value: String,
}

/// A problem response (RFC 9457).
#[derive(Serialize)]
struct ProblemDetails<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    reference: &'a str,
    whose: NoticeParty,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    next: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a NoticeRemedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in_url: Option<String>,
    /// Additional details: `code`, `correlation_id`, `cause` and similar.
    #[serde(flatten)]
    details: BTreeMap<&'a str, &'a str>,
}

impl RefusalWords {
    pub(in crate::flow) fn new(
        kind: NoticeKind,
        status: StatusCode,
        whose: NoticeParty,
        text: &NoticeText,
    ) -> Self {
        Self {
            kind,
            status,
            title: text.title.clone(),
            what: text.what.clone(),
            whose,
            next: text.next.clone(),
            action: None,
            further: Vec::new(),
            back: None,
            remedy: None,
            details: Vec::new(),
        }
    }

    pub(in crate::flow) fn under(
        title: &str,
        NoticeShape { kind, status, whose }: NoticeShape,
        said: &TitledText,
    ) -> Self {
        Self::new(
            kind,
            status,
            whose,
            &NoticeText {
                title: title.to_owned(),
                what: said.what.clone(),
                next: vec![said.next.clone()],
            },
        )
    }

    pub(in crate::flow) fn with(mut self, label: &str, href: &str) -> Self {
        self.action = Some(NoticeAction { label: label.to_owned(), href: href.to_owned() });
        self
    }

    /// Adds a further way to continue.
    pub(in crate::flow) fn or(mut self, label: &str, href: &str) -> Self {
        self.further.push(NoticeAction { label: label.to_owned(), href: href.to_owned() });
        self
    }

    pub(in crate::flow) fn with_remedy(mut self, reader: NoticeParty, text: &RemedyText) -> Self {
        self.remedy = Some(NoticeRemedy {
            reader,
            what: text.what.clone(),
            place: text.place.clone(),
            command: None,
        });
        self
    }

    /// Replaces `{name}` with a value in all texts so far.
    pub(in crate::flow) fn fill(mut self, name: &str, value: &str) -> Self {
        let place = format!("{{{name}}}");
        let remedy = self.remedy.as_mut().map(|it| [&mut it.what, &mut it.place]);
        let label = self.action.as_mut().map(|it| &mut it.label);
        for text in [&mut self.title, &mut self.what]
            .into_iter()
            .chain(&mut self.next)
            .chain(remedy.into_iter().flatten())
            .chain(label)
        {
            if text.contains(&place) {
                *text = text.replace(&place, value);
            }
        }
        self
    }

    pub(in crate::flow) fn detail(
        mut self,
        name: &'static str,
        member: &'static str,
        value: Option<&str>,
    ) -> Self {
        if let Some(value) = value {
            self.details.push(RefusalDetail { name, member, value: value.to_owned() });
        }
        self
    }

    /// Returns the response for a program.
    pub(super) fn as_problem(
        &self,
        sign_in_url: Option<String>,
        reference: &str,
    ) -> Response<Body> {
        let problem = ProblemDetails {
            r#type: "about:blank",
            title: &self.title,
            status: self.status.as_u16(),
            detail: &self.what,
            reference,
            whose: self.whose,
            next: &self.next,
            remedy: self.remedy.as_ref(),
            sign_in_url,
            details: self.details.iter().map(|it| (it.member, it.value.as_str())).collect(),
        };
        reply::problem(self.status, &problem)
    }

    /// Returns the response for a person.
    pub(super) fn as_page(
        &self,
        sidecar: &Sidecar,
        language: Language,
        reference: &str,
    ) -> Response<Body> {
        let page = Page::Notice(Notice {
            kind: self.kind,
            status: self.status.as_u16(),
            title: self.title.clone(),
            what: self.what.clone(),
            whose: self.whose,
            next: self.next.clone(),
            action: self.action.clone(),
            further: self.further.clone(),
            back: self.back.clone(),
            remedy: self.remedy.clone().map(Box::new),
            details: self.details.iter().map(|it| (it.name.to_owned(), it.value.clone())).collect(),
            reference: reference.to_owned(),
        });
        reply::page(self.status, sidecar.pages.render(&page, language), sidecar.pages.policy(&page))
    }
}
