//! Updates a person with Entra's current data at each sign-in.

use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::organization::Organization;
use super::person::{Person, RoleSource};
use super::store::Directory;
use crate::base::identity::Identity;
use crate::base::typed;

/// Maximum length of a stored name, in characters.
const MAX_PERSON_NAME_CHARS: usize = 200;

/// What Entra says about a person.
#[derive(Debug)]
struct EntraData {
    name: Option<String>,
    email: Option<String>,
    role: String,
    role_source: RoleSource,
}

impl EntraData {
    /// The person with this data; what is missing stays.
    fn of(self, person: Person, now: u64) -> Person {
        Person {
            name: self.name.or(person.name),
            email: self.email.or(person.email),
            role: self.role,
            role_source: self.role_source,
            last_sign_in: i64::try_from(now).ok(),
            ..person
        }
    }
}

impl Directory {
    /// Updates a person with Entra's current data: names, the role, and the time.
    pub(super) async fn renew(
        &self,
        changes: &mut Transaction,
        person: Person,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Person, Error> {
        let data = self.entra_data(changes, &person, who, organization).await?;
        let now = self.clock.now();
        let values: Vec<SqlValue> = vec![
            person.id.to_string().into(),
            data.name.clone().into(),
            data.email.clone().into(),
            data.role.as_str().into(),
            data.role_source.as_str().into(),
            now.into(),
        ];
        let sql = "UPDATE person SET name = COALESCE($2, name), email = COALESCE($3, email), role = $4, role_source = $5, last_sign_in = $6 WHERE id = $1";
        changes.run(sql, values).await?;
        if data.role != person.role {
            let what =
                format!("{}: role {} became {}, by Entra", person.username, person.role, data.role);
            self.audit(changes, "sign-in", Some(organization.id), Some(person.id), &what).await?;
        }
        Ok(data.of(person, now))
    }

    /// Returns a person as of after a sign-in; reads only.
    pub(super) async fn renewed(
        &self,
        rows: &mut Transaction,
        person: Person,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Person, Error> {
        let data = self.entra_data(rows, &person, who, organization).await?;
        Ok(data.of(person, self.clock.now()))
    }

    async fn entra_data(
        &self,
        rows: &mut Transaction,
        person: &Person,
        who: &Identity,
        organization: &Organization,
    ) -> Result<EntraData, Error> {
        let (role, role_source) = self.role_now(person, who, organization);
        let name: Option<String> = who.name.as_deref().map(|it| {
            it.chars().filter(|it| !it.is_control()).take(MAX_PERSON_NAME_CHARS).collect()
        });
        let mut email = who.email.as_deref().map(typed::stored_address);
        if let Some(address) = &email
            && !self.may_own_address(rows, address, organization).await?
        {
            email = None;
        }
        Ok(EntraData { name, email, role, role_source })
    }

    /// A role that was set manually stays. If Entra provides several, the first one in
    /// `[directory] roles` applies.
    fn role_now(
        &self,
        person: &Person,
        who: &Identity,
        organization: &Organization,
    ) -> (String, RoleSource) {
        if person.role_source == RoleSource::Manual {
            return (person.role.clone(), RoleSource::Manual);
        }
        let holds = |role: &&String| {
            self.config
                .role_map
                .iter()
                .any(|(theirs, ours)| ours == *role && who.roles.contains(theirs))
        };
        match self.config.roles.iter().find(holds) {
            Some(role) => (role.clone(), RoleSource::Entra),
            None if person.role_source == RoleSource::Entra => {
                (organization.default_role.clone(), RoleSource::Default)
            }
            None => (person.role.clone(), person.role_source),
        }
    }
}
