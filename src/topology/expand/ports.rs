//! Checks that no two containers publish the same port of the host.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{Node, Service, Topology};
use super::Expansion;
use crate::compose::ports::{self, Port, Protocol};
use crate::diagnostic::{Problem, Span};
use crate::value::Value;
use crate::yaml::Yaml;

/// One entry of a container's `ports`.
#[derive(Clone, Copy)]
struct Asked<'t> {
    node: &'t Node,
    service: &'t Service,
    first: u16,
    last: u16,
    address: Option<IpAddr>,
    item: usize,
}

impl Expansion<'_> {
    /// Reports each port of the host that two containers publish.
    pub(super) fn host_ports_have_one_owner(&mut self, topology: &Topology) {
        // By protocol and address. An entry without an address takes the port on all addresses of both families.
        let mut asked: BTreeMap<(Protocol, IpAddr), Vec<Asked<'_>>> = BTreeMap::new();
        let mut wrong = HashSet::new();
        for (node, service) in topology
            .nodes
            .iter()
            .flat_map(|n| n.services.iter().map(move |s| (n, s)))
        {
            let off = |m: &Value| m.scalar().is_some_and(|m| m != "bridge");
            if service.replicas == 0 || service.get("network_mode").is_some_and(off) {
                continue;
            }
            let items = match service.get("ports") {
                None | Some(Value::Null) => continue,
                Some(Value::List(items)) => items.clone(),
                Some(_) => {
                    let span = self.port_place(node, service, usize::MAX);
                    if wrong.insert(span) {
                        self.problems
                            .push(Problem::at(span, "`ports` is a list").hint("ports: [\"8080:80\"]"));
                    }
                    continue;
                }
            };
            for (item, value) in items.iter().enumerate() {
                let port = match ports::read(value) {
                    Ok(port) => port,
                    Err(error) => {
                        let span = self.port_place(node, service, item);
                        let span = error
                            .key
                            .and_then(|key| self.port_key(node, service, item, &key))
                            .unwrap_or(span);
                        if wrong.insert(span) {
                            self.problems.push(Problem::at(span, "not a port").label(error.reason));
                        }
                        continue;
                    }
                };
                let Some((first, last)) = port.taken() else { continue };
                if service.replicas > 1 {
                    let span = self.port_place(node, service, item);
                    if wrong.insert(span) {
                        let mut problem = several(span, service, &port, first);
                        problem.hint = problem.hint.map(|hint| self.or_isolated(node, &hint));
                        self.problems.push(problem);
                    }
                    continue;
                }
                let Port { address, protocol, .. } = port;
                let families = match address {
                    Some(address) => vec![address],
                    None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
                };
                for family in families {
                    asked.entry((protocol, family)).or_default().push(Asked {
                        node,
                        service,
                        first,
                        last,
                        address,
                        item,
                    });
                }
            }
        }
        // They are sorted by node, so that the problem is reported at the later one.
        asked.values_mut().for_each(|list| list.sort_by_key(|a| a.first));
        let mut reported = HashSet::new();
        for ((protocol, address), list) in &asked {
            let mut widest: Option<Asked<'_>> = None;
            for this in list {
                if let Some(other) = widest.filter(|o| o.last >= this.first) {
                    self.taken_twice(&other, this, *protocol, &mut reported);
                }
                widest = widest.filter(|o| o.last > this.last).or(Some(*this));
            }
            let all: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let Some(everywhere) = asked.get(&(*protocol, all)).filter(|_| *address != all) else {
                continue;
            };
            for this in list {
                let at = everywhere.partition_point(|o| o.first <= this.last);
                if let Some(other) = everywhere[..at].last().filter(|o| o.last >= this.first) {
                    self.taken_twice(other, this, *protocol, &mut reported);
                }
            }
        }
    }

    fn taken_twice(
        &mut self,
        one: &Asked<'_>,
        two: &Asked<'_>,
        protocol: Protocol,
        reported: &mut HashSet<(Span, Span)>,
    ) {
        let place = |a: &Asked<'_>| self.port_place(a.node, a.service, a.item);
        let (mut one, mut two, mut first, mut second) = (one, two, place(one), place(two));
        if first > second {
            (one, two, first, second) = (two, one, second, first);
        }
        if !reported.insert((first, second)) {
            return;
        }
        let port = one.first.max(two.first);
        let of = |a: &Asked<'_>| format!("`{}` of `{}`", a.service.name, a.node.name);
        let problem = Problem::at(
            second,
            format!("two containers publish port {port}/{protocol} of the host"),
        )
        .label(format!("{} and {}", of(one), of(two)))
        .by_itself();
        self.problems.push(if first == second {
            let hint = format!(
                "give each node one of its own: {}; over a Compose file that is `ports: !override […]` in the role",
                mended(two)
            );
            problem.hint(self.or_isolated(two.node, &hint))
        } else {
            let hint = "give one of them another port of the host; over a Compose file, `ports: !override […]` replaces its ports";
            problem.hint(self.or_isolated(two.node, hint))
        });
    }

    /// The place where the entry of `ports` was written; that of all of `ports` if the entry has none of its own.
    pub(super) fn port_place(&self, node: &Node, service: &Service, item: usize) -> Span {
        let written = self.written(node, service);
        let ports = written.and_then(|s| s.keys.iter().find(|e| e.key == "ports"));
        let Some(ports) = ports else {
            return self.place(node, service);
        };
        match &ports.node.value {
            Yaml::List(list) => list.get(item).map_or(ports.key_span, |n| n.span),
            _ => ports.node.span,
        }
    }

    /// The place of `key` in that entry of `ports`; `None` if it was not written there.
    fn port_key(&self, node: &Node, service: &Service, item: usize, key: &str) -> Option<Span> {
        let ports = self.written(node, service)?.keys.iter().find(|e| e.key == "ports")?;
        let Yaml::List(list) = &ports.node.value else {
            return None;
        };
        let Yaml::Map(entries) = &list.get(item)?.value else {
            return None;
        };
        entries.iter().find(|e| e.key == key).map(|e| e.key_span)
    }
}

