//! `entrada person`: people, one by one and by the file.

use super::directory::{self, CommonArgs, actor, failure, open, print_result};
use super::table::{lines, or_dash, pairs, time};
use super::terminal::{CommandError, complain, print_line};
use crate::base::company_code::CompanyCode;
use crate::base::username::Username;
use crate::directory::change::{NewPerson, PersonChange};
use crate::directory::people::PeopleQuery;
use crate::directory::person::Person;
use crate::directory::transfer::ImportReport;
use crate::directory::{Directory, Error, organization_json};
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
    #[arg(long, value_parser = directory::username)]
    after: Option<Username>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PersonArgs {
    /// The person's username.
    #[arg(value_parser = directory::username)]
    username: Username,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct SetPersonArgs {
    /// The person's username.
    #[arg(value_parser = directory::username)]
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
    /// Reset to the organization's default role, and let directory.role_map decide at the next sign-in.
    #[arg(long, conflicts_with = "role")]
    role_by_entra: bool,
    /// Remove the link to the account in Entra, for a person whose account was recreated.
    #[arg(long)]
    unlink: bool,
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
        PersonCommand::Add(it) => open(&it.common, async |directory| {
            let new = NewPerson {
                username: it.username.clone(),
                name: it.name.clone(),
                email: it.email.clone(),
                role: it.role.clone(),
            };
            show(
                &it.common,
                &directory.add_person(&it.organization, &new, &actor()).await.map_err(failure)?,
            );
            Ok(())
        }),
        PersonCommand::List(it) => list(&it),
        PersonCommand::Show(it) => open(&it.common, async |directory| {
            let found = directory.person(&it.username).await.map_err(failure)?;
            show(&it.common, &found.ok_or_else(|| failure(Error::NoPerson(it.username.clone())))?);
            Ok(())
        }),
        PersonCommand::Set(it) => {
            let (role, unlink, role_by_entra) = (it.role, it.unlink, it.role_by_entra);
            let change = PersonChange {
                username: it.new_username,
                name: it.name,
                email: it.email,
                role,
                role_by_entra,
                on: None,
                unlink,
            };
            changed(&it.common, &it.username, change)
        }
        PersonCommand::Off(it) => changed(
            &it.common,
            &it.username,
            PersonChange { on: Some(false), ..PersonChange::default() },
        ),
        PersonCommand::On(it) => changed(
            &it.common,
            &it.username,
            PersonChange { on: Some(true), ..PersonChange::default() },
        ),
        PersonCommand::Import(it) => import(&it),
        PersonCommand::Export(it) => open(&it.common, async |directory| {
            let organization = id_of(directory, it.organization.as_ref()).await?;
            directory
                .export(organization, std::io::stdout().lock())
                .await
                .map_err(CommandError::new)
                .map(drop)
        }),
    }
}

fn address(text: &str) -> Result<String, String> {
    let fits = text.split_once('@').is_some_and(|it| !it.0.is_empty() && !it.1.is_empty())
        && !text.contains(|it: char| it.is_control() || it.is_whitespace());
    if fits {
        Ok(text.to_lowercase())
    } else {
        Err("write an address like maya@contoso.com".to_owned())
    }
}

fn changed(
    common: &CommonArgs,
    username: &Username,
    change: PersonChange,
) -> Result<(), CommandError> {
    open(common, async |directory| {
        show(common, &directory.change_person(username, change, &actor()).await.map_err(failure)?);
        Ok(())
    })
}

async fn id_of(
    directory: &Directory,
    code: Option<&CompanyCode>,
) -> Result<Option<crate::base::guid::Guid>, CommandError> {
    let Some(code) = code else { return Ok(None) };
    let found = directory.organization(code).await.map_err(failure)?;
    found.map(|it| Some(it.id)).ok_or_else(|| failure(Error::NoOrganization(code.clone())))
}

