//! What containers use of their machine, by container, by node and by role: the tables of `stats`.

use std::cmp::Reverse;
use std::iter::Sum;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;

use crate::roster::laid_out;
use crate::text::{bytes, natural, plural};

/// What a container has used until some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, since the beginning of 1970 by the engine's clock.
    pub at: Duration,
    /// Nanoseconds of processors, since it was started.
    pub cpu: u64,
    /// Bytes of memory that it has now, without what could be dropped at once.
    pub memory: u64,
    /// Bytes that it has received, on all of its networks.
    pub received: u64,
    /// Bytes that it has sent.
    pub sent: u64,
    /// Its processes and threads now.
    pub processes: u64,
}

/// What a container uses, or several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Percents of one processor; `None` until there are two samples of each.
    pub cpu_percent: Option<f64>,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes received since the start.
    pub received: u64,
    /// Bytes sent since the start.
    pub sent: u64,
    /// Bytes received in a second; `None` until there are two samples of each.
    pub received_per_second: Option<f64>,
    /// Bytes sent in a second.
    pub sent_per_second: Option<f64>,
    /// Processes and threads.
    pub processes: u64,
}

impl Usage {
    /// What was used between two samples; the first is `None` if there is one only. A container that was started again in
    /// between counts as one with one sample.
    #[must_use]
    pub fn between(before: Option<&Sample>, now: &Sample) -> Self {
        let before = before.filter(|before| before.at < now.at && before.cpu <= now.cpu);
        let per_second = |of: fn(&Sample) -> u64| {
            let before = before?;
            Some(of(now).saturating_sub(of(before)) as f64 / (now.at - before.at).as_secs_f64())
        };
        Self {
            cpu_percent: per_second(|sample| sample.cpu).map(|nanos| nanos / 1e7),
            memory: now.memory,
            received: now.received,
            sent: now.sent,
            received_per_second: per_second(|sample| sample.received),
            sent_per_second: per_second(|sample| sample.sent),
            processes: now.processes,
        }
    }

    fn cells(&self) -> [String; 4] {
        let rate = |rate: Option<f64>| match rate {
            None => "-".to_owned(),
            // Rates beyond 2^53 bytes a second do not occur.
            Some(rate) => format!("{}/s", bytes(rate.round() as u64)),
        };
        [
            self.cpu_percent
                .map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1} %")),
            bytes(self.memory),
            rate(self.received_per_second),
            rate(self.sent_per_second),
        ]
    }
}

impl<'u> Sum<&'u Self> for Usage {
    fn sum<I: Iterator<Item = &'u Self>>(all: I) -> Self {
        let add = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
        all.fold(Self::default(), |sum, one| Self {
            cpu_percent: add(sum.cpu_percent, one.cpu_percent),
            memory: sum.memory + one.memory,
            received: sum.received + one.received,
            sent: sum.sent + one.sent,
            received_per_second: add(sum.received_per_second, one.received_per_second),
            sent_per_second: add(sum.sent_per_second, one.sent_per_second),
            processes: sum.processes + one.processes,
        })
    }
}

/// What one container uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerUsage {
    /// Its node.
    pub node: String,
    /// The role of the node.
    pub role: String,
    /// Its service.
    pub service: String,
    /// Its name in the engine.
    pub container: String,
    /// What it uses.
    #[serde(flatten)]
    pub usage: Usage,
}

/// By what rows are sorted, the greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The time of processors.
    Cpu,
    /// Memory.
    Memory,
    /// What is sent and received in a second.
    Network,
    /// The name, in natural order.
    Name,
}

/// What makes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A role.
    Role,
    /// A node.
    Node,
    /// A container, below the node.
    Container,
}

/// A name with what it uses together.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Group<'c> {
    name: &'c str,
    containers: usize,
    #[serde(flatten)]
    usage: Usage,
    #[serde(skip)]
    members: Vec<&'c ContainerUsage>,
}

/// `containers` by what `of` says of each, in their order.
fn grouped<'c>(containers: &'c [ContainerUsage], of: fn(&ContainerUsage) -> &str) -> Vec<Group<'c>> {
    let mut groups: IndexMap<&str, Vec<&ContainerUsage>> = IndexMap::new();
    for container in containers {
        groups.entry(of(container)).or_default().push(container);
    }
    let group = |(name, members): (&'c str, Vec<&'c ContainerUsage>)| Group {
        name,
        containers: members.len(),
        usage: members.iter().map(|c| &c.usage).sum(),
        members,
    };
    groups.into_iter().map(group).collect()
}

