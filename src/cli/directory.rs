//! The directory as commands open it: on the database itself, whether anything serves or not.

use super::check::{environment, name, read_quietly};
use super::run::runtime;
use super::terminal::{CommandError, print_line, print_to_stderr};
use crate::base::calendar;
use crate::base::certificate::BadCertificate;
use crate::base::client_secret::BadClientSecret;
use crate::base::clock::Clock;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;
use crate::directory::organization_credential::OrganizationCredential;
use crate::directory::{Directory, Error};
use crate::seal::keyring::Keyring;
use crate::seal::random;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest secret that is read, in bytes.
///
/// One more than the maximum, so that a longer file is reported and not cut.
const SECRET_READ_LIMIT_BYTES: u64 = 16 * 1024 + 1;

/// Which installation, and for whom the answer is.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    /// Configuration file; without it, entrada.toml if it exists, and the environment.
    #[arg(long, short, env = "ENTRADA_CONFIG")]
    config: Option<PathBuf>,
    /// Answer in JSON, for machines.
    #[arg(long)]
    pub(super) json: bool,
}

impl CommonArgs {
    /// The configuration file, if one is named.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// Opens the directory, does the work and closes it.
pub(super) fn open<T>(
    common: &CommonArgs,
    work: impl AsyncFnOnce(&Directory) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let config = read_quietly(common.config.as_deref())?;
    let Some(wanted) = config.directory else {
        let failure = CommandError::new(format!(
            "{} has no [directory] section",
            name(common.config.as_deref())
        ));
        return Err(failure.hint("add [directory] with database = \"sqlite:entrada.db\""));
    };
    let random = random::system();
    let keyring = Keyring::new(&config.session.secrets, &random);
    runtime()?.block_on(async {
        let directory =
            Directory::open(&wanted, &keyring, Clock::system(), random).await.map_err(failure)?;
        for it in directory.unfolded_forms() {
            print_to_stderr(&format!("warning: {it}"));
        }
        let outcome = work(&directory).await;
        directory.close().await;
        outcome
    })
}

/// The address that people see, and the name of the app that pages show.
pub(super) fn site(common: &CommonArgs) -> Result<(Site, String), CommandError> {
    let config = read_quietly(common.config.as_deref())?;
    let site = config.server.site;
    let name = config.pages.name.unwrap_or_else(|| site.authority().to_owned());
    Ok((site, name))
}

/// Whether the configuration names a token for organizations whose registrations trust its issuer.
pub(super) fn has_federated_token(common: &CommonArgs) -> Result<bool, CommandError> {
    Ok(read_quietly(common.config.as_deref())?.entra.federated_token.is_some())
}

/// Prints the JSON, or what people read.
pub(super) fn print_result(
    common: &CommonArgs,
    json: &serde_json::Value,
    text: impl FnOnce() -> String,
) {
    if common.json { print_line(&json.to_string()) } else { print_line(&text()) }
}

/// Who does it, for the history.
pub(super) fn actor() -> String {
    let all = environment();
    let named = ["SUDO_USER", "USER"]
        .iter()
        .find_map(|it| all.iter().find(|(name, value)| name == it && !value.is_empty()));
    named.map_or_else(|| "operator".to_owned(), |it| format!("operator {}", it.1))
}

/// Converts a directory error.
pub(super) fn failure(error: Error) -> CommandError {
    let hint = match &error {
        Error::NoOrganization(_) => Some("list the codes with entrada organization list"),
        Error::NoPerson(_) => Some("list people with entrada person list"),
        Error::CodeTaken(_) => {
            Some("choose another code, or find its owner with entrada organization show")
        }
        Error::CodeIsUsername(_) | Error::UsernameIsCode(_) => {
            Some("usernames and company codes must be distinct; choose another")
        }
        Error::UsernameTaken(_) => Some(
            "usernames are unique in the installation; find its owner with entrada person show",
        ),
        Error::AlreadyLinked(_) => Some("entrada person set --unlink removes the link"),
        Error::AccountTaken(_) => Some(
            "find that person with entrada person list --json; entrada person merge joins two people",
        ),
        Error::StillOn(_) => Some("entrada organization off ends all its sessions"),
        Error::BothLinked(..) => {
            Some("delete the one who should not sign in, or remove its link with --unlink first")
        }
        Error::UnopenedErasures => Some("add the secret that sealed it to [session] secrets again"),
        Error::RoleTaken(..) => Some("invite without --role; that person can give it to others"),
        Error::LinkingPaused(_) => Some(
            "entrada organization set --resume-linking confirms the new tenant; then invite again",
        ),
        Error::NotMergeable(..) => Some("name two people with the same company code"),
        Error::DomainElsewhere(_) => {
            Some("entrada organization show lists an organization's domains; --unbind releases one")
        }
        Error::DomainInUse(..) => {
            Some("find them with entrada person list --search, and change them first")
        }
        Error::NoRole(_) => Some("use one of [directory] roles, or add it there"),
        Error::NoSetUpRole(_) => Some("name a role that may open the set-up page, such as owner"),
        Error::Incomplete(..) => Some(
            "set it with entrada organization set --tenant, --client-id and --client-secret-file",
        ),
        Error::Unopened(_) => Some(
            "add the secret that sealed it to [session] secrets again, or set a new client secret with entrada organization set --client-secret-file",
        ),
        Error::Database(_)
        | Error::OtherCount(..)
        | Error::File(_)
        | Error::Conflict
        | Error::NotSealed
        | Error::UnopenedSignIn
        | Error::NotPlain(_)
        | Error::InFile(_)
        | Error::StaysWhileOn(_)
        | Error::NeedsHighestRole(_)
        | Error::NotTested(_) => None,
    };
    let failure = CommandError::new(error);
    if let Some(hint) = hint { failure.hint(hint) } else { failure }
}

/// A company code that was typed.
pub(super) fn code(text: &str) -> Result<CompanyCode, String> {
    CompanyCode::parse(text)
        .ok_or_else(|| "write 4 to 32 of a-z, 0-9 and inner hyphens, like contoso".to_owned())
}

/// A new username that was typed.
pub(super) fn username(text: &str) -> Result<Username, String> {
    Username::parse(text).ok_or_else(not_a_username)
}

/// The username of an existing person. One that an earlier version stored is found as it is.
pub(super) fn existing_username(text: &str) -> Result<Username, String> {
    Username::of_existing(text).ok_or_else(not_a_username)
}

fn not_a_username() -> String {
    "write Latin letters, digits and any of . _ - + @ ' # ! ^ ~, like maya@contoso.com".to_owned()
}

/// An ID that was typed.
pub(super) fn guid(text: &str) -> Result<Guid, String> {
    Guid::parse(text).ok_or_else(|| "write an ID like aaaabbbb-0000-cccc-1111-dddd2222eeee, as the Entra admin center shows it".to_owned())
}

/// A day that was typed; its beginning in seconds since 1970.
pub(super) fn day(text: &str) -> Result<u64, String> {
    calendar::day(text).ok_or_else(|| "write a day like 2027-05-31".to_owned())
}

/// A domain that was typed, in lower case.
pub(super) fn domain(text: &str) -> Result<String, String> {
    crate::config::directory::domain_of(text)
        .ok_or_else(|| "write a domain like contoso.com".to_owned())
}

/// What happens at an unknown person's first sign-in.
pub(super) fn first_sign_in(text: &str) -> Result<FirstSignInRule, String> {
    match text {
        "create" => Ok(FirstSignInRule::Create),
        "refuse" => Ok(FirstSignInRule::Refuse),
        _ => Err("write create or refuse".to_owned()),
    }
}

/// A client secret from a file, or from standard input by `-`; a newline at its end is not part of
/// it. Never from the command line, which other users of the machine can read.
pub(super) fn client_secret(path: &Path) -> Result<OrganizationCredential, CommandError> {
    let text = secret_text("client secret", path)?;
    OrganizationCredential::of_value(text.expose()).map_err(|it| {
        let what = match it {
            BadClientSecret::SecretId => "contains a Secret ID, not a secret".to_owned(),
            BadClientSecret::Other => "contains no Value of a client secret".to_owned(),
            other => format!("contains no Value of a client secret: {other}"),
        };
        CommandError::new(format!("{} {what}", path.display())).hint(it.hint())
    })
}

/// A certificate and its private key, from one file or two.
pub(super) fn certificate(
    path: &Path,
    key: Option<&Path>,
) -> Result<OrganizationCredential, CommandError> {
    let certificate = secret_text("certificate", path)?;
    let pem = match key {
        Some(key) => {
            Secret::new(format!("{}\n{}", certificate.expose(), secret_text("key", key)?.expose()))
        }
        None => certificate,
    };
    OrganizationCredential::of_certificate(&pem).map_err(|error| {
        let at_fault = match error {
            BadCertificate::NoCertificate | BadCertificate::TooLong => path,
            BadCertificate::NoKey
            | BadCertificate::Encrypted
            | BadCertificate::NotRsa
            | BadCertificate::Stranger => key.unwrap_or(path),
        };
        CommandError::new(format!("{} {error}", at_fault.display())).hint(error.hint())
    })
}

fn secret_text(what: &str, path: &Path) -> Result<Secret, CommandError> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(SECRET_READ_LIMIT_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|it| it.take(SECRET_READ_LIMIT_BYTES).read_to_string(&mut text))
    };
    read.map_err(|it| {
        CommandError::new(format!("cannot read the {what} file {}: {it}", path.display()))
    })?;
    let text = text.trim();
    if text.is_empty() {
        Err(CommandError::new(format!("the {what} file {} is empty", path.display())))
    } else {
        Ok(Secret::new(text))
    }
}
