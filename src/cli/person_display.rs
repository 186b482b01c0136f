//! Prints one person with everything an operator reads about them.

use super::directory::{CommonArgs, failure};
use super::table::{or_dash, pairs, time};
use super::terminal::{CommandError, print_line, print_to_stderr};
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::directory::advice::PersonAdvice;
use crate::directory::person::Person;
use crate::directory::{Directory, Error, organization_json};

/// Returns the ID of an organization; `None` without a code.
pub(super) async fn id_of(
    directory: &Directory,
    code: Option<&CompanyCode>,
) -> Result<Option<Guid>, CommandError> {
    let Some(code) = code else { return Ok(None) };
    let found = directory.organization(code).await.map_err(failure)?;
    found.map(|it| Some(it.id)).ok_or_else(|| failure(Error::NoOrganization(code.clone())))
}

/// Prints a person, and warnings on standard error.
pub(super) fn show(common: &CommonArgs, person: &Person, advice: &[PersonAdvice]) {
    if common.json {
        let value = organization_json::person_with_advice(person, advice);
        return print_line(&value.to_string());
    }
    for it in advice {
        print_to_stderr(&format!("warning: {}", it.words(&person.username)));
    }
    let linked = person.linked.map(|(tid, oid)| format!("tenant {tid}, object {oid}"));
    print_line(&pairs(&[
        ("username", person.username.to_string()),
        ("name", or_dash(person.name.as_deref())),
        ("email", or_dash(person.email.as_deref())),
        ("organization", person.code.to_string()),
        ("role", format!("{} ({})", person.role, person.role_source.as_str())),
        ("state", if person.on { "on" } else { "off" }.to_owned()),
        ("id", person.id.to_string()),
        ("at Entra", linked.unwrap_or_else(|| "not signed in yet".to_owned())),
        ("last sign-in", time(person.last_sign_in)),
        ("created", time(Some(person.created))),
    ]));
}
