//! The engine's refusals as data.
//!
//! This is the only file that knows the client library's errors and the engine's wording, which changes between
//! versions. Others match a variant.

mod loss;

use std::error::Error as StdError;

use bollard::errors::Error;

use crate::text::reason;
pub use loss::Loss;

/// The longest wait for a response, in seconds: creating a container takes long on a busy machine.
pub(super) const TIMEOUT: u64 = 600;

/// Why the engine did not do what it was asked for. Each variant holds a message, the engine's own if there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The container that was asked for does not exist (404).
    #[error("{0}")]
    NoSuchContainer(String),
    /// Something else that was asked for does not exist: a network, an image, a volume (404).
    #[error("{0}")]
    NotFound(String),
    /// Another container or network has the name (409).
    #[error("{0}")]
    NameTaken(String),
    /// A network or a volume cannot be removed, because a container is on it.
    #[error("{0}")]
    InUse(String),
    /// A network cannot be created, because another network of the engine's host has addresses of its subnet.
    #[error("{0}")]
    PoolOverlaps(String),
    /// Several networks have the name that was asked for, which engines up to 24 allow.
    #[error("{0}")]
    Ambiguous(String),
    /// The container does not run.
    #[error("{0}")]
    NotRunning(String),
    /// The container is paused already.
    #[error("{0}")]
    AlreadyPaused(String),
    /// The container is on the network already, or another one of its name is.
    #[error("{0}")]
    EndpointExists(String),
    /// A port of the host, fixed or of the engine's choice, is taken.
    #[error("{0}")]
    PortTaken(String),
    /// The state of the resource forbids it for now, for a reason without a variant of its own, such as its removal
    /// (409).
    #[error("{0}")]
    Conflict(String),
    /// The engine refused or failed for another reason, at once or in the middle of a stream.
    #[error("{0}")]
    Refused(String),
    /// There was no response: the engine, or the connection to it, was lost.
    #[error("{1}")]
    Lost(Loss, String),
    /// The response is not one of an engine.
    #[error("{0}")]
    Unreadable(String),
    /// The engine did its part, and topogen itself found a reason to stop.
    #[error("{0}")]
    Own(String),
}

impl Fault {
    /// Whether what was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NoSuchContainer(_) | Self::NotFound(_))
    }

    /// The fault for the engine's response, by its HTTP status and its text. Only words that engines 20.10 and 28 have
    /// in common are used.
    fn of_answer(status: u16, words: String) -> Self {
        let says = |text: &str| words.contains(text);
        if says("active endpoints") || says("volume is in use") {
            Self::InUse(words)
        } else if says("Pool overlaps") || says("networks have overlapping IPv4") {
            Self::PoolOverlaps(words)
        } else if says("is ambiguous") {
            Self::Ambiguous(words)
        } else if says("already exists in network") {
            Self::EndpointExists(words)
        } else if says("port is already allocated") || says("bind: address already in use") {
            Self::PortTaken(words)
        } else if says("is not running") {
            Self::NotRunning(words)
        } else if says("is already paused") {
            Self::AlreadyPaused(words)
        } else if says("HTTP request to an HTTPS server") {
            // Go's HTTP server refuses the request before the engine handles it.
            Self::Lost(Loss::TlsWanted, words)
        } else {
            match status {
                404 if says("No such container") => Self::NoSuchContainer(words),
                404 => Self::NotFound(words),
                409 if says("already in use") || says("already exists") => Self::NameTaken(words),
                409 => Self::Conflict(words),
                _ => Self::Refused(words),
            }
        }
    }

    /// The connection was lost for this reason.
    pub(super) fn lost(error: &(dyn StdError + 'static)) -> Self {
        Self::Lost(Loss::of(error), reason(error))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::of_answer(status_code, message.trim().to_owned())
            }
            Error::DockerStreamError { error } => Self::Refused(error.trim().to_owned()),
            Error::RequestTimeoutError => Self::Lost(Loss::Other, format!("no answer in {TIMEOUT} s")),
            Error::HyperResponseError { err } if err.is_incomplete_message() || err.is_canceled() => {
                Self::Lost(Loss::of(&err), "the engine closed the connection".to_owned())
            }
            Error::HyperResponseError { err } => Self::lost(&err),
            Error::HttpClientError { err } => Self::lost(&err),
            Error::IOError { err } => Self::lost(&err),
            Error::JsonDataError { message, .. } => {
                Self::Unreadable(format!("what answers is not in an engine's words: {message}"))
            }
            Error::APIVersionParseError {} => {
                Self::Unreadable("what answers does not say which API it speaks".to_owned())
            }
            other => Self::Unreadable(reason(&other)),
        }
    }
}

