//! People who may be the same person: their names or addresses look alike.
//!
//! A likeness proves nothing: it never links, and is only shown to the people who decide.

use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Maximum number of people who look alike.
const MAX_ALIKE: u32 = 5;
/// Maximum number of forms that are compared.
const MAX_FORMS: usize = 8;
/// Minimum length of a form, in characters: shorter ones are alike by chance.
const MIN_FORM_CHARS: usize = 3;

/// The forms of a person's names and addresses that are compared: letters and digits only, in lower
/// case.
#[derive(Debug, Default)]
pub(super) struct Likeness(BTreeSet<String>);

impl Likeness {
    /// The forms of an account. The typed username is not one of them: anyone can type a name that
    /// looks like somebody else's.
    pub(super) fn of_account(who: &Identity) -> Self {
        let mut forms = Self::default();
        for address in [&who.member_upn, &who.preferred_username, &who.email].into_iter().flatten()
        {
            forms.address(address);
        }
        forms.name(who.name.as_deref());
        forms
    }

    /// The forms of a person. A username that was made at a first sign-in ends with the company
    /// code.
    pub(super) fn of_person(person: &Person) -> Self {
        let mut forms = Self::default();
        let username = person.username.as_str();
        forms.address(username);
        if let Some(local) = username.strip_suffix(&format!(".{}", person.code)) {
            forms.address(local);
        }
        if let Some(email) = &person.email {
            forms.address(email);
        }
        let made: Vec<String> =
            forms.0.iter().map(|it| format!("{it}{}", plain(person.code.as_str()))).collect();
        for it in &made {
            forms.put(it);
        }
        forms.name(person.name.as_deref());
        forms
    }

    fn address(&mut self, address: &str) {
        let local = address.rsplit_once('@').map_or(address, |it| it.0);
        self.put(&plain(local.split('+').next().unwrap_or_default()));
    }

    /// `Maya Okafor` is like `maya.okafor` and `okafor.maya`.
    fn name(&mut self, name: Option<&str>) {
        let words: Vec<String> = name.unwrap_or_default().split_whitespace().map(plain).collect();
        if words.len() > 1 {
            self.put(&words.concat());
            self.put(&words.iter().rev().map(String::as_str).collect::<String>());
        }
    }

    fn put(&mut self, form: &str) {
        if form.chars().count() >= MIN_FORM_CHARS && self.0.len() < MAX_FORMS {
            self.0.insert(form.to_owned());
        }
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Which people are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Those without a link.
    Unlinked,
    /// All but this one.
    AllBut(Guid),
}

impl Directory {
    /// Returns the people of an organization who look alike.
    pub(super) async fn alike(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        forms: &Likeness,
        compared: Compared,
    ) -> Result<Vec<Person>, Error> {
        let Some((sql, values)) = query(organization, forms, compared) else {
            return Ok(Vec::new());
        };
        changes.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(of_row).collect()
    }

    /// Returns the people of the same organization who may be the same person: those who look
    /// alike, and those whose first sign-in looked like this person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn twins(&self, person: &Person) -> Result<Vec<Person>, Error> {
        let sql = format!(
            "{SELECT_PERSON} JOIN possible_merge m ON (m.person = $1 AND m.created_person = p.id) OR (m.created_person = $1 AND m.person = p.id) ORDER BY p.username LIMIT {MAX_ALIKE}"
        );
        let values = vec![person.id.to_string().into()];
        let mut all: Vec<Person> = self
            .database
            .rows(sqlx::AssertSqlSafe(sql), values)
            .await?
            .iter()
            .map(of_row)
            .collect::<Result<_, _>>()?;
        let forms = Likeness::of_person(person);
        if let Some((sql, values)) = query(person.organization, &forms, Compared::AllBut(person.id))
        {
            for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
                let other = of_row(&row)?;
                // Two people with accounts of their own are two people.
                let both_linked = person.linked.is_some() && other.linked.is_some();
                if !both_linked && !all.iter().any(|it| it.id == other.id) {
                    all.push(other);
                }
            }
        }
        Ok(all)
    }

    /// Notes that a person who was created at the first sign-in looks like these.
    pub(super) async fn note_possible_merges(
        &self,
        changes: &mut Transaction,
        created: &Person,
        alike: &[Person],
    ) -> Result<(), Error> {
        for other in alike {
            let values: Vec<SqlValue> = vec![
                created.organization.to_string().into(),
                other.id.to_string().into(),
                created.id.to_string().into(),
                self.clock.now().into(),
            ];
            let sql = "INSERT INTO possible_merge (organization, person, created_person, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            changes.run(sql, values).await?;
        }
        if !alike.is_empty() {
            // Without the names of the others, whose deletion would not find them here.
            let what = format!(
                "{} created, and looks like a person who was added beforehand",
                created.username
            );
            let by = "first sign-in";
            self.audit(changes, by, Some(created.organization), Some(created.id), &what).await?;
        }
        Ok(())
    }
}

/// Builds the query for people who look alike; `None` if there is nothing to compare. Forms contain
/// letters and digits only, so none is a wildcard of LIKE.
fn query(
    organization: Guid,
    forms: &Likeness,
    compared: Compared,
) -> Option<(String, Vec<SqlValue>)> {
    if forms.0.is_empty() {
        return None;
    }
    let mut values: Vec<SqlValue> = vec![organization.to_string().into()];
    let mut sql = format!("{SELECT_PERSON} WHERE p.organization = $1");
    match compared {
        Compared::Unlinked => sql.push_str(" AND p.oid IS NULL"),
        Compared::AllBut(person) => {
            values.push(person.to_string().into());
            sql.push_str(" AND p.id <> $2");
        }
    }
    let (username, email, name) = (bare("p.username"), bare("p.email"), bare("LOWER(p.name)"));
    let mut any = Vec::new();
    for form in &forms.0 {
        values.push(form.as_str().into());
        let exact = values.len();
        values.push(format!("{form}@%").into());
        let address = values.len();
        values.push(format!("{form}+%").into());
        let tagged = values.len();
        let mut one = format!("{username} = ${exact} OR {username} LIKE ${address}");
        let _ = write!(
            one,
            " OR {email} LIKE ${address} OR {email} LIKE ${tagged} OR {name} = ${exact}"
        );
        any.push(one);
    }
    let _ = write!(sql, " AND ({}) ORDER BY p.username LIMIT {MAX_ALIKE}", any.join(" OR "));
    Some((sql, values))
}

/// Removes the signs in names from a column.
fn bare(column: &str) -> String {
    [".", "_", "-", "''", " "]
        .into_iter()
        .fold(column.to_owned(), |sql, sign| format!("REPLACE({sql}, '{sign}', '')"))
}
