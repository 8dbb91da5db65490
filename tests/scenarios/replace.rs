//! What only the engine refuses takes nothing away.

use std::collections::BTreeMap;
use std::fs;

use crate::cluster::{Cluster, docker, text};

/// Three nodes with all that a successor has to take over: an address, a port and a volume without a name.
const BLUEPRINT: &str = r#"
inout: {ipam: {config: [{subnet: SUBNET.0/24}]}}
roles:
  node:
    count: 3
    entry: app
    services:
      app:
        image: topogen/fake
        expose: [80]
        volumes: [/cache]
        networks: {internal: {}, inout: {ipv4_address: "SUBNET.{{ 9 + node.index }}"}}
"#;

/// The containers that run, their IDs, and the volumes that they mount.
fn running(cluster: &Cluster) -> BTreeMap<String, (String, String)> {
    let containers = cluster.containers(Some("running")).into_iter();
    let mounts = |id: &str| docker(&["inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", id]);
    containers
        .map(|(name, id)| {
            let mounts = mounts(&id);
            (name, (id, mounts))
        })
        .collect()
}

/// Values that the engine refuses when it creates a container, and when it starts one.
pub(crate) fn refusals() {
    let cluster = Cluster::new();
    let subnet = format!("10.{}.{}", 160 + std::process::id() % 32, std::process::id() / 32 % 256);
    let write = |more: &str| {
        let mut blueprint = BLUEPRINT.replace("SUBNET", &subnet);
        if more.contains("volumes:") {
            blueprint = blueprint.replace("        volumes: [/cache]\n", "");
        }
        blueprint += more;
        fs::write(cluster.path().join("topogen.yaml"), blueprint).unwrap();
    };
    write("");
    cluster.must("up", &[]);
    let before = running(&cluster);
    assert_eq!(before.len(), 3);
    let at_creation = [
        "        runtime: nonesuch\n",
        "        mem_limit: 1m\n",
        "        volumes: [/cache, {type: bind, source: /nonesuch, target: /x, bind: {create_host_path: false}}]\n",
        "        platform: linux/riscv64\n",
    ];
    let at_start = [
        "        entrypoint: [/nonesuch]\n",
        "        devices: [/dev/nonesuch]\n",
        "        sysctls: {net.nonesuch: 1}\n",
    ];
    for (at_start, value) in at_creation
        .map(|v| (false, v))
        .into_iter()
        .chain(at_start.map(|v| (true, v)))
    {
        write(value);
        let output = cluster.run("up", &[]);
        assert!(!output.status.success(), "{value} is refused");
        assert_eq!(running(&cluster), before, "{value}: {}", text(&output.stderr));
        assert_eq!(cluster.containers(None).len(), 3, "{value} leaves no successor");
        let started = text(&output.stderr).contains("put back");
        assert_eq!(started, at_start, "{value}: {}", text(&output.stderr));
    }
    write("        environment: {SIZE: 2}\n");
    cluster.must("up", &[]);
    let after = running(&cluster);
    for (name, (id, volume)) in &before {
        assert_ne!(&after[name].0, id);
        assert_eq!(&after[name].1, volume);
    }
    assert_eq!(
        cluster.address("node2", "app", &format!("{}-inout", cluster.name)),
        format!("{subnet}.11")
    );
    cluster.must("verify", &[]);
    // Nodes that take each other's addresses and ports.
    write("        ports: [\"{{ 18000 + node.index }}:80\"]\n");
    cluster.must("up", &[]);
    let turned = BLUEPRINT
        .replace("9 + node.index", "13 - node.index")
        .replace("SUBNET", &subnet);
    let ports = "        ports: [\"{{ 18004 - node.index }}:80\"]\n";
    fs::write(cluster.path().join("topogen.yaml"), turned + ports).unwrap();
    cluster.must("up", &[]);
    assert_eq!(
        cluster.address("node1", "app", &format!("{}-inout", cluster.name)),
        format!("{subnet}.12")
    );
    cluster.must("up", &["--dry-run", "--detailed-exitcode"]);
}
