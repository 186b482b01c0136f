//! `entrada explain`: which rule decides, with the code that judges requests.

use super::check::{environment, read};
use super::terminal::{CommandError, print_line};
use crate::access::policy::{DecisionReason, ExpectedOutcome, Policy};
use crate::base::domains::{TenantDomains, TenantName};
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
use crate::base::target::Target;
use crate::config::Config;
use crate::config::access::{Allow, AllowConditions, is_context};
use crate::config::entra::TenantConfig;
use http::Method;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `entrada explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The HTTP method: GET, POST ...
    method: String,
    /// Path in the app, with or without a query.
    path: String,
    /// An app role that the person has; can be repeated.
    #[arg(long)]
    role: Vec<String>,
    /// Object ID of a group that the person is in; can be repeated.
    #[arg(long)]
    group: Vec<String>,
    /// The person is in so many groups that Entra leaves them out of the token.
    #[arg(long, conflicts_with = "group")]
    overage: bool,
    /// The person's object ID or sign-in name.
    #[arg(long)]
    user: Option<String>,
    /// The person's tenant, as ID or domain; without it, the configured one.
    #[arg(long)]
    tenant: Option<String>,
    /// Company code of the person's organization.
    #[arg(long)]
    organization: Option<String>,
    /// The person's role in the directory.
    #[arg(long)]
    directory_role: Option<String>,
    /// An authentication context that the person has satisfied, such as c1; can be repeated.
    #[arg(long)]
    acrs: Vec<String>,
    /// Explain a request without a session.
    #[arg(long, conflicts_with_all = ["role", "group", "overage", "user", "tenant", "organization", "directory_role", "acrs"])]
    signed_out: bool,
    /// Configuration file; without it, entrada.toml if it exists, and the environment.
    #[arg(long, short, env = "ENTRADA_CONFIG")]
    config: Option<PathBuf>,
}

/// `entrada explain METHOD PATH`.
pub(super) fn run(arguments: &ExplainArgs) -> Result<(), CommandError> {
    let config = read(arguments.config.as_deref(), &environment())?;
    let method = Method::from_bytes(arguments.method.to_uppercase().as_bytes())
        .map_err(|_| CommandError::new(format!("{:?} is not an HTTP method", arguments.method)))?;
    if !arguments.path.starts_with('/') {
        return Err(no_path(&arguments.path));
    }
    let target = match Target::parse(&method, &arguments.path, config.upstream.paths) {
        Ok(target) => target,
        Err(error) => {
            print_line(&format!("{method} {}\n  rejected with 400: {error}", arguments.path));
            return Ok(());
        }
    };
    if config.server.site.is_ours(target.path()) {
        print_line(&format!(
            "{method} {}\n  answered by Entrada itself; no rule decides",
            target.path()
        ));
        return Ok(());
    }
    if let Some(text) = arguments.acrs.iter().find(|it| !is_context(it)) {
        return Err(CommandError::new(format!("{text:?} is not an authentication context"))
            .hint("write one of c1 to c99"));
    }
    let domains = TenantDomains::default();
    if let Some(domain) = domain(arguments, &config) {
        domains.record(&domain, placeholder_id());
    }
    let policy = Policy::compile(&config.access, Arc::new(domains));
    let who = if arguments.signed_out { None } else { Some(person(arguments, &config)?) };
    print_line(&explanation(&policy, &target, who.as_ref()));
    Ok(())
}

/// A path as a request has it begins with a slash; what was typed may be the whole address of a page.
fn no_path(typed: &str) -> CommandError {
    let meant = url::Url::parse(typed)
        .ok()
        .filter(url::Url::has_host)
        .map_or_else(|| format!("/{typed}"), |it| it.path().to_owned());
    CommandError::new(format!("{typed:?} does not begin with \"/\""))
        .hint(format!("write only the path, like {meant}"))
}

fn explanation(policy: &Policy, target: &Target, who: Option<&Identity>) -> String {
    let head = format!("{} {}", target.method(), target.path());
    let (why, allow) = match policy.because(target, who) {
        DecisionReason::Rule(rule) => {
            let suffixes = if rule.path.has_suffixes() { ", suffixes = true" } else { "" };
            (
                format!(
                    "the rule at line {}, path = \"{}\"{suffixes}{}",
                    rule.line,
                    rule.path,
                    methods(&rule.methods)
                ),
                &rule.allow,
            )
        }
        DecisionReason::Default(rule) => {
            ("[access] default, because no rule matches this path".to_owned(), &rule.allow)
        }
        DecisionReason::NoMethod => {
            return format!(
                "{head}\n  decides  rules match this path, but not this method\n  result   denied (403)"
            );
        }
    };
    let result = match policy.would(allow, who) {
        ExpectedOutcome::Allow => "allowed".to_owned(),
        ExpectedOutcome::Refuse => "denied (403)".to_owned(),
        ExpectedOutcome::SignIn => "sign-in required (302 for browsers, 401 otherwise)".to_owned(),
        ExpectedOutcome::StepUp(acrs) => format!("authentication context {} required (302 for browsers, 401 otherwise)", acrs.join(" or ")),
        ExpectedOutcome::GroupsUnknown => "unknown: a group decides, and the groups are not in the token; at run time, Entrada asks Microsoft Graph".to_owned(),
    };
    format!("{head}\n  decides  {why}\n  allow    {}\n  result   {result}", describe(allow))
}

fn methods(methods: &[Method]) -> String {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if names.is_empty() { String::new() } else { format!(", methods = {}", names.join(" ")) }
}

fn describe(allow: &Allow) -> String {
    match allow {
        Allow::Anyone => "anyone".to_owned(),
        Allow::SignedIn => "anyone who is signed in".to_owned(),
        Allow::Nobody => "nobody".to_owned(),
        Allow::Tables(tables) => tables.iter().map(table).collect::<Vec<_>>().join(", or "),
    }
}

fn table(table: &AllowConditions) -> String {
    let tenants: Vec<_> = table.tenants.iter().map(TenantName::to_string).collect();
    let parts: [(_, &[String]); 7] = [
        ("role", &table.roles),
        ("group", &table.groups),
        ("user", &table.users),
        ("tenant", &tenants),
        ("organization", &table.organizations),
        ("directory role", &table.directory_roles),
        ("authentication context", &table.acrs),
    ];
    let parts = parts
        .iter()
        .filter(|it| !it.1.is_empty())
        .map(|(name, values)| format!("{name} {}", values.join(" or ")));
    parts.collect::<Vec<_>>().join(" and ")
}

/// The domain that names the tenant; it is not resolved.
fn domain(arguments: &ExplainArgs, config: &Config) -> Option<String> {
    match (&arguments.tenant, &config.entra.tenant) {
        (Some(text), _) => {
            (text.contains('.') && Guid::parse(text).is_none()).then(|| text.to_ascii_lowercase())
        }
        (None, TenantConfig::Domain(name)) => Some(name.clone()),
        (None, _) => None,
    }
}

/// An object ID that no person has.
fn placeholder_id() -> Guid {
    Guid::from_random([0; 16])
}

fn member(arguments: &ExplainArgs) -> Option<Arc<DirectoryMember>> {
    let (code, role) = (arguments.organization.as_deref(), arguments.directory_role.as_deref());
    code.or(role)?;
    let code = code.unwrap_or_default().to_ascii_lowercase().into();
    Some(Arc::new(DirectoryMember {
        person: placeholder_id(),
        role: role.unwrap_or_default().into(),
        organization: placeholder_id(),
        code,
    }))
}

fn person(arguments: &ExplainArgs, config: &Config) -> Result<Identity, CommandError> {
    let tid = match (&arguments.tenant, &config.entra.tenant) {
        (Some(text), _) if domain(arguments, config).is_none() => Guid::parse(text)
            .ok_or_else(|| CommandError::new(format!("{text:?} is not a tenant")))?,
        (None, TenantConfig::Id(id)) => *id,
        _ => placeholder_id(),
    };
    let oid = arguments.user.as_deref().and_then(Guid::parse);
    Ok(Identity {
        preferred_username: arguments.user.as_deref().filter(|_| oid.is_none()).map(Box::from),
        roles: arguments.role.iter().collect(),
        groups: if arguments.overage {
            PersonGroups::Overage
        } else {
            PersonGroups::Known(arguments.group.iter().collect())
        },
        acrs: arguments.acrs.iter().collect(),
        member: member(arguments),
        ..Identity::new(oid.unwrap_or(placeholder_id()), tid)
    })
}