fn list(it: &ListPeopleArgs) -> Result<(), CommandError> {
    open(&it.common, async |directory| {
        let organization = id_of(directory, it.organization.as_ref()).await?;
        let asked = PeopleQuery {
            organization,
            prefix: it.search.clone(),
            after: it.after.clone(),
            limit: it.limit,
        };
        let people = directory.people(&asked).await.map_err(failure)?;
        let mut rows = vec![
            ["USERNAME", "NAME", "ORGANIZATION", "ROLE", "STATE", "LAST SIGN-IN"]
                .map(str::to_owned),
        ];
        rows.extend(people.iter().map(|it| {
            let state = if it.on { "on" } else { "off" };
            [
                it.username.to_string(),
                or_dash(it.name.as_deref()),
                it.code.to_string(),
                it.role.clone(),
                state.to_owned(),
                time(it.last_sign_in),
            ]
        }));
        print_result(&it.common, &people.iter().map(organization_json::person).collect(), || {
            if people.is_empty() { "no people found".to_owned() } else { lines(&rows) }
        });
        if let Some(last) =
            people.last().filter(|_| !it.common.json && u32::try_from(people.len()) == Ok(it.limit))
        {
            complain(&format!("hint: there may be more; show them with --after {}", last.username));
        }
        Ok(())
    })
}

fn import(it: &ImportArgs) -> Result<(), CommandError> {
    let cannot = |path: &Path, why: &dyn std::fmt::Display| {
        CommandError::new(format!("{} {why}", path.display()))
    };
    let file = std::fs::File::open(&it.file)
        .map_err(|error| cannot(&it.file, &format!("cannot be read: {error}")))?;
    let outcome = open(&it.common, async |directory| {
        let found = directory.organization(&it.organization).await.map_err(failure)?;
        let organization =
            found.ok_or_else(|| failure(Error::NoOrganization(it.organization.clone())))?;
        let mut told = 0;
        let progress = |done: u64| {
            if done / 10_000 > told {
                told = done / 10_000;
                complain(&format!("{done} lines"));
            }
        };
        let file = std::io::BufReader::new(file);
        directory
            .import(&organization, file, &actor(), progress)
            .await
            .map_err(|error| cannot(&it.file, &error).hint("run it again to continue from there"))
    })?;
    summed_up(it, &outcome)
}

fn summed_up(it: &ImportArgs, outcome: &ImportReport) -> Result<(), CommandError> {
    let ImportReport { made, changed, unchanged, errors: wrong, left_out } = outcome;
    let told: Vec<_> = wrong.iter().map(|it| json!({ "line": it.0, "why": it.1 })).collect();
    let all = json!({ "made": made, "changed": changed, "unchanged": unchanged, "left_out": left_out, "errors": told });
    print_result(&it.common, &all, || {
        format!("{made} created, {changed} changed, {unchanged} unchanged, {left_out} skipped")
    });
    if *left_out == 0 {
        return Ok(());
    }
    complain(&format!("error: {left_out} lines of {} were skipped", it.file.display()));
    for (line, why) in wrong {
        complain(&format!("  {}:{line}  {why}", it.file.display()));
    }
    if u64::try_from(wrong.len()).is_ok_and(|it| it < *left_out) {
        complain(&format!(
            "  and {} more",
            left_out - u64::try_from(wrong.len()).unwrap_or_default()
        ));
    }
    complain(
        "hint: fix those lines and run it again; people who were already imported do not change",
    );
    Err(CommandError::already_reported())
}

fn show(common: &CommonArgs, it: &Person) {
    if common.json {
        return print_line(&organization_json::person(it).to_string());
    }
    let linked = it.linked.map(|(tid, oid)| format!("tenant {tid}, object {oid}"));
    print_line(&pairs(&[
        ("username", it.username.to_string()),
        ("name", or_dash(it.name.as_deref())),
        ("email", or_dash(it.email.as_deref())),
        ("organization", it.code.to_string()),
        ("role", format!("{} ({})", it.role, it.role_source.as_str())),
        ("state", if it.on { "on" } else { "off" }.to_owned()),
        ("id", it.id.to_string()),
        ("at Entra", linked.unwrap_or_else(|| "not signed in yet".to_owned())),
        ("last sign-in", time(it.last_sign_in)),
        ("created", time(Some(it.created))),
    ]));
}
