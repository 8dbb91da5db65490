//! Everything that needs no engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apply;
mod cli;
mod compose_files;
mod connect;
mod documents;
mod engine;
mod examples;
mod fuzz;
mod gate;
mod graph;
mod invalid;
mod keys;
mod lint;
mod observe;
mod order;
mod orders;
mod output;
mod plan;
mod pretended;
mod pure;
mod reading;
mod recipes;
mod render;
mod robust;
mod roster;
mod round_trip;
mod support;
mod terminal;
mod transcript;
mod translate;
mod verbs;
mod verify;
mod whole;
mod writing;
