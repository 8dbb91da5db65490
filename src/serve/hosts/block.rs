//! The lines of a cluster in a file of hosts (hosts(5)), between two that say whose they are.

use std::fmt::Write;
use std::net::IpAddr;

use super::super::dns::zone::Domain;
use super::super::view::{Member, View};
use crate::cluster::roster::Instance;

/// Why the place of a cluster's lines in a file cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{marker}` has no other half")]
pub struct Unpaired {
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub marker: String,
}

/// `file` with `lines` as those of `cluster`: where its lines were, or else at the end. Without any where `lines` is `None`.
///
/// # Errors
/// One of the lines between which they are is not there, or is there twice.
pub fn with_lines(file: &[u8], cluster: &str, lines: Option<&str>) -> Result<Vec<u8>, Unpaired> {
    let begin = format!("# topogen {cluster} begin");
    let end = format!("# topogen {cluster} end");
    let mut written = Vec::with_capacity(file.len());
    let mut block = lines.map(|lines| format!("{begin}\n{lines}{end}\n"));
    let mut inside: Option<usize> = None;
    let mut was_there = false;
    for (at, line) in file.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = line.trim_ascii_end();
        let (is_begin, is_end) = (text == begin.as_bytes(), text == end.as_bytes());
        if is_begin && (was_there || inside.is_some()) || is_end && inside.is_none() {
            return Err(Unpaired {
                line: at + 1,
                marker: String::from_utf8_lossy(text).into_owned(),
            });
        }
        match (inside, is_begin) {
            (None, false) => written.extend(line),
            (None, true) => inside = Some(at + 1),
            (Some(_), _) if is_end => {
                (inside, was_there) = (None, true);
                written.extend(block.take().unwrap_or_default().into_bytes());
            }
            (Some(_), _) => {}
        }
    }
    if let Some(line) = inside {
        return Err(Unpaired { line, marker: begin });
    }
    if let Some(block) = block {
        if written.last().is_some_and(|last| *last != b'\n') {
            written.push(b'\n');
        }
        written.extend(block.into_bytes());
    }
    Ok(written)
}

/// The lines of what can serve in `view`: on the shared network under all of its names there, the first in `domain`, and on its
/// node's own network as `service.node` in `domain`.
#[must_use]
pub fn lines(view: &View, domain: &Domain) -> String {
    let mut text = String::new();
    let ready = view
        .containers()
        .filter_map(|(node, member)| Some((node, Member::present(member)?)));
    for (node, instance) in ready.filter(|(_, instance)| instance.is_ready()) {
        let names = instance.host_names();
        if let (Some(address), Some(first)) = (instance.address, names.first()) {
            let _ = writeln!(text, "{address}\t{} {}", domain.join(first), names.join(" "));
        }
        if let Some(address) = own(instance) {
            let name = format!("{}.{}", instance.service, node.name);
            let _ = writeln!(text, "{address}\t{}", domain.join(&name));
        }
    }
    text
}

/// The address of a container that it does not share with other nodes.
fn own(instance: &Instance) -> Option<IpAddr> {
    let mut addresses = instance.addresses.iter().filter_map(|a| a.address);
    addresses.find(|address| Some(*address) != instance.address)
}
