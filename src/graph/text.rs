//! Writes a picture for the terminal, in box-drawing characters (Unicode, U+2500 to U+257F).

use super::layout::{Arrow, Bar, Hue, Line, Picture, Rect, Size, Text, Wire};
use super::model::Look;
use crate::text::is_hidden;

/// The line weight of a cell, up, down, left and right: 0 none, 1 single, 2 double.
type Arms = [u8; 4];

const UP: usize = 0;
const DOWN: usize = 1;
const LEFT: usize = 2;
const RIGHT: usize = 3;

/// Every character that can occur, by its arms.
const CHARACTERS: &[(Arms, char)] = &[
    ([0, 0, 1, 1], '─'),
    ([1, 0, 0, 0], '╵'),
    ([0, 1, 0, 0], '╷'),
    ([0, 0, 1, 0], '╴'),
    ([0, 0, 0, 1], '╶'),
    ([1, 1, 0, 0], '│'),
    ([0, 1, 0, 1], '┌'),
    ([0, 1, 1, 0], '┐'),
    ([1, 0, 0, 1], '└'),
    ([1, 0, 1, 0], '┘'),
    ([1, 1, 0, 1], '├'),
    ([1, 1, 1, 0], '┤'),
    ([0, 1, 1, 1], '┬'),
    ([1, 0, 1, 1], '┴'),
    ([1, 1, 1, 1], '┼'),
    ([0, 0, 2, 2], '═'),
    ([2, 2, 0, 0], '║'),
    ([0, 2, 0, 2], '╔'),
    ([0, 2, 2, 0], '╗'),
    ([2, 0, 0, 2], '╚'),
    ([2, 0, 2, 0], '╝'),
    ([2, 2, 0, 2], '╠'),
    ([2, 2, 2, 0], '╣'),
    ([0, 2, 2, 2], '╦'),
    ([2, 0, 2, 2], '╩'),
    ([2, 2, 2, 2], '╬'),
    ([0, 1, 2, 2], '╤'),
    ([1, 0, 2, 2], '╧'),
    ([1, 1, 2, 2], '╪'),
    ([0, 1, 0, 2], '╒'),
    ([0, 1, 2, 0], '╕'),
    ([1, 0, 0, 2], '╘'),
    ([1, 0, 2, 0], '╛'),
    ([1, 1, 0, 2], '╞'),
    ([1, 1, 2, 0], '╡'),
];

/// A colour of the terminal (ECMA-48, SGR), and whether it is bold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Style {
    colour: Option<u8>,
    bold: bool,
}

/// A character cell of the canvas.
#[derive(Clone, Default)]
struct CanvasCell {
    arms: Arms,
    /// Whether it is part of a network, which lines cross without joining it.
    bar: bool,
    dashed: bool,
    character: Option<char>,
    style: Style,
}

/// The text of `picture`, whose units are cells.
#[must_use]
pub fn write(picture: &Picture, colour: bool) -> String {
    let (w, h) = (cell(picture.width), cell(picture.height));
    let mut canvas = Canvas {
        w,
        cells: vec![CanvasCell::default(); w * h],
    };
    for frame in &picture.frames {
        canvas.frame(frame.rect, frame.look, Style::default());
        for item in &frame.cells {
            canvas.frame(item.rect, item.look, style(item.look));
        }
        for bar in &frame.bars {
            canvas.bar(bar);
        }
    }
    for rail in &picture.rails {
        canvas.bar(rail);
    }
    picture.wires.iter().for_each(|wire| canvas.along(wire));
    picture.wires.iter().for_each(|wire| canvas.across(wire));
    let inner = picture.frames.iter().flat_map(|f| &f.lines);
    for line in picture.trunks.iter().chain(inner).chain(&picture.drops) {
        canvas.line(line);
    }
    let bars = picture.frames.iter().flat_map(|f| &f.bars).chain(&picture.rails);
    let lines = picture.frames.iter().flat_map(|f| &f.lines).chain(&picture.drops);
    let items = picture.frames.iter().flat_map(|f| &f.cells);
    let heads = picture.frames.iter().flat_map(|f| &f.texts);
    let texts = heads.chain(items.flat_map(|c| &c.texts));
    let texts = texts
        .chain(bars.flat_map(|b| &b.labels))
        .chain(lines.flat_map(|l| &l.labels))
        .chain(picture.wires.iter().flat_map(|w| &w.labels));
    for text in texts.chain(&picture.heading) {
        canvas.text(text);
    }
    for text in picture.heading.iter().filter(|t| t.look != Look::Plain) {
        canvas.put(text.rect.x - 2, text.rect.y, '●', style(text.look));
    }
    canvas.written(colour)
}

