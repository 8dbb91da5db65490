//! Networks and volumes of the cluster, counts in several dimensions, and how they are drawn.

use std::collections::BTreeMap;

use proptest::prelude::*;
use topogen::graph::layout::{self, Metrics, Rect, Wire};
use topogen::graph::panel::Scene;
use topogen::graph::{self, Format, draw};
use topogen::topology::expand::Overrides;
use topogen::topology::{Network, Node, Service, Topology};

use crate::support::{expanded, stderr, topogen};

const RING: &str = r#"
name: ring
networks: {link: {count: "{{ role('router') | length }}"}, mgmt: {}}
roles:
  router:
    count: 4
    services:
      frr:
        image: shop/router
        networks: [mgmt, "link{{ node.index }}", "link{{ node.index % (role('router') | length) + 1 }}"]
      agent: {image: shop/agent}
"#;

fn topology(text: &str, scale: &[(&str, u32)]) -> Topology {
    let overrides = Overrides {
        scale: scale.iter().map(|(role, n)| ((*role).to_owned(), *n)).collect(),
        ..Overrides::default()
    };
    expanded(text, &overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Which services are on each shared network, by which names.
fn shared(topology: &Topology) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all = topology
        .nodes
        .iter()
        .flat_map(|n| n.services.iter().map(move |s| (n, s)));
    for (node, service) in all {
        for attachment in service.attachments.iter().filter(|a| a.shared) {
            let network = topology.shared_network(node, &attachment.network).expect("a network");
            let aliases: Vec<&str> = attachment.aliases.iter().map(AsRef::as_ref).collect();
            let on_it = format!("{} as {}", service.key, aliases.join(" "));
            found
                .entry(network.name.to_string())
                .or_default()
                .push(on_it.trim_end().to_owned());
        }
    }
    found
}

fn subnets(topology: &Topology) -> BTreeMap<String, String> {
    let all = topology.nodes.iter().flat_map(|n| &n.networks).chain(&topology.shared);
    let subnet = |n: &Network| Some((n.name.to_string(), n.subnet?.to_string()));
    all.filter_map(subnet).collect()
}

#[test]
fn a_ring_is_two_links_for_each_node() {
    let ring = topology(RING, &[]);
    let found = shared(&ring);
    assert_eq!(found.len(), 5);
    assert_eq!(
        found["ring-link1"],
        ["router1-frr as router1", "router4-frr as router4"]
    );
    assert_eq!(
        found["ring-link4"],
        ["router3-frr as router3", "router4-frr as router4"]
    );
    assert_eq!(found["ring-mgmt"].len(), 4);
    // One of several is as large as needed, a single one has room for all that come.
    let sizes = subnets(&ring);
    assert!(
        sizes["ring-link1"].ends_with("/28") && sizes["ring-mgmt"].ends_with("/22"),
        "{sizes:?}"
    );
}

#[test]
fn a_longer_ring_moves_no_network() {
    let (before, after) = (
        subnets(&topology(RING, &[])),
        subnets(&topology(RING, &[("router", 400)])),
    );
    assert!(before.iter().all(|(name, subnet)| after[name] == *subnet), "{before:?}");
    let count = after.len();
    let mut each: Vec<&String> = after.values().collect();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), count);
}

#[test]
fn a_network_or_role_more_moves_no_other() {
    let more = RING
        .replace("mgmt: {}}", "mgmt: {}, cable: {count: 30}, other: {}}")
        .replace(
            "    services:\n      frr",
            "    vars: {}\n    services:\n      x: {image: i, networks: [other, cable7]}\n      frr",
        );
    let (before, after) = (subnets(&topology(RING, &[])), subnets(&topology(&more, &[])));
    assert!(
        after.contains_key("ring-cable7") && !after.contains_key("ring-cable8"),
        "{after:?}"
    );
    let links = before.iter().filter(|(name, _)| !name.contains("internal"));
    for (name, subnet) in links {
        assert_eq!(after[name], *subnet, "{name}");
    }
}

fn names_on<'t>(topology: &'t Topology, node: &str, service: &str) -> Vec<&'t str> {
    let node: &Node = topology.nodes.iter().find(|n| n.name.as_str() == node).expect("a node");
    let service: &Service = node
        .services
        .iter()
        .find(|s| s.name.as_str() == service)
        .expect("a service");
    let on_links = service
        .attachments
        .iter()
        .filter(|a| a.shared && a.network.as_str() != "inout");
    on_links.flat_map(|a| &a.aliases).map(AsRef::as_ref).collect()
}

