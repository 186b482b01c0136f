//! Sign-ins from several tenants, and the claims that distinguish their tokens.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};
use super::super::{EmulatedRegistration, Emulator, EmulatorOptions, TokenDefect};
use super::{APP, Seen, VERIFIER, ask, authorize, begin, oid, options, refused, tokens};

async fn document(emulator: &Emulator, rest: &str) -> Value {
    ask(&format!("{}/{rest}", emulator.authority()), None, &[]).await.json()
}

/// Signs in a person at the endpoint of this tenant.
async fn picked(emulator: &Emulator, tenant: &str, person: &str) -> Seen {
    let page = ask(&authorize(emulator, &[]).replace(CONTOSO.id, tenant), None, &[]).await;
    let own = emulator.authority();
    let form = [("transaction", page.transaction()), ("person", person)];
    ask(&format!("{own}/{tenant}/pick"), Some(&form), &[("origin", &own)]).await
}

async fn redeemed(emulator: &Emulator, tenant: &str, code: &str) -> Seen {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    let form: Vec<_> = form
        .into_iter()
        .chain([("code", code), ("redirect_uri", APP), ("code_verifier", VERIFIER)])
        .collect();
    ask(&format!("{}/{tenant}/oauth2/v2.0/token", emulator.authority()), Some(&form), &[]).await
}

/// Returns the claims of a sign-in at this endpoint, and the published entry of the key that signed
/// them.
async fn claims(emulator: &Emulator, tenant: &str, person: &str) -> (Value, Value) {
    let code = picked(emulator, tenant, person).await.sent_back()["code"].clone();
    let body = redeemed(emulator, tenant, &code).await.json();
    read(emulator, body["id_token"].as_str().unwrap()).await.unwrap()
}

/// Verifies with the key from /common, regardless of its issuer, and returns that entry as well.
async fn read(emulator: &Emulator, token: &str) -> Option<(Value, Value)> {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let set = document(emulator, "common/discovery/v2.0/keys").await;
    let entry =
        set["keys"].as_array().unwrap().iter().find(|it| it["kid"] == kid.as_str())?.clone();
    let key = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(entry.clone()).unwrap())
        .unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[emulator.client_id()]);
    Some((jsonwebtoken::decode::<Value>(token, &key, &rules).ok()?.claims, entry))
}

