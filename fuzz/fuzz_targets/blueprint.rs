//! Arbitrary bytes as a blueprint: read, expanded and rendered, or refused with problems that can be shown.
//!
//! `cargo +nightly fuzz run blueprint tests/invalid blueprints` begins with what the tests have.

#![no_main]

use std::collections::HashMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use topogen::blueprint::interpolate::Variables;
use topogen::blueprint::{Blueprint, Inputs};
use topogen::render::compose;
use topogen::diagnostic::Sources;
use topogen::topology::expand::{Overrides, expand};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut sources = Sources::default();
    let file = sources.add("topogen.yaml", text);
    let none = |_: &str| None;
    let mut variables = Variables::new(&none);
    let inputs = Inputs {
        read: &|_| Ok(bytes.to_vec()),
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
});
