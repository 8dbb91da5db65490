//! The layout of the page: nodes in rows, rows on both sides of rails.

use std::collections::BTreeSet;

use super::block::{Block, Drop};
use super::metrics::{End, TooNarrow, free};
use super::{Anchor, Arrow, Bar, Hue, Line, Metrics, Picture, Size, node, shape, shortened};
use crate::graph::model::Look;
use crate::graph::panel::{Panel, Scene};

/// One or two rows of blocks, on both sides of rails.
#[derive(Default)]
struct Bundle {
    upper: Vec<usize>,
    lower: Vec<usize>,
    /// How far the lower row is shifted from the middle, so that its lines avoid those of the upper row.
    shift: i32,
    /// The shared networks of this bundle.
    rails: Vec<usize>,
}

/// The rails of a bundle, with their positions.
struct Rails<'a> {
    networks: &'a [usize],
    /// The top of the first rail.
    first: i32,
    step: i32,
}

impl Rails<'_> {
    /// The top of the rail of `network`.
    fn y(&self, network: usize) -> i32 {
        let at = self.networks.iter().position(|n| *n == network).unwrap_or_default();
        self.first + self.step * length(at)
    }

    /// The top of the last rail.
    fn last(&self) -> i32 {
        self.networks.last().map_or(self.first, |n| self.y(*n))
    }
}

/// Places the rows of `scene`, then the rails and lines between them.
pub(super) fn picture(scene: &Scene, metrics: &Metrics) -> Picture {
    let m = metrics;
    let blocks = blocks(&scene.panels, m);
    let room = m.width - 2 * m.margin;
    let (mut inner, mut bundles) = bundles(scene, &blocks, room, m);
    let mut trunks = trunks(&bundles);
    if !trunks.is_empty() {
        (inner, bundles) = self::bundles(scene, &blocks, room - m.beside(trunks.len()), m);
        trunks = self::trunks(&bundles);
    }
    let mut page = Page {
        scene,
        m,
        blocks: &blocks,
        left: m.margin + m.beside(trunks.len()),
        inner,
        extent: inner,
        trunks,
        picture: Picture {
            width: 0,
            height: 0,
            heading: Vec::new(),
            rails: Vec::new(),
            trunks: Vec::new(),
            drops: Vec::new(),
            frames: Vec::new(),
            wires: Vec::new(),
            metrics: m.clone(),
        },
    };
    page.draw(&bundles);
    page.picture
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or_default()
}

/// Lays out each panel by itself; those of one role get the same width.
fn blocks(panels: &[Panel], m: &Metrics) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(panels.len());
    for role in panels.chunk_by(|a, b| a.role == b.role) {
        let widths = role.iter().map(|p| node::block(p, m, 0).inner);
        let inner = widths.max().unwrap_or_default();
        blocks.extend(role.iter().map(|p| node::block(p, m, inner)));
    }
    blocks
}

fn width(row: &[usize], blocks: &[Block], m: &Metrics) -> i32 {
    row.iter().map(|at| blocks[*at].w).sum::<i32>() + m.node_gap * length(row.len().saturating_sub(1))
}

/// Distributes nodes over rows: single nodes side by side, a role of several nodes in rows of its own.
fn rows(scene: &Scene, blocks: &[Block], room: i32, m: &Metrics) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut open = false;
    let mut at = 0;
    for role in scene.panels.chunk_by(|a, b| a.role == b.role) {
        let all: Vec<usize> = (at..at + role.len()).collect();
        at += role.len();
        if let [single] = all.as_slice() {
            match rows.last_mut() {
                Some(row) if open && width(row, blocks, m) + m.node_gap + blocks[*single].w <= room => {
                    row.push(*single);
                }
                _ => rows.push(all),
            }
            open = true;
            continue;
        }
        open = false;
        // The fewest rows that fit, of equal length.
        let chunks = |count: usize| all.chunks(all.len().div_ceil(count));
        let fits = |count: &usize| chunks(*count).all(|row| width(row, blocks, m) <= room);
        let count = (1..=all.len()).find(fits).unwrap_or(all.len());
        rows.extend(chunks(count).map(<[usize]>::to_vec));
    }
    rows
}

