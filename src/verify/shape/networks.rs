//! Networks that are missing, duplicate, or differ from their definition.

use ipnet::Ipv4Net;

use super::super::model::Model;
use super::{About, Location, Shape, Wording};
use crate::cluster::ObservedNetwork;
use crate::value::Value;

impl Shape {
    pub(super) fn networks(&mut self, model: &Model<'_>) {
        for at in 0..model.nets.len() {
            let before = self.differences.len();
            match model.nets[at].found.map(|found| &model.found.networks[found]) {
                Some(network) => {
                    self.network(model, at, network);
                    self.networks += usize::from(self.differences.len() == before);
                }
                None => self.no_network(model, at),
            }
        }
        self.surplus_networks(model);
    }

    fn no_network(&mut self, model: &Model<'_>, at: usize) {
        let net = &model.nets[at];
        // Compose does not create a network without members; if all members are missing, they are reported already.
        if !net
            .members
            .iter()
            .any(|(member, _)| model.members[*member].found.is_some())
        {
            return;
        }
        let cause = match net.network.external {
            true => "the blueprint says `external`: somebody else is to make it".to_owned(),
            false => format!("removed by hand: {}", model.remedy()),
        };
        let wording = Wording::new(format!("network `{}`", net.network.name), "none of that name", cause).or_many(
            "every network is there",
            "are not",
            format!("removed by hand: {}", model.remedy()),
        );
        self.push(Location::net(model, at), wording, About::Net(at));
    }

    fn network(&mut self, model: &Model<'_>, at: usize, network: &ObservedNetwork) {
        let net = &model.nets[at];
        if !net.twins.is_empty() {
            let wording = Wording::new(
                format!("one network `{}`", network.name),
                format!("{} of that name", net.twins.len() + 1),
                "somebody made another one: `docker network rm` it by its id",
            );
            self.push(Location::net(model, at), wording, About::Net(at));
        }
        if net.network.external {
            return;
        }
        let option = |key: &str| net.network.options.get(key);
        let driver = option("driver").and_then(Value::scalar);
        let driver = driver.as_deref().unwrap_or("bridge");
        if network.driver != driver {
            let (expected, observed) = (format!("driver `{driver}`"), format!("driver `{}`", network.driver));
            self.other(model, at, &expected, &observed, "drivers");
        }
        let internal = matches!(option("internal"), Some(Value::Bool(true)));
        if network.internal != internal {
            let words = |internal| if internal { "no way out" } else { "a way out" };
            self.other(model, at, words(internal), words(network.internal), "`internal`");
        }
        self.subnets(model, at, network);
    }

    fn subnets(&mut self, model: &Model<'_>, at: usize, network: &ObservedNetwork) {
        let net = &model.nets[at];
        // Then it has no IPv4 subnet, whatever was planned for it.
        if matches!(net.network.options.get("enable_ipv4"), Some(Value::Bool(false))) && network.subnets.is_empty() {
            return;
        }
        let (desired, chosen): (Vec<Ipv4Net>, bool) = match net.network.subnet {
            Some(subnet) => (vec![subnet], true),
            None => (net.written.clone(), false),
        };
        let list = |subnets: &[Ipv4Net]| subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if desired.is_empty() || desired == network.subnets {
            return;
        }
        let size = |subnets: &[Ipv4Net]| subnets.iter().map(Ipv4Net::prefix_len).collect::<Vec<_>>();
        // `up` takes another subnet of the same size if somebody holds the planned one.
        let moved = chosen && !network.cluster().is_empty() && size(&desired) == size(&network.subnets);
        if moved {
            let (name, observed, desired) = (&net.network.name, list(&network.subnets), list(&desired));
            self.notes
                .push(format!("`{name}` is {observed}: {desired} was taken when it was made"));
            return;
        }
        self.other(model, at, &list(&desired), &list(&network.subnets), "subnets");
    }

    fn other(&mut self, model: &Model<'_>, at: usize, expected: &str, observed: &str, all: &str) {
        let name = &model.nets[at].network.name;
        let cause = match model.nets[at].node {
            // `up` uses a shared network as it finds it.
            None if !model.is_own_network(at) => format!(
                "it is not of this cluster: take the cluster down, then `docker network rm {name}`, and it is made with the \
                 cluster; or `external: true` says that it is to be used as it is"
            ),
            None if model.is_by_compose() => "made with other options than `topogen render` says".to_owned(),
            _ => format!("made by hand or of another blueprint: {}", model.remedy()),
        };
        let wording = Wording::new(
            format!("network `{name}` has {expected}"),
            format!("it has {observed}"),
            &cause,
        )
        .or_many(
            format!("networks have the {all} of the blueprint"),
            "have others",
            cause,
        );
        self.push(Location::net(model, at), wording, About::Net(at));
    }

    /// Reports networks with the cluster's label that are not in the topology, except those of surplus nodes.
    fn surplus_networks(&mut self, model: &Model<'_>) {
        let is_node = |name: &str| model.nodes.iter().any(|n| n.name.as_str() == name);
        let is_one = |name: &str| model.nets.iter().any(|n| n.network.name.as_str() == name);
        for network in &model.found.networks {
            let node = network.node();
            let own = network.cluster() == model.cluster;
            let of_stray = !is_node(node) && {
                let mut strays = model.strays.iter().map(|at| &model.found.containers[*at]);
                strays.any(|c| c.node() == node)
            };
            if !own || is_one(&network.name) || of_stray {
                continue;
            }
            let place = match node {
                "" => Location::cluster(Some(network.name.clone())),
                node => Location::of_node(node, Some(network.name.clone())),
            };
            let cause = format!("the blueprint changed since: {}", model.by_up("removes it"));
            let wording = Wording::new("no such network", format!("network `{}`", network.name), &cause).or_many(
                "no networks but those of the blueprint",
                "are not of it",
                cause,
            );
            self.push(place, wording, About::Nothing);
        }
    }
}
