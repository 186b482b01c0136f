//! The schema is built from every key that any reading asks for.

use super::*;

/// Texts that lead the readers into their branches.
const READINGS: [&str; 5] = [
    "",
    SMALL,
    EXAMPLE,
    "[entra.certificate]\ncertificate = \"/x\"\n[[organization]]\ncertificate = { key = \"/x\" }\n",
    "[entra]\nclient_secret = \"x\"\ncloud = \"china\"\n[directory]\n[native]\n[[access.rule]]\nallow = [{}]\n",
];

#[test]
fn no_reading_asks_for_a_key_that_the_schema_does_not_have() {
    let known: BTreeMap<_, _> =
        known_by(EVERY_TABLE).into_iter().map(|it| (it.name.clone(), it)).collect();
    for text in READINGS {
        for key in known_by(text) {
            let listed = known.get(&key.name).unwrap_or_else(|| panic!("{} in {text}", key.name));
            assert_eq!(
                (&listed.accepts, &listed.default, listed.about),
                (&key.accepts, &key.default, key.about),
                "{} in {text}",
                key.name
            );
        }
    }
}
