//! Domains that an app's own admin pages claim and verify.

use super::ApiWorld;
use crate::world::name_server::{NameAnswer, NameServer};
use crate::world::{WorldPlan, samples};
use serde_json::{Value, json};

#[tokio::test]
async fn a_domain_is_claimed_verified_and_removed() {
    let dns = NameServer::start().await;
    let office = ApiWorld::with(|_| WorldPlan::of_directory(&dns.line())).await;
    office.contoso().await;
    let at = "/organizations/contoso/domains";
    let mail = json!({ "domain": "contoso-mail.example" });
    let made = office.calls("POST", at, &mail).await;
    assert_eq!((made.status, &made.body["outcome"]), (201, &json!("pending")), "{}", made.body);
    assert_eq!(made.body["waits_for"], "no_record");
    let all = made.body["domains"].as_array().unwrap();
    assert_eq!((&all[0]["by"], &all[0]["record"]), (&json!("operator"), &Value::Null));
    let record = &all[1]["record"];
    assert_eq!(record["type"], "TXT");
    let verify = format!("{at}/verify");
    let early = office.calls("POST", &verify, &mail).await;
    assert_eq!((early.status, &early.body["waits_for"]), (200, &json!("no_record")));
    let text = |it: &str| record[it].as_str().unwrap().to_owned();
    dns.answers(&text("name"), NameAnswer::Texts(vec![text("value")]));
    let proven = office.calls("POST", &verify, &mail).await;
    assert_eq!((&proven.body["outcome"], &proven.body["waits_for"]), (&json!("dns"), &Value::Null));
    let shown = office.gets("/organizations/contoso").await.body;
    assert_eq!(shown["domains"], json!(["contoso-mail.example", "contoso.example"]));
    let history = office.gets("/organizations/contoso/history?limit=1").await;
    assert_eq!(history.body["changes"][0]["by"], "admin api for ines@app.example");
    let gone =
        office.calls("DELETE", &format!("{at}?domain=contoso-mail.example"), &Value::Null).await;
    assert_eq!((gone.status, gone.body["domains"].as_array().unwrap().len()), (200, 1));
    for (method, path, body, status) in [
        ("POST", at, json!({ "domain": "co.uk" }), 400),
        ("POST", at, json!({ "domain": "web.de" }), 400),
        ("POST", at, json!({ "domain": "fabrikam.example" }), 409),
        ("POST", verify.as_str(), json!({ "domain": "unclaimed.example" }), 409),
        ("POST", at, json!({}), 400),
        ("POST", "/organizations/nobody-here/domains", mail.clone(), 404),
        ("DELETE", at, Value::Null, 400),
    ] {
        let refused = office.tries(method, path, &body).await;
        assert_eq!(refused.status, status, "{method} {path} {body}: {}", refused.body);
    }
    assert_eq!(
        office.world.organization("contoso").await.tenant.unwrap().to_string(),
        samples::CONTOSO
    );
}
