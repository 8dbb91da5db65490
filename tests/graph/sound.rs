//! What must hold of every picture: nothing overlaps, nothing is cut, and every format can be read.

use proptest::prelude::*;
use topogen::cluster::Observed;
use topogen::graph::layout::{self, Metrics, Picture, Rect, Text};
use topogen::graph::panel::Scene;
use topogen::graph::{self, Format};
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;

use super::observed::{disturbed, running};
use super::{TEXT, drawn, shop};
use crate::support::{expanded, lab};

/// What must hold of every picture, of pixels or cells.
fn check(picture: &Picture) {
    let apart = |a: &Rect, b: &Rect| a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
    let inside = |a: &Rect, b: &Rect| b.x <= a.x && a.x + a.w <= b.x + b.w && b.y <= a.y && a.y + a.h <= b.y + b.h;
    let page = Rect {
        x: 0,
        y: 0,
        w: picture.width,
        h: picture.height,
    };
    let frames = || picture.frames.iter();
    let mut boxes: Vec<Rect> = Vec::new();
    let mut texts: Vec<&Text> = picture.heading.iter().collect();
    for (at, frame) in frames().enumerate() {
        assert!(
            inside(&frame.rect, &page),
            "a node leaves the picture: {:?}",
            frame.texts
        );
        for other in frames().skip(at + 1) {
            assert!(apart(&frame.rect, &other.rect), "nodes overlap: {:?}", frame.texts);
        }
        for cell in &frame.cells {
            assert!(
                inside(&cell.rect, &frame.rect),
                "an item leaves its node: {:?}",
                cell.texts
            );
            assert!(
                boxes.iter().all(|b| apart(b, &cell.rect)),
                "items overlap: {:?}",
                cell.texts
            );
            assert!(
                cell.texts.iter().all(|t| inside(&t.rect, &cell.rect)),
                "a text leaves its item: {:?}",
                cell.texts
            );
            boxes.push(cell.rect);
            texts.extend(&cell.texts);
        }
        let labels = frame.bars.iter().flat_map(|b| &b.labels);
        let labels = labels
            .chain(frame.lines.iter().flat_map(|l| &l.labels))
            .chain(&frame.texts);
        for text in labels {
            assert!(inside(&text.rect, &frame.rect), "a text leaves its node: {text:?}");
            texts.push(text);
        }
    }
    let outside = picture.rails.iter().flat_map(|b| &b.labels);
    let outside = outside.chain(picture.drops.iter().flat_map(|d| &d.labels));
    for text in outside.chain(&picture.heading) {
        assert!(inside(&text.rect, &page), "a text leaves the picture: {text:?}");
        assert!(
            frames().all(|f| apart(&f.rect, &text.rect)),
            "a text lies on a node: {text:?}"
        );
        texts.push(text);
    }
    texts.sort_by_key(|t| t.rect.y);
    texts.dedup_by_key(|t| std::ptr::from_ref(*t));
    for (at, text) in texts.iter().enumerate() {
        for other in texts[at + 1..].iter().filter(|o| !std::ptr::eq(**o, *text)) {
            assert!(apart(&text.rect, &other.rect), "texts overlap: {text:?} and {other:?}");
        }
    }
    // A line keeps off every item but the one that it begins at, and off every text.
    let lines = || {
        frames()
            .flat_map(|f| &f.lines)
            .chain(&picture.drops)
            .chain(&picture.trunks)
    };
    for line in lines() {
        let way = Rect {
            x: line.x,
            y: line.y1,
            w: 1,
            h: line.y2 - line.y1,
        };
        assert!(way.h >= 0, "a line upside down: {line:?}");
        assert!(
            boxes.iter().all(|b| apart(b, &way)),
            "a line runs through an item: {line:?}"
        );
        let titles = || frames().flat_map(|f| &f.texts);
        assert!(
            texts.iter().all(|t| apart(&t.rect, &way)) && titles().all(|t| apart(&t.rect, &way)),
            "a line runs through a text: {line:?}"
        );
    }
    // Two lines on each other are one to whoever looks, unless they meet at a bar.
    let all: Vec<&layout::Line> = lines().collect();
    for (at, line) in all.iter().enumerate() {
        for other in all[at + 1..].iter().filter(|o| o.x == line.x) {
            let over = line.y2.min(other.y2) - line.y1.max(other.y1);
            assert!(over <= 0, "lines on each other: {line:?} and {other:?}");
        }
    }
}

