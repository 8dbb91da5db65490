//! Containers that are missing, stand still, are too many, or are not what they are to be.

use std::collections::{BTreeMap, HashSet};

use super::super::picture::Picture;
use super::super::report::listed;
use super::{About, Place, Shape, Told, node_list};
use crate::cluster::ObservedContainer;
use crate::cluster::State;
use crate::fake;
use crate::text::Natural;
use crate::text::natural;
use crate::text::plural;
use crate::topology::Node;
use crate::value::Value;

/// Why nodes at the end of a role are missing or too many.
const COUNTED: &str = "brought up with another count: say the same `--slaves` or `--scale` here";

impl Shape {
    pub(super) fn containers(&mut self, picture: &Picture<'_>) {
        self.missing(picture);
        self.other_files(picture);
        for member in 0..picture.members.len() {
            if let Some(container) = picture.container(member) {
                self.state(picture, member, container);
                self.name(picture, member, container);
            }
            self.others(picture, member);
        }
        self.images(picture);
        self.changed(picture);
        self.strays(picture);
    }

    /// Containers that are not there: whole nodes in one, the others each.
    fn missing(&mut self, picture: &Picture<'_>) {
        let gone = picture.gone();
        let (last, others): (Vec<usize>, Vec<usize>) = gone.iter().partition(|n| picture.is_last(**n, &gone));
        if gone.len() == picture.nodes.len() {
            let cause = format!("nothing of it is up, or it is under another name: {}", picture.up());
            self.gone(picture, &gone, cause);
        } else {
            self.gone(
                picture,
                &last,
                format!("{COUNTED}; or removed, or never made: {}", picture.up()),
            );
            let cause = format!("never made, or removed by hand: {}", picture.remedy());
            self.gone(picture, &others, cause);
        }
        let is_gone: HashSet<usize> = gone.into_iter().collect();
        for (at, member) in picture.members.iter().enumerate() {
            if member.found.is_none() && !is_gone.contains(&member.node) {
                self.missing_one(picture, at);
            }
        }
    }

    /// Nodes of which nothing is there.
    fn gone(&mut self, picture: &Picture<'_>, nodes: &[usize], cause: String) {
        if nodes.is_empty() {
            return;
        }
        let names: Vec<&str> = nodes.iter().map(|n| picture.nodes[*n].name.as_str()).collect();
        let place = match names[..] {
            [one] => Place::of_node(one, None),
            _ => Place::cluster(None),
        };
        let nodes: HashSet<usize> = nodes.iter().copied().collect();
        let members = (0..picture.members.len()).filter(|m| nodes.contains(&picture.members[*m].node));
        let members: Vec<usize> = members.collect();
        let expected = format!("{} run in {}", plural(members.len(), "container"), node_list(&names));
        self.push(
            place,
            Told::new(expected, "none is there", cause),
            About::Members(members),
        );
    }

    fn missing_one(&mut self, picture: &Picture<'_>, member: usize) {
        let name = picture.members[member].name.as_str();
        let taken = picture.found.containers.iter().any(|c| c.name == name);
        let remedy = picture.remedy();
        let (observed, cause) = match taken {
            true => (
                "a container of that name, and not of this cluster",
                "made by somebody else: remove it or name one of the two otherwise".to_owned(),
            ),
            false => ("no such container", format!("never made, or removed by hand: {remedy}")),
        };
        let told = Told::new(format!("container `{name}` runs"), observed, cause).or_many(
            "every service has its container",
            "have none",
            format!("never made, or removed by hand: {remedy}"),
        );
        self.push(Place::member(picture, member), told, About::Members(vec![member]));
    }

    /// Containers under keys that are not those of this topology: of Compose files that it was made from, say.
    fn other_files(&mut self, picture: &Picture<'_>) {
        let members: Vec<usize> = (0..picture.members.len())
            .filter(|m| picture.is_of_other_files(*m))
            .collect();
        let Some(first) = members.first() else {
            return;
        };
        let service = picture.members[*first].service;
        let told = Told::new(
            "what joins a shared network has a key of its own there",
            format!(
                "{} under other keys: `{}` where `{}` is to be, say",
                plural(members.len(), "container"),
                service.name,
                service.key
            ),
            "brought up from other files than those that `topogen render` writes",
        );
        self.push(Place::cluster(None), told, About::Members(members));
    }

