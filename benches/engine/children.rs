//! Programs that are measured: their time, their CPU time, the most memory they had. All of them end when this one is
//! interrupted.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// What a program took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// Its own, not the engine's.
    pub(crate) cpu: Duration,
    /// The most resident memory, in bytes. It is never below this program's own, of which each is born.
    pub(crate) memory: u64,
}

impl Took {
    pub(crate) fn only(wall: Duration) -> Self {
        Self {
            wall,
            ..Self::default()
        }
    }
}

/// From now on the first interrupt ends what is measured, so that what was made can be taken away.
pub(crate) fn listen() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for _ in &mut signals {
            INTERRUPTED.store(true, Ordering::SeqCst);
            for pid in RUNNING.lock().expect("nobody panics with it").iter() {
                if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    });
    Ok(())
}

/// Looked at for so long to see whether the machine rests.
const GLANCE: Duration = Duration::from_secs(1);
/// Not waited for it longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Wait until the machine rests, so that nothing pays for what the one before left to the kernel and the engine.
pub(crate) fn rest() {
    let begun = Instant::now();
    let mut before = cpu();
    while begun.elapsed() < PATIENCE && !INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(GLANCE);
        let now = cpu();
        let (busy, all) = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        if busy * 10 <= all {
            return;
        }
        before = now;
    }
    eprintln!("the machine does not rest: the next figure has some of that in it");
}

/// Ticks of all processors since the machine began, busy and all, by proc(5); what other machines took is neither.
fn cpu() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(7)
        .filter_map(|t| t.parse().ok())
        .collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let all = ticks.iter().sum();
    (all - idle, all)
}

/// An error where somebody wants this to end.
pub(crate) fn interrupted() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// Whether somebody desired this to end; from now on programs run again, which cleaning up needs.
pub(crate) fn go_on() -> bool {
    INTERRUPTED.swap(false, Ordering::SeqCst)
}

/// A program that was started.
pub(crate) struct Started {
    child: Child,
    words: String,
    said: File,
    begun: Instant,
}

/// Start a program; what it prints is shown only where it fails.
pub(crate) fn start(command: &mut Command) -> Result<Started> {
    interrupted()?;
    let said = tempfile::tempfile()?;
    let words = format!("{command:?}");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(said.try_clone()?));
    let begun = Instant::now();
    let child = command.spawn().with_context(|| words.clone())?;
    RUNNING.lock().expect("nobody panics with it").push(child.id());
    Ok(Started {
        child,
        words,
        said,
        begun,
    })
}

impl Started {
    /// Wait for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Result<Took> {
        let id = self.child.id();
        let ended = self.child.wait4();
        let wall = self.begun.elapsed();
        RUNNING.lock().expect("nobody panics with it").retain(|pid| *pid != id);
        let ended = ended?;
        if !ended.status.success() {
            interrupted()?;
            let mut text = String::new();
            self.said.rewind()?;
            self.said.read_to_string(&mut text)?;
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(6)..];
            bail!("{} {}: {}", self.words, ended.status, last.join("\n"));
        }
        Ok(Took {
            wall,
            cpu: ended.rusage.utime + ended.rusage.stime,
            memory: ended.rusage.maxrss,
        })
    }
}

/// Run a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<Took> {
    start(command)?.end()
}
