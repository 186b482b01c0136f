//! The commands: what is typed, what is printed, and how it ends.

mod admin;
mod check;
mod companies;
mod dev;
mod directory;
mod emulator;
mod explain;
mod health;
mod organization;
mod person;
mod person_display;
mod person_linking;
mod run;
mod secret;
mod sessions;
mod signals;
mod table;
mod terminal;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Entra ID sign-in in front of any web app.
#[derive(Debug, Parser)]
#[command(name = "entrada", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    Run(ConfigArgs),
    /// Run on this machine only, with an Entra emulator: pick a person to sign in.
    Dev(dev::DevArgs),
    /// Run the Entra emulator alone, for use in other projects' tests.
    Emulator(emulator::EmulatorArgs),
    /// Read the configuration and print every problem at once.
    Check(ConfigArgs),
    /// Describe the configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show which access rule decides about a request, and why.
    Explain(explain::ExplainArgs),
    /// Manage organizations: companies with their own tenants, in the directory.
    #[command(subcommand)]
    Organization(organization::OrganizationCommand),
    /// Manage the people of those companies.
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// Check that the process answers on the admin listener (for a container's health check).
    Health(ConfigArgs),
    /// Manage the sessions of people who are signed in.
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// Print a new secret for session.secrets.
    Secret(secret::SecretArgs),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
}

/// Where the configuration is.
#[derive(Clone, Debug, clap::Args)]
struct ConfigArgs {
    /// Configuration file; without it, entrada.toml if it exists, and the environment.
    #[arg(long, short, env = "ENTRADA_CONFIG")]
    config: Option<PathBuf>,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments = Cli::parse();
    let outcome = match arguments.command {
        Command::Run(config) => run::run(config.config),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Emulator(arguments) => emulator::run(&arguments),
        Command::Check(config) => check::run(config.config.as_deref()),
        Command::Config(ConfigCommand::Schema) => schema(),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Organization(command) => organization::run(command),
        Command::Person(command) => person::run(command),
        Command::Health(config) => health::run(config.config.as_deref()),
        Command::Sessions(order) => sessions::run(&order),
        Command::Secret(arguments) => secret::run(&arguments),
        Command::Completions { shell } => completions(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => terminal::fail(&failure),
    }
}

fn schema() -> Result<(), terminal::CommandError> {
    terminal::print_line(&format!("{:#}", crate::config::json_schema()));
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<(), terminal::CommandError> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "entrada", &mut out);
    terminal::print_line(String::from_utf8_lossy(&out).trim_end());
    Ok(())
}