    fn state(&mut self, picture: &Picture<'_>, member: usize, container: &ObservedContainer) {
        let name = &container.name;
        let code = container.exit.unwrap_or_default();
        let unstarted = format!(
            "its start failed, what it waits for is not well, or whoever made it was interrupted: {}, or says why not",
            picture.remedy()
        );
        let (observed, cause) = match container.state {
            State::Running => return,
            State::Paused => (
                "is paused".to_owned(),
                format!("paused by hand: `docker unpause {name}`"),
            ),
            State::Restarting => (
                format!("ended with {code} and is started again"),
                format!("it cannot stay up: `docker logs {name}` says why"),
            ),
            State::Created | State::Exited | State::Dead if !container.start_error().is_empty() => (
                "could not be started".to_owned(),
                format!(
                    "the engine says: {}; once that is put right, {}",
                    container.start_error(),
                    picture.remedy()
                ),
            ),
            State::Exited | State::Dead => (
                format!("ended with {code}"),
                format!("stopped by hand, or ended by itself: `docker logs {name}`"),
            ),
            State::Created => ("was never started".to_owned(), unstarted.clone()),
            State::Removing => ("is being removed".to_owned(), "somebody removes it".to_owned()),
        };
        let told = Told::new(format!("container `{name}` runs"), observed, cause);
        let told = match container.state {
            State::Created => told.or_many("containers are started", "never were", unstarted),
            _ => told.or_many(
                "containers run",
                "do not",
                format!("stopped together, or the engine was started anew: {}", picture.remedy()),
            ),
        };
        self.push(Place::member(picture, member), told, About::Members(vec![member]));
    }

    fn name(&mut self, picture: &Picture<'_>, member: usize, container: &ObservedContainer) {
        let service = picture.members[member].service;
        let expected = picture.members[member].name.as_str();
        let project = picture.nodes[picture.members[member].node].project.as_str();
        // Compose 1 joins what Compose 2 hyphenates, and both leave gaps in their numbers.
        let by_compose = ["-", "_"].map(|s| format!("{project}{s}{}{s}{}", service.key, container.number()));
        let free = container.cluster().is_empty() && !service.container_named;
        let right = container.name == expected || (free && by_compose.contains(&container.name));
        if right || picture.is_of_other_files(member) {
            return;
        }
        let told = Told::new(
            format!("container is called `{expected}`"),
            format!("is called `{}`", container.name),
            "renamed by hand",
        )
        .or_many(
            "containers are called as the blueprint says",
            "are not",
            "renamed by hand",
        );
        self.push(Place::member(picture, member), told, About::Members(vec![member]));
    }

    /// More than one container of a service.
    fn others(&mut self, picture: &Picture<'_>, member: usize) {
        let others = &picture.members[member].others;
        if others.is_empty() {
            return;
        }
        let names = others.iter().map(|at| picture.found.containers[*at].name.as_str());
        let names: Vec<&str> = names.collect();
        let cause = "scaled by hand, `docker compose up --scale` for example";
        let told = Told::new(
            "one container",
            format!("{}: {} too", others.len() + 1, listed(&names)),
            cause,
        )
        .or_many("every service has one container", "have more", cause);
        self.push(Place::member(picture, member), told, About::Containers(others.clone()));
    }

    /// Other images than the blueprint's, all of one kind in one.
    fn images(&mut self, picture: &Picture<'_>) {
        let mut wrong: BTreeMap<(Option<String>, &str), Vec<usize>> = BTreeMap::new();
        for member in 0..picture.members.len() {
            let image = picture.members[member].service.get("image").and_then(Value::scalar);
            if let (Some(image), Some(container)) = (image, picture.container(member)) {
                let same = image == container.image || (fake::is_image(&image) && container.is_fake());
                if !same {
                    let image = Some(image).filter(|_| !container.is_fake());
                    wrong.entry((image, &container.image)).or_default().push(member);
                }
            }
        }
        for ((image, observed), members) in wrong {
            let place = match members[..] {
                [one] => Place::member(picture, one),
                _ => Place::cluster(None),
            };
            let (expected, cause) = match image {
                None => (
                    "the images of the blueprint".to_owned(),
                    "brought up with `--fake`: say so here too".to_owned(),
                ),
                Some(image) => (
                    format!("image `{image}`"),
                    format!("the blueprint changed since: {}", picture.remedy()),
                ),
            };
            let observed = format!("{} of image `{observed}`", plural(members.len(), "container"));
            self.push(place, Told::new(expected, observed, cause), About::Nothing);
        }
    }

