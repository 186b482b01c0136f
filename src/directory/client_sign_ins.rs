//! Sign-ins on the app's own native clients: started with a code, and read while they last.
//!
//! Only digests of the codes and tokens are stored. A code can be used once within a minute, only
//! with the client, redirect URI and proof that it was issued for (RFC 7636). If it is used twice
//! or incorrectly, the sign-in ends (OAuth 2.1 section 4.1.3).

use super::client_sign_in::{ClientSignIn, NewClientSignIn};
use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::{Error, plain};
use super::refresh;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::base::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashSet;

/// Lifetime of a code, in seconds.
const NATIVE_CODE_LIFETIME_SECONDS: u64 = 60;
/// Maximum length of a redirect URI, in bytes.
const MAX_STORED_REDIRECT_URI_BYTES: usize = 2000;
/// Time after which ended rows are deleted, in seconds.
const ENDED_SIGN_IN_RETENTION_SECONDS: u64 = 30 * 86_400;

/// History text for a sign-in that ended to make room for a newer one.
pub const MORE_THAN_PER_PERSON: &str =
    "unused for the longest time of more sign-ins than session.per_person";

/// Why a code or a refresh token is rejected.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such code or token.
    #[error("there is no such code or token")]
    Unknown,
    /// A code that was already used, has expired, or was issued for another client, redirect URI or
    /// proof; its sign-in has ended.
    #[error("the code {0}")]
    Code(&'static str, Guid),
    /// A refresh token that was already used: it may have been stolen, so the sign-in has ended.
    #[error("the refresh token was used before")]
    Reused(Guid),
    /// It belongs to another client.
    #[error("the refresh token belongs to another client")]
    OtherClient,
    /// Expired, signed out, or the person or the organization is switched off.
    #[error("the sign-in has ended")]
    SignInEnded,
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

/// Result of a code or token that was accepted.
#[derive(Debug)]
pub struct AcceptedClientSignIn {
    /// The sign-in.
    pub sign_in: ClientSignIn,
    /// The next refresh token.
    pub refresh: Secret,
    /// Other sign-ins of the person that ended to make room for this one.
    pub ended: Vec<Guid>,
}

pub(super) const SELECT_SIGN_IN: &str = "SELECT id, client, redirect_uri, challenge, scope, person, organization, code_ends, code_used, salt, generation, token, previous, \
     rotated, seen, ends, ended, identity, entra_grant, answered FROM family";

impl Directory {
    /// Starts a sign-in on a client, and returns its authorization code.
    ///
    /// # Errors
    /// `NotPlain`, or the database cannot be changed.
    pub async fn start_sign_in(&self, new: NewClientSignIn<'_>) -> Result<Secret, Error> {
        plain("client", Some(new.client))?;
        plain("challenge", Some(new.challenge))?;
        plain("scope", new.scope)?;
        if new.redirect_uri.len() > MAX_STORED_REDIRECT_URI_BYTES {
            return Err(Error::NotPlain("redirect URI"));
        }
        let (id, now) = (self.new_id(), self.clock.now());
        let code = Secret::new(self.random.text::<32>());
        let refresh_token =
            new.refresh_token.map(|it| self.seals.seal_refresh_token(id, it)).transpose()?;
        let values: Vec<SqlValue> = vec![
            id.to_string().into(),
            new.client.into(),
            new.redirect_uri.into(),
            new.challenge.into(),
            new.scope.map(str::to_owned).into(),
            new.person.to_string().into(),
            new.organization.to_string().into(),
            digest_of(code.expose()).into(),
            now.saturating_add(NATIVE_CODE_LIFETIME_SECONDS).into(),
            self.random.text::<32>().into(),
            now.into(),
            new.lifetime.into(),
            self.seals.seal_identity(id, new.identity)?.into(),
            refresh_token.into(),
        ];
        let sql = "INSERT INTO family (id, client, redirect_uri, challenge, scope, person, organization, code, code_ends, salt, generation, made, seen, ends, \
                   lifetime, identity, entra_grant, answered, asking) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $9, $12, $13, $14, $11, 0)";
        let mut changes = self.database.begin_transaction().await?;
        changes.run(sql, values).await?;
        if self.is_cleanup_due(64) {
            let old = now.saturating_sub(ENDED_SIGN_IN_RETENTION_SECONDS);
            changes.run("DELETE FROM family WHERE ends < $1", vec![old.into()]).await?;
        }
        changes.commit().await?;
        Ok(code)
    }

    /// Redeems a code. If it is redeemed twice at the same time, the sign-in ends. Afterwards the
    /// person has at most `max_per_person` live sign-ins: those that were unused for the longest time end.
    ///
    /// # Errors
    /// Why the code is rejected; its sign-in has ended then.
    pub async fn redeem_code(
        &self,
        code: &Secret,
        client: &str,
        redirect_uri: Option<&str>,
        verifier: &str,
        max_per_person: usize,
    ) -> Result<AcceptedClientSignIn, RedeemError> {
        let (digest, now) = (digest_of(code.expose()), self.clock.now());
        // Reads first, so that guesses do not block writers.
        let known = self
            .database
            .row("SELECT organization FROM family WHERE code = $1", vec![digest.as_str().into()])
            .await?
            .ok_or(RedeemError::Unknown)?;
        let mut changes = self.database.begin_transaction().await?;
        // Serializes new sign-ins of the same person, so that the count is correct.
        changes.lock(guid(&known, "organization")?).await?;
        let sql = "UPDATE family SET code_used = $2, seen = $2, ends = made + lifetime WHERE code = $1 AND code_used IS NULL AND ended IS NULL";
        let first = changes.run(sql, vec![digest.as_str().into(), now.into()]).await? == 1;
        let row = changes
            .row(
                sqlx::AssertSqlSafe(format!("{SELECT_SIGN_IN} WHERE code = $1")),
                vec![digest.into()],
            )
            .await?
            .ok_or(RedeemError::Unknown)?;
        let wrong = match () {
            () if !first => Some("was used already"),
            () if now >= time(&row, "code_ends")? => Some("is too old"),
            () if row.text("client")? != client => Some("is another client's"),
            () if redirect_uri
                .is_some_and(|it| row.text("redirect_uri").is_ok_and(|kept| kept != it)) =>
            {
                Some("was made for another redirect URI")
            }
            () if !is_proof(verifier, &row.text("challenge")?) => {
                Some("comes without the proof that it was made for (PKCE)")
            }
            () => None,
        };
        if let Some(wrong) = wrong {
            self.end(&mut changes, &row, &format!("the code {wrong}")).await?;
            changes.commit().await?;
            return Err(RedeemError::Code(wrong, id_of(&row)?));
        }
        let (id, salt) = (id_of(&row)?, row.text("salt")?);
        let refresh = refresh::first(&self.seals, id, &salt).ok_or(Error::NotSealed)?;
        let values = vec![id.to_string().into(), digest_of(refresh.expose()).into()];
        changes.run("UPDATE family SET generation = 1, token = $2 WHERE id = $1", values).await?;
        let ended = self.make_room(&mut changes, &row, max_per_person).await?;
        changes.commit().await?;
        let client_sign_in = self.live(&row).await?.ok_or(RedeemError::SignInEnded)?;
        Ok(AcceptedClientSignIn { sign_in: client_sign_in, refresh, ended })
    }

    /// Ends the person's other sign-ins that exceed the limit.
    async fn make_room(
        &self,
        changes: &mut Transaction,
        newest: &DatabaseRow,
        max_per_person: usize,
    ) -> Result<Vec<Guid>, Error> {
        let sql = format!(
            "{SELECT_SIGN_IN} WHERE person = $1 AND id <> $2 AND code_used IS NOT NULL AND ended IS NULL AND ends > $3 ORDER BY seen, id"
        );
        let values =
            vec![newest.text("person")?.into(), newest.text("id")?.into(), self.clock.now().into()];
        let others = changes.rows(sqlx::AssertSqlSafe(sql), values).await?;
        let too_many = (others.len() + 1).saturating_sub(max_per_person.max(1));
        let mut out = Vec::with_capacity(too_many);
        for row in others.iter().take(too_many) {
            self.end(changes, row, MORE_THAN_PER_PERSON).await?;
            out.push(id_of(row)?);
        }
        Ok(out)
    }

    /// Reads a valid sign-in when a process sees its first access token.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sign_in(&self, id: Guid) -> Result<Option<ClientSignIn>, Error> {
        let sql = format!("{SELECT_SIGN_IN} WHERE id = $1 AND code_used IS NOT NULL");
        match self.database.row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()]).await? {
            Some(row) => self.live(&row).await,
            None => Ok(None),
        }
    }

    /// Returns the valid ones among these sign-ins, according to their own rows.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn live_sign_ins(&self, ids: &[Guid]) -> Result<HashSet<Guid>, Error> {
        let mut out = HashSet::with_capacity(ids.len());
        for some in ids.chunks(500) {
            let places =
                (2..some.len() + 2).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
            let values = [self.clock.now().into()]
                .into_iter()
                .chain(some.iter().map(|it| it.to_string().into()))
                .collect();
            let sql = format!(
                "SELECT id FROM family WHERE ended IS NULL AND ends > $1 AND id IN ({places})"
            );
            for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
                out.insert(id_of(&row)?);
            }
        }
        Ok(out)
    }

    /// Reads a row, if the sign-in has not ended, the person and the organization are on, and the
    /// person is still linked to the same account at Entra.
    pub(super) async fn live(&self, row: &DatabaseRow) -> Result<Option<ClientSignIn>, Error> {
        let (id, person) = (id_of(row)?, guid(row, "person")?);
        if row.maybe_number("ended")?.is_some() || self.clock.now() >= time(row, "ends")? {
            return Ok(None);
        }
        let Some(standing) = self.person_status(person).await?.filter(|it| it.on) else {
            return Ok(None);
        };
        // A secret that was removed too early can be restored, so the sign-in does not end.
        let mut identity =
            self.seals.open_identity(id, &row.text("identity")?).ok_or(Error::UnopenedSignIn)?;
        let Some(known) = self.person_by_id(person).await? else { return Ok(None) };
        let organization = guid(row, "organization")?;
        if known.linked != Some((identity.tid, identity.oid)) || known.organization != organization
        {
            return Ok(None);
        }
        let member = DirectoryMember {
            person,
            role: standing.role.into(),
            organization,
            code: standing.code.as_str().into(),
        };
        identity.member = Some(std::sync::Arc::new(member));
        let refresh_token =
            row.maybe_text("entra_grant")?.and_then(|it| self.seals.open_refresh_token(id, &it));
        Ok(Some(ClientSignIn::new(
            id,
            row.text("client")?,
            row.maybe_text("scope")?,
            time(row, "ends")?,
            time(row, "answered")?,
            refresh_token,
            identity,
        )))
    }
}

/// Whether the challenge was made from this verifier with S256 (RFC 7636 4.6).
fn is_proof(verifier: &str, challenge: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~');
    let fits = (43..=128).contains(&verifier.len()) && verifier.bytes().all(plain);
    fits && verify_slices_are_equal(digest_of(verifier).as_bytes(), challenge.as_bytes()).is_ok()
}

pub(super) fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

pub(super) fn time(row: &DatabaseRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.number(column)?).unwrap_or_default())
}

pub(super) fn id_of(row: &DatabaseRow) -> Result<Guid, Error> {
    guid(row, "id")
}

pub(super) fn guid(row: &DatabaseRow, column: &str) -> Result<Guid, Error> {
    Guid::parse(&row.text(column)?)
        .ok_or_else(|| Error::Database("contains an invalid native client sign-in".to_owned()))
}
