//! The pages of an organization's admin once it is on: people, recent sign-ins, the history, the client secret.

use super::link::link;
use crate::base::calendar;
use minijinja::context;
use minijinja::value::Value;

/// What stands on every one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPage {
    /// The organization's name.
    pub organization: String,
    /// The path that all of them begin with.
    pub base: String,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminTab {
    /// The set-up itself.
    Setup,
    /// The people.
    People,
    /// Who signed in lately.
    SignIns,
    /// What was changed.
    History,
    /// The client secret.
    Credential,
}

/// The people of an organization, found by how they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeoplePage {
    /// What stands on every page.
    pub desk: AdminPage,
    /// What was asked for; empty where nothing was.
    pub asked: String,
    /// Those who were found.
    pub people: Vec<PersonRow>,
    /// Where there are more.
    pub next: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Display name, or the username where there is none.
    pub name: String,
    /// What the person types.
    pub username: String,
    /// The role.
    pub role: String,
    /// Whether the person may sign in.
    pub on: bool,
    /// When last signed in, seconds since 1970.
    pub last: Option<i64>,
    /// The page of the person.
    pub href: String,
}

/// One person, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonPage {
    /// What stands on every page.
    pub desk: AdminPage,
    /// As the form names the person.
    pub id: String,
    /// Who it is.
    pub listed: PersonRow,
    /// E-mail address.
    pub email: Option<String>,
    /// Where the role comes from: `default`, `hand` or `entra`.
    pub role_source: &'static str,
    /// When made, seconds since 1970.
    pub created: i64,
    /// The roles that whoever reads the page may give.
    pub roles: Vec<String>,
    /// How much whoever reads the page may do.
    pub may: PersonPermissions,
    /// What has just been done: `role`, `on`, `off` or `sign_out`.
    pub done: Option<&'static str>,
}

/// How much somebody may do to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonPermissions {
    /// Everything.
    Everything,
    /// Nothing: the person has a higher role.
    Above,
    /// Sign out: it is the reader.
    Yourself,
}

/// Sign-ins and refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInsPage {
    /// What stands on every page.
    pub desk: AdminPage,
    /// Whether only refusals are shown.
    pub refused_only: bool,
    /// The newest first.
    pub rows: Vec<SignInRow>,
    /// Where there are more.
    pub next: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRow {
    /// When, seconds since 1970.
    pub at: i64,
    /// Who, as far as known.
    pub name: String,
    /// The page of the person, where the directory knows.
    pub href: Option<String>,
    /// Why it was refused, where it was.
    pub refused: Option<RefusalReason>,
    /// Finds the line in the log.
    pub reference: String,
}

/// Why a sign-in was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// A word of ours, which the catalog has a sentence for.
    Word(&'static str),
    /// What Entra said.
    Entra(EntraErrorDetail),
}

/// What Entra said against a sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntraErrorDetail {
    /// Its code, or its error where there is none.
    pub code: String,
    /// What that means, in English.
    pub about: Option<String>,
    /// What an admin does about it and where, in English.
    pub mend: Option<String>,
    /// Microsoft's page about it.
    pub more: Option<String>,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// What stands on every page.
    pub desk: AdminPage,
    /// The newest first.
    pub rows: Vec<HistoryRow>,
    /// Where there are more.
    pub next: Option<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, seconds since 1970.
    pub at: i64,
    /// By whom.
    pub by: String,
    /// Of whom.
    pub username: Option<String>,
    /// What, in English.
    pub what: String,
}

/// The client secret, which is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialPage {
    /// What stands on every page.
    pub desk: AdminPage,
    /// Whether it stands in the configuration, which alone changes it.
    pub in_file: bool,
    /// What it is: `client-secret`, `certificate` or `federated`; nothing where that is not known.
    pub kind: Option<&'static str>,
    /// When it expires, seconds since 1970, and in how many days.
    pub ends: Option<(i64, i64)>,
    /// A new one that has not signed anybody in yet.
    pub waiting: Option<NewCredentialView>,
    /// Where to sign in again first.
    pub again: Option<String>,
    /// What is wrong with what was typed: `id`, `empty`, `date` or `past`.
    pub problem: Option<&'static str>,
    /// What has just been done: `waits`, `set` or `taken_back`.
    pub done: Option<&'static str>,
}

/// A new credential that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredentialView {
    /// What it is.
    pub kind: Option<&'static str>,
    /// Since when, seconds since 1970.
    pub since: i64,
    /// By whom.
    pub by: String,
    /// What Entra said against it.
    pub refused: Option<String>,
}

