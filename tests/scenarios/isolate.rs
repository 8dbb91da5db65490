//! Files that were written to be brought up once, three times each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cluster::{Cluster, docker, text};

/// How many ports of the host lead to containers, of which no two are one.
fn published(cluster: &Cluster) -> usize {
    let format = "{{range $own, $all := .NetworkSettings.Ports}}{{range $all}}{{.HostIp}} {{.HostPort}} {{$own}}\n{{end}}{{end}}";
    let mut all = Vec::new();
    for name in cluster.containers(None).keys() {
        let ports = docker(&["inspect", "-f", format, name]);
        let port = |line: &str| {
            let (host, own) = line.rsplit_once(' ')?;
            Some(format!("{host} {}", own.rsplit('/').next()?))
        };
        all.extend(ports.lines().filter_map(port));
    }
    let once: BTreeSet<&String> = all.iter().collect();
    assert_eq!(once.len(), all.len(), "{all:?}");
    all.len()
}

/// The file of `name` is up three times with fakes, is as it should be, and publishes ports if it is to.
pub(crate) fn three_times(name: &str, publishes: bool) {
    let cluster = Cluster::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isolate").join(name);
    for file in ["compose.yaml", "topogen.yaml"] {
        fs::copy(folder.join(file), cluster.path().join(file)).expect("a file");
    }
    // An older engine may choose a port of the loopback address that another container has on all addresses. The same command
    // again takes another one.
    let is_up = (0..5).any(|_| cluster.run("up", &["--fake"]).status.success());
    assert!(is_up, "{name}");
    let all = cluster.containers(None);
    assert!(all.len() >= 12 && all.len().is_multiple_of(3), "{all:?}");
    assert_eq!(cluster.containers(Some("running")), all);
    assert_eq!(published(&cluster) > 0, publishes);
    let output = cluster.run("verify", &["--fake", "--patience", "20"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    if output.status.code() == Some(4) && said.contains("`ip6tables`") {
        // An older engine lets IPv6 pass between networks, which `verify` says rightly. All else is right.
        cluster.must(
            "verify",
            &["--fake", "--patience", "20", "--only", "names", "--only", "shape"],
        );
    } else {
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    let again = cluster.run("up", &["--fake", "--dry-run", "--detailed-exitcode"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
    cluster.must("down", &["--volumes"]);
    assert!(cluster.containers(None).is_empty());
    assert_eq!(cluster.networks(), Vec::<String>::new());
}
