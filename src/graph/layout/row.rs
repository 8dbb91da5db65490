//! The layout of items side by side, and of the lines that meet them.

use super::{Metrics, Size, shortened};
use crate::graph::model::{Look, Place};
use crate::graph::panel::{Item, Tap};

/// The most names beside a line.
const NAMES: usize = 4;

/// An item that has no position yet.
pub(super) struct Slot<'a> {
    pub(super) item: &'a Item,
    pub(super) name: String,
    pub(super) remark: String,
    pub(super) w: i32,
    /// Lines to private networks.
    pub(super) own: Vec<Spot>,
    /// Lines to shared networks.
    pub(super) shared: Vec<Spot>,
}

/// The end of a line at an item.
#[derive(Clone)]
pub(super) struct Spot {
    /// The position from the left of the item, or from the left of all once the item is placed.
    pub(super) x: i32,
    /// The index of the network.
    pub(super) network: usize,
    /// The names beside the line.
    pub(super) labels: Vec<String>,
    pub(super) look: Look,
    /// The width of the widest label.
    label: i32,
}

/// A row of items.
#[derive(Default)]
pub(super) struct Row<'a> {
    /// The items, and the left edge of each.
    pub(super) slots: Vec<(&'a Slot<'a>, i32)>,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl<'a> Slot<'a> {
    pub(super) fn new(item: &'a Item, m: &Metrics) -> Self {
        let (mut own, mut shared) = (Vec::new(), Vec::new());
        for tap in &item.taps {
            match tap.place {
                Place::Own(network) => own.push(Spot::new(tap, network, m)),
                Place::Shared(network) => shared.push(Spot::new(tap, network, m)),
            }
        }
        let (name, remark) = (shortened(&item.name, m.longest), shortened(&item.remark, m.longest));
        let text = m.width_of(&name, Size::Name).max(m.width_of(&remark, Size::Small));
        let w = (text + 2 * m.pad).max(least(&own, m)).max(least(&shared, m));
        spread(&mut own, w, m);
        spread(&mut shared, w, m);
        Self {
            item,
            name,
            remark,
            w,
            own,
            shared,
        }
    }
}

impl Spot {
    fn new(tap: &Tap, network: usize, m: &Metrics) -> Self {
        let mut labels: Vec<String> = tap.names.iter().map(|n| shortened(n, m.longest)).collect();
        if labels.len() > NAMES {
            let more = labels.len() + 1 - NAMES;
            labels.truncate(NAMES - 1);
            labels.push(format!("+{more}"));
        }
        let widths = labels.iter().map(|l| m.width_of(l, Size::Small));
        Self {
            x: 0,
            network,
            label: widths.max().unwrap_or_default(),
            labels,
            look: tap.look,
        }
    }

    /// The width of the line with its labels, if another line of the item follows.
    fn width(&self, m: &Metrics) -> i32 {
        match self.label {
            0 => alone(m),
            label => m.tap + m.label_gap + label + m.label_end,
        }
    }

    /// Where the labels end and the next line may be.
    fn reach(&self, m: &Metrics) -> i32 {
        match self.label {
            0 => self.x + m.tap,
            label => self.x + m.label_gap + label + m.label_end,
        }
    }
}

/// The width of a line without labels.
fn alone(m: &Metrics) -> i32 {
    2 * m.tap + m.thick
}

/// The least width of an item with these lines on one side. The labels of the last line may stick out.
fn least(spots: &[Spot], m: &Metrics) -> i32 {
    match spots {
        [] => 0,
        [rest @ .., _] => rest.iter().map(|s| s.width(m)).sum::<i32>() + alone(m),
    }
}

/// Spreads lines along one side of an item, each in the middle of its share.
fn spread(spots: &mut [Spot], w: i32, m: &Metrics) {
    let Some(last) = spots.len().checked_sub(1) else {
        return;
    };
    let spare = (w - least(spots, m)) / i32::try_from(spots.len()).unwrap_or(i32::MAX);
    let mut left = 0;
    for (at, spot) in spots.iter_mut().enumerate() {
        let share = spare + if at == last { alone(m) } else { spot.width(m) };
        spot.x = left + share / 2;
        if at < last && spot.label > 0 {
            spot.x = spot.x.min(left + share - spot.label - m.label_gap - m.label_end);
        }
        left += share;
    }
}

impl<'a> Row<'a> {
    /// Places items side by side, as close as they and their labels allow.
    pub(super) fn new(slots: &[&'a Slot<'a>], m: &Metrics) -> Self {
        let mut placed = Vec::with_capacity(slots.len());
        let mut reach = [0, 0];
        let mut end = -m.gap;
        for slot in slots {
            let sides = [&slot.own, &slot.shared];
            let clear = sides.iter().zip(reach);
            let clear = clear.map(|(side, reach)| side.first().map_or(0, |s| reach - s.x));
            let x = clear.fold(end + m.gap, i32::max);
            for (side, reach) in sides.into_iter().zip(&mut reach) {
                *reach = side.last().map_or(*reach, |s| x + s.reach(m));
            }
            end = x + slot.w;
            placed.push((*slot, x));
        }
        let remarks = slots.iter().any(|s| !s.remark.is_empty());
        Self {
            slots: placed,
            w: reach.into_iter().map(|r| r - m.label_end).fold(end, i32::max).max(0),
            h: if slots.is_empty() {
                0
            } else {
                m.item[usize::from(remarks)]
            },
        }
    }

    /// Distributes items over the rows that their width needs, of equal length.
    pub(super) fn several(slots: &[&'a Slot<'a>], m: &Metrics) -> Vec<Self> {
        let rows = |count: usize| -> Vec<Self> {
            let long = slots.len().div_ceil(count).max(1);
            slots.chunks(long).map(|row| Self::new(row, m)).collect()
        };
        let mut fewest = (1..slots.len()).map(rows);
        fewest
            .find(|rows| rows.iter().all(|row| row.w <= m.row))
            .unwrap_or_else(|| rows(slots.len().max(1)))
    }

    /// The lines on one side, if the row begins at `start`.
    pub(super) fn lines(&self, start: i32, side: impl Fn(&'a Slot<'a>) -> &'a [Spot]) -> Vec<Spot> {
        let of = |(slot, x): &(&'a Slot<'a>, i32)| {
            let mut spots = side(slot).to_vec();
            for spot in &mut spots {
                spot.x += start + x;
            }
            spots
        };
        self.slots.iter().flat_map(of).collect()
    }
}

/// The most names beside any of `lines`.
pub(super) fn names(lines: &[Spot]) -> i32 {
    let most = lines.iter().map(|s| s.labels.len()).max().unwrap_or_default();
    i32::try_from(most).unwrap_or_default()
}
