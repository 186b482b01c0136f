//! `entrada organization`: companies, their codes and their sign-ins.

mod deletion;
mod details;
mod domains;

use super::directory::{
    self, CommonArgs, actor, certificate, client_secret, failure, open, print_result,
};
use super::table::{lines, or_dash, time};
use super::terminal::CommandError;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;
use crate::directory::change::{ChangeOrigin, NewOrganization, OrganizationChange};
use crate::directory::history::HistoryEntry;
use crate::directory::organization::OrganizationState;
use crate::directory::organization_credential::OrganizationCredential;
use crate::directory::{Error, organization_json};
use deletion::{DeleteOrganizationArgs, delete};
use details::{show, with_days};
use domains::DomainCommand;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `entrada organization`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum OrganizationCommand {
    /// Create an organization.
    Add(AddOrganizationArgs),
    /// List all organizations.
    List(ListOrganizationsArgs),
    /// Show one organization, with its domains and former codes.
    Show(OrganizationArgs),
    /// Change an organization.
    Set(SetOrganizationArgs),
    /// Change an organization's code; the previous code stays valid for a while.
    Code(NewCodeArgs),
    /// Create a set-up link for its admin: valid once, for 24 hours; replaces the previous link.
    Invite(InviteArgs),
    /// Show the changes to an organization and its people, and who made them, newest first.
    History(HistoryArgs),
    /// Claim and prove the domains of a company's e-mail addresses.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Turn an organization off; signs out everyone in it.
    Off(OrganizationArgs),
    /// Turn an organization on.
    On(OrganizationArgs),
    /// Delete an organization that is off, with all its people; its code stays reserved for a year.
    Delete(DeleteOrganizationArgs),
    /// Reseal all credentials with the first of session.secrets, so that older secrets can be removed.
    Reseal(ListOrganizationsArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct AddOrganizationArgs {
    /// Company code that people type; without it, derived from the name.
    #[arg(value_parser = directory::code)]
    code: Option<CompanyCode>,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    sign_in: RegistrationArgs,
    /// A domain whose addresses belong to this organization only; can be repeated.
    #[arg(long = "domain", value_parser = directory::domain)]
    domains: Vec<String>,
    /// How to treat unknown people at their first sign-in: create or refuse.
    #[arg(long, value_parser = directory::first_sign_in)]
    first_sign_in: Option<FirstSignInRule>,
    /// Reject guests of its tenant.
    #[arg(long)]
    no_guests: bool,
    /// Turn it on immediately.
    #[arg(long)]
    on: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Its app registration.
#[derive(Debug, clap::Args)]
struct RegistrationArgs {
    /// Directory (tenant) ID.
    #[arg(long, value_parser = directory::guid)]
    tenant: Option<Guid>,
    /// Application (client) ID.
    #[arg(long, value_parser = directory::guid)]
    client_id: Option<Guid>,
    /// File with the Value of a client secret; "-" reads standard input.
    #[arg(long)]
    client_secret_file: Option<PathBuf>,
    /// File with a certificate in PEM to use instead; its private key is in the same file, or in `--key-file`.
    #[arg(long, conflicts_with = "client_secret_file")]
    certificate_file: Option<PathBuf>,
    /// File with the private key of that certificate, in PEM.
    #[arg(long, requires = "certificate_file")]
    key_file: Option<PathBuf>,
    /// Authenticate with the token from `[entra] federated_token`, whose issuer its app registration trusts.
    #[arg(long, conflicts_with_all = ["client_secret_file", "certificate_file"])]
    federated: bool,
    /// Role of people who are created at their first sign-in.
    #[arg(long)]
    default_role: Option<String>,
}

impl RegistrationArgs {
    fn proof(&self, common: &CommonArgs) -> Result<Option<OrganizationCredential>, CommandError> {
        if let Some(path) = &self.client_secret_file {
            return client_secret(path).map(Some);
        }
        if let Some(path) = &self.certificate_file {
            return certificate(path, self.key_file.as_deref()).map(Some);
        }
        if self.federated && !directory::has_federated_token(common)? {
            return Err(CommandError::new("the configuration has no federated token")
                .hint("write federated_token = { file = \"...\" } in [entra]"));
        }
        Ok(self.federated.then_some(OrganizationCredential::Operators))
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ListOrganizationsArgs {
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct OrganizationArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct InviteArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// Let the holder of the link take this role with the account that passed the test, while no linked person has it.
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct SetOrganizationArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    sign_in: RegistrationArgs,
    /// How to treat unknown people at their first sign-in: create or refuse.
    #[arg(long, value_parser = directory::first_sign_in)]
    first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in: true or false.
    #[arg(long)]
    guests: Option<bool>,
    /// Expiry date of the client secret, like 2027-05-31: of the one set by this command, otherwise of the current one.
    #[arg(long, value_parser = directory::day)]
    client_secret_expires: Option<u64>,
    /// Discard the new client secret that waits for its first successful sign-in.
    #[arg(long, conflicts_with_all = ["client_secret_file", "certificate_file", "federated"])]
    take_back_secret: bool,
    /// Link people without an approval again, after a set-up link led to another tenant.
    #[arg(long)]
    resume_linking: bool,
    /// A domain whose addresses belong to this organization only; can be repeated.
    #[arg(long, value_parser = directory::domain)]
    bind: Vec<String>,
    /// A domain to release; can be repeated.
    #[arg(long, value_parser = directory::domain)]
    unbind: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct NewCodeArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// The new code.
    #[arg(value_parser = directory::code)]
    new: CompanyCode,
    /// How many days the previous code stays valid.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(0..=3650))]
    keep_days: u64,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// Maximum number of changes to show.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    common: CommonArgs,
}

/// `entrada organization`.
pub(super) fn run(command: OrganizationCommand) -> Result<(), CommandError> {
    match command {
        OrganizationCommand::Add(arguments) => add(arguments),
        OrganizationCommand::List(arguments) => list(&arguments.common),
        OrganizationCommand::Show(arguments) => open(&arguments.common, async |directory| {
            let found = directory.organization(&arguments.code).await.map_err(failure)?;
            show(
                directory,
                &arguments.common,
                &found.ok_or_else(|| failure(Error::NoOrganization(arguments.code.clone())))?,
            )
            .await
        }),
        OrganizationCommand::Set(arguments) => set(arguments),
        OrganizationCommand::Code(arguments) => open(&arguments.common, async |directory| {
            let changed = directory
                .change_code(&arguments.code, &arguments.new, arguments.keep_days, &actor())
                .await
                .map_err(failure)?;
            show(directory, &arguments.common, &changed).await
        }),
        OrganizationCommand::Invite(arguments) => invite(&arguments),
        OrganizationCommand::History(arguments) => history(&arguments),
        OrganizationCommand::Domain(command) => domains::run(&command),
        OrganizationCommand::Off(arguments) => switch(&arguments, OrganizationState::Off),
        OrganizationCommand::On(arguments) => switch(&arguments, OrganizationState::On),
        OrganizationCommand::Delete(arguments) => delete(&arguments),
        OrganizationCommand::Reseal(arguments) => open(&arguments.common, async |directory| {
            let count = directory.reseal(&actor()).await.map_err(failure)?;
            print_result(&arguments.common, &json!({ "resealed": count }), || {
                format!("resealed {count}; older secrets can be removed")
            });
            Ok(())
        }),
    }
}

fn add(arguments: AddOrganizationArgs) -> Result<(), CommandError> {
    let name = match (&arguments.name, &arguments.code) {
        (Some(name), _) if !name.trim().is_empty() => name.trim().to_owned(),
        (_, Some(code)) => code.to_string(),
        _ => {
            return Err(CommandError::new("an organization needs a code or a name")
                .hint("entrada organization add contoso --name \"Contoso Freight\""));
        }
    };
    let new = NewOrganization {
        code: arguments.code,
        name,
        tenant: arguments.sign_in.tenant,
        client_id: arguments.sign_in.client_id,
        proof: arguments.sign_in.proof(&arguments.common)?,
        credential_ends: None,
        domains: arguments.domains,
        default_role: arguments.sign_in.default_role,
        first_sign_in: arguments.first_sign_in,
        no_guests: arguments.no_guests,
        on: arguments.on,
    };
    open(&arguments.common, async |directory| {
        let made = directory.add_organization(new, &actor()).await.map_err(failure)?;
        show(directory, &arguments.common, &made).await
    })
}

fn set(arguments: SetOrganizationArgs) -> Result<(), CommandError> {
    let change = OrganizationChange {
        origin: ChangeOrigin::Operator,
        name: arguments.name,
        tenant: arguments.sign_in.tenant,
        client_id: arguments.sign_in.client_id,
        proof: arguments.sign_in.proof(&arguments.common)?,
        default_role: arguments.sign_in.default_role,
        first_sign_in: arguments.first_sign_in,
        guests: arguments.guests,
        withdraw_new: arguments.take_back_secret,
        credential_ends: arguments.client_secret_expires,
        state: None,
        bind: arguments.bind,
        unbind: arguments.unbind,
        resume_linking: arguments.resume_linking,
    };
    open(&arguments.common, async |directory| {
        let changed = directory
            .change_organization(&arguments.code, change, &actor())
            .await
            .map_err(failure)?;
        show(directory, &arguments.common, &changed).await
    })
}

fn switch(arguments: &OrganizationArgs, state: OrganizationState) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let change = OrganizationChange { state: Some(state), ..OrganizationChange::default() };
        let changed = directory
            .change_organization(&arguments.code, change, &actor())
            .await
            .map_err(failure)?;
        show(directory, &arguments.common, &changed).await
    })
}

fn list(common: &CommonArgs) -> Result<(), CommandError> {
    open(common, async |directory| {
        let all = directory.organizations().await.map_err(failure)?;
        let (mut rows, mut values) = (
            vec![["CODE", "NAME", "STATE", "TENANT", "CREDENTIAL", "CHANGED"].map(str::to_owned)],
            Vec::new(),
        );
        for organization in &all {
            let credential = directory.credential_of(organization).await.map_err(failure)?;
            let tenant = organization.tenant.map(|it| it.to_string());
            rows.push([
                organization.code.to_string(),
                organization.name.clone(),
                organization.state.as_str().to_owned(),
                or_dash(tenant.as_deref()),
                with_days(credential.words, organization),
                time(Some(organization.changed)),
            ]);
            values.push(directory.organization_summary(organization, credential));
        }
        print_result(common, &Value::from(values), || {
            if all.is_empty() { "no organizations yet".to_owned() } else { lines(&rows) }
        });
        Ok(())
    })
}

fn invite(arguments: &InviteArgs) -> Result<(), CommandError> {
    let (site, app) = directory::site(&arguments.common)?;
    open(&arguments.common, async |directory| {
        let role = arguments.role.as_deref();
        let made = directory.invite_as(&arguments.code, role, &actor()).await.map_err(failure)?;
        let url = site.invitation_url(made.token.expose());
        let ends = i64::try_from(made.ends).ok();
        print_result(
            &arguments.common,
            &json!({ "organization": made.organization.code.as_str(), "url": url, "ends": made.ends }),
            || {
                let (until, name) = (time(ends), made.organization.name.as_str());
                format!(
                    "{url}\n\nfor single sign-on to {app}; valid once, until {until}; send it only to the person who sets up {name}"
                )
            },
        );
        Ok(())
    })
}

fn history(arguments: &HistoryArgs) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let found = directory.organization(&arguments.code).await.map_err(failure)?;
        let found = found.ok_or_else(|| failure(Error::NoOrganization(arguments.code.clone())))?;
        let all = directory.history(found.id, None, arguments.limit).await.map_err(failure)?;
        let mut rows = vec![["TIME", "BY", "PERSON", "WHAT"].map(str::to_owned)];
        rows.extend(all.iter().map(|entry| {
            [
                time(Some(entry.at)),
                by(entry),
                or_dash(entry.username.as_ref().map(Username::as_str)),
                entry.what.clone(),
            ]
        }));
        print_result(
            &arguments.common,
            &all.iter().map(organization_json::change).collect(),
            || lines(&rows),
        );
        Ok(())
    })
}

fn by(entry: &HistoryEntry) -> String {
    entry.by_username.as_ref().map_or_else(|| entry.by.clone(), Username::to_string)
}
