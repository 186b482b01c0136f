//! Calls about organizations.

use super::read::{json, most, parsed, query, some};
use super::refused::Refused;
use crate::base::code::Code;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::directory::change::{self, Asking, NewOrganization, OrganizationChange};
use crate::directory::organization::{Organization, State};
use crate::directory::proof::{NoValue, Proof};
use crate::directory::{Directory, Error, told};
use http::request::Parts;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest time that a former code holds, in days.
const MOST_DAYS: u64 = 3650;

const CODE: &str = "must be 4 to 32 characters: a-z, 0-9 and inner hyphens, like contoso";
const ID: &str = "must be an ID like aaaabbbb-0000-cccc-1111-dddd2222eeee, as shown in the Entra admin center";
const FIRST: &str = "must be create or refuse";
const DOMAIN: &str = "must be domains like contoso.com";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
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
struct Change {
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    code: String,
    #[serde(default, deserialize_with = "some")]
    keep_days: Option<u64>,
}

/// All of them.
pub(super) async fn list(directory: &Directory) -> Result<Value, Refused> {
    let mut out = Vec::new();
    for it in directory.organizations().await? {
        out.push(directory.told_briefly(&it, directory.credential_of(&it).await?));
    }
    Ok(json!({ "organizations": out }))
}

/// The one of a code, or of a former one that still holds.
pub(super) async fn found(directory: &Directory, code: &str) -> Result<Organization, Refused> {
    let code = code_of(code)?;
    Ok(directory.organization(&code).await?.ok_or(Error::NoOrganization(code))?)
}

/// Makes one.
pub(super) async fn add((directory, has_token): (&Directory, bool), by: &str, parts: &Parts, body: Incoming) -> Result<Value, Refused> {
    let it: Add = json(parts, body).await?;
    let code = it.code.as_deref().map(code_of).transpose()?;
    let name = it.name.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).or_else(|| code.as_ref().map(Code::to_string));
    let new = NewOrganization {
        code,
        name: name.ok_or(Refused::Field("name", "an organization requires a code or a name"))?,
        tenant: id("tenant", it.tenant.as_deref())?,
        client_id: id("client_id", it.client_id.as_deref())?,
        proof: proof(it.client_secret, it.certificate, (it.federated == Some(true), has_token))?,
        credential_ends: it.client_secret_ends,
        domains: domains("domains", &it.domains)?,
        default_role: it.default_role,
        first_sign_in: parsed("first_sign_in", FIRST, it.first_sign_in.as_deref(), change::first_sign_in)?,
        no_guests: it.guests == Some(false),
        on: parsed("state", "must be draft or on", it.state.as_deref(), |it| ["draft", "on"].iter().position(|known| *known == it))? == Some(1),
    };
    Ok(directory.told(&directory.add_organization(new, by).await?).await?)
}

/// Changes one.
pub(super) async fn change((directory, has_token): (&Directory, bool), by: &str, code: &str, parts: &Parts, body: Incoming) -> Result<Value, Refused> {
    let code = code_of(code)?;
    let it: Change = json(parts, body).await?;
    let change = OrganizationChange {
        asking: Asking::Operator,
        name: it.name,
        tenant: id("tenant", it.tenant.as_deref())?,
        client_id: id("client_id", it.client_id.as_deref())?,
        proof: proof(it.client_secret, it.certificate, (it.federated == Some(true), has_token))?,
        credential_ends: it.client_secret_ends,
        take_back: it.take_back_secret,
        default_role: it.default_role,
        first_sign_in: parsed("first_sign_in", FIRST, it.first_sign_in.as_deref(), change::first_sign_in)?,
        guests: it.guests,
        state: parsed("state", "must be on or off", it.state.as_deref(), |it| [State::On, State::Off].into_iter().find(|known| known.as_str() == it))?,
        bind: domains("bind", &it.bind)?,
        unbind: domains("unbind", &it.unbind)?,
    };
    Ok(directory.told(&directory.change_organization(&code, change, by).await?).await?)
}

/// Gives one another code.
pub(super) async fn change_code(directory: &Directory, by: &str, code: &str, parts: &Parts, body: Incoming) -> Result<Value, Refused> {
    let code = code_of(code)?;
    let it: NewCode = json(parts, body).await?;
    let days = it.keep_days.unwrap_or(90);
    if days > MOST_DAYS {
        return Err(Refused::Field("keep_days", "must be 0 to 3650"));
    }
    Ok(directory.told(&directory.change_code(&code, &code_of(&it.code)?, days, by).await?).await?)
}

/// Makes a link by which somebody sets one up.
pub(super) async fn invite(directory: &Directory, site: &Site, by: &str, code: &str) -> Result<Value, Refused> {
    let made = directory.invite(&code_of(code)?, by).await?;
    Ok(json!({ "organization": made.organization.code.as_str(), "url": site.invitation_url(made.token.expose()), "ends": made.ends }))
}

/// What was changed of one and its people.
pub(super) async fn history(directory: &Directory, code: &str, parts: &Parts) -> Result<Value, Refused> {
    let [before, number] = query(parts, ["before", "most"])?;
    let before = parsed("before", "must be the ID of a change", before.as_deref(), Guid::parse)?;
    let number = most(number.as_deref())?;
    let found = found(directory, code).await?;
    let all = directory.history(found.id, before, number).await?;
    Ok(json!({ "changes": all.iter().map(told::change).collect::<Vec<_>>() }))
}

fn code_of(text: &str) -> Result<Code, Refused> {
    Code::parse(text).ok_or(Refused::Field("code", CODE))
}

fn id(name: &'static str, text: Option<&str>) -> Result<Option<Guid>, Refused> {
    parsed(name, ID, text, Guid::parse)
}

fn domains(name: &'static str, all: &[String]) -> Result<Vec<String>, Refused> {
    all.iter().map(|it| change::domain(it).ok_or(Refused::Field(name, DOMAIN))).collect()
}

/// By what it proves itself: one of them, or nothing.
fn proof(client_secret: Option<String>, certificate: Option<String>, (federated, has_token): (bool, bool)) -> Result<Option<Proof>, Refused> {
    let (client_secret, certificate) = (client_secret.map(Secret::new), certificate.map(Secret::new));
    match (client_secret, certificate, federated) {
        (None, None, false) => Ok(None),
        (Some(value), None, false) => Proof::of_value(value.expose()).map(Some).map_err(|it| match it {
            NoValue::SecretId => Refused::Field("client_secret", "this is the Secret ID; copy the Value, which is shown only once"),
            NoValue::Other => Refused::Field("client_secret", "must be the Value of a client secret"),
        }),
        (None, Some(pem), false) => Proof::of_certificate(&pem).map(Some).map_err(|it| Refused::Field("certificate", it.hint())),
        (None, None, true) if has_token => Ok(Some(Proof::Operators)),
        (None, None, true) => Err(Refused::Field("federated", "the configuration has no token: set federated_token in [entra]")),
        _ => Err(Refused::Field("certificate", "send only one of client_secret, certificate and federated")),
    }
}
