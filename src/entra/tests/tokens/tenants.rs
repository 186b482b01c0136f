//! Tokens from one tenant, from several tenants, and for guests of a tenant.

use super::*;

#[test]
fn a_key_signs_only_for_its_issuer_and_its_cloud() {
    let token = signed(&header(), &claims());
    let msa = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for (name, value) in [
        ("issuer", json!(msa)),
        ("issuer", json!(ISSUER.replace(TENANT, OTHER))),
        ("cloud_instance_name", json!("microsoftonline.us")),
    ] {
        let key = key_of(&changed(jwk(&PAIR, "k1"), name, value));
        assert_eq!(judged_with(&token, &key, true, &[]).unwrap_err(), InvalidToken::KeyIssuer);
    }
    for (name, value) in
        [("issuer", json!(ISSUER)), ("issuer", json!(null)), ("cloud_instance_name", json!(null))]
    {
        assert!(
            judged_with(&token, &key_of(&changed(jwk(&PAIR, "k1"), name, value)), true, &[])
                .is_ok()
        );
    }
}

/// `iss` and `tid` of one tenant, in the claims of one of its people.
fn of(tid: &str) -> Value {
    changed(changed(claims(), "iss", json!(TEMPLATE.replace("{tenantid}", tid))), "tid", json!(tid))
}

#[test]
fn among_many_tenants_those_that_are_named_come_in() {
    let (ours, theirs, personal) = (
        signed(&header(), &of(TENANT)),
        signed(&header(), &of(OTHER)),
        signed(&header(), &of(PERSONAL)),
    );
    let stranger = InvalidToken::Stranger(Guid::parse(OTHER).unwrap());
    let outcome = |allowed: &[&str], token: &str| judged_among(allowed, token, &key()).err();
    for allowed in [
        [TENANT].as_slice(),
        &["contoso.example"],
        &["fabrikam.example", TENANT],
        &[TENANT, PERSONAL],
    ] {
        assert_eq!(
            (outcome(allowed, &ours), outcome(allowed, &theirs)),
            (None, Some(stranger)),
            "{allowed:?}"
        );
    }
    assert_eq!(
        outcome(&["fabrikam.example"], &theirs),
        Some(stranger),
        "a domain that nobody has resolved"
    );
    assert_eq!(outcome(&["*"], &theirs), None);
    for (allowed, personal_comes) in [
        ([TENANT].as_slice(), false),
        (&["*"], false),
        (&[PERSONAL], true),
        (&["*", PERSONAL], true),
    ] {
        assert_eq!(
            outcome(allowed, &personal),
            (!personal_comes).then_some(InvalidToken::Personal),
            "{allowed:?}"
        );
    }
}

#[test]
fn attack_15_a_token_of_another_tenant_does_not_come_in_under_a_template() {
    let any = |claims: &Value, key: &VerificationKey| {
        judged_among(&["*", PERSONAL], &signed(&header(), claims), key).err()
    };
    assert_eq!(
        any(&changed(of(TENANT), "tid", json!(OTHER)), &key()),
        Some(InvalidToken::Issuer),
        "issuer of one, tid of another"
    );
    assert_eq!(any(&changed(of(OTHER), "tid", json!(TENANT)), &key()), Some(InvalidToken::Issuer));
    assert_eq!(
        any(&changed(of(TENANT), "iss", json!(TEMPLATE)), &key()),
        Some(InvalidToken::Issuer)
    );
    assert_eq!(
        any(
            &changed(of(TENANT), "iss", json!(format!("https://sts.windows.net/{TENANT}/"))),
            &key()
        ),
        Some(InvalidToken::Issuer)
    );
    assert_eq!(
        any(&changed(of(TENANT), "tid", json!("{tenantid}")), &key()),
        Some(InvalidToken::Tenant)
    );
    let personal = key_of(&changed(
        jwk(&PAIR, "k1"),
        "issuer",
        json!(TEMPLATE.replace("{tenantid}", PERSONAL)),
    ));
    assert_eq!(
        any(&of(TENANT), &personal),
        Some(InvalidToken::KeyIssuer),
        "the key of personal accounts signs for a company"
    );
    assert_eq!(any(&of(PERSONAL), &personal), None);
    let government =
        key_of(&changed(jwk(&PAIR, "k1"), "cloud_instance_name", json!("microsoftonline.us")));
    assert_eq!(any(&of(TENANT), &government), Some(InvalidToken::KeyIssuer));
}

#[test]
fn among_many_tenants_an_address_that_nobody_vouches_for_is_not_known() {
    let email = |edov: Value| {
        changed(changed(of(OTHER), "email", json!("ceo@contoso.com")), "xms_edov", edov)
    };
    let outcome =
        |edov: Value| judged_among(&["*"], &signed(&header(), &email(edov)), &key()).unwrap();
    let who = outcome(json!(false));
    assert_eq!((who.email, who.email_verified), (None, false));
    assert_eq!(*who.custom, [("name".to_owned(), "Maya Okafor".to_owned())]);
    let who = outcome(json!(true));
    assert_eq!(
        (who.email.as_deref(), who.email_verified, who.custom.len()),
        (Some("ceo@contoso.com"), true, 2)
    );
}

#[test]
fn a_tenant_beside_others_vouches_for_no_address_either() {
    let admitted =
        AdmittedTenants::new(AllowedTenants::default(), Arc::new(TenantDomains::default()));
    let (metadata, custom) = (metadata(), ["email".to_owned()]);
    let outcome = |beside_others: bool, edov: bool| {
        let claims =
            changed(changed(claims(), "email", json!("maya@contoso.com")), "xms_edov", json!(edov));
        let client_id = Guid::parse(CLIENT).unwrap();
        let expected = ExpectedToken {
            metadata: &metadata,
            admitted: &admitted,
            client_id,
            nonce: None,
            guests: true,
            beside_others,
            now: NOW,
            custom: &custom,
        };
        let who = judge(&verified(&signed(&header(), &claims), &key()).unwrap(), &key(), &expected)
            .unwrap();
        (who.email.is_some(), who.custom.len())
    };
    assert_eq!((outcome(false, false), outcome(true, true)), ((true, 1), (true, 1)));
    assert_eq!(outcome(true, false), (false, 0));
}

