//! Recent changes, as every process queries them.

use super::*;
use crate::directory::change::{OrganizationChange, SIGNED_OUT};
use crate::directory::organization::OrganizationState;
use crate::directory::watch::MAX_CHANGES_PER_PAGE;

#[tokio::test]
async fn changes_are_listed_from_a_time_on_page_by_page_and_none_twice() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let maya = person(&directory, &contoso, "maya", None).await;
        let now = fixture.clock.now();
        let changes = directory.changed(now - 60, None).await.unwrap();
        let changes: Vec<_> =
            changes.iter().map(|it| (it.organization, it.person, it.signed_out)).collect();
        assert_eq!(changes.len(), 2);
        assert!(
            changes.contains(&(Some(contoso.id), None, false))
                && changes.contains(&(Some(contoso.id), Some(maya.id), false)),
            "{changes:?}"
        );
        assert_eq!(directory.changed(now + 2, None).await.unwrap(), []);
        let mut changes = directory.database.begin_transaction().await.unwrap();
        for _ in 0..2 * MAX_CHANGES_PER_PAGE {
            directory
                .audit(&mut changes, "a story", Some(contoso.id), Some(maya.id), SIGNED_OUT)
                .await
                .unwrap();
        }
        changes.commit().await.unwrap();
        let (mut seen, mut last, mut pages) = (std::collections::HashSet::new(), None, 0);
        loop {
            let page = directory.changed(now - 60, last.as_ref()).await.unwrap();
            assert!(page.iter().all(|it| seen.insert(it.id)), "listed twice");
            pages += 1;
            if page.len() < MAX_CHANGES_PER_PAGE as usize {
                break;
            }
            last = page.into_iter().next_back();
        }
        assert_eq!((seen.len(), pages), (2 * MAX_CHANGES_PER_PAGE as usize + 2, 3));
    })
    .await;
}

#[tokio::test]
async fn many_people_are_asked_about_at_once_and_stand_as_one_by_one() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let (maya, tom) = (
            person(&directory, &contoso, "maya", None).await,
            person(&directory, &contoso, "tomm", None).await,
        );
        let frida = person(&directory, &fabrikam, "frida", None).await;
        directory
            .change_person(
                &maya.username,
                PersonChange {
                    on: Some(false),
                    role: Some("admin".to_owned()),
                    ..PersonChange::default()
                },
                "a story",
            )
            .await
            .unwrap();
        let change = OrganizationChange {
            state: Some(OrganizationState::Off),
            ..OrganizationChange::default()
        };
        directory.change_organization(&fabrikam.code, change, "a story").await.unwrap();
        let strangers = (0..1100_u32).map(|it| {
            Guid::from_random(
                [it.to_be_bytes(), [7; 4], [7; 4], [7; 4]].concat().try_into().unwrap(),
            )
        });
        let people: Vec<_> = strangers.chain([maya.id, tom.id, frida.id]).collect();
        let all = directory.person_statuses(&people).await.unwrap();
        assert_eq!(all.len(), 3);
        for it in [&maya, &tom, &frida] {
            assert_eq!(
                all.get(&it.id),
                directory.person_status(it.id).await.unwrap().as_ref(),
                "{}",
                it.username
            );
        }
        assert_eq!((all[&maya.id].on, all[&tom.id].on, all[&frida.id].on), (false, true, false));
        assert_eq!(directory.person_statuses(&[]).await.unwrap().len(), 0);
    })
    .await;
}
