//! What the services of a topology take from outside it: files that they name, and variables.
//!
//! Names of files may come from templates, so they are known only now. Reading them is somebody else's: see
//! [`Topology::look_outside`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Service, Topology};
use crate::compose::seccomp_profile;
use crate::value::Value;

/// What was found outside.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    files: BTreeMap<String, Result<Arc<str>, String>>,
    variables: Arc<HashMap<String, String>>,
}

impl Outside {
    /// The content of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read, in few words.
    pub fn file(&self, path: &str) -> Result<Arc<str>, String> {
        let found = self.files.get(path);
        found.cloned().unwrap_or_else(|| Err("nobody looked for it".to_owned()))
    }

    /// The value of a variable of the environment, or of the `.env` beside the blueprint.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

impl Topology {
    /// Read the files that services take their environment, labels and seccomp profiles from. A file that cannot be read
    /// is no fault yet: it may be one that need not be there, or belong to an image that a fake stands for.
    pub fn look_outside(
        &mut self,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
        variables: &Arc<HashMap<String, String>>,
    ) {
        self.outside.variables = variables.clone();
        let services = self.nodes.iter().flat_map(|n| &n.services);
        let paths: BTreeSet<String> = services.flat_map(|s| [pair_files(s), profiles(s)].concat()).collect();
        for path in paths {
            let content =
                read(&path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
            self.outside.files.insert(path, content.map(Arc::from));
        }
    }
}

/// The files of `env_file` and `label_file`, short and long.
#[must_use]
pub fn pair_files(service: &Service) -> Vec<String> {
    [env_files(service), files_of(service, "label_file")].concat()
}

/// The files of `env_file`, short and long.
#[must_use]
pub fn env_files(service: &Service) -> Vec<String> {
    files_of(service, "env_file")
}

fn files_of(service: &Service, key: &str) -> Vec<String> {
    let item = |item: &Value| match item {
        Value::Map(map) => map.get("path").and_then(Value::scalar),
        other => other.scalar(),
    };
    let listed = |value: &Value| match value {
        Value::List(items) => items.iter().filter_map(item).collect(),
        other => Vec::from_iter(item(other)),
    };
    service.get(key).map(listed).unwrap_or_default()
}

/// The files of seccomp profiles that `security_opt` names.
#[must_use]
pub fn profiles(service: &Service) -> Vec<String> {
    let options = service.get("security_opt").map(Value::one_or_many).unwrap_or_default();
    options
        .iter()
        .filter_map(|o| seccomp_profile(o))
        .map(str::to_owned)
        .collect()
}
