//! The questions for the probe and its answers, as they are passed to it and back in JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What the probe is to find out from inside a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Questions {
    /// Names that should resolve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Names that should not resolve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// `HOST:PORT`s where a fake should report its identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identify: Vec<String>,
    /// `HOST:PORT`s where somebody should listen; nothing is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<String>,
    /// `HOST:PORT`s whose host should respond, even if it refuses the connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "touch")]
    pub responds: Vec<String>,
    /// `HOST:PORT`s whose host should be unreachable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "apart")]
    pub unreachable: Vec<String>,
    /// The timeout of positive checks, in milliseconds.
    pub patience: u64,
    /// The timeout of control queries, in milliseconds.
    #[serde(rename = "haste")]
    pub control_timeout: u64,
    /// Whether to ask for IPv6 addresses of names too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
    /// Whether to retry refused connections until the timeout.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retry_refused: bool,
}

impl Questions {
    /// The number of checks.
    #[must_use]
    pub fn len(&self) -> usize {
        let endpoints = self.identify.len() + self.connect.len() + self.responds.len() + self.unreachable.len();
        self.names.len() + self.unknown.len() + endpoints
    }

    /// Splits each kind of check in two halves.
    #[must_use]
    pub fn halves(mut self) -> (Self, Self) {
        let half = |list: &mut Vec<String>| list.split_off(list.len() / 2);
        let second = Self {
            names: half(&mut self.names),
            unknown: half(&mut self.unknown),
            identify: half(&mut self.identify),
            connect: half(&mut self.connect),
            responds: half(&mut self.responds),
            unreachable: half(&mut self.unreachable),
            ..self
        };
        (self, second)
    }

    /// Joins the checks of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.unknown.extend(other.unknown);
        self.identify.extend(other.identify);
        self.connect.extend(other.connect);
        self.responds.extend(other.responds);
        self.unreachable.extend(other.unreachable);
        Self {
            patience: self.patience.max(other.patience),
            control_timeout: self.control_timeout.max(other.control_timeout),
            ipv6: self.ipv6 || other.ipv6,
            retry_refused: self.retry_refused || other.retry_refused,
            ..self
        }
    }

    /// The checks that should have been answered and were not: names without a reply of the resolver, hosts that did not
    /// respond, fakes that did not report who they are. Names that should not resolve are among them only if the resolver
    /// answered nothing at all, since one that cannot forward such a name may be silent.
    #[must_use]
    pub fn unanswered(&self, answers: &Answers) -> Self {
        let of = |list: &[String], is: &dyn Fn(&str) -> bool| list.iter().filter(|item| is(item)).cloned().collect();
        let silent = |name: &str| answers.no_answer(name).is_some();
        let contact = |endpoint: &str| answers.endpoints.get(endpoint);
        let far = |endpoint: &str| contact(endpoint).is_some_and(|c| !c.reached());
        let unknown = match answers.resolver_works() {
            true => Vec::new(),
            false => of(&self.unknown, &silent),
        };
        Self {
            names: of(&self.names, &silent),
            unknown,
            identify: of(&self.identify, &|endpoint| {
                far(endpoint) || matches!(contact(endpoint), Some(Contact::Connected { identity: None }))
            }),
            connect: of(&self.connect, &far),
            responds: of(&self.responds, &far),
            unreachable: Vec::new(),
            ..*self
        }
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Addresses by name, sorted; empty if the name does not resolve, or if it is in [`Self::no_answer`].
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Names for which no answer came in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub silent: BTreeSet<String>,
    /// Names for which the resolver failed or refused, with the response code: `SERVFAIL`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
    /// The result of each endpoint.
    pub endpoints: BTreeMap<String, Contact>,
}

/// Why it is not known what a name resolves to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoAnswer {
    /// The resolver did not answer in time.
    Silence,
    /// The resolver answered with this response code (RFC 1035 §4.1.1), which is neither `NOERROR` nor `NXDOMAIN`.
    Failure(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("is answered by no resolver"),
            Self::Failure(code) => write!(f, "is answered with {code} by the resolver"),
        }
    }
}

impl Answers {
    /// Whether every name resolves and every endpoint accepts a connection.
    #[must_use]
    pub fn are_good(&self) -> bool {
        let is_connected = |contact: &Contact| matches!(contact, Contact::Connected { .. });
        self.names.values().all(|addresses| !addresses.is_empty()) && self.endpoints.values().all(is_connected)
    }

    /// Why the addresses of `name` are not known; `None` if they are, or if it was not asked.
    #[must_use]
    pub fn no_answer(&self, name: &str) -> Option<NoAnswer> {
        match self.failed.get(name) {
            Some(code) => Some(NoAnswer::Failure(code.clone())),
            None => self.silent.contains(name).then_some(NoAnswer::Silence),
        }
    }

    /// Whether the resolver answered for any name, even that it does not exist.
    #[must_use]
    pub fn resolver_works(&self) -> bool {
        self.names.keys().any(|name| self.no_answer(name).is_none())
    }

    /// Takes the `later` answers to some of the same checks in place of those that are here.
    pub fn replace(&mut self, later: Self) {
        for name in later.names.keys() {
            self.silent.remove(name);
            self.failed.remove(name);
        }
        self.names.extend(later.names);
        self.silent.extend(later.silent);
        self.failed.extend(later.failed);
        self.endpoints.extend(later.endpoints);
    }

    /// The number of answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len() + self.endpoints.len()
    }

    /// Whether there are no answers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The result of a connection attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Contact {
    /// Connected; a fake also reported its identity.
    Connected {
        /// The identity, if it is a fake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Json>,
    },
    /// The host's name did not resolve.
    Unresolved,
    /// The host refused the connection: nobody listens.
    Refused,
    /// No answer in time, or no route.
    Unreachable,
}

impl Contact {
    /// Whether the host responded, even if it refused the connection.
    #[must_use]
    pub fn reached(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::Refused)
    }
}
