//! Networks that are missing, double, or not what they are to be.

use ipnet::Ipv4Net;

use super::super::picture::Picture;
use super::{About, Place, Shape, Told};
use crate::cluster::ObservedNetwork;
use crate::value::Value;

impl Shape {
    pub(super) fn networks(&mut self, picture: &Picture<'_>) {
        for at in 0..picture.nets.len() {
            let before = self.differences.len();
            match picture.nets[at].found.map(|found| &picture.found.networks[found]) {
                Some(network) => {
                    self.network(picture, at, network);
                    self.networks += usize::from(self.differences.len() == before);
                }
                None => self.no_network(picture, at),
            }
        }
        self.surplus_networks(picture);
    }

    fn no_network(&mut self, picture: &Picture<'_>, at: usize) {
        let net = &picture.nets[at];
        // Compose makes no network that nobody joins; and where all who join it are missing, that says it.
        if !net
            .members
            .iter()
            .any(|(member, _)| picture.members[*member].found.is_some())
        {
            return;
        }
        let cause = match net.network.external {
            true => "the blueprint says `external`: somebody else is to make it".to_owned(),
            false => format!("removed by hand: {}", picture.remedy()),
        };
        let told = Told::new(format!("network `{}`", net.network.name), "none of that name", cause).or_many(
            "every network is there",
            "are not",
            format!("removed by hand: {}", picture.remedy()),
        );
        self.push(Place::net(picture, at), told, About::Net(at));
    }

    fn network(&mut self, picture: &Picture<'_>, at: usize, network: &ObservedNetwork) {
        let net = &picture.nets[at];
        if !net.twins.is_empty() {
            let told = Told::new(
                format!("one network `{}`", network.name),
                format!("{} of that name", net.twins.len() + 1),
                "somebody made another one: `docker network rm` it by its id",
            );
            self.push(Place::net(picture, at), told, About::Net(at));
        }
        if net.network.external {
            return;
        }
        let option = |key: &str| net.network.options.get(key);
        let driver = option("driver").and_then(Value::scalar);
        let driver = driver.as_deref().unwrap_or("bridge");
        if network.driver != driver {
            let (expected, observed) = (format!("driver `{driver}`"), format!("driver `{}`", network.driver));
            self.other(picture, at, &expected, &observed, "drivers");
        }
        let internal = matches!(option("internal"), Some(Value::Bool(true)));
        if network.internal != internal {
            let words = |internal| if internal { "no way out" } else { "a way out" };
            self.other(picture, at, words(internal), words(network.internal), "`internal`");
        }
        self.subnets(picture, at, network);
    }

    fn subnets(&mut self, picture: &Picture<'_>, at: usize, network: &ObservedNetwork) {
        let net = &picture.nets[at];
        let (desired, chosen): (Vec<Ipv4Net>, bool) = match net.network.subnet {
            Some(subnet) => (vec![subnet], true),
            None => (net.written.clone(), false),
        };
        let list = |subnets: &[Ipv4Net]| subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if desired.is_empty() || desired == network.subnets {
            return;
        }
        let size = |subnets: &[Ipv4Net]| subnets.iter().map(Ipv4Net::prefix_len).collect::<Vec<_>>();
        // `up` takes another of the same size where somebody has the planned one.
        let moved = chosen && !network.cluster().is_empty() && size(&desired) == size(&network.subnets);
        if moved {
            let (name, observed, desired) = (&net.network.name, list(&network.subnets), list(&desired));
            self.notes
                .push(format!("`{name}` is {observed}: {desired} was taken when it was made"));
            return;
        }
        self.other(picture, at, &list(&desired), &list(&network.subnets), "subnets");
    }

    fn other(&mut self, picture: &Picture<'_>, at: usize, expected: &str, observed: &str, all: &str) {
        let name = &picture.nets[at].network.name;
        let cause = match picture.nets[at].node {
            None if picture.is_by_compose() => "made with other options than `topogen render` says".to_owned(),
            _ => format!("made by hand or of another blueprint: {}", picture.remedy()),
        };
        let told = Told::new(
            format!("network `{name}` has {expected}"),
            format!("it has {observed}"),
            &cause,
        )
        .or_many(
            format!("networks have the {all} of the blueprint"),
            "have others",
            cause,
        );
        self.push(Place::net(picture, at), told, About::Net(at));
    }

    /// Networks with the cluster's label that the topology has no place for, but for those of nodes too many.
    fn surplus_networks(&mut self, picture: &Picture<'_>) {
        let is_node = |name: &str| picture.nodes.iter().any(|n| n.name.as_str() == name);
        let is_one = |name: &str| picture.nets.iter().any(|n| n.network.name.as_str() == name);
        for network in &picture.found.networks {
            let node = network.node();
            let own = network.cluster() == picture.cluster;
            let of_stray = !is_node(node) && {
                let mut strays = picture.strays.iter().map(|at| &picture.found.containers[*at]);
                strays.any(|c| c.node() == node)
            };
            if !own || is_one(&network.name) || of_stray {
                continue;
            }
            let place = match node {
                "" => Place::cluster(Some(network.name.clone())),
                node => Place::of_node(node, Some(network.name.clone())),
            };
            let cause = format!("the blueprint changed since: {}", picture.by_up("removes it"));
            let told = Told::new("no such network", format!("network `{}`", network.name), &cause).or_many(
                "no networks but those of the blueprint",
                "are not of it",
                cause,
            );
            self.push(place, told, About::Nothing);
        }
    }
}
