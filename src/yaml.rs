//! Reads YAML into a tree with places, from which blueprints and Compose files are parsed.
//!
//! Scalars are typed by the core schema of YAML 1.2 (§10.3.2), so `yes`, `22:22` and `2024-01-01` are text.
//! Aliases are expanded and merge keys (`<<`) resolved here, within limits; equal keys are an error.

mod scalar;

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Tag as ParserTag, options};

use crate::budget::Budget;
use crate::diagnostic::{FileId, Problem, Problems, Span};

pub use scalar::plain_scalar;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 10 << 20;
/// The deepest nesting of lists and maps, after aliases are expanded.
pub const MAX_DEPTH: usize = 64;
/// The most values in one file, after aliases are expanded.
pub const MAX_NODES: usize = 1_000_000;

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value, of any YAML kind.
    pub value: Yaml,
    /// Where the value is written; for an alias, where its anchor is.
    pub span: Span,
    /// `!reset` or `!override` (Compose specification, "Merge and override"); `None` without a tag.
    pub tag: Option<MergeTag>,
}

/// How a value takes part in a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeTag {
    /// `!reset`: the earlier value is removed.
    Reset,
    /// `!override`: the earlier value is replaced, not merged.
    Override,
}

/// The kinds of YAML values (YAML 1.2, core schema).
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// An empty value, `~` or `null`.
    Null,
    /// A boolean, `true` or `false`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// A quoted or plain string.
    Text(String),
    /// A sequence of nodes.
    List(Vec<Node>),
    /// A mapping, in the order written; keys are unique.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value and its place.
    pub node: Node,
}

impl Node {
    /// The kind in a user's words: `a list`, `text`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Int(_) | Yaml::Float(_) => "a number",
            Yaml::Text(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }

    /// A scalar as the string that Compose would read; `None` for lists, maps and null.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Yaml::Bool(b) => Some(b.to_string()),
            Yaml::Int(n) => Some(n.to_string()),
            Yaml::Float(n) => Some(n.to_string()),
            Yaml::Text(t) => Some(t.clone()),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    /// Whether it says nothing: null, or a list or map without anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Yaml::Null => true,
            Yaml::List(list) => list.is_empty(),
            Yaml::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// The value under `key`; `None` if this is no map, or has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Yaml::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }
}

/// Parses the one document of `text`.
///
/// # Errors
/// All problems found. A syntax error ends the parse; duplicate keys are all reported.
pub fn parse(text: &str, file: FileId) -> Result<Node, Problems> {
    parse_within(text, file, &Budget::default())
}

/// The same, where all values draw on `budget`, those that aliases repeat each time.
///
/// # Errors
/// As for [`parse`]; a spent budget ends the parse too.
pub fn parse_within(text: &str, file: FileId, budget: &Budget) -> Result<Node, Problems> {
    let mut problems = Problems::default();
    if text.len() > MAX_BYTES {
        problems.push(
            Problem::at(Span::new(file, 0..0), "file too large")
                .label(format!("{} MiB are read at most", MAX_BYTES >> 20)),
        );
        return Err(problems);
    }
    let result = Builder::new(text, file, budget, &mut problems).document();
    match result {
        Ok(node) if problems.is_empty() => Ok(node),
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

/// A list or map whose end has not been read yet.
struct Open {
    anchor: usize,
    span: Span,
    tag: Option<MergeTag>,
    content: Content,
    depth: usize,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        key: Option<(String, Span)>,
        merges: Vec<Node>,
    },
}

/// A complete value that an alias may repeat.
#[derive(Clone)]
struct Anchor {
    node: Node,
    size: Size,
    /// The levels of nesting below it; 0 for a scalar.
    depth: usize,
}

/// How much a value is, with all below it.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
}

