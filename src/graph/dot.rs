//! Writes a picture in the DOT language (graphviz.org, "DOT Language").

use crate::text::is_hidden;
use std::fmt::Write;

use super::model::{Look, Place};
use super::panel::{Cable, Item, Panel, Scene, Tap};

/// The DOT text of `scene`.
#[must_use]
pub fn write(scene: &Scene) -> String {
    let mut text = String::new();
    let summary: Vec<&str> = scene.summary.iter().map(|(t, _)| t.as_str()).collect();
    let title = match scene.title.as_str() {
        "" => summary.join(", "),
        title => format!("{title}: {}", summary.join(", ")),
    };
    let _ = writeln!(text, "graph {} {{", quoted(&scene.title));
    let _ = writeln!(
        text,
        "  graph [label={}, labelloc=t, labeljust=l, rankdir=LR, nodesep=0.15, ranksep=0.6];",
        quoted(&title)
    );
    text.push_str(
        "  graph [fontname=\"monospace\", fontsize=12, style=rounded, color=\"#818b98\"];
  node [fontname=\"monospace\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#818b98\"];
  edge [fontname=\"monospace\", fontsize=10, color=\"#818b98\", arrowsize=0.7];\n",
    );
    for (at, network) in scene.networks.iter().enumerate() {
        let label = match network.note.as_str() {
            "" => network.label.clone(),
            note => format!("{}\n{note}", network.label),
        };
        let _ = writeln!(
            text,
            "  net{at} [label={}, tooltip={}, height=1.5, style=filled, {}];",
            quoted(&label),
            quoted(&network.details),
            painted(network.look, "fillcolor=\"#ddf4ff\", color=\"#0969da\", penwidth=2")
        );
    }
    for (at, panel) in scene.panels.iter().enumerate() {
        self::panel(&mut text, at, panel);
    }
    for (at, cable) in scene.cables.iter().enumerate() {
        self::cable(&mut text, at, cable);
    }
    text.push_str("}\n");
    text
}

fn panel(text: &mut String, at: usize, panel: &Panel) {
    let title = match panel.note.as_str() {
        "" => panel.title.clone(),
        note => format!("{} · {note}", panel.title),
    };
    let _ = writeln!(text, "  subgraph cluster{at} {{");
    let _ = writeln!(
        text,
        "    graph [label={}, tooltip={}{}];",
        quoted(&title),
        quoted(&panel.details),
        match panel.look {
            Look::Missing => ", style=\"rounded,dashed\", color=\"#cf222e\"",
            Look::Foreign => ", style=\"rounded,dotted\"",
            _ => "",
        }
    );
    for (item, i) in panel.items.iter().enumerate() {
        let label = match i.remark.as_str() {
            "" => i.name.clone(),
            remark => format!("{}\n{remark}", i.name),
        };
        let paint = match painted(i.look, "") {
            "" => String::new(),
            paint => format!(", {paint}"),
        };
        let (label, tooltip) = (quoted(&label), quoted(&i.details));
        let _ = writeln!(text, "    n{at}s{item} [label={label}, tooltip={tooltip}{paint}];");
    }
    for (own, network) in panel.networks.iter().enumerate() {
        let _ = writeln!(
            text,
            "    n{at}p{own} [label={}, tooltip={}, shape=ellipse, style=filled, height=0.3, {}];",
            quoted(&network.label),
            quoted(&network.details),
            painted(network.look, "fillcolor=\"#eaeef2\"")
        );
    }
    for (item, i) in panel.items.iter().enumerate() {
        for tap in i.taps.iter().filter(|t| matches!(t.place, Place::Own(_))) {
            let _ = writeln!(text, "    {}", edge(at, item, i, tap));
        }
    }
    let _ = writeln!(text, "  }}");
    for (item, i) in panel.items.iter().enumerate() {
        for tap in i.taps.iter().filter(|t| matches!(t.place, Place::Shared(_))) {
            let _ = writeln!(text, "  {}", edge(at, item, i, tap));
        }
    }
}

/// A link: a line between two items, or a hub with a line to each of more.
fn cable(text: &mut String, at: usize, cable: &Cable) {
    let style = match cable.look {
        Look::Missing => "style=dashed, color=\"#cf222e\"",
        Look::Foreign => "style=dotted",
        _ => "color=\"#8250df\"",
    };
    let (label, tooltip) = (quoted(&cable.label), quoted(&cable.details));
    if let [(one, item), (other, its)] = cable.ends[..] {
        let _ = writeln!(
            text,
            "  n{one}s{item} -- n{other}s{its} [label={label}, tooltip={tooltip}, {style}];"
        );
        return;
    }
    let _ = writeln!(
        text,
        "  link{at} [label={label}, tooltip={tooltip}, shape=ellipse, {style}];"
    );
    for (panel, item) in &cable.ends {
        let _ = writeln!(text, "  n{panel}s{item} -- link{at} [{style}];");
    }
}

/// A line, with an arrow if the service has no name on the network, so that it is only an exit. Private services rank
/// before their network, entries and exits after it, and shared networks after all.
fn edge(panel: usize, at: usize, item: &Item, tap: &Tap) -> String {
    let service = format!("n{panel}s{at}");
    let (from, to, shared) = match tap.place {
        Place::Shared(network) => (service, format!("net{network}"), true),
        Place::Own(network) if item.is_gate() => (format!("n{panel}p{network}"), service, false),
        Place::Own(network) => (service, format!("n{panel}p{network}"), false),
    };
    let mut attributes = Vec::new();
    if !tap.names.is_empty() {
        attributes.push(format!("label={}", quoted(&tap.names.join("\n"))));
    }
    match tap.look {
        Look::Missing => attributes.push("style=dashed, color=\"#cf222e\"".to_owned()),
        Look::Foreign => attributes.push("style=dotted".to_owned()),
        _ if shared => attributes.push("color=\"#0969da\"".to_owned()),
        _ => {}
    }
    if shared && tap.names.is_empty() && tap.look != Look::Foreign {
        attributes.push("dir=forward".to_owned());
    }
    let attributes = match attributes.is_empty() {
        true => String::new(),
        false => format!(" [{}]", attributes.join(", ")),
    };
    format!("{from} -- {to}{attributes};")
}

fn painted(look: Look, plain: &'static str) -> &'static str {
    match look {
        Look::Plain => plain,
        Look::Running => "fillcolor=\"#dafbe1\", color=\"#1a7f37\"",
        Look::Waiting => "fillcolor=\"#fff8c5\", color=\"#9a6700\"",
        Look::Stopped => "fillcolor=\"#ffebe9\", color=\"#cf222e\"",
        Look::Missing => "style=\"rounded,dashed\", color=\"#cf222e\", fontcolor=\"#cf222e\"",
        Look::Foreign => "fillcolor=\"#eaeef2\", color=\"#afb8c1\", fontcolor=\"#59636e\"",
    }
}

/// `text` as a quoted identifier whose lines are centred.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if is_hidden(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
