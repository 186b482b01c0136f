//! `entrada secret`: a new secret, and how it takes the place of another.

use super::terminal::{CommandError, print_line, print_to_stderr};
use clap::Subcommand;

/// Arguments of `entrada secret`.
#[derive(Debug, clap::Args)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    command: Option<SecretCommand>,
}

/// What else there is to a secret.
#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Print a new secret, and the steps to use it in place of the old one.
    #[command(after_help = STEPS)]
    Rotate,
}

/// The steps; every line fits a terminal of 80 columns.
const STEPS: &str = "\
The first of session.secrets seals, and all of them open. A replica that does
not know a secret cannot open what the others seal with it, so every replica
knows the new secret before one of them uses it:

  1. Write the new secret behind the old one, on every replica, and reload each
     one (SIGHUP, or a restart where the secrets are environment variables):

       [session]
       secrets = [{ file = \"old\" }, { file = \"new\" }]

  2. When every replica has reloaded, write the new secret first, on every
     replica, and reload each one again:

       secrets = [{ file = \"new\" }, { file = \"old\" }]

  3. Keep the old secret for session.lifetime (12 hours), and with [native] for
     native.lifetime. With [directory], run `entrada organization reseal`. Then
     remove it and reload once more:

       secrets = [{ file = \"new\" }]

A single process needs no step 1. If the old secret is known to others, do not
keep it: start every replica with the new secret alone, and everyone signs in
again.";

/// `entrada secret`.
pub(super) fn run(arguments: &SecretArgs) -> Result<(), CommandError> {
    // On standard output alone, so that it can be written to a file.
    print_line(&crate::seal::random::system().text::<32>());
    if let Some(SecretCommand::Rotate) = arguments.command {
        print_to_stderr(STEPS);
    }
    Ok(())
}
