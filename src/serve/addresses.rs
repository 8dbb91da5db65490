//! Addresses, in the forms in which other programs ask for them.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::refusal::{Refusal, known_names};
use super::view::{Member, Node, View};
use crate::cluster::roster::Instance;

/// The addresses of what was named.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// The name that was asked for.
    service: String,
    /// The addresses at which it serves: those of its entries, or of all its containers if it has no entry.
    ip: Vec<IpAddr>,
    /// The address of each of its containers that run.
    tasks: Vec<IpAddr>,
    /// Why these are not all, or may be out of date; empty if they are as of the last event.
    error: String,
}

/// The addresses of `name`: a node, a role, a service of either as `node/service`, a container, or a service of any node.
/// What is not known has none, and says why.
#[must_use]
pub fn of(view: &View, name: &str) -> Addresses {
    let all = members(view, name);
    let present: Vec<&Instance> = all.iter().filter_map(|member| Some(&**member.present()?)).collect();
    let entries = || present.iter().filter(|i| i.is_entry());
    let serving: Vec<IpAddr> = match entries().next() {
        Some(_) => entries().filter(|i| i.is_ready()).filter_map(|i| address(i)).collect(),
        None => present
            .iter()
            .filter(|i| i.is_ready())
            .filter_map(|i| address(i))
            .collect(),
    };
    let tasks: Vec<IpAddr> = present.iter().filter_map(|i| address(i)).collect();
    let error = match &view.stale {
        Some(stale) => stale.to_string(),
        None if all.is_empty() => {
            let nodes = view.nodes.iter().map(|n| n.name.as_str());
            let known = known_names(name, view.roles().into_iter().chain(nodes).chain(view.services()));
            format!("no node, role, service or container is called `{name}`: {known}")
        }
        None if tasks.is_empty() => format!("no container of `{name}` runs"),
        None => String::new(),
    };
    Addresses {
        service: name.to_owned(),
        ip: serving,
        tasks,
        error,
    }
}

/// Whether a container of a node is what a name means.
type Meaning<'m> = &'m dyn Fn(&Node, &Member) -> bool;

/// The containers that `name` means; empty if it means none.
fn members<'v>(view: &'v View, name: &str) -> Vec<&'v Member> {
    let of = |is_meant: &dyn Fn(&Node, &Member) -> bool| -> Vec<&'v Member> {
        let all = view.containers().filter(|(node, member)| is_meant(node, member));
        all.map(|(_, member)| member).collect()
    };
    if let Some((owner, service)) = name.split_once('/') {
        let owned = |by_node: bool| {
            of(&|node, member| {
                let own = if by_node { &node.name } else { &node.role };
                own == owner && member.service() == service
            })
        };
        let of_node = owned(true);
        return if of_node.is_empty() { owned(false) } else { of_node };
    }
    let meanings: [Meaning<'_>; 5] = [
        &|node, _| node.name == name,
        &|node, _| node.role == name,
        &|_, member| member.present().is_some_and(|i| i.container == name),
        &|node, member| name.strip_prefix(&node.name).and_then(|rest| rest.strip_prefix('-')) == Some(member.service()),
        &|_, member| member.service() == name,
    ];
    let found = meanings.into_iter().map(of);
    found.into_iter().find(|all| !all.is_empty()).unwrap_or_default()
}

/// Where others reach a container: on the shared network, or else on any.
fn address(instance: &Instance) -> Option<IpAddr> {
    instance
        .address
        .or_else(|| instance.addresses.iter().find_map(|a| a.address))
}

/// A group of targets of one container (Prometheus, "HTTP SD").
#[derive(Debug, Serialize)]
pub struct Target<'v> {
    targets: [SocketAddr; 1],
    labels: Labels<'v>,
}

#[derive(Debug, Serialize)]
struct Labels<'v> {
    #[serde(rename = "__meta_topogen_cluster")]
    cluster: &'v str,
    #[serde(rename = "__meta_topogen_node")]
    node: &'v str,
    #[serde(rename = "__meta_topogen_role")]
    role: &'v str,
    #[serde(rename = "__meta_topogen_service")]
    service: &'v str,
    #[serde(rename = "__meta_topogen_container")]
    container: &'v str,
}

/// The targets for Prometheus: the entries of all nodes, or of those of `role`, or the containers of `service`, at `port` or
/// at the first TCP port that each exposes. The list is never empty, since Prometheus keeps the last one if there is none.
///
/// # Errors
/// The view may be out of date, the role or the service is not known, or there is no target.
pub fn targets<'v>(
    view: &'v View,
    role: Option<&str>,
    service: Option<&str>,
    port: Option<u16>,
) -> Result<Vec<Target<'v>>, Refusal> {
    if let Some(stale) = &view.stale {
        return Err(Refusal::new(503, stale.to_string(), "the last list goes on to count"));
    }
    let known = |kind: &str, name: Option<&str>, known: Vec<&str>| match name {
        Some(name) if !known.contains(&name) => Err(Refusal::unknown(kind, name, known)),
        _ => Ok(()),
    };
    known("role", role, view.roles())?;
    known("service", service, view.services())?;
    let is_asked = |instance: &Instance| match service {
        Some(name) => instance.service == name,
        None => instance.is_entry(),
    };
    let running = view
        .containers()
        .filter(|(node, _)| role.is_none_or(|role| node.role == role));
    let running = running.filter_map(|(node, member)| Some((node, &**member.present()?)));
    let running: Vec<(&Node, &Instance, IpAddr)> = running
        .filter(|(_, instance)| is_asked(instance))
        .filter_map(|(node, instance)| Some((node, instance, instance.address?)))
        .collect();
    if running.is_empty() {
        return Err(Refusal::new(
            503,
            "nothing that was asked for runs on the shared network",
            "the last list goes on to count",
        ));
    }
    let tcp = |instance: &Instance| instance.exposed.iter().find(|e| e.protocol == "tcp").map(|e| e.port);
    let targets = running.into_iter().filter_map(|(node, instance, address)| {
        Some(Target {
            targets: [SocketAddr::new(address, port.or_else(|| tcp(instance))?)],
            labels: Labels {
                cluster: &view.cluster,
                node: &node.name,
                role: &node.role,
                service: &instance.service,
                container: &instance.container,
            },
        })
    });
    let targets: Vec<Target<'v>> = targets.collect();
    match targets.is_empty() {
        true => Err(Refusal::new(
            400,
            "nothing that was asked for exposes a TCP port",
            "say which: `port=9100`",
        )),
        false => Ok(targets),
    }
}

/// Lines for /etc/hosts (hosts(5)): what is on the shared network, each address with its names there, the node's first.
///
/// # Errors
/// Nothing is known yet: what is there already is better than an empty file.
pub fn hosts(view: &View) -> Result<String, Refusal> {
    let mut text = format!("# cluster {}, revision {}\n", view.cluster, view.revision);
    match &view.stale {
        Some(stale) if view.is_unknown() => return Err(Refusal::new(503, stale.reason.clone(), "")),
        Some(stale) => {
            let stale: String = stale.to_string().chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(text, "# {stale}");
        }
        None => {}
    }
    for instance in view.containers().filter_map(|(_, member)| member.present()) {
        let Some(address) = instance.address else { continue };
        let names = instance.host_names();
        if !names.is_empty() {
            let _ = writeln!(text, "{address}\t{}", names.join(" "));
        }
    }
    Ok(text)
}
