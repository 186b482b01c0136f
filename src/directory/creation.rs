//! Creates a person at the first sign-in, with a free username.

use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::organization::Organization;
use super::people::insert;
use super::person::{Person, RoleSource, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::identity::Identity;
use crate::base::username::Username;

impl Directory {
    /// Creates a person with the first free username. Returns `None` if the same person was created
    /// in the meantime.
    pub(super) async fn make(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Option<Person>, Error> {
        for username in self.usernames(changes, who, organization).await? {
            let id = self.new_id();
            let values: Vec<SqlValue> = vec![
                id.to_string().into(),
                organization.id.to_string().into(),
                username.as_str().into(),
                SqlValue::Text(None),
                SqlValue::Text(None),
                organization.default_role.as_str().into(),
                RoleSource::Default.as_str().into(),
                who.tid.to_string().into(),
                who.oid.to_string().into(),
                self.clock.now().into(),
                SqlValue::Number(None),
            ];
            if insert(changes, values).await? == 1 {
                self.audit(
                    changes,
                    "first sign-in",
                    Some(organization.id),
                    Some(id),
                    &format!("{username} made"),
                )
                .await?;
                let sql = format!("{SELECT_PERSON} WHERE p.id = $1");
                return changes
                    .row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()])
                    .await?
                    .map(|it| of_row(&it))
                    .transpose();
            }
            if self.linked(changes, who, organization).await?.is_some() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Returns the person whom `make` would create now; reads only.
    pub(super) async fn person_to_make(
        &self,
        rows: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Person, Error> {
        for username in self.usernames(rows, who, organization).await? {
            let sql = "SELECT id FROM person WHERE username = $1";
            if rows.row(sql, vec![username.as_str().into()]).await?.is_some() {
                continue;
            }
            return Ok(Person {
                id: self.new_id(),
                organization: organization.id,
                code: organization.code.clone(),
                username,
                name: None,
                email: None,
                role: organization.default_role.clone(),
                role_source: RoleSource::Default,
                on: true,
                linked: Some((who.tid, who.oid)),
                former: None,
                was_linked: true,
                created: i64::try_from(self.clock.now()).unwrap_or(i64::MAX),
                last_sign_in: None,
            });
        }
        Err(Error::Conflict)
    }

    /// Returns the usernames to try, in order; it excludes domains of other organizations and all
    /// company codes.
    async fn usernames(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Vec<Username>, Error> {
        let mut out = Vec::new();
        for text in
            [who.preferred_username.as_deref(), who.email.as_deref().filter(|_| who.email_verified)]
                .into_iter()
                .flatten()
        {
            let Some(username) = Username::parse(text) else { continue };
            match self.check_name(changes, organization.id, &username, None).await {
                Ok(()) => out.push(username),
                Err(Error::DomainElsewhere(_) | Error::UsernameIsCode(_)) => {}
                Err(other) => return Err(other),
            }
        }
        let local = who.preferred_username.as_deref().and_then(Username::parse);
        let local: String =
            local.as_ref().map_or("person", Username::local).chars().take(40).collect();
        let random: [u8; 6] = self.random.bytes();
        let random: String = random.iter().map(|it| format!("{it:02x}")).collect();
        let made = [
            format!("{local}.{}", organization.code),
            format!("{local}.{}.{random}", organization.code),
            format!("person.{random}"),
        ];
        out.extend(made.iter().filter_map(|it| Username::parse(it)));
        Ok(out)
    }
}
