//! The page on which an organization's admin decides who an account is.

use super::admin::{AdminPage, AdminTab};
use super::link::link;
use crate::base::calendar;
use minijinja::context;
use minijinja::value::Value;

/// Accounts that wait for an approval, and people who may be the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestsPage {
    /// The shared content.
    pub admin: AdminPage,
    /// The accounts that wait, or that were denied or approved.
    pub requests: Vec<RequestRow>,
    /// People who may be the same person.
    pub merges: Vec<MergeRow>,
    /// Why the reader may not decide: `by_link` or `stale`.
    pub locked: Option<&'static str>,
    /// The address at which to sign in again first.
    pub again: String,
    /// Whether automatic linking is paused, because a set-up link led to another tenant.
    pub paused: bool,
    /// The action that has just been taken.
    pub done: Option<&'static str>,
}

/// An account that asks to sign in as a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// The ID that the form uses for the request.
    pub id: String,
    /// Identifies the request and the person as shown here.
    pub mark: String,
    /// The person's username.
    pub username: String,
    /// The person's role.
    pub role: String,
    /// The person's last sign-in, in seconds since 1970.
    pub last: Option<i64>,
    /// The account's display name.
    pub name: Option<String>,
    /// The account's user principal name or sign-in name.
    pub upn: Option<String>,
    /// The account's object ID.
    pub oid: String,
    /// Whether the account is a guest.
    pub guest: bool,
    /// The username that was typed.
    pub typed: Option<String>,
    /// The key of the reason.
    pub why: &'static str,
    /// Time of the request, in seconds since 1970.
    pub at: i64,
    /// The word for its state: `waiting`, `denied` or `approved`.
    pub state: &'static str,
    /// Until when an approval can be undone, in seconds since 1970.
    pub undo_until: Option<i64>,
    /// Whether the reader may decide: the person has no higher role.
    pub may: bool,
}

/// Two people who may be the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRow {
    /// ID and username of the person who was added beforehand.
    pub added: (String, String),
    /// The role that the merged person has.
    pub role: String,
    /// ID and username of the person who was created at the first sign-in.
    pub created: (String, String),
    /// The object ID of that person's account.
    pub oid: Option<String>,
    /// That person's e-mail address.
    pub email: Option<String>,
    /// Time of that person's first sign-in, in seconds since 1970.
    pub at: i64,
    /// Identifies the two people as shown here.
    pub mark: String,
    /// Whether the reader may merge them.
    pub may: bool,
}

impl RequestsPage {
    pub(super) fn context(&self) -> Value {
        let path = format!("{}/requests", self.admin.base);
        let people = format!("{}/people", self.admin.base);
        let requests: Vec<_> = self.requests.iter().map(RequestRow::context).collect();
        let merge = |it: &MergeRow| {
            context! {
                added => it.added.0.as_str(),
                added_name => it.added.1.as_str(),
                role => it.role.as_str(),
                created => it.created.0.as_str(),
                created_name => it.created.1.as_str(),
                oid => it.oid.as_deref(),
                email => it.email.as_deref(),
                at => minute(it.at),
                mark => it.mark.as_str(),
                may => it.may,
            }
        };
        let merges: Vec<_> = self.merges.iter().map(merge).collect();
        context! {
            admin => self.admin.context(AdminTab::People),
            requests,
            merges,
            locked => self.locked,
            again => link(&self.again),
            paused => self.paused,
            done => self.done,
            action => link(&path),
            back => link(&people),
        }
    }

    /// Replaces every text with another one, for tests of templates.
    pub(super) fn with_hostile_text(
        &self,
        word: impl Fn() -> String,
        link: impl Fn() -> String,
    ) -> Self {
        let mut page = self.clone();
        page.admin = AdminPage { organization: word(), base: link() };
        page.again = link();
        for it in &mut page.requests {
            (it.id, it.mark, it.username, it.role) = (word(), word(), word(), word());
            (it.name, it.upn, it.oid, it.typed) =
                (Some(word()), Some(word()), word(), Some(word()));
        }
        for it in &mut page.merges {
            (it.added, it.created) = ((word(), word()), (word(), word()));
            (it.role, it.mark) = (word(), word());
            (it.oid, it.email) = (Some(word()), Some(word()));
        }
        page
    }
}

fn minute(time: i64) -> String {
    calendar::utc_minute(u64::try_from(time).unwrap_or_default())
}

impl RequestRow {
    fn context(&self) -> Value {
        context! {
            id => self.id.as_str(),
            mark => self.mark.as_str(),
            username => self.username.as_str(),
            role => self.role.as_str(),
            last => self.last.map(minute),
            name => self.name.as_deref(),
            upn => self.upn.as_deref(),
            oid => self.oid.as_str(),
            guest => self.guest,
            typed => self.typed.as_deref(),
            why => self.why,
            at => minute(self.at),
            state => self.state,
            undo_until => self.undo_until.map(minute),
            may => self.may,
        }
    }
}