struct Builder<'a> {
    text: &'a str,
    file: FileId,
    budget: &'a Budget,
    problems: &'a mut Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, file: FileId, budget: &'a Budget, problems: &'a mut Problems) -> Self {
        Self {
            text,
            file,
            budget,
            problems,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
        }
    }

    fn document(mut self) -> Result<Node, Problem> {
        let options = options! { emit_comments: false };
        let mut documents = 0;
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = next.map_err(|error| {
                let at = self.text.floor_char_boundary(error.marker().byte_offset().unwrap_or(0));
                syntax(self.text, Span::new(self.file, at..at), &error.kind().to_string())
            })?;
            let range = span.byte_range().unwrap_or(0..0);
            let whole = range.end;
            let span = Span::new(self.file, trimmed(self.text, range));
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Problem::at(span, "a second document in the file")
                            .hint("one file holds one document: remove the `---`, or make it a file of its own"));
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let text = self.without_gained_end(&text, style, whole);
                    let (value, tag) = scalar(text, style, tag.as_deref(), span)?;
                    let node = Node { value, span, tag };
                    let size = size(&node);
                    self.count(size, span)?;
                    self.remember(anchor, &node, size, 0)?;
                    self.value(node)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.start(anchor, span, tag.as_deref(), Content::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let content = Content::Map {
                        entries: Vec::new(),
                        seen: HashSet::new(),
                        key: None,
                        merges: Vec::new(),
                    };
                    self.start(anchor, span, tag.as_deref(), content)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
                _ => {}
            }
        }
        self.root
            .ok_or_else(|| Problem::at(Span::new(self.file, 0..0), "the file is empty"))
    }

    /// The text of a scalar that ends at the byte `end`. Where a block scalar is the last of a file whose last line is not
    /// ended, the parser ends that line: to Compose, what is not there is not a part of the text.
    fn without_gained_end<'t>(&self, text: &'t str, style: ScalarStyle, end: usize) -> &'t str {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let is_last = end >= self.text.len() && !self.text.ends_with(['\n', '\r']);
        match is_block && is_last {
            true => text.strip_suffix('\n').unwrap_or(text),
            false => text,
        }
    }

    fn count(&mut self, more: Size, span: Span) -> Result<(), Problem> {
        // A value is kept as it is written, and once more as it is meant.
        let kept = more.bytes.saturating_mul(2);
        self.budget.spend(kept).map_err(|_| self.budget.problem(span))?;
        self.nodes += more.values;
        if self.nodes > MAX_NODES {
            return Err(Problem::at(span, "aliases expand to too much")
                .label(format!("past {MAX_NODES} values here"))
                .hint("an alias (`*name`) copies everything below its anchor; nested ones multiply"));
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, span: Span, tag: Option<&ParserTag>, content: Content) -> Result<(), Problem> {
        self.count(
            Size {
                values: 1,
                bytes: size_of::<Entry>(),
            },
            span,
        )?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Problem::at(span, "nested too deep").label(format!("past {MAX_DEPTH} levels here")));
        }
        let tag = collection_tag(tag, span)?;
        self.open.push(Open {
            anchor,
            span,
            tag,
            content,
            depth: 1,
        });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let span = Span {
            end: end.end.max(open.span.end),
            ..open.span
        };
        let value = match open.content {
            Content::List(list) => Yaml::List(list),
            Content::Map {
                entries, seen, merges, ..
            } => Yaml::Map(self.merged(entries, seen, merges)?),
        };
        let node = Node {
            value,
            span,
            tag: open.tag,
        };
        if open.anchor > 0 {
            let size = size(&node);
            self.remember(open.anchor, &node, size, open.depth)?;
        }
        if let Some(parent) = self.open.last_mut() {
            parent.depth = parent.depth.max(open.depth + 1);
        }
        self.value(node)
    }

    fn remember(&mut self, anchor: usize, node: &Node, size: Size, depth: usize) -> Result<(), Problem> {
        if anchor > 0 {
            let spent = self.budget.spend(size.bytes);
            spent.map_err(|_| self.budget.problem(node.span))?;
            let node = node.clone();
            self.anchors.insert(anchor, Anchor { node, size, depth });
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        let Some(known) = self.anchors.get(&anchor) else {
            return Err(Problem::at(span, "an alias inside its own anchor")
                .hint("an alias may only repeat what is complete before it"));
        };
        let (size, depth) = (known.size, known.depth);
        self.count(size, span)?;
        if self.open.len() + depth > MAX_DEPTH {
            return Err(Problem::at(span, "nested too deep").label(format!("past {MAX_DEPTH} levels with this alias")));
        }
        if let Some(parent) = self.open.last_mut() {
            parent.depth = parent.depth.max(depth + 1);
        }
        let node = self.anchors.get(&anchor).map(|known| known.node.clone());
        node.map_or(Ok(()), |node| self.value(node))
    }

    /// Adds a complete value: the root, an item, a key, or the value of the open key.
    fn value(&mut self, node: Node) -> Result<(), Problem> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(list) => list.push(node),
            Content::Map {
                entries,
                seen,
                key,
                merges,
            } => match key.take() {
                None => {
                    let Some(text) = node.scalar() else {
                        return Err(bad_key(self.text, &node));
                    };
                    *key = Some((text, node.span));
                }
                Some((name, _)) if name == "<<" => merges.push(node),
                Some((name, key_span)) => {
                    if !seen.insert(name.clone()) {
                        self.problems.push(
                            Problem::at(key_span, format!("key `{name}` written twice"))
                                .label("again here")
                                .hint("keep one of the two; YAML forbids equal keys in one map"),
                        );
                    } else {
                        entries.push(Entry {
                            key: name,
                            key_span,
                            node,
                        });
                    }
                }
            },
        }
        Ok(())
    }

    /// Resolves merge keys: the map's own keys take precedence, then earlier merges over later ones.
    fn merged(
        &self,
        mut entries: Vec<Entry>,
        mut seen: HashSet<String>,
        merges: Vec<Node>,
    ) -> Result<Vec<Entry>, Problem> {
        for merge in merges {
            let span = merge.span;
            let maps = match merge.value {
                Yaml::List(list) => list,
                _ => vec![merge],
            };
            for map in maps {
                let Yaml::Map(inherited) = map.value else {
                    return Err(Problem::at(span, "`<<` merges maps only").label("expected a map or a list of maps"));
                };
                for entry in inherited {
                    if seen.insert(entry.key.clone()) {
                        entries.push(entry);
                    }
                }
            }
        }
        Ok(entries)
    }
}

