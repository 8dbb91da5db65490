//! Cost against size: each verb at several sizes, with what topogen and the engine spend on it.

use anyhow::Result;
use tokio::net::UnixStream;

use crate::children::{self, Took};
use crate::clusters::megabytes;
use crate::lab::{Lab, OURS};
use crate::report::{Line, Size, Spread, Unit};
use crate::{Options, say};

/// What is measured at each size, in this order.
const VERBS: [&str; 5] = ["up", "no-op", "verify", "down", "render"];
/// Ticks of a second in proc(5): USER_HZ, the same on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

/// The processes of the engine that can be observed: its own, and its containerd's.
struct Processes(Vec<u32>);

impl Processes {
    fn of(lab: &Lab) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let peer = runtime.ok().and_then(|r| {
            let stream = r.block_on(UnixStream::connect(&lab.place.socket)).ok()?;
            u32::try_from(stream.peer_cred().ok()?.pid()?).ok()
        });
        // Behind another program that listens for it, or on another machine, it is out of sight.
        let Some(engine) = peer
            .filter(|pid| name(*pid).as_deref() == Some("dockerd"))
            .or_else(the_only_engine)
        else {
            return Self(Vec::new());
        };
        let all = || {
            pids()
                .into_iter()
                .filter(|pid| name(*pid).as_deref() == Some("containerd"))
        };
        let own: Vec<u32> = all().filter(|pid| parent(*pid) == Some(engine)).collect();
        let beside = all().filter(|pid| parent(*pid).and_then(name).as_deref() != Some("dockerd"));
        let containerd = if own.is_empty() { beside.collect() } else { own };
        Self([vec![engine], containerd].concat())
    }

    /// CPU seconds that they have spent since they began.
    fn spent(&self) -> Option<f64> {
        let spent = |pid: &u32| {
            let fields = stat(*pid)?;
            let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
            Some((ticks(11)? + ticks(12)?) / TICKS)
        };
        let all: Option<Vec<f64>> = self.0.iter().map(spent).collect();
        all.filter(|a| !a.is_empty()).map(|a| a.iter().sum())
    }
}

fn the_only_engine() -> Option<u32> {
    let mut engines = pids()
        .into_iter()
        .filter(|pid| name(*pid).as_deref() == Some("dockerd"));
    let one = engines.next()?;
    engines.next().is_none().then_some(one)
}

fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

fn name(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(text.trim().to_owned())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// `/proc/PID/stat` from its third field on: what stands before may hold blanks.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

/// One verb at one size, as often as it was measured.
#[derive(Default)]
struct Found {
    took: Vec<Took>,
    engine: Vec<f64>,
}

/// Every verb at every size, and whether what is bounded holds.
pub(crate) fn sizes(lab: &Lab, options: &Options) -> Result<(Vec<Size>, Vec<Line>)> {
    let processes = Processes::of(lab);
    let mut sizes: Vec<Size> = Vec::new();
    let mut missing = Vec::new();
    for slaves in &options.sizes {
        match at(lab, &processes, *slaves, options.size_rounds) {
            Ok(found) => sizes.extend(found),
            // What was measured before stays, and the rest may do.
            Err(error) => {
                children::interrupted()?;
                say(&format!("{slaves} slaves: {error:#}"));
                let measured = format!("{slaves} slaves");
                missing.push(Line::missing("sizes", &measured, "", "a command failed"));
                lab.clean()?;
            }
        }
    }
    let mut lines = bounds(&sizes, options);
    lines.extend(missing);
    Ok((sizes, lines))
}

/// Every verb at one size, so many times.
fn at(lab: &Lab, processes: &Processes, slaves: u32, rounds: usize) -> Result<Vec<Size>> {
    let mut found: [Found; VERBS.len()] = Default::default();
    for round in 0..rounds {
        say(&format!("{slaves} slaves: round {} of {rounds}", round + 1));
        for (verb, found) in VERBS.iter().zip(&mut found) {
            let before = processes.spent();
            found.took.push(once(lab, verb, slaves)?);
            if let (Some(before), Some(after)) = (before, processes.spent()) {
                found.engine.push(after - before);
            }
        }
    }
    let size = |(verb, found): (&&str, Found)| Size {
        verb: (*verb).to_owned(),
        slaves,
        containers: 3 + 5 * slaves,
        seconds: Spread::of_times(found.took.iter().map(|t| t.wall)),
        cpu_seconds: Spread::of_times(found.took.iter().map(|t| t.cpu)),
        megabytes: Spread::of(found.took.iter().map(megabytes)),
        engine_cpu_seconds: (!found.engine.is_empty()).then(|| Spread::of(found.engine)),
    };
    Ok(VERBS.iter().zip(found).map(size).collect())
}

fn once(lab: &Lab, verb: &str, slaves: u32) -> Result<Took> {
    match verb {
        "render" => {
            let out = lab.path().join("sizes");
            let count = slaves.to_string();
            let mut command = lab.topogen(&["render", "-n", OURS, "--slaves", &count, "-o"]);
            let took = children::run(command.arg(&out))?;
            std::fs::remove_dir_all(&out)?;
            Ok(took)
        }
        "no-op" => lab.ours("up", Some(slaves)),
        "down" => lab.ours("down", None),
        verb => lab.ours(verb, Some(slaves)),
    }
}

fn bounds(sizes: &[Size], options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    let most = sizes.iter().map(|s| s.megabytes.max);
    let largest = options.sizes.iter().max().copied().unwrap_or_default();
    let named = format!("memory of any verb up to {largest} slaves");
    lines.push(Line::alone(
        "sizes",
        &named,
        Unit::Megabytes,
        Some(100.0),
        vec![most.fold(0.0, f64::max)],
    ));
    // Below 50 slaves, what is spent once for all is a part of each container's cost.
    let small = options
        .sizes
        .iter()
        .filter(|s| **s >= 50)
        .min()
        .copied()
        .unwrap_or(largest);
    if small == largest {
        return lines;
    }
    for verb in VERBS {
        let each = |slaves: u32| {
            let size = sizes.iter().find(|s| s.verb == verb && s.slaves == slaves)?;
            let of = |seconds: f64| seconds / f64::from(size.containers);
            Some(Spread {
                median: of(size.seconds.median),
                min: of(size.seconds.min),
                max: of(size.seconds.max),
            })
        };
        if let (Some(large), Some(less)) = (each(largest), each(small)) {
            let named = format!("{verb}: a container's cost at {largest} slaves");
            let against = format!("the same at {small}");
            lines.push(Line::growth(
                "sizes",
                &named,
                &against,
                Unit::Seconds,
                Some(1.2),
                (large, less),
            ));
        }
    }
    lines
}