fn cell(length: i32) -> usize {
    usize::try_from(length).unwrap_or_default()
}

fn style(look: Look) -> Style {
    let colour = match look {
        Look::Plain => None,
        Look::Running => Some(32),
        Look::Waiting => Some(33),
        Look::Stopped | Look::Missing => Some(31),
        Look::Foreign => Some(90),
    };
    Style { colour, bold: false }
}

fn hue(hue: Hue, look: Look) -> Style {
    let colour = match (look, hue) {
        (Look::Missing | Look::Foreign, _) => return style(look),
        (_, Hue::Own) => None,
        (_, Hue::Shared(0)) => Some(34),
        (_, Hue::Shared(at)) => Some([35, 36, 95][(at - 1) % 3]),
    };
    Style { colour, bold: false }
}

struct Canvas {
    w: usize,
    cells: Vec<CanvasCell>,
}

impl Canvas {
    fn at(&mut self, x: i32, y: i32) -> Option<&mut CanvasCell> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x >= self.w {
            return None;
        }
        self.cells.get_mut(y * self.w + x)
    }

    fn arms(&mut self, x: i32, y: i32, arms: &[usize], weight: u8, look: Look, style: Style) {
        if let Some(place) = self.at(x, y) {
            for arm in arms {
                place.arms[*arm] = place.arms[*arm].max(weight);
            }
            place.dashed = look == Look::Missing;
            place.style = style;
        }
    }

    fn put(&mut self, x: i32, y: i32, character: char, style: Style) {
        if let Some(place) = self.at(x, y) {
            place.character = Some(if is_hidden(character) { '\u{fffd}' } else { character });
            place.style = style;
        }
    }

    fn frame(&mut self, Rect { x, y, w, h }: Rect, look: Look, own: Style) {
        let style = if own == Style::default() {
            hue(Hue::Own, look)
        } else {
            own
        };
        let (right, bottom) = (x + w - 1, y + h - 1);
        for x in x + 1..right {
            self.arms(x, y, &[LEFT, RIGHT], 1, look, style);
            self.arms(x, bottom, &[LEFT, RIGHT], 1, look, style);
        }
        for y in y + 1..bottom {
            self.arms(x, y, &[UP, DOWN], 1, look, style);
            self.arms(right, y, &[UP, DOWN], 1, look, style);
        }
        self.arms(x, y, &[DOWN, RIGHT], 1, look, style);
        self.arms(right, y, &[DOWN, LEFT], 1, look, style);
        self.arms(x, bottom, &[UP, RIGHT], 1, look, style);
        self.arms(right, bottom, &[UP, LEFT], 1, look, style);
    }

    fn bar(&mut self, bar: &Bar) {
        let weight = if bar.hue == Hue::Own { 1 } else { 2 };
        for x in bar.x1..bar.x2 {
            self.arms(x, bar.y, &[LEFT, RIGHT], weight, bar.look, hue(bar.hue, bar.look));
            if let Some(place) = self.at(x, bar.y) {
                place.bar = true;
            }
        }
    }

    fn line(&mut self, line: &Line) {
        let weight = match (line.bar, line.hue) {
            (None, Hue::Shared(_)) => 2,
            _ => 1,
        };
        let style = hue(line.hue, line.look);
        let (top, bottom) = (line.y1 - 1, line.y2);
        for y in [top, bottom] {
            let arm = if y == top { DOWN } else { UP };
            if let Some(place) = self.at(line.x, y) {
                place.arms[arm] = place.arms[arm].max(weight);
                place.dashed = false;
                if line.bar.is_none() {
                    // A part of a network has nothing to its left where it begins.
                    place.arms[LEFT] = 0;
                }
            }
        }
        for y in top + 1..bottom {
            if let Some(place) = self.at(line.x, y).filter(|p| p.bar) {
                place.arms = [0; 4];
            }
            self.arms(line.x, y, &[UP, DOWN], weight, line.look, style);
        }
        // The arrow stands where the line leaves the node's frame, next to the item.
        match line.arrow {
            Some(Arrow::Down) => self.put(line.x, top + 2, '▼', style),
            Some(Arrow::Up) => self.put(line.x, bottom - 2, '▲', style),
            None => {}
        }
    }

    /// Draws the horizontal part of a link.
    fn along(&mut self, wire: &Wire) {
        let style = hue(wire.hue, wire.look);
        let Wire { x1, x2, y, .. } = *wire;
        if wire.beside {
            for (x, arm) in [(x1 - 1, RIGHT), (x2, LEFT)] {
                if let Some(place) = self.at(x, y) {
                    place.arms[arm] = 1;
                }
            }
            (x1..x2).for_each(|x| self.arms(x, y, &[LEFT, RIGHT], 1, wire.look, style));
            return;
        }
        for x in x1..=x2 {
            let arms: &[usize] = match (x == x1, x == x2) {
                (true, true) => &[],
                (true, false) => &[RIGHT],
                (false, true) => &[LEFT],
                (false, false) => &[LEFT, RIGHT],
            };
            self.arms(x, y, arms, 1, wire.look, style);
            if let Some(place) = self.at(x, y) {
                place.bar = true;
            }
        }
    }

    /// Draws the vertical parts of a link, over other links that they cross.
    fn across(&mut self, wire: &Wire) {
        for end in &wire.ends {
            let look = if end.look == Look::Plain { wire.look } else { end.look };
            let style = hue(wire.hue, look);
            let from_box = end.y2 == wire.y;
            // In the border of the box, which stays as it is but for this.
            let border = if from_box { end.y1 - 1 } else { end.y2 };
            if let Some(place) = self.at(end.x, border) {
                place.arms[if from_box { DOWN } else { UP }] = 1;
                place.dashed = false;
            }
            let between = if from_box { end.y1..wire.y } else { wire.y + 1..end.y2 };
            for y in between {
                if let Some(place) = self.at(end.x, y).filter(|p| p.bar) {
                    place.arms = [0; 4];
                }
                self.arms(end.x, y, &[UP, DOWN], 1, look, style);
            }
            self.arms(end.x, wire.y, &[if from_box { UP } else { DOWN }], 1, wire.look, style);
        }
    }

    fn text(&mut self, text: &Text) {
        let mut style = style(text.look);
        style.bold = text.size == Size::Title;
        let Rect { x, y, w, .. } = text.rect;
        // The label is kept clear of the line that it stands on.
        for x in [x - 1, x + w] {
            if let Some(place) = self.at(x, y).filter(|p| p.arms[UP] == 0 && p.arms[DOWN] == 0) {
                place.character = Some(' ');
            }
        }
        for (x, character) in (x..).zip(text.text.chars()) {
            self.put(x, y, character, style);
        }
    }

    fn written(&self, colour: bool) -> String {
        let mut out = String::new();
        for row in self.cells.chunks(self.w.max(1)) {
            let mut line = String::new();
            let mut current = Style::default();
            let end = row.iter().rposition(|p| character(p) != ' ').map_or(0, |at| at + 1);
            for place in &row[..end] {
                let character = character(place);
                let style = if colour && character != ' ' {
                    place.style
                } else {
                    Style::default()
                };
                if style != current {
                    line.push_str(&sequence(style));
                    current = style;
                }
                line.push(character);
            }
            if current != Style::default() {
                line.push_str(&sequence(Style::default()));
            }
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

fn sequence(style: Style) -> String {
    let bold = style.bold.then_some(1);
    let codes: Vec<String> = [Some(0), bold, style.colour]
        .iter()
        .flatten()
        .map(u8::to_string)
        .collect();
    format!("\u{1b}[{}m", codes.join(";"))
}

fn character(cell: &CanvasCell) -> char {
    if let Some(character) = cell.character {
        return character;
    }
    match cell.arms {
        [0, 0, 0, 0] => ' ',
        [0, 0, 1, 1] if cell.dashed => '╌',
        [0, 0, 2, 2] if cell.dashed => '╍',
        [1, 1, 0, 0] if cell.dashed => '╎',
        [2, 2, 0, 0] if cell.dashed => '╏',
        arms => CHARACTERS.iter().find(|(a, _)| *a == arms).map_or('?', |(_, c)| *c),
    }
}
