//! Clusters on the engine, pair by pair: topogen, then what it stands beside, or the other way round.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::children::{self, Took};
use crate::floor;
use crate::lab::{Compose, FLOOR, Lab, OURS, desired};
use crate::report::{Line, Spread, Unit};
use crate::{Options, say};

/// Slaves of the article's lab: 53 containers.
const SLAVES: u32 = 10;
/// What the fakes are asked to do at least: nothing.
const TRIVIAL: &[&str] = &["/topogen", "--version"];
/// Calls at once that are tried for the floor.
const TRIED: [usize; 4] = [4, 8, 16, 32];

/// What is measured, each time from nothing.
type Measure<'a, T> = &'a mut dyn FnMut() -> Result<T>;

/// From nothing to nothing.
#[derive(Default)]
struct Cycle {
    up: Duration,
    nothing: Duration,
    down: Duration,
}

/// One measurement of each a round, who is first going round, each beginning at rest.
fn rounds<T, const N: usize>(rounds: usize, what: &str, all: [Measure<'_, T>; N]) -> Result<Vec<[T; N]>> {
    let mut found = Vec::with_capacity(rounds);
    for round in 0..rounds {
        say(&format!("{what}: round {} of {rounds}", round + 1));
        let mut took = [const { None }; N];
        for turn in 0..N {
            let at = (round + turn) % N;
            children::rest();
            took[at] = Some(all[at]()?);
        }
        // Each had its turn.
        found.extend(
            took.into_iter()
                .collect::<Option<Vec<T>>>()
                .and_then(|t| t.try_into().ok()),
        );
    }
    Ok(found)
}

/// Two measurements a round, who is first alternating.
pub(crate) fn pairs<T>(
    times: usize,
    what: &str,
    mut ours: impl FnMut() -> Result<T>,
    mut theirs: impl FnMut() -> Result<T>,
) -> Result<Vec<(T, T)>> {
    let found = rounds(times, what, [&mut ours, &mut theirs])?;
    Ok(found.into_iter().map(|[ours, theirs]| (ours, theirs)).collect())
}

fn of(pairs: &[(Cycle, Cycle)], part: fn(&Cycle) -> Duration) -> Vec<(Duration, Duration)> {
    pairs.iter().map(|(a, b)| (part(a), part(b))).collect()
}

fn our_cycle(lab: &Lab, again: bool) -> Result<Cycle> {
    let up = lab.ours("up", Some(SLAVES))?.wall;
    let nothing = match again {
        true => lab.ours("up", Some(SLAVES))?.wall,
        false => Duration::ZERO,
    };
    let down = lab.ours("down", None)?.wall;
    Ok(Cycle { up, nothing, down })
}

fn floor_cycle(lab: &Lab, at_once: usize) -> Result<Cycle> {
    let desired = desired(FLOOR, SLAVES)?;
    let up = floor::up(&desired, lab.place.api, |_| true, true)?;
    let up = lab.floor_at(&up, at_once)?.wall;
    let down = lab.floor_at(&floor::down(&desired, |_| true, true), at_once)?.wall;
    Ok(Cycle {
        up,
        down,
        ..Cycle::default()
    })
}

fn compose_cycle(lab: &Lab, way: Compose, directories: &[PathBuf], again: bool) -> Result<Cycle> {
    lab.inout(true)?;
    let up = way.run(directories, &["up", "-d"])?.wall;
    let nothing = match again {
        true => way.run(directories, &["up", "-d"])?.wall,
        false => Duration::ZERO,
    };
    let down = way.run(directories, &["down"])?.wall;
    lab.inout(false)?;
    Ok(Cycle { up, nothing, down })
}

/// How many calls at once serve the floor best.
pub(crate) fn tune(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut found: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); TRIED.len()];
    for round in 0..options.rounds {
        say(&format!("tune: round {} of {}", round + 1, options.rounds));
        for (at, at_once) in TRIED.iter().enumerate() {
            let cycle = floor_cycle(lab, *at_once)?;
            found[at].0.push(cycle.up.as_secs_f64());
            found[at].1.push(cycle.down.as_secs_f64());
        }
    }
    for (at_once, (up, down)) in TRIED.iter().zip(found) {
        let named = |verb| format!("floor of `{verb}`, {at_once} calls at once");
        lines.push(Line::alone("tune", &named("up"), Unit::Seconds, None, up));
        lines.push(Line::alone("tune", &named("down"), Unit::Seconds, None, down));
    }
    Ok(lines)
}

