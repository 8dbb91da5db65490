//! What a container says about its services in labels and variables, as Registrator reads it (gliderlabs/registrator,
//! `docs/user/services.md`, `bridge/util.go`): `SERVICE_NAME`, or `SERVICE_443_NAME` for one port.

use std::collections::BTreeMap;

use crate::cluster::label::SERVICE_SETTING;

/// The settings that count for one port, by their name in lower case without the prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    all: BTreeMap<String, String>,
    /// Those that are of this port alone.
    own: Vec<String>,
}

impl Settings {
    /// Those of `port` among `settings`, which are all of a container. One of the port goes before one of the container.
    #[must_use]
    pub fn of(settings: &BTreeMap<String, String>, port: u16) -> Self {
        let mut found = Self::default();
        let keys = settings
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(SERVICE_SETTING)?.to_lowercase(), value)));
        for (key, value) in keys {
            let of_port = key
                .split_once('_')
                .and_then(|(number, rest)| Some((crate::text::decimal::<u64>(number)?, rest)));
            match of_port {
                Some((number, rest)) if number == u64::from(port) => {
                    found.all.insert(rest.to_owned(), value.clone());
                    found.own.push(rest.to_owned());
                }
                Some(_) => {}
                None if found.own.contains(&key) => {}
                None => drop(found.all.insert(key, value.clone())),
            }
        }
        found
    }

    /// The value of `key`; `None` if it is absent or empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether `key` is said of this port alone.
    #[must_use]
    pub fn is_own(&self, key: &str) -> bool {
        self.own.iter().any(|own| own == key)
    }

    /// All but those that have a meaning of their own.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_other = |key: &str| !["id", "name", "tags", "ignore"].contains(&key) && !key.starts_with("check_");
        self.all
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .filter(move |(k, _)| is_other(k))
    }
}

/// The tags in `text`, which are between commas; `\,` is a comma.
#[must_use]
pub fn tags(text: &str) -> Vec<String> {
    let mut tags = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let last = tags.len() - 1;
        match c {
            '\\' if rest.next_if_eq(&',').is_some() => tags[last].push(','),
            ',' => tags.push(String::new()),
            c => tags[last].push(c),
        }
    }
    tags.retain(|tag| !tag.is_empty());
    tags
}
