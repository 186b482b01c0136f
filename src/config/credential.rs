//! The credential with which an app authenticates to Entra: a client secret, a certificate or a
//! token from another issuer.

use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue};
use super::server::{TlsFiles, tls};
use super::source::LocatedKey;
use super::value_type::ValueType;
use crate::base::certificate::{ClientCertificate, MAX_PEM_BYTES};
use crate::base::client_secret;
use crate::base::credential::ClientCredential;
use crate::base::secret::Secret;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

const WHICH: &str = "write one of client_secret, certificate and federated_token";

/// Reads the credential that is written; for `[entra]`, also from the `AZURE_*` variables that
/// platforms set. If `needed` is false, a missing credential is not a problem.
pub(super) fn read(
    section: &ConfigSection<'_>,
    of_entra: bool,
    needed: bool,
) -> Option<ClientCredential> {
    let key = || {
        let key = section.key(
            "client_secret",
            "Required, or a certificate or a federated token. The Value of a client secret of the \
             registration, not its Secret ID; `[entra]` also accepts `AZURE_CLIENT_SECRET`",
        );
        if of_entra { key.or_variable("AZURE_CLIENT_SECRET") } else { key }
    };
    let is_written = |section: &ConfigSection<'_>, names: &[&'static str]| {
        names.iter().any(|it| section.is_written(it))
    };
    let (pair, pair_spot) = (
        section.inner("certificate", |table| {
            (
                is_written(table, &["certificate", "key"]),
                tls(table, "A certificate that the registration knows, instead of a client secret"),
            )
        }),
        section.locate("certificate"),
    );
    let by_secret = key().is_present(ValueType::Secret);
    let (token_is_written, token) = section.inner("federated_token", |table| {
        let own = is_written(table, &["file"]);
        // A variable that an orchestrator sets for every container counts only if nothing else is
        // set.
        let key = table.key(
            "file",
            "The token of another issuer that the registration trusts (workload identity), read \
             again for each request; `[entra]` also accepts `AZURE_FEDERATED_TOKEN_FILE`, if no \
             other credential is set",
        );
        let key = if of_entra && !own && !by_secret && !pair.0 {
            key.or_variable("AZURE_FEDERATED_TOKEN_FILE")
        } else {
            key
        };
        (own, key.file())
    });
    let written = [
        (key().is_written(), "client_secret"),
        (pair.0, "certificate"),
        (token_is_written, "federated_token"),
    ];
    let mut written = written.into_iter().filter(|it| it.0).map(|it| it.1);
    let (first, second) = (written.next(), written.next());
    if let (Some(first), Some(second)) = (first, second) {
        section.add_problem(
            &section.locate(second),
            InvalidValue::new(format!("cannot be combined with {first}")).hint(WHICH),
        );
    }
    let credential = match first {
        Some("certificate") => pair
            .1
            .and_then(|it| certificate(section, &pair_spot, &it))
            .map(ClientCredential::Certificate),
        Some("federated_token") => token.map(ClientCredential::Federated),
        None if !by_secret && token.is_some() => token.map(ClientCredential::Federated),
        None if !by_secret => {
            // If the token cannot be read, that problem is already reported.
            if needed && !(of_entra && section.variable("AZURE_FEDERATED_TOKEN_FILE").is_some()) {
                key().needed().miss();
            }
            None
        }
        _ => key()
            .secret()
            .and_then(|it| client_secret_value(section, &it))
            .map(ClientCredential::Secret),
    };
    if first.is_none_or(|it| it == "client_secret")
        && by_secret
        && of_entra
        && section.variable("AZURE_FEDERATED_TOKEN_FILE").is_some()
    {
        let invalid = InvalidValue::new(
            "both AZURE_FEDERATED_TOKEN_FILE and a client secret are set; the client secret is used",
        );
        section.warn(
            &section.locate("client_secret"),
            invalid.hint("write federated_token = { file = \"...\" }, or unset the secret"),
        );
    }
    credential
}

fn certificate(
    section: &ConfigSection<'_>,
    place: &LocatedKey,
    TlsFiles { certificate, key }: &TlsFiles,
) -> Option<ClientCertificate> {
    let read = text(certificate).and_then(|certificate| Ok((certificate, text(key)?)));
    let parsed = read.and_then(|(certificate, key)| {
        let both = Secret::new(format!("{}\n{}", certificate.as_str(), key.as_str()));
        ClientCertificate::parse(&both)
            .map_err(|it| InvalidValue::new(it.to_string()).hint(it.hint()))
    });
    parsed.map_err(|it| section.add_problem(place, it)).ok()
}

fn client_secret_value(
    section: &ConfigSection<'_>,
    secret: &LocatedValue<Secret>,
) -> Option<Secret> {
    client_secret::read(secret.value.expose())
        .map_err(|it| {
            section.add_problem(&secret.place, InvalidValue::new(it.to_string()).hint(it.hint()));
        })
        .ok()
}

fn text(path: &Path) -> Result<Zeroizing<String>, InvalidValue> {
    let shown = quote(&path.display().to_string()).clone();
    let refused =
        |why: &dyn std::fmt::Display| InvalidValue::new(format!("{shown} cannot be read: {why}"));
    let mut text = Zeroizing::new(String::new());
    // One byte more, so that a text that is too long is reported, not cut.
    let limit = u64::try_from(MAX_PEM_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)
        .and_then(|it| it.take(limit).read_to_string(&mut text))
        .map_err(|it| refused(&it))?;
    Ok(text)
}
