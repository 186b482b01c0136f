//! `/setup/domains`: the company's e-mail domains, and how each one is proven.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::admin_page::{admin_page, admin_scope, done, shown, to};
use super::gate::SetUpVisit;
use crate::base::email_domain::{BadEmailDomain, EmailDomain};
use crate::base::identity::Identity;
use crate::directory::domain::OrganizationDomain;
use crate::directory::domain_claim::{DomainError, record_name};
use crate::directory::organization::OrganizationSource;
use crate::directory::{Directory, Error};
use crate::pages::Page;
use crate::pages::domains::{DomainProblem, DomainRow, DomainSummary, DomainsPage};
use crate::session::pending::SignInTrial;
use crate::sidecar::domain_prover::{DomainOutcome, DomainRefusal, DomainWait};
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::{Response, StatusCode};

/// The actions that the page can report as done.
const DONE_ACTIONS: [&str; 5] = ["claimed", "tenant", "dns", "operator", "removed"];

/// Maximum length of a typed domain that is shown again, in characters.
const MAX_SHOWN_CHARS: usize = 253;

/// Returns the domains for another page.
pub(super) async fn summary(
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<DomainSummary, Refusal> {
    let all = directory.domain_list(visit.organization().id).await?;
    let rows = all.into_iter().map(|it| (it.domain, it.standing.as_str())).collect();
    Ok(DomainSummary { rows })
}

/// Notes that a member of the tenant passed a test sign-in.
pub(super) async fn note_trial(
    directory: &Directory,
    visit: &SetUpVisit,
    trial: &SignInTrial,
    who: &Identity,
) -> Result<(), Refusal> {
    let Some(mark) = &trial.mark else { return Ok(()) };
    Ok(directory.note_member_trial(visit.organization().id, who, mark).await?)
}

/// Shows the domains.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let done = done(exchange.inbound, DONE_ACTIONS);
    let page = DomainsPage { done, ..page(exchange, directory, visit).await? };
    Ok(shown(exchange, StatusCode::OK, &Page::Domains(Box::new(page))))
}

async fn page(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<DomainsPage, Refusal> {
    let organization = visit.organization();
    let is_highest = match visit.person() {
        Some(person) => directory.has_highest_role(organization.id, person).await?,
        None => true,
    };
    let all = directory.domain_list(organization.id).await?;
    let row = |it: OrganizationDomain| DomainRow {
        record_name: record_name(&it.domain),
        domain: it.domain,
        standing: it.standing.as_str(),
        since: it.since,
        ends: it.ends,
    };
    Ok(DomainsPage {
        admin: admin_page(exchange.app, visit),
        domains: all.into_iter().map(row).collect(),
        record: directory.domain_record(organization.id).await?,
        locked: match organization.source {
            OrganizationSource::File => Some("in_file"),
            OrganizationSource::Database => (!is_highest).then_some("not_highest"),
        },
        typed: String::new(),
        problem: None,
        done: None,
    })
}

/// Claims, checks or removes a domain.
pub(super) async fn change(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let (acting, typed) = (admin_scope(visit), form.text("domain"));
    let prover = &exchange.sidecar.domains;
    let wanted = form.text("do");
    let outcome = match wanted {
        "add" => prover.claim(directory, &acting, typed).await,
        "check" => prover.check(directory, &acting, typed).await,
        "remove" => {
            let domain = EmailDomain::parse(typed).map_err(|_| Refusal::BadForm)?;
            return match directory.remove_domain(&acting, &domain).await {
                Ok(()) => {
                    tracing::info!(organization = %visit.organization().code, by = visit.by(), %domain, "domain removed on the set-up page");
                    to(exchange.app, "domains", &[("done", "removed")])
                }
                Err(refused) => refuse(exchange, directory, visit, typed, refused.into()).await,
            };
        }
        _ => return Err(Refusal::BadForm),
    };
    match outcome {
        Ok(outcome) => {
            tracing::info!(organization = %visit.organization().code, by = visit.by(), domain = typed.trim(), ?outcome, "domain looked up on the set-up page");
            match (outcome, wanted) {
                (DomainOutcome::Known(how), _) => {
                    to(exchange.app, "domains", &[("done", how.as_str())])
                }
                (DomainOutcome::Waits(DomainWait::NoRecord), "add") => {
                    to(exchange.app, "domains", &[("done", "claimed")])
                }
                (DomainOutcome::Waits(wait), _) => {
                    let status = StatusCode::CONFLICT;
                    problem(exchange, directory, visit, typed, (status, wait.as_str())).await
                }
            }
        }
        Err(refused) => refuse(exchange, directory, visit, typed, refused).await,
    }
}

/// Shows the page again, with the reason why nothing was done.
async fn refuse(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    typed: &str,
    refused: DomainRefusal,
) -> Result<Response<Body>, Refusal> {
    let status = match refused {
        DomainRefusal::Bad(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let why = why(refused)?;
    problem(exchange, directory, visit, typed, (status, why)).await
}

async fn problem(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
    typed: &str,
    problem: (StatusCode, &'static str),
) -> Result<Response<Body>, Refusal> {
    let (status, why) = problem;
    let domain = EmailDomain::parse(typed).ok().map(|it| it.to_string());
    let page = page(exchange, directory, visit).await?;
    let is_listed = page.domains.iter().any(|it| Some(&it.domain) == domain.as_ref());
    let typed = if is_listed { "" } else { typed };
    let page = DomainsPage {
        typed: typed.chars().take(MAX_SHOWN_CHARS).collect(),
        problem: Some(DomainProblem { why, domain }),
        ..page
    };
    Ok(shown(exchange, status, &Page::Domains(Box::new(page))))
}

/// Returns the key of a reason.
fn why(refused: DomainRefusal) -> Result<&'static str, Error> {
    Ok(match refused {
        DomainRefusal::Bad(BadEmailDomain::Malformed) => "malformed",
        DomainRefusal::Bad(BadEmailDomain::PublicSuffix) => "public_suffix",
        DomainRefusal::Bad(BadEmailDomain::MailProvider) => "mail_provider",
        DomainRefusal::Bad(BadEmailDomain::Microsoft) => "microsoft",
        DomainRefusal::OtherTenant => "other_tenant",
        DomainRefusal::NoAnswer => "no_tenant_answer",
        DomainRefusal::Claim(it) => match it {
            DomainError::NotConnected => "not_connected",
            DomainError::TooMany => "too_many",
            DomainError::TooSoon => "too_soon",
            DomainError::NotClaimed => "not_claimed",
            DomainError::NotTested => "test",
            DomainError::Bound => "bound",
            DomainError::Directory(it) => match it {
                Error::DomainElsewhere(_) => "elsewhere",
                Error::DomainInUse(..) => "in_use",
                Error::NeedsHighestRole(_) => "not_highest",
                Error::InFile(_) | Error::Conflict => "changed",
                other => return Err(other),
            },
        },
    })
}
