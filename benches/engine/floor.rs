//! The floor: the calls that must be made for the same containers, 16 at once, or as `--at-once` says, and nothing else.
//!
//! The engine is told the very bodies that topogen would send. Nothing is looked at before or after, but where
//! [`once_looked`] is asked for; nothing is printed, no plan is made: its jobs are ready before the clock starts. A node's
//! containers are made as soon as its network is there, a network goes as soon as its containers are gone, the earliest
//! node first.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bollard::models::{ContainerCreateBody, ExecConfig, ExecStartConfig, NetworkConnectRequest, NetworkingConfig};
use tokio::sync::Notify;
use topogen::cluster::ContainerSpec;
use topogen::cluster::Desired;
use topogen::cluster::NetworkSpec;
use topogen::engine::request;

use crate::children::interrupted;
use crate::wire::{Call, Place, Wire};

/// Before a network is asked to go again whose last container the engine is still letting go of.
const AGAIN: Duration = Duration::from_millis(5);
/// Until that is taken for a failure.
const LIMIT: Duration = Duration::from_secs(30);

/// What one connection does without anybody in between.
pub(crate) enum Work {
    /// One call after the other.
    Calls(Vec<Call>),
    /// Remove a network, again and again until nobody is on it.
    RemoveNetwork(Call),
    /// Run a command in a container, to its end.
    Exec { container: String, command: Vec<String> },
}

/// Work, and the jobs that must be done before it: their places in the list.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) after: Vec<usize>,
}

/// What makes the networks and containers of `desired`, of all its nodes or of those that `of` picks.
pub(crate) fn up(desired: &Desired, api: (usize, usize), of: impl Fn(&str) -> bool, inout: bool) -> Result<Vec<Job>> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut made: HashMap<&str, usize> = HashMap::new();
    if inout {
        made.insert(desired.inout.name.as_str(), 0);
        jobs.push(job(vec![network(&desired.inout)?], Vec::new()));
    }
    for node in desired.nodes.iter().filter(|n| of(n.name.as_str())) {
        for spec in &node.networks {
            made.insert(spec.name.as_str(), jobs.len());
            jobs.push(job(vec![network(spec)?], Vec::new()));
        }
        for spec in &node.containers {
            let after = spec
                .endpoints
                .iter()
                .filter_map(|e| made.get(e.network.as_str()).copied());
            jobs.push(job(container(spec, api)?, after.collect()));
        }
    }
    Ok(jobs)
}

/// `jobs` once each container that `there` names was looked at: a list, and an inspection each, since no list says what a
/// container answers to.
pub(crate) fn once_looked(jobs: Vec<Job>, there: &Desired, of: impl Fn(&str) -> bool) -> Vec<Job> {
    let mut all = vec![job(vec![Call::get("/containers/json?all=true")], Vec::new())];
    let nodes = there.nodes.iter().filter(|n| of(n.name.as_str()));
    let inspect = |spec: &std::sync::Arc<ContainerSpec>| Call::get(format!("/containers/{}/json", spec.name));
    all.extend(
        nodes
            .flat_map(|n| &n.containers)
            .map(|c| job(vec![inspect(c)], vec![0])),
    );
    let looked = all.len();
    all.extend(jobs.into_iter().map(|j| Job {
        after: match j.after.is_empty() {
            true => (0..looked).collect(),
            false => j.after.iter().map(|at| at + looked).collect(),
        },
        work: j.work,
    }));
    all
}

/// What takes them away: each container is stopped as `down` stops it, with its own grace period, then removed. A
/// forced removal alone would be a call less, but it kills, which is not what `down` promises.
pub(crate) fn down(desired: &Desired, of: impl Fn(&str) -> bool, inout: bool) -> Vec<Job> {
    let remove = |spec: &NetworkSpec| Work::RemoveNetwork(Call::delete(format!("/networks/{}", spec.name)).or(&[404]));
    let mut jobs: Vec<Job> = Vec::new();
    let mut all: Vec<usize> = Vec::new();
    for node in desired.nodes.iter().filter(|n| of(n.name.as_str())) {
        let first = jobs.len();
        for spec in &node.containers {
            let stop = Call::post(format!("/containers/{}/stop", spec.name), None).or(&[304, 404]);
            let go = Call::delete(format!("/containers/{}?v=true&force=true", spec.name)).or(&[404]);
            jobs.push(job(vec![stop, go], Vec::new()));
        }
        let containers: Vec<usize> = (first..jobs.len()).collect();
        all.extend(&containers);
        jobs.extend(node.networks.iter().map(|spec| Job {
            work: remove(spec),
            after: containers.clone(),
        }));
    }
    if inout {
        jobs.push(Job {
            work: remove(&desired.inout),
            after: all,
        });
    }
    jobs
}

/// What runs `command` in each container of `desired`.
pub(crate) fn execs(desired: &Desired, command: &[&str]) -> Vec<Job> {
    let containers = desired.nodes.iter().flat_map(|n| &n.containers);
    let exec = |spec: &std::sync::Arc<ContainerSpec>| Job {
        work: Work::Exec {
            container: spec.name.to_string(),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
        },
        after: Vec::new(),
    };
    containers.map(exec).collect()
}

