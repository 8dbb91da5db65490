//! The layout of the shape: small boxes in rows, and the links between them.
//!
//! Two neighbours of a row are linked side by side. Any other link runs through the channel below a row: from the bottom of a
//! box down to a track of its own, along it, and to the bottom of another box or to the top of one in the next row. Lines
//! from above and from below keep to columns of their own, so that no two of them lie on each other.

use std::collections::HashMap;

use super::{Anchor, Frame, Hue, Metrics, Rect, Size, Text, Wire, WireEnd, shortened};
use crate::graph::model::Look;
use crate::graph::shape::{Shape, Stand};

/// What was laid out, from the place it was given on.
pub(super) struct Laid {
    pub(super) frames: Vec<Frame>,
    pub(super) wires: Vec<Wire>,
    pub(super) w: i32,
    pub(super) h: i32,
}

/// Places all parts of `shape` one below the other, with their corner at `(left, top)`.
pub(super) fn shape(shape: &Shape, m: &Metrics, (left, top): (i32, i32), room: i32) -> Laid {
    let mut laid = Laid {
        frames: Vec::new(),
        wires: Vec::new(),
        w: 0,
        h: 0,
    };
    for stand in &shape.parts {
        if laid.h > 0 {
            laid.h += m.bundle_gap;
        }
        let mut part = Part::new(shape, stand, m, room);
        part.draw((left, top + laid.h));
        laid.w = laid.w.max(part.w);
        laid.h += part.h;
        laid.frames.extend(part.frames);
        laid.wires.extend(part.wires);
    }
    laid
}

/// A row of boxes, by the indices of their nodes; `None` where it has a gap.
type Row = Vec<Option<usize>>;

/// Where a line meets the top or the bottom of a box.
#[derive(Clone, Copy)]
struct Port {
    link: usize,
    x: i32,
    /// Whether the link's name stands beside it.
    named: bool,
    look: Look,
}

/// The ports on one side of each box, by node.
type Ports = HashMap<usize, Vec<Port>>;

struct Part<'a> {
    shape: &'a Shape,
    m: &'a Metrics,
    rows: Vec<Row>,
    below: Ports,
    above: Ports,
    /// The links of two neighbours of a row, by the left one.
    beside: HashMap<usize, (usize, usize)>,
    /// The links in the channel below each row.
    channels: Vec<Vec<usize>>,
    /// Whether links have their names beside them.
    named: bool,
    boxes: HashMap<usize, Rect>,
    frames: Vec<Frame>,
    wires: Vec<Wire>,
    w: i32,
    h: i32,
}

impl<'a> Part<'a> {
    fn new(shape: &'a Shape, stand: &Stand, m: &'a Metrics, room: i32) -> Self {
        let mut part = Self {
            shape,
            m,
            rows: Vec::new(),
            below: Ports::new(),
            above: Ports::new(),
            beside: HashMap::new(),
            channels: Vec::new(),
            named: true,
            boxes: HashMap::new(),
            frames: Vec::new(),
            wires: Vec::new(),
            w: 0,
            h: 0,
        };
        match stand {
            Stand::Line(all) => {
                part.stand(snake(all, all.len(), false));
                let slot = part.rows.first().map_or(1, |row| part.slot(row));
                let fits = usize::try_from((room + part.gap()) / slot.max(1))
                    .unwrap_or_default()
                    .max(1);
                if fits < all.len() {
                    part.stand(snake(all, fits, false));
                }
            }
            Stand::Ring(all) => {
                part.stand(snake(all, all.len().div_ceil(2), true));
                if part.width() > room {
                    part.stand(ladder(all));
                }
            }
            Stand::Rows(rows) => part.stand(rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect()),
        }
        // What is too wide with the names of its links may fit without them.
        part.named = part.width() <= room;
        part
    }

    /// Lets the boxes stand in `rows`, and finds where each link runs then.
    fn stand(&mut self, rows: Vec<Row>) {
        self.rows = rows;
        (self.below, self.above, self.beside) = (Ports::new(), Ports::new(), HashMap::new());
        self.channels = vec![Vec::new(); self.rows.len()];
        let filled: Vec<Vec<usize>> = self
            .rows
            .iter()
            .map(|row| row.iter().flatten().copied().collect())
            .collect();
        let places = filled.iter().enumerate().flat_map(|(row, nodes)| {
            let of = move |(place, node): (usize, &usize)| (*node, (row, place));
            nodes.iter().enumerate().map(of)
        });
        let places: HashMap<usize, (usize, usize)> = places.collect();
        for (link, edge) in self.shape.links.iter().enumerate() {
            let ends = edge
                .ends
                .iter()
                .filter_map(|(node, look)| Some((*places.get(node)?, *node, *look)));
            let mut ends: Vec<((usize, usize), usize, Look)> = ends.collect();
            ends.sort_unstable_by_key(|(place, ..)| *place);
            let Some(((channel, _), ..)) = ends.first().copied() else {
                continue;
            };
            if let [((row, one), left, _), ((same, other), right, _)] = ends[..]
                && row == same
                && one + 1 == other
                && !self.beside.contains_key(&left)
            {
                self.beside.insert(left, (right, link));
                continue;
            }
            self.channels[channel].push(link);
            for (index, ((row, _), node, look)) in ends.into_iter().enumerate() {
                let side = if row == channel {
                    &mut self.below
                } else {
                    &mut self.above
                };
                side.entry(node).or_default().push(Port {
                    link,
                    x: 0,
                    named: index == 0,
                    look,
                });
            }
        }
    }

