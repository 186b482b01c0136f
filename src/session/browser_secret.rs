//! The secret of one browser, which binds its sign-ins to it.
//!
//! A browser has one secret for all its tabs. The nonce and the PKCE verifier of a sign-in are
//! derived from it, so the `state` of a sign-in is worth nothing in another browser, even to
//! someone who can open it.

use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::seal::keyring::Keyring;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Length of a secret in bytes, and of its base64url text.
const BROWSER_SECRET_BYTES: usize = 32;
const BROWSER_SECRET_CHARS: usize = 43;

/// Length of the digest in `state` that names the browser, in bytes.
const BROWSER_MARK_BYTES: usize = 16;
/// Length of the nonce, in bytes.
const NONCE_BYTES: usize = 24;

/// The secret of a browser, as it stands in its cookie.
#[derive(Clone, Debug)]
pub struct BrowserSecret(Secret);

impl BrowserSecret {
    /// Generates a secret.
    pub fn generate(random: &RandomSource) -> Self {
        Self(Secret::new(random.text::<BROWSER_SECRET_BYTES>()))
    }

    /// Reads the value of a cookie. Returns `None` if it has not the form of a secret.
    pub fn parse(text: &str) -> Option<Self> {
        let is_secret = text.len() == BROWSER_SECRET_CHARS
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
        is_secret.then(|| Self(Secret::new(text)))
    }

    /// The value of the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The values of one sign-in that only its browser leads to.
pub struct BoundValues {
    /// Names the browser in `state`, without revealing its secret.
    pub mark: String,
    /// Must be in the ID token.
    pub nonce: String,
    /// Proves to Entra that Entrada started the sign-in (RFC 7636).
    pub verifier: String,
}

/// Derives the values of sign-ins, with a key of this installation.
pub struct BrowserKeys {
    keys: Vec<hmac::Key>,
}

impl BrowserKeys {
    /// Creates the keys from the secrets of the installation: the first derives, all of them
    /// recognize.
    pub fn new(keyring: &Keyring) -> Self {
        let keys = keyring.keys::<32>("sign-in under way, browser");
        Self {
            keys: keys.iter().map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_ref())).collect(),
        }
    }

    /// Derives the values of the sign-in with this ID. Returns `None` only if there is no key,
    /// which a keyring rules out.
    pub fn bind(&self, browser: &BrowserSecret, id: &str) -> Option<BoundValues> {
        self.keys.first().map(|it| derive(it, browser, id))
    }

    /// Derives the values again. Returns `None` if the mark names another browser.
    pub fn open(&self, browser: &BrowserSecret, id: &str, mark: &str) -> Option<BoundValues> {
        let all = self.keys.iter().map(|it| derive(it, browser, id));
        all.into_iter()
            .find(|it| verify_slices_are_equal(it.mark.as_bytes(), mark.as_bytes()).is_ok())
    }
}

fn derive(key: &hmac::Key, browser: &BrowserSecret, id: &str) -> BoundValues {
    let part = |label: &str, bytes: usize| {
        // Every browser secret has the same length, so no two inputs are the same text.
        let text = format!("{label}\0{}\0{id}", browser.expose());
        let tag = hmac::sign(key, text.as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..bytes).unwrap_or_default())
    };
    BoundValues {
        mark: part("mark", BROWSER_MARK_BYTES),
        nonce: part("nonce", NONCE_BYTES),
        verifier: part("verifier", 32),
    }
}

impl std::fmt::Debug for BrowserKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BrowserKeys")
    }
}

impl std::fmt::Debug for BoundValues {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BoundValues")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::random;

    fn keys(secrets: &[&str]) -> BrowserKeys {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        BrowserKeys::new(&Keyring::new(&secrets, &random::system()))
    }

    #[test]
    fn only_the_same_browser_with_the_same_sign_in_leads_to_the_values() {
        let random = random::system();
        let (maya, eve) = (BrowserSecret::generate(&random), BrowserSecret::generate(&random));
        let ours = keys(&["one"]);
        let made = ours.bind(&maya, "id").unwrap();
        let again = ours.open(&maya, "id", &made.mark).unwrap();
        assert_eq!((&again.nonce, &again.verifier), (&made.nonce, &made.verifier));
        assert_eq!((made.mark.len(), made.nonce.len(), made.verifier.len()), (22, 32, 43));
        assert!(ours.open(&eve, "id", &made.mark).is_none());
        assert!(ours.open(&maya, "other", &made.mark).is_none());
        assert!(ours.open(&maya, "id", &made.mark[1..]).is_none());
        assert!(ours.open(&maya, "id", "").is_none());
        assert!(keys(&["two"]).open(&maya, "id", &made.mark).is_none());
        let other = ours.bind(&maya, "other").unwrap();
        assert!(other.nonce != made.nonce && other.verifier != made.verifier);
        assert!(!made.verifier.contains(&made.mark) && !made.verifier.contains(&made.nonce));
    }

    #[test]
    fn a_sign_in_that_an_older_secret_started_ends_with_its_own_values() {
        let browser = BrowserSecret::generate(&random::system());
        let made = keys(&["old"]).bind(&browser, "id").unwrap();
        let read = keys(&["new", "old"]).open(&browser, "id", &made.mark).unwrap();
        assert_eq!((read.nonce, read.verifier), (made.nonce, made.verifier));
    }

    #[test]
    fn what_has_not_the_form_of_a_secret_is_none() {
        let good = "a-_Z".repeat(10) + "abc";
        assert_eq!(BrowserSecret::parse(&good).unwrap().expose(), good);
        for bad in ["", "x", &good[1..], &format!("{good}a"), &good.replace('-', "+")] {
            assert!(BrowserSecret::parse(bad).is_none(), "{bad}");
        }
    }
}
