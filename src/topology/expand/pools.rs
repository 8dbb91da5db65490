//! Checks that the addresses which `ipam` says for a network lie in it: an engine refuses them only when it makes the
//! network, or hands out what nobody can reach.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::Topology;
use super::Expansion;
use crate::diagnostic::Problem;
use crate::value::{Map, Value};

impl Expansion<'_> {
    /// Checks each pool of each network that somebody must make.
    pub(super) fn pools_fit(&mut self, topology: &Topology) {
        let own = topology.nodes.iter().flat_map(|n| &n.networks);
        let networks = own.chain(&topology.shared).chain([&topology.inout]);
        let mut reported = HashSet::new();
        for network in networks.filter(|n| !n.external) {
            let ipam = network.options.get("ipam").and_then(Value::as_map);
            let pools = ipam.and_then(|m| m.get("config")).and_then(Value::as_list);
            for (at, pool) in pools.unwrap_or_default().iter().enumerate() {
                let Some(pool) = pool.as_map() else { continue };
                for (key, message) in misfits(pool) {
                    let mut problem = Problem::general(message).by_itself();
                    problem.place = network.written.place(&format!("ipam.config[{at}].{key}"));
                    if reported.insert((problem.place, problem.message.clone())) {
                        self.problems.push(problem);
                    }
                }
            }
        }
    }
}

/// What of `pool` is not where its subnet is: the keys, and what is wrong.
fn misfits(pool: &Map) -> Vec<(String, String)> {
    let text = |key: &str| pool.get(key).and_then(Value::scalar);
    let Some(written) = text("subnet") else {
        return Vec::new();
    };
    // What is no subnet is reported where subnets are compared.
    let Ok(subnet) = written.parse::<IpNet>() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if subnet != subnet.trunc() {
        let message = format!(
            "`{written}` is an address in a subnet: the subnet is `{}`",
            subnet.trunc()
        );
        found.push(("subnet".to_owned(), message));
    }
    let mut address = |key: &str, text: &str, what: &str| {
        let message = match text.parse::<IpAddr>() {
            Ok(address) if subnet.contains(&address) => return,
            Ok(_) => format!("the {what} `{text}` lies outside of the subnet `{}`", subnet.trunc()),
            Err(_) => format!("the {what} `{text}` is not an IP address"),
        };
        found.push((key.to_owned(), message));
    };
    if let Some(gateway) = text("gateway") {
        address("gateway", &gateway, "gateway");
    }
    for (name, value) in pool.get("aux_addresses").and_then(Value::as_map).into_iter().flatten() {
        let text = value.scalar().unwrap_or_default();
        address(&format!("aux_addresses.{name}"), &text, "reserved address");
    }
    if let Some(range) = text("ip_range") {
        let message = match range.parse::<IpNet>() {
            Ok(inner) if subnet.contains(&inner.trunc()) && inner.prefix_len() >= subnet.prefix_len() => None,
            Ok(_) => Some(format!(
                "the range `{range}` lies outside of the subnet `{}`",
                subnet.trunc()
            )),
            Err(_) => Some(format!("`{range}` is not a range such as 10.9.1.0/25")),
        };
        found.extend(message.map(|message| ("ip_range".to_owned(), message)));
    }
    found
}
