//! The Docker Engine as a target: what topogen requests of it, and what it observes there.

pub mod apply;
pub mod changes;
pub mod connect;
pub mod copy;
pub mod disturbance;
pub mod exec;
pub mod fault;
pub mod faults;
pub mod helper;
pub mod inspect;
pub mod logs;
pub mod observe;
pub mod one_off;
pub mod probe;
pub mod request;
pub mod stops;
pub mod translate;
pub mod usage;
mod verbs;
