//! The fuzz targets, for as long as a test may take: every seed of fuzz/corpus, and what comes of changing seeds a little.

#[path = "../../fuzz/src/lib.rs"]
mod properties;

use crate::outside::root;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fs;

/// Changed seeds that are tried for each target.
const CASES: u32 = 4000;
/// The same for the target that runs the whole program.
const PROGRAM_CASES: u32 = 200;

/// One small change of a seed.
#[derive(Clone, Debug)]
enum Change {
    Insert(usize, u8),
    Remove(usize),
    Replace(usize, u8),
    Splice(usize, usize, usize),
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(root().join("fuzz/corpus").join(name))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{name} has too few seeds");
    files.iter().map(|it| fs::read(it).unwrap()).collect()
}

/// Bytes that parsers trip over, and any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => proptest::sample::select(&b"/\\.%;:?#@=, \t\r\n\0\"'{}[]<>|^`-_~+&0aA2eEfF\x7f\x80\xff"[..]), 1 => any::<u8>()]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        at().prop_map(Change::Remove),
        (at(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (at(), at(), 0..12usize).prop_map(|(from, to, length)| Change::Splice(from, to, length)),
    ]
}

fn changed(mut seed: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = seed.len();
        match *change {
            Change::Insert(at, byte) => seed.insert(at % (length + 1), byte),
            Change::Remove(at) if length > 0 => drop(seed.remove(at % length)),
            Change::Replace(at, byte) if length > 0 => seed[at % length] = byte,
            Change::Splice(from, to, many) if length > 0 => {
                let from = from % length;
                let piece = seed[from..length.min(from + many)].to_vec();
                let to = to % (length + 1);
                seed.splice(to..to, piece);
            }
            _ => {}
        }
    }
    seed
}

/// Tries every seed of a target, and so many seeds that were changed a little.
fn tries(name: &str, holds: properties::Holds, cases: u32) {
    let seeds = seeds(name);
    for seed in &seeds {
        holds(seed);
    }
    let strategy = (proptest::sample::select(seeds), proptest::collection::vec(change(), 0..8))
        .prop_map(|(seed, changes)| changed(seed, &changes));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |bytes| {
        holds(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|it| panic!("{name}: {it}"));
}

#[test]
fn what_must_hold_of_foreign_bytes_holds_of_every_seed_and_its_neighbors() {
    for (name, holds) in properties::ALL.iter().filter(|it| it.0 != "program") {
        tries(name, *holds, CASES);
    }
}

#[test]
fn whatever_one_connection_sends_the_program_serves_others_and_lets_nothing_through() {
    tries("program", properties::program, PROGRAM_CASES);
    properties::program::stop();
}

#[test]
fn every_property_has_its_fuzz_target() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap().parse().unwrap();
    let mut targets: Vec<_> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    let mut properties: Vec<_> = properties::ALL.iter().map(|it| it.0.to_owned()).collect();
    targets.sort();
    properties.sort();
    assert_eq!(targets, properties);
    for name in properties {
        let text = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("entrada_fuzz::{name}(data)")), "{name}");
    }
}
