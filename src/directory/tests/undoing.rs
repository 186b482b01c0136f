//! Approvals that are undone.

use super::accounts::{Outcome, comes, without_upn};
use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::ChangeOrigin;
use crate::directory::link_request::{LinkDecision, LinkRequest, RequestState};

/// Whether the account waits for an approval.
fn waits(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Waits(_))
}

const WEEK: i64 = 7 * 86_400;

#[tokio::test]
async fn an_approval_can_be_undone_for_seven_days_and_the_account_waits_again() {
    on_both(async |fixture: DatabaseFixture| {
        let (directory, clock) = (fixture.open().await, fixture.clock.clone());
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let lena = person(&directory, &contoso, "lena", None).await;
        let account = without_upn(who(CONTOSO, 7, "x7@contoso.com"));
        let typed = Some("lena");
        assert!(waits(comes(&directory, &account, &contoso, typed).await));
        let all = async || directory.link_requests(Some(contoso.id), true).await.unwrap();
        let by = AdminScope::operator(contoso.id, "operator");
        let decide = async |request: &LinkRequest, decision: LinkDecision| {
            directory.decide(&by, request.id, decision, Some(&request.mark())).await
        };
        let waiting = all().await.remove(0);
        assert!(decide(&waiting, LinkDecision::Undo).await.is_err(), "nothing was approved");
        decide(&waiting, LinkDecision::Link).await.unwrap();
        assert!(directory.link_requests(None, false).await.unwrap().is_empty());
        let approved = all().await.remove(0);
        let until = i64::try_from(clock.now()).unwrap() + WEEK;
        let RequestState::Approved(shown) = approved.state else { panic!("{approved:?}") };
        assert!((until - 5..=until).contains(&shown), "{shown} {until}");
        assert_eq!(approved.account.1, account.oid);
        // Not as it was shown, not with a set-up link, not by the person.
        let stale = directory.decide(&by, approved.id, LinkDecision::Undo, None).await;
        assert!(matches!(stale, Err(ActionError::Directory(Error::Conflict))), "{stale:?}");
        for origin in [ChangeOrigin::Invited, ChangeOrigin::Admin(lena.id)] {
            let by = AdminScope { origin, ..by.clone() };
            let mark = approved.mark();
            let refused = directory.decide(&by, approved.id, LinkDecision::Undo, Some(&mark)).await;
            assert!(refused.is_err(), "{refused:?}");
        }
        clock.shift(WEEK - 60);
        let undone = decide(&approved, LinkDecision::Undo).await.unwrap();
        assert_eq!((undone.id, undone.linked), (lena.id, None));
        assert_eq!(directory.person_by_id(lena.id).await.unwrap().unwrap(), undone);
        let waiting = all().await.remove(0);
        assert_eq!((waiting.id, waiting.state), (approved.id, RequestState::Waiting));
        assert!(waits(comes(&directory, &account, &contoso, typed).await));
        assert_eq!(all().await.len(), 1, "it is the same request");
        decide(&waiting, LinkDecision::Deny).await.unwrap();
        assert_eq!(comes(&directory, &account, &contoso, typed).await, Outcome::Denied);
        let history = directory.history(contoso.id, None, 10).await.unwrap();
        assert!(history.iter().any(|it| it.what.contains("approval undone")), "{history:?}");
        // Decided otherwise, and seven days ago.
        let denied = all().await.remove(0);
        decide(&denied, LinkDecision::Link).await.unwrap();
        let approved = all().await.remove(0);
        clock.shift(WEEK);
        assert!(all().await.is_empty());
        let late = decide(&approved, LinkDecision::Undo).await;
        assert!(matches!(late, Err(ActionError::NoSuchPerson)), "{late:?}");
        assert_eq!(comes(&directory, &account, &contoso, typed).await, Outcome::Linked(lena.id));
    })
    .await;
}