    /// Containers that were made of something else than the topology says now. Another image is told already.
    fn changed(&mut self, picture: &Picture<'_>) {
        let mut changes = Vec::new();
        for member in 0..picture.members.len() {
            let Some(container) = picture.container(member) else {
                continue;
            };
            let image = picture.members[member].service.get("image").and_then(Value::scalar);
            let told = image.is_some_and(|i| i != container.image && !(fake::is_image(&i) && container.is_fake()));
            let Some(what) = picture.changed.get(&container.name).filter(|_| !told) else {
                continue;
            };
            changes.push((member, what));
        }
        let gone = picture.gone();
        if picture.has_more_nodes() || gone.iter().any(|n| picture.is_last(*n, &gone)) {
            self.changed_with_count(picture, &changes);
            return;
        }
        for (member, what) in changes {
            let cause = format!(
                "the blueprint changed since, or was told otherwise (`--set`, `--scale`): {}",
                picture.remedy()
            );
            let told = Told::new("is made as the blueprint says", what, &cause).or_many(
                "containers are made as the blueprint says",
                "are not",
                cause,
            );
            self.push(Place::member(picture, member), told, About::Nothing);
        }
    }

    /// The same where the nodes are more or fewer too, by which templates fill files otherwise: one cause, and not to be
    /// mended by removing nodes.
    fn changed_with_count(&mut self, picture: &Picture<'_>, changes: &[(usize, &String)]) {
        let (place, expected, observed) = match changes {
            [] => return,
            [(member, what)] => (
                Place::member(picture, *member),
                "is made as the blueprint says",
                (*what).clone(),
            ),
            _ => {
                let titles: Vec<String> = changes.iter().map(|(m, _)| picture.title(*m)).collect();
                let observed = format!("{} are not: {}", titles.len(), listed(&titles));
                (
                    Place::cluster(None),
                    "containers are made as the blueprint says",
                    observed,
                )
            }
        };
        let cause = "made for another count of nodes, or the blueprint changed since: say the same `--slaves` or \
                     `--scale` here first";
        self.push(place, Told::new(expected, observed, cause), About::Nothing);
    }

    /// Containers of the cluster that the topology has no place for: nodes beyond its count in one.
    fn strays(&mut self, picture: &Picture<'_>) {
        let mut nodes: BTreeMap<Natural, Vec<usize>> = BTreeMap::new();
        for at in &picture.strays {
            let node = stray_node(&picture.found.containers[*at]);
            nodes.entry(natural(node)).or_default().push(*at);
        }
        let of = |name: &str| {
            let mut nodes = picture.nodes.iter();
            let node = nodes.find(|n| n.name.as_str() == name || n.project.as_str() == name)?;
            Some(node.name.as_str())
        };
        let (known, surplus): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|((_, _, name), _)| of(name).is_some());
        for ((_, _, node), containers) in known {
            for at in containers {
                let container = &picture.found.containers[at];
                let service = match container.service() {
                    "" => container.service_key_or_name(),
                    service => service,
                };
                let cause = "the blueprint changed since, or it was made by hand under these labels";
                let told = Told::new("no such service", format!("container `{}`", container.name), cause).or_many(
                    "no services but those of the blueprint",
                    "are not of it",
                    cause,
                );
                let place = Place::of_node(of(&node).unwrap_or(&node), Some(service.to_owned()));
                self.push(place, told, About::Containers(vec![at]));
            }
        }
        let (more, others): (Vec<_>, Vec<_>) = surplus
            .into_iter()
            .partition(|(_, containers)| containers.iter().all(|at| picture.is_of_a_role(*at)));
        self.beyond(picture, &more, COUNTED);
        let cause = format!(
            "of a role that this blueprint has not: it was brought up from another one (`-f`), or {} removes it",
            picture.command("up --remove-orphans")
        );
        self.beyond(picture, &others, &cause);
    }

    /// Containers of nodes that the topology has not, by node.
    fn beyond(&mut self, picture: &Picture<'_>, surplus: &[(Natural, Vec<usize>)], cause: &str) {
        if surplus.is_empty() {
            return;
        }
        let names: Vec<&str> = surplus.iter().map(|((_, _, name), _)| name.as_str()).collect();
        let all: Vec<usize> = surplus.iter().flat_map(|(_, containers)| containers.clone()).collect();
        let place = match names[..] {
            [one] => Place::of_node(one, None),
            _ => Place::cluster(None),
        };
        let told = Told::new(
            format!("{} and no more", plural(picture.nodes.len(), "node")),
            format!("{} of {}", plural(all.len(), "container"), node_list(&names)),
            cause,
        );
        self.push(place, told, About::Containers(all));
    }
}

