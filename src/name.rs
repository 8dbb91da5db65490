//! Validated names; each kind states its rule once.
//!
//! The rule of a name follows whoever resolves it: DNS (RFC 1035 §2.3.4: 63 octets a label), the Compose specification
//! (project and service names) or the engine (container and network names).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::digest::sha256;

/// Why a text is not a name of the given kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {kind}: {rule}")]
pub struct NameError {
    /// The kind of name: `a role name`.
    pub kind: &'static str,
    /// The text that was rejected.
    pub found: String,
    /// The rule of the kind, in words.
    pub rule: &'static str,
}

fn within(text: &str, longest: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    (1..=longest).contains(&bytes.len())
        && first(bytes[0])
        && bytes.iter().all(|b| rest(*b))
        && last(bytes[bytes.len() - 1])
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn letter_or_digit(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn label(b: u8) -> bool {
    lower_or_digit(b) || b == b'-'
}

fn docker(b: u8) -> bool {
    letter_or_digit(b) || matches!(b, b'_' | b'.' | b'-')
}

/// Names that every container finds in its own hosts(5), which comes before any resolver: the engine writes them there.
const BY_FILES: &[&str] = &[
    "localhost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
];

/// Why nobody could reach by its name what is called so; `None` if it can be. Programs take numbers for addresses
/// (inet_aton(3)), and names under `localhost` for their own machine (RFC 6761 §6.3).
fn unreachable_by_name(kind: &str, text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    if !["a node name", "a service name", "an alias", "a container name"].contains(&kind) {
        return None;
    }
    if BY_FILES.contains(&text.as_str()) || text.ends_with(".localhost") {
        return Some("a name that containers do not find in their own hosts files, as they do this one");
    }
    let is_number = text.strip_prefix("0x").map_or_else(
        || text.bytes().all(|b| b.is_ascii_digit()),
        |digits| digits.bytes().all(|b| b.is_ascii_hexdigit()),
    );
    (kind == "a node name" && is_number)
        .then_some("a name that programs do not take for an address, as they do a number")
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The rule for names of this kind, for messages.
            pub const RULE: &'static str = $rule;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as shared text; cheap to clone.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                let rule = match check(text) {
                    true => unreachable_by_name($kind, text),
                    false => Some($rule),
                };
                match rule {
                    None => Ok(Self(text.into())),
                    Some(rule) => Err(NameError { kind: $kind, found: text.to_owned(), rule }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a config or secret (Compose specification, `configs`), and of its rendered file.
    ConfigName, "a config name",
    "1 to 64 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| within(t, 64, letter_or_digit, docker, docker);

    /// The name of a cluster; it prefixes projects and the shared network.
    ClusterName, "a cluster name",
    "1 to 40 lower-case letters, digits and `-`, beginning and ending with a letter or digit",
    |t| within(t, 40, lower_or_digit, label, lower_or_digit);

    /// The name of a role; it is the default prefix of its nodes' names.
    RoleName, "a role name",
    "1 to 40 lower-case letters, digits and `-`, beginning with a letter, ending with a letter or digit",
    |t| within(t, 40, |b| b.is_ascii_lowercase(), label, lower_or_digit);

    /// The name of a node, by which its entry is reached on the shared network: one DNS label.
    NodeName, "a node name",
    "1 to 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit",
    |t| within(t, 63, lower_or_digit, label, lower_or_digit);

    /// The name of a service inside its node (Compose specification, `services`).
    ServiceName, "a service name",
    "1 to 63 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| within(t, 63, letter_or_digit, docker, |_| true);

    /// The key of a service in a rendered Compose file: its name, prefixed with the node if it joins a shared network.
    ServiceKey, "a service key",
    "1 to 127 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| within(t, 127, letter_or_digit, docker, |_| true);

    /// A name that a container has on one network.
    Alias, "an alias",
    "1 to 253 letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at most 63 between dots",
    |t| within(t, 253, letter_or_digit, docker, |b| letter_or_digit(b) || b == b'_')
        && t.split('.').all(|part| (1..=63).contains(&part.len()));

    /// A Compose project (Compose specification, `name`).
    ProjectName, "a project name",
    "1 to 110 lower-case letters, digits, `_` and `-`, beginning with a letter or digit",
    |t| within(t, 110, lower_or_digit, |b| label(b) || b == b'_', |_| true);

    /// The key of a network in a Compose file.
    NetworkKey, "a network key",
    "1 to 63 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| within(t, 63, letter_or_digit, docker, |_| true);

    /// The name of a network in the engine.
    NetworkName, "a network name",
    "1 to 200 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| within(t, 200, letter_or_digit, docker, |_| true);

    /// The name of a container in the engine.
    ContainerName, "a container name",
    "2 to 250 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
    |t| t.len() > 1 && within(t, 250, letter_or_digit, docker, |_| true);
}

impl ContainerName {
    /// The name with `suffix`, which is of characters that a name may have. Of one that would be too long the end is told by
    /// its digest.
    #[must_use]
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        const LONGEST: usize = 250;
        let name = self.as_str();
        match name.len() + suffix.len() > LONGEST {
            false => Self(format!("{name}{suffix}").into()),
            true => Self(format!("{}{suffix}", sha256(name.as_bytes())).into()),
        }
    }
}

impl ClusterName {
    /// The name of a cluster without a name: its projects and networks have no prefix.
    pub const UNNAMED: &'static str = "default";

    /// `lab-` for the cluster `lab`; empty for [`Self::UNNAMED`].
    #[must_use]
    pub fn prefix(&self) -> String {
        if self.as_str() == Self::UNNAMED {
            String::new()
        } else {
            format!("{self}-")
        }
    }
}

impl Default for ClusterName {
    fn default() -> Self {
        Self(Self::UNNAMED.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_at_their_edges() {
        let long = "a".repeat(63);
        assert!(long.parse::<NodeName>().is_ok());
        assert!(format!("{long}a").parse::<NodeName>().is_err());
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "é"] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        assert!("service_entry".parse::<ServiceName>().is_ok());
        assert!("1st".parse::<RoleName>().is_err());
        assert!("a..b".parse::<Alias>().is_err());
        assert_eq!(ClusterName::default().prefix(), "");
        assert_eq!("lab".parse::<ClusterName>().map(|n| n.prefix()), Ok("lab-".to_owned()));
    }
}
