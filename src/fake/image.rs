//! The fake image: topogen's running executable, its loader and the shared libraries that it needs.
//!
//! The archive has the layout that `docker load` reads (a layer, a configuration and `manifest.json`; Docker Image
//! Specification v1.2), so the engine's `POST /images/load` and a file on disk take the same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, elf};
use serde_json::json;

use crate::digest::hex;
use crate::digest::sha256;

/// The path of the executable in the image.
pub const EXECUTABLE: &str = "/topogen";

/// Why the image cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// This process does not run on Linux.
    #[error("topogen's own executable is not a Linux one, so no container can run it")]
    NotLinux,
    /// The engine's machine cannot run this executable.
    #[error("topogen's own executable is for {executable}, the engine runs {engine}")]
    Platform {
        /// The executable's architecture, in the engine's words: `amd64`.
        executable: String,
        /// The engine's operating system and architecture.
        engine: String,
    },
    /// A file for the image could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The path of that file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The executable is not a well-formed ELF file.
    #[error("cannot understand {path}: {reason}")]
    Elf {
        /// The path of the executable.
        path: PathBuf,
        /// What is malformed in the file.
        reason: String,
    },
    /// The archive could not be written.
    #[error("cannot write the image: {0}")]
    Archive(#[from] io::Error),
}

/// The content of the image.
#[derive(Debug)]
pub struct Parts {
    /// The architecture as a `GOARCH`, as in the engine's API: `amd64`.
    pub architecture: String,
    /// Content by path in the image.
    files: BTreeMap<String, Vec<u8>>,
    /// The identity of the executable, see [`identity_of_this_process`].
    pub identity: String,
}

impl Parts {
    /// Collects the executable of this process, its loader and its libraries.
    ///
    /// # Errors
    /// This is not Linux, or a file cannot be read.
    pub fn of_this_process() -> Result<Self, ImageError> {
        let path = Path::new("/proc/self/exe");
        if !path.exists() {
            return Err(ImageError::NotLinux);
        }
        let executable = read(path)?;
        let header = Elf::parse(&executable).map_err(|reason| ImageError::Elf {
            path: path.to_owned(),
            reason,
        })?;
        let identity = build_id(head(&executable)).unwrap_or_else(|| sha256(&executable));
        let mut files = BTreeMap::new();
        if let Some(loader) = &header.interpreter {
            files.insert(loader.clone(), read(Path::new(loader))?);
        }
        for library in mapped_libraries()? {
            let content = read(&library)?;
            // Mapped files include locale archives, which are no libraries.
            let Ok(elf) = Elf::parse(&content) else { continue };
            if let Some(name) = elf.soname.filter(|n| !n.starts_with("ld-")) {
                files.insert(format!("/lib/{name}"), content);
            }
        }
        files.insert(EXECUTABLE.to_owned(), executable);
        Ok(Self {
            architecture: header.architecture.to_owned(),
            files,
            identity,
        })
    }

    /// The image, called `name`, as an archive for `docker load`. Equal parts give equal bytes.
    ///
    /// # Errors
    /// None in practice, since it is written to memory.
    pub fn archive(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let layer = tar(self
            .files
            .iter()
            .map(|(path, content)| (&path[1..], content.as_slice(), 0o755)))?;
        let config = config(
            &self.architecture,
            &self.identity,
            &format!("sha256:{}", sha256(&layer)),
        );
        let config_name = format!("{}.json", sha256(&config));
        let manifest = json!([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]);
        let manifest = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
        tar([
            (config_name.as_str(), config.as_slice(), 0o644),
            ("layer.tar", layer.as_slice(), 0o644),
            ("manifest.json", manifest.as_slice(), 0o644),
        ])
    }

    /// Checks that the engine's machine, as in `GET /version`, can run the executable.
    ///
    /// # Errors
    /// [`ImageError::Platform`] if it cannot.
    pub fn runs_on(&self, os: &str, architecture: &str) -> Result<(), ImageError> {
        if os == "linux" && architecture == self.architecture {
            return Ok(());
        }
        Err(ImageError::Platform {
            executable: format!("linux/{}", self.architecture),
            engine: format!("{os}/{architecture}"),
        })
    }
}

