//! Expansion and rendering, by golden text.

use std::collections::BTreeMap;

use topogen::render::compose;
use topogen::topology::expand::Overrides;
use topogen::topology::{Network, Topology};

use crate::support::{LAB, expanded, lab};

fn file(topology: &Topology, node: &str) -> String {
    let node = topology.nodes.iter().find(|n| n.name.as_str() == node).expect("a node");
    compose::file(topology, node).expect("YAML")
}

#[test]
fn the_lab() {
    let topology = lab(10);
    assert_eq!((topology.nodes.len(), topology.services()), (11, 53));
    insta::assert_snapshot!("lab_master", file(&topology, "master"));
    insta::assert_snapshot!("lab_slave10", file(&topology, "slave10"));
}

#[test]
fn more_slaves_change_no_other_file() {
    let (few, many) = (lab(1), lab(100));
    for node in &few.nodes {
        let name = node.name.as_str();
        assert_eq!(file(&few, name), file(&many, name));
    }
}

#[test]
fn a_named_cluster_prefixes_projects_and_networks() {
    let overrides = Overrides {
        name: Some("lab".parse().expect("a name")),
        slaves: Some(1),
        ..Overrides::default()
    };
    let topology = expanded(LAB, &overrides).expect("valid");
    insta::assert_snapshot!("named_slave1", file(&topology, "slave1"));
}

/// A role with everything that is made for each node: configs of all kinds, overrides, networks and volumes.
const MANY: &str = r#"
vars: {version: "1.4"}
roles:
  master: {services: {api: {image: "shop/api:{{ vars.version }}"}}, entry: api}
  slave:
    count: 1
    entry: {web: ["{{ node.name }}", "w-{{ node.index }}"]}
    exit: out
    vars: {weight: "{{ node.index * 10 }}"}
    services:
      web:
        image: "shop/web:{{ vars.version }}"
        ports: ["{{ 8000 + node.index }}:80"]
        environment: {NODE: "{{ node.name }}", MASTER: "{{ role('master')[0].name }}"}
        configs: [site, {source: limits, target: /etc/limits, mode: 0400}]
        networks: [internal, back, inout]
      out: {image: shop/out, depends_on: [web], volumes: ["data:/data"], secrets: [key]}
    networks: {back: {internal: true}}
    volumes: {data: {labels: {node: "{{ node.name }}"}}}
    configs:
      site: {content: "name {{ node.name }}\nweight {{ vars.weight }}\n"}
      limits: {content: "max 10\n"}
    secrets: {key: {content: "{{ node.project }}"}}
    overrides:
      slave1: {vars: {weight: 1}, services: {web: {image: "shop/web:next"}, extra: {image: shop/extra}}}
      slave7: {services: {web: {environment: {DEBUG: "1"}, ports: !override ["9007:80"]}}}
"#;

#[test]
fn more_slaves_change_nothing_of_a_role_with_configs_and_overrides() {
    let slaves = |n| {
        let overrides = Overrides {
            slaves: Some(n),
            ..Overrides::default()
        };
        expanded(MANY, &overrides).unwrap_or_else(|e| panic!("{e}"))
    };
    let many = slaves(100);
    for n in [1, 7, 8, 99] {
        let few = slaves(n);
        for node in &few.nodes {
            let name = node.name.as_str();
            assert_eq!(file(&few, name), file(&many, name), "{name} of {n}");
            let other = many.nodes.iter().find(|n| n.name == node.name).expect("a node");
            // Subnets, names, contents of configs: all that `up` acts on.
            let whole = |node| serde_json::to_string(node).expect("JSON");
            assert_eq!(whole(node), whole(other), "{name} of {n}");
        }
    }
    let content = |node: &str| {
        let node = many.nodes.iter().find(|n| n.name.as_str() == node).expect("a node");
        serde_json::to_string(&node.configs).expect("JSON")
    };
    assert!(content("slave1").contains("weight 1\\n"), "{}", content("slave1"));
    assert!(content("slave12").contains("weight 120\\n"), "{}", content("slave12"));
    assert!(file(&many, "slave7").contains("9007:80"));
}

