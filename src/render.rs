//! A topology as files: one directory a project.

pub mod compose;
pub mod files;
mod manifest;
pub mod output;
