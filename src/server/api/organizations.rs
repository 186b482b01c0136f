//! Calls about organizations.

use super::read::{json, limit, parsed, query, some};
use super::refused::ApiError;
use crate::base::client_secret::BadClientSecret;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::directory::change::{self, ChangeOrigin, NewOrganization, OrganizationChange};
use crate::directory::organization::{Organization, OrganizationState};
use crate::directory::organization_credential::OrganizationCredential;
use crate::directory::{Directory, Error, organization_json};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

/// Maximum validity of a former code, in days.
const MAX_FORMER_CODE_DAYS: u64 = 3650;

const CODE_HINT: &str = "must be 4 to 32 characters: a-z, 0-9 and inner hyphens, like contoso";
const ID_HINT: &str =
    "must be an ID like aaaabbbb-0000-cccc-1111-dddd2222eeee, as shown in the Entra admin center";
const FIRST_SIGN_IN_HINT: &str = "must be create or refuse";
const DOMAIN_HINT: &str = "must be domains like contoso.com";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddOrganization {
    #[serde(default, deserialize_with = "some")]
    code: Option<String>,
    #[serde(default, deserialize_with = "some")]
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    tenant: Option<String>,
    #[serde(default, deserialize_with = "some")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "some")]
    client_secret: Option<String>,
    #[serde(default, deserialize_with = "some")]
    certificate: Option<String>,
    #[serde(default, deserialize_with = "some")]
    federated: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    client_secret_ends: Option<u64>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default, deserialize_with = "some")]
    default_role: Option<String>,
    #[serde(default, deserialize_with = "some")]
    first_sign_in: Option<String>,
    #[serde(default, deserialize_with = "some")]
    guests: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeOrganization {
    #[serde(default, deserialize_with = "some")]
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    tenant: Option<String>,
    #[serde(default, deserialize_with = "some")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "some")]
    client_secret: Option<String>,
    #[serde(default, deserialize_with = "some")]
    certificate: Option<String>,
    #[serde(default, deserialize_with = "some")]
    federated: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    client_secret_ends: Option<u64>,
    #[serde(default)]
    take_back_secret: bool,
    #[serde(default, deserialize_with = "some")]
    default_role: Option<String>,
    #[serde(default, deserialize_with = "some")]
    first_sign_in: Option<String>,
    #[serde(default, deserialize_with = "some")]
    guests: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    state: Option<String>,
    #[serde(default)]
    bind: Vec<String>,
    #[serde(default)]
    unbind: Vec<String>,
    #[serde(default)]
    resume_linking: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteAs {
    #[serde(default, deserialize_with = "some")]
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    code: String,
    #[serde(default, deserialize_with = "some")]
    keep_days: Option<u64>,
}

/// Lists all organizations.
pub(super) async fn list(directory: &Directory) -> Result<Value, ApiError> {
    let mut out = Vec::new();
    for it in directory.organizations().await? {
        out.push(directory.organization_summary(&it, directory.credential_of(&it).await?));
    }
    Ok(json!({ "organizations": out }))
}

/// Returns the organization with a code, or with a former code that is still valid.
pub(super) async fn found(directory: &Directory, code: &str) -> Result<Organization, ApiError> {
    let code = code_of(code)?;
    Ok(directory.organization(&code).await?.ok_or(Error::NoOrganization(code))?)
}

/// Creates an organization.
pub(super) async fn add(
    directory: &Directory,
    has_token: bool,
    by: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let it: AddOrganization = json(parts, body).await?;
    let code = it.code.as_deref().map(code_of).transpose()?;
    let name = it
        .name
        .as_deref()
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .or_else(|| code.as_ref().map(CompanyCode::to_string));
    let new = NewOrganization {
        code,
        name: name.ok_or(ApiError::Field("name", "an organization requires a code or a name"))?,
        tenant: id("tenant", it.tenant.as_deref())?,
        client_id: id("client_id", it.client_id.as_deref())?,
        proof: proof(it.client_secret, it.certificate, it.federated == Some(true), has_token)?,
        credential_ends: it.client_secret_ends,
        domains: domains("domains", &it.domains)?,
        default_role: it.default_role,
        first_sign_in: parsed(
            "first_sign_in",
            FIRST_SIGN_IN_HINT,
            it.first_sign_in.as_deref(),
            change::first_sign_in,
        )?,
        no_guests: it.guests == Some(false),
        on: parsed("state", "must be draft or on", it.state.as_deref(), |it| {
            ["draft", "on"].iter().position(|known| *known == it)
        })? == Some(1),
    };
    Ok(directory.organization_json(&directory.add_organization(new, by).await?).await?)
}

/// Changes an organization.
pub(super) async fn change(
    directory: &Directory,
    has_token: bool,
    by: &str,
    code: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let code = code_of(code)?;
    let it: ChangeOrganization = json(parts, body).await?;
    let change = OrganizationChange {
        origin: ChangeOrigin::Operator,
        name: it.name,
        tenant: id("tenant", it.tenant.as_deref())?,
        client_id: id("client_id", it.client_id.as_deref())?,
        proof: proof(it.client_secret, it.certificate, it.federated == Some(true), has_token)?,
        credential_ends: it.client_secret_ends,
        withdraw_new: it.take_back_secret,
        default_role: it.default_role,
        first_sign_in: parsed(
            "first_sign_in",
            FIRST_SIGN_IN_HINT,
            it.first_sign_in.as_deref(),
            change::first_sign_in,
        )?,
        guests: it.guests,
        state: parsed("state", "must be on or off", it.state.as_deref(), |it| {
            [OrganizationState::On, OrganizationState::Off]
                .into_iter()
                .find(|known| known.as_str() == it)
        })?,
        bind: domains("bind", &it.bind)?,
        unbind: domains("unbind", &it.unbind)?,
        resume_linking: it.resume_linking,
    };
    Ok(directory
        .organization_json(&directory.change_organization(&code, change, by).await?)
        .await?)
}

/// Changes the code of an organization.
pub(super) async fn change_code(
    directory: &Directory,
    by: &str,
    code: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let code = code_of(code)?;
    let it: NewCode = json(parts, body).await?;
    let days = it.keep_days.unwrap_or(90);
    if days > MAX_FORMER_CODE_DAYS {
        return Err(ApiError::Field("keep_days", "must be 0 to 3650"));
    }
    Ok(directory
        .organization_json(&directory.change_code(&code, &code_of(&it.code)?, days, by).await?)
        .await?)
}

/// Creates a set-up link for an organization.
pub(super) async fn invite(
    directory: &Directory,
    site: &Site,
    by: &str,
    code: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    // The body is optional.
    let wanted: InviteAs = if parts.headers.contains_key(CONTENT_TYPE) {
        json(parts, body).await?
    } else {
        InviteAs::default()
    };
    let made = directory.invite_as(&code_of(code)?, wanted.role.as_deref(), by).await?;
    Ok(
        json!({ "organization": made.organization.code.as_str(), "url": site.invitation_url(made.token.expose()), "ends": made.ends }),
    )
}

/// Deletes an organization with all its people, whose number the caller must know.
pub(super) async fn delete(
    directory: &Directory,
    by: &str,
    found: &Organization,
    parts: &Parts,
) -> Result<Value, ApiError> {
    let [people] = query(parts, ["people"])?;
    let expected: u64 = people
        .and_then(|it| it.parse().ok())
        .ok_or(ApiError::Query("people must be the number of people that are deleted"))?;
    directory.delete_organization(&found.code, expected, by).await?;
    Ok(json!({ "deleted": found.code.as_str(), "people": expected }))
}

/// Returns the changes to an organization and its people.
pub(super) async fn history(
    directory: &Directory,
    code: &str,
    parts: &Parts,
) -> Result<Value, ApiError> {
    let [before, number] = query(parts, ["before", "limit"])?;
    let before = parsed("before", "must be the ID of a change", before.as_deref(), Guid::parse)?;
    let limit = limit(number.as_deref())?;
    let found = found(directory, code).await?;
    let all = directory.history(found.id, before, limit).await?;
    Ok(json!({ "changes": all.iter().map(organization_json::change).collect::<Vec<_>>() }))
}

fn code_of(text: &str) -> Result<CompanyCode, ApiError> {
    CompanyCode::parse(text).ok_or(ApiError::Field("code", CODE_HINT))
}

fn id(name: &'static str, text: Option<&str>) -> Result<Option<Guid>, ApiError> {
    parsed(name, ID_HINT, text, Guid::parse)
}

fn domains(name: &'static str, all: &[String]) -> Result<Vec<String>, ApiError> {
    all.iter().map(|it| change::domain(it).ok_or(ApiError::Field(name, DOMAIN_HINT))).collect()
}

/// Returns the organization's credential: one of the three kinds, or none.
fn proof(
    client_secret: Option<String>,
    certificate: Option<String>,
    federated: bool,
    has_token: bool,
) -> Result<Option<OrganizationCredential>, ApiError> {
    let (client_secret, certificate) =
        (client_secret.map(Secret::new), certificate.map(Secret::new));
    match (client_secret, certificate, federated) {
        (None, None, false) => Ok(None),
        (Some(value), None, false) => {
            OrganizationCredential::of_value(value.expose()).map(Some).map_err(|it| match it {
                BadClientSecret::SecretId => ApiError::Field(
                    "client_secret",
                    "this is the Secret ID; copy the Value, which is shown only once",
                ),
                BadClientSecret::Quoted => ApiError::Field(
                    "client_secret",
                    "there are quotes around it; send the bare Value",
                ),
                BadClientSecret::Assignment => ApiError::Field(
                    "client_secret",
                    "a name and \"=\" stand before it; send the bare Value",
                ),
                BadClientSecret::Masked | BadClientSecret::Placeholder => ApiError::Field(
                    "client_secret",
                    "this stands for a secret; send the Value, which is shown only once",
                ),
                BadClientSecret::SeveralLines | BadClientSecret::ControlCharacter => {
                    ApiError::Field(
                        "client_secret",
                        "must be the Value of a client secret: one line without control characters",
                    )
                }
                BadClientSecret::Empty | BadClientSecret::Other => {
                    ApiError::Field("client_secret", "must be the Value of a client secret")
                }
            })
        }
        (None, Some(pem), false) => OrganizationCredential::of_certificate(&pem)
            .map(Some)
            .map_err(|it| ApiError::Field("certificate", it.hint())),
        (None, None, true) if has_token => Ok(Some(OrganizationCredential::Operators)),
        (None, None, true) => Err(ApiError::Field(
            "federated",
            "the configuration has no token: set federated_token in [entra]",
        )),
        _ => Err(ApiError::Field(
            "certificate",
            "send only one of client_secret, certificate and federated",
        )),
    }
}