/// A node's name leads to one container, whoever asks, on whichever network.
#[test]
fn a_node_is_called_by_its_name_where_that_is_one_container() {
    let text = |role: &str| {
        format!(
            "networks: {{a: {{}}, b: {{}}}}\nroles:\n  r:\n    count: 2\n{role}  other: {{entry: x, services: {{x: {{image: i, networks: [a]}}}}}}\n"
        )
    };
    let two = "    services: {x: {image: i, networks: [a]}, y: {image: i, networks: [b]}}\n";
    let found = topology(&text(two), &[]);
    assert_eq!(names_on(&found, "r1", "x"), Vec::<&str>::new());
    let entry = topology(&text(&format!("    entry: y\n{two}")), &[]);
    assert_eq!(names_on(&entry, "r1", "x"), Vec::<&str>::new());
    assert_eq!(names_on(&entry, "r1", "y"), ["r1"]);
    let elsewhere = "    entry: z\n    services: {x: {image: i, networks: [a]}, z: {image: i}}\n";
    assert_eq!(
        names_on(&topology(&text(elsewhere), &[]), "r1", "x"),
        Vec::<&str>::new()
    );
    let exit = "    exit: z\n    services: {x: {image: i, networks: [a, b]}, z: {image: i}}\n";
    assert_eq!(names_on(&topology(&text(exit), &[]), "r2", "x"), ["r2", "r2"]);
}

/// Services that meet on links alone meet at home too, where their names are their node's.
#[test]
fn services_that_meet_on_links_meet_at_home() {
    let text = r#"
networks: {link: {count: 3}}
roles:
  r:
    count: 2
    services:
      a: {image: i, networks: ["link{{ node.index }}"]}
      b: {image: i, networks: ["link1"]}
      c: {image: i, networks: ["link3"]}
"#;
    let found = topology(text, &[]);
    let home = |node: usize| -> Vec<bool> {
        let services = found.nodes[node].services.iter();
        services
            .map(|s| s.attachments.iter().any(|a| a.network.as_str() == "internal"))
            .collect()
    };
    assert_eq!(home(0), [true, true, false]);
    assert_eq!(home(1), [false, false, false]);
}

#[test]
fn options_of_networks_know_their_index() {
    let text = r#"
name: lab
vars: {mtu: 9000}
networks:
  link: {count: 2, name: "{{ cluster }}-wire-{{ index }}", ipam: {config: [{subnet: "10.9.{{ ordinal }}.0/24"}]}}
  cable: {count: {a: 2, b: 1}, internal: true, driver_opts: {mtu: "{{ vars.mtu + a }}"}}
  office: {external: true}
roles: {r: {services: {x: {image: i, networks: [link2, cable-2-1, office]}}}}
"#;
    let found = topology(text, &[]);
    let names: Vec<(&str, bool, bool)> = found
        .shared
        .iter()
        .map(|n| (n.name.as_str(), n.subnet.is_some(), n.external))
        .collect();
    assert_eq!(
        names,
        [
            ("lab-wire-2", false, false),
            ("lab-cable-2-1", true, false),
            ("office", false, true)
        ]
    );
    let options = serde_json::to_string(&found.shared[0].options).expect("JSON");
    assert!(options.contains("10.9.1.0/24"), "{options}");
    let options = serde_json::to_string(&found.shared[1].options).expect("JSON");
    assert!(options.contains("9002"), "{options}");
}

const MONGO: &str = r#"
roles:
  mongo:
    count: {shard: 3, replica: 2}
    entry: db
    services: {db: {image: shop/db, environment: {PEERS: "{{ role('mongo', shard=node.shard) | map(attribute='name') | join(' ') }}", AT: "{{ node.shard }}/{{ node.replica }}/{{ node.index }}"}}}
    overrides: {mongo-2-1: {services: {db: {image: shop/next}}}, mongo-9-9: {vars: {}}}
"#;

fn environment(topology: &Topology, node: &str, name: &str) -> String {
    let node = topology.nodes.iter().find(|n| n.name.as_str() == node).expect("a node");
    let environment = node.services[0]
        .get("environment")
        .and_then(|e| e.as_map())
        .expect("a map");
    environment[name].scalar().expect("a text")
}

#[test]
fn dimensions_name_their_nodes_and_select_them() {
    let found = topology(MONGO, &[]);
    let names: Vec<&str> = found.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "mongo-1-1",
            "mongo-1-2",
            "mongo-2-1",
            "mongo-2-2",
            "mongo-3-1",
            "mongo-3-2"
        ]
    );
    assert_eq!(environment(&found, "mongo-2-2", "PEERS"), "mongo-2-1 mongo-2-2");
    assert_eq!(environment(&found, "mongo-3-1", "AT"), "3/1/5");
    let images: Vec<String> = found
        .nodes
        .iter()
        .filter_map(|n| n.services[0].get("image")?.scalar())
        .collect();
    assert_eq!(images.iter().filter(|i| *i == "shop/next").count(), 1);
}

