//! Arbitrary bytes as a blueprint: read, expanded and rendered, or refused with problems that can be shown.
//!
//! `cargo +nightly fuzz run blueprint fuzz/corpus/blueprint tests/invalid blueprints` begins with what the tests have.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/blueprint.rs"]
mod blueprint;

fuzz_target!(|bytes: &[u8]| blueprint::survive(bytes));
