//! The keys document, and how long a document stays in use.

use super::*;

#[test]
fn keys_that_are_weak_or_of_another_kind_are_passed_over() {
    let good = jwk(&PAIR, "good");
    let small = encode([0xff; 255]);
    let bits_2047 = encode([[0x7f; 1].as_slice(), &[0xff; 255]].concat());
    for (name, value) in [
        ("kty", json!("EC")),
        ("kty", json!("AKP")),
        ("kty", json!(null)),
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("alg", json!("HS256")),
        ("kid", json!(null)),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("n", json!(small)),
        ("n", json!(bits_2047)),
        ("n", json!(null)),
        ("n", json!("!")),
        ("n", json!(encode([0xff; 1025]))),
        ("e", json!("AQ")),
        ("e", json!("AA")),
        ("e", json!("BA")),
        ("e", json!(null)),
        ("issuer", json!(7)),
    ] {
        let bad = changed(jwk(&PAIR, "bad"), name, value.clone());
        assert_eq!(
            keys::read(&document(std::slice::from_ref(&bad))).unwrap_err(),
            BadKeys::None,
            "{name} {value}"
        );
        let left = keys::read(&document(&[bad, good.clone()])).unwrap();
        assert_eq!(
            left.iter().map(VerificationKey::kid).collect::<Vec<_>>(),
            ["good"],
            "{name} {value}"
        );
    }
}

#[test]
fn a_document_of_keys_is_bounded_and_has_one_reading() {
    let two = [jwk(&PAIR, "k1"), jwk(&OTHER_PAIR, "k1")];
    assert_eq!(keys::read(&document(&two)).unwrap_err(), BadKeys::None);
    assert_eq!(keys::read(&document(&[jwk(&PAIR, "k1"), jwk(&PAIR, "k1")])).unwrap().len(), 2);
    assert_eq!(keys::read(&document(&vec![jwk(&PAIR, "k1"); 65])).unwrap_err(), BadKeys::TooLarge);
    assert_eq!(keys::read(&vec![b' '; 1024 * 1024 + 1]).unwrap_err(), BadKeys::TooLarge);
    let text = String::from_utf8(document(&[jwk(&PAIR, "k1")])).unwrap();
    let doubled = text.replace("\"kid\":", "\"kid\":\"k0\",\"kid\":");
    for text in ["", "{}", "[]", "{\"keys\":7}", "{\"keys\":[7]}", &doubled] {
        assert_eq!(keys::read(text.as_bytes()).unwrap_err(), BadKeys::Malformed, "{text}");
    }
}

#[test]
fn keys_stay_a_day_past_their_last_sight_and_do_not_change_under_one_name() {
    let fresh = |pair: &KeyPair, kid: &str| vec![key_of(&jwk(pair, kid))];
    let (keys, swapped) = KnownKeys::default().merged(fresh(&PAIR, "k1"), NOW);
    assert!(!swapped);
    let (keys, _) = keys.merged(fresh(&OTHER_PAIR, "k2"), NOW + 24 * 3600);
    assert!(keys.find("k1").is_some() && keys.find("k2").is_some());
    let token = signed(&header(), &claims());
    let (keys, swapped) = keys.merged(fresh(&OTHER_PAIR, "k1"), NOW + 24 * 3600);
    assert!(swapped);
    assert!(verified(&token, keys.find("k1").unwrap()).is_ok());
    let (keys, _) = keys.merged(fresh(&OTHER_PAIR, "k2"), NOW + 24 * 3600 + 1);
    assert!(keys.find("k1").is_none() && keys.find("k2").is_some());
    let many = (0..300).fold(keys, |keys, number| {
        keys.merged(fresh(&PAIR, &format!("n{number}")), NOW + 24 * 3600 + 2 + number).0
    });
    assert!(many.find("n0").is_none() && many.find("k2").is_none() && many.find("n299").is_some());
}
