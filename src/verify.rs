//! What must resolve, connect and stay apart in a running cluster.

pub mod probe;