    /// The distance of two lines that lie beside each other; boxes and lines keep to a grid of it.
    fn step(&self) -> i32 {
        2 * self.m.tap
    }

    fn on_grid(&self, length: i32) -> i32 {
        let step = self.step();
        (length + step - 1) / step * step
    }

    /// The width of the name of a link; 0 if it has none in the picture.
    fn name_width(&self, link: usize) -> i32 {
        self.m.width_of(&self.name(link), Size::Small)
    }

    fn name(&self, link: usize) -> String {
        match self.named {
            true => shortened(&self.shape.links[link].label, self.m.longest),
            false => String::new(),
        }
    }

    fn title(&self, node: usize) -> String {
        shortened(&self.shape.nodes[node].title, self.m.longest)
    }

    /// What a port takes of the width of its box.
    fn port_width(&self, port: &Port) -> i32 {
        let m = self.m;
        match self.name_width(port.link) {
            width if port.named && width > 0 => self.on_grid(m.label_gap + width + m.label_end),
            _ => self.step(),
        }
    }

    fn box_width(&self, node: usize) -> i32 {
        let m = self.m;
        let title = m.width_of(&self.title(node), Size::Title) + 2 * m.inset;
        let side = |ports: &Ports| {
            ports
                .get(&node)
                .into_iter()
                .flatten()
                .map(|p| self.port_width(p))
                .sum::<i32>()
        };
        let ports = side(&self.below).max(side(&self.above));
        self.on_grid(title.max(ports + 2 * self.step()))
    }

    fn box_height(&self) -> i32 {
        self.m.item[0]
    }

    /// Between two boxes of a row: room for the name of a link between them, and for one that sticks out of a box.
    fn gap(&self) -> i32 {
        let m = self.m;
        let beside = self
            .beside
            .values()
            .map(|(_, link)| self.name_width(*link) + 2 * m.label_end + 2 * m.tap);
        let last = self
            .below
            .values()
            .filter_map(|ports| ports.iter().map(|p| self.port_width(p)).max());
        let widest = beside.chain(last.map(|w| w / 2)).max().unwrap_or_default();
        self.on_grid(widest.max(m.node_gap).max(2 * self.step()))
    }

    /// What a box of `row` and the gap beside it take of the width.
    fn slot(&self, row: &Row) -> i32 {
        row.iter()
            .flatten()
            .map(|node| self.box_width(*node))
            .max()
            .unwrap_or_default()
            + self.gap()
    }

    /// The width that the row which needs most has to have.
    fn width(&self) -> i32 {
        let needed = self
            .rows
            .iter()
            .map(|row| self.slot(row) * i32::try_from(row.len()).unwrap_or(i32::MAX));
        needed.max().unwrap_or_default() - self.gap()
    }

    fn draw(&mut self, (left, top): (i32, i32)) {
        self.place_boxes(left, top);
        (self.below, self.above) = (
            self.placed(&self.below, left, 0),
            self.placed(&self.above, left, self.m.tap),
        );
        self.straighten();
        let mut y = top;
        for at in 0..self.rows.len() {
            let row: Vec<usize> = self.rows[at].iter().flatten().copied().collect();
            for node in &row {
                if let Some(rect) = self.boxes.get_mut(node) {
                    rect.y = y;
                }
                self.frame(*node);
            }
            self.link_neighbours(&row);
            y = self.channel(at, y + self.box_height());
        }
        self.h = y - top;
        let boxes = self.boxes.values().map(|b| b.x + b.w);
        let labels = self.wires.iter().flat_map(|w| &w.labels).map(|l| l.rect.x + l.rect.w);
        self.w = boxes.chain(labels).max().unwrap_or(left) - left;
    }