fn pictures(topology: &Topology, observed: Option<&Observed>) {
    for unfold in [false, true] {
        let scene = Scene::of(&graph::graph(topology, observed), unfold);
        for metrics in [Metrics::PIXELS, Metrics::cells(120), Metrics::cells(60)] {
            check(&layout::picture(&scene, &metrics));
        }
    }
    for format in [Format::Svg, Format::Mermaid, Format::Dot, TEXT, Format::Json] {
        let text = drawn(topology, observed, format);
        match format {
            Format::Svg => well_formed(&text),
            Format::Text { .. } => assert!(!text.contains('?'), "no character for a crossing:\n{text}"),
            _ => {}
        }
    }
}

fn well_formed(text: &str) {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(document.root_element().tag_name().name(), "svg");
}

#[test]
fn nothing_overlaps() {
    for slaves in [0, 1, 3, 10, 50] {
        pictures(&lab(slaves), None);
        pictures(&lab(slaves), Some(&running(&lab(slaves))));
        pictures(&lab(slaves), Some(&Observed::default()));
    }
    pictures(&shop(), None);
    let (topology, observed) = disturbed();
    pictures(&topology, Some(&observed));
}

/// A service: how long its name is, which networks it is on, its aliases, its ports.
fn a_service() -> impl Strategy<Value = (usize, u8, usize, usize)> {
    (1..40usize, 0..32u8, 0..6usize, 0..6usize)
}

/// A role: how many nodes, how long its name is, its services.
type Made = (Option<u32>, usize, Vec<(usize, u8, usize, usize)>);

fn a_role() -> impl Strategy<Value = Made> {
    (
        proptest::option::of(0..9u32),
        1..30usize,
        proptest::collection::vec(a_service(), 1..9),
    )
}

/// A blueprint of such roles.
fn blueprint(roles: &[Made]) -> String {
    let mut text = String::from("roles:\n");
    for (at, (count, length, services)) in roles.iter().enumerate() {
        let role = format!("r{at}{}", "x".repeat(*length));
        text +=
            &format!("  {role}:\n    networks: {{back: , metrics: {{name: metrics}}, office: {{external: true}}}}\n");
        if let Some(count) = count {
            text += &format!("    count: {count}\n");
        }
        text += "    services:\n";
        for (at, (length, networks, aliases, ports)) in services.iter().enumerate() {
            text += &format!("      s{at}{}:\n        image: i\n", "y".repeat(*length));
            let ports: Vec<String> = (0..*ports).map(|p| (8000 + p).to_string()).collect();
            text += &format!("        expose: [{}]\n", ports.join(", "));
            let names = ["internal", "back", "metrics", "office", "inout"];
            let chosen: Vec<&str> = names
                .into_iter()
                .enumerate()
                .filter(|(n, _)| networks & (1 << n) > 0)
                .map(|(_, n)| n)
                .collect();
            if chosen.is_empty() {
                text += "        network_mode: none\n";
                continue;
            }
            text += "        networks:\n";
            for network in chosen {
                let aliases = (0..*aliases).map(|n| format!("\"{{{{ node.name }}}}-{at}-{n}-{network}\""));
                text += &format!(
                    "          {network}: {{aliases: [{}]}}\n",
                    aliases.collect::<Vec<_>>().join(", ")
                );
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn nothing_ever_overlaps(roles in proptest::collection::vec(a_role(), 1..5)) {
        let topology = expanded(&blueprint(&roles), &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
        pictures(&topology, None);
        pictures(&topology, Some(&running(&topology)));
    }

    #[test]
    fn any_text_can_stand_in_a_picture(mode in "[^\\n\\r{}$]{1,30}") {
        let mode = serde_json::to_string(&mode).expect("JSON");
        let text = format!("roles: {{a: {{services: {{x: {{image: {mode}, network_mode: {mode}}}}}}}}}");
        // Not every text is YAML, or a template.
        if let Ok(topology) = expanded(&text, &Overrides::default()) {
            well_formed(&drawn(&topology, None, Format::Svg));
            let dot = drawn(&topology, None, Format::Dot);
            let open = dot.replace("\\\\", "").replace("\\\"", "").matches('"').count();
            prop_assert_eq!(open % 2, 0, "{}", dot);
            let mermaid = drawn(&topology, None, Format::Mermaid);
            let item = mermaid.lines().find(|l| l.contains("n0s0[")).expect("an item");
            prop_assert_eq!(item.matches('"').count(), 2, "{}", item);
        }
    }
}