/// The width of the widest row, and the rows in pairs whose lines do not collide, with the rails that they need.
fn bundles(scene: &Scene, blocks: &[Block], room: i32, m: &Metrics) -> (i32, Vec<Bundle>) {
    let rows = rows(scene, blocks, room, m);
    let inner = rows.iter().map(|row| width(row, blocks, m)).max().unwrap_or_default();
    let mut bundles: Vec<Bundle> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while let Some(upper) = rows.next() {
        let shift = rows.peek().and_then(|lower| shift(&upper, lower, blocks, inner, m));
        bundles.push(Bundle {
            upper,
            lower: shift.and_then(|_| rows.next()).unwrap_or_default(),
            shift: shift.unwrap_or_default(),
            rails: Vec::new(),
        });
    }
    if bundles.is_empty() {
        bundles.push(Bundle::default());
    }
    let mut unused: BTreeSet<usize> = (0..scene.networks.len()).collect();
    for bundle in &mut bundles {
        let here = bundle.upper.iter().chain(&bundle.lower);
        let used: BTreeSet<usize> = here.flat_map(|at| blocks[*at].drops.iter().map(|d| d.rail)).collect();
        unused.retain(|rail| !used.contains(rail));
        bundle.rails = used.into_iter().collect();
    }
    if let Some(last) = bundles.last_mut() {
        last.rails.extend(unused);
        last.rails.sort_unstable();
    }
    (inner, bundles)
}

/// The positions of a row's lines and their rails, if the row begins at `start`.
fn lines(row: &[usize], start: i32, blocks: &[Block], m: &Metrics) -> Vec<(i32, usize)> {
    let mut x = start;
    let mut all = Vec::new();
    for at in row {
        all.extend(blocks[*at].drops.iter().map(|d| (x + d.x, d.rail)));
        x += blocks[*at].w + m.node_gap;
    }
    all
}

/// How far `lower` must be shifted so that its lines do not collide with those of `upper`; `None` if that is too far.
fn shift(upper: &[usize], lower: &[usize], blocks: &[Block], inner: i32, m: &Metrics) -> Option<i32> {
    let middle = |row: &[usize]| (inner - width(row, blocks, m)) / 2;
    let (taken, start) = (lines(upper, middle(upper), blocks, m), middle(lower));
    let clear = |(x, rail): &(i32, usize)| {
        taken.iter().all(|(other, to)| match (x - other).abs() {
            // Two lines to the same rail may coincide, or must keep apart.
            between if rail == to => between == 0 || between > m.tap,
            // A line that passes the rail of the other must not come close to it.
            between => to < rail || between > m.tap,
        })
    };
    let apart = |shift: &i32| lines(lower, start + shift, blocks, m).iter().all(clear);
    (0..12 * m.tap)
        .flat_map(|by| [-by, by])
        .filter(|by| start + by >= 0)
        .find(apart)
}

/// The networks that several bundles need.
fn trunks(bundles: &[Bundle]) -> Vec<usize> {
    let all: BTreeSet<usize> = bundles.iter().flat_map(|b| b.rails.iter().copied()).collect();
    let several = |rail: &usize| bundles.iter().filter(|b| b.rails.contains(rail)).count() > 1;
    all.into_iter().filter(several).collect()
}

struct Page<'a> {
    scene: &'a Scene,
    m: &'a Metrics,
    blocks: &'a [Block],
    /// The left edge of the nodes.
    left: i32,
    /// The width of the widest row, in which the others are centred.
    inner: i32,
    /// The width of everything, from `left`.
    extent: i32,
    trunks: Vec<usize>,
    picture: Picture,
}

