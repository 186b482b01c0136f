//! How texts name what only the operator knows: keys, commands, files and variables. Pages of
//! customers name none of it.

use crate::config;
use std::sync::LazyLock;

/// Files, commands and variables.
const OPERATORS_MARKS: [&str; 10] = [
    "entrada.toml",
    "config.toml",
    "entrada ",
    "ENTRADA_",
    "AZURE_",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "/etc/",
    "/run/secrets",
];

/// Every key, and every section in brackets.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut out: Vec<String> = config::keys().into_iter().map(|it| it.name).collect();
    let sections: Vec<_> =
        out.iter().filter_map(|it| Some(format!("[{}]", it.rsplit_once('.')?.0))).collect();
    out.extend(sections);
    out.sort_unstable();
    out.dedup();
    out
});

/// Whether a text names a key, a command, a file or a variable of the operator's.
pub fn names_operators_things(text: &str) -> bool {
    OPERATORS_MARKS.iter().any(|it| text.contains(it))
        || KEYS.iter().any(|it| text.contains(it.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_operators_is_known_by_its_name() {
        for (text, is_operators) in [
            ("Set entra.scopes.", true),
            ("entrada.toml: server.hosts", true),
            ("run entrada check", true),
            ("Set ENTRADA_SESSION_SECRETS.", true),
            ("check HTTPS_PROXY", true),
            ("longer than [entra] recheck_grace", true),
            ("[[native.client]]", true),
            ("/etc/entrada/entrada.toml", true),
            ("Entrada fetched the keys of the tenant", false),
            ("https://entra.microsoft.com", false),
            ("Entra admin center > Enterprise apps", false),
            ("a limit on the size of headers", false),
            ("az ad app show --id 1", false),
        ] {
            assert_eq!(names_operators_things(text), is_operators, "{text}");
        }
    }
}
