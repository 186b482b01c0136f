//! The header and the format of a token.

use super::*;

#[test]
fn a_header_that_is_not_plainly_ours_is_refused() {
    for (name, value, expected) in [
        ("alg", json!(null), InvalidToken::Algorithm),
        ("alg", json!("none"), InvalidToken::Algorithm),
        ("alg", json!("None"), InvalidToken::Algorithm),
        ("alg", json!("rs256"), InvalidToken::Algorithm),
        ("alg", json!("HS256"), InvalidToken::Algorithm),
        ("alg", json!("RS512"), InvalidToken::Algorithm),
        ("alg", json!("PS256"), InvalidToken::Algorithm),
        ("alg", json!("ES256"), InvalidToken::Algorithm),
        ("alg", json!("ML-DSA-65"), InvalidToken::Algorithm),
        ("alg", json!(["RS256"]), InvalidToken::Algorithm),
        ("kid", json!(null), InvalidToken::NoKeyId),
        ("kid", json!(""), InvalidToken::NoKeyId),
        ("kid", json!(1), InvalidToken::NoKeyId),
        ("kid", json!("k".repeat(257)), InvalidToken::NoKeyId),
        ("kid", json!("k2"), InvalidToken::Signature),
        ("kid", json!("../../dev/null"), InvalidToken::Signature),
        ("crit", json!(["exp"]), InvalidToken::Critical),
        ("crit", json!([]), InvalidToken::Critical),
        ("b64", json!(false), InvalidToken::Critical),
        ("zip", json!("DEF"), InvalidToken::Critical),
        ("enc", json!("A256GCM"), InvalidToken::Critical),
        ("typ", json!("at+jwt"), InvalidToken::Type),
        ("typ", json!("entrada+jwt"), InvalidToken::Type),
        ("typ", json!(1), InvalidToken::Type),
        ("cty", json!("JWT"), InvalidToken::Type),
    ] {
        let token = signed(&changed(header(), name, value.clone()), &claims());
        assert_eq!(judged(&token).unwrap_err(), expected, "{name} {value}");
    }
    for (name, value) in [("typ", json!(null)), ("typ", json!("jwt")), ("x5t", json!("abc"))] {
        assert!(
            judged(&signed(&changed(header(), name, value.clone()), &claims())).is_ok(),
            "{name} {value}"
        );
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_not_looked_at() {
    let own = changed(header(), "jwk", jwk(&OTHER_PAIR, "k1"));
    let own = changed(own, "jku", json!("https://attacker.example/keys"));
    let token = signed_with(&OTHER_PAIR, &own.to_string(), &claims().to_string());
    assert_eq!(judged(&token).unwrap_err(), InvalidToken::Signature);
}

#[test]
fn what_is_not_one_plain_token_is_malformed() {
    let good = signed(&header(), &claims());
    let parts: Vec<_> = good.split('.').collect();
    let padded = URL_SAFE.encode(header().to_string() + "  ");
    assert!(padded.ends_with('='));
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        parts[..2].join("."),
        format!("{good}."),
        format!("{good}.x"),
        format!(".{good}"),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}="),
        format!("{padded}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", encode("[]"), parts[1], parts[2]),
        format!("{}.{}.{}", encode(header().to_string() + "{}"), parts[1], parts[2]),
        format!("{}.{}.{}", "A".repeat(8193), parts[1], parts[2]),
        format!("{good}é"),
    ] {
        assert_eq!(judged(&token).unwrap_err(), InvalidToken::Malformed, "{token}");
        assert!(!second_opinion(&token));
    }
    assert_eq!(token::parse(&[0xff, 0xfe]).unwrap_err(), InvalidToken::Malformed);
    assert_eq!(judged(&"a".repeat(64 * 1024 + 1)).unwrap_err(), InvalidToken::TooLarge);
    for payload in ["[]", "7", "", "{", "{}{}", "\"a\""] {
        assert_eq!(
            judged(&signed_with(&PAIR, &header().to_string(), payload)).unwrap_err(),
            InvalidToken::Malformed,
            "{payload}"
        );
    }
}

#[test]
fn nothing_may_be_said_twice() {
    let claims = claims().to_string();
    let doubled = format!("{{\"tid\":\"{OTHER}\",{}", &claims[1..]);
    assert_eq!(
        judged(&signed_with(&PAIR, &header().to_string(), &doubled)).unwrap_err(),
        InvalidToken::DuplicateClaim
    );
    let deep = format!("{{\"a\":[{{\"b\":1,\"b\":2}}],{}", &claims[1..]);
    assert_eq!(
        judged(&signed_with(&PAIR, &header().to_string(), &deep)).unwrap_err(),
        InvalidToken::DuplicateClaim
    );
    let header = header().to_string();
    let doubled = format!("{{\"alg\":\"none\",{}", &header[1..]);
    assert_eq!(
        judged(&signed_with(&PAIR, &doubled, &claims)).unwrap_err(),
        InvalidToken::DuplicateClaim
    );
}