impl Page<'_> {
    fn draw(&mut self, bundles: &[Bundle]) {
        let m = self.m;
        let mut y = self.heading();
        y = self.shape(y);
        let mut rails = Vec::new();
        for (at, bundle) in bundles.iter().enumerate() {
            if at > 0 {
                y += m.bundle_gap;
            }
            y = self.bundle(bundle, y, &mut rails);
        }
        while let Err(narrow) = self.rails(&rails) {
            self.extent += narrow.by;
        }
        self.join_parts();
        self.picture.height = y + m.margin;
        self.picture.width = self.picture.width.max(self.left + self.extent + m.margin);
    }

    /// Places the heading, and returns where it ends.
    fn heading(&mut self) -> i32 {
        let m = self.m;
        let (mut x, mut y) = (m.margin, m.margin);
        let title = [(self.scene.title.clone(), Look::Plain)];
        let titles = title.iter().filter(|(t, _)| !t.is_empty()).map(|t| (t, Size::Title));
        let summary = self.scene.summary.iter().map(|t| (t, Size::Small));
        let end = (self.left + self.extent).max(m.width - m.margin);
        for ((text, look), size) in titles.chain(summary) {
            // A state has a mark of its colour before it.
            let mark = match look {
                Look::Plain => 0,
                _ => 2 * m.tap,
            };
            let w = mark + m.width_of(text, size);
            if x > m.margin && x + w > end {
                x = m.margin;
                y += m.height_of(Size::Title);
            }
            let lower = (m.height_of(Size::Title) - m.height_of(size)) * 3 / 4;
            let mut text = m.place(text, size, Anchor::Start, x + mark, y + lower);
            text.look = *look;
            self.picture.heading.push(text);
            self.picture.width = self.picture.width.max(x + w + m.margin);
            x += w + 2 * m.tap;
        }
        y + m.height_of(Size::Title) + m.below_heading
    }

    /// Places the shape below the heading, which ends at `top`, and returns where the rest may begin.
    fn shape(&mut self, top: i32) -> i32 {
        let m = self.m;
        if self.scene.shape.parts.is_empty() {
            return top;
        }
        let laid = shape::shape(&self.scene.shape, m, (m.margin, top), m.width - 2 * m.margin);
        self.picture.width = self.picture.width.max(laid.w + 2 * m.margin);
        self.picture.frames.extend(laid.frames);
        self.picture.wires = laid.wires;
        top + laid.h + m.bundle_gap
    }

    /// Places two rows and the rails between them, from `top` on, and returns where they end. Rails are only `placed`:
    /// their labels follow when all lines are known.
    fn bundle(&mut self, bundle: &Bundle, top: i32, placed: &mut Vec<(usize, i32)>) -> i32 {
        let m = self.m;
        let edge = top + self.tallest(&bundle.upper);
        let drop = match bundle.upper.is_empty() {
            true => 0,
            false => self.drop_height(&bundle.upper),
        };
        let rails = Rails {
            networks: &bundle.rails,
            first: edge + drop + m.rail_label,
            step: m.rail_step,
        };
        placed.extend(rails.networks.iter().map(|n| (*n, rails.y(*n))));
        self.row(&bundle.upper, 0, edge, false, &rails);
        let last = rails.last() + m.thick;
        if bundle.lower.is_empty() {
            // A row without lines to rails has nothing below it.
            return if rails.networks.is_empty() { edge } else { last };
        }
        let edge = last + self.drop_height(&bundle.lower);
        self.row(&bundle.lower, bundle.shift, edge, true, &rails);
        edge + self.tallest(&bundle.lower)
    }

    fn tallest(&self, row: &[usize]) -> i32 {
        row.iter().map(|at| self.blocks[*at].h).max().unwrap_or_default()
    }

    /// From the edge of a row to its nearest rail.
    fn drop_height(&self, row: &[usize]) -> i32 {
        let m = self.m;
        let drops = row.iter().flat_map(|at| &self.blocks[*at].drops);
        let lines = drops.map(|d| d.labels.len()).max().unwrap_or_default().max(1);
        m.clear + m.before_rail + m.height_of(Size::Small) * length(lines)
    }

    /// The rails, each at its height, and what they are called where no line runs through.
    fn rails(&mut self, placed: &[(usize, i32)]) -> Result<(), TooNarrow> {
        let m = self.m;
        let mut rails = Vec::with_capacity(placed.len());
        for (rail, y) in placed {
            let network = &self.scene.networks[*rail];
            let (left, right) = (self.left, self.left + self.extent);
            let drops = self.picture.drops.iter();
            let here = drops.filter(|d| d.y1 - m.thick <= *y && *y <= d.y2);
            let lines: Vec<i32> = here.filter(|d| m.rail_label == 0 || d.y1 < *y).map(|d| d.x).collect();
            let label = shortened(&network.label, m.longest);
            let (name, note) = (m.width_of(&label, Size::Name), m.width_of(&network.note, Size::Small));
            // The note beside the name may be left out.
            let both = free(&lines, (left, right), name + m.tap + note, End::Left, m).filter(|_| note > 0);
            let x = both.or_else(|| free(&lines, (left, right), name, End::Left, m));
            let x = x.ok_or(TooNarrow { by: name.max(1) })?;
            let top = y - m.rail_label;
            let mut labels = vec![m.place(&label, Size::Name, Anchor::Start, x, top)];
            if both.is_some() {
                let lower = (m.height_of(Size::Name) - m.height_of(Size::Small)) / 2;
                let x = x + name + m.tap;
                labels.push(m.place(&network.note, Size::Small, Anchor::Start, x, top + lower));
            }
            for label in &mut labels {
                label.look = network.look;
            }
            let trunk = self.trunks.iter().position(|r| r == rail);
            rails.push(Bar {
                x1: trunk.map_or(left, |at| m.margin + m.beside(at)),
                x2: right,
                y: *y,
                labels,
                hue: Hue::Shared(*rail),
                look: network.look,
                details: network.details.clone(),
            });
        }
        self.picture.rails = rails;
        Ok(())
    }

    /// Places a row of nodes, shifted from the middle, whose edges towards the rails are at `edge`.
    fn row(&mut self, row: &[usize], shift: i32, edge: i32, lower: bool, rails: &Rails<'_>) {
        let m = self.m;
        let w = width(row, self.blocks, m);
        let mut x = self.left + (self.inner - w) / 2 + shift;
        self.extent = self.extent.max(x + w - self.left);
        for at in row {
            let block = &self.blocks[*at];
            let top = if lower { edge } else { edge - block.h };
            self.picture.frames.push(block.frame(x, top, lower));
            for drop in &block.drops {
                let line = drop_line(drop, block, (x, top), lower, rails.y(drop.rail), m);
                self.picture.drops.push(line);
            }
            x += block.w + m.node_gap;
        }
    }

    /// Places the trunks that join the parts of a network.
    fn join_parts(&mut self) {
        let m = self.m;
        for rail in &self.trunks {
            let all = self.picture.rails.iter();
            let parts: Vec<&Bar> = all.filter(|b| b.hue == Hue::Shared(*rail)).collect();
            for pair in parts.windows(2) {
                self.picture.trunks.push(Line {
                    x: pair[0].x1,
                    y1: pair[0].y + m.thick,
                    y2: pair[1].y,
                    labels: Vec::new(),
                    hue: Hue::Shared(*rail),
                    look: pair[0].look,
                    bar: None,
                    arrow: None,
                });
            }
        }
    }
}

/// The line from an item of `block`, whose corner is at `(x, top)`, to a rail.
fn drop_line(drop: &Drop, block: &Block, (x, top): (i32, i32), lower: bool, rail: i32, m: &Metrics) -> Line {
    let x = x + drop.x;
    let small = m.height_of(Size::Small);
    let (y1, y2, first) = match lower {
        false => (top + drop.y, rail, top + block.h + m.clear),
        true => {
            let first = top - m.clear - small * length(drop.labels.len());
            (rail + m.thick, top + block.h - drop.y, first)
        }
    };
    let labels = (0..).zip(&drop.labels).map(|(at, label)| {
        let mut text = m.place(label, Size::Small, Anchor::Start, x + m.label_gap, first + small * at);
        text.look = drop.look;
        text
    });
    Line {
        x,
        y1,
        y2,
        labels: labels.collect(),
        hue: Hue::Shared(drop.rail),
        look: drop.look,
        bar: Some(rail),
        // Nobody knows the names of foreign containers.
        arrow: match (drop.labels.is_empty() && drop.look != Look::Foreign, lower) {
            (false, _) => None,
            (true, false) => Some(Arrow::Down),
            (true, true) => Some(Arrow::Up),
        },
    }
}