/// The problem of a service that has several containers and publishes a fixed port.
fn several(span: Span, service: &Service, port: &Port, first: u16) -> Problem {
    let count = service.replicas;
    let last = u32::from(first) + count - 1;
    let problem = Problem::at(
        span,
        format!(
            "`{}` is {count} containers, which cannot all publish port {first}/{} of the host",
            service.name, port.protocol
        ),
    )
    .by_itself();
    let target = port.target.0;
    if port.target.0 == port.target.1 && last <= u32::from(u16::MAX) {
        problem.hint(format!(
            "let the engine choose: \"{target}\", or choose from as many: \"{first}-{last}:{target}\""
        ))
    } else {
        problem.hint("leave the port of the host out: the engine chooses one")
    }
}

/// The entry, rewritten with a template that gives each node a port of its own.
fn mended(asked: &Asked<'_>) -> String {
    let item = asked
        .service
        .get("ports")
        .and_then(Value::as_list)
        .and_then(|l| l.get(asked.item));
    let count = asked.last - asked.first + 1;
    let step = if count == 1 {
        String::new()
    } else {
        format!("{count} * ")
    };
    let each = |port: u16| format!("{{{{ {port} + {step}node.ordinal }}}}");
    let published = match count {
        1 => each(asked.first),
        _ => format!("{}-{}", each(asked.first), each(asked.last)),
    };
    match item {
        Some(Value::Map(_)) | None => format!("published: \"{published}\""),
        Some(text) => {
            let text = text.scalar().unwrap_or_default();
            let target = text.rsplit(':').next().unwrap_or_default();
            let address = match asked.address {
                Some(IpAddr::V4(address)) => format!("{address}:"),
                Some(IpAddr::V6(address)) => format!("[{address}]:"),
                None => String::new(),
            };
            format!("\"{address}{published}:{target}\"")
        }
    }
}
