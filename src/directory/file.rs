//! Organizations from the configuration: their people need a row in the database to belong to.

use super::database::{Database, SqlValue, Transaction};
use super::error::Error;
use super::organization::first_sign_in_as_str;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config::directory::OrganizationConfig;
use std::collections::HashMap;

/// Overwrites the rows with the current configuration; returns the credentials, which are not
/// stored in the database.
pub(super) async fn take_over(
    database: &Database,
    all: &[OrganizationConfig],
    now: u64,
    random: &RandomSource,
) -> Result<HashMap<Guid, ClientCredential>, Error> {
    let mut out = HashMap::new();
    if all.is_empty() {
        return Ok(out);
    }
    let mut changes = database.begin_transaction().await?;
    for it in all {
        let id = one(&mut changes, it, now, random).await?;
        out.insert(id, it.credential.clone());
    }
    changes.commit().await?;
    Ok(out)
}

async fn one(
    changes: &mut Transaction,
    it: &OrganizationConfig,
    now: u64,
    random: &RandomSource,
) -> Result<Guid, Error> {
    let sql = "SELECT o.id, o.source FROM organization o JOIN organization_code c ON c.organization = o.id WHERE c.code = $1 AND (c.ends IS NULL OR c.ends > $2)";
    let known = changes.row(sql, vec![it.code.as_str().into(), now.into()]).await?;
    let id = match &known {
        Some(row) if row.text("source")? != "file" => {
            return Err(Error::CodeTaken(it.code.clone()));
        }
        Some(row) => Guid::parse(&row.text("id")?)
            .ok_or_else(|| Error::Database("contains an invalid ID".to_owned()))?,
        None => Guid::from_random(random.bytes()),
    };
    let values: Vec<SqlValue> = vec![
        id.to_string().into(),
        it.name.as_str().into(),
        it.tenant.to_string().into(),
        it.client_id.to_string().into(),
        it.default_role.as_str().into(),
        it.first_sign_in.map(|it| first_sign_in_as_str(it).to_owned()).into(),
        i64::from(it.guests).into(),
        now.into(),
        it.credential.ends().map_or(SqlValue::Number(None), SqlValue::from),
    ];
    // If several replicas start at the same time, the second one finds the row.
    let sql = "INSERT INTO organization (id, name, provider, tenant, client_id, default_role, first_sign_in, guests, state, source, created, changed, changed_by, credential_ends) \
               VALUES ($1, $2, 'azure-ad', $3, $4, $5, $6, $7, 'on', 'file', $8, $8, 'the configuration', $9) \
               ON CONFLICT (id) DO UPDATE SET name = $2, tenant = $3, client_id = $4, default_role = $5, first_sign_in = $6, guests = $7, credential_ends = $9";
    changes.run(sql, values).await?;
    if known.is_none() {
        changes
            .run(
                "DELETE FROM organization_code WHERE code = $1 AND ends <= $2",
                vec![it.code.as_str().into(), now.into()],
            )
            .await?;
        changes
            .run(
                "INSERT INTO organization_code (code, organization) VALUES ($1, $2)",
                vec![it.code.as_str().into(), id.to_string().into()],
            )
            .await?;
    }
    changes
        .run("DELETE FROM organization_domain WHERE organization = $1", vec![id.to_string().into()])
        .await?;
    for domain in &it.domains {
        take_from_prover(changes, domain, now, random).await?;
        let values = vec![domain.as_str().into(), id.to_string().into()];
        match changes
            .run("INSERT INTO organization_domain (domain, organization) VALUES ($1, $2)", values)
            .await
        {
            Err(Error::Conflict) => return Err(Error::DomainElsewhere(domain.clone())),
            other => other?,
        };
    }
    Ok(id)
}

/// Takes a domain that the configuration binds away from an organization that has proven it.
async fn take_from_prover(
    changes: &mut Transaction,
    domain: &str,
    now: u64,
    random: &RandomSource,
) -> Result<(), Error> {
    let sql =
        "SELECT organization FROM organization_domain WHERE domain = $1 AND proof <> 'operator'";
    let Some(row) = changes.row(sql, vec![domain.into()]).await? else { return Ok(()) };
    let sql = "DELETE FROM organization_domain WHERE domain = $1 AND proof <> 'operator'";
    changes.run(sql, vec![domain.into()]).await?;
    let id = Guid::from_time(now.saturating_mul(1000), 0, random.bytes());
    let values: Vec<SqlValue> = vec![
        id.to_string().into(),
        now.into(),
        row.text("organization")?.into(),
        format!("domain {domain} removed: the configuration binds it elsewhere").into(),
    ];
    let sql = "INSERT INTO audit (id, at, actor, organization, what) VALUES ($1, $2, 'the configuration', $3, $4)";
    changes.run(sql, values).await.map(drop)
}
