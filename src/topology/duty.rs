//! What is expected of a service in the long run: to keep running, or to do its work and end.

use super::{Node, Service};
use crate::value::Value;

/// What is expected of the containers of a service in the long run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duty {
    /// To keep running: one that has ended is wrong, whatever its status.
    #[default]
    Run,
    /// To run, or to have ended with status 0: it is not started again after that, and nobody needs it then.
    MayEnd,
    /// To end with status 0, which others wait for.
    End,
}

impl Duty {
    /// The word for it in a label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::MayEnd => "may-end",
            Self::End => "end",
        }
    }

    /// Parses that word; `None` for another one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Run, Self::MayEnd, Self::End]
            .into_iter()
            .find(|duty| duty.word() == word)
    }
}

impl Node {
    /// What is expected of a `service` of this node.
    ///
    /// It is to end where another one waits for that (`service_completed_successfully`). It may end where the blueprint
    /// itself says that nothing starts it again after status 0 (`restart: "no"` or `on-failure`, or the condition `none` or
    /// `on-failure` of `deploy.restart_policy`), unless something shows that others count on it: a healthcheck, a port, a
    /// service that waits for its health or lives in its network. Where no policy is written it is to run: that is what
    /// most services leave out, and one that was stopped must not pass for one that is done.
    #[must_use]
    pub fn duty(&self, service: &Service) -> Duty {
        let waits = || self.services.iter().filter_map(|other| other.waits_for(service));
        if waits().any(|condition| condition == "service_completed_successfully") {
            return Duty::End;
        }
        let counted_on = service.listens()
            || service.has_healthcheck()
            || waits().any(|condition| condition == "service_healthy")
            || self.services.iter().any(|other| other.lives_in(service));
        match service.policy().as_deref() {
            Some(policy) if !counted_on && ends_for_good(policy) => Duty::MayEnd,
            _ => Duty::Run,
        }
    }
}

/// Whether the restart policy starts nothing again that ended with status 0 (Compose specification, services, `restart`).
fn ends_for_good(policy: &str) -> bool {
    matches!(policy.split(':').next(), Some("no" | "none" | "false" | "on-failure"))
}

impl Service {
    /// The condition on which it waits for `other`; `None` if it does not.
    fn waits_for(&self, other: &Service) -> Option<String> {
        let waits = self.get("depends_on").and_then(Value::as_map)?;
        let wait = waits.get(other.key.as_str())?.as_map()?;
        wait.get("condition").and_then(Value::scalar)
    }

    /// Whether it has the network namespace of `other`.
    fn lives_in(&self, other: &Service) -> bool {
        self.network_host() == Some(other.key.as_str())
    }

    /// The key of the service whose network namespace it has (Compose specification, services, `network_mode`).
    #[must_use]
    pub fn network_host(&self) -> Option<&str> {
        match self.get("network_mode")? {
            Value::Text(mode) => mode.strip_prefix("service:"),
            _ => None,
        }
    }

    /// Whether the blueprint gives it a healthcheck, and does not turn it off.
    fn has_healthcheck(&self) -> bool {
        let Some(check) = self.get("healthcheck").and_then(Value::as_map) else {
            return false;
        };
        let off = matches!(check.get("disable"), Some(Value::Bool(true)));
        let test = check.get("test").map(Value::one_or_many).unwrap_or_default();
        !off && test.first().is_some_and(|first| first != "NONE")
    }

    /// Whether the blueprint turns off the healthcheck that its image may have.
    pub(crate) fn has_no_healthcheck(&self) -> bool {
        let Some(check) = self.get("healthcheck").and_then(Value::as_map) else {
            return false;
        };
        let test = check.get("test").map(Value::one_or_many).unwrap_or_default();
        let disabled = check.get("disable").and_then(Value::scalar);
        disabled.is_some_and(|text| text == "true") || test.first().is_some_and(|first| first == "NONE")
    }

    /// Whether it exposes or publishes a port.
    fn listens(&self) -> bool {
        let some = |key: &str| {
            self.get(key)
                .and_then(Value::as_list)
                .is_some_and(|list| !list.is_empty())
        };
        some("ports") || some("expose")
    }

    /// The restart policy that is written for it, as the engine calls it; that of `deploy` takes precedence, as in Compose.
    fn policy(&self) -> Option<String> {
        let deploy = self.get("deploy").and_then(Value::as_map);
        let policy = deploy.and_then(|d| d.get("restart_policy")).and_then(Value::as_map);
        match policy {
            // Where it says nothing, any end is followed by a start (Compose Deploy Specification, `restart_policy`).
            Some(policy) => Some(
                policy
                    .get("condition")
                    .and_then(Value::scalar)
                    .unwrap_or_else(|| "any".to_owned()),
            ),
            None => self.get("restart").and_then(Value::scalar),
        }
    }
}
