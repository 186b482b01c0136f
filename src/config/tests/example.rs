//! The example file matches the code.

use super::*;

/// Collects every key of a table with its written value, including tables in arrays and nested
/// tables.
fn walk(table: &DeTable<'_>, section: &str, text: &str, out: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = source::join(section, key.get_ref());
        out.insert(name.clone(), text[value.span()].to_owned());
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, &name, text, out),
            DeValue::Array(values) => values
                .iter()
                .filter_map(|it| it.get_ref().as_table())
                .for_each(|it| walk(it, &name, text, out)),
            _ => {}
        }
    }
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let pairs =
        [("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET), ("ADMIN_TOKEN", SECRET)];
    meant(EXAMPLE, &pairs);

    let mut active = BTreeMap::new();
    walk(DeTable::parse(EXAMPLE).unwrap().get_ref(), "", EXAMPLE, &mut active);
    let is_toml = |it: &&str| {
        it.starts_with("# [")
            || it
                .strip_prefix("# ")
                .is_some_and(|it| it.split_once(" = ").is_some_and(|it| !it.0.contains(' ')))
    };
    let whole: String = EXAMPLE
        .lines()
        .map(|it| if is_toml(&it) { it.trim_start_matches("# ") } else { it })
        .map(|it| format!("{it}\n"))
        .collect();
    let mut shown = BTreeMap::new();
    walk(DeTable::parse(&whole).unwrap().get_ref(), "", &whole, &mut shown);
    // Commented-out lines are valid too, except those that need missing files; hsts needs the
    // certificate, and Redis needs another store.
    let rest = whole
        .lines()
        .filter(|it| !it.contains("/etc/entrada/") && !it.starts_with("hsts"))
        .filter(|it| !it.starts_with("url = \"redis"))
        .map(|it| format!("{it}\n"))
        .collect::<String>();
    meant(&rest, &pairs);

    let is_table = |name: &str| {
        shown.keys().any(|it| it.strip_prefix(name).is_some_and(|it| it.starts_with('.')))
    };
    let leaves: BTreeSet<_> = shown
        .keys()
        .filter(|it| {
            !it.ends_with(".env")
                && !it.ends_with("password.file")
                && !it.starts_with("headers.custom.")
                && !it.starts_with("directory.role_map.")
        })
        .cloned()
        .collect();
    let known: BTreeSet<_> = keys().into_iter().map(|it| it.name).collect();
    assert_eq!(
        leaves.difference(&known).filter(|it| !is_table(it)).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    for key in keys() {
        let text = shown
            .get(&key.name)
            .unwrap_or_else(|| panic!("config.example.toml does not show {}", key.name));
        match &key.default {
            // The mere presence of the section enables the feature, so all of it is commented out.
            Some(default)
                if ["directory.", "native.", "session.redis."]
                    .iter()
                    .any(|it| key.name.starts_with(it)) =>
            {
                assert_eq!(text, default, "{}", key.name);
            }
            Some(default) if key.variable.is_some() => {
                let mut active = active
                    .get(&key.name)
                    .unwrap_or_else(|| {
                        panic!("{} has a default, so it is not commented out", key.name)
                    })
                    .clone();
                if default.starts_with('[') && !active.starts_with('[') {
                    active = format!("[{active}]");
                }
                assert_eq!(&active, default, "{}", key.name);
            }
            _ => assert!(!text.is_empty()),
        }
    }
}

#[test]
fn defaults_are_those_of_the_code() {
    let (small, example) = (
        meant(SMALL, &[("CLIENT", SECRET)]),
        meant(EXAMPLE, &[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]),
    );
    assert_eq!(small.server.limits, server::ServerLimits::default());
    assert_eq!(small.server.limits, example.server.limits);
    assert_eq!(small.server.listen, example.server.listen);
    assert_eq!(small.server.site, example.server.site);
    assert_eq!(small.telemetry, example.telemetry);
    assert_eq!(
        (small.session.idle, small.session.lifetime, small.session.capacity),
        (example.session.idle, example.session.lifetime, example.session.capacity)
    );
    assert_eq!(format!("{:?}", small.headers), format!("{:?}", example.headers));
    assert_eq!(format!("{:?}", small.access), format!("{:?}", example.access));
}
