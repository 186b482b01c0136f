//! Files of people.

use super::super::CliFolder;
use super::{ADD, place};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn a_file_is_taken_in_and_what_is_wrong_is_told_by_line() {
    let place = place();
    place.does(ADD);
    place.writes("people.csv", "username,name,role\nmaya,Maya,admin\n,Nobody,\njonas,=1+1,boss\n");
    let told = place.types("person import people.csv --organization contoso");
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(1), "1 created, 0 changed, 0 unchanged, 2 skipped\n")
    );
    let err = "error: 2 lines of people.csv were skipped\n  people.csv:3  has no username\n  people.csv:4  \"boss\" is not one of [directory] roles\n";
    assert!(told.err.starts_with(err), "{}", told.err);
    place.writes("people.csv", "username,name,role\nmaya,Maya,admin\njonas,=1+1,\n");
    assert_eq!(place.json("person import people.csv --organization contoso")["made"], 1);
    let exported = place.does("person export --organization contoso");
    assert!(exported.contains("\njonas,'=1+1,,worker,contoso,on,\n"), "{exported}");
    place.refuses("person import nowhere.csv --organization contoso", "nowhere.csv cannot be read");
}

fn many(place: &CliFolder, count: u32) {
    let lines: String =
        (0..count).map(|it| format!("user{it},Name {it},user{it}@contoso.com\n")).collect();
    place.writes("people.csv", &format!("username,name,email\n{lines}"));
}

#[tokio::test]
async fn a_killed_import_leaves_every_person_whole_and_is_finished_by_running_it_again() {
    let place = place();
    place.does(ADD);
    many(&place, 24_000);
    let mut running = place.starts("person import people.csv --organization contoso");
    let began = Instant::now();
    while !running.err().contains("10000 lines") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", running.err());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.signals("KILL");
    running.ends().await;
    let there = place.json("organization show contoso")["people"].as_u64().unwrap();
    assert!((10_000..24_000).contains(&there) && there.is_multiple_of(1000), "{there}");
    let people = place.json("person list --limit 10000");
    assert!(
        people
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["name"].is_string() && it["email"].is_string() && it["role"] == "worker")
    );
    let told = place.types("person import people.csv --organization contoso --json");
    let rest: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&rest["made"], &rest["unchanged"]), (&(24_000 - there).into(), &there.into()));
    assert_eq!(place.json("organization show contoso")["people"], 24_000);
}

#[tokio::test]
async fn two_programs_that_take_in_one_file_at_once_make_everybody_once() {
    let place = place();
    place.does(ADD);
    many(&place, 6000);
    let line = ["person", "import", "people.csv", "--organization", "contoso"];
    let start = || place.command(env!("CARGO_BIN_EXE_entrada"), &line).output();
    let (one, other) = std::thread::scope(|it| {
        let other = it.spawn(start);
        (start().unwrap(), other.join().unwrap().unwrap())
    });
    for it in [&one, &other] {
        assert!(it.status.success(), "{}", String::from_utf8_lossy(&it.stderr));
    }
    assert_eq!(place.json("organization show contoso")["people"], 6000);
}
