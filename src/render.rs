//! Writes a topology as files: one directory for each Compose project.

pub mod commands;
pub mod compose;
pub mod dotenv;
pub mod files;
mod manifest;
pub mod output;
