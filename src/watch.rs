//! Follows a cluster: a picture of it that is always as true as can be known, with what is not known said.
//!
//! [`Reducer`] decides, purely: what happened and what was answered go in, the [`Roster`](crate::cluster::roster::Roster)
//! and what to ask next come out. [`follow`] is its driver, with the engine on the other side.
//!
//! Three rules make the picture true. An *event* changes it at once: it is the first to know. Then the container is
//! *inspected*, and what an inspection says wins, because an engine answers it when all that it was doing to the container
//! is done. A *list* is never believed: engines answer it from a copy that is written after the event was sent, so that
//! right after its end a container is listed as running; what differs in a list is inspected.

mod driver;
mod reducer;

pub use driver::follow;
pub use reducer::{Command, Event, Identity, Input, Listed, Reducer};
