//! What the fuzzers call: `fuzz/fuzz_targets/blueprint.rs`, and the loop in `tests/fuzz.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use topogen::blueprint::interpolate::Variables;
use topogen::blueprint::{Blueprint, Inputs};
use topogen::diagnostic::Sources;
use topogen::render::compose;
use topogen::topology::expand::{Overrides, expand};

/// Reads `bytes` as a blueprint, expands and renders it, or shows the problems that it is refused with. Bytes that are no
/// UTF-8 are left out, since a file of them is refused before it is read as YAML.
///
/// # Panics
/// The place where topogen panics, which is what fuzzing searches for.
pub(crate) fn survive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut sources = Sources::default();
    let file = sources.add("topogen.yaml", text);
    let none = |_: &str| None;
    let mut variables = Variables::new(&none);
    let inputs = Inputs {
        read: &|_| Ok(bytes.to_vec()),
        read_within: &|_| Ok(bytes.to_vec()),
        base: "/blueprint",
        profiles: &[],
    };
    let topology = Blueprint::read(file, &mut sources, &mut variables, &inputs).and_then(|blueprint| {
        // A node or two of each role: more are the same again.
        let scale = blueprint.roles.iter().filter(|r| r.count.is_some());
        let overrides = Overrides {
            scale: scale.map(|r| (r.name.value.to_string(), 2)).collect(),
            ..Overrides::default()
        };
        expand(&blueprint, &overrides, &Arc::new(HashMap::new()), &sources)
    });
    match topology {
        Ok(topology) => {
            for node in &topology.nodes {
                let _ = compose::file(&topology, node);
            }
        }
        Err(problems) => {
            let _ = problems.render(&sources, false);
        }
    }
}
