//! `entrada sessions`: what an operator does about people who are signed in.

use super::admin;
use super::check::read_quietly;
use super::terminal::{CommandError, print_line};
use crate::config::server::ListenAddress;
use crate::session::person::PersonSelector;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `entrada sessions`.
#[derive(Debug, Subcommand)]
pub(super) enum SessionsCommand {
    /// End all sessions of one person, in the service that runs with this configuration.
    Revoke(RevokeArgs),
}

/// Whose sessions.
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The person's object ID, or the sign-in name if only one person has it.
    #[arg(long)]
    user: String,
    /// The tenant ID, if people of several tenants sign in.
    #[arg(long)]
    tenant: Option<String>,
    /// Configuration file; without it, entrada.toml if it exists, and the environment.
    #[arg(long, short, env = "ENTRADA_CONFIG")]
    config: Option<PathBuf>,
}

/// What the admin listener answers.
#[derive(Deserialize)]
struct RevokeAnswer {
    ended: Option<u64>,
    title: Option<String>,
    user: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    people: Vec<RevokedPerson>,
}

#[derive(Deserialize)]
struct RevokedPerson {
    user: String,
    tenant: String,
}

/// `entrada sessions`.
pub(super) fn run(order: &SessionsCommand) -> Result<(), CommandError> {
    match order {
        SessionsCommand::Revoke(arguments) => revoke(arguments),
    }
}

fn revoke(arguments: &RevokeArgs) -> Result<(), CommandError> {
    PersonSelector::parse(&arguments.user, arguments.tenant.as_deref()).map_err(|it| {
        CommandError::new(it).hint("az ad user show --id maya@contoso.com --query id prints the object ID, az account show --query tenantId the tenant ID")
    })?;
    let server = read_quietly(arguments.config.as_deref())?.server;
    let (listen, token) = (server.admin_listen, server.admin_token);
    if token.is_none()
        && matches!(listen, ListenAddress::Tcp(address) if !address.ip().to_canonical().is_loopback())
    {
        let what = format!(
            "[server] admin_listen is {listen}, but sessions can be revoked only on a unix socket or a loopback address"
        );
        return Err(
            CommandError::new(what).hint("set admin_listen to \"127.0.0.1:4181\" or \"unix:/run/entrada/admin.sock\", or set admin_token, and restart entrada")
        );
    }
    let body = json!({ "user": arguments.user, "tenant": arguments.tenant }).to_string();
    let bearer =
        token.map(|it| format!("Authorization: Bearer {}\r\n", it.expose())).unwrap_or_default();
    let head = format!(
        "POST /sessions/revoke HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/json\r\nConnection: close\r\n"
    );
    report(
        arguments,
        &admin::send(&listen, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))?,
    )
}

fn report(arguments: &RevokeArgs, answer: &str) -> Result<(), CommandError> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let answer: RevokeAnswer = serde_json::from_str(body).map_err(|_| {
        CommandError::new(format!("unexpected response: {status}")).hint(
            "check whether another program, or an older entrada, listens on [server] admin_listen",
        )
    })?;
    match (answer.ended, answer.user, answer.tenant) {
        (Some(ended), Some(user), Some(tenant)) => {
            print_line(&format!(
                "ended {ended} session{} of {user} in tenant {tenant}",
                if ended == 1 { "" } else { "s" }
            ));
            Ok(())
        }
        (Some(_), ..) => {
            print_line(&format!("{} is not signed in", arguments.user));
            Ok(())
        }
        (None, ..) => {
            let failure = CommandError::new(answer.title.unwrap_or_else(|| status.to_owned()));
            Err(answer.people.iter().fold(failure, |failure, it| {
                failure.hint(format!("--user {} --tenant {}", it.user, it.tenant))
            }))
        }
    }
}
