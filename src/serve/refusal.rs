//! Why something is not answered.

use serde::Serialize;

use crate::diagnostic::nearest;
use crate::text::quoted;

/// The most names that a refusal lists.
const LISTED: usize = 12;

/// Why something is not answered, as the reader gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The status code (RFC 9110, section 15).
    #[serde(skip)]
    pub status: u16,
    /// What was expected and what was found, in one line.
    pub error: String,
    /// The way out, in one line; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Refusal {
    /// A refusal with that status; `hint` may be empty.
    #[must_use]
    pub fn new(status: u16, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: hint.into(),
        }
    }

    /// There is no `kind` that is called `name`; `known` are those that exist.
    #[must_use]
    pub fn unknown<'k>(kind: &str, name: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        Self::new(404, format!("there is no {kind} `{name}`"), known_names(name, known))
    }
}

/// Which of `known` was probably meant by `name`, or which there are.
#[must_use]
pub fn known_names<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let mut all: Vec<String> = Vec::new();
    for one in known {
        if !all.iter().any(|other| other == one) {
            all.push(one.to_owned());
        }
    }
    if let Some(near) = nearest(name, all.iter().map(String::as_str)) {
        return format!("did you mean `{near}`?");
    }
    match all.len() {
        0 => "none is known".to_owned(),
        count if count > LISTED => format!("known are {} and {} more", quoted(&all[..LISTED]), count - LISTED),
        _ => format!("known are {}", quoted(&all)),
    }
}
