//! Problems in the user's files, shown at the source line.
//!
//! Problems are collected, so that a user sees all of them at once.

use crate::budget::Budget;
use crate::text::printable;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// The index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(u32);

/// A range of bytes in one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file that the range lies in.
    pub file: FileId,
    /// The first byte, from 0.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of `range` in `file`.
    #[must_use]
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            file,
            start: clamp(range.start),
            end: clamp(range.end),
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value that was written there.
    pub value: T,
    /// Where the value is written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs `value` with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// The texts that spans point into, by [`FileId`].
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    budget: Arc<Budget>,
}

impl Sources {
    /// From now on, what the texts expand to draws on `budget`.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = Arc::new(budget);
    }

    /// What the texts may expand to.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Adds `text` under the name that messages show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source {
            name: name.into(),
            text: text.into(),
        });
        id
    }

    /// The text of `file`.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| &f.text)
    }

    /// The name of `file` as messages show it.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| &f.name)
    }

    /// The span of `part`, a range in the decoded text of a scalar, if it stands verbatim in the source; otherwise,
    /// because of quoting or folding, the span of the whole scalar.
    #[must_use]
    pub fn within(&self, span: Span, decoded: &str, part: Range<usize>) -> Span {
        let written = self.text(span.file).get(span.range()).unwrap_or("");
        match written.find(decoded) {
            Some(at) if part.end <= decoded.len() => {
                let base = span.start as usize + at;
                return Span::new(span.file, base + part.start..base + part.end);
            }
            _ => {}
        }
        // The text is indented, folded or escaped. The part may still stand verbatim, as often as in the decoded text.
        let Some(wanted) = decoded.get(part.clone()).filter(|w| !w.is_empty()) else {
            return span;
        };
        if decoded.matches(wanted).count() != written.matches(wanted).count() {
            return span;
        }
        let before = decoded[..part.start].matches(wanted).count();
        match written.match_indices(wanted).nth(before) {
            Some((at, _)) => Span::new(
                span.file,
                span.start as usize + at..span.start as usize + at + wanted.len(),
            ),
            None => span,
        }
    }

    /// `file:line:column: ` as a prefix for messages; empty without a place.
    #[must_use]
    pub fn place_of(&self, place: Option<Span>) -> String {
        let Some(span) = place else {
            return String::new();
        };
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}: ", self.name(span.file))
    }

    /// The line and column of the start, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.file);
        let at = text.floor_char_boundary(span.start as usize);
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before[before.rfind('\n').map_or(0, |n| n + 1)..].chars().count() + 1;
        (line, column)
    }
}

/// What a [`Problem`] is about, which decides whether it stands when others do too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The file itself: its syntax, or a rule of the language.
    Source,
    /// A fault regardless of other problems: a template that fails, a host port published twice.
    ByItself,
    /// A key or value that is passed on to Compose and the engine, and that they do not know either.
    Compose,
    /// The command line, not a file.
    Usage,
}

/// One fault in what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// What is wrong, in one line, lower case and without a full stop.
    pub message: String,
    /// Where it is written; `None` for a problem without a place.
    pub place: Option<Span>,
    /// The words at the caret: what was expected or found. May be empty.
    pub label: String,
    /// The way out; `None` where there is none to suggest.
    pub hint: Option<String>,
    /// What the problem is about.
    pub kind: Kind,
    /// The code of the lint that found it: then it is a warning, which a blueprint may silence.
    pub code: Option<&'static str>,
}

impl Problem {
    /// Creates a problem at `place`.
    pub fn at(place: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some(place),
            label: String::new(),
            hint: None,
            kind: Kind::Source,
            code: None,
        }
    }

    /// Creates a problem without a place.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            label: String::new(),
            hint: None,
            kind: Kind::Source,
            code: None,
        }
    }

    /// Creates a problem of the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            ..Self::general(message)
        }
    }

    /// Marks the problem as [`Kind::ByItself`].
    #[must_use]
    pub fn by_itself(mut self) -> Self {
        self.kind = Kind::ByItself;
        self
    }

    /// Sets the words at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the hint, which tells the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" if one of `known` is close to `found`, otherwise the list of known names if it is short.
    #[must_use]
    pub fn did_you_mean<'a>(self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match Instead::of(found, known) {
            Instead::Near(hint) | Instead::OneOf(hint) => self.hint(hint),
            Instead::Unknown => self,
        }
    }
}

/// What to suggest in place of an unknown name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// A known name that is spelt similarly.
    Near(String),
    /// The list of known names, since none is similar.
    OneOf(String),
    /// No suggestion: there are no known names, or too many to list.
    Unknown,
}

impl Instead {
    /// What to suggest for `found`, given the `known` names.
    #[must_use]
    pub fn of<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        if let Some(near) = nearest(found, known.iter().copied()) {
            return Self::Near(format!("did you mean `{near}`?"));
        }
        if known.is_empty() || known.len() > 16 {
            return Self::Unknown;
        }
        let list: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
        Self::OneOf(format!("known here: {}", list.join(", ")))
    }
}

/// The one of `known` that a person who typed `found` most likely meant.
#[must_use]
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&found.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(score, _)| *score > 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// Whether a blueprint with a problem is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The blueprint is refused.
    Error,
    /// The blueprint is valid, and may not do what was intended.
    Warning,
    /// What is done in silence, for those who ask.
    Note,
}

