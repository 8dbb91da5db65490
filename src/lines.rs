//! Merges the output of many containers line by line, so that no line is split and each follows its prefix.

use crate::cluster::ObservedContainer;

/// The longest line in bytes; longer ones are split, so that output without line ends does not fill the memory.
pub(crate) const LONGEST: usize = 1 << 20;
/// The colours of nodes (ECMA-48, SGR), in turn; all are readable on dark and light backgrounds.
const COLOURS: [u8; 11] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94, 91];
/// Resets the colour (ECMA-48, "SGR").
const RESET: &str = "\x1b[0m";

/// Assembles lines from pieces of output.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Adds a piece, and calls `line` with each line that it completes, without the line end.
    pub fn feed(&mut self, piece: &[u8], mut line: impl FnMut(&[u8])) {
        let mut parts = piece.split_inclusive(|b| *b == b'\n');
        for part in &mut parts {
            self.rest.extend(part);
            let ended = self.rest.ends_with(b"\n");
            if ended || self.rest.len() >= LONGEST {
                line(trimmed(&self.rest));
                self.rest.clear();
            }
        }
    }

    /// Calls `line` with the last line if it has no line end.
    pub fn end(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            line(trimmed(&self.rest));
            self.rest.clear();
        }
    }
}

/// A line without `\n` or `\r\n`.
#[must_use]
pub fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The prefixes of lines: node and service, padded to a common width, in a colour of the node.
#[derive(Debug)]
pub struct Prefixes {
    width: usize,
    colour: bool,
    nodes: Vec<String>,
}

impl Prefixes {
    /// Prefixes for `containers`; more may follow later.
    #[must_use]
    pub fn new(containers: &[&ObservedContainer], colour: bool) -> Self {
        let mut nodes: Vec<String> = containers.iter().map(|c| c.node().to_owned()).collect();
        nodes.dedup();
        Self {
            width: containers.iter().map(|c| whose(c).len()).max().unwrap_or(0),
            colour,
            nodes,
        }
    }

    /// The prefix of the container's lines, such as `slave1/db  | `.
    pub fn of(&mut self, container: &ObservedContainer) -> String {
        let node = container.node();
        let at = self.nodes.iter().position(|n| n == node).unwrap_or_else(|| {
            self.nodes.push(node.to_owned());
            self.nodes.len() - 1
        });
        let text = format!("{:<width$} | ", whose(container), width = self.width);
        match self.colour {
            true => format!("\x1b[{}m{text}{RESET}", COLOURS[at % COLOURS.len()]),
            false => text,
        }
    }

    /// A line of output with prefix and line end; colours that it sets end with it.
    #[must_use]
    pub fn line(&self, prefix: &str, text: &[u8]) -> Vec<u8> {
        let mut line = Vec::with_capacity(prefix.len() + text.len() + RESET.len() + 1);
        line.extend(prefix.as_bytes());
        line.extend(text);
        if self.colour && text.contains(&b'\x1b') {
            line.extend(RESET.as_bytes());
        }
        line.push(b'\n');
        line
    }
}

/// The container's name in its lines, such as `slave1/db`.
#[must_use]
pub fn whose(container: &ObservedContainer) -> String {
    format!("{}/{}", container.node(), container.service())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together() {
        let mut lines = Lines::default();
        let mut found: Vec<String> = Vec::new();
        let mut text = |line: &[u8]| found.push(String::from_utf8_lossy(line).into_owned());
        for piece in ["one\ntw", "o", "\r\n\nthr", "ee"] {
            lines.feed(piece.as_bytes(), &mut text);
        }
        lines.end(&mut text);
        lines.end(&mut text);
        lines.feed(&vec![b'x'; LONGEST], |line| assert_eq!(line.len(), LONGEST));
        lines.end(|_| panic!("it was cut"));
        assert_eq!(found, ["one", "two", "", "three"]);
    }
}
