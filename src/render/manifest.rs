//! The manifest of an output directory, which records what an earlier render wrote.
//!
//! A directory from somebody else may come with a forged manifest. Anything that topogen would not write is therefore
//! refused: the manifest can only name files below its own directory, each with hashes of its content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name of the manifest in the output directory.
pub(super) const MANIFEST: &str = ".topogen.json";
/// The version of the format, both for writing and reading.
const VERSION: u32 = 1;
/// The most bytes to read of a manifest, which is enough for some hundred thousand files.
pub(super) const MAX_BYTES: usize = 128 << 20;

/// The files that were written earlier.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: Version,
    /// The files by path, each with the hashes that its content may have.
    pub(super) files: BTreeMap<FilePath, Hashes>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        match version {
            VERSION => Ok(Self),
            other => Err(format!("version {other} is not the version {VERSION} of this topogen")),
        }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        VERSION
    }
}

/// A path relative to the output directory, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct FilePath(String);

impl FilePath {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FilePath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        match path.split('/').all(is_name) && path != MANIFEST {
            true => Ok(Self(path)),
            false => Err(format!("`{}` is no file below this directory", path.escape_debug())),
        }
    }
}

/// The SHA-256 hashes that the content of a file may have: one, or two while a render is in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Hashes(Vec<String>);

impl Hashes {
    pub(super) fn contain(&self, hash: &str) -> bool {
        self.0.iter().any(|h| h == hash)
    }

    /// Allows content with `hash` as well.
    pub(super) fn add(&mut self, hash: &str) {
        if !self.contain(hash) {
            self.0.push(hash.to_owned());
        }
    }
}

impl From<String> for Hashes {
    fn from(hash: String) -> Self {
        Self(vec![hash])
    }
}

impl TryFrom<Vec<String>> for Hashes {
    type Error = String;

    fn try_from(hashes: Vec<String>) -> Result<Self, String> {
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        match !hashes.is_empty() && hashes.iter().all(is_hash) {
            true => Ok(Self(hashes)),
            false => Err("a file has no SHA-256 of its content".to_owned()),
        }
    }
}

impl Manifest {
    /// Parses the text of a manifest.
    ///
    /// # Errors
    /// The text is not a manifest of this version, with the line and column.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// The text of the manifest.
    ///
    /// # Errors
    /// No input is known to cause one.
    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Records that the file at `path` may have content with `hash`.
    pub(super) fn add(&mut self, path: &str, hash: &str) {
        match self.files.get_mut(path) {
            Some(hashes) => hashes.add(hash),
            None => {
                self.files.insert(FilePath(path.to_owned()), hash.to_owned().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_files_below_its_directory_only() {
        let hash = "0".repeat(64);
        let parsed = |version: u32, path: &str, hashes: &str| {
            let path = serde_json::to_string(path).expect("JSON");
            let text = format!("{{\"version\": {version}, \"files\": {{\n {path}: {hashes}\n}}}}");
            Manifest::parse(text.as_bytes())
        };
        let one = format!("[\"{hash}\"]");
        assert!(parsed(1, "a/configs/.hidden..x", &one).is_ok());
        for path in [
            "../x",
            "/etc/x",
            "",
            "a//b",
            "a/../../x",
            "./a",
            "a/",
            "a\0b",
            ".",
            "..",
            MANIFEST,
        ] {
            let error = parsed(1, path, &one).expect_err(path);
            assert!(error.contains("no file below this directory at line 2"), "{error}");
        }
        for hashes in ["[]", "[\"\"]", "[\"12\"]", &format!("[\"{}\"]", "z".repeat(64))] {
            assert!(parsed(1, "a", hashes).is_err(), "{hashes}");
        }
        let error = parsed(2, "a", &one).expect_err("another version");
        assert_eq!(
            error,
            "version 2 is not the version 1 of this topogen at line 1 column 13"
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut manifest = Manifest::default();
        for hash in ["a".repeat(64), "b".repeat(64), "a".repeat(64)] {
            manifest.add("slave1/compose.yaml", &hash);
        }
        let text = manifest.text().expect("JSON");
        let again = Manifest::parse(&text).expect("a manifest");
        assert_eq!(again.text().expect("JSON"), text);
        assert!(again.files["slave1/compose.yaml"].contain(&"b".repeat(64)));
        assert_eq!(again.files["slave1/compose.yaml"].0.len(), 2);
    }
}