/// The JSON array of `problems` for editors (`--format json`).
#[must_use]
pub fn json<'a>(problems: impl IntoIterator<Item = (Severity, &'a Problem)>, sources: &Sources) -> String {
    let entry = |(severity, problem): (Severity, &'a Problem)| {
        let position = problem.place.map(|s| sources.position(s));
        ProblemJson {
            severity,
            code: problem.code,
            message: &problem.message,
            file: problem.place.map(|s| sources.name(s.file)),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            label: &problem.label,
            hint: problem.hint.as_deref(),
        }
    };
    let list: Vec<ProblemJson<'_>> = problems.into_iter().map(entry).collect();
    serde_json::to_string_pretty(&list).unwrap_or_default()
}

/// A problem as editors read it. Lines and columns count from 1.
#[derive(Debug, Serialize)]
struct ProblemJson<'a> {
    severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Up to this many problems show a shared hint each; with more, only the last shows it.
const MANY: usize = 3;
/// The most problems shown to a person at once.
const MOST_SHOWN: usize = 100;

/// All problems found so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    known: HashSet<Problem>,
}

impl Problems {
    /// Adds a problem; the same problem at the same place counts once.
    pub fn push(&mut self, problem: Problem) {
        if self.known.insert(problem.clone()) {
            self.list.push(problem);
        }
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: Problems) {
        for problem in others.list {
            self.push(problem);
        }
    }

    /// Whether there is no problem.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether all of them are [`Kind::Compose`].
    #[must_use]
    pub fn are_of_compose(&self) -> bool {
        self.list.iter().all(|problem| problem.kind == Kind::Compose)
    }

    /// Adds the problems of `others` that are [`Kind::ByItself`]; in a faulty blueprint the rest may only be
    /// consequences.
    pub fn extend_by_themselves(&mut self, others: Problems) {
        for problem in others.list.into_iter().filter(|p| p.kind == Kind::ByItself) {
            self.push(problem);
        }
    }

    /// Whether all problems are of the command line.
    #[must_use]
    pub fn are_usage(&self) -> bool {
        self.list.iter().all(|p| p.kind == Kind::Usage)
    }

    /// The number of problems.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The problems ordered by place; those without a place last.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut list: Vec<&Problem> = self.list.iter().collect();
        list.sort_by_key(|p| (p.place.is_none(), p.place));
        list
    }

    /// The text for people: each problem with its place and source line, and the number of problems if there are
    /// several.
    #[must_use]
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        let mut shown = self.sorted();
        shown.truncate(MOST_SHOWN);
        // For each hint: the number of problems that have it, and the index of the last one.
        let mut hints: HashMap<&str, (usize, usize)> = HashMap::new();
        for (at, problem) in shown.iter().enumerate() {
            if let Some(hint) = problem.hint.as_deref() {
                let (count, last) = hints.entry(hint).or_default();
                *count += 1;
                *last = at;
            }
        }
        for (at, problem) in shown.into_iter().enumerate() {
            // A hint that many problems share is shown once, under the last of them, where a reader ends up.
            let said = |hint: &&str| {
                hints
                    .get(hint)
                    .is_some_and(|(count, last)| *count <= MANY || *last == at)
            };
            let hint = problem.hint.as_deref().filter(said);
            // Texts of others are in all of them.
            let (message, label) = (printable(&problem.message), printable(&problem.label));
            let hint = hint.map(printable);
            let title = Level::ERROR.primary_title(&*message);
            let Some(place) = problem.place else {
                let _ = writeln!(
                    text,
                    "{}",
                    renderer.render(&[annotate_snippets::Group::with_title(title)])
                );
                for extra in [("", &*label), ("hint: ", hint.as_deref().unwrap_or_default())] {
                    if !extra.1.is_empty() {
                        let _ = writeln!(text, "  {}{}", extra.0, extra.1);
                    }
                }
                text.push('\n');
                continue;
            };
            let (source, name) = (sources.text(place.file), printable(sources.name(place.file)));
            let mut range = place.range();
            range.end = source.floor_char_boundary(range.end);
            range.start = source.floor_char_boundary(range.start.min(range.end));
            // A caret under many lines shows nothing, so it points at the first line only.
            if let Some(newline) = source[range.clone()].find('\n') {
                range.end = range.start + newline;
            }
            let caret = AnnotationKind::Primary.span(range).label(&*label);
            let snippet = Snippet::source(source).path(&*name).annotation(caret);
            let mut group = title.element(snippet);
            if let Some(hint) = &hint {
                group = group.element(Level::HELP.with_name("hint").message(&**hint));
            }
            let _ = writeln!(text, "{}\n", renderer.render(&[group]));
        }
        if self.list.len() > 1 {
            let _ = match self.list.len() {
                many if many > MOST_SHOWN => writeln!(text, "{many} problems, the first {MOST_SHOWN} of them shown"),
                few => writeln!(text, "{few} problems"),
            };
        } else {
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// The JSON array for editors, ordered by place.
    #[must_use]
    pub fn to_json(&self, sources: &Sources) -> String {
        json(self.sorted().into_iter().map(|p| (Severity::Error, p)), sources)
    }
}