fn job(calls: Vec<Call>, after: Vec<usize>) -> Job {
    Job {
        work: Work::Calls(calls),
        after,
    }
}

fn network(spec: &NetworkSpec) -> Result<Call> {
    let body = serde_json::to_string(&request::network(spec))?;
    Ok(Call::post("/networks/create", Some(body)))
}

/// Create, connect to what the create call cannot take, start.
fn container(spec: &ContainerSpec, api: (usize, usize)) -> Result<Vec<Call>> {
    // The built-in blueprint has no configs; with some, `PUT …/archive` would stand before the start.
    anyhow::ensure!(spec.files.is_empty(), "the floor uploads no files");
    let at_once = if api >= (1, 44) { spec.endpoints.len() } else { 1 };
    let (created, connected) = spec.endpoints.split_at(at_once.min(spec.endpoints.len()));
    let created = created.iter().map(|e| (e.network.to_string(), request::endpoint(e)));
    let body = ContainerCreateBody {
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(created.collect()),
        }),
        ..request::container(spec)
    };
    let create = format!("/containers/create?name={}", spec.name);
    let mut calls = vec![Call::post(create, Some(serde_json::to_string(&body)?))];
    for endpoint in connected {
        let request = NetworkConnectRequest {
            container: spec.name.to_string(),
            endpoint_config: Some(request::endpoint(endpoint)),
        };
        let path = format!("/networks/{}/connect", endpoint.network);
        calls.push(Call::post(path, Some(serde_json::to_string(&request)?)));
    }
    calls.push(Call::post(format!("/containers/{}/start", spec.name), None));
    Ok(calls)
}

/// Where jobs stand.
struct Course<'a> {
    jobs: &'a [Job],
    waits: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    ready: BinaryHeap<Reverse<usize>>,
    left: usize,
    failed: bool,
}

/// Do all `jobs` over so many connections, and say how long it took.
pub(crate) async fn run(place: &Place, jobs: &[Job], connections: usize) -> Result<Duration> {
    let mut dependents = vec![Vec::new(); jobs.len()];
    for (at, job) in jobs.iter().enumerate() {
        for before in &job.after {
            dependents[*before].push(at);
        }
    }
    let waits: Vec<usize> = jobs.iter().map(|j| j.after.len()).collect();
    let ready = (0..jobs.len()).filter(|at| waits[*at] == 0).map(Reverse).collect();
    let course = RefCell::new(Course {
        jobs,
        waits,
        dependents,
        ready,
        left: jobs.len(),
        failed: false,
    });
    let changed = Notify::new();
    let begun = Instant::now();
    let workers = (0..connections.min(jobs.len())).map(|_| worker(place, &course, &changed));
    let results = futures_util::future::join_all(workers).await;
    let took = begun.elapsed();
    results.into_iter().collect::<Result<()>>()?;
    Ok(took)
}

async fn worker(place: &Place, course: &RefCell<Course<'_>>, changed: &Notify) -> Result<()> {
    let mut wire = Wire::to(place);
    loop {
        let (next, jobs) = {
            let mut course = course.borrow_mut();
            if course.left == 0 || course.failed {
                return Ok(());
            }
            (course.ready.pop(), course.jobs)
        };
        let Some(Reverse(at)) = next else {
            changed.notified().await;
            continue;
        };
        let result = match interrupted() {
            Err(error) => Err(error),
            Ok(()) => perform(&jobs[at].work, &mut wire).await,
        };
        let mut course = course.borrow_mut();
        course.left -= 1;
        course.failed |= result.is_err();
        for next in std::mem::take(&mut course.dependents[at]) {
            course.waits[next] -= 1;
            if course.waits[next] == 0 {
                course.ready.push(Reverse(next));
            }
        }
        changed.notify_waiters();
        result?;
    }
}

async fn perform(work: &Work, wire: &mut Wire) -> Result<()> {
    match work {
        Work::Calls(calls) => {
            for call in calls {
                wire.must(call).await?;
            }
        }
        Work::RemoveNetwork(call) => {
            let begun = Instant::now();
            loop {
                let answer = wire.ask(call).await?;
                let said = String::from_utf8_lossy(&answer.body);
                match answer.status {
                    200..300 | 404 => break,
                    _ if said.contains("active endpoints") && begun.elapsed() < LIMIT => {
                        tokio::time::sleep(AGAIN).await;
                    }
                    status => bail!("cannot remove a network: {status} {}", said.trim()),
                }
            }
        }
        Work::Exec { container, command } => {
            let create = ExecConfig {
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                cmd: Some(command.clone()),
                ..ExecConfig::default()
            };
            let path = format!("/containers/{container}/exec");
            let made = wire
                .json(&Call::post(path, Some(serde_json::to_string(&create)?)))
                .await?;
            let id = made["Id"].as_str().context("an exec has an id")?;
            let start = serde_json::to_string(&ExecStartConfig {
                detach: Some(false),
                tty: Some(false),
                ..ExecStartConfig::default()
            })?;
            wire.must(&Call::post(format!("/exec/{id}/start"), Some(start))).await?;
        }
    }
    Ok(())
}
