//! The person for each error code.

use std::collections::BTreeSet;

use http::StatusCode;

use super::super::refusals::{RefusalStage, rows};
use super::{ask, authorize, begin, pick, redeem, refused};

#[tokio::test]
async fn each_code_shows_where_it_belongs() {
    let emulator = begin().await;
    assert_eq!(emulator.error_people().len(), rows().count());
    for (person, row) in emulator.error_people().iter().zip(rows()) {
        assert_eq!(person.user_name, format!("aadsts{}@contoso.example", row.code));
        let page = ask(&authorize(&emulator, &[]), None, &[]).await;
        let seen = pick(&emulator, &page, "person", &person.oid).await;
        match row.stage {
            RefusalStage::Page => {
                assert!(
                    seen.headers.get("location").is_none()
                        && seen.body.contains(&format!("AADSTS{}: ", row.code)),
                    "{}",
                    seen.body
                );
            }
            RefusalStage::Callback => {
                let back = seen.sent_back();
                assert_eq!((back["error"].as_str(), back["state"].as_str()), (row.error, "s 1"));
                assert!(
                    back["error_description"].starts_with(&format!("AADSTS{}: ", row.code)),
                    "{back:?}"
                );
            }
            RefusalStage::Token => {
                let status = if row.at_token == "invalid_client" { 401 } else { 400 };
                refused(
                    &redeem(&emulator, &seen.sent_back()["code"], &[]).await,
                    status,
                    row.at_token,
                    u64::from(row.code),
                );
            }
        }
    }
}

#[test]
fn no_code_stands_twice() {
    let codes: BTreeSet<_> = rows().map(|it| it.code).collect();
    assert_eq!(codes.len(), rows().count());
    assert!(rows().count() >= 176);
}

#[tokio::test]
async fn the_picker_shows_the_usual_people_first_and_folds_the_codes() {
    let emulator = begin().await;
    let page = ask(&authorize(&emulator, &[]), None, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    let (before, folded) = page.body.split_once("<details>").unwrap();
    assert!(before.contains("maya@contoso.example") && !before.contains("aadsts50105@"));
    assert!(folded.split_once("</details>").unwrap().0.contains("aadsts50105@contoso.example"));
}