const EVERYTHING: &str = r#"
name: shop
vars: {version: "1.4", tier: test}
inout: {driver: bridge, driver_opts: {com.docker.network.bridge.name: shop0}}
internal: {internal: true}
addresses: {pool: 172.28.0.0/16}
roles:
  head:
    entry: {api: ["{{ node.name }}", "{{ cluster }}"], admin: "{{ node.name }}-admin"}
    services:
      api:
        image: "shop/api:{{ vars.version }}"
        depends_on: [db, admin]
        links: [admin, "db:database"]
        environment: {WORKERS: "{{ role('worker') | map(attribute='name') | join(',') }}", PRICE: "5$$"}
      admin: {image: shop/admin, network_mode: null}
      db: {image: shop/db, volumes_from: ["admin:ro"], stop_grace_period: 1m30s}
      sidecar: {image: shop/side, network_mode: "service:api", pid: "service:db"}
  worker:
    count: 2
    node: "w-{{ index }}"
    exit: [out]
    vars: {weight: "{{ node.index * 10 }}"}
    services:
      out:
        image: shop/out
        command: ["--id", "{{ node.ordinal }}", "--weight={{ vars.weight }}", "--of={{ nodes | length }}"]
        networks: {internal: {aliases: ["out-{{ node.index }}"], priority: 10}, inout: {}}
        labels: {date: "2024-01-01", yes: "no", port: "22:22", "on": 1e3, note: "a: b # c"}
      own: {image: shop/own, container_name: "{{ node.name }}-own", x-note: kept}
"#;

#[test]
fn everything_at_once() {
    let text = EVERYTHING.replace(", network_mode: null", "");
    let topology = expanded(&text, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    insta::assert_snapshot!("everything_head", file(&topology, "head"));
    insta::assert_snapshot!("everything_w-2", file(&topology, "w-2"));
}

/// The subnets of all nodes, by the names of their networks.
fn subnets(text: &str) -> BTreeMap<String, String> {
    let topology = expanded(text, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    let networks = topology.nodes.iter().flat_map(|n| &n.networks);
    let subnet = |n: &Network| (n.name.to_string(), n.subnet.expect("a subnet").to_string());
    networks.map(subnet).collect()
}

#[test]
fn a_role_or_network_more_and_another_order_move_nobody() {
    let head = "  head: {services: {x: {image: i}}}\n";
    let worker = "  worker: {count: 70, services: {x: {image: i}}}\n";
    let before = subnets(&format!("name: lab\nroles:\n{head}{worker}"));
    assert_eq!(before.len(), 71);
    let agent = "  agent: {count: 70, services: {x: {image: i}}}\n";
    let two = "{services: {x: {image: i, networks: [internal, back]}}, networks: {back: {}}}";
    let more = [
        (format!("{worker}{head}"), 71),
        (format!("{agent}{head}{worker}"), 141),
        (format!("{head}{agent}{worker}"), 141),
        (format!("{head}{worker}{agent}"), 141),
        (format!("  head: {two}\n{worker}"), 72),
        (format!("  another: {two}\n{worker}{head}"), 73),
        (format!("{head}{}", worker.replace("70", "900")), 901),
    ];
    for (roles, count) in more {
        let after = subnets(&format!("name: lab\nroles:\n{roles}"));
        assert_eq!(after.len(), count, "{roles}");
        for (name, subnet) in &before {
            assert_eq!(after.get(name), Some(subnet), "{name} in\n{roles}");
        }
    }
}

#[test]
fn one_node_that_is_larger_moves_by_itself() {
    let services: Vec<String> = (0..20).map(|n| format!("s{n}: {{image: i}}")).collect();
    let role = "name: lab\nroles: {worker: {count: 5, services: {x: {image: i}}";
    let before = subnets(&format!("{role}}}}}"));
    let overrides = format!("overrides: {{worker2: {{services: {{{}}}}}}}", services.join(", "));
    let after = subnets(&format!("{role}, {overrides}}}}}"));
    let moved: Vec<_> = before
        .iter()
        .filter(|(name, subnet)| after[*name] != **subnet)
        .collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!(moved[0].0, "lab-worker2_internal");
    assert!(after["lab-worker2_internal"].ends_with("/27"), "{after:?}");
}

#[test]
fn ten_thousand_slaves_have_their_own_names_and_subnets() {
    let topology = lab(10_000);
    assert_eq!(topology.services(), 50_003);
    let subnets: std::collections::BTreeSet<_> = topology.nodes.iter().map(|n| n.networks[0].subnet).collect();
    assert_eq!(subnets.len(), 10_001);
}
