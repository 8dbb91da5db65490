//! What it means that something is cut: off which network, off whom.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

use super::State;
use super::plan::{Field, Order};
use crate::cluster::ObservedEndpoint;
use crate::roster::laid_out;
use crate::select::grouped;
use crate::text::{listed, natural};

/// A container that is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of the node.
    pub node: String,
    /// The service, by its name inside the node.
    pub service: String,
    /// The name of the container.
    pub container: String,
    /// What it is cut off, in order.
    pub cuts: Vec<Cut>,
}

/// What a container is cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// What it is.
    #[serde(flatten)]
    pub off: Off,
    /// The networks or addresses of it that are cut off.
    pub addresses: Vec<IpNet>,
}

/// A thing that a container can be cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "off", rename_all = "lowercase")]
pub enum Off {
    /// All that is beyond its own namespace.
    Everything,
    /// A network, and all that comes by it.
    Network {
        /// The name of the network in the engine.
        network: String,
    },
    /// Another container of the cluster.
    Container {
        /// Its node.
        node: String,
        /// Its service.
        service: String,
    },
    /// An address that no container of the cluster has any more.
    Nobody,
}

/// The containers that are not whole, node by node in natural order. `states` are what is in force, by the container that the
/// namespace belongs to.
#[must_use]
pub fn rows(field: &Field<'_>, states: &BTreeMap<usize, State>) -> Vec<Row> {
    let broken = states.iter().filter(|(_, state)| !state.is_whole());
    let mut rows: Vec<Row> = broken.map(|(place, state)| row(field, *place, state)).collect();
    rows.sort_by_cached_key(|row| (natural(&row.node), natural(&row.service), row.container.clone()));
    rows
}

fn row(field: &Field<'_>, place: usize, state: &State) -> Row {
    let container = &field.containers[place];
    let mut cuts: BTreeMap<Off, Vec<IpNet>> = BTreeMap::new();
    for net in &state.cut {
        cuts.entry(off(field, *net)).or_default().push(*net);
    }
    Row {
        node: container.node().to_owned(),
        service: container.service().to_owned(),
        container: container.name.clone(),
        cuts: cuts
            .into_iter()
            .map(|(off, addresses)| Cut { off, addresses })
            .collect(),
    }
}

/// What `order` does, as a phrase: `cut off lab-inout`, `no longer cut off lab-inout`.
#[must_use]
pub fn errand(field: &Field<'_>, order: &Order) -> String {
    let phrase = |cut: &BTreeSet<IpNet>| row(field, order.place, &State { cut: cut.clone() }).phrase();
    match order.change.cut.is_empty() {
        true => format!("no longer {}", phrase(&order.change.heal)),
        false => phrase(&order.change.cut),
    }
}

/// What `net` is.
fn off(field: &Field<'_>, net: IpNet) -> Off {
    if net.prefix_len() == 0 {
        return Off::Everything;
    }
    let has = |endpoint: &ObservedEndpoint| endpoint.addresses().any(|address| IpNet::from(address) == net);
    if let Some(peer) = field.containers.iter().find(|c| c.endpoints.iter().any(has)) {
        return Off::Container {
            node: peer.node().to_owned(),
            service: peer.service().to_owned(),
        };
    }
    let network = field
        .networks
        .iter()
        .find(|n| n.all_subnets().any(|subnet| subnet == net));
    match network {
        Some(network) => Off::Network {
            network: network.name.clone(),
        },
        None => Off::Nobody,
    }
}

impl Row {
    /// What it is cut off, as a phrase: `cut off lab-inout`, `cut off master, slave[4-10]`.
    #[must_use]
    pub fn phrase(&self) -> String {
        let mut others: Vec<String> = Vec::new();
        let mut peers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for cut in &self.cuts {
            match &cut.off {
                Off::Everything => others.push("everything".to_owned()),
                Off::Network { network } => others.push(network.clone()),
                Off::Container { node, service } => peers.entry(service).or_default().push(node),
                Off::Nobody => others.extend(
                    cut.addresses
                        .iter()
                        .map(|net| format!("{}, which nobody has", net.addr())),
                ),
            }
        }
        for (service, mut nodes) in peers {
            nodes.sort_by_cached_key(|node| natural(node));
            others.extend(grouped(&nodes).into_iter().map(|nodes| format!("{nodes}/{service}")));
        }
        format!("cut off {}", listed(&others))
    }
}

/// The table of containers that are not whole.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let rows = rows
        .iter()
        .map(|row| [row.node.clone(), row.service.clone(), row.phrase()]);
    laid_out(["NODE", "SERVICE", "FAULT"], rows)
}