/// Treats a resource that does not exist as removed.
pub(super) fn ignore_missing(result: Result<(), impl Into<Fault>>) -> Result<(), Fault> {
    match result.map_err(Into::into) {
        Err(fault) if fault.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Responses of engines, as status and text, and their meaning. If 20.10 and 28 differ, a comment names the
    /// version.
    #[test]
    fn refusals_are_told_apart() {
        type Variant = fn(String) -> Fault;
        let table: &[(u16, &str, Variant)] = &[
            (404, "No such container: lab-a-1", Fault::NoSuchContainer),
            (404, "network lab_inout not found", Fault::NotFound),
            (404, "No such image: redis:7", Fault::NotFound),
            (404, "get lab_data: no such volume", Fault::NotFound),
            (404, "No such exec instance: 0123", Fault::NotFound),
            (
                409,
                "Conflict. The container name \"/lab-a-1\" is already in use by container \"0123\". You have to remove \
                 (or rename) that container to be able to reuse that name.",
                Fault::NameTaken,
            ),
            (409, "network with name lab_inout already exists", Fault::NameTaken),
            // 20.10.
            (
                403,
                "error while removing network: network lab_inout id 0123 has active endpoints",
                Fault::InUse,
            ),
            // 28.
            (
                403,
                "error while removing network: network lab_inout has active endpoints (name:\"lab-a-1\" id:\"0123\")",
                Fault::InUse,
            ),
            (409, "remove lab_data: volume is in use - [0123]", Fault::InUse),
            // 20.10.
            (
                403,
                "Pool overlaps with other one on this address space",
                Fault::PoolOverlaps,
            ),
            // 28.
            (
                403,
                "invalid pool request: Pool overlaps with other one on this address space",
                Fault::PoolOverlaps,
            ),
            // A bridge was left behind by a network that the engine no longer knows.
            (
                403,
                "cannot create network 0123 (br-0123): conflicts with network 4567 (br-4567): networks have overlapping IPv4",
                Fault::PoolOverlaps,
            ),
            // 20.10; 28 lets no two networks have one name.
            (
                400,
                "network lab_inout is ambiguous (2 matches found on name)",
                Fault::Ambiguous,
            ),
            // 20.10.
            (
                409,
                "Cannot kill container: lab-a-1: Container 0123 is not running",
                Fault::NotRunning,
            ),
            // 28.
            (
                409,
                "cannot kill container: lab-a-1: container 0123 is not running",
                Fault::NotRunning,
            ),
            (409, "Container 0123 is already paused", Fault::AlreadyPaused),
            (
                403,
                "endpoint with name lab-a-1 already exists in network lab_inout",
                Fault::EndpointExists,
            ),
            (
                409,
                "removal of container lab-a-1 is already in progress",
                Fault::Conflict,
            ),
            (
                409,
                "Container lab-a-1 is paused, unpause the container before exec",
                Fault::Conflict,
            ),
            // A port or an address that is taken is not a name that is taken.
            (
                500,
                "driver failed programming external connectivity on endpoint lab-a-1 (0123): Bind for 0.0.0.0:80 failed: port \
                 is already allocated",
                Fault::PortTaken,
            ),
            (
                500,
                "driver failed programming external connectivity on endpoint lab-a-1 (0123): Error starting userland proxy: \
                 listen tcp4 127.0.0.1:49153: bind: address already in use",
                Fault::PortTaken,
            ),
            (403, "Address already in use", Fault::Refused),
            (500, "no space left on device", Fault::Refused),
        ];
        for (status_code, text, variant) in table {
            let error = Error::DockerResponseServerError {
                status_code: *status_code,
                message: format!("{text}\n"),
            };
            let fault = Fault::from(error);
            assert_eq!(fault, variant((*text).to_owned()));
            assert_eq!(fault.to_string(), *text);
            assert_eq!(fault.is_not_found(), *status_code == 404);
        }
    }

    #[test]
    fn what_fails_in_a_stream_is_refused() {
        let error = "toomanyrequests: You have reached your pull rate limit".to_owned();
        let fault = Fault::from(Error::DockerStreamError { error: error.clone() });
        assert_eq!(fault, Fault::Refused(error));
    }

    #[test]
    fn an_answer_in_plain_text_of_a_server_that_speaks_tls_is_no_answer() {
        let text = "Client sent an HTTP request to an HTTPS server.";
        let error = Error::DockerResponseServerError {
            status_code: 400,
            message: format!("{text}\n"),
        };
        assert_eq!(Fault::from(error), Fault::Lost(Loss::TlsWanted, text.to_owned()));
    }

    #[test]
    fn what_is_no_engines_answer_is_unreadable() {
        let fault = Fault::from(Error::APIVersionParseError {});
        assert!(matches!(fault, Fault::Unreadable(_)), "{fault:?}");
    }
}