    /// Spreads the boxes of each row over the whole width.
    fn place_boxes(&mut self, left: i32, top: i32) {
        let (all, gap, step) = (self.width() + self.gap(), self.gap(), self.step());
        for row in &self.rows {
            let count = i32::try_from(row.len()).unwrap_or(i32::MAX).max(1);
            for (at, node) in (0..).zip(row) {
                let Some(node) = node else { continue };
                let w = self.box_width(*node);
                let middle = all * (2 * at + 1) / (2 * count) - gap / 2;
                let x = left + (middle - w / 2).max(0) / step * step;
                let h = self.box_height();
                self.boxes.insert(*node, Rect { x, y: top, w, h });
            }
        }
    }

    /// The ports of one side with their columns, those of each box in the order of where they lead. They are `odd` off the grid.
    fn placed(&self, side: &Ports, left: i32, odd: i32) -> Ports {
        let middle = |node: &usize| self.boxes.get(node).map_or(left, |b| b.x + b.w / 2);
        let mut placed = Ports::new();
        for (node, ports) in side {
            let toward = |port: &Port| {
                let ends = self.shape.links[port.link].ends.iter().map(|(other, _)| other);
                let others: Vec<i32> = ends.filter(|other| *other != node).map(middle).collect();
                let count = i32::try_from(others.len()).unwrap_or(i32::MAX);
                (others.iter().sum::<i32>() / count.max(1), port.link)
            };
            let mut ports = ports.clone();
            ports.sort_by_key(toward);
            let widths: Vec<i32> = ports.iter().map(|p| self.port_width(p)).collect();
            // The name of the last one may stick out, so that a single line stands in the middle.
            let span: i32 = widths.iter().rev().skip(1).sum();
            let rect = self.boxes.get(node).copied().unwrap_or(Rect {
                x: left,
                y: 0,
                w: 0,
                h: 0,
            });
            let mut x = rect.x + (rect.w - span) / 2 / self.step() * self.step() - odd;
            for (port, width) in ports.iter_mut().zip(widths) {
                port.x = x;
                x += width;
            }
            placed.insert(*node, ports);
        }
        placed
    }

    /// Lets a link of two run straight down where both boxes have room in one column.
    fn straighten(&mut self) {
        let below: HashMap<usize, i32> = {
            let mut all: HashMap<usize, Vec<i32>> = HashMap::new();
            self.below
                .values()
                .flatten()
                .for_each(|p| all.entry(p.link).or_default().push(p.x));
            let single = all
                .into_iter()
                .filter_map(|(link, xs)| Some((link, *xs.first().filter(|_| xs.len() == 1)?)));
            single.collect()
        };
        let (tap, step) = (self.m.tap, self.step());
        for (node, ports) in &mut self.above {
            let Some(rect) = self.boxes.get(node) else { continue };
            for port in ports {
                let pair = self.shape.links[port.link].ends.len() == 2;
                if let Some(x) = below.get(&port.link).filter(|_| pair)
                    && rect.x + tap <= *x
                    && *x <= rect.x + rect.w - step
                {
                    port.x = *x;
                }
            }
        }
    }

    fn frame(&mut self, node: usize) {
        let (m, corner) = (self.m, &self.shape.nodes[node]);
        let Some(rect) = self.boxes.get(&node).copied() else {
            return;
        };
        let y = rect.y + (rect.h - m.height_of(Size::Title)) / 2;
        let mut title = m.place(&self.title(node), Size::Title, Anchor::Middle, rect.x + rect.w / 2, y);
        title.look = corner.look;
        self.frames.push(Frame {
            rect,
            texts: vec![title],
            look: corner.look,
            details: corner.details.clone(),
            nodes: vec![corner.title.clone()],
            stacked: false,
            lower: false,
            cells: Vec::new(),
            bars: Vec::new(),
            lines: Vec::new(),
        });
    }

    /// The links between neighbours of a `row`, each with its name above it.
    fn link_neighbours(&mut self, row: &[usize]) {
        let m = self.m;
        for left in row {
            let Some((right, link)) = self.beside.get(left).copied() else {
                continue;
            };
            let (Some(one), Some(other)) = (self.boxes.get(left), self.boxes.get(&right)) else {
                continue;
            };
            let (x1, x2, y) = (one.x + one.w, other.x, one.y + one.h / 2);
            let top = y - m.height_of(Size::Small) - m.clear / 2;
            let label = m.place(&self.name(link), Size::Small, Anchor::Middle, (x1 + x2) / 2, top);
            let mut wire = self.wire(link, (x1, x2, y), vec![label]);
            let ends = &self.shape.links[link].ends;
            wire.look = ends
                .iter()
                .map(|(_, look)| *look)
                .find(|l| *l != Look::Plain)
                .unwrap_or(wire.look);
            wire.beside = true;
            self.wires.push(wire);
        }
    }