/// `up` and `down` beside the floor, and beside Compose: what of it was asked for.
pub(crate) fn cold(lab: &Lab, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    if options.has("floor") || options.has("down") {
        let rounds = || {
            pairs(
                options.rounds,
                "the floor",
                || our_cycle(lab, false),
                || floor_cycle(lab, lab.at_once),
            )
        };
        match rounds() {
            Ok(found) => {
                let line = |section, verb, part| Line::pairs(section, verb, "the floor", Some(1.05), &of(&found, part));
                lines.push(line("floor", "`up --slaves 10`, cold", |c| c.up));
                lines.push(line("down", "`down`, 53 containers", |c| c.down));
            }
            Err(error) => {
                for (section, verb) in [("floor", "`up --slaves 10`"), ("down", "`down`")] {
                    lines.push(Line::missing(section, verb, "the floor", format!("{error:#}")));
                }
                let _ = lab.clean();
            }
        }
    }
    let ways = [(Compose::Loop, 0.67), (Compose::One, 0.5), (Compose::AtOnce, 0.8)];
    for (way, bound) in ways {
        let desired = options.has("compose") || way == Compose::Loop && (options.has("down") || options.has("noop"));
        if !desired {
            continue;
        }
        match beside(lab, options, way, bound) {
            Ok(found) => lines.extend(found),
            Err(error) => {
                for section in ["compose", "down", "noop"] {
                    lines.push(Line::missing(section, "all", way.words(), format!("{error:#}")));
                }
                // What half of it left would be in the way of the next.
                let _ = lab.clean();
            }
        }
    }
    lines.retain(|l| options.has(&l.section));
    lines
}

fn beside(lab: &Lab, options: &Options, way: Compose, bound: f64) -> Result<Vec<Line>> {
    if way.version().is_none() {
        bail!("it is not installed");
    }
    let directories = lab.render(SLAVES)?;
    let again = way == Compose::Loop && options.has("noop");
    let found = rounds(
        options.rounds,
        way.words(),
        [
            &mut || our_cycle(lab, again),
            &mut || floor_cycle(lab, lab.at_once),
            &mut || compose_cycle(lab, way, &directories, again),
        ],
    )?;
    let line = |section: &str, measured: &str, bound, which: usize, part: fn(&Cycle) -> Duration| {
        let pairs: Vec<_> = found.iter().map(|all| (part(&all[which]), part(&all[2]))).collect();
        Line::pairs(section, measured, way.words(), bound, &pairs)
    };
    // What the engine allows: where the floor passes a bound, nobody can keep it.
    let mut lines = vec![
        line("compose", "`up --slaves 10`, cold", Some(bound), 0, |c| c.up),
        line("compose", "the floor of the same", None, 1, |c| c.up),
    ];
    if way == Compose::Loop {
        lines.push(line("down", "`down`, 53 containers", Some(0.6), 0, |c| c.down));
        lines.push(line("down", "the floor of the same", None, 1, |c| c.down));
    }
    if again {
        lines.push(line("noop", "`up` with nothing to do", Some(0.05), 0, |c| c.nothing));
    }
    Ok(lines)
}

