//! What a container is asked, and what it answers: the words that topogen and the probe inside speak.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What to find out from inside a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Questions {
    /// Names that are to lead somewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Names that are to lead nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// `HOST:PORT`s where a fake is to say who it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identify: Vec<String>,
    /// `HOST:PORT`s where somebody is to listen; nothing is said to whoever does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<String>,
    /// `HOST:PORT`s whose host is to answer, if only that nobody listens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub touch: Vec<String>,
    /// `HOST:PORT`s whose host is to be out of reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    /// Milliseconds that each answer which is to come may take.
    pub patience: u64,
    /// Milliseconds, once all those of a kind have come, that one more of them may take before what is not to come is given
    /// up.
    pub haste: u64,
    /// Whether to try again, as long as patience lasts, where nobody listens yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub settle: bool,
}

impl Questions {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        let endpoints = self.identify.len() + self.connect.len() + self.touch.len() + self.apart.len();
        self.names.len() + self.unknown.len() + endpoints
    }

    /// The same in two, each with half of each kind.
    #[must_use]
    pub fn halves(mut self) -> (Self, Self) {
        let half = |list: &mut Vec<String>| list.split_off(list.len() / 2);
        let second = Self {
            names: half(&mut self.names),
            unknown: half(&mut self.unknown),
            identify: half(&mut self.identify),
            connect: half(&mut self.connect),
            touch: half(&mut self.touch),
            apart: half(&mut self.apart),
            ..self
        };
        (self, second)
    }

    /// What both ask.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.unknown.extend(other.unknown);
        self.identify.extend(other.identify);
        self.connect.extend(other.connect);
        self.touch.extend(other.touch);
        self.apart.extend(other.apart);
        Self {
            patience: self.patience.max(other.patience),
            haste: self.haste.max(other.haste),
            settle: self.settle || other.settle,
            ..self
        }
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Each name and its addresses, sorted; none where it does not resolve, and where [`Self::no_answer`] says why nothing is
    /// known of it.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Those of the names to which no answer came in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub silent: BTreeSet<String>,
    /// Those of the names that the resolver could not tell of, or would not, each with the response code, `SERVFAIL`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
    /// Each endpoint and what came of it.
    pub endpoints: BTreeMap<String, Contact>,
}

/// Why it is not known where a name leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoAnswer {
    /// No resolver answered in time.
    Silence,
    /// The resolver answered with this response code (RFC 1035 §4.1.1), neither `NOERROR` nor `NXDOMAIN`.
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
    /// Why it is not known where `name` leads; `None` where it is known, or was not asked.
    #[must_use]
    pub fn no_answer(&self, name: &str) -> Option<NoAnswer> {
        match self.failed.get(name) {
            Some(code) => Some(NoAnswer::Failure(code.clone())),
            None => self.silent.contains(name).then_some(NoAnswer::Silence),
        }
    }

    /// Whether the resolver told of any name, be it that there is no such one.
    #[must_use]
    pub fn resolver_works(&self) -> bool {
        self.names.keys().any(|name| self.no_answer(name).is_none())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len() + self.endpoints.len()
    }

    /// Whether nothing was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What came of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Contact {
    /// Connected; a fake said who it is.
    Connected {
        /// The fake's answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Json>,
    },
    /// The host's name leads nowhere, or no resolver could tell where.
    Unresolved,
    /// Nobody listens there.
    Refused,
    /// No answer in time, or no way there.
    Unreachable,
}

impl Contact {
    /// Whether the host answered, be it that nobody listens.
    #[must_use]
    pub fn reached(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::Refused)
    }
}
