//! Pictures: by golden text, and by what must hold of every one of them.

mod formats;
mod observed;
mod sound;

use std::collections::BTreeSet;
use std::fs;

use topogen::cluster::Health;
use topogen::cluster::Observed;
use topogen::cluster::State;
use topogen::graph::layout::{self, Anchor, Metrics};
use topogen::graph::panel::Scene;
use topogen::graph::{self, Format, draw, mermaid};
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;

use observed::{container, disturbed, running};

use crate::support::{expanded, lab, stderr, stdout, topogen};

/// Several roles, entries and aliases; networks of a role's own, shared ones, and services on none.
const SHOP: &str = r#"
name: shop
roles:
  gate:
    entry: {proxy: [gate, www, shop.example], admin: admin}
    networks: {office: {external: true}}
    services:
      proxy: {image: "nginx:1.27", ports: ["8080:80", "8443:443"], networks: [internal, office]}
      admin: {image: shop/admin, expose: [9000, 53/udp]}
      sidecar: {image: shop/side, network_mode: "service:proxy"}
  head:
    entry: api
    networks: {metrics: {name: metrics}, back: {internal: true}}
    services:
      api:
        image: shop/api
        ports: ["8000-8003:8000-8003", 9100, "9443:443/udp", {target: 70, published: 7000}]
        networks: {internal: {aliases: [api-v1, api-v2]}, metrics: }
      db: {image: "postgres:17", networks: [back], expose: [5432]}
      cache: {image: "redis:7", networks: [internal, back]}
      migrate: {image: shop/migrate, network_mode: none}
  worker:
    count: 9
    node: "w-{{ index }}"
    entry: {agent: , debug: ["{{ node.name }}-debug"]}
    exit: [fetcher]
    networks: {metrics: {name: metrics}, back: {internal: true}}
    services:
      agent: {image: "shop/agent:{{ node.index }}", networks: {internal: , metrics: {aliases: ["m-{{ node.index }}"]}}}
      debug: {image: shop/debug}
      fetcher: {image: shop/fetcher}
      q1: {image: shop/q, networks: [internal, back]}
      q2: {image: shop/q, networks: [back]}
      q3: {image: shop/q}
      q4: {image: shop/q}
      q5: {image: shop/q, networks: [back]}
      q6: {image: shop/q}
      q7: {image: shop/q, scale: 3}
      q8: {image: shop/q, deploy: {replicas: 0}}
      host: {image: shop/host, network_mode: host}
    overrides: {w-5: {services: {q3: {networks: [back]}}}}
  spare: {count: 0, services: {app: {image: shop/spare}}}
  batch: {services: {job: {image: shop/job}}}
"#;

