//! `entrada person requests`, `approve`, `undo`, `deny`, `merge` and `delete`.

use super::directory::{self, CommonArgs, actor, failure, open, print_result};
use super::person_display::{id_of, show};
use super::table::{lines, or_dash, time};
use super::terminal::CommandError;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::link_request::{LinkDecision, LinkRequest, RequestState};
use crate::directory::merge::PossibleMerge;
use crate::directory::person::Person;
use crate::directory::{Directory, Error, organization_json};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct RequestsArgs {
    /// Only the organization with this company code; also shows people who may be the same person.
    #[arg(long, value_parser = directory::code)]
    organization: Option<CompanyCode>,
    /// Also show requests that were denied, and approvals that can be undone.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct DecideArgs {
    /// The request's ID, as `entrada person requests` shows it.
    #[arg(value_parser = directory::guid)]
    request: Guid,
    /// The account belongs to somebody else, who may sign in as another person.
    #[arg(long)]
    separate: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    /// The request's ID, as `entrada person requests` shows it.
    #[arg(value_parser = directory::guid)]
    request: Guid,
    /// The request's mark, as `entrada person requests` shows it: refused if the request or the person has changed since.
    #[arg(long, allow_hyphen_values = true)]
    mark: String,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// The person who stays, with username and role.
    #[arg(value_parser = directory::existing_username)]
    username: Username,
    /// The same person under another username, who is deleted; the account moves to the first.
    #[arg(value_parser = directory::existing_username)]
    other: Username,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeletePersonArgs {
    /// The person's username.
    #[arg(value_parser = directory::existing_username)]
    username: Username,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn requests(arguments: &RequestsArgs) -> Result<(), CommandError> {
    let common = &arguments.common;
    open(common, async |directory| {
        let organization = id_of(directory, arguments.organization.as_ref()).await?;
        let all = directory.link_requests(organization, arguments.all).await.map_err(failure)?;
        let merges = match organization {
            Some(id) => directory.possible_merges(id).await.map_err(failure)?,
            None => Vec::new(),
        };
        let value = json!({
            "requests": all.iter().map(organization_json::link_request).collect::<Vec<_>>(),
            "possible_merges": merges.iter().map(organization_json::possible_merge).collect::<Vec<_>>(),
        });
        print_result(common, &value, || {
            let mut out =
                if all.is_empty() { "no requests".to_owned() } else { lines(&rows(&all)) };
            for it in &merges {
                out.push('\n');
                out.push_str(&merge_line(it));
            }
            out
        });
        Ok(())
    })
}

fn merge_line(it: &PossibleMerge) -> String {
    let (added, created) = (&it.added.username, &it.created.username);
    format!(
        "{created} ({}, object ID {}, created {}) looks like {added}: entrada person merge {added} {created}",
        it.created.email.as_deref().unwrap_or("no e-mail"),
        or_dash(it.created.linked.map(|it| it.1.to_string()).as_deref()),
        time(Some(it.created.created)),
    )
}

fn rows(all: &[LinkRequest]) -> Vec<[String; 9]> {
    let mut rows = vec![
        ["REQUEST", "MARK", "PERSON", "ROLE", "ACCOUNT", "OBJECT ID", "KIND", "TYPED", "WHY"]
            .map(str::to_owned),
    ];
    rows.extend(all.iter().map(|it| {
        let kind = if it.guest { "guest" } else { "member" };
        let state = match it.state {
            RequestState::Waiting => String::new(),
            RequestState::Denied => ", denied".to_owned(),
            RequestState::Approved(until) => {
                format!(", approved, can be undone until {}", time(Some(until)))
            }
        };
        [
            it.id.to_string(),
            it.mark(),
            it.person.username.to_string(),
            it.person.role.clone(),
            or_dash(it.upn.as_deref()),
            it.account.1.to_string(),
            kind.to_owned(),
            or_dash(it.typed.as_deref()),
            format!("{}{state}, since {}", it.reason.words(), time(Some(it.at))),
        ]
    }));
    rows
}

pub(super) fn approve(arguments: &ApproveArgs) -> Result<(), CommandError> {
    decide(&arguments.common, arguments.request, LinkDecision::Link, Some(&arguments.mark))
}

pub(super) fn undo(arguments: &ApproveArgs) -> Result<(), CommandError> {
    decide(&arguments.common, arguments.request, LinkDecision::Undo, Some(&arguments.mark))
}

pub(super) fn deny(arguments: &DecideArgs) -> Result<(), CommandError> {
    let decision = if arguments.separate { LinkDecision::Separate } else { LinkDecision::Deny };
    decide(&arguments.common, arguments.request, decision, None)
}

fn decide(
    common: &CommonArgs,
    request: Guid,
    decision: LinkDecision,
    mark: Option<&str>,
) -> Result<(), CommandError> {
    open(common, async |directory| {
        let found = directory.organization_of_request(request).await.map_err(failure)?;
        let (organization, _) = found.ok_or_else(no_request)?;
        let acting = AdminScope::operator(organization, actor());
        let decided = directory.decide(&acting, request, decision, mark).await;
        let person = decided.map_err(|error| match error {
            ActionError::Directory(Error::Conflict) => {
                CommandError::new("the request or the person has changed since it was listed")
                    .hint("look at it again with entrada person requests")
            }
            other => action_failure(other),
        })?;
        show(common, &person, &[]);
        Ok(())
    })
}

pub(super) fn merge(arguments: &MergeArgs) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let keep = person(directory, &arguments.username).await?;
        let other = person(directory, &arguments.other).await?;
        let after = directory.merge_people(&scope(&keep), keep.id, other.id, None).await;
        let after = after.map_err(|error| match error {
            ActionError::NoSuchPerson => {
                failure(Error::NotMergeable(keep.username.clone(), other.username.clone()))
            }
            other => action_failure(other),
        })?;
        show(&arguments.common, &after, &[]);
        Ok(())
    })
}

pub(super) fn delete(arguments: &DeletePersonArgs) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let found = person(directory, &arguments.username).await?;
        let gone = directory.delete_person(&scope(&found), found.id).await;
        let gone = gone.map_err(action_failure)?;
        let refused = gone.stays_refused();
        let value = json!({ "deleted": gone.username.as_str(), "stays_refused": refused });
        print_result(&arguments.common, &value, || {
            let more = if refused { "; the account stays refused" } else { "" };
            format!("deleted {}{more}", gone.username)
        });
        Ok(())
    })
}

async fn person(directory: &Directory, username: &Username) -> Result<Person, CommandError> {
    let found = directory.person(username).await.map_err(failure)?;
    found.ok_or_else(|| failure(Error::NoPerson(username.clone())))
}

fn scope(person: &Person) -> AdminScope {
    AdminScope::operator(person.organization, actor())
}

fn no_request() -> CommandError {
    CommandError::new("there is no such request")
        .hint("list them with entrada person requests; a request waits for at most 14 days")
}

fn action_failure(error: ActionError) -> CommandError {
    match error {
        ActionError::Directory(error) => failure(error),
        ActionError::NoSuchPerson => no_request(),
        other => CommandError::new(other),
    }
}