/// The node that a container says it is of, else its project.
fn stray_node(container: &ObservedContainer) -> &str {
    match container.node() {
        "" => container.project(),
        node => node,
    }
}

impl Picture<'_> {
    /// Whether a member's container was made by Compose under the service's plain name, where it is to have a key of
    /// its own.
    pub(super) fn is_of_other_files(&self, member: usize) -> bool {
        let service = self.members[member].service;
        let other = |c: &ObservedContainer| c.cluster().is_empty() && c.service_key_or_name() != service.key.as_str();
        self.container(member).is_some_and(other)
    }

    /// What puts things right, by whoever made them.
    pub(super) fn remedy(&self) -> String {
        match self.is_by_compose() {
            true => "`docker compose up -d --force-recreate` mends it".to_owned(),
            false => self.by_up("mends it"),
        }
    }

    /// That `up` does it; without the count of before it would remove nodes that are beyond the blueprint's too.
    pub(super) fn by_up(&self, does: &str) -> String {
        match self.has_more_nodes() {
            true => format!("{} with the `--slaves` or `--scale` of before {does}", self.up()),
            false => format!("{} {does}", self.up()),
        }
    }

    /// Whether Compose made some of it.
    pub(super) fn is_by_compose(&self) -> bool {
        let mut members = 0..self.members.len();
        members.any(|m| self.container(m).is_some_and(|c| c.cluster().is_empty()))
    }

    /// The nodes of which nothing is there.
    fn gone(&self) -> Vec<usize> {
        let mut there = vec![(false, false); self.nodes.len()];
        for member in &self.members {
            let (desired, found) = &mut there[member.node];
            *desired = true;
            *found |= member.found.is_some();
        }
        (0..there.len()).filter(|n| there[*n] == (true, false)).collect()
    }

    /// Whether a node is among the last ones of its role that are `gone`, as with a lower count; a role's one node that
    /// has the role's own name has no count.
    fn is_last(&self, node: usize, gone: &[usize]) -> bool {
        let Node { role, name, .. } = &self.nodes[node];
        let after = (node..self.nodes.len()).take_while(|n| self.nodes[*n].role == *role);
        name.as_str() != role.as_str() && after.into_iter().all(|n| gone.binary_search(&n).is_ok())
    }

    /// Whether more nodes of its roles are there than it has.
    fn has_more_nodes(&self) -> bool {
        let mut strays = self.strays.iter();
        strays.any(|at| self.is_of_a_role(*at) && self.node_named(*at).is_none())
    }

    /// The node that a container's labels say.
    fn node_named(&self, container: usize) -> Option<&Node> {
        let name = stray_node(&self.found.containers[container]);
        let mut nodes = self.nodes.iter();
        nodes.find(|n| n.name.as_str() == name || n.project.as_str() == name)
    }

    /// Whether a container is of one of the blueprint's roles, as far as its labels say.
    fn is_of_a_role(&self, container: usize) -> bool {
        let role = self.found.containers[container].role();
        role.is_empty() || self.roles.iter().any(|r| r.as_str() == role)
    }

    fn up(&self) -> String {
        self.command("up")
    }

    /// A command of topogen's that means this cluster.
    pub(super) fn command(&self, words: &str) -> String {
        format!("`topogen {words} {}`", self.flags).replace(" `", "`")
    }
}