fn bad_key(text: &str, node: &Node) -> Problem {
    let start = node.span.start as usize;
    // An unquoted `{{ name }}` is a map whose key is a map.
    if text[..start].ends_with('{') && text[start..].starts_with('{') {
        let whole = Span {
            start: node.span.start - 1,
            ..node.span
        };
        return Problem::at(whole, "a template without quotes")
            .label("YAML reads `{{` as a map in a map")
            .hint(QUOTE_TEMPLATES);
    }
    Problem::at(node.span, format!("a key must be text, found {}", node.kind()))
}

const QUOTE_TEMPLATES: &str = "a value that begins with `{{` or `{%` needs quotes: \"{{ … }}\"";

/// The problem of an alias without an anchor, with "did you mean".
fn no_anchor(text: &str, span: Span) -> Problem {
    let word = |rest: &str| -> String {
        rest.chars()
            .take_while(|c| !c.is_whitespace() && !",[]{}".contains(*c))
            .collect()
    };
    let before = &text[..span.start as usize];
    let rest = &text[span.start as usize..];
    let name = word(rest.trim_start_matches('*'));
    let stars = rest.len() - rest.trim_start_matches('*').len();
    let anchors: Vec<String> = before
        .match_indices('&')
        .map(|(at, _)| word(&before[at + 1..]))
        .collect();
    let whole = Span::new(span.file, span.start as usize..span.start as usize + stars + name.len());
    let known = anchors.iter().map(String::as_str).filter(|a| !a.is_empty());
    Problem::at(whole, format!("no anchor `&{name}` before this alias")).did_you_mean(&name, known)
}