#[tokio::test]
async fn each_way_to_name_a_tenant_has_its_issuer() {
    let emulator = begin().await;
    let issuer = |it: &str| format!("{}/{it}/v2.0", emulator.authority());
    let (contoso, fabrikam, personal, any) =
        (issuer(CONTOSO.id), issuer(FABRIKAM.id), issuer(PERSONAL.id), issuer("{tenantid}"));
    let cases = [
        (CONTOSO.id, &contoso, json!("EU"), CONTOSO.id),
        ("contoso.example", &contoso, json!("EU"), CONTOSO.id),
        ("fabrikam.example", &fabrikam, json!("NA"), FABRIKAM.id),
        ("organizations", &any, json!(null), "organizations"),
        ("common", &any, json!(null), "common"),
        ("consumers", &personal, json!(null), "consumers"),
    ];
    for (segment, issuer, region, named) in cases {
        let metadata =
            document(&emulator, &format!("{segment}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!(
            (&metadata["issuer"], &metadata["tenant_region_scope"]),
            (&json!(issuer), &region),
            "{segment}"
        );
        assert_eq!(
            metadata["token_endpoint"],
            format!("{}/{named}/oauth2/v2.0/token", emulator.authority())
        );
        assert_eq!(metadata["msgraph_host"], emulator.authority().split_once("://").unwrap().1);
        let first =
            document(&emulator, &format!("{segment}/.well-known/openid-configuration")).await;
        assert_eq!(first["issuer"], issuer.strip_suffix("v2.0").unwrap());
        assert_eq!(first["jwks_uri"], format!("{}/{named}/discovery/keys", emulator.authority()));
    }
    let seen = ask(
        &format!("{}/typo/v2.0/.well-known/openid-configuration", emulator.authority()),
        None,
        &[],
    )
    .await;
    refused(&seen, 400, "invalid_request", 900_023);
}

#[tokio::test]
async fn keys_name_their_issuer() {
    let emulator = begin().await;
    let kinds = async |segment: &str| -> Vec<(String, String)> {
        let set = document(&emulator, &format!("{segment}/discovery/v2.0/keys")).await;
        let text_of =
            |it: &Value, name: &str| it[name].as_str().unwrap().replace(&emulator.authority(), "");
        set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (text_of(it, "issuer"), text_of(it, "cloud_instance_name")))
            .collect()
    };
    let pair = |issuer: &str, cloud: &str| (issuer.to_owned(), cloud.to_owned());
    let (work, government) = (
        pair("/{tenantid}/v2.0", "microsoftonline.com"),
        pair("/{tenantid}/v2.0", "microsoftonline.us"),
    );
    let personal = pair(&format!("/{}/v2.0", PERSONAL.id), "microsoftonline.com");
    assert_eq!(kinds("common").await, [work.clone(), government, personal.clone()]);
    assert_eq!(kinds("organizations").await, std::slice::from_ref(&work));
    assert_eq!(kinds(CONTOSO.id).await, [work]);
    assert_eq!(kinds("consumers").await, [personal]);
    let first = document(&emulator, "common/discovery/keys").await;
    assert!(first["keys"].as_array().unwrap().iter().all(|it| it.get("issuer").is_none()));
    assert_eq!(first["keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn tokens_are_of_the_tenant_of_the_person() {
    let emulator = begin().await;
    let tid = |it: &(Value, Value)| it.0["tid"].as_str().unwrap().to_owned();
    let maya = claims(&emulator, "organizations", &oid(&emulator, "maya")).await;
    assert_eq!((tid(&maya).as_str(), &maya.0["roles"]), (CONTOSO.id, &json!(["Admin"])));
    let felix = claims(&emulator, "common", &oid(&emulator, "felix")).await;
    assert_eq!(
        (tid(&felix).as_str(), &felix.0["email"]),
        (FABRIKAM.id, &json!("maya@contoso.example"))
    );
    assert!(felix.0.get("xms_edov").is_none());
    assert_eq!(claims(&emulator, FABRIKAM.id, &oid(&emulator, "frida")).await.0["xms_edov"], true);
    let petra = claims(&emulator, "common", &oid(&emulator, "petra")).await;
    assert_eq!(tid(&petra), PERSONAL.id);
    assert_eq!(petra.0["iss"], petra.1["issuer"]);
    // A guest who does not name the tenant is at home, as a different object.
    let guest = claims(&emulator, CONTOSO.id, &oid(&emulator, "priya")).await;
    let at_home = claims(&emulator, "organizations", &oid(&emulator, "priya")).await;
    assert_eq!((tid(&guest).as_str(), tid(&at_home).as_str()), (CONTOSO.id, FABRIKAM.id));
    assert_ne!(guest.0["oid"], at_home.0["oid"]);
    assert_eq!((&guest.0["acct"], &at_home.0["acct"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn whoever_is_no_object_of_the_tenant_stays_on_the_page() {
    let emulator = begin().await;
    for (tenant, name, code) in [
        (CONTOSO.id, "felix", 50_020),
        (CONTOSO.id, "petra", 50_020),
        (FABRIKAM.id, "maya", 50_020),
        ("organizations", "petra", 500_208),
        ("consumers", "maya", 500_208),
    ] {
        let seen = picked(&emulator, tenant, &oid(&emulator, name)).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
        assert!(seen.body.contains(&format!("AADSTS{code}: ")), "{name}: {}", seen.body);
    }
}

#[tokio::test]
async fn a_code_is_redeemed_where_it_was_asked_for_and_the_app_names_one_tenant() {
    let emulator = begin().await;
    let code =
        picked(&emulator, "organizations", &oid(&emulator, "maya")).await.sent_back()["code"]
            .clone();
    refused(&redeemed(&emulator, CONTOSO.id, &code).await, 400, "invalid_grant", 700_005);
    assert_eq!(redeemed(&emulator, "organizations", &code).await.status, StatusCode::OK);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    refused(
        &ask(&format!("{}/common/oauth2/v2.0/token", emulator.authority()), Some(&form), &[]).await,
        400,
        "invalid_request",
        9_001_023,
    );
}

#[tokio::test]
async fn tokens_can_be_signed_by_keys_of_other_families_and_in_other_wrong_ways() {
    let emulator = begin().await;
    let wrong = async |wrong: TokenDefect| {
        emulator.control().wrong(wrong);
        tokens(&emulator, "maya").await["id_token"].as_str().unwrap().to_owned()
    };
    let personal = read(&emulator, &wrong(TokenDefect::PersonalKey).await).await.unwrap();
    assert_ne!(personal.0["iss"], personal.1["issuer"]);
    let government = read(&emulator, &wrong(TokenDefect::GovernmentKey).await).await.unwrap();
    assert_eq!(government.1["cloud_instance_name"], "microsoftonline.us");
    let stranger = read(&emulator, &wrong(TokenDefect::Stranger).await).await.unwrap().0;
    assert!(
        stranger["iss"].as_str().unwrap().contains(stranger["tid"].as_str().unwrap())
            && stranger["tid"] != CONTOSO.id
    );
    assert!(read(&emulator, &wrong(TokenDefect::UnknownKid).await).await.is_none());
    let token = wrong(TokenDefect::Hs256).await;
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, jsonwebtoken::Algorithm::HS256);
    let modulus = document(&emulator, "common/discovery/v2.0/keys").await["keys"][0]["n"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_audience(&[emulator.client_id()]);
    assert!(
        jsonwebtoken::decode::<Value>(
            &token,
            &jsonwebtoken::DecodingKey::from_secret(modulus.as_bytes()),
            &rules
        )
        .is_ok()
    );
    let twice = wrong(TokenDefect::DuplicateClaim).await;
    let payload = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        twice.split('.').nth(1).unwrap(),
    )
    .unwrap();
    assert_eq!(String::from_utf8(payload).unwrap().matches("\"tid\":").count(), 2);
    assert!(read(&emulator, &twice).await.is_some());
}

#[tokio::test]
async fn an_app_that_is_registered_in_one_tenant_is_known_there_alone_and_by_its_own_secret() {
    let app = EmulatedRegistration {
        tenant: NORTHWIND.id.to_owned(),
        client_id: "33334444-dddd-4555-eeee-6666ffff7777".to_owned(),
        client_secret: "the Value".to_owned(),
        secret_id: "44445555-eeee-4666-ffff-7777aaaa8888".to_owned(),
    };
    let options = EmulatorOptions { registrations: vec![app.clone()], ..options() };
    let emulator = Emulator::start(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), options)
        .await
        .unwrap();
    let theirs = |tenant: &str| {
        authorize(&emulator, &[("client_id", &app.client_id)]).replace(CONTOSO.id, tenant)
    };
    assert!(ask(&theirs(CONTOSO.id), None, &[]).await.body.contains("AADSTS700016"));
    let page = ask(&theirs(NORTHWIND.id), None, &[]).await;
    let (nora, maya) =
        (page.body.find("Nora Berg").unwrap(), page.body.find("Maya Okafor").unwrap());
    assert!(nora < maya, "people of the tenant stand first");
    let own = emulator.authority();
    let nora = oid(&emulator, "nora");
    let form = [("transaction", page.transaction()), ("person", &nora)];
    let code = ask(&format!("{own}/{}/pick", NORTHWIND.id), Some(&form), &[("origin", &own)])
        .await
        .sent_back()["code"]
        .clone();
    let redeem = async |client: &str, secret: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("client_secret", secret),
            ("code", &code),
            ("redirect_uri", APP),
        ];
        ask(
            &format!("{own}/{}/oauth2/v2.0/token", NORTHWIND.id),
            Some(&[&form[..], &[("code_verifier", VERIFIER)]].concat()),
            &[],
        )
        .await
    };
    refused(&redeem(&app.client_id, &app.secret_id).await, 401, "invalid_client", 7_000_215);
    refused(
        &redeem(&app.client_id, emulator.client_secret()).await,
        401,
        "invalid_client",
        7_000_215,
    );
    refused(
        &redeem(emulator.client_id(), emulator.client_secret()).await,
        400,
        "invalid_grant",
        70_000,
    );
    let answer = redeem(&app.client_id, &app.client_secret).await.json();
    let said =
        jsonwebtoken::dangerous::insecure_decode::<Value>(answer["id_token"].as_str().unwrap())
            .unwrap()
            .claims;
    assert_eq!((&said["aud"], &said["tid"]), (&json!(app.client_id), &json!(app.tenant)));
    let panel = ask(&format!("{own}/"), None, &[]).await.body;
    assert!(
        panel.contains("App registration at northwind.example") && panel.contains(&app.secret_id),
        "{panel}"
    );
}
