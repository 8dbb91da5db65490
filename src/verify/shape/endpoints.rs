//! Which containers are on which networks, and under which names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::super::model::Model;
use super::super::report::listed;
use super::{About, Location, Shape, Wording};
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::text::plural;
use crate::value::Value;

/// By network and name: members that have it and should not.
type Surplus = BTreeMap<(usize, String), Vec<usize>>;

impl Shape {
    pub(super) fn endpoints(&mut self, model: &Model<'_>) {
        let mut surplus = Surplus::new();
        for member in 0..model.members.len() {
            if let Some(container) = model.container(member) {
                for which in 0..model.members[member].joints.len() {
                    self.joint(model, member, which, container, &mut surplus);
                }
                self.elsewhere(model, member, container);
            }
        }
        self.surplus(model, surplus);
        self.guests(model);
    }

    /// Compares a member's connection to one of its networks.
    fn joint(
        &mut self,
        model: &Model<'_>,
        member: usize,
        which: usize,
        container: &ObservedContainer,
        surplus: &mut Surplus,
    ) {
        let joint = &model.members[member].joints[which];
        let net = &model.nets[joint.net];
        let name = net.network.name.as_str();
        let Some(endpoint) = model.endpoint(container, joint.net) else {
            let twin = container.endpoints.iter().any(|e| e.network == name);
            let remedy = model.remedy();
            let (observed, cause) = match (twin, net.found) {
                // The missing network is reported already.
                (_, None) => return,
                (true, Some(_)) => (
                    "is on another network of that name",
                    format!("the network was recreated behind it: {remedy}"),
                ),
                (false, Some(_)) => ("is not", format!("disconnected by hand: {remedy}")),
            };
            let wording = Wording::new(format!("is on `{name}`"), observed, &cause).or_many(
                format!("containers are on `{name}`"),
                "are not",
                cause,
            );
            return self.push(
                Location::member(model, member),
                wording,
                About::Joint(member, joint.net),
            );
        };
        self.address(model, member, which, endpoint);
        // A container that never ran has no names yet, and is reported already.
        if endpoint.network_id.is_none() {
            return;
        }
        let desired: BTreeSet<String> = model.names(member, which).collect();
        let lacking: Vec<&String> = desired.iter().filter(|n| !endpoint.names.contains(n)).collect();
        let reported_already = model.is_of_other_files(member);
        if !lacking.is_empty() && !reported_already {
            let cause = format!("reconnected by hand, without `--alias`: {}", model.remedy());
            let expected = format!("answers to {} on `{name}`", listed(&lacking));
            let wording = Wording::new(expected, "does not", &cause).or_many(
                format!("containers answer to their names on `{name}`"),
                "lack some",
                cause,
            );
            let names = lacking.iter().map(|n| (*n).clone()).collect();
            self.push(Location::member(model, member), wording, About::Names(joint.net, names));
        }
        let given = |n: &String| *n == container.name.to_lowercase() || container.id.starts_with(n.as_str());
        for extra in endpoint.names.iter().filter(|n| !desired.contains(*n) && !given(n)) {
            surplus.entry((joint.net, extra.clone())).or_default().push(member);
        }
    }

    /// Compares the address that a service asks for (Compose specification, services, `ipv4_address`).
    fn address(&mut self, model: &Model<'_>, member: usize, which: usize, endpoint: &ObservedEndpoint) {
        let joint = &model.members[member].joints[which];
        let desired = joint.attachment.options.get("ipv4_address").and_then(Value::scalar);
        let desired: Option<Ipv4Addr> = desired.and_then(|text| text.parse().ok());
        if let (Some(desired), Some(observed)) = (desired, endpoint.address)
            && desired != observed
        {
            let wording = Wording::new(
                format!("has {desired} on `{}`", endpoint.network),
                format!("has {observed}"),
                "reconnected by hand, without `--ip`",
            );
            self.push(Location::member(model, member), wording, About::Nothing);
        }
    }

