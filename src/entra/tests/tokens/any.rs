//! Any input is judged, and nothing panics.

use super::*;

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = token::parse(&bytes);
        let _ = keys::read(&bytes);
        let _ = crate::entra::failure::EntraRefusal::of_body(&bytes);
        let _ = crate::entra::metadata::read(&bytes, "https://login.microsoftonline.com", &crate::config::entra::TenantConfig::Domain("a.b".to_owned()));
    }

    #[test]
    fn no_text_makes_the_reading_of_a_callback_panic(error in ".{0,80}", text in "(AADSTS|Trace ID:|Timestamp:|[0-9]{1,12}|.){0,40}") {
        let refusal = crate::entra::failure::EntraRefusal::of_callback(&error, Some(&text));
        prop_assert!(refusal.to_string().is_ascii());
    }

    #[test]
    fn a_signed_payload_of_any_kind_is_judged_and_does_not_panic(payload in "\\PC{0,60}|\\{(\"[a-z]{1,5}\":[0-9\\[\\]{}\",:]{0,20},?){0,4}\\}") {
        prop_assert!(judged(&signed_with(&PAIR, &header().to_string(), &payload)).is_err());
    }

    #[test]
    fn a_token_with_one_other_byte_is_refused(at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
        static GOOD: LazyLock<String> = LazyLock::new(|| signed(&header(), &claims()));
        let mut bytes = GOOD.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(judged(&String::from_utf8(bytes).unwrap()).is_err());
    }
}
