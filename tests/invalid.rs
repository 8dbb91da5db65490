//! Every blueprint in `tests/invalid/` and what is said of it.

use std::fs;

use crate::support::{stderr, topogen};

#[test]
fn each_has_its_message() {
    insta::glob!("invalid/*.yaml", |path| {
        let directory = tempfile::tempdir().expect("a directory");
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        fs::copy(path, directory.path().join(name)).expect("a copy");
        let text = fs::read_to_string(path).unwrap_or_default();
        // A first line `# topogen: --slaves 3` says the arguments.
        let first = text.lines().next().unwrap_or_default();
        let extra: Vec<&str> = first
            .strip_prefix("# topogen: ")
            .map_or_else(Vec::new, |a| a.split(' ').collect());
        let mut arguments = vec!["render", "-f", name];
        arguments.extend(extra);
        let output = topogen(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(3), "{name}: {}", stderr(&output));
        assert!(!directory.path().join("topogen-out").exists(), "{name} was rendered");
        insta::assert_snapshot!(stderr(&output));
    });
}