    /// The links below the row `at`, whose boxes end at `top`. Returns where the next row may begin.
    fn channel(&mut self, at: usize, top: i32) -> i32 {
        let m = self.m;
        let last = at + 1 == self.rows.len();
        let nodes = |row: Option<&Row>| row.into_iter().flatten().flatten().copied().collect::<Vec<usize>>();
        let (upper, lower) = (nodes(self.rows.get(at)), nodes(self.rows.get(at + 1)));
        let of = |nodes: &[usize], ports: &Ports, link: usize| -> Vec<Port> {
            let all = nodes.iter().filter_map(|node| ports.get(node)).flatten();
            all.filter(|p| p.link == link).copied().collect()
        };
        let mut runs: Vec<(usize, Vec<Port>, Vec<Port>)> = self.channels[at]
            .iter()
            .map(|link| (*link, of(&upper, &self.below, *link), of(&lower, &self.above, *link)))
            .collect();
        if runs.is_empty() {
            return if last { top } else { top + m.bundle_gap };
        }
        let extent = |(_, down, up): &(usize, Vec<Port>, Vec<Port>)| {
            let xs = down.iter().chain(up).map(|p| p.x);
            (xs.clone().min().unwrap_or_default(), xs.max().unwrap_or_default())
        };
        runs.sort_by_key(|run| extent(run));
        let named = runs.iter().any(|(link, ..)| self.name_width(*link) > 0);
        let first = top + m.clear + if named { m.height_of(Size::Small) } else { 0 } + m.before_rail;
        let track_step = m.before_rail.max(1);
        // Where each track is taken up to.
        let mut tracks: Vec<i32> = Vec::new();
        let mut made = Vec::new();
        for run in &runs {
            let (x1, x2) = extent(run);
            let straight = x1 == x2 && !run.1.is_empty() && !run.2.is_empty();
            let track = match straight {
                true => 0,
                false => tracks.iter().position(|end| end + m.tap < x1).unwrap_or_else(|| {
                    tracks.push(x2);
                    tracks.len() - 1
                }),
            };
            if !straight {
                tracks[track] = x2;
            }
            made.push((
                run,
                (x1, x2),
                match straight {
                    // It needs no track: below its box it runs down to the next one.
                    true => top,
                    false => first + track_step * i32::try_from(track).unwrap_or_default(),
                },
            ));
        }
        let count = i32::try_from(tracks.len()).unwrap_or_default();
        let bottom = (first + track_step * count).max(top + 1);
        let mut wires = Vec::new();
        for ((link, down, up), (x1, x2), y) in made {
            let label = down.iter().find(|p| p.named && self.name_width(*link) > 0);
            let labels = label.map(|p| {
                m.place(
                    &self.name(*link),
                    Size::Small,
                    Anchor::Start,
                    p.x + m.label_gap,
                    top + m.clear,
                )
            });
            let mut wire = self.wire(*link, (x1, x2, y), labels.into_iter().collect());
            let end = |x, y1, y2, look| WireEnd { x, y1, y2, look };
            wire.ends.extend(down.iter().map(|p| end(p.x, top, y, p.look)));
            wire.ends.extend(up.iter().map(|p| end(p.x, y, bottom, p.look)));
            wires.push(wire);
        }
        self.wires.extend(wires);
        bottom
    }

    fn wire(&self, link: usize, (x1, x2, y): (i32, i32, i32), labels: Vec<Text>) -> Wire {
        let edge = &self.shape.links[link];
        Wire {
            x1,
            x2,
            y,
            ends: Vec::new(),
            beside: false,
            labels: labels.into_iter().filter(|l| !l.text.is_empty()).collect(),
            // Links beside each other are told apart by their colours.
            hue: Hue::Shared(1 + link),
            look: edge.look,
            details: edge.details.clone(),
        }
    }
}

/// Rows of `fits`, every second one backwards. A `ring` has two, and a gap in the middle of the lower one if it is shorter.
fn snake(all: &[usize], fits: usize, ring: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = all
        .chunks(fits.max(1))
        .map(|row| row.iter().copied().map(Some).collect())
        .collect();
    for (at, row) in rows.iter_mut().enumerate() {
        let gap = if ring { row.len().div_ceil(2) } else { row.len() };
        while row.len() < fits {
            row.insert(gap, None);
        }
        if at % 2 == 1 {
            row.reverse();
        }
    }
    rows
}

/// A ring in rows of two, for one that is too long to lie.
fn ladder(all: &[usize]) -> Vec<Row> {
    let (first, rest) = all.split_at(1);
    let mut rows = vec![vec![Some(first[0])]];
    let half = rest.len() / 2;
    for at in 0..half {
        rows.push(vec![Some(rest[at]), Some(rest[rest.len() - 1 - at])]);
    }
    if rest.len() % 2 == 1 {
        rows.push(vec![Some(rest[half])]);
    }
    rows
}
