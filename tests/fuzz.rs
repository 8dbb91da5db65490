//! The fuzz targets where there is no `cargo fuzz`: what they are called with is known inputs, changed at random, without an
//! eye for what they cover.
//!
//! A few hundred inputs of one seed are tried each time. `TOPOGEN_FUZZ_SECONDS=60` continues for a minute, with a seed of its
//! own unless `TOPOGEN_SEED` says one. An input that fails is kept in `fuzz/artifacts/TARGET`, as `cargo fuzz` does; once
//! that is mended, it belongs in `fuzz/corpus/TARGET`, which is tried first.

mod blueprint;
mod dns;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::panic::catch_unwind;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::robust;

/// Inputs of a run that is bounded by no time.
const INPUTS: u64 = 300;
/// Bytes of an input: longer ones find nothing that shorter ones do not.
const LENGTH: usize = 4096;

/// What is called with inputs, and the name of the directories that have some.
#[derive(Clone, Copy)]
struct Fuzzed {
    name: &'static str,
    survive: fn(&[u8]),
}

#[test]
fn changed_blueprints_are_survived() {
    let target = Fuzzed {
        name: "blueprint",
        survive: blueprint::survive,
    };
    // What the other tests of robustness begin with, too.
    let more = robust::corpus().into_iter().map(String::into_bytes);
    survive(target, kept(target).into_iter().chain(more).collect());
}

#[test]
fn changed_questions_are_survived() {
    let target = Fuzzed {
        name: "dns",
        survive: dns::survive,
    };
    survive(target, kept(target));
}

#[expect(clippy::print_stdout, reason = "how much was tried is worth a line of the gate's")]
fn survive(target: Fuzzed, corpus: Vec<Vec<u8>>) {
    let seconds: Option<u64> = variable("TOPOGEN_FUZZ_SECONDS");
    let seed = variable("TOPOGEN_SEED").unwrap_or_else(|| seconds.map_or(1, |_| RandomState::new().hash_one(seconds)));
    for input in &corpus {
        check(target, input, seed);
    }
    let mut random = Random(seed);
    let end = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut tried = 0;
    while end.map_or(tried < INPUTS, |end| Instant::now() < end) {
        check(target, &changed(&corpus, &mut random), seed);
        tried += 1;
    }
    println!("{tried} inputs of seed {seed} for {}", target.name);
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What is kept of earlier runs.
fn kept(target: Fuzzed) -> Vec<Vec<u8>> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target.name);
    let entries = fs::read_dir(kept)
        .expect("a corpus")
        .map(|e| e.expect("an entry").path());
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    paths.iter().map(|p| fs::read(p).expect("an input")).collect()
}

/// Calls the target, and keeps an input that it does not survive.
fn check(target: Fuzzed, input: &[u8], seed: u64) {
    if catch_unwind(|| (target.survive)(input)).is_err() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/artifacts")
            .join(target.name);
        fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join(format!("crash-{seed}"));
        fs::write(&path, input).expect("a file");
        panic!("seed {seed}: {} is not survived", path.display());
    }
}

/// One of the corpus, with up to eight changes.
fn changed(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.of(corpus).clone();
    for _ in 0..=random.below(7) {
        let (from, to) = random.range(&bytes);
        match random.below(6) {
            0 => drop(bytes.drain(from..to)),
            1 => bytes.truncate(to),
            2 => bytes.insert(from, random.below(256) as u8),
            3 => drop(bytes.splice(from..to, bytes[from..to].repeat(2))),
            4 => {
                let token = random.of(&[robust::TOKENS, robust::SCALARS].concat()).bytes();
                drop(bytes.splice(from..from, token));
            }
            _ => {
                let other = random.of(corpus);
                let (start, end) = random.range(other);
                drop(bytes.splice(from..to, other[start..end].iter().copied()));
            }
        }
        bytes.truncate(LENGTH);
    }
    bytes
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Where a part of `bytes` begins and ends; most parts are short.
    fn range(&mut self, bytes: &[u8]) -> (usize, usize) {
        let from = self.below(bytes.len() + 1);
        let longest = if self.below(4) == 0 { bytes.len() } else { 16 };
        (from, (from + self.below(longest + 1)).min(bytes.len()))
    }
}
