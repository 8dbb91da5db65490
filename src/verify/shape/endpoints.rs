//! Who is on which network, and under which names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::super::picture::Picture;
use super::super::report::listed;
use super::{About, Place, Shape, Told};
use crate::cluster::ObservedContainer;
use crate::cluster::ObservedEndpoint;
use crate::text::plural;
use crate::value::Value;

/// By network and name: the members that answer to it and are not to.
type Surplus = BTreeMap<(usize, String), Vec<usize>>;

impl Shape {
    pub(super) fn endpoints(&mut self, picture: &Picture<'_>) {
        let mut surplus = Surplus::new();
        for member in 0..picture.members.len() {
            if let Some(container) = picture.container(member) {
                for which in 0..picture.members[member].joints.len() {
                    self.joint(picture, member, which, container, &mut surplus);
                }
                self.elsewhere(picture, member, container);
            }
        }
        self.surplus(picture, surplus);
        self.guests(picture);
    }

    /// A member on one of its networks.
    fn joint(
        &mut self,
        picture: &Picture<'_>,
        member: usize,
        which: usize,
        container: &ObservedContainer,
        surplus: &mut Surplus,
    ) {
        let joint = &picture.members[member].joints[which];
        let net = &picture.nets[joint.net];
        let name = net.network.name.as_str();
        let Some(endpoint) = picture.endpoint(container, joint.net) else {
            let twin = container.endpoints.iter().any(|e| e.network == name);
            let remedy = picture.remedy();
            let (observed, cause) = match (twin, net.found) {
                // That the network is gone says it.
                (_, None) => return,
                (true, Some(_)) => (
                    "is on another network of that name",
                    format!("the network was made anew behind it: {remedy}"),
                ),
                (false, Some(_)) => ("is not", format!("disconnected by hand: {remedy}")),
            };
            let told = Told::new(format!("is on `{name}`"), observed, &cause).or_many(
                format!("containers are on `{name}`"),
                "are not",
                cause,
            );
            return self.push(Place::member(picture, member), told, About::Joint(member, joint.net));
        };
        self.address(picture, member, which, endpoint);
        // What never ran has its names in no table yet, and is told of already.
        if endpoint.network_id.is_empty() {
            return;
        }
        let desired: BTreeSet<String> = picture.names(member, which).collect();
        let lacking: Vec<&String> = desired.iter().filter(|n| !endpoint.names.contains(n)).collect();
        let told_already = picture.is_of_other_files(member);
        if !lacking.is_empty() && !told_already {
            let cause = format!("connected anew by hand, without `--alias`: {}", picture.remedy());
            let expected = format!("answers to {} on `{name}`", listed(&lacking));
            let told = Told::new(expected, "does not", &cause).or_many(
                format!("containers answer to their names on `{name}`"),
                "lack some",
                cause,
            );
            let names = lacking.iter().map(|n| (*n).clone()).collect();
            self.push(Place::member(picture, member), told, About::Names(joint.net, names));
        }
        let given = |n: &String| *n == container.name.to_lowercase() || container.id.starts_with(n.as_str());
        for extra in endpoint.names.iter().filter(|n| !desired.contains(*n) && !given(n)) {
            surplus.entry((joint.net, extra.clone())).or_default().push(member);
        }
    }

    /// The address that a service asks for (Compose specification, services, `ipv4_address`).
    fn address(&mut self, picture: &Picture<'_>, member: usize, which: usize, endpoint: &ObservedEndpoint) {
        let joint = &picture.members[member].joints[which];
        let desired = joint.attachment.options.get("ipv4_address").and_then(Value::scalar);
        let desired: Option<Ipv4Addr> = desired.and_then(|text| text.parse().ok());
        if let (Some(desired), Some(observed)) = (desired, endpoint.address)
            && desired != observed
        {
            let told = Told::new(
                format!("has {desired} on `{}`", endpoint.network),
                format!("has {observed}"),
                "connected anew by hand, without `--ip`",
            );
            self.push(Place::member(picture, member), told, About::Nothing);
        }
    }

    /// Networks that a member is on and is not to be.
    fn elsewhere(&mut self, picture: &Picture<'_>, member: usize, container: &ObservedContainer) {
        let joints = &picture.members[member].joints;
        let desired = |e: &&ObservedEndpoint| {
            let mut names = joints.iter().map(|j| picture.nets[j.net].network.name.as_str());
            names.any(|name| name == e.network)
        };
        let own: Vec<&str> = joints
            .iter()
            .map(|j| picture.nets[j.net].network.name.as_str())
            .collect();
        for endpoint in container.endpoints.iter().filter(|e| !desired(e)) {
            // `network_mode` of the blueprint's, not a network anybody joined.
            if own.is_empty() && ["host", "none", "bridge"].contains(&endpoint.network.as_str()) {
                continue;
            }
            let net = picture
                .nets
                .iter()
                .find(|n| n.network.name.as_str() == endpoint.network);
            let names: Vec<&String> = endpoint.names.iter().filter(|n| !container.is_given(n)).collect();
            let as_names = match names.is_empty() {
                true => String::new(),
                false => format!(", and answers to {} there", listed(&names)),
            };
            let whose = net.and_then(|n| n.node).map(|node| picture.nodes[node].name.as_str());
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
            let told = Told::new(expected, format!("is on `{}` too{as_names}", endpoint.network), cause).or_many(
                "containers are on the networks of the blueprint alone",
                "are on others too",
                format!("connected to `{}` by hand", endpoint.network),
            );
            let about = About::Containers(picture.members[member].found.into_iter().collect());
            self.push(Place::member(picture, member), told, about);
        }
    }

