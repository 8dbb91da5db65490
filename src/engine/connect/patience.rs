//! What happens while the engine does not answer: a line says which call is waited for, and a call that changes nothing
//! ends after a while.
//!
//! An engine may accept a connection and never answer, for example while one of its networks is locked. A call that
//! changes something is waited for longer, because nobody would know whether it was carried out.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::Method;
use tokio::time::Instant;

/// The time after which a line says which call is waited for.
const FIRST_NOTICE: Duration = Duration::from_secs(3);
/// The time between two such lines.
const NEXT_NOTICE: Duration = Duration::from_secs(10);
/// The most calls that a message names.
const NAMED: usize = 5;
/// The ends of paths of calls that take their time: what is stopped may use its stop timeout, and images are large.
const SLOW: [&str; 5] = ["/stop", "/restart", "/wait", "/images/create", "/images/load"];

/// How long to wait for the engine, and who hears of it.
#[derive(Clone)]
pub struct Patience {
    /// The longest wait for the answer to a call that changes nothing.
    pub limit: Duration,
    /// Receives a line about a call that has had no answer for a while.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(60),
            notice: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The calls to an engine, and which of them it has answered.
#[derive(Debug)]
pub(super) struct Calls {
    patience: Patience,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// The calls that were answered, each once, the last one at the end.
    answered: Vec<String>,
    /// The calls that are waited for, in the order of their begin.
    waiting: Vec<(u64, String)>,
    /// The number of the next call.
    next: u64,
    last_answer: Instant,
    last_notice: Option<Instant>,
}

/// A call in a message, such as `GET /networks`, and how it is waited for.
pub(super) struct Call {
    name: String,
    /// Whether it changes nothing.
    reads: bool,
    /// Whether it may take long on an engine that is well.
    slow: bool,
}

impl Call {
    pub(super) fn of(request: &BollardRequest) -> Self {
        let path = request.uri().path();
        let parts = path.split('/').map(|part| match part.len() {
            // The ID of a container or network; twelve digits of it are what people see elsewhere.
            64 => &part[..12],
            _ => part,
        });
        Self {
            name: format!("{} {}", request.method(), parts.collect::<Vec<_>>().join("/")),
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            slow: SLOW.iter().any(|end| path.ends_with(end)),
        }
    }
}

impl Calls {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            log: Mutex::new(Log {
                answered: Vec::new(),
                waiting: Vec::new(),
                next: 0,
                last_answer: Instant::now(),
                last_notice: None,
            }),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the answer to `call`, which `sending` gets.
    ///
    /// # Errors
    /// Those of `sending`; a timeout if the call changes nothing and has no answer within the limit.
    pub(super) async fn wait<T>(
        &self,
        call: Call,
        sending: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let waiting = self.begin(&call);
        let mut sending = std::pin::pin!(sending);
        let mut notice = begun + FIRST_NOTICE;
        loop {
            let wake = match call.reads {
                true => notice.min(begun + self.patience.limit),
                false => notice,
            };
            tokio::select! {
                biased;
                result = &mut sending => {
                    if result.is_ok() {
                        waiting.answered();
                    }
                    return result;
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            if call.reads && begun.elapsed() >= self.patience.limit {
                return Err(io::Error::new(io::ErrorKind::TimedOut, self.silence()).into());
            }
            self.notice(&call, begun);
            notice = Instant::now() + NEXT_NOTICE;
        }
    }

    fn begin(&self, call: &Call) -> Waiting<'_> {
        let mut log = self.log();
        let number = log.next;
        log.next += 1;
        log.waiting.push((number, call.name.clone()));
        Waiting { calls: self, number }
    }

    /// Says that `call` is waited for, unless another call was named a moment ago. One that changes something is named
    /// only if the engine answers nothing at all: creating many containers takes long on an engine that is well.
    fn notice(&self, call: &Call, begun: Instant) {
        let mut log = self.log();
        let is_recent = |at: Instant| at.elapsed() < FIRST_NOTICE;
        if log.last_notice.is_some_and(is_recent) || !call.reads && (call.slow || is_recent(log.last_answer)) {
            return;
        }
        log.last_notice = Some(Instant::now());
        drop(log);
        let seconds = begun.elapsed().as_secs();
        (self.patience.notice)(&format!(
            "waiting for the engine: no answer to `{}` for {seconds} s",
            call.name
        ));
    }

    /// What the engine did not answer within the limit, and what it did.
    fn silence(&self) -> String {
        let log = self.log();
        let mut waiting: Vec<&str> = Vec::new();
        for (_, name) in &log.waiting {
            if !waiting.contains(&name.as_str()) {
                waiting.push(name);
            }
        }
        let named = |names: &[&str]| {
            let shown: Vec<String> = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect();
            match names.len() - shown.len() {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        };
        let answered = log.answered.iter().map(String::as_str);
        let mut answered: Vec<&str> = answered.filter(|name| !waiting.contains(name)).collect();
        answered.sort_unstable();
        let answered = match answered.as_slice() {
            [] => "it has answered nothing".to_owned(),
            some => format!("it has answered {}", named(some)),
        };
        let seconds = self.patience.limit.as_secs();
        format!("no answer to {} in {seconds} s; {answered}", named(&waiting))
    }
}

/// A call that is waited for, until this is dropped.
struct Waiting<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Waiting<'_> {
    fn answered(&self) {
        let mut log = self.calls.log();
        log.last_answer = Instant::now();
        let name = log.waiting.iter().find(|(number, _)| *number == self.number);
        if let Some((_, name)) = name.cloned() {
            log.answered.retain(|n| *n != name);
            log.answered.push(name);
            let more = log.answered.len().saturating_sub(4 * NAMED);
            log.answered.drain(..more);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.calls.log().waiting.retain(|(number, _)| *number != self.number);
    }
}