    /// Reports networks that a member is on and should not be.
    fn elsewhere(&mut self, model: &Model<'_>, member: usize, container: &ObservedContainer) {
        let joints = &model.members[member].joints;
        let desired = |e: &&ObservedEndpoint| {
            let mut names = joints.iter().map(|j| model.nets[j.net].network.name.as_str());
            names.any(|name| name == e.network)
        };
        let own: Vec<&str> = joints.iter().map(|j| model.nets[j.net].network.name.as_str()).collect();
        for endpoint in container.endpoints.iter().filter(|e| !desired(e)) {
            // `network_mode` of the blueprint selects these; nobody connects to them.
            if own.is_empty() && ["host", "none", "bridge"].contains(&endpoint.network.as_str()) {
                continue;
            }
            let net = model.nets.iter().find(|n| n.network.name.as_str() == endpoint.network);
            let names: Vec<&String> = endpoint.names.iter().filter(|n| !container.is_given(n)).collect();
            let as_names = match names.is_empty() {
                true => String::new(),
                false => format!(", and answers to {} there", listed(&names)),
            };
            let whose = net.and_then(|n| n.node).map(|node| model.nodes[node].name.as_str());
            let expected = match own.is_empty() {
                true => "is on no network".to_owned(),
                false => format!("is on {} alone", listed(&own)),
            };
            let cause = match whose {
                Some(node) => format!("connected by hand to the private network of `{node}`"),
                None => "connected by hand".to_owned(),
            };
            let cause = format!(
                "{cause}: `docker network disconnect {} {}` mends it",
                endpoint.network, container.name
            );
            let wording = Wording::new(expected, format!("is on `{}` too{as_names}", endpoint.network), cause).or_many(
                "containers are on the networks of the blueprint alone",
                "are on others too",
                format!("connected to `{}` by hand", endpoint.network),
            );
            let about = About::Containers(model.members[member].found.into_iter().collect());
            self.push(Location::member(model, member), wording, about);
        }
    }

    /// Reports names that members have and should not: all of one member together, those of several by name.
    fn surplus(&mut self, model: &Model<'_>, surplus: Surplus) {
        let mut of_one: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for ((net, name), members) in surplus {
            match members[..] {
                // From engine 25 on the host name is a name on every network, which is a fault if another container
                // should have it.
                [member]
                    if model.is_hostname(member, &name) && model.heard(net, &name).iter().all(|m| *m == member) => {}
                [member] => of_one.entry((member, net)).or_default().push(name),
                _ => self.shared_surplus(model, net, name, &members),
            }
        }
        for ((member, net), names) in of_one {
            let network = &model.nets[net].network.name;
            let rightful = names
                .iter()
                .find_map(|name| model.rightful(net, name))
                .filter(|m| *m != member);
            let whose = rightful.map(|owner| format!(", which is the name of `{}`", model.title(owner)));
            let mut desired: Vec<String> = model.written_names(member, net);
            desired.sort_by_key(String::len);
            let cause = model.why(net, &names[0], &[member]);
            let wording = Wording::new(
                format!("answers to {} alone on `{network}`", listed(&desired)),
                format!("answers to {} too{}", listed(&names), whose.unwrap_or_default()),
                &cause,
            )
            .or_many(
                format!("containers answer to no names but their own on `{network}`"),
                "answer to others too",
                cause,
            );
            self.push(Location::member(model, member), wording, About::Names(net, names));
        }
    }

    fn shared_surplus(&mut self, model: &Model<'_>, net: usize, name: String, members: &[usize]) {
        let network = &model.nets[net].network.name;
        let titles: Vec<String> = members.iter().map(|m| model.title(*m)).collect();
        let wording = Wording::new(
            format!("no two containers answer to `{name}` on `{network}`"),
            format!("{} do: {}", plural(members.len(), "container"), listed(&titles)),
            model.why(net, &name, members),
        );
        let place = Location {
            node: model.nets[net].node.map(|node| model.nodes[node].name.to_string()),
            subject: Some(network.to_string()),
        };
        self.push(place, wording, About::Names(net, vec![name]));
    }

