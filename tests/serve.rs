//! What `serve` answers: from a fixed roster, and over HTTP with the engine double behind it.

mod answers;
mod consul;
mod dns;
mod hosts;
mod http;
mod limits;
