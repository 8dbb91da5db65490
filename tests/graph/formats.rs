//! Mermaid, Graphviz and JSON, read again: each says what there is, all of it and no more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use topogen::cluster::Observed;
use topogen::graph::model::{Look, Place};
use topogen::graph::panel::Scene;
use topogen::graph::{self, Format};
use topogen::topology::Topology;

use super::observed::{disturbed, running};
use super::{drawn, shop};
use crate::support::lab;

/// What a flowchart says.
#[derive(Debug, Default, PartialEq)]
struct Chart {
    /// Of each group, by its number, what it is called.
    groups: BTreeMap<String, String>,
    /// Of each thing, by its id: the lines in it, how it looks, the group that it is in.
    things: BTreeMap<String, (Vec<String>, Look, Option<String>)>,
    /// From where to where, with which names, and whether it is an arrow.
    lines: Vec<(String, String, Vec<String>, bool)>,
}

/// What a flowchart of `scene` should say; of lines to what is missing only Graphviz says that they are `arrows`.
fn expected(scene: &Scene, arrows: bool) -> Chart {
    let mut chart = Chart::default();
    let noted = |label: &str, note: &str| -> Vec<String> {
        let both = [label, note].into_iter().filter(|text| !text.is_empty());
        both.map(str::to_owned).collect()
    };
    for (at, network) in scene.networks.iter().enumerate() {
        let thing = (noted(&network.label, &network.note), network.look, None);
        chart.things.insert(format!("net{at}"), thing);
    }
    for (at, panel) in scene.panels.iter().enumerate() {
        let group = at.to_string();
        chart
            .groups
            .insert(group.clone(), noted(&panel.title, &panel.note).join(" · "));
        for (own, network) in panel.networks.iter().enumerate() {
            let thing = (noted(&network.label, ""), network.look, Some(group.clone()));
            chart.things.insert(format!("n{at}p{own}"), thing);
        }
        for (number, item) in panel.items.iter().enumerate() {
            let id = format!("n{at}s{number}");
            let thing = (noted(&item.name, &item.remark), item.look, Some(group.clone()));
            chart.things.insert(id.clone(), thing);
            for tap in &item.taps {
                let out = tap.names.is_empty() && tap.look != Look::Foreign && (arrows || tap.look != Look::Missing);
                let (from, to, arrow) = match tap.place {
                    Place::Shared(network) => (id.clone(), format!("net{network}"), out),
                    Place::Own(network) if item.is_gate() => (format!("n{at}p{network}"), id.clone(), false),
                    Place::Own(network) => (id.clone(), format!("n{at}p{network}"), false),
                };
                chart.lines.push((from, to, tap.names.clone(), arrow));
            }
        }
    }
    chart.lines.sort();
    chart
}

/// What stands between the first and the last quote of `text`.
fn between_quotes(text: &str) -> &str {
    let (start, end) = (text.find('"').expect("a quote"), text.rfind('"').expect("a quote"));
    &text[start + 1..end]
}

/// A Mermaid flowchart, read (mermaid.js.org, "Flowcharts - Basic Syntax").
fn mermaid(text: &str) -> Chart {
    let unescaped = |text: &str| {
        let known = [
            ("#quot;", "\""),
            ("#lt;", "<"),
            ("#gt;", ">"),
            ("#amp;", "&"),
            ("#96;", "`"),
            ("#35;", "#"),
        ];
        known
            .iter()
            .fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
    };
    let parts = |text: &str| -> Vec<String> { text.split("<br>").map(unescaped).collect() };
    let mut chart = Chart::default();
    let mut group: Option<String> = None;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart LR"));
    for line in lines.map(str::trim) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if rest.starts_with('-') {
            let (_, to) = line.rsplit_once(' ').expect("an end");
            let names = if rest.contains('"') {
                parts(between_quotes(rest))
            } else {
                Vec::new()
            };
            let arrow = rest.starts_with("-->");
            chart.lines.push((first.to_owned(), to.to_owned(), names, arrow));
        } else if first == "subgraph" {
            let number = rest[1..rest.find('[').expect("a title")].to_owned();
            chart.groups.insert(number.clone(), unescaped(between_quotes(rest)));
            group = Some(number);
        } else if first == "end" {
            group = None;
        } else if let Some(start) = line.find(['[', '(']) {
            let look = match line.rsplit_once(":::").map_or("", |(_, class)| class) {
                "" | "network" | "private" => Look::Plain,
                "running" => Look::Running,
                "waiting" => Look::Waiting,
                "stopped" => Look::Stopped,
                "missing" => Look::Missing,
                "foreign" => Look::Foreign,
                other => panic!("class {other}"),
            };
            let thing = (parts(between_quotes(line)), look, group.clone());
            let again = chart.things.insert(line[..start].to_owned(), thing);
            assert_eq!(again, None, "{line}");
        } else {
            assert!(["%%", "classDef", "class", "linkStyle"].contains(&first), "{line}");
        }
    }
    chart.lines.sort();
    chart
}

