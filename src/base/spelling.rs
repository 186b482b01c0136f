//! Header names as the most lenient server reads them.

/// Folds a name to its canonical form: lower case, with `-` for every character that is neither a
/// letter nor a digit (CGI and WSGI read `X_Forwarded_User` as `X-Forwarded-User`).
pub fn fold(name: &str) -> String {
    name.bytes().map(|it| char::from(folded(it))).collect()
}

/// Whether `name` folds to `folded`.
pub fn folds_to(name: &str, folded: &str) -> bool {
    name.len() == folded.len() && agrees(name, folded)
}

/// Whether `name` folds to something that begins with `folded`.
pub fn folds_to_beginning(name: &str, folded: &str) -> bool {
    name.len() >= folded.len() && agrees(name, folded)
}

fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

fn agrees(name: &str, ours: &str) -> bool {
    name.bytes().zip(ours.bytes()).all(|(theirs, ours)| folded(theirs) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_is_a_hyphen_and_no_letter_is_another() {
        for name in ["x-one-two", "X_One.Two", "x~ONE!two"] {
            assert_eq!(fold(name), "x-one-two");
            assert!(folds_to(name, "x-one-two") && folds_to_beginning(name, "x-one-"));
        }
        assert!(
            !folds_to("x-one-two3", "x-one-two") && folds_to_beginning("x-one-two3", "x-one-two")
        );
        assert!(!folds_to("x-one", "x-one-") && !folds_to_beginning("x-one", "x-one-"));
        assert!(!folds_to("x-onr", "x-one"));
    }
}
