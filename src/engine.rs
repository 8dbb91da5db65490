//! The Docker Engine as a target: what topogen asks of it, and what it finds there.

pub mod apply;
pub mod connect;
pub mod events;
pub mod exec;
pub mod fault;
pub mod happened;
pub mod inspect;
pub mod logs;
pub mod observe;
pub mod probe;
pub mod request;
pub mod settle;
pub mod translate;
mod verbs;
