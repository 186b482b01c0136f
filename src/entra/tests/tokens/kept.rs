//! The claims of a valid token that are kept.

use super::*;

#[test]
fn groups_that_do_not_fit_are_not_taken_for_none() {
    let groups = |name: &str, value: Value| judged(&with(name, value)).unwrap().groups;
    assert_eq!(groups("_claim_names", json!({"groups": "src1"})), PersonGroups::Overage);
    assert_eq!(groups("hasgroups", json!(true)), PersonGroups::Overage);
    assert_eq!(groups("hasgroups", json!("true")), PersonGroups::Overage);
    assert_eq!(
        groups("_claim_names", json!({"other": "src1"})),
        PersonGroups::Known(StringList::default())
    );
    assert_eq!(
        groups("groups", json!(["a", "b"])),
        PersonGroups::Known(["a", "b"].into_iter().collect())
    );
}

#[test]
fn custom_claims_are_kept_as_text_within_bounds() {
    let all = json!({"text": "Zoë", "number": 7, "yes": true, "list": ["a", 1, false], "comma": ["a,b"], "object": {}, "null": null, "deep": [["a"]],
        "long": "x".repeat(4097), "empty": ""});
    let mut claims = claims();
    claims.as_object_mut().unwrap().extend(all.as_object().unwrap().clone());
    let names: Vec<_> =
        all.as_object().unwrap().keys().map(String::as_str).chain(["missing"]).collect();
    let mut custom = judged_with(&signed(&header(), &claims), &key(), true, &names).unwrap().custom;
    custom.sort();
    let kept = [("list", "a,1,false"), ("number", "7"), ("text", "Zoë"), ("yes", "true")];
    assert_eq!(*custom, kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn the_time_of_the_sign_in_is_never_ahead() {
    let auth_time = |value: Value| judged(&with("auth_time", value)).unwrap().auth_time;
    assert_eq!(auth_time(json!(NOW - 7200)), NOW - 7200);
    // Differs from a missing `auth_time`, for which `iat` counts: Entra dates it back.
    assert_eq!(
        (auth_time(json!(NOW)), auth_time(json!(NOW + 30)), auth_time(json!(NOW + 61))),
        (NOW, NOW, NOW - 300)
    );
    assert_eq!(auth_time(json!(u64::MAX)), NOW - 300);
    assert_eq!(auth_time(json!("now")), NOW - 300);
}