/// The value of `label` among the attributes in `text`, line by line; none where it has no label.
fn label(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("[label=\"") else {
        return Vec::new();
    };
    let mut lines = vec![String::new()];
    let mut characters = rest.chars();
    loop {
        let c = match characters.next().expect("a closing quote") {
            '"' => return lines,
            '\\' => match characters.next().expect("something escaped") {
                'n' => {
                    lines.push(String::new());
                    continue;
                }
                c => c,
            },
            c => c,
        };
        lines.last_mut().expect("a line").push(c);
    }
}

/// A Graphviz graph, read (graphviz.org, "DOT Language").
fn dot(text: &str) -> Chart {
    let mut chart = Chart::default();
    let mut group: Option<String> = None;
    for line in text.lines().skip(1).map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["subgraph", name, "{"] => group = Some(name.trim_start_matches("cluster").to_owned()),
            ["}"] => group = None,
            ["graph", ..] => {
                if let Some(group) = &group {
                    chart.groups.insert(group.clone(), label(line).join("\n"));
                }
            }
            ["node" | "edge", ..] => {}
            [from, "--", to, ..] => {
                let arrow = line.contains("dir=forward");
                let to = to.trim_end_matches(';').to_owned();
                chart.lines.push((from.to_owned(), to, label(line), arrow));
            }
            [id, ..] => {
                let paint = line.rsplit_once("\", ").map_or("", |(_, paint)| paint);
                let look = if line.contains("style=\"rounded,dashed\"") {
                    Look::Missing
                } else if line.contains("#1a7f37") {
                    Look::Running
                } else if line.contains("#9a6700") {
                    Look::Waiting
                } else if line.contains("#ffebe9") {
                    Look::Stopped
                } else if line.contains("#afb8c1") {
                    Look::Foreign
                } else {
                    assert!(!paint.contains("#cf222e"), "{line}");
                    Look::Plain
                };
                let again = chart.things.insert(id.to_owned(), (label(line), look, group.clone()));
                assert_eq!(again, None, "{line}");
            }
            [] => panic!("a blank line"),
        }
    }
    chart.lines.sort();
    chart
}

/// All there is to draw: blueprints, and what became of them.
fn scenes() -> Vec<(Topology, Option<Observed>)> {
    let (topology, observed) = disturbed();
    vec![
        (lab(0), None),
        (lab(3), None),
        (lab(50), None),
        (lab(2), Some(running(&lab(2)))),
        (lab(1), Some(Observed::default())),
        (shop(), None),
        (shop(), Some(running(&shop()))),
        (topology, Some(observed)),
    ]
}

#[test]
fn flowcharts_say_what_is_there() {
    for (topology, observed) in scenes() {
        let scene = Scene::of(&graph::graph(&topology, observed.as_ref()), false);
        assert!(!scene.panels.is_empty());
        let text = drawn(&topology, observed.as_ref(), Format::Mermaid);
        assert_eq!(mermaid(&text), expected(&scene, false), "{text}");
        let text = drawn(&topology, observed.as_ref(), Format::Dot);
        assert_eq!(dot(&text), expected(&scene, true), "{text}");
    }
}

/// A list in JSON; what is left out is empty.
fn list<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json.get(key).map_or(&[], |list| list.as_array().expect("a list"))
}

fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json[key].as_str().unwrap_or_else(|| panic!("no {key} in {json}"))
}

