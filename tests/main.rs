//! Everything that needs no engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod documents;
mod invalid;
mod plan;
mod pure;
mod render;
mod support;
mod writing;
