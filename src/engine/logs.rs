//! Reads what containers print, line by line with the time of each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream as Source, StreamExt, TryStreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::connect::Engine;
use super::exec::Stream;
use super::fault::Fault;
use super::observe::read;
use crate::cluster::ObservedContainer;
use crate::lines::{LONGEST, trimmed};

/// The wait before a container's lines are read again after the connection broke, unless the container starts before.
const RETRY: Duration = Duration::from_secs(1);

/// A point in time as a person writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(SystemTime);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = |ago: Duration| SystemTime::now().checked_sub(ago);
        let found = match humantime::parse_duration(text) {
            Ok(duration) => ago(duration),
            Err(_) => humantime::parse_rfc3339(text).ok(),
        };
        found.map(Self).ok_or_else(|| {
            "expected how long ago, such as `10m`, or a time in UTC, such as `2026-01-31T12:00:00Z`".to_owned()
        })
    }
}

/// The lines of a container to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask {
    /// Only lines after this time; `None` for all.
    pub after: Option<SystemTime>,
    /// Only lines from this time on; `None` for all.
    pub since: Option<Moment>,
    /// Only lines up to this time; `None` for all.
    pub until: Option<Moment>,
    /// The number of lines at the end; `None` for all.
    pub tail: Option<u32>,
    /// Whether to continue with new lines until the container exits.
    pub follow: bool,
}

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The time when the engine received it.
    pub time: SystemTime,
    /// The stream that it was written to.
    pub stream: Stream,
    /// The text without its line end.
    pub text: Vec<u8>,
}

/// Lines as they arrive.
pub type Lines = Pin<Box<dyn Source<Item = Result<Line, Fault>> + Send>>;

/// The lines of a container (`GET /containers/{id}/logs`).
#[must_use]
pub fn lines(engine: &Engine, container: &str, ask: Ask) -> Lines {
    let seconds = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        i32::try_from(since.as_secs()).unwrap_or(i32::MAX)
    };
    let from = ask.after.max(ask.since.map(|m| m.0));
    let tail = ask.tail.map_or_else(|| "all".to_owned(), |n| n.to_string());
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .follow(ask.follow)
        .tail(&tail);
    // The times are always requested: lines are sorted by them, and they distinguish the output of a terminal from the
    // head of a frame.
    let options = options.timestamps(true).since(from.map_or(0, seconds));
    // The API counts in seconds here. Lines outside of the exact time are dropped below.
    let options = options.until(ask.until.map_or(0, |m| seconds(m.0).saturating_add(1)));
    let source = Box::pin(
        engine
            .docker
            .logs(container, Some(options.build()))
            .map_err(Fault::from),
    );
    let wanted = move |line: &Line| {
        ask.after.is_none_or(|after| line.time > after)
            && ask.since.is_none_or(|since| line.time >= since.0)
            && ask.until.is_none_or(|until| line.time <= until.0)
    };
    let reader = Reader {
        source,
        parts: [None, None],
        ready: VecDeque::new(),
    };
    let all = futures_util::stream::unfold(reader, |mut reader| async {
        let line = reader.next().await?;
        Some((line, reader))
    });
    Box::pin(all.filter(move |line| std::future::ready(line.as_ref().map_or(true, wanted))))
}

struct Reader<S> {
    source: S,
    /// The beginnings of incomplete lines, one of each stream. The engine splits lines that are longer than 16 KiB.
    parts: [Option<Line>; 2],
    ready: VecDeque<Line>,
}

impl<S: Source<Item = Result<LogOutput, Fault>> + Unpin> Reader<S> {
    async fn next(&mut self) -> Option<Result<Line, Fault>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            match self.source.next().await {
                Some(Ok(LogOutput::StdErr { message })) => self.take(Stream::Stderr, &message),
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                    self.take(Stream::Stdout, &message);
                }
                Some(Ok(LogOutput::StdIn { .. })) => {}
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    let rest = self.parts.iter_mut().find_map(Option::take)?;
                    self.ready.push_back(rest);
                }
            }
        }
    }

    /// Each message begins with its time, whether it is a line or a continuation. A line of which too much has come is told in
    /// parts.
    fn take(&mut self, stream: Stream, message: &[u8]) {
        let (time, text) = match message.iter().position(|b| *b == b' ') {
            Some(at) => (time(&message[..at]), &message[at + 1..]),
            None => (None, message),
        };
        let part = &mut self.parts[stream as usize];
        let text = if time.is_some() { text } else { message };
        let line = part.get_or_insert_with(|| Line {
            time: time.unwrap_or(UNIX_EPOCH),
            stream,
            text: Vec::new(),
        });
        line.text.extend(text);
        if (line.text.ends_with(b"\n") || line.text.len() >= LONGEST)
            && let Some(mut line) = part.take()
        {
            line.text.truncate(trimmed(&line.text).len());
            self.ready.push_back(line);
        }
    }
}

/// The time at the beginning of a line.
fn time(text: &[u8]) -> Option<SystemTime> {
    read::time(std::str::from_utf8(text).ok()?)
}

/// The lines of many containers, sorted by time. At most one line of each is read ahead.
pub struct Merged {
    sources: Vec<Lines>,
    /// The next line of each container, if it has one.
    heads: Vec<Option<Line>>,
    order: BinaryHeap<Reverse<(SystemTime, usize)>>,
    faults: VecDeque<(usize, Fault)>,
    /// The container of the last line; `None` before the first.
    last: Option<usize>,
}

