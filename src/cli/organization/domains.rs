//! `entrada organization domain`: the e-mail domains that a company proves.

use super::super::check::{environment, read_quietly};
use super::super::directory::{self, CommonArgs, actor, failure, open, print_result};
use super::super::terminal::CommandError;
use crate::base::clock::Clock;
use crate::base::company_code::CompanyCode;
use crate::base::email_domain::EmailDomain;
use crate::directory::admin::AdminScope;
use crate::directory::domain::OrganizationDomain;
use crate::directory::domain_claim::{DomainError, record_name};
use crate::directory::{Directory, Error};
use crate::seal::random;
use crate::sidecar::domain_prover::{DomainOutcome, DomainProver, DomainRefusal, DomainWait};
use serde_json::json;

/// Arguments of `entrada organization domain`.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum DomainCommand {
    /// Claim a domain; prints the TXT record that proves it, unless Entra's answer suffices.
    Add(DomainArgs),
    /// Look for the proof of a domain that was claimed.
    Verify(DomainArgs),
    /// Remove a domain that was claimed or proven, or that is bound.
    Remove(DomainArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DomainArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// The domain of its e-mail addresses.
    domain: String,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(command: &DomainCommand) -> Result<(), CommandError> {
    let (DomainCommand::Add(arguments)
    | DomainCommand::Verify(arguments)
    | DomainCommand::Remove(arguments)) = command;
    open(&arguments.common, async |directory| {
        let found = directory.organization(&arguments.code).await.map_err(failure)?;
        let found = found.ok_or_else(|| failure(Error::NoOrganization(arguments.code.clone())))?;
        let acting = AdminScope::operator(found.id, actor());
        if let DomainCommand::Remove(_) = command {
            let domain = EmailDomain::parse(&arguments.domain).map_err(|it| refused(it.into()))?;
            let removed = directory.remove_domain(&acting, &domain).await;
            removed.map_err(|it| refused(it.into()))?;
            let value =
                json!({ "domains": directory.domains_json(found.id).await.map_err(failure)? });
            print_result(&arguments.common, &value, || format!("removed {domain}"));
            return Ok(());
        }
        let prover = prover(&arguments.common)?;
        let outcome = if let DomainCommand::Add(_) = command {
            prover.claim(directory, &acting, &arguments.domain).await
        } else {
            prover.check(directory, &acting, &arguments.domain).await
        };
        let outcome = outcome.map_err(refused)?;
        report(arguments, directory, &acting, outcome).await
    })
}

fn prover(common: &CommonArgs) -> Result<DomainProver, CommandError> {
    let config = read_quietly(common.config())?;
    DomainProver::of_config(&config, &environment(), Clock::system(), random::system())
        .map_err(CommandError::new)
}

async fn report(
    arguments: &DomainArgs,
    directory: &Directory,
    acting: &AdminScope,
    outcome: DomainOutcome,
) -> Result<(), CommandError> {
    let domains = directory.domains_json(acting.organization).await.map_err(failure)?;
    let record = directory.domain_record(acting.organization).await.map_err(failure)?;
    let (by, wait) = match outcome {
        DomainOutcome::Known(by) => (by.as_str(), None),
        DomainOutcome::Waits(wait) => ("pending", Some(wait)),
    };
    let name = EmailDomain::parse(&arguments.domain).map_err(|it| refused(it.into()))?;
    let value =
        json!({ "outcome": by, "waits_for": wait.map(DomainWait::as_str), "domains": domains });
    print_result(&arguments.common, &value, || match wait {
        None => format!("{name} is known ({by})"),
        Some(wait) => format!(
            "{name} is not proven yet: {}\n\n{}  TXT  {}",
            words(wait),
            record_name(name.as_str()),
            record.unwrap_or_default()
        ),
    });
    Ok(())
}

fn words(wait: DomainWait) -> &'static str {
    match wait {
        DomainWait::Test => {
            "a member of its tenant must test the sign-in on the set-up page, or the TXT record must be published"
        }
        DomainWait::NoRecord => "the TXT record must be published",
        DomainWait::OtherRecord => "there is a TXT record with another value",
        DomainWait::NoAnswer => "DNS did not answer, so it is not known whether there is a record",
    }
}

/// Converts a refusal.
fn refused(refusal: DomainRefusal) -> CommandError {
    match refusal {
        DomainRefusal::Claim(DomainError::Directory(error)) => failure(error),
        DomainRefusal::OtherTenant => CommandError::new(refusal)
            .hint("entrada organization set --bind binds a domain without a proof"),
        DomainRefusal::NoAnswer => CommandError::new(refusal)
            .hint("check [entra] authority and the network, then try again"),
        DomainRefusal::Claim(DomainError::NotClaimed) => {
            CommandError::new(refusal).hint("claim it with entrada organization domain add")
        }
        other => CommandError::new(other),
    }
}

/// How the domains of an organization are known, for people.
pub(super) fn listed(all: &[OrganizationDomain]) -> String {
    let one = |it: &OrganizationDomain| format!("{} ({})", it.domain, it.standing.as_str());
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
