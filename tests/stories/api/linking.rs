//! Calls about people who were added beforehand: approvals, merges and deletions.

use super::*;
use crate::world::browser::{BrowserPage, TestBrowser};
use crate::world::samples::TOM;

impl ApiWorld {
    /// Contoso without a domain, so that it is the username alone that is known of its people.
    async fn contoso_without_a_domain(&self) {
        self.contoso().await;
        let unbound = json!({ "unbind": ["contoso.example"] });
        let changed = self.calls("PATCH", "/organizations/contoso", &unbound).await;
        assert_eq!((changed.status, &changed.body["domains"]), (200, &json!([])));
    }

    async fn adds(&self, username: &str, role: &str) -> Value {
        let new = json!({ "username": username, "role": role });
        let added = self.calls("POST", "/organizations/contoso/people", &new).await;
        assert_eq!(added.status, 201, "{}", added.body);
        added.body
    }

    async fn signs_in(&self, browser: &mut TestBrowser, typed: &str, person: &str) -> BrowserPage {
        browser.visits("/x").await;
        browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", typed)]).await;
        browser.signs_in_as(person).await
    }

    async fn waits(&self, typed: &str, person: &str) {
        let page = self.signs_in(&mut self.world.browser(), typed, person).await;
        assert_eq!(page.status, 403, "{}", page.body);
    }

    async fn link_requests(&self) -> Value {
        let listed = self.gets("/organizations/contoso/link_requests").await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        listed.body
    }

    async fn decides(&self, request: &Value, decision: &str, mark: &Value) -> ApiAnswer {
        let path = format!("/link_requests/{}", request["id"].as_str().unwrap());
        self.calls("POST", &path, &json!({ "decision": decision, "mark": mark })).await
    }
}

fn path_of(username: &str) -> String {
    format!("/people/{}", username.replace('@', "%40"))
}

#[tokio::test]
async fn an_account_that_waits_is_listed_and_linked_as_it_was_seen() {
    let office = ApiWorld::start().await;
    office.contoso_without_a_domain().await;
    office.adds("tom-b", "worker").await;
    office.waits("tom-b", TOM).await;
    let listed = office.link_requests().await;
    let request = &listed["requests"][0];
    assert_eq!(
        [&request["username"], &request["typed"], &request["upn"], &request["state"]],
        [&json!("tom-b"), &json!("tom-b"), &json!(TOM), &json!("waiting")]
    );
    // The person changed after the list was read.
    let email = json!({ "email": "t@contoso.example" });
    assert_eq!(office.calls("PATCH", "/people/tom-b", &email).await.status, 200);
    let stale = office.decides(request, "link", &request["mark"]).await;
    assert_eq!(stale.status, 409, "{}", stale.body);
    assert_eq!(office.gets("/people/tom-b").await.body["oid"], Value::Null);
    let listed = office.link_requests().await;
    let request = &listed["requests"][0];
    let linked = office.decides(request, "link", &request["mark"]).await;
    assert_eq!((linked.status, &linked.body["oid"]), (200, &request["oid"]), "{}", linked.body);
    let page = office.signs_in(&mut office.world.browser(), "tom-b", TOM).await;
    assert_eq!(page.app_heard("x-entrada-person"), linked.body["id"].as_str().unwrap());
    // Nothing waits any more, and what was decided is decided.
    let listed = office.link_requests().await;
    let approved = &listed["requests"][0];
    assert_eq!((&approved["id"], &approved["state"]), (&request["id"], &json!("approved")));
    assert_eq!(office.decides(request, "link", &request["mark"]).await.status, 404);
    let history = office.gets("/organizations/contoso/history").await.body;
    let approved = history["changes"].as_array().unwrap().iter().any(|it| {
        it["by"] == "admin api for ines@app.example"
            && it["what"].as_str().unwrap().contains("approved")
    });
    assert!(approved, "{history}");
    // An approval that was wrong is undone, as it was shown; the account waits again.
    let listed = office.link_requests().await;
    let approved = &listed["requests"][0];
    assert!(approved["undo_until"].as_i64().unwrap() > approved["at"].as_i64().unwrap());
    for (mark, status) in
        [(&request["mark"], 409), (&approved["mark"], 200), (&approved["mark"], 404)]
    {
        let undone = office.decides(approved, "undo", mark).await;
        assert_eq!(undone.status, status, "{}", undone.body);
    }
    office.waits("tom-b", TOM).await;
    let listed = office.link_requests().await;
    assert_eq!(
        (&listed["requests"][0]["id"], &listed["requests"][0]["state"]),
        (&request["id"], &json!("waiting"))
    );
}

