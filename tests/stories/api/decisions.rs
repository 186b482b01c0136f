//! Decisions over the API about accounts that wait.

use super::*;

#[tokio::test]
async fn an_account_is_linked_over_the_api_with_the_mark_of_its_request_only() {
    let office = ApiWorld::start().await;
    office.contoso().await;
    let added = json!({ "username": MAYA, "role": "admin" });
    office.calls("POST", "/organizations/contoso/people", &added).await;
    let signs_in = async || {
        let mut browser = office.world.browser();
        browser.visits("/x").await;
        browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", MAYA)]).await;
        browser.signs_in_as(MAYA).await.status
    };
    assert_eq!(signs_in().await, 403);
    let list = office.gets("/organizations/contoso/link_requests").await.body;
    let request = &list["requests"][0];
    assert_eq!((&request["oid"], &request["reason"]), (&json!(MAYA_ID), &json!("role")));
    let at = format!("/link_requests/{}", request["id"].as_str().unwrap());
    for (body, status) in [
        (json!({ "decision": "link" }), 400),
        (json!({ "decision": "link", "mark": "of another state" }), 409),
        (json!({ "decision": "link", "mark": request["mark"] }), 200),
        (json!({ "decision": "link", "mark": request["mark"] }), 404),
    ] {
        let answer = office.calls("POST", &at, &body).await;
        assert_eq!(answer.status, status, "{body} {}", answer.body);
    }
    assert_eq!(signs_in().await, 200);
}