#[test]
fn a_personal_account_is_nobodys_guest() {
    let token = signed(&header(), &changed(of(PERSONAL), "idp", json!("live.com")));
    assert!(!judged_among(&[PERSONAL], &token, &key()).unwrap().guest);
    assert!(
        judged_among(&[OTHER], &signed(&header(), &changed(of(OTHER), "acct", json!(1))), &key())
            .unwrap()
            .guest
    );
}

#[test]
fn a_guest_is_known_by_any_of_three_signs() {
    let home = |tid: &str| json!(format!("https://sts.windows.net/{tid}/"));
    for (name, value, guest) in [
        ("acct", json!(1), true),
        ("acct", json!("1"), true),
        ("idp", home(OTHER), true),
        ("idp", json!("live.com"), true),
        ("idp", json!(7), true),
        ("upn", json!("mara_home.com#ext#@contoso.onmicrosoft.com"), true),
        ("upn", json!("mara_home.com_EXT_@contoso.onmicrosoft.com"), true),
        ("acct", json!(0), false),
        ("idp", home(TENANT), false),
        ("upn", json!("mara@contoso.com"), false),
    ] {
        let token = with(name, value.clone());
        assert_eq!(
            judged_with(&token, &key(), false, &[]).err(),
            guest.then_some(InvalidToken::Guest),
            "{name} {value}"
        );
        assert_eq!(judged_with(&token, &key(), true, &[]).unwrap().guest, guest);
    }
}

#[test]
fn an_address_is_verified_only_where_entra_says_so() {
    let judged = |edov: Value, email: Value| {
        let claims = changed(changed(claims(), "email", email), "xms_edov", edov);
        let who =
            judged(&signed(&header(), &changed(claims, "email_verified", json!(true)))).unwrap();
        (who.email.is_some(), who.email_verified)
    };
    for edov in [json!(true), json!(1), json!("1"), json!("true")] {
        assert_eq!(judged(edov.clone(), json!("maya@contoso.com")), (true, true), "{edov}");
        assert_eq!(judged(edov, json!(null)), (false, false));
    }
    for edov in [json!(null), json!(false), json!(0), json!("0"), json!("yes"), json!([true])] {
        assert_eq!(judged(edov.clone(), json!("maya@contoso.com")), (true, false), "{edov}");
    }
}

#[test]
fn only_a_member_of_the_tenant_who_is_no_agent_has_a_upn() {
    let upn = "maya@contoso.com";
    let home = format!("https://sts.windows.net/{TENANT}/");
    let elsewhere = format!("https://sts.windows.net/{OTHER}/");
    let table = [
        (json!({"upn": upn, "acct": 0}), true),
        (json!({"upn": upn, "acct": "0"}), true),
        (json!({"upn": upn, "acct": 0, "idp": home}), true),
        (json!({"upn": upn, "acct": 0, "xms_sub_fct": "3 9", "xms_act_fct": "3"}), true),
        // A claim is missing, or is no such claim.
        (json!({"acct": 0}), false),
        (json!({"upn": upn}), false),
        (json!({"upn": upn, "acct": null}), false),
        (json!({"upn": upn, "acct": false}), false),
        (json!({"upn": upn, "acct": 2}), false),
        (json!({"upn": "", "acct": 0}), false),
        (json!({"upn": [upn], "acct": 0}), false),
        (json!({"upn": "x".repeat(2000), "acct": 0}), false),
        // Guests, and members whose home is elsewhere.
        (json!({"upn": upn, "acct": 1}), false),
        (json!({"upn": upn, "acct": 0, "idp": elsewhere}), false),
        (json!({"upn": upn, "acct": 0, "idp": "live.com"}), false),
        (json!({"upn": upn, "acct": 0, "idp": ["x"]}), false),
        (json!({"upn": "maya_fabrikam.com#EXT#@contoso.com", "acct": 0}), false),
        (json!({"upn": "maya_fabrikam.com#ext#@contoso.com", "acct": 0}), false),
        (json!({"upn": "maya_fabrikam.com_EXT_@contoso.com", "acct": 0}), false),
        (json!({"upn": "maya_ext_1@contoso.com", "acct": 0}), false),
        // Agents.
        (json!({"upn": upn, "acct": 0, "xms_sub_fct": "13"}), false),
        (json!({"upn": upn, "acct": 0, "xms_sub_fct": "9 13 3"}), false),
        (json!({"upn": upn, "acct": 0, "xms_act_fct": "11"}), false),
        (json!({"upn": upn, "acct": 0, "xms_sub_fct": 13}), false),
        (json!({"upn": upn, "acct": 0, "xms_sub_fct": ["13"]}), false),
    ];
    for (more, expected) in table {
        let mut all = claims();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let who = judged_with(&signed(&header(), &all), &key(), true, &[]).unwrap();
        assert_eq!(who.member_upn.as_deref(), expected.then_some(upn), "{more}");
    }
    let mut personal = of(PERSONAL);
    personal
        .as_object_mut()
        .unwrap()
        .extend([("upn".to_owned(), json!(upn)), ("acct".to_owned(), json!(0))]);
    let who = judged_among(&[PERSONAL], &signed(&header(), &personal), &key()).unwrap();
    assert_eq!(who.member_upn, None);
}