/// JSON is for programs, which are to find all that a blueprint says, by the names that it has in the engine.
#[test]
fn json_says_what_the_blueprint_does() {
    for topology in [lab(0), lab(3), shop()] {
        let json: Json = serde_json::from_str(&drawn(&topology, None, Format::Json)).expect("JSON");
        assert_eq!(
            (text(&json, "cluster"), &json["live"]),
            (topology.cluster.as_str(), &Json::Bool(false))
        );
        let nodes = list(&json, "nodes");
        assert_eq!(nodes.len(), topology.nodes.len());
        for (shown, node) in nodes.iter().zip(&topology.nodes) {
            let of = ["name", "role", "project"].map(|key| text(shown, key));
            assert_eq!(of, [node.name.as_str(), node.role.as_str(), node.project.as_str()]);
            let names: Vec<&str> = list(shown, "networks").iter().map(|n| text(n, "name")).collect();
            let own: Vec<&str> = node.networks.iter().map(|n| n.name.as_str()).collect();
            assert_eq!(names, own);
            let services = list(shown, "services");
            assert_eq!(services.len(), node.services.len());
            for (shown, service) in services.iter().zip(&node.services) {
                assert_eq!(text(shown, "name"), service.name.as_str());
                let names: Vec<&str> = list(shown, "containers").iter().map(|c| text(c, "name")).collect();
                let own: Vec<String> = service.containers().map(|c| c.to_string()).collect();
                assert_eq!(names, own);
                let joins = list(shown, "joins").iter().map(|join| {
                    let names: BTreeSet<&str> = list(join, "names").iter().filter_map(Json::as_str).collect();
                    (text(join, "network"), join["shared"] == Json::Bool(false), names)
                });
                let expected = service.attachments.iter().map(|attachment| {
                    let network = topology.network(node, &attachment.network).expect("a network");
                    let own = node.networks.iter().any(|n| n.name == network.name);
                    let names = attachment.aliases.iter().map(|a| a.as_str());
                    let names = names.filter(|name| !own || *name != service.name.as_str());
                    (network.name.as_str(), own, names.collect())
                });
                assert_eq!(
                    joins.collect::<BTreeSet<_>>(),
                    expected.collect::<BTreeSet<_>>(),
                    "{shown}"
                );
            }
        }
    }
}

/// What is on the engine is in it once, in the state that it is in; what is not there is missing.
#[test]
fn json_says_what_the_engine_does() {
    let (topology, observed) = disturbed();
    let json: Json = serde_json::from_str(&drawn(&topology, Some(&observed), Format::Json)).expect("JSON");
    assert_eq!(json["live"], Json::Bool(true));
    let nodes = list(&json, "nodes");
    let services = nodes.iter().flat_map(|n| list(n, "services"));
    let containers: Vec<&Json> = services.flat_map(|s| list(s, "containers")).collect();
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for container in &containers {
        match text(container, "standing") {
            "missing" => assert_eq!(container.get("state"), None, "{container}"),
            _ => shown.push((text(container, "name"), text(container, "state"))),
        }
    }
    shown.sort_unstable();
    let state = |c: &topogen::cluster::ObservedContainer| format!("{:?}", c.state).to_lowercase();
    let mut there: Vec<(&str, String)> = observed
        .containers
        .iter()
        .map(|c| (c.name.as_str(), state(c)))
        .collect();
    there.sort_unstable();
    let there: Vec<(&str, &str)> = there.iter().map(|(name, state)| (*name, state.as_str())).collect();
    assert_eq!(shown, there);
    let unwanted: Vec<&str> = containers
        .iter()
        .filter(|c| text(c, "standing") == "unwanted")
        .map(|c| text(c, "name"))
        .collect();
    assert!(unwanted.contains(&"master-service_9-1"), "{unwanted:?}");
    let missing: Vec<&str> = containers
        .iter()
        .filter(|c| text(c, "standing") == "missing")
        .map(|c| text(c, "name"))
        .collect();
    assert_eq!(missing, ["slave2-service_4-1"]);
    // Others on the networks that nodes share, and on those of one node.
    let foreign = nodes
        .iter()
        .flat_map(|n| list(n, "foreign"))
        .chain(list(&json, "foreign"));
    let names: BTreeSet<&str> = foreign
        .filter(|f| f["ours"] == Json::Bool(false))
        .map(|f| text(f, "name"))
        .collect();
    assert_eq!(names, ["proxy", "web-1"].into());
    // A name that was taken away.
    let services = nodes.iter().flat_map(|n| list(n, "services"));
    let lost: Vec<&str> = services
        .flat_map(|s| list(s, "joins"))
        .flat_map(|join| list(join, "lost"))
        .filter_map(Json::as_str)
        .collect();
    assert_eq!(lost, ["slave3"]);
    let unhealthy = containers
        .iter()
        .filter(|c| c.get("health") == Some(&"unhealthy".into()));
    assert_eq!(
        unhealthy.map(|c| text(c, "name")).collect::<Vec<_>>(),
        ["slave4-service_5-1"]
    );
}
