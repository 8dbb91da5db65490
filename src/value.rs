//! Values without places: what a topology holds of Compose keys.
//!
//! Cheap to clone: 10,000 equal slaves share one copy of whatever their templates do not touch.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::yaml::{Node, Yaml};

/// A map in the order written. Keys are shared between nodes.
pub type Map = IndexMap<Arc<str>, Value>;

/// A value after templates were evaluated.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, or an empty value.
    Null,
    /// A boolean, `true` or `false`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// A string, shared between nodes.
    Text(Arc<str>),
    /// A sequence, shared between nodes.
    List(Arc<[Value]>),
    /// A mapping, shared between nodes.
    Map(Arc<Map>),
}

impl Value {
    /// A scalar as the string that Compose would read; `None` for lists, maps and null.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match self {
            Self::Bool(b) => Some(b.to_string()),
            Self::Int(n) => Some(n.to_string()),
            Self::Float(n) => Some(n.to_string()),
            Self::Text(t) => Some(t.to_string()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// A number or boolean if `text` is exactly how it would be written; otherwise the text.
    #[must_use]
    pub fn from_exact(text: &str) -> Self {
        let typed = match crate::yaml::plain_scalar(text) {
            Yaml::Bool(b) => Self::Bool(b),
            Yaml::Int(n) => Self::Int(n),
            Yaml::Float(n) => Self::Float(n),
            Yaml::Null | Yaml::Text(_) | Yaml::List(_) | Yaml::Map(_) => Self::Null,
        };
        // `1.10` and `007` stay text: a version is not a number.
        if typed.scalar().is_some_and(|t| t == text) {
            typed
        } else {
            Self::from(text)
        }
    }

    /// The map; `None` for any other kind of value.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list; `None` for any other kind of value.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The items of a list, or a single scalar as the only item: Compose's `string | list`.
    #[must_use]
    pub fn one_or_many(&self) -> Vec<String> {
        match self {
            Self::List(list) => list.iter().filter_map(Value::scalar).collect(),
            other => other.scalar().into_iter().collect(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list.into())
    }
}

impl From<&Node> for Value {
    fn from(node: &Node) -> Self {
        match &node.value {
            Yaml::Null => Self::Null,
            Yaml::Bool(b) => Self::Bool(*b),
            Yaml::Int(n) => Self::Int(*n),
            Yaml::Float(n) => Self::Float(*n),
            Yaml::Text(t) => Self::Text(t.as_str().into()),
            Yaml::List(list) => Self::List(list.iter().map(Value::from).collect()),
            Yaml::Map(entries) => {
                let map: Map = entries
                    .iter()
                    .map(|e| (e.key.as_str().into(), Value::from(&e.node)))
                    .collect();
                map.into()
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Text(t) => serializer.serialize_str(t),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for item in list.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map.iter() {
                    out.serialize_entry(&**key, value)?;
                }
                out.end()
            }
        }
    }
}