#[test]
fn another_dimension_moves_no_subnet() {
    let before = subnets(&topology(MONGO, &[]));
    for scale in [("mongo.shard", 30), ("mongo.replica", 7), ("mongo.shard", 2)] {
        let after = subnets(&topology(MONGO, &[scale]));
        for (name, subnet) in before.iter().filter(|(name, _)| after.contains_key(*name)) {
            assert_eq!(after[name], *subnet, "{scale:?} {name}");
        }
    }
    assert_eq!(topology(MONGO, &[("mongo.replica", 0)]).nodes.len(), 0);
}

#[test]
fn a_count_is_scaled_as_it_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!("{MONGO}  slave: {{count: 2, services: {{a: {{image: i}}}}}}\n");
    std::fs::write(directory.path().join("topogen.yaml"), text).expect("a file");
    let mut said = String::new();
    for arguments in [
        &["--scale", "mongo.shard=4", "--scale", "slave=3"][..],
        &["--scale", "mongo=4"],
        &["--scale", "mongo.shrad=4"],
        &["--scale", "slave.shard=4"],
        &["--scale", "mango.shard=4"],
        &["--scale", "mongo.shard=5001"],
        &["--scale", "mongo.shard=x"],
    ] {
        let output = topogen(directory.path(), &[&["check"], arguments].concat());
        said += &format!("$ topogen check {}\n{}", arguments.join(" "), stderr(&output));
    }
    std::fs::write(directory.path().join("topogen.yaml"), MONGO).expect("a file");
    let output = topogen(directory.path(), &["check", "--slaves", "3"]);
    said += &format!("$ topogen check --slaves 3\n{}", stderr(&output));
    insta::assert_snapshot!(said);
}

#[test]
fn a_volume_of_the_cluster_is_one_for_all_that_mount_it() {
    let text = r#"
name: lab
volumes: {pool: {driver: local, labels: {a: b}}, idle: {}, given: {external: true, name: "their-{{ cluster }}"}}
roles:
  writer: {services: {app: {image: i, volumes: ["pool:/out", {type: volume, source: given, target: /g}]}}}
  reader:
    count: 2
    volumes: {cache: {}, pool: }
    services: {app: {image: i, volumes: ["{{ 'pool' }}:/in:ro", "cache:/c"]}}
"#;
    let desired = crate::support::desired(text, &Overrides::default(), &[]);
    let volumes: Vec<(&str, bool, Option<&str>)> = desired
        .volumes
        .iter()
        .map(|v| (v.name.as_str(), v.external, v.node.as_ref().map(|n| n.as_str())))
        .collect();
    assert_eq!(
        volumes,
        [
            ("lab-pool", false, None),
            ("their-lab", true, None),
            ("lab-reader1_cache", false, Some("reader1")),
            ("lab-reader2_cache", false, Some("reader2")),
        ]
    );
    let pool = &desired.volumes[0];
    assert_eq!(pool.labels.get("io.topogen.cluster").map(String::as_str), Some("lab"));
    assert!(!pool.labels.contains_key("io.topogen.node"));
}

/// The shapes of the examples, and one that is live.
#[test]
fn each_shape_is_seen() {
    let mut texts = String::new();
    for (name, directory) in crate::examples::examples() {
        if !name.starts_with("router-") && name != "leaf-spine" {
            continue;
        }
        let text = std::fs::read_to_string(directory.path().join("topogen.yaml")).expect("a blueprint");
        let files = [("frr.conf.j2", "")];
        let (found, sources) = crate::support::read(&text, &Overrides::default(), &files);
        let found = found.unwrap_or_else(|problems| panic!("{}", problems.render(&sources, false)));
        let text = Format::Text {
            columns: 120,
            colour: false,
        };
        texts += &format!("== {name}\n{}", draw(&found, None, text, false).expect("drawn"));
        sound(&found);
        if name == "router-ring" {
            for (format, what) in [
                (Format::Mermaid, "mermaid"),
                (Format::Dot, "dot"),
                (Format::Json, "json"),
            ] {
                insta::assert_snapshot!(
                    format!("shape_{what}"),
                    draw(&found, None, format, false).expect("drawn")
                );
            }
        }
    }
    insta::assert_snapshot!("shape_texts", texts);
}

