//! Everything that needs no engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod invalid;
mod plan;
mod pure;
mod readme;
mod render;
mod robust;
mod support;
