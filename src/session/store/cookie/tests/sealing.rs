//! Only our own records open, and only with their own ID.

use super::*;

#[test]
fn two_processes_with_old_and_new_secrets_serve_the_same_sessions() {
    let clock = Clock::stopped();
    let old = Replica::new(&clock, &[SECRET, NEW_SECRET], &[]);
    let new = Replica::new(&clock, &[NEW_SECRET, SECRET], &[]);
    for (here, there) in [(&old, &new), (&new, &old)] {
        let (cookies, session) = here.signs_in(maya(), Some("token"));
        let loaded = there.loads(&cookies).unwrap();
        clock.shift(60);
        // Sealed there with the other secret, and read here after a restart.
        let record = there.record(&loaded).unwrap();
        let secrets = if std::ptr::eq(here, &raw const old) {
            [SECRET, NEW_SECRET]
        } else {
            [NEW_SECRET, SECRET]
        };
        let restarted = Replica::new(&clock, &secrets, &[]);
        assert!(restarted.loads(&BrowserCookies { record, ..cookies }).is_some());
        assert_eq!(loaded.started_at(), session.started_at());
    }
    let (cookies, _) = old.signs_in(maya(), None);
    assert!(Replica::new(&clock, &[NEW_SECRET], &[]).loads(&cookies).is_none());
    // A reload is enough.
    let reloaded = Replica::new(&clock, &[NEW_SECRET], &[]);
    reloaded.live.ids().rotate(&keyring(&[NEW_SECRET, SECRET]));
    reloaded.store.use_settings(settings(&[NEW_SECRET, SECRET], &[]));
    assert!(reloaded.loads(&cookies).is_some());
}

#[test]
fn attack_a_record_opens_with_its_own_id_only() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let (mayas, _) = here.signs_in(maya(), Some("token"));
    let (others, _) = here.signs_in(maya(), Some("token"));
    let there = Replica::new(&clock, &[SECRET], &[]);
    assert!(there.presents(&mayas.id, None).is_none());
    assert!(there.presents(&mayas.id, Some("")).is_none());
    assert!(there.presents(&mayas.id, Some(&others.record)).is_none());
    assert!(there.presents("", Some(&mayas.record)).is_none());
    assert!(there.presents(&"A".repeat(54), Some(&mayas.record)).is_none());
    assert!(there.presents(&mayas.record, Some(&mayas.record)).is_none());
    // What an earlier version called an ID has no tag.
    assert!(there.presents(&mayas.id[..43], Some(&mayas.record)).is_none());
    assert!(there.loads(&mayas).is_some() && there.loads(&others).is_some());
}

#[test]
fn attack_a_record_that_was_changed_cut_or_extended_is_none() {
    let clock = Clock::stopped();
    let (cookies, _) = Replica::new(&clock, &[SECRET], &[]).signs_in(maya(), Some("token"));
    let there = Replica::new(&clock, &[SECRET], &[]);
    let record = cookies.record.as_str();
    for at in 0..record.len() {
        let mut changed = record.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(there.presents(&cookies.id, Some(&changed)).is_none(), "{at}");
        assert!(there.presents(&cookies.id, Some(&record[..at])).is_none(), "{at}");
    }
    for wrong in
        [format!("{record}A"), format!("{record}="), format!(" {record}"), "A".repeat(9000)]
    {
        assert!(there.presents(&cookies.id, Some(&wrong)).is_none());
    }
    assert!(there.loads(&cookies).is_some());
}

#[test]
fn attack_records_of_another_registration_or_purpose_do_not_open() {
    let seal = |basis: &str| seal(&[SECRET], basis);
    let key = [1; 32];
    let text = seal("one").seal(&key, b"hello").unwrap();
    assert_eq!(seal("one").open(&key, &text).as_deref().map(Vec::as_slice), Some(&b"hello"[..]));
    assert!(seal("two").open(&key, &text).is_none());
    assert!(seal("one").open(&[2; 32], &text).is_none());
    let again = seal("one").seal(&key, b"hello").unwrap();
    assert_ne!(again, text, "a nonce is used once");
}

#[test]
fn a_newer_record_is_no_session() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let (cookies, session) = here.signs_in(maya(), Some("token"));
    let seal = seal(&[SECRET], "the registration");
    let plain = seal.open(&session.key, &cookies.record).unwrap();
    let there = Replica::new(&clock, &[SECRET], &[]);
    let mut newer = plain.clone();
    newer[0] = 2;
    let mut longer = plain.clone();
    longer.push(0);
    for wrong in [&newer[..], &longer, &plain[..plain.len() - 1], &[]] {
        assert!(!is_record(wrong));
        let record = seal.seal(&session.key, wrong).unwrap();
        assert!(there.presents(&cookies.id, Some(&record)).is_none());
    }
    // A record of another session under this one's key.
    let (others, other) = here.signs_in(maya(), None);
    let plain = seal.open(&other.key, &others.record).unwrap();
    let record = seal.seal(&session.key, &plain).unwrap();
    assert!(is_record(&plain) && there.presents(&cookies.id, Some(&record)).is_none());
    assert!(there.loads(&cookies).is_some());
}

/// Names are not readable in the cookie.
#[test]
fn a_record_shows_nothing_of_its_person() {
    use base64::Engine as _;
    let clock = Clock::stopped();
    let (cookies, _) = Replica::new(&clock, &[SECRET], &[]).signs_in(maya(), Some("token"));
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&cookies.record).unwrap();
    for part in [&b"Okafor"[..], b"maya", b"token", b"Admin"] {
        assert!(!bytes.windows(part.len()).any(|it| it == part), "{part:?}");
    }
}
