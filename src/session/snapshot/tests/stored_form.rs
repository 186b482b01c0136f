//! The stored form of a session.

use super::*;
use crate::session::stored_session::{decode, encode};

#[test]
fn every_field_of_a_session_comes_back() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let (id, before) = full_session(&open.live);
    assert_eq!(open.folder.close().unwrap(), Some(1));
    let open = fixture.opens();
    assert_eq!((open.restored.count, open.restored.as_of), (1, Some(fixture.clock.now())));
    let after = open.live.peek(id.expose()).unwrap();
    assert_eq!(*after.identity(), *before.identity());
    assert_eq!(
        (after.user(), after.sid(), after.via()),
        (before.user(), before.sid(), Via::Browser)
    );
    assert_eq!(after.session_state, before.session_state);
    assert_eq!(
        (after.started_at(), after.ends(), after.last_seen()),
        (before.started_at(), before.ends(), before.last_seen())
    );
    assert_eq!((after.answered(), after.is_reauthenticated()), (Some("a mark"), true));
    assert_eq!(
        (after.standing().answered(), after.standing().recheck()),
        (1_999_000, (2_000_000, 1800))
    );
    assert_eq!(after.standing().challenge(), before.standing().challenge());
    assert!(after.standing().challenge().is_some());
    assert_eq!(after.groups_age().times(), (1_500_000, 1_800_000));
    assert_eq!(token(&after).as_deref(), Some("the refresh token"));
    // It is found by everything that can end it.
    assert_eq!(open.live.of_person(Guid::of_bytes([3; 16])).len(), 1);
    assert_eq!(open.live.end_by_sid("another state"), 1);
    assert!(!open.has(&id));
}

#[test]
fn a_stored_form_of_another_version_or_with_more_at_its_end_is_no_session() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let (_, session) = full_session(&open.live);
    let mut bytes = Vec::new();
    encode(&session, None, &mut bytes).unwrap();
    assert!(decode(&bytes).is_some());
    for at in 0..bytes.len() {
        assert!(decode(&bytes[..at]).is_none(), "{at}");
    }
    assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
    for version in [0, 2, 255] {
        bytes[0] = version;
        assert!(decode(&bytes).is_none(), "{version}");
    }
}
