//! Finds people, and creates and changes them manually.

use super::change::{NewPerson, PersonChange};
use super::database::{SqlValue, Transaction};
use super::error::{Error, plain};
use super::organization::Organization;
use super::person::{Person, PersonStatus, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::typed;
use crate::base::username::{Username, domain_of};
use std::collections::HashMap;

/// Maximum number of people in a query: every build of SQLite allows this many placeholders.
pub(super) const MAX_PEOPLE_PER_QUERY: usize = 500;

/// A query for people.
#[derive(Clone, Debug, Default)]
pub struct PeopleQuery {
    /// Only people of this organization.
    pub organization: Option<Guid>,
    /// Prefix of the username, name or e-mail; case-insensitive for username and e-mail.
    pub prefix: Option<String>,
    /// Only people whose username comes after this one, for the next page.
    pub after: Option<Username>,
    /// Maximum number of people.
    pub limit: u32,
}

impl Directory {
    /// Returns the person with a username. A name that stays in an earlier form is found as it is
    /// stored, and everyone else as a typed name is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn person(&self, username: &Username) -> Result<Option<Person>, Error> {
        if let Some(person) = self.person_exactly(username).await? {
            return Ok(Some(person));
        }
        match Username::parse(username.as_str()).filter(|it| it != username) {
            Some(folded) => self.person_exactly(&folded).await,
            None => Ok(None),
        }
    }

    async fn person_exactly(&self, username: &Username) -> Result<Option<Person>, Error> {
        let sql = format!("{SELECT_PERSON} WHERE p.username = $1");
        self.database
            .row(sqlx::AssertSqlSafe(sql), vec![username.as_str().into()])
            .await?
            .map(|it| of_row(&it))
            .transpose()
    }

    /// Returns the person with an ID.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn person_by_id(&self, id: Guid) -> Result<Option<Person>, Error> {
        let sql = format!("{SELECT_PERSON} WHERE p.id = $1");
        self.database
            .row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()])
            .await?
            .map(|it| of_row(&it))
            .transpose()
    }

    /// Returns the people with these IDs; people who no longer exist are omitted.
    pub(super) async fn people_by_id(&self, ids: &[Guid]) -> Result<HashMap<Guid, Person>, Error> {
        let mut out = HashMap::with_capacity(ids.len());
        for some in ids.chunks(MAX_PEOPLE_PER_QUERY) {
            let places = (1..=some.len()).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
            let sql = format!("{SELECT_PERSON} WHERE p.id IN ({places})");
            let values = some.iter().map(|it| it.to_string().into()).collect();
            for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
                let person = of_row(&row)?;
                out.insert(person.id, person);
            }
        }
        Ok(out)
    }

    /// Returns people, sorted by username.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn people(&self, asked: &PeopleQuery) -> Result<Vec<Person>, Error> {
        let mut sql = format!("{SELECT_PERSON} WHERE p.username > $1");
        let mut values: Vec<SqlValue> = vec![
            asked.after.as_ref().map_or("", Username::as_str).into(),
            i64::from(asked.limit).into(),
        ];
        if let Some(organization) = asked.organization {
            values.push(organization.to_string().into());
            sql.push_str(&format!(" AND p.organization = ${}", values.len()));
        }
        if let Some(begins) = &asked.prefix {
            values.push(like(&begins.to_lowercase()).into());
            let folded = values.len();
            values.push(like(begins).into());
            sql.push_str(&format!(
                " AND (p.username LIKE ${folded} ESCAPE '\\' OR p.email LIKE ${folded} ESCAPE '\\' OR p.name LIKE ${} ESCAPE '\\')",
                values.len()
            ));
        }
        sql.push_str(" ORDER BY p.username LIMIT $2");
        self.database.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(of_row).collect()
    }

    /// Returns the number of people in an organization.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count(&self, organization: Guid) -> Result<i64, Error> {
        let row = self
            .database
            .row(
                "SELECT COUNT(*) AS count FROM person WHERE organization = $1",
                vec![organization.to_string().into()],
            )
            .await?;
        row.map_or(Ok(0), |it| it.number("count"))
    }

    /// Returns the current status of a person for a recheck; `None` if the person no longer exists.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn person_status(&self, person: Guid) -> Result<Option<PersonStatus>, Error> {
        let Some(person) = self.person_by_id(person).await? else { return Ok(None) };
        let Some(organization) = self.organization_by_id(person.organization).await? else {
            return Ok(None);
        };
        let on = person.on && organization.state == super::organization::OrganizationState::On;
        Ok(Some(PersonStatus {
            role: person.role,
            code: organization.code,
            on,
            linked: person.linked,
        }))
    }

    /// Adds a person who has not signed in yet; `by` is the actor for the history.
    ///
    /// # Errors
    /// `NoOrganization`, `UsernameTaken`, `UsernameIsCode`, `DomainElsewhere`, `NoRole`,
    /// `NotPlain`.
    pub async fn add_person(
        &self,
        code: &CompanyCode,
        new: &NewPerson,
        by: &str,
    ) -> Result<Person, Error> {
        let organization =
            self.organization(code).await?.ok_or_else(|| Error::NoOrganization(code.clone()))?;
        plain("name", new.name.as_deref())?;
        plain("email", new.email.as_deref())?;
        if let Some(role) = &new.role {
            self.role(role)?;
        }
        let email = new.email.as_deref().map(typed::stored_address);
        let mut changes = self.database.begin_transaction().await?;
        self.check_name(&mut changes, organization.id, &new.username, email.as_deref()).await?;
        let id = self.new_id();
        let made = self.row_of(id, &organization, new);
        if insert(&mut changes, made).await? == 0 {
            return Err(Error::UsernameTaken(new.username.clone()));
        }
        self.audit(
            &mut changes,
            by,
            Some(organization.id),
            Some(id),
            &format!("{} made by hand", new.username),
        )
        .await?;
        changes.commit().await?;
        self.person_by_id(id).await?.ok_or_else(|| Error::NoPerson(new.username.clone()))
    }

    /// Changes a person; `by` is the actor for the history.
    ///
    /// # Errors
    /// `NoPerson`, `UsernameTaken`, `UsernameIsCode`, `DomainElsewhere`, `NoRole`, `NotPlain`.
    pub async fn change_person(
        &self,
        username: &Username,
        change: PersonChange,
        by: &str,
    ) -> Result<Person, Error> {
        change.role.as_deref().map_or(Ok(()), |it| self.role(it))?;
        for (what, text) in [("name", &change.name), ("email", &change.email)] {
            plain(what, text.as_deref())?;
        }
        let before =
            self.person(username).await?.ok_or_else(|| Error::NoPerson(username.clone()))?;
        let description = change.description();
        if description.is_empty() {
            return Ok(before);
        }
        let email = change.email.as_deref().map(typed::stored_address);
        let after = change.username.clone().unwrap_or_else(|| before.username.clone());
        let mut changes = self.database.begin_transaction().await?;
        self.check_name(&mut changes, before.organization, &after, email.as_deref()).await?;
        let default = self
            .organization_by_id(before.organization)
            .await?
            .map(|it| it.default_role)
            .filter(|_| change.role_by_entra);
        let role_source =
            if default.is_some() { Some("default") } else { change.role.as_ref().map(|_| "hand") };
        let values: Vec<SqlValue> = vec![
            before.id.to_string().into(),
            after.as_str().into(),
            change.name.clone().into(),
            email.into(),
            default.or_else(|| change.role.clone()).into(),
            role_source.map(str::to_owned).into(),
            change.on.map(|it| if it { "on" } else { "off" }.to_owned()).into(),
            i64::from(change.unlink).into(),
        ];
        let sql = "UPDATE person SET username = $2, name = COALESCE($3, name), email = COALESCE($4, email), role = COALESCE($5, role), \
                   role_source = COALESCE($6, role_source), state = COALESCE($7, state), former_tid = CASE WHEN $8 = 1 THEN COALESCE(tid, former_tid) ELSE former_tid END, \
                   former_oid = CASE WHEN $8 = 1 THEN COALESCE(oid, former_oid) ELSE former_oid END, \
                   tid = CASE WHEN $8 = 1 THEN NULL ELSE tid END, oid = CASE WHEN $8 = 1 THEN NULL ELSE oid END WHERE id = $1";
        match changes.run(sql, values).await {
            Err(Error::Conflict) => return Err(Error::UsernameTaken(after)),
            other => other?,
        };
        if let Some(oid) = change.link {
            self.link_account(&mut changes, &before, oid, change.unlink).await?;
        }
        if change.on == Some(false) || change.unlink {
            self.end_sign_ins_of_person(&mut changes, before.id, &description).await?;
        }
        let what = format!("{}: {description}", before.username);
        let organization = Some(before.organization);
        self.audit(&mut changes, by, organization, Some(before.id), &what).await?;
        changes.commit().await?;
        self.person_by_id(before.id).await?.ok_or(Error::NoPerson(before.username))
    }

    /// Links the account with an object ID, because the operator knows it.
    async fn link_account(
        &self,
        changes: &mut Transaction,
        before: &Person,
        oid: Guid,
        unlinks: bool,
    ) -> Result<(), Error> {
        if before.linked.is_some() && !unlinks {
            return Err(Error::AlreadyLinked(before.username.clone()));
        }
        let organization = self.locked(changes, before.organization).await?;
        let tenant =
            organization.tenant.ok_or(Error::Incomplete(organization.code, "a tenant ID"))?;
        let values =
            vec![before.id.to_string().into(), tenant.to_string().into(), oid.to_string().into()];
        let sql = "UPDATE person SET tid = $2, oid = $3 WHERE id = $1 AND oid IS NULL";
        match changes.run(sql, values).await {
            Err(Error::Conflict) => return Err(Error::AccountTaken(oid)),
            // Somebody else linked the person first.
            Ok(0) => return Err(Error::Conflict),
            other => other?,
        };
        self.readmit(changes, organization.id, (tenant, oid)).await?;
        self.close_possible_merges(changes, before.id).await?;
        self.close_requests(changes, before.id, (tenant, oid)).await
    }

    /// Checks that a person of this organization may have this username and this e-mail address.
    pub(super) async fn check_name(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        username: &Username,
        email: Option<&str>,
    ) -> Result<(), Error> {
        for address in std::iter::once(username.as_str()).chain(email) {
            self.check_address(changes, organization, address).await?;
        }
        let sql =
            "SELECT code FROM organization_code WHERE code = $1 AND (ends IS NULL OR ends > $2)";
        let is_code =
            changes.row(sql, vec![username.as_str().into(), self.clock.now().into()]).await?;
        if is_code.is_some() { Err(Error::UsernameIsCode(username.clone())) } else { Ok(()) }
    }

    /// Checks that an address is not at a domain of another organization.
    pub(super) async fn check_address(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        address: &str,
    ) -> Result<(), Error> {
        let Some(domain) = domain_of(address) else { return Ok(()) };
        let sql = "SELECT organization FROM organization_domain WHERE domain = $1";
        let owner = changes.row(sql, vec![domain.into()]).await?;
        let owner = owner.map(|it| it.text("organization")).transpose()?;
        if owner.is_some_and(|it| it != organization.to_string()) {
            return Err(Error::DomainElsewhere(domain.to_owned()));
        }
        Ok(())
    }

    /// Returns the columns of a manually added person, in the order of `INSERT`.
    pub(super) fn row_of(
        &self,
        id: Guid,
        organization: &Organization,
        new: &NewPerson,
    ) -> Vec<SqlValue> {
        let source = if new.role.is_some() { "hand" } else { "default" };
        vec![
            id.to_string().into(),
            organization.id.to_string().into(),
            new.username.as_str().into(),
            new.name.clone().into(),
            new.email.as_deref().map(typed::stored_address).into(),
            new.role.clone().unwrap_or_else(|| organization.default_role.clone()).into(),
            source.into(),
            SqlValue::Text(None),
            SqlValue::Text(None),
            self.clock.now().into(),
            SqlValue::Number(None),
        ]
    }
}

/// The columns that `insert` fills.
pub(super) const INSERT: &str = "INSERT INTO person (id, organization, username, name, email, role, role_source, tid, oid, created, last_sign_in, state) VALUES";

/// Number of placeholders per row; the state is always on.
pub(super) const MAX_CHANGED_COLUMNS: usize = 11;

/// Inserts a person unless the username or the link belongs to another person; returns the number
/// of inserted rows.
pub(super) async fn insert(changes: &mut Transaction, values: Vec<SqlValue>) -> Result<u64, Error> {
    let sql = format!(
        "{INSERT} ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'on') ON CONFLICT DO NOTHING"
    );
    changes.run(sqlx::AssertSqlSafe(sql), values).await
}

/// Returns a prefix pattern for `LIKE ... ESCAPE '\'`.
fn like(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for it in text.chars() {
        if matches!(it, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(it);
    }
    out.push('%');
    out
}