impl Merged {
    /// Reads the first line of each of `sources`.
    pub async fn new(mut sources: Vec<Lines>) -> Self {
        let first = futures_util::future::join_all(sources.iter_mut().map(StreamExt::next)).await;
        let mut merged = Self {
            heads: vec![None; sources.len()],
            sources,
            order: BinaryHeap::new(),
            faults: VecDeque::new(),
            last: None,
        };
        for (at, line) in first.into_iter().enumerate() {
            merged.put(at, line);
        }
        merged
    }

    /// The next line with the index of its container. An error ends the lines of that container.
    pub async fn next(&mut self) -> Option<(usize, Result<Line, Fault>)> {
        if let Some(at) = self.last.take() {
            let line = self.sources[at].next().await;
            self.put(at, line);
        }
        if let Some((at, error)) = self.faults.pop_front() {
            return Some((at, Err(error)));
        }
        let Reverse((_, at)) = self.order.pop()?;
        self.last = Some(at);
        self.heads[at].take().map(|line| (at, Ok(line)))
    }

    fn put(&mut self, at: usize, line: Option<Result<Line, Fault>>) {
        match line {
            Some(Ok(line)) => {
                self.order.push(Reverse((line.time, at)));
                self.heads[at] = Some(line);
            }
            Some(Err(error)) => self.faults.push_back((at, error)),
            None => {}
        }
    }
}

/// Passes the lines of `container` to `out` as they arrive, again after each start, until it is removed, `starts` is
/// closed or nobody listens. If the connection breaks, it continues after the last line as soon as the engine answers.
pub async fn follow(
    engine: Engine,
    container: Arc<ObservedContainer>,
    mut ask: Ask,
    mut starts: watch::Receiver<()>,
    out: mpsc::Sender<(Arc<ObservedContainer>, Result<Line, Fault>)>,
) {
    ask.follow = true;
    loop {
        // A start after this moment is a new one.
        starts.borrow_and_update();
        let mut lines = lines(&engine, &container.id, ask);
        let mut is_broken = false;
        while let Some(line) = lines.next().await {
            match &line {
                Ok(line) => ask.after = Some(line.time),
                // The container was removed with its output.
                Err(fault) if fault.is_not_found() => return,
                Err(Fault::Lost(..)) => {
                    is_broken = true;
                    break;
                }
                Err(_) => {
                    // The receiver may have been dropped.
                    let _ = out.send((container, line)).await;
                    return;
                }
            }
            if out.send((container.clone(), line)).await.is_err() {
                return;
            }
        }
        let wait = if is_broken { RETRY } else { Duration::MAX };
        if let Ok(Err(_)) = timeout(wait, starts.changed()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(stream: Stream, text: &str) -> Result<LogOutput, Fault> {
        let message = text.to_owned().into();
        Ok(match stream {
            Stream::Stdout => LogOutput::StdOut { message },
            Stream::Stderr => LogOutput::StdErr { message },
        })
    }

    #[tokio::test]
    async fn parts_of_long_lines_are_put_together() {
        let source = futures_util::stream::iter([
            message(Stream::Stdout, "2026-01-31T12:00:01.0Z be"),
            message(Stream::Stderr, "2026-01-31T12:00:02.0Z oh\n"),
            message(Stream::Stdout, "2026-01-31T12:00:03.0Z gin\r\n"),
            message(Stream::Stdout, "2026-01-31T12:00:04.0Z \n"),
            message(Stream::Stdout, "2026-01-31T12:00:05.0Z end"),
        ]);
        let mut reader = Reader {
            source,
            parts: [None, None],
            ready: VecDeque::new(),
        };
        let mut found = Vec::new();
        while let Some(Ok(line)) = reader.next().await {
            found.push(String::from_utf8(line.text).expect("UTF-8"));
        }
        assert_eq!(found, ["oh", "begin", "", "end"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_told_in_parts() {
        let piece = format!("2026-01-31T12:00:01.0Z {}", "x".repeat(16 << 10));
        let pieces = (0..100).map(|_| message(Stream::Stdout, &piece));
        let mut reader = Reader {
            source: futures_util::stream::iter(pieces),
            parts: [None, None],
            ready: VecDeque::new(),
        };
        let mut found = Vec::new();
        while let Some(Ok(line)) = reader.next().await {
            found.push(line.text.len());
        }
        assert_eq!(found, [1 << 20, 36 * (16 << 10)]);
    }

    #[tokio::test]
    async fn lines_are_merged_by_their_times() {
        let source = |seconds: &[u64]| -> Lines {
            let lines = seconds.iter().map(|s| {
                Ok(Line {
                    time: UNIX_EPOCH + Duration::from_secs(*s),
                    stream: Stream::Stdout,
                    text: s.to_string().into_bytes(),
                })
            });
            Box::pin(futures_util::stream::iter(lines.collect::<Vec<_>>()))
        };
        let broken: Lines = Box::pin(futures_util::stream::iter([Err(Fault::Refused("broken".to_owned()))]));
        let mut merged = Merged::new(vec![source(&[1, 4, 5]), source(&[2, 3, 6]), source(&[]), broken]).await;
        let mut found = Vec::new();
        while let Some((at, line)) = merged.next().await {
            found.push(line.map_or_else(
                |_| format!("{at}!"),
                |l| format!("{at}:{}", String::from_utf8_lossy(&l.text)),
            ));
        }
        assert_eq!(found, ["3!", "0:1", "1:2", "1:3", "0:4", "0:5", "1:6"]);
    }
}
