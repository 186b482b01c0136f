//! Calls about people.

use super::read::{csv, json, limit, parsed, query, some};
use super::refused::ApiError;
use crate::base::guid::Guid;
use crate::base::typed;
use crate::base::username::Username;
use crate::directory::admin::{AdminScope, PersonAction};
use crate::directory::advice::AdviceOccasion;
use crate::directory::change::{NewPerson, PersonChange};
use crate::directory::organization::Organization;
use crate::directory::people::PeopleQuery;
use crate::directory::people_csv::{csv_head, csv_lines};
use crate::directory::person::Person;
use crate::directory::transfer::EXPORTED_PEOPLE_PER_PAGE;
use crate::directory::{Directory, Error, organization_json};
use crate::wire::body::{Body, BoxError};
use crate::wire::reply;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

const USERNAME_HINT: &str =
    "must be Latin letters, digits and any of . _ - + @ ' # ! ^ ~, like maya@contoso.com";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddPerson {
    username: String,
    #[serde(default, deserialize_with = "some")]
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    email: Option<String>,
    #[serde(default, deserialize_with = "some")]
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePerson {
    #[serde(default, deserialize_with = "some")]
    username: Option<String>,
    #[serde(default, deserialize_with = "some")]
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    email: Option<String>,
    #[serde(default, deserialize_with = "some")]
    role: Option<String>,
    #[serde(default)]
    role_by_entra: bool,
    #[serde(default, deserialize_with = "some")]
    state: Option<String>,
    #[serde(default)]
    unlink: bool,
    #[serde(default, deserialize_with = "some")]
    link: Option<String>,
}

/// Lists people by username, in one organization or in all.
pub(super) async fn list(
    directory: &Directory,
    organization: Option<&Organization>,
    parts: &Parts,
) -> Result<Value, ApiError> {
    let [after, number, search] = query(parts, ["after", "limit", "search"])?;
    let asked = PeopleQuery {
        organization: organization.map(|it| it.id),
        prefix: search,
        after: parsed("after", USERNAME_HINT, after.as_deref(), Username::of_existing)?,
        limit: limit(number.as_deref())?,
    };
    let people = directory.people(&asked).await?;
    // A page that is not full is the last one.
    let next = people
        .last()
        .filter(|_| u32::try_from(people.len()) == Ok(asked.limit))
        .map(|it| it.username.as_str());
    Ok(
        json!({ "people": people.iter().map(organization_json::person).collect::<Vec<_>>(), "next": next }),
    )
}

/// Returns the person with a username.
pub(super) async fn found(directory: &Directory, username: &str) -> Result<Person, ApiError> {
    let username = existing_username(username)?;
    Ok(directory.person(&username).await?.ok_or(Error::NoPerson(username))?)
}

/// Adds a person ahead of their first sign-in.
pub(super) async fn add(
    directory: &Directory,
    by: &str,
    organization: &Organization,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let it: AddPerson = json(parts, body).await?;
    let new = NewPerson {
        username: username_of(&it.username)?,
        name: it.name,
        email: address(it.email)?,
        role: it.role,
    };
    let added = directory.add_person(&organization.code, &new, by).await?;
    advised(directory, &added, AdviceOccasion::ADDED).await
}

/// Returns a person with what the operator should know after the change.
async fn advised(
    directory: &Directory,
    person: &Person,
    occasion: AdviceOccasion,
) -> Result<Value, ApiError> {
    let advice = directory.advice(person, occasion).await?;
    Ok(organization_json::person_with_advice(person, &advice))
}

/// Changes a person.
pub(super) async fn change(
    directory: &Directory,
    by: &str,
    username: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let username = existing_username(username)?;
    let it: ChangePerson = json(parts, body).await?;
    if it.role_by_entra && it.role.is_some() {
        return Err(ApiError::Field("role_by_entra", "send either a role or role_by_entra"));
    }
    let change = PersonChange {
        username: it.username.as_deref().map(username_of).transpose()?,
        name: it.name,
        email: address(it.email)?,
        role: it.role,
        role_by_entra: it.role_by_entra,
        on: parsed("state", "must be on or off", it.state.as_deref(), |it| {
            ["off", "on"].iter().position(|known| *known == it)
        })?
        .map(|it| it == 1),
        unlink: it.unlink,
        link: parsed("link", "must be an Object ID", it.link.as_deref(), Guid::parse)?,
    };
    let occasion = AdviceOccasion::of(&change);
    let changed = directory.change_person(&username, change, by).await?;
    advised(directory, &changed, occasion).await
}

/// Ends all sessions of a person, on every replica.
pub(super) async fn sign_out(
    directory: &Directory,
    by: &str,
    username: &str,
) -> Result<Value, ApiError> {
    let person = found(directory, username).await?;
    let acting = AdminScope::operator(person.organization, by);
    Ok(organization_json::person(
        &directory.apply_action(&acting, person.id, &PersonAction::SignOut).await?,
    ))
}

/// Imports a file of people.
pub(super) async fn import(
    directory: &Directory,
    by: &str,
    organization: &Organization,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let file = csv(parts, body).await?;
    let outcome = directory.import(organization, &*file, by, |_| ()).await?;
    let wrong: Vec<_> =
        outcome.errors.iter().map(|it| json!({ "line": it.0, "why": it.1 })).collect();
    let (made, changed, unchanged, left_out) =
        (outcome.made, outcome.changed, outcome.unchanged, outcome.left_out);
    Ok(
        json!({ "made": made, "changed": changed, "unchanged": unchanged, "left_out": left_out, "wrong": wrong, "warnings": outcome.warnings(organization) }),
    )
}

/// Exports people as a file, page by page as the client reads it.
pub(super) fn export(directory: Directory, organization: Option<Guid>) -> Response<Body> {
    let first =
        PeopleQuery { organization, limit: EXPORTED_PEOPLE_PER_PAGE, ..PeopleQuery::default() };
    let pages = stream::try_unfold(
        (directory, Some(first), csv_head()),
        |(directory, asked, mut text)| async move {
            let Some(mut asked) = asked else { return Ok::<_, BoxError>(None) };
            let people = directory.people(&asked).await?;
            text.extend(csv_lines(&people));
            let next = people
                .last()
                .filter(|_| u32::try_from(people.len()) == Ok(EXPORTED_PEOPLE_PER_PAGE))
                .map(|person| {
                    asked.after = Some(person.username.clone());
                    asked
                });
            Ok(Some((Frame::data(Bytes::from(text)), (directory, next, Vec::new()))))
        },
    );
    let mut out = reply::empty(StatusCode::OK);
    out.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    out.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *out.body_mut() = Body::stream(StreamBody::new(pages));
    out
}

/// Reads the username of an existing person.
fn existing_username(text: &str) -> Result<Username, ApiError> {
    Username::of_existing(text).ok_or(ApiError::Field("username", USERNAME_HINT))
}

fn username_of(text: &str) -> Result<Username, ApiError> {
    Username::parse(text).ok_or(ApiError::Field("username", USERNAME_HINT))
}

fn address(text: Option<String>) -> Result<Option<String>, ApiError> {
    parsed("email", "must be an address like maya@contoso.com", text.as_deref(), |address| {
        let fits = address.split_once('@').is_some_and(|it| !it.0.is_empty() && !it.1.is_empty())
            && !address.contains(char::is_whitespace);
        fits.then(|| typed::stored_address(address))
    })
}
