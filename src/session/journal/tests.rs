//! Segments that another process follows.

use super::*;
use crate::seal::keyring::Keyring;
use std::path::Path;
use std::time::Instant;

fn seal(secret: &str) -> Arc<SnapshotSeal> {
    let keyring = Keyring::new(&[Secret::new(secret)], &crate::seal::random::system());
    Arc::new(SnapshotSeal::new(keyring, "the basis"))
}

fn started(folder: &Path, segment: u64) -> SessionJournal {
    SessionJournal::start(
        folder.to_owned(),
        seal("one"),
        crate::seal::random::system(),
        segment,
        SegmentContent::EndedAndBegun,
    )
    .unwrap()
}

fn begun(journal: &SessionJournal, record: &[u8]) {
    journal.send(JournalCommand::Begun(Zeroizing::new(record.to_vec())));
}

/// What is read at once, as text.
fn read(segment: &mut FollowedSegment, secret: &str) -> Result<Vec<String>, FollowError> {
    let seal = seal(secret);
    let mut out = Vec::new();
    segment.read(&seal, &JournalKeys::new(&seal.keyring), |event| {
        out.push(match event {
            JournalEvent::Ended(key) => format!("ended {}", key[0]),
            JournalEvent::Begun(record) => format!("begun {record:?}"),
            JournalEvent::Notice(notice) => format!("{notice:?}"),
        });
    })?;
    Ok(out)
}

#[test]
fn a_segment_is_followed_while_it_grows_and_complete_when_its_process_releases_it() {
    let place = tempfile::tempdir().unwrap();
    let journal = started(place.path(), 7);
    let mut segment = FollowedSegment::open(place.path(), 7).unwrap();
    assert_eq!(read(&mut segment, "one").unwrap(), [""; 0]);
    journal.record_end_of([1; 32], 1000);
    begun(&journal, &[1, 2, 3]);
    assert!(journal.flush());
    assert_eq!(read(&mut segment, "one").unwrap(), ["ended 1", "begun [1, 2, 3]"]);
    assert_eq!(read(&mut segment, "one").unwrap(), [""; 0]);
    assert!(!segment.is_complete());
    // More than one chunk.
    begun(&journal, &vec![9; 200_000]);
    journal.record_notice(JournalNotice::Listening);
    journal.record_end_of([2; 32], 1000);
    journal.close();
    let read_last = read(&mut segment, "one").unwrap();
    assert_eq!((read_last.len(), read_last[2].as_str()), (3, "Listening"));
    assert!(segment.is_complete());
}

#[test]
fn what_follows_belongs_to_the_next_segment_and_the_former_one_is_released() {
    let place = tempfile::tempdir().unwrap();
    let journal = started(place.path(), 1);
    let mut first = FollowedSegment::open(place.path(), 1).unwrap();
    // Another process has written since.
    std::fs::write(segment_files(place.path(), 4).ended, "").unwrap();
    assert_eq!(journal.rotate(SegmentContent::Ended).unwrap(), 5);
    assert!(!journal.records_begun() && journal.last_own() == 5);
    journal.record_end_of([3; 32], 1000);
    begun(&journal, &[1]);
    assert!(journal.flush());
    assert_eq!(read(&mut first, "one").unwrap(), [""; 0]);
    assert!(first.is_complete());
    let mut second = FollowedSegment::open(place.path(), 5).unwrap();
    assert_eq!(read(&mut second, "one").unwrap(), ["ended 3"]);
    assert!(!second.is_complete());
    assert!(!segment_files(place.path(), 5).begun.exists());
}

#[test]
fn ends_that_were_written_with_other_secrets_are_an_error_and_begun_sessions_are_left_out() {
    let place = tempfile::tempdir().unwrap();
    let journal = started(place.path(), 1);
    let mut segment = FollowedSegment::open(place.path(), 1).unwrap();
    begun(&journal, &[1]);
    assert!(journal.flush());
    assert_eq!(read(&mut segment, "two").unwrap(), [""; 0]);
    journal.record_end_of([1; 32], 1000);
    assert!(journal.flush());
    let reads: Vec<_> = (0..5).map(|_| read(&mut segment, "two").is_ok()).collect();
    assert_eq!(reads, [true, true, true, false, false]);
    // Those that are written with secrets that are known are read again.
    assert_eq!(read(&mut segment, "one").unwrap(), ["ended 1"]);
    assert!(read(&mut segment, "two").is_ok());
}

#[test]
fn half_an_entry_and_half_a_chunk_are_read_when_they_are_whole() {
    let place = tempfile::tempdir().unwrap();
    let journal = started(place.path(), 1);
    journal.record_end_of([1; 32], 1000);
    begun(&journal, &[1]);
    journal.close();
    let files = segment_files(place.path(), 1);
    let whole = [&files.ended, &files.begun].map(|it| std::fs::read(it).unwrap());
    for (cut_ended, cut_begun) in [(0, 0), (30, 20), (55, whole[1].len() - 1)] {
        std::fs::write(&files.ended, &whole[0][..cut_ended]).unwrap();
        std::fs::write(&files.begun, &whole[1][..cut_begun]).unwrap();
        let mut segment = FollowedSegment::open(place.path(), 1).unwrap();
        for _ in 0..10 {
            assert_eq!(read(&mut segment, "one").unwrap(), [""; 0], "{cut_ended} {cut_begun}");
        }
        for (path, bytes) in [&files.ended, &files.begun].into_iter().zip(&whole) {
            use std::os::unix::fs::FileExt as _;
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(bytes, 0).unwrap();
        }
        assert_eq!(read(&mut segment, "one").unwrap(), ["ended 1", "begun [1]"]);
    }
}

#[test]
fn many_ends_are_read_in_order_at_once() {
    let place = tempfile::tempdir().unwrap();
    let journal = started(place.path(), 1);
    let count = 70_000_u32;
    for number in 0..count {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        journal.record_end_of(key, 1000);
        if number % 10_000 == 0 {
            assert!(journal.flush());
        }
    }
    assert!(journal.flush());
    let mut segment = FollowedSegment::open(place.path(), 1).unwrap();
    let began = Instant::now();
    assert_eq!(read(&mut segment, "one").unwrap().len(), usize::try_from(count).unwrap());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn tombstones_are_kept_while_two_processes_serve_only() {
    let tombstones = Tombstones::default();
    tombstones.add([1; 32]);
    assert!(!tombstones.may_contain(&[1; 32]));
    tombstones.begin([[2; 32]].into());
    tombstones.add([3; 32]);
    tombstones.begin([[4; 32]].into());
    let found = [1, 2, 3, 4].map(|it| tombstones.may_contain(&[it; 32]));
    assert_eq!(found, [false, true, true, true]);
    tombstones.end();
    assert!(!tombstones.may_contain(&[2; 32]));
}