/// One slave more, at two sizes, in one and the same cluster: topogen adds it and takes it away, the floor does.
pub(crate) fn grow(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut times: Vec<(Spread, Option<Spread>)> = Vec::new();
    for slaves in [10, 49] {
        say(&format!("grow: bringing up {slaves} slaves"));
        lab.ours("up", Some(slaves))?;
        let desired = desired(OURS, slaves + 1)?;
        let last = format!("slave{}", slaves + 1);
        let only = |node: &str| node == last;
        for looks in [false, true] {
            let mut jobs = floor::up(&desired, lab.place.api, only, false)?;
            let (against, bound) = match looks {
                true => ("the same floor, once it has looked at what is there", None),
                false => ("the five containers' floor", Some(1.1)),
            };
            if looks {
                jobs = floor::once_looked(jobs, &desired, |node| !only(node));
            }
            let found = pairs(
                options.rounds,
                &format!("grow, {slaves} and one"),
                || {
                    let took = lab.ours("up", Some(slaves + 1))?;
                    lab.ours("up", Some(slaves))?;
                    Ok(took.wall)
                },
                || {
                    let took = lab.floor(&jobs)?;
                    lab.floor(&floor::down(&desired, only, false))?;
                    Ok(took.wall)
                },
            )?;
            let named = format!("`up --slaves {}` on {slaves}", slaves + 1);
            let line = Line::pairs("grow", &named, against, bound, &found);
            if !looks {
                times.push((line.ours, line.theirs));
            }
            lines.push(line);
        }
    }
    if let [(small, Some(floor)), (large, Some(its))] = times[..] {
        let growth = |what: &str, bound, of| Line::growth("grow", what, "the same at 10", Unit::Seconds, bound, of);
        lines.push(growth("one slave more at 49", Some(1.1), (large, small)));
        lines.push(growth("the floor of one slave more at 49", None, (its, floor)));
    }
    lab.ours("down", None)?;
    Ok(lines)
}

/// Proving 53 containers, beside running a trivial command in each of them.
pub(crate) fn verify(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    lab.ours("up", Some(SLAVES))?;
    let desired = desired(OURS, SLAVES)?;
    let execs = floor::execs(&desired, TRIVIAL);
    let found = pairs(
        options.rounds,
        "verify",
        || Ok(lab.ours("verify", Some(SLAVES))?.wall),
        // As many as `verify` asks at once.
        || Ok(lab.floor_at(&execs, 64)?.wall),
    )?;
    lab.ours("down", None)?;
    let line = Line::pairs("verify", "`verify`, 53 containers", "53 bare execs", Some(1.3), &found);
    Ok(vec![line])
}

/// What a fake takes: memory, and time to start.
pub(crate) fn fakes(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    use crate::wire::Call;
    lab.ours("up", Some(SLAVES))?;
    let desired = desired(OURS, SLAVES)?;
    let names: Vec<&str> = desired
        .nodes
        .iter()
        .flat_map(|n| &n.containers)
        .map(|c| c.name.as_str())
        .collect();
    let mut memory = Vec::new();
    for name in &names {
        let observed = lab.ask(&Call::get(format!("/containers/{name}/json")))?;
        let pid = observed["State"]["Pid"].as_u64().unwrap_or_default();
        memory.extend(resident(pid));
    }
    let mut starts = Vec::new();
    for round in 0..options.rounds {
        say(&format!("fakes: round {} of {}", round + 1, options.rounds));
        // One node's: the others stay as they are.
        for name in names.iter().take(3) {
            children::interrupted()?;
            lab.tell(&Call::post(format!("/containers/{name}/stop"), None).or(&[304]))?;
            let begun = std::time::Instant::now();
            lab.tell(&Call::post(format!("/containers/{name}/start"), None))?;
            starts.push(begun.elapsed().as_secs_f64());
        }
    }
    lab.ours("down", None)?;
    let mut lines = vec![Line::alone(
        "fakes",
        "a fake's start, as the engine answers",
        Unit::Seconds,
        None,
        starts,
    )];
    lines.push(match memory.is_empty() {
        true => Line::missing(
            "fakes",
            "a fake's resident memory",
            "",
            "its process is not of this machine",
        ),
        false => Line::alone("fakes", "a fake's resident memory", Unit::Megabytes, None, memory),
    });
    Ok(lines)
}

/// `VmRSS` of a process (proc(5)), in megabytes.
fn resident(pid: u64) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// Megabytes that a program had at most.
pub(crate) fn megabytes(took: &Took) -> f64 {
    took.memory as f64 / 1e6
}