fn syntax(text: &str, span: Span, message: &str) -> Problem {
    let line_start = text[..span.start as usize].rfind('\n').map_or(0, |n| n + 1);
    let line_end = text[line_start..].find('\n').map_or(text.len(), |n| line_start + n);
    let line = &text[line_start..line_end];
    if message.contains("unknown anchor") {
        return no_anchor(text, span);
    }
    // The parser has a limit of its own, which nested flow collections reach before ours.
    if message.contains("recursion limit") {
        return Problem::at(span, "nested too deep").label(format!("past {MAX_DEPTH} levels here"));
    }
    let problem = Problem::at(span, format!("not YAML: {message}"));
    if line.trim_start_matches(' ').starts_with('\t') || message.contains("tab") {
        problem.hint("indent with spaces: YAML allows no tabs there")
    } else if ["{{", "{%"]
        .iter()
        .any(|t| line.contains(&format!(": {t}")) || line.contains(&format!("- {t}")))
    {
        problem.hint(QUOTE_TEMPLATES)
    } else if message.contains("double-quoted") && line.contains("{{") {
        problem.hint("inside double quotes, texts of a template take single ones: \"{{ role('master')[0].name }}\"")
    } else if message.contains("mapping values are not allowed") {
        problem.hint("a value that holds `: ` needs quotes; keys of one map begin in the same column")
    } else if message.contains("did not find expected key") {
        problem.hint("keys of one map begin in the same column")
    } else {
        problem
    }
}

/// The range without trailing blanks and line ends, which block collections include.
fn trimmed(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let end = text.floor_char_boundary(range.end);
    let start = text.floor_char_boundary(range.start.min(end));
    start..start + text[start..end].trim_end().len()
}

/// The bytes that `node` takes with all below it.
pub(crate) fn bytes(node: &Node) -> usize {
    size(node).bytes
}

fn size(node: &Node) -> Size {
    let own = Size {
        values: 1,
        bytes: size_of::<Entry>(),
    };
    let and = |sum: Size, more: Size| Size {
        values: sum.values + more.values,
        bytes: sum.bytes + more.bytes,
    };
    match &node.value {
        Yaml::Text(text) => and(
            own,
            Size {
                values: 0,
                bytes: text.len(),
            },
        ),
        Yaml::List(list) => list.iter().map(size).fold(own, and),
        Yaml::Map(entries) => {
            let entry = |e: &Entry| {
                and(
                    size(&e.node),
                    Size {
                        values: 0,
                        bytes: e.key.len(),
                    },
                )
            };
            entries.iter().map(entry).fold(own, and)
        }
        _ => own,
    }
}

fn merge_tag(tag: &ParserTag) -> Option<MergeTag> {
    match tag.original().as_str() {
        "!reset" => Some(MergeTag::Reset),
        "!override" => Some(MergeTag::Override),
        _ => None,
    }
}

fn unknown_tag(tag: &ParserTag, span: Span) -> Problem {
    Problem::at(span, format!("tag `{}` is not known here", tag.original()))
        .hint("known are `!reset`, `!override` and YAML's own, such as `!!str`")
}

fn collection_tag(tag: Option<&ParserTag>, span: Span) -> Result<Option<MergeTag>, Problem> {
    match tag {
        None => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() => Ok(None),
        Some(tag) => merge_tag(tag).map(Some).ok_or_else(|| unknown_tag(tag, span)),
    }
}

fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<&ParserTag>,
    span: Span,
) -> Result<(Yaml, Option<MergeTag>), Problem> {
    let plain = style == ScalarStyle::Plain;
    match tag {
        None if plain => Ok((plain_scalar(text), None)),
        None => Ok((Yaml::Text(text.to_owned()), None)),
        Some(tag) => match tag.core_suffix() {
            Some("str") => Ok((Yaml::Text(text.to_owned()), None)),
            Some(_) => Ok((plain_scalar(text), None)),
            None => {
                let merge = merge_tag(tag).ok_or_else(|| unknown_tag(tag, span))?;
                let value = if plain {
                    plain_scalar(text)
                } else {
                    Yaml::Text(text.to_owned())
                };
                Ok((value, Some(merge)))
            }
        },
    }
}