#[test]
fn a_large_shape_is_drawn_when_asked_for() {
    let found = topology(RING, &[("router", 60)]);
    let text = Format::Text {
        columns: 120,
        colour: false,
    };
    let folded = draw(&found, None, text, false).expect("drawn");
    assert!(
        folded.contains("60 links of 60 nodes: `--unfold` draws them"),
        "{folded}"
    );
    assert!(folded.lines().count() < 60, "{folded}");
    sound(&found);
}

/// Nothing of the shape lies on anything else.
fn sound(topology: &Topology) {
    for unfold in [false, true] {
        let scene = Scene::of(&graph::graph(topology, None), unfold);
        for metrics in [Metrics::PIXELS, Metrics::cells(120), Metrics::cells(60)] {
            let picture = layout::picture(&scene, &metrics);
            let apart =
                |a: &Rect, b: &Rect| a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
            let mut ways: Vec<(usize, Rect)> = Vec::new();
            for (at, Wire { x1, x2, y, ends, .. }) in picture.wires.iter().enumerate() {
                assert!(x1 <= x2, "a link runs backwards");
                ways.push((
                    at,
                    Rect {
                        x: *x1,
                        y: *y,
                        w: x2 - x1,
                        h: 1,
                    },
                ));
                for end in ends {
                    assert!(
                        end.y1 <= end.y2 && (*x1..=*x2).contains(&end.x),
                        "an end beside its link: {end:?}"
                    );
                    ways.push((
                        at,
                        Rect {
                            x: end.x,
                            y: end.y1,
                            w: 1,
                            h: end.y2 - end.y1,
                        },
                    ));
                }
            }
            for (at, frame) in picture.frames.iter().enumerate() {
                let page = Rect {
                    x: 0,
                    y: 0,
                    w: picture.width,
                    h: picture.height,
                };
                assert!(
                    frame.rect.x + frame.rect.w <= page.w && frame.rect.y + frame.rect.h <= page.h,
                    "{:?}",
                    frame.texts
                );
                assert!(
                    picture.frames[at + 1..].iter().all(|f| apart(&f.rect, &frame.rect)),
                    "{:?}",
                    frame.texts
                );
                assert!(
                    ways.iter().all(|(_, way)| apart(way, &frame.rect)),
                    "a link through {:?}",
                    frame.texts
                );
            }
            let labels: Vec<&Rect> = picture.wires.iter().flat_map(|w| &w.labels).map(|l| &l.rect).collect();
            for (at, label) in labels.iter().enumerate() {
                assert!(
                    labels[at + 1..].iter().all(|other| apart(label, other)),
                    "names overlap"
                );
                assert!(picture.frames.iter().all(|f| apart(&f.rect, label)), "a name on a box");
                assert!(label.x + label.w <= picture.width, "a name leaves the picture");
            }
            // Two links cross, but never lie on each other.
            for (at, (wire, way)) in ways.iter().enumerate() {
                let along = |a: &Rect, b: &Rect| (a.h == 1) == (b.h == 1) && a.h + b.h > 2 && a.w + b.w == 2;
                for (_, other) in ways[at + 1..].iter().filter(|(other, _)| other != wire) {
                    assert!(
                        !along(way, other) || apart(way, other),
                        "links on each other: {way:?} {other:?}"
                    );
                    assert!(
                        way.h != 1 || other.h != 1 || way.w < 2 || other.w < 2 || apart(way, other),
                        "{way:?} {other:?}"
                    );
                }
            }
        }
    }
    let text = draw(
        topology,
        None,
        Format::Text {
            columns: 120,
            colour: false,
        },
        true,
    )
    .expect("drawn");
    assert!(!text.contains('?'), "no character for a crossing:\n{text}");
    let svg = draw(topology, None, Format::Svg, true).expect("drawn");
    roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}:\n{svg}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_any_shape_overlaps(
        links in prop::collection::vec(prop::collection::btree_set(0usize..9, 1..4), 1..14), name in 1usize..20, roles in 1usize..4,
    ) {
        let mut text = format!("networks: {{{}: {{count: {}}}}}\nroles:\n", "l".repeat(name), links.len());
        for role in 0..roles {
            text += &format!("  r{role}x:\n    count: {}\n    services: {{s: {{image: i}}}}\n    overrides:\n", 9 / roles);
            for node in 0..9 / roles {
                let at = role * (9 / roles) + node;
                let on: Vec<String> = links
                    .iter()
                    .zip(1..)
                    .filter(|(nodes, _)| nodes.contains(&at))
                    .map(|(_, n): (_, usize)| format!("{}{n}", "l".repeat(name)))
                    .collect();
                text += &format!("      r{role}x{}: {{services: {{s: {{networks: [internal, {}]}}}}}}\n", node + 1, on.join(", "));
            }
        }
        sound(&topology(&text.replace("internal, ]", "internal]"), &[]));
    }
}
