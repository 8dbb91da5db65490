//! Arbitrary bytes as a question of DNS: answered in form, or not at all.
//!
//! `cargo +nightly fuzz run dns fuzz/corpus/dns`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/dns.rs"]
mod dns;

fuzz_target!(|bytes: &[u8]| dns::survive(bytes));