    /// Reports foreign containers on the cluster's networks. It is a difference if they have a name of the cluster's.
    fn guests(&mut self, model: &Model<'_>) {
        for at in &model.guests {
            let guest = &model.found.containers[*at];
            for endpoint in guest.endpoints.iter().filter(|e| e.address.is_some()) {
                let Some(net) = model
                    .nets
                    .iter()
                    .position(|n| n.network.name.as_str() == endpoint.network)
                else {
                    continue;
                };
                let owners = |name: &String| model.heard(net, name);
                let names = endpoint.names.iter().filter(|n| !owners(n).is_empty());
                let names: Vec<&String> = names.collect();
                let owners: BTreeSet<usize> = names.iter().flat_map(|n| owners(n)).collect();
                if owners.is_empty() {
                    self.notes
                        .push(format!("`{}` of others is on `{}`", guest.name, endpoint.network));
                    continue;
                }
                let place = match owners.first() {
                    Some(owner) if owners.len() == 1 => Location::member(model, *owner),
                    _ => Location::net(model, net),
                };
                let wording = Wording::new(
                    format!(
                        "no other container answers to {} on `{}`",
                        listed(&names),
                        endpoint.network
                    ),
                    format!("container `{}` of others does", guest.name),
                    "joined by somebody under a name that is taken: disconnect it, or name it otherwise",
                );
                self.push(place, wording, About::Containers(vec![*at]));
            }
        }
    }
}

impl Model<'_> {
    /// The endpoint of a container on a network; matched by name if it has never run and the engine reports no ID.
    fn endpoint<'c>(&self, container: &'c ObservedContainer, net: usize) -> Option<&'c ObservedEndpoint> {
        let name = self.nets[net].network.name.as_str();
        let id = self.net_id(net)?;
        container.endpoints.iter().find(|e| e.is_of(id, name))
    }

    /// The names that Compose gives a member on a network: its key and aliases.
    fn written_names(&self, member: usize, net: usize) -> Vec<String> {
        let member = &self.members[member];
        let joints = member.joints.iter().filter(|j| j.net == net);
        let aliases = joints.flat_map(|j| j.attachment.aliases.iter().map(ToString::to_string));
        [member.service.key.to_string()].into_iter().chain(aliases).collect()
    }

    /// The member that should have a name on a network.
    fn rightful(&self, net: usize, name: &str) -> Option<usize> {
        let mut members = self.nets[net].members.iter();
        members
            .find(|(m, which)| self.names(*m, *which).any(|n| n == name))
            .map(|(m, _)| *m)
    }

    /// The members that `name` resolves to for anybody on a network, even by other networks of theirs.
    fn heard(&self, net: usize, name: &str) -> BTreeSet<usize> {
        let listeners = self.nets[net].members.iter();
        let nets: BTreeSet<usize> = listeners
            .flat_map(|(m, _)| self.members[*m].joints.iter().map(|j| j.net))
            .collect();
        nets.into_iter().filter_map(|net| self.rightful(net, name)).collect()
    }

    /// Why `members` have a name that they should not have.
    fn why(&self, net: usize, name: &str, members: &[usize]) -> String {
        let network = &self.nets[net].network.name;
        let is_key = |member: &usize| {
            self.container(*member)
                .is_some_and(|c| c.service_key_or_name().eq_ignore_ascii_case(name))
        };
        if members.iter().all(is_key) {
            return format!("its key is an alias on `{network}`");
        }
        if members.iter().all(|m| self.is_hostname(*m, name)) {
            return "its `hostname`, which engines make a name on every network".to_owned();
        }
        "reconnected by hand, with `--alias`".to_owned()
    }
}