    /// Names that members answer to and are not to: of one member together, of several by name.
    fn surplus(&mut self, picture: &Picture<'_>, surplus: Surplus) {
        let mut of_one: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for ((net, name), members) in surplus {
            match members[..] {
                // From engine 25 on the host name is a name on every network, which is a fault where it is another's.
                [member]
                    if picture.is_hostname(member, &name) && picture.heard(net, &name).iter().all(|m| *m == member) => {
                }
                [member] => of_one.entry((member, net)).or_default().push(name),
                _ => self.shared_surplus(picture, net, name, &members),
            }
        }
        for ((member, net), names) in of_one {
            let network = &picture.nets[net].network.name;
            let rightful = names
                .iter()
                .find_map(|name| picture.rightful(net, name))
                .filter(|m| *m != member);
            let whose = rightful.map(|owner| format!(", which is the name of `{}`", picture.title(owner)));
            let mut desired: Vec<String> = picture.written_names(member, net);
            desired.sort_by_key(String::len);
            let cause = picture.why(net, &names[0], &[member]);
            let told = Told::new(
                format!("answers to {} alone on `{network}`", listed(&desired)),
                format!("answers to {} too{}", listed(&names), whose.unwrap_or_default()),
                &cause,
            )
            .or_many(
                format!("containers answer to no names but their own on `{network}`"),
                "answer to others too",
                cause,
            );
            self.push(Place::member(picture, member), told, About::Names(net, names));
        }
    }

    fn shared_surplus(&mut self, picture: &Picture<'_>, net: usize, name: String, members: &[usize]) {
        let network = &picture.nets[net].network.name;
        let titles: Vec<String> = members.iter().map(|m| picture.title(*m)).collect();
        let told = Told::new(
            format!("no two containers answer to `{name}` on `{network}`"),
            format!("{} do: {}", plural(members.len(), "container"), listed(&titles)),
            picture.why(net, &name, members),
        );
        let place = Place {
            node: picture.nets[net].node.map(|node| picture.nodes[node].name.to_string()),
            subject: Some(network.to_string()),
        };
        self.push(place, told, About::Names(net, vec![name]));
    }

    /// Containers of others on the cluster's networks: under a name that somebody has there it is a difference.
    fn guests(&mut self, picture: &Picture<'_>) {
        for at in &picture.guests {
            let guest = &picture.found.containers[*at];
            for endpoint in guest.endpoints.iter().filter(|e| e.address.is_some()) {
                let Some(net) = picture
                    .nets
                    .iter()
                    .position(|n| n.network.name.as_str() == endpoint.network)
                else {
                    continue;
                };
                let owners = |name: &String| picture.heard(net, name);
                let names = endpoint.names.iter().filter(|n| !owners(n).is_empty());
                let names: Vec<&String> = names.collect();
                let owners: BTreeSet<usize> = names.iter().flat_map(|n| owners(n)).collect();
                if owners.is_empty() {
                    self.notes
                        .push(format!("`{}` of others is on `{}`", guest.name, endpoint.network));
                    continue;
                }
                let place = match owners.first() {
                    Some(owner) if owners.len() == 1 => Place::member(picture, *owner),
                    _ => Place::net(picture, net),
                };
                let told = Told::new(
                    format!(
                        "no other container answers to {} on `{}`",
                        listed(&names),
                        endpoint.network
                    ),
                    format!("container `{}` of others does", guest.name),
                    "joined by somebody under a name that is taken: disconnect it, or name it otherwise",
                );
                self.push(place, told, About::Containers(vec![*at]));
            }
        }
    }
}

impl Picture<'_> {
    /// A container's endpoint on a network of the picture; by name where it has never run and the engine says no id.
    fn endpoint<'c>(&self, container: &'c ObservedContainer, net: usize) -> Option<&'c ObservedEndpoint> {
        let name = self.nets[net].network.name.as_str();
        let id = self.net_id(net)?;
        container.endpoints.iter().find(|e| match e.network_id.as_str() {
            "" => e.network == name,
            other => other == id,
        })
    }

    /// The names that Compose gives a member on a network: its key and aliases.
    fn written_names(&self, member: usize, net: usize) -> Vec<String> {
        let member = &self.members[member];
        let joints = member.joints.iter().filter(|j| j.net == net);
        let aliases = joints.flat_map(|j| j.attachment.aliases.iter().map(ToString::to_string));
        [member.service.key.to_string()].into_iter().chain(aliases).collect()
    }

    /// The member to whom a name on a network belongs.
    fn rightful(&self, net: usize, name: &str) -> Option<usize> {
        let mut members = self.nets[net].members.iter();
        members
            .find(|(m, which)| self.names(*m, *which).any(|n| n == name))
            .map(|(m, _)| *m)
    }

    /// The members to whom `name` leads for any that is on a network, be it by another network of theirs.
    fn heard(&self, net: usize, name: &str) -> BTreeSet<usize> {
        let listeners = self.nets[net].members.iter();
        let nets: BTreeSet<usize> = listeners
            .flat_map(|(m, _)| self.members[*m].joints.iter().map(|j| j.net))
            .collect();
        nets.into_iter().filter_map(|net| self.rightful(net, name)).collect()
    }

    /// Why `members` answer to a name that they are not to have.
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
        "connected anew by hand, with `--alias`".to_owned()
    }
}