/// The image's configuration (Docker Image Specification v1.2, "Image JSON"). The same parts give the same bytes, by whose
/// SHA-256 an engine calls the image.
fn config(architecture: &str, identity: &str, layer: &str) -> Vec<u8> {
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            // The executable is whole, so that a container may run another of its commands.
            "Entrypoint": [EXECUTABLE],
            "Cmd": ["fake"],
            "Env": ["PATH=/", "LD_LIBRARY_PATH=/lib"],
            "Labels": {super::EXECUTABLE_LABEL: identity},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    });
    config.to_string().into_bytes()
}

/// Whether the image that the engine calls `id` is a fake image as this version of topogen makes them, of whatever
/// executable. The label alone does not tell: an image that is built `FROM` a fake has it too, and may have no layer of its
/// own. But its configuration differs, by its history if by nothing else, and so does the digest of it.
#[must_use]
pub fn is_own_make(id: &str, architecture: &str, identity: &str, layers: &[String]) -> bool {
    match layers {
        [layer] => id == format!("sha256:{}", sha256(&config(architecture, identity, layer))),
        _ => false,
    }
}

/// Whether the existing image, whose [`super::EXECUTABLE_LABEL`] is `label`, can be used; if not, it must be built from the
/// executable `own`. If the engine's machine cannot run this executable, an image of another build is accepted.
///
/// # Errors
/// There is no image, and none can be built from this executable.
pub fn ready(label: Option<&str>, own: Option<&str>, can_run: Result<(), ImageError>) -> Result<bool, ImageError> {
    match (label, can_run) {
        (None, Err(error)) => Err(error),
        (Some(_), Err(_)) => Ok(true),
        (label, Ok(())) => Ok(label.is_some() && label == own),
    }
}

/// The identity of the running executable: the linker's build ID, or its SHA-256 if it has none; in hexadecimal.
///
/// # Errors
/// This is not Linux, or the executable cannot be read.
pub fn identity_of_this_process() -> Result<String, ImageError> {
    let path = Path::new("/proc/self/exe");
    // Reading all of it takes 25 ms, and each `up` and `verify` needs the identity.
    match build_id(&read_to(path, HEAD as u64)?) {
        Some(id) => Ok(id),
        None => Ok(sha256(&read(path)?)),
    }
}

/// How many bytes of an executable are searched for the build ID: notes come before the code.
const HEAD: usize = 64 << 10;

fn head(executable: &[u8]) -> &[u8] {
    executable.get(..HEAD).unwrap_or(executable)
}

/// The content of the note `NT_GNU_BUILD_ID`, in hexadecimal (Linux Standard Base, "Notes"; ld(1), `--build-id`).
fn build_id(executable: &[u8]) -> Option<String> {
    let header = elf::FileHeader64::<Endianness>::parse(executable).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, executable).ok()? {
        let Ok(Some(mut notes)) = segment.notes(endian, executable) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(hex(note.desc()));
            }
        }
    }
    None
}

/// What is needed of an ELF file (System V ABI, chapter 5).
struct Elf {
    architecture: &'static str,
    /// `PT_INTERP`: the path of the loader; `None` in a static executable.
    interpreter: Option<String>,
    /// `DT_SONAME`: the name under which the loader looks up a library.
    soname: Option<String>,
}