#[tokio::test]
async fn a_denied_account_stays_outside_until_the_decision_is_changed() {
    let office = ApiWorld::start().await;
    office.contoso_without_a_domain().await;
    office.adds(MAYA, "admin").await;
    office.waits("contoso", MAYA).await;
    let request = office.link_requests().await["requests"][0].clone();
    assert_eq!(request["reason"], "role");
    let denied = office.decides(&request, "deny", &request["mark"]).await;
    assert_eq!((denied.status, &denied.body["oid"]), (200, &Value::Null), "{}", denied.body);
    office.waits("contoso", MAYA).await;
    let request = office.link_requests().await["requests"][0].clone();
    assert_eq!(request["state"], "denied");
    // They are two people after all.
    let separated = office.decides(&request, "separate", &request["mark"]).await;
    assert_eq!(separated.status, 200, "{}", separated.body);
    let mut browser = office.world.browser();
    let page = office.signs_in(&mut browser, "contoso", MAYA).await;
    assert_eq!((page.status, page.app_heard("x-entrada-role").as_str()), (200, "worker"));
    assert_eq!(office.gets(&path_of(MAYA)).await.body["oid"], Value::Null);
}

#[tokio::test]
async fn two_who_are_one_are_merged_and_the_created_one_is_gone() {
    let office = ApiWorld::start().await;
    office.contoso_without_a_domain().await;
    let added = office.adds("tom.becker@partner.example", "admin").await;
    let mut browser = office.world.browser();
    assert_eq!(office.signs_in(&mut browser, "contoso", TOM).await.status, 200);
    let listed = office.link_requests().await;
    let alike = &listed["possible_merges"][0];
    assert_eq!(
        [&alike["added"]["username"], &alike["created"]["username"]],
        [&added["username"], &json!(TOM)]
    );
    let path = format!("{}/merge", path_of("tom.becker@partner.example"));
    let merged = office.calls("POST", &path, &json!({ "other": TOM })).await;
    assert_eq!(
        [&merged.body["id"], &merged.body["oid"], &merged.body["role"]],
        [&added["id"], &alike["created"]["oid"], &json!("admin")],
        "{}",
        merged.body
    );
    until(&mut browser, 401, "").await;
    assert_eq!(office.gets(&path_of(TOM)).await.status, 404);
    assert_eq!(office.link_requests().await["possible_merges"], json!([]));
    assert_eq!(office.signs_in(&mut browser, "contoso", TOM).await.status, 200);
    assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.app_heard("x-entrada-role"), "admin");
    // Not with oneself, not with somebody who is not there.
    for (other, status) in [("tom.becker@partner.example", 409), (TOM, 404)] {
        let refused = office.calls("POST", &path, &json!({ "other": other })).await;
        assert_eq!(refused.status, status, "{}", refused.body);
    }
}

#[tokio::test]
async fn a_deleted_person_who_was_off_stays_outside_and_an_organization_goes_as_it_was_counted() {
    let office = ApiWorld::start().await;
    office.contoso_without_a_domain().await;
    office.adds(TOM, "worker").await;
    let mut browser = office.world.browser();
    assert_eq!(office.signs_in(&mut browser, "contoso", TOM).await.status, 200);
    assert_eq!(office.calls("PATCH", &path_of(TOM), &json!({ "state": "off" })).await.status, 200);
    let deleted = office.calls("DELETE", &path_of(TOM), &Value::Null).await;
    assert_eq!(
        (deleted.status, deleted.body),
        (200, json!({ "deleted": TOM, "stays_refused": true }))
    );
    assert_eq!(office.calls("DELETE", &path_of(TOM), &Value::Null).await.status, 404);
    office.waits("contoso", TOM).await;
    office.adds("zoe", "worker").await;
    let path = "/organizations/contoso?people=1";
    let on = office.calls("DELETE", path, &Value::Null).await;
    assert_eq!((on.status, office.gets("/organizations/contoso").await.status), (409, 200));
    let off = json!({ "state": "off" });
    assert_eq!(office.calls("PATCH", "/organizations/contoso", &off).await.status, 200);
    for (people, status) in [("0", 409), ("2", 409), ("x", 400), ("1", 200), ("1", 404)] {
        let path = format!("/organizations/contoso?people={people}");
        let gone = office.calls("DELETE", &path, &Value::Null).await;
        assert_eq!(gone.status, status, "{people}: {}", gone.body);
    }
    assert_eq!(office.gets("/people").await.body["people"], json!([]));
}