/// A key by which `usage` of that `name` is sorted.
fn key(order: Order, usage: &Usage, name: &str) -> (Reverse<u64>, crate::text::Natural) {
    let rate = usage.received_per_second.unwrap_or(0.0) + usage.sent_per_second.unwrap_or(0.0);
    // A tenth of a percent is what is shown.
    let by = match order {
        Order::Cpu => (usage.cpu_percent.unwrap_or(0.0) * 10.0).round() as u64,
        Order::Memory => usage.memory,
        Order::Network => rate.round() as u64,
        Order::Name => 0,
    };
    (Reverse(by), natural(name))
}

/// The tables down to `level`, in this `order`: roles with a sum of all, then nodes with their containers.
#[must_use]
pub fn table(containers: &[ContainerUsage], level: Level, order: Order) -> String {
    let mut roles = grouped(containers, |c| &c.role);
    roles.sort_by_cached_key(|role| key(order, &role.usage, role.name));
    let row = |name: &str, containers: usize, usage: &Usage| {
        let [cpu, memory, received, sent] = usage.cells();
        [name.to_owned(), containers.to_string(), cpu, memory, received, sent]
    };
    let mut rows: Vec<[String; 6]> = roles.iter().map(|r| row(r.name, r.containers, &r.usage)).collect();
    if roles.len() > 1 {
        rows.push(row("all", containers.len(), &containers.iter().map(|c| &c.usage).sum()));
    }
    let mut text = laid_out(
        ["ROLE", "CONTAINERS", "CPU", "MEMORY", "RECEIVED", "SENT"],
        rows.into_iter(),
    );
    if level == Level::Role {
        return text;
    }
    let mut nodes = grouped(containers, |c| &c.node);
    nodes.sort_by_cached_key(|node| key(order, &node.usage, node.name));
    let mut rows: Vec<[String; 6]> = Vec::new();
    for node in &mut nodes {
        let line = |name: &str, service: &str, usage: &Usage| {
            let [cpu, memory, received, sent] = usage.cells();
            [name.to_owned(), service.to_owned(), cpu, memory, received, sent]
        };
        node.members.sort_by_cached_key(|c| key(order, &c.usage, &c.service));
        match node.members[..] {
            [one] => rows.push(line(node.name, &one.service, &one.usage)),
            _ => {
                rows.push(line(node.name, &plural(node.containers, "container"), &node.usage));
                let below = node.members.iter().filter(|_| level == Level::Container);
                rows.extend(below.map(|c| line("", &c.service, &c.usage)));
            }
        }
    }
    text.push('\n');
    text + &laid_out(
        ["NODE", "SERVICE", "CPU", "MEMORY", "RECEIVED", "SENT"],
        rows.into_iter(),
    )
}

/// What fits a terminal of `rows` and `columns`, with how it ends below.
#[must_use]
pub fn screen(cluster: &str, text: &str, rows: u16, columns: u16) -> Vec<String> {
    let room = usize::from(rows).saturating_sub(4);
    let mut lines: Vec<&str> = text.lines().collect();
    let more = lines.len().saturating_sub(room);
    let last = match more {
        0 => "q ends this".to_owned(),
        // The line that says so takes the place of one.
        _ => {
            lines.truncate(room.saturating_sub(1));
            format!("and {} · q ends this", plural(more + 1, "more line"))
        }
    };
    let title = format!("cluster {cluster}");
    let all = [title.as_str(), ""].into_iter().chain(lines).chain(["", &last]);
    all.map(|line| line.chars().take(columns.into()).collect()).collect()
}

/// The whole, for programs.
#[derive(Serialize)]
struct Whole<'c> {
    roles: Vec<Group<'c>>,
    nodes: Vec<Group<'c>>,
    containers: &'c [ContainerUsage],
}

/// All of it as JSON, by name.
///
/// # Errors
/// A value that JSON has no form for.
pub fn json(containers: &[ContainerUsage]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Whole {
        roles: grouped(containers, |c| &c.role),
        nodes: grouped(containers, |c| &c.node),
        containers,
    })
}