impl Elf {
    fn parse(data: &[u8]) -> Result<Self, String> {
        let fault = |e: object::read::Error| e.to_string();
        let header = elf::FileHeader64::<Endianness>::parse(data).map_err(fault)?;
        let endian = header.endian().map_err(fault)?;
        let architecture = match header.e_machine(endian) {
            elf::EM_X86_64 => "amd64",
            elf::EM_AARCH64 => "arm64",
            elf::EM_RISCV => "riscv64",
            elf::EM_S390 => "s390x",
            elf::EM_PPC64 => "ppc64le",
            other => return Err(format!("machine {other} is not known")),
        };
        let segments = header.program_headers(endian, data).map_err(fault)?;
        let mut found = Self {
            architecture,
            interpreter: None,
            soname: None,
        };
        for segment in segments {
            if let Some(path) = segment.interpreter(endian, data).map_err(fault)? {
                found.interpreter = Some(String::from_utf8_lossy(path).into_owned());
            }
        }
        let sections = header.sections(endian, data).map_err(fault)?;
        if let Some((entries, strings)) = sections.dynamic(endian, data).map_err(fault)? {
            let strings = sections.strings(endian, data, strings).map_err(fault)?;
            for entry in entries {
                if entry.tag(endian) == elf::DT_SONAME
                    && let Ok(name) = entry.string(endian, strings)
                {
                    found.soname = Some(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        Ok(found)
    }
}

/// The files mapped into this process, except its own executable (proc(5), `/proc/pid/maps`).
fn mapped_libraries() -> Result<Vec<PathBuf>, ImageError> {
    let path = Path::new("/proc/self/maps");
    let text = std::fs::read_to_string(path).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })?;
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let mut found: Vec<PathBuf> = text
        .lines()
        .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])))
        .filter(|p| *p != own && p.exists())
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    read_to(path, u64::MAX)
}

/// The first `most` bytes of a file.
fn read_to(path: &Path, most: u64) -> Result<Vec<u8>, ImageError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut content));
    read.map(|_| content).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })
}

fn tar<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8], u32)>) -> Result<Vec<u8>, ImageError> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, content)?;
    }
    Ok(builder.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_told_by_its_build_id_and_by_its_content_where_it_has_none() {
        let mut executable = read(Path::new("/proc/self/exe")).expect("it runs");
        let identity = identity_of_this_process().expect("Linux");
        assert_eq!(identity, Parts::of_this_process().expect("Linux").identity);
        assert!(build_id(head(&executable)).is_none_or(|id| id == identity));
        let head = &mut executable[..HEAD];
        while let Some(at) = head.windows(4).position(|w| w == b"GNU\0") {
            head[at] = b'X';
        }
        assert_eq!(build_id(head), None);
        assert_eq!(build_id(&head[..4]), None);
    }

    #[test]
    fn an_image_built_from_a_fake_is_not_taken_for_one() {
        let layer = format!("sha256:{}", sha256(b"layer"));
        let own = config("amd64", "abc", &layer);
        let id = |config: &[u8]| format!("sha256:{}", sha256(config));
        let is_own = |config: &[u8], layers: &[String]| is_own_make(&id(config), "amd64", "abc", layers);
        assert!(is_own(&own, std::slice::from_ref(&layer)));
        // `FROM topogen/fake` and a label: the same layer, and the label of the fake.
        let mut built: serde_json::Value = serde_json::from_slice(&own).expect("JSON");
        built["config"]["Labels"]["mine"] = "x".into();
        assert!(!is_own(built.to_string().as_bytes(), std::slice::from_ref(&layer)));
        // `FROM topogen/fake` and nothing else: only its history tells.
        let mut built: serde_json::Value = serde_json::from_slice(&own).expect("JSON");
        built["history"] = json!([{"created_by": "/bin/sh -c #(nop)", "empty_layer": true}]);
        assert!(!is_own(built.to_string().as_bytes(), std::slice::from_ref(&layer)));
        // A layer on top, whatever the rest says.
        assert!(!is_own(&own, &[layer.clone(), layer.clone()]));
        assert!(!is_own(&own, &[]));
    }

    #[test]
    fn another_builds_image_will_do_where_this_one_cannot_run() {
        let cannot = || {
            Err(ImageError::Platform {
                executable: "linux/amd64".to_owned(),
                engine: "linux/arm64".to_owned(),
            })
        };
        assert!(ready(Some("a"), Some("a"), Ok(())).expect("it can be made"));
        assert!(!ready(Some("b"), Some("a"), Ok(())).expect("it can be made"));
        assert!(!ready(None, Some("a"), Ok(())).expect("it can be made"));
        assert!(ready(Some("b"), Some("a"), cannot()).expect("it is there"));
        assert!(ready(None, Some("a"), cannot()).is_err());
    }
}