impl AdminPage {
    /// What the frame names.
    pub(super) fn context(&self, here: AdminTab) -> Value {
        let all = [
            (AdminTab::Setup, "setup", ""),
            (AdminTab::People, "people", "/people"),
            (AdminTab::SignIns, "sign_ins", "/sign_ins"),
            (AdminTab::History, "history", "/history"),
            (AdminTab::Credential, "credential", "/credential"),
        ];
        let tab = |(tab, name, path): (AdminTab, &'static str, &'static str)| {
            let href = format!("{}{path}", self.base);
            context! { name, href => link(&href), here => tab == here }
        };
        context! { organization => self.organization.as_str(), tabs => all.map(tab).to_vec() }
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl PersonRow {
    fn context(&self) -> Value {
        context! {
            name => self.name.as_str(),
            username => self.username.as_str(),
            role => self.role.as_str(),
            on => self.on,
            last => self.last.map(minute),
            href => link(&self.href),
        }
    }
}

impl PeoplePage {
    pub(super) fn context(&self) -> Value {
        let people: Vec<_> = self.people.iter().map(PersonRow::context).collect();
        let find = self.desk.path("/people");
        context! { desk => self.desk.context(AdminTab::People), asked => self.asked.as_str(), people, next => self.next.as_deref().and_then(link), find => link(&find) }
    }
}

impl PersonPage {
    pub(super) fn context(&self) -> Value {
        let path = self.desk.path("/people");
        let may = match self.may {
            PersonPermissions::Everything => "everything",
            PersonPermissions::Above => "above",
            PersonPermissions::Yourself => "yourself",
        };
        context! {
            desk => self.desk.context(AdminTab::People),
            id => self.id.as_str(),
            email => self.email.as_deref(),
            role_source => self.role_source,
            created => minute(self.created),
            roles => self.roles.clone(),
            may,
            done => self.done,
            back => link(&path),
            action => link(&path),
            ..self.listed.context()
        }
    }
}

impl SignInsPage {
    pub(super) fn context(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(SignInRow::context).collect();
        let other = self.desk.path(if self.refused_only { "/sign_ins" } else { "/sign_ins?refused=1" });
        let next = self.next.as_deref().and_then(link);
        context! { desk => self.desk.context(AdminTab::SignIns), refused_only => self.refused_only, rows, next, other => link(&other) }
    }
}

impl SignInRow {
    fn context(&self) -> Value {
        let (word, said) = match &self.refused {
            Some(RefusalReason::Word(word)) => (Some(*word), None),
            Some(RefusalReason::Entra(said)) => (None, Some(said)),
            None => (None, None),
        };
        context! {
            at => minute(self.at),
            name => self.name.as_str(),
            href => self.href.as_deref().and_then(link),
            refused => word.or(said.map(|it| it.code.as_str())),
            word,
            about => said.and_then(|it| it.about.as_deref()),
            mend => said.and_then(|it| it.mend.as_deref()),
            more => said.and_then(|it| link(it.more.as_deref()?)),
            reference => self.reference.as_str(),
        }
    }
}

impl HistoryPage {
    pub(super) fn context(&self) -> Value {
        let row = |it: &HistoryRow| context! { at => minute(it.at), by => it.by.as_str(), username => it.username.as_deref(), what => it.what.as_str() };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        context! { desk => self.desk.context(AdminTab::History), rows, next => self.next.as_deref().and_then(link) }
    }
}

impl CredentialPage {
    pub(super) fn context(&self) -> Value {
        let waiting =
            self.waiting.as_ref().map(|it| context! { kind => it.kind, since => minute(it.since), by => it.by.as_str(), refused => it.refused.as_deref() });
        let path = self.desk.path("/credential");
        context! {
            desk => self.desk.context(AdminTab::Credential),
            in_file => self.in_file,
            kind => self.kind,
            ends => self.ends.map(|it| day(it.0)),
            days => self.ends.map(|it| it.1),
            waiting,
            again => self.again.as_deref().and_then(link),
            problem => self.problem,
            done => self.done,
            action => link(&path),
        }
    }
}

/// `2026-01-09 02:02`, in UTC.
fn minute(seconds: i64) -> String {
    calendar::utc_minute(u64::try_from(seconds).unwrap_or_default())
}

/// `2026-01-09`, in UTC.
fn day(seconds: i64) -> String {
    calendar::utc_day(u64::try_from(seconds).unwrap_or_default())
}

/// Every word put in another's place; for whoever tries a template.
macro_rules! spoilt {
    ($($page:ident: |$it:ident, $word:ident, $link:ident| $change:block)*) => {$(
        impl $page {
            pub(super) fn spoilt(&self, $word: impl Fn() -> String, $link: impl Fn() -> String) -> Self {
                let mut $it = self.clone();
                $it.desk = AdminPage { organization: $word(), base: $link() };
                $change
                $it
            }
        }
    )*};
}

spoilt! {
    PeoplePage: |it, word, link| {
        (it.asked, it.next) = (word(), Some(link()));
        it.people.iter_mut().for_each(|it| it.make_hostile(&word, &link));
    }
    PersonPage: |it, word, link| {
        (it.id, it.email, it.roles) = (word(), Some(word()), vec![word()]);
        it.listed.make_hostile(&word, &link);
    }
    SignInsPage: |it, word, link| {
        it.next = Some(link());
        for row in &mut it.rows {
            (row.name, row.reference, row.href) = (word(), word(), Some(link()));
            if let Some(RefusalReason::Entra(said)) = &mut row.refused {
                *said = EntraErrorDetail { code: word(), about: Some(word()), mend: Some(word()), more: Some(link()) };
            }
        }
    }
    HistoryPage: |it, word, link| {
        it.next = Some(link());
        it.rows.iter_mut().for_each(|it| *it = HistoryRow { at: it.at, by: word(), username: Some(word()), what: word() });
    }
    CredentialPage: |it, word, link| {
        it.again = it.again.as_ref().map(|_| link());
        it.waiting = it.waiting.as_ref().map(|it| NewCredentialView { kind: it.kind, since: it.since, by: word(), refused: Some(word()) });
    }
}

impl PersonRow {
    fn make_hostile(&mut self, word: &impl Fn() -> String, link: &impl Fn() -> String) {
        (self.name, self.username, self.role, self.href) = (word(), word(), word(), link());
    }
}
