//! `entrada person`: people, one by one and by the file.

use super::directory::{self, CommonArgs, actor, failure, open, print_result};
use super::person_display::{id_of, show};
use super::person_linking::{
    self, ApproveArgs, DecideArgs, DeletePersonArgs, MergeArgs, RequestsArgs,
};
use super::table::{lines, or_dash, time};
use super::terminal::{CommandError, print_to_stderr};
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::typed;
use crate::base::username::Username;
use crate::directory::advice::AdviceOccasion;
use crate::directory::change::{NewPerson, PersonChange};
use crate::directory::import_report::ImportReport;
use crate::directory::people::PeopleQuery;
use crate::directory::{Error, organization_json};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `entrada person`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PersonCommand {
    /// Add a person ahead of their first sign-in.
    Add(AddPersonArgs),
    /// List people, by username.
    List(ListPeopleArgs),
    /// Show one person.
    Show(PersonArgs),
    /// Change a person.
    Set(SetPersonArgs),
    /// Turn a person off; signs the person out.
    Off(PersonArgs),
    /// Turn a person on again.
    On(PersonArgs),
    /// Create or update people from a CSV file; run it again to finish an interrupted import.
    Import(ImportArgs),
    /// Write people as CSV to standard output.
    Export(ExportArgs),
    /// List accounts that wait for an approval to sign in as a person who was added beforehand.
    Requests(RequestsArgs),
    /// Approve a request: the account is linked to the person.
    Approve(ApproveArgs),
    /// Undo an approval of the last seven days: the link is removed, and the account waits again.
    Undo(ApproveArgs),
    /// Deny a request: the account stays outside.
    Deny(DecideArgs),
    /// Merge two people who are the same person; the second one is deleted and signed out.
    Merge(MergeArgs),
    /// Delete a person: names are erased; an account that was turned off stays refused.
    Delete(DeletePersonArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct AddPersonArgs {
    /// The username that the person types; unique in the installation.
    #[arg(value_parser = directory::username)]
    username: Username,
    /// Company code of the organization.
    #[arg(long, value_parser = directory::code)]
    organization: CompanyCode,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// E-mail address.
    #[arg(long, value_parser = address)]
    email: Option<String>,
    /// One of directory.roles; without it, the organization's default.
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListPeopleArgs {
    /// Only people of the organization with this company code.
    #[arg(long, value_parser = directory::code)]
    organization: Option<CompanyCode>,
    /// Filter by prefix of username, name or e-mail.
    #[arg(long)]
    search: Option<String>,
    /// Maximum number of people to show.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only usernames after this one.
    #[arg(long, value_parser = directory::existing_username)]
    after: Option<Username>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PersonArgs {
    /// The person's username.
    #[arg(value_parser = directory::existing_username)]
    username: Username,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct SetPersonArgs {
    /// The person's username.
    #[arg(value_parser = directory::existing_username)]
    username: Username,
    /// New username.
    #[arg(long = "username", value_name = "USERNAME", value_parser = directory::username)]
    new_username: Option<Username>,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// E-mail address.
    #[arg(long, value_parser = address)]
    email: Option<String>,
    /// One of directory.roles; a role set by hand is kept, whatever Entra says.
    #[arg(long)]
    role: Option<String>,
    /// Reset to the organization's default role, and let `directory.role_map` decide at the next sign-in.
    #[arg(long, conflicts_with = "role")]
    role_by_entra: bool,
    /// Remove the link to the account in Entra, for a person whose account was recreated.
    #[arg(long)]
    unlink: bool,
    /// Link the account with this Object ID in the company's tenant, which you know to be the person's.
    #[arg(long, value_name = "OBJECT_ID", value_parser = directory::guid)]
    link: Option<Guid>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// CSV file whose first line names the columns: username, and any of name, email and role.
    file: PathBuf,
    /// Company code of the organization.
    #[arg(long, value_parser = directory::code)]
    organization: CompanyCode,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Only people of the organization with this company code.
    #[arg(long, value_parser = directory::code)]
    organization: Option<CompanyCode>,
    #[command(flatten)]
    common: CommonArgs,
}

/// `entrada person`.
pub(super) fn run(command: PersonCommand) -> Result<(), CommandError> {
    match command {
        PersonCommand::Add(arguments) => add(&arguments),
        PersonCommand::List(arguments) => list(&arguments),
        PersonCommand::Show(arguments) => open(&arguments.common, async |directory| {
            let found = directory.person(&arguments.username).await.map_err(failure)?;
            let found =
                found.ok_or_else(|| failure(Error::NoPerson(arguments.username.clone())))?;
            let advice = directory.advice(&found, AdviceOccasion::default()).await;
            show(&arguments.common, &found, &advice.map_err(failure)?);
            Ok(())
        }),
        PersonCommand::Set(arguments) => {
            let (role, unlink, role_by_entra) =
                (arguments.role, arguments.unlink, arguments.role_by_entra);
            let change = PersonChange {
                username: arguments.new_username,
                name: arguments.name,
                email: arguments.email,
                role,
                role_by_entra,
                on: None,
                unlink,
                link: arguments.link,
            };
            changed(&arguments.common, &arguments.username, change)
        }
        PersonCommand::Off(arguments) => changed(
            &arguments.common,
            &arguments.username,
            PersonChange { on: Some(false), ..PersonChange::default() },
        ),
        PersonCommand::On(arguments) => changed(
            &arguments.common,
            &arguments.username,
            PersonChange { on: Some(true), ..PersonChange::default() },
        ),
        PersonCommand::Import(arguments) => import(&arguments),
        PersonCommand::Requests(arguments) => person_linking::requests(&arguments),
        PersonCommand::Approve(arguments) => person_linking::approve(&arguments),
        PersonCommand::Undo(arguments) => person_linking::undo(&arguments),
        PersonCommand::Deny(arguments) => person_linking::deny(&arguments),
        PersonCommand::Merge(arguments) => person_linking::merge(&arguments),
        PersonCommand::Delete(arguments) => person_linking::delete(&arguments),
        PersonCommand::Export(arguments) => open(&arguments.common, async |directory| {
            let organization = id_of(directory, arguments.organization.as_ref()).await?;
            directory
                .export(organization, std::io::stdout().lock())
                .await
                .map_err(CommandError::new)
                .map(drop)
        }),
    }
}

fn add(arguments: &AddPersonArgs) -> Result<(), CommandError> {
    let new = NewPerson {
        username: arguments.username.clone(),
        name: arguments.name.clone(),
        email: arguments.email.clone(),
        role: arguments.role.clone(),
    };
    open(&arguments.common, async |directory| {
        let added = directory.add_person(&arguments.organization, &new, &actor()).await;
        let added = added.map_err(failure)?;
        let advice = directory.advice(&added, AdviceOccasion::ADDED).await.map_err(failure)?;
        show(&arguments.common, &added, &advice);
        Ok(())
    })
}

fn address(text: &str) -> Result<String, String> {
    let fits = text.split_once('@').is_some_and(|it| !it.0.is_empty() && !it.1.is_empty())
        && !text.contains(|it: char| it.is_control() || it.is_whitespace());
    if fits {
        Ok(typed::stored_address(text))
    } else {
        Err("write an address like maya@contoso.com".to_owned())
    }
}

fn changed(
    common: &CommonArgs,
    username: &Username,
    change: PersonChange,
) -> Result<(), CommandError> {
    let occasion = AdviceOccasion::of(&change);
    open(common, async |directory| {
        let after = directory.change_person(username, change, &actor()).await.map_err(failure)?;
        let advice = directory.advice(&after, occasion).await.map_err(failure)?;
        show(common, &after, &advice);
        Ok(())
    })
}

fn list(arguments: &ListPeopleArgs) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let organization = id_of(directory, arguments.organization.as_ref()).await?;
        let asked = PeopleQuery {
            organization,
            prefix: arguments.search.clone(),
            after: arguments.after.clone(),
            limit: arguments.limit,
        };
        let people = directory.people(&asked).await.map_err(failure)?;
        let mut rows = vec![
            ["USERNAME", "NAME", "ORGANIZATION", "ROLE", "STATE", "LAST SIGN-IN"]
                .map(str::to_owned),
        ];
        rows.extend(people.iter().map(|person| {
            let state = if person.on { "on" } else { "off" };
            [
                person.username.to_string(),
                or_dash(person.name.as_deref()),
                person.code.to_string(),
                person.role.clone(),
                state.to_owned(),
                time(person.last_sign_in),
            ]
        }));
        print_result(
            &arguments.common,
            &people.iter().map(organization_json::person).collect(),
            || {
                if people.is_empty() { "no people found".to_owned() } else { lines(&rows) }
            },
        );
        if let Some(last) = people.last().filter(|_| {
            !arguments.common.json && u32::try_from(people.len()) == Ok(arguments.limit)
        }) {
            print_to_stderr(&format!(
                "hint: there may be more; show them with --after {}",
                last.username
            ));
        }
        Ok(())
    })
}

fn import(arguments: &ImportArgs) -> Result<(), CommandError> {
    let cannot = |path: &Path, why: &dyn std::fmt::Display| {
        CommandError::new(format!("{} {why}", path.display()))
    };
    let file = std::fs::File::open(&arguments.file)
        .map_err(|error| cannot(&arguments.file, &format!("cannot be read: {error}")))?;
    let (outcome, warnings) = open(&arguments.common, async |directory| {
        let found = directory.organization(&arguments.organization).await.map_err(failure)?;
        let organization =
            found.ok_or_else(|| failure(Error::NoOrganization(arguments.organization.clone())))?;
        let mut reported = 0;
        let progress = |done: u64| {
            if done / 10_000 > reported {
                reported = done / 10_000;
                print_to_stderr(&format!("{done} lines"));
            }
        };
        let file = std::io::BufReader::new(file);
        let imported =
            directory.import(&organization, file, &actor(), progress).await.map_err(|error| {
                cannot(&arguments.file, &error).hint("run it again to continue from there")
            })?;
        let warnings = imported.warnings(&organization);
        Ok((imported, warnings))
    })?;
    print_summary(arguments, &outcome, &warnings)
}

fn print_summary(
    arguments: &ImportArgs,
    outcome: &ImportReport,
    warnings: &[String],
) -> Result<(), CommandError> {
    let ImportReport { made, changed, unchanged, errors: wrong, left_out, waiting: _ } = outcome;
    let errors: Vec<_> = wrong.iter().map(|it| json!({ "line": it.0, "why": it.1 })).collect();
    let all = json!({ "made": made, "changed": changed, "unchanged": unchanged, "left_out": left_out, "errors": errors, "warnings": warnings });
    print_result(&arguments.common, &all, || {
        format!("{made} created, {changed} changed, {unchanged} unchanged, {left_out} skipped")
    });
    let warn = || {
        if !arguments.common.json {
            for it in warnings {
                print_to_stderr(&format!("warning: {it}"));
            }
        }
    };
    if *left_out == 0 {
        warn();
        return Ok(());
    }
    print_to_stderr(&format!(
        "error: {left_out} lines of {} were skipped",
        arguments.file.display()
    ));
    for (line, why) in wrong {
        print_to_stderr(&format!("  {}:{line}  {why}", arguments.file.display()));
    }
    if u64::try_from(wrong.len()).is_ok_and(|it| it < *left_out) {
        print_to_stderr(&format!(
            "  and {} more",
            left_out - u64::try_from(wrong.len()).unwrap_or_default()
        ));
    }
    print_to_stderr(
        "hint: fix those lines and run it again; people who were already imported do not change",
    );
    warn();
    Err(CommandError::already_reported())
}
