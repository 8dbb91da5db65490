//! Everything that needs no engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod compose_files;
mod documents;
mod invalid;
mod plan;
mod pure;
mod render;
mod robust;
mod round_trip;
mod support;
mod translate;
mod writing;
