//! Prints one organization with everything an operator reads about it.

use super::super::directory::{CommonArgs, failure, print_result};
use super::super::table::{or_dash, pairs, time};
use super::super::terminal::CommandError;
use super::domains::listed;
use crate::base::calendar::days_until;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::config::directory::FirstSignInRule;
use crate::directory::Directory;
use crate::directory::organization::{Organization, UNREAD_REASON};
use crate::directory::organization_credential::CredentialKind;

pub(super) async fn show(
    directory: &Directory,
    common: &CommonArgs,
    organization: &Organization,
) -> Result<(), CommandError> {
    let (domains, former) = (
        directory.domain_list(organization.id).await.map_err(failure)?,
        directory.former_codes(organization.id).await.map_err(failure)?,
    );
    let (people, credential) = (
        directory.count(organization.id).await.map_err(failure)?,
        directory.credential_of(organization).await.map_err(failure)?,
    );
    let all = directory.organization_json(organization).await.map_err(failure)?;
    let id = |it: Option<Guid>| or_dash(it.map(|it| it.to_string()).as_deref());
    let former = former
        .iter()
        .map(|it| format!("{} until {}", it.0, time(Some(it.1))))
        .collect::<Vec<_>>()
        .join(", ");
    print_result(common, &all, || {
        pairs(&[
            ("code", organization.code.to_string()),
            ("name", organization.name.clone()),
            ("state", organization.state.as_str().to_owned()),
            ("id", organization.id.to_string()),
            ("identity provider", organization.provider.as_str().to_owned()),
            ("tenant ID", id(organization.tenant)),
            ("client ID", id(organization.client_id)),
            ("credential", with_days(credential.words, organization)),
            ("new credential", waiting(credential.waiting, organization)),
            ("default role", organization.default_role.clone()),
            (
                "first sign-in",
                first_sign_in(organization).unwrap_or("default of [directory]").to_owned(),
            ),
            (
                "guests",
                if organization.guests { "may sign in" } else { "may not sign in" }.to_owned(),
            ),
            ("linking", linking(organization)),
            ("domains", or_dash(Some(&listed(&domains)))),
            ("former codes", or_dash(Some(&former))),
            ("people", people.to_string()),
            (
                "changed",
                format!("{} by {}", time(Some(organization.changed)), organization.changed_by),
            ),
        ])
    });
    Ok(())
}

/// How people who were added beforehand are linked.
fn linking(organization: &Organization) -> String {
    match (organization.linking_paused, organization.upn_seen) {
        (Some(at), _) => format!(
            "paused since {}: a set-up link led to another tenant (--resume-linking)",
            time(Some(at))
        ),
        (None, Some(_)) => "by the UPN of a member".to_owned(),
        (None, None) => {
            "needs approvals: no sign-in has shown the claims upn and acct yet".to_owned()
        }
    }
}

/// Days until the credential expires, if known.
fn days(organization: &Organization) -> Option<i64> {
    organization.credential_ends.map(|it| days_until(it, Clock::system().now()))
}

/// The pending credential: since when, and why Entra refused it.
fn waiting(kind: Option<CredentialKind>, organization: &Organization) -> String {
    let Some(waiting) = &organization.pending_credential else { return or_dash(None) };
    let refused = waiting
        .refused
        .as_ref()
        .map(|reason| {
            if reason == UNREAD_REASON {
                ", its file cannot be read".to_owned()
            } else {
                format!(", refused by Entra: {reason}")
            }
        })
        .unwrap_or_default();
    format!(
        "{} by {}, {}{refused}",
        kind.map_or("opened by no secret", CredentialKind::words),
        waiting.by,
        time(Some(waiting.since))
    )
}

pub(super) fn with_days(credential: &str, organization: &Organization) -> String {
    match days(organization) {
        None => credential.to_owned(),
        Some(days) if days < 0 => format!("{credential}, expired"),
        Some(days) => format!("{credential}, expires in {days} days"),
    }
}

fn first_sign_in(organization: &Organization) -> Option<&'static str> {
    organization
        .first_sign_in
        .map(|rule| if rule == FirstSignInRule::Create { "create" } else { "refuse" })
}