fn shop() -> Topology {
    expanded(SHOP, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

const TEXT: Format = Format::Text {
    columns: 120,
    colour: false,
};

fn drawn(topology: &Topology, observed: Option<&Observed>, format: Format) -> String {
    draw(topology, observed, format, false).expect("drawn")
}

/// A picture and a text of each scene; what the other formats say is read in `formats`.
#[test]
fn a_picture_and_a_text_of_each_scene() {
    let (topology, observed) = disturbed();
    for (scene, topology, observed) in [
        ("lab10", lab(10), None),
        ("shop", shop(), None),
        ("live", topology, Some(observed)),
    ] {
        let of = |format| drawn(&topology, observed.as_ref(), format);
        insta::assert_snapshot!(format!("graph_{scene}_svg"), of(Format::Svg));
        insta::assert_snapshot!(format!("graph_{scene}_text"), of(TEXT));
    }
}

/// Colours add nothing but colours, and take each of them back.
#[test]
fn a_coloured_text_is_the_plain_one() {
    let (topology, observed) = disturbed();
    let coloured = Format::Text {
        columns: 120,
        colour: true,
    };
    let coloured = drawn(&topology, Some(&observed), coloured);
    let mut plain = String::new();
    let mut parts = coloured.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    let mut open = false;
    let mut used = BTreeSet::new();
    for part in parts {
        let (code, text) = part.split_once('m').expect("the end of a colour");
        open = !code.is_empty() && code != "0";
        used.insert(code);
        plain.push_str(text);
    }
    assert!(!open && used.len() > 4, "{used:?}");
    assert_eq!(plain, drawn(&topology, Some(&observed), TEXT));
}

/// JSON folds nothing, and what is as it should be says no more than that.
#[test]
fn json_holds_every_node() {
    for slaves in [10, 50] {
        let topology = lab(slaves);
        let json: serde_json::Value =
            serde_json::from_str(&drawn(&topology, Some(&running(&topology)), Format::Json)).expect("JSON");
        let nodes = json["nodes"].as_array().expect("nodes");
        let names: Vec<&str> = nodes.iter().filter_map(|n| n["name"].as_str()).collect();
        let expected = (1..=slaves).map(|n| format!("slave{n}"));
        let expected: Vec<String> = ["master".to_owned()].into_iter().chain(expected).collect();
        assert_eq!(names, expected);
        let services = nodes.iter().flat_map(|n| n["services"].as_array().expect("services"));
        let containers = services.flat_map(|s| s["containers"].as_array().expect("containers"));
        let states: Vec<&str> = containers.filter_map(|c| c["state"].as_str()).collect();
        assert_eq!(states, vec!["running"; topology.containers()]);
        assert!(json.get("foreign").is_none());
    }
}

#[test]
fn nothing_is_there() {
    let observed = Observed::default();
    insta::assert_snapshot!("graph_missing_text", drawn(&lab(1), Some(&observed), TEXT));
    // No node at all.
    let none = expanded(
        "roles: {a: {count: 0, entry: x, services: {x: {image: i}}}}",
        &Overrides::default(),
    );
    insta::assert_snapshot!("graph_no_node", drawn(&none.expect("valid"), None, TEXT));
}

fn titles(topology: &Topology, observed: Option<&Observed>) -> Vec<String> {
    let scene = Scene::of(&graph::graph(topology, observed), false);
    scene.panels.into_iter().map(|p| p.title).collect()
}

/// What becomes of a service with a healthcheck, of one that is to end, and of one of several containers.
#[test]
fn states_in_words() {
    let text = "roles: {a: {entry: web, services: {web: {image: i, expose: [80], depends_on: {job: {condition: \
                service_completed_successfully}}}, job: {image: i}, work: {image: i, scale: 3}, other: {image: i}}}}";
    let topology = expanded(text, &Overrides::default()).expect("valid");
    let shown = |observed: &Observed| {
        let scene = Scene::of(&graph::graph(&topology, Some(observed)), false);
        let items = scene.panels[0].items.iter();
        let items: Vec<String> = items
            .map(|i| format!("{}: {} ({:?})", i.name, i.remark, i.look))
            .collect();
        items.join("\n")
    };
    let mut observed = running(&topology);
    let exit = |observed: &mut Observed, name: &str, status: i32| {
        let container = container(observed, name);
        (container.state, container.exit) = (State::Exited, Some(status));
    };
    exit(&mut observed, "a-job-1", 0);
    exit(&mut observed, "a-other-1", 0);
    exit(&mut observed, "a-work-2", 1);
    container(&mut observed, "a-web-1").health = Some(Health::Starting);
    insta::assert_snapshot!(shown(&observed), @"
    web: starting (Waiting)
    job: completed (Plain)
    work ×3: 2 running, 1 exited (Stopped)
    other: exited (Stopped)
    ");
    exit(&mut observed, "a-job-1", 1);
    observed.containers.retain(|c| c.name != "a-work-3");
    container(&mut observed, "a-web-1").health = Some(Health::Healthy);
    insta::assert_snapshot!(shown(&observed), @"
    web: 80 (Running)
    job: exited (Stopped)
    work ×3: 1 running, 1 exited, 1 missing (Missing)
    other: exited (Stopped)
    ");
}

/// The engine adds a container's own name to the aliases that it was given, which may be its node's too.
#[test]
fn a_container_called_as_its_node_answers_to_that() {
    let text = "roles: {kibana: {entry: {web: [kibana, board]}, services: {web: {image: i, container_name: board}}}, \
                grafana: {entry: web, services: {web: {image: i, container_name: grafana}}}}";
    let topology = expanded(text, &Overrides::default()).expect("valid");
    let mut observed = running(&topology);
    // Engines from 25 on list each once.
    let ends = observed.containers.iter_mut().flat_map(|c| &mut c.endpoints);
    ends.filter_map(|e| e.aliases.as_mut()).for_each(|aliases| {
        aliases.sort();
        aliases.dedup();
    });
    assert_eq!(
        drawn(&topology, Some(&observed), Format::Json),
        drawn(&topology, Some(&running(&topology)), Format::Json)
    );
    insta::assert_snapshot!(drawn(&topology, Some(&observed), TEXT));
}

/// Of fifty equal ones, those that are not equal stand out.
#[test]
fn what_differs_stands_by_itself() {
    let topology = lab(50);
    let mut observed = running(&topology);
    assert_eq!(
        titles(&topology, Some(&observed)),
        ["master", "slave1", "slave2", "slave3", "slave4 … slave50"]
    );
    container(&mut observed, "slave7-service_3-1").state = State::Exited;
    observed
        .containers
        .retain(|c| c.name != "slave30-service_out-1" && c.name != "slave32-service_out-1");
    assert_eq!(
        titles(&topology, Some(&observed)),
        [
            "master",
            "slave1",
            "slave2",
            "slave3",
            "44 of slave4 … slave50",
            "slave7",
            "slave30, slave32"
        ]
    );
}

/// However many nodes there are and whatever they do, a picture is one of a few dozen things.
#[test]
fn a_picture_does_not_grow_with_the_cluster() {
    let (fifty, all) = (lab(50), lab(10_000));
    for format in [Format::Svg, Format::Mermaid, Format::Dot, TEXT] {
        let (few, many) = (drawn(&fifty, None, format), drawn(&all, None, format));
        assert_eq!(few.lines().count(), many.lines().count(), "{format:?}");
    }
    let mut observed = running(&all);
    let states = [
        State::Created,
        State::Running,
        State::Paused,
        State::Restarting,
        State::Exited,
        State::Removing,
        State::Dead,
    ];
    for (at, container) in observed.containers.iter_mut().enumerate() {
        container.state = states[at * 7919 % 127 % 7];
    }
    let titles = titles(&all, Some(&observed));
    assert!(titles.len() < 20, "{titles:?}");
}

#[test]
fn the_same_is_drawn_the_same() {
    let (topology, observed) = (lab(3), running(&lab(20)));
    for format in [Format::Svg, Format::Mermaid, Format::Dot, TEXT, Format::Json] {
        assert_eq!(
            drawn(&topology, Some(&observed), format),
            drawn(&topology, Some(&observed), format)
        );
    }
}

#[test]
fn text_is_as_wide_as_the_terminal() {
    for columns in [60, 100, 200] {
        let format = Format::Text { columns, colour: false };
        for line in drawn(&lab(10), None, format).lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn anchors_hold_texts_where_fonts_are_narrower() {
    let scene = Scene::of(&graph::graph(&lab(3), None), false);
    let picture = layout::picture(&scene, &Metrics::PIXELS);
    let cells = picture.frames.iter().flat_map(|f| &f.cells);
    assert!(cells.flat_map(|c| &c.texts).all(|t| t.anchor == Anchor::Middle));
}

#[test]
fn forges_are_told_where_they_refuse() {
    let unfolded = |slaves| draw(&lab(slaves), None, Format::Mermaid, true).expect("drawn");
    assert_eq!(mermaid::too_much(&unfolded(50)), None);
    insta::assert_snapshot!(mermaid::too_much(&unfolded(100)).expect("too much"), @"704 lines, of which Mermaid draws 500 at most");
    assert_eq!(mermaid::too_much(&drawn(&lab(10_000), None, Format::Mermaid)), None);
}

#[test]
fn the_picture_of_the_readme_is_current() {
    assert!(
        drawn(&lab(3), None, Format::Svg) == include_str!("../docs/lab.svg"),
        "draw it again: topogen graph -f master-slaves -o docs/lab.svg"
    );
}

/// On a terminal that may have no colours, or of which nothing is known, there are none (term(7)).
#[test]
fn a_terminal_that_is_dumb_gets_no_colours() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("topogen.yaml"), SHOP).expect("a blueprint");
    // `script` of util-linux gives a program a terminal.
    let drawn = |term: Option<&str>| {
        let mut command = std::process::Command::new("script");
        command.args(["-qefc", concat!(env!("CARGO_BIN_EXE_topogen"), " graph"), "/dev/null"]);
        command
            .current_dir(directory.path())
            .env_remove("NO_COLOR")
            .env_remove("TERM");
        command.envs(term.map(|term| ("TERM", term)));
        command.stdin(std::process::Stdio::null()).output()
    };
    let Ok(coloured) = drawn(Some("xterm-256color")) else {
        // Nothing else gives it one.
        return;
    };
    let has_colours = |output: &std::process::Output| output.stdout.contains(&0x1b);
    assert!(has_colours(&coloured), "{}", String::from_utf8_lossy(&coloured.stdout));
    for term in [Some("dumb"), Some(""), None] {
        let output = drawn(term).expect("a terminal");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("inout") && !has_colours(&output), "{term:?}: {text}");
    }
}

#[test]
fn files_are_written_in_the_format_that_they_end_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    fs::write(here.join("topogen.yaml"), SHOP).expect("a blueprint");
    for (file, format) in [
        ("a.svg", Format::Svg),
        ("a.mmd", Format::Mermaid),
        ("a.mermaid", Format::Mermaid),
        ("a.dot", Format::Dot),
        ("a.gv", Format::Dot),
        ("a.json", Format::Json),
        ("a.txt", TEXT),
    ] {
        let output = topogen(here, &["graph", "-o", file]);
        assert!(
            output.status.success() && stdout(&output).is_empty(),
            "{}",
            stderr(&output)
        );
        let text = fs::read_to_string(here.join(file)).expect("a file");
        assert_eq!(text, drawn(&shop(), None, format), "{file}");
    }
    let printed = [&["graph"][..], &["graph", "-o", "-"]].map(|a| stdout(&topogen(here, a)));
    assert!(printed.iter().all(|p| *p == drawn(&shop(), None, TEXT)));
    let svg = topogen(here, &["graph", "--format", "svg", "--unfold"]);
    assert_eq!(stdout(&svg), draw(&shop(), None, Format::Svg, true).expect("drawn"));
    fs::create_dir(here.join("directory.svg")).expect("a directory");
    let mut text = String::new();
    for arguments in [
        &["graph", "-o", "a.png"][..],
        &["graph", "-o", "directory.svg"],
        &[
            "graph",
            "-f",
            "master-slaves",
            "--slaves",
            "120",
            "--unfold",
            "-o",
            "many.mmd",
        ],
        &["graph", "-f", "master-slaves", "--slaves", "600", "-o", "many.svg"],
    ] {
        let output = topogen(here, arguments);
        text += &format!(
            "$ topogen {}\n{}exit {}\n",
            arguments.join(" "),
            stderr(&output),
            output.status.code().unwrap_or(-1)
        );
    }
    insta::assert_snapshot!("graph_messages", text);
    assert!(!here.join("a.png").exists());
}
