//! Containers that are missing, do not run, are surplus, or differ from their definition.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::model::Model;
use super::super::report::listed;
use super::{About, Location, Shape, Wording, node_list};
use crate::cluster::ObservedContainer;
use crate::cluster::Wrong;
use crate::cluster::label;
use crate::fake;
use crate::text::Natural;
use crate::text::natural;
use crate::text::plural;
use crate::topology::{Duty, Node};
use crate::value::Value;

/// Why nodes at the end of a role are missing or surplus.
const COUNTED: &str = "brought up with another count: say the same `--slaves` or `--scale` here";

impl Shape {
    pub(super) fn containers(&mut self, model: &Model<'_>) {
        self.missing(model);
        self.other_files(model);
        for member in 0..model.members.len() {
            if let Some(container) = model.container(member) {
                self.state(model, member, container);
                self.name(model, member, container);
            }
            self.others(model, member);
        }
        self.images(model);
        self.changed(model);
        self.strays(model);
    }

    /// Reports missing containers: whole nodes as one difference, others one by one.
    fn missing(&mut self, model: &Model<'_>) {
        let missing = model.missing_nodes();
        let (last, others): (Vec<usize>, Vec<usize>) = missing.iter().partition(|n| model.is_last(**n, &missing));
        if missing.len() == model.nodes.len() {
            let cause = format!("nothing of it is up, or it is under another name: {}", model.up());
            self.report_missing(model, &missing, cause);
        } else {
            self.report_missing(
                model,
                &last,
                format!("{COUNTED}; or removed, or never created: {}", model.up()),
            );
            let cause = format!("never created, or removed by hand: {}", model.remedy());
            self.report_missing(model, &others, cause);
        }
        let is_missing: HashSet<usize> = missing.into_iter().collect();
        for (at, member) in model.members.iter().enumerate() {
            if member.found.is_none() && !is_missing.contains(&member.node) {
                self.missing_one(model, at);
            }
        }
    }

    /// Reports nodes of which no container exists.
    fn report_missing(&mut self, model: &Model<'_>, nodes: &[usize], cause: String) {
        if nodes.is_empty() {
            return;
        }
        let names: Vec<&str> = nodes.iter().map(|n| model.nodes[*n].name.as_str()).collect();
        let place = match names[..] {
            [one] => Location::of_node(one, None),
            _ => Location::cluster(None),
        };
        let nodes: HashSet<usize> = nodes.iter().copied().collect();
        let members = (0..model.members.len()).filter(|m| nodes.contains(&model.members[*m].node));
        let members: Vec<usize> = members.collect();
        let expected = format!("{} run in {}", plural(members.len(), "container"), node_list(&names));
        self.push(
            place,
            Wording::new(expected, "none is there", cause),
            About::Members(members),
        );
    }

    fn missing_one(&mut self, model: &Model<'_>, member: usize) {
        let name = model.members[member].name.as_str();
        let taken = model.found.containers.iter().any(|c| c.name == name);
        let remedy = model.remedy();
        let (observed, cause) = match taken {
            true => (
                "a container of that name, and not of this cluster",
                "made by somebody else: remove it or name one of the two otherwise".to_owned(),
            ),
            false => (
                "no such container",
                format!("never created, or removed by hand: {remedy}"),
            ),
        };
        let wording = Wording::new(format!("container `{name}` runs"), observed, cause).or_many(
            "every service has its container",
            "have none",
            format!("never created, or removed by hand: {remedy}"),
        );
        self.push(Location::member(model, member), wording, About::Members(vec![member]));
    }

    /// Reports containers whose service keys are not of this topology, for example of the Compose files it was made
    /// from.
    fn other_files(&mut self, model: &Model<'_>) {
        let members: Vec<usize> = (0..model.members.len())
            .filter(|m| model.is_of_other_files(*m))
            .collect();
        let Some(first) = members.first() else {
            return;
        };
        let service = model.members[*first].service;
        let wording = Wording::new(
            "what joins a shared network has a key of its own there",
            format!(
                "{} under other keys: `{}` where `{}` is to be, say",
                plural(members.len(), "container"),
                service.name,
                service.key
            ),
            "brought up from other files than those that `topogen render` writes",
        );
        self.push(Location::cluster(None), wording, About::Members(members));
    }

    /// Reports all that is wrong with a container that exists.
    fn state(&mut self, model: &Model<'_>, member: usize, container: &ObservedContainer) {
        let name = &container.name;
        let unstarted = format!(
            "its start failed, what it waits for is not well, or whoever made it was interrupted: {}, or says why not",
            model.remedy()
        );
        let verdict = model.verdict(member);
        for wrong in verdict.wrongs() {
            let expected = match wrong {
                Wrong::Unhealthy | Wrong::Starting => format!("container `{name}` is healthy"),
                Wrong::Lost(_) => format!("container `{name}` shares what another one has now"),
                Wrong::Ended(_) if model.members[member].duty == Duty::End => format!("container `{name}` ends with 0"),
                _ => format!("container `{name}` runs"),
            };
            let wording = Wording::new(expected, wrong.to_string(), why(model, container, wrong, &unstarted));
            let wording = match wrong {
                Wrong::Unstarted => wording.or_many("containers are started", "never were", unstarted.clone()),
                Wrong::Unhealthy => wording.or_many("containers are healthy", "are not", "their healthchecks fail"),
                Wrong::Starting => wording.or_many(
                    "containers are healthy",
                    "are not yet",
                    format!("{} waits for them", model.command("up --wait")),
                ),
                Wrong::Lost(_) => wording.or_many(
                    "containers share what others have now",
                    "share what is no more",
                    format!("those were started again without them: {}", model.remedy()),
                ),
                _ => wording.or_many(
                    "containers run",
                    "do not",
                    format!("stopped together, or the engine was restarted: {}", model.remedy()),
                ),
            };
            self.push(Location::member(model, member), wording, About::Members(vec![member]));
        }
    }

    fn name(&mut self, model: &Model<'_>, member: usize, container: &ObservedContainer) {
        let service = model.members[member].service;
        let expected = model.members[member].name.as_str();
        let project = model.nodes[model.members[member].node].project.as_str();
        // Compose 1 joins with underscores what Compose 2 joins with hyphens, and both leave gaps in the numbers.
        let by_compose = ["-", "_"].map(|s| format!("{project}{s}{}{s}{}", service.key, container.number()));
        let free = container.cluster().is_empty() && !service.container_named;
        let right = container.name == expected || (free && by_compose.contains(&container.name));
        if right || model.is_of_other_files(member) {
            return;
        }
        let wording = Wording::new(
            format!("container is called `{expected}`"),
            format!("is called `{}`", container.name),
            "renamed by hand",
        )
        .or_many(
            "containers are called as the blueprint says",
            "are not",
            "renamed by hand",
        );
        self.push(Location::member(model, member), wording, About::Members(vec![member]));
    }

    /// Reports additional containers of a service.
    fn others(&mut self, model: &Model<'_>, member: usize) {
        let others = &model.members[member].others;
        if others.is_empty() {
            return;
        }
        let names = others.iter().map(|at| model.found.containers[*at].name.as_str());
        let names: Vec<&str> = names.collect();
        let cause = "scaled by hand, `docker compose up --scale` for example";
        let wording = Wording::new(
            "one container",
            format!("{}: {} too", others.len() + 1, listed(&names)),
            cause,
        )
        .or_many("every service has one container", "have more", cause);
        self.push(
            Location::member(model, member),
            wording,
            About::Containers(others.clone()),
        );
    }

    /// Reports images that differ from the blueprint's; equal ones are one difference.
    fn images(&mut self, model: &Model<'_>) {
        let mut wrong: BTreeMap<(Option<String>, &str), Vec<usize>> = BTreeMap::new();
        for member in 0..model.members.len() {
            let image = model.members[member].service.get("image").and_then(Value::scalar);
            if let (Some(image), Some(container)) = (image, model.container(member)) {
                let same = image == container.image || (fake::is_image(&image) && container.is_fake());
                if !same {
                    let image = Some(image).filter(|_| !container.is_fake());
                    wrong.entry((image, &container.image)).or_default().push(member);
                }
            }
        }
        for ((image, observed), members) in wrong {
            let place = match members[..] {
                [one] => Location::member(model, one),
                _ => Location::cluster(None),
            };
            let (expected, cause) = match image {
                None => (
                    "the images of the blueprint".to_owned(),
                    "brought up with `--fake`: say so here too".to_owned(),
                ),
                Some(image) => (
                    format!("image `{image}`"),
                    format!("the blueprint changed since: {}", model.remedy()),
                ),
            };
            let observed = format!("{} of image `{observed}`", plural(members.len(), "container"));
            self.push(place, Wording::new(expected, observed, cause), About::Nothing);
        }
    }

    /// Reports containers that were created from another definition. A different image is reported separately.
    fn changed(&mut self, model: &Model<'_>) {
        let mut changes = Vec::new();
        for member in 0..model.members.len() {
            let Some(container) = model.container(member) else {
                continue;
            };
            let image = model.members[member].service.get("image").and_then(Value::scalar);
            let reported = image.is_some_and(|i| i != container.image && !(fake::is_image(&i) && container.is_fake()));
            let Some(what) = model.changed.get(&container.name).filter(|_| !reported) else {
                continue;
            };
            changes.push((member, what));
        }
        let missing = model.missing_nodes();
        if model.has_more_nodes() || missing.iter().any(|n| model.is_last(*n, &missing)) {
            self.changed_with_count(model, &changes);
            return;
        }
        for (member, what) in changes {
            let cause = format!(
                "the blueprint changed since, or was told otherwise (`--set`, `--scale`): {}",
                model.remedy()
            );
            let wording = Wording::new("is as the blueprint says", what, &cause).or_many(
                "containers are as the blueprint says",
                "are not",
                cause,
            );
            self.push(Location::member(model, member), wording, About::Nothing);
        }
    }

    /// Reports the same if the node count differs too, since templates then yield other files: it is one cause, and
    /// removing nodes is not the way out.
    fn changed_with_count(&mut self, model: &Model<'_>, changes: &[(usize, &String)]) {
        let (place, expected, observed) = match changes {
            [] => return,
            [(member, what)] => (
                Location::member(model, *member),
                "is as the blueprint says",
                (*what).clone(),
            ),
            _ => {
                let titles: Vec<String> = changes.iter().map(|(m, _)| model.title(*m)).collect();
                let observed = format!("{} are not: {}", titles.len(), listed(&titles));
                (
                    Location::cluster(None),
                    "containers are as the blueprint says",
                    observed,
                )
            }
        };
        let cause = "made for another count of nodes, or the blueprint changed since: say the same `--slaves` or \
                     `--scale` here first";
        self.push(place, Wording::new(expected, observed, cause), About::Nothing);
    }

    /// Reports containers of the cluster that are not in the topology; nodes beyond the count are one difference.
    fn strays(&mut self, model: &Model<'_>) {
        let mut nodes: BTreeMap<Natural, Vec<usize>> = BTreeMap::new();
        for at in &model.strays {
            let node = stray_node(&model.found.containers[*at]);
            nodes.entry(natural(node)).or_default().push(*at);
        }
        let of = |name: &str| {
            let mut nodes = model.nodes.iter();
            let node = nodes.find(|n| n.name.as_str() == name || n.project.as_str() == name)?;
            Some(node.name.as_str())
        };
        let (known, surplus): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|((_, _, name), _)| of(name).is_some());
        for ((_, _, node), containers) in known {
            for at in containers {
                let container = &model.found.containers[at];
                let service = match container.service() {
                    "" => container.service_key_or_name(),
                    service => service,
                };
                let cause = "the blueprint changed since, or it was made by hand under these labels";
                let wording = Wording::new("no such service", format!("container `{}`", container.name), cause)
                    .or_many("no services but those of the blueprint", "are not of it", cause);
                let place = Location::of_node(of(&node).unwrap_or(&node), Some(service.to_owned()));
                self.push(place, wording, About::Containers(vec![at]));
            }
        }
        let (more, others): (Vec<_>, Vec<_>) = surplus
            .into_iter()
            .partition(|(_, containers)| containers.iter().all(|at| model.is_of_a_role(*at)));
        self.beyond(model, &more, COUNTED);
        let blueprints: BTreeSet<&str> = others
            .iter()
            .flat_map(|(_, containers)| containers)
            .map(|at| model.found.containers[*at].label(label::BLUEPRINT))
            .collect();
        let of_others = |b: &&&str| b.is_empty() || **b != model.blueprint;
        // What another blueprint created may still be needed, so no command that removes it is named.
        let cause = match blueprints.iter().find(of_others) {
            Some(&"") => "of a role that this blueprint has not".to_owned(),
            Some(other) => format!("of a role that this blueprint has not: it was brought up from `{other}`"),
            None => format!(
                "of a role that left the blueprint: {} removes it",
                model.command("up --remove-orphans")
            ),
        };
        self.beyond(model, &others, &cause);
    }

    /// Reports containers of nodes that are not in the topology, by node.
    fn beyond(&mut self, model: &Model<'_>, surplus: &[(Natural, Vec<usize>)], cause: &str) {
        if surplus.is_empty() {
            return;
        }
        let names: Vec<&str> = surplus.iter().map(|((_, _, name), _)| name.as_str()).collect();
        let all: Vec<usize> = surplus.iter().flat_map(|(_, containers)| containers.clone()).collect();
        let place = match names[..] {
            [one] => Location::of_node(one, None),
            _ => Location::cluster(None),
        };
        let wording = Wording::new(
            format!("{} and no more", plural(model.nodes.len(), "node")),
            format!("{} of {}", plural(all.len(), "container"), node_list(&names)),
            cause,
        );
        self.push(place, wording, About::Containers(all));
    }
}

/// Why something is wrong with a container, and the way out.
fn why(model: &Model<'_>, container: &ObservedContainer, wrong: &Wrong, unstarted: &str) -> String {
    let name = &container.name;
    match wrong {
        Wrong::Paused => format!("paused by hand: `docker unpause {name}`"),
        Wrong::Restarting(_) | Wrong::Unsteady(_) => format!("it cannot stay up: `docker logs {name}` says why"),
        Wrong::StartFailed(reason) => {
            format!("the engine says: {reason}; once that is put right, {}", model.remedy())
        }
        Wrong::Unstarted => unstarted.to_owned(),
        Wrong::Missing | Wrong::Ended(_) | Wrong::Dead => {
            format!("stopped by hand, or ended by itself: `docker logs {name}`")
        }
        Wrong::Removing => "somebody removes it".to_owned(),
        Wrong::Unhealthy => {
            format!("its healthcheck fails: `docker inspect -f '{{{{json .State.Health}}}}' {name}` says how")
        }
        Wrong::Starting => format!(
            "no check of its has passed yet: {} waits for it",
            model.command("up --wait")
        ),
        Wrong::Lost(lost) if lost.owner_runs => {
            format!("the other one was started again without it: {}", model.remedy())
        }
        Wrong::Lost(_) => format!("the other one was stopped or removed: {}", model.remedy()),
    }
}

/// The node according to a container's labels, otherwise its project.
fn stray_node(container: &ObservedContainer) -> &str {
    match container.node() {
        "" => container.project(),
        node => node,
    }
}

impl Model<'_> {
    /// Whether Compose created a member's container under the service's plain name, although it should have a key of
    /// its own.
    pub(super) fn is_of_other_files(&self, member: usize) -> bool {
        let service = self.members[member].service;
        let other = |c: &ObservedContainer| c.cluster().is_empty() && c.service_key_or_name() != service.key.as_str();
        self.container(member).is_some_and(other)
    }

    /// The way out, by whichever tool created the cluster.
    pub(super) fn remedy(&self) -> String {
        match self.is_by_compose() {
            true => "`docker compose up -d --force-recreate` mends it".to_owned(),
            false => self.by_up("mends it"),
        }
    }

    /// `topogen up` as the way out. Without the same count as before, it would also remove surplus nodes.
    pub(super) fn by_up(&self, does: &str) -> String {
        match self.has_more_nodes() {
            true => format!("{} with the `--slaves` or `--scale` of before {does}", self.up()),
            false => format!("{} {does}", self.up()),
        }
    }

    /// Whether Compose created some of the containers.
    pub(super) fn is_by_compose(&self) -> bool {
        let mut members = 0..self.members.len();
        members.any(|m| self.container(m).is_some_and(|c| c.cluster().is_empty()))
    }

    /// The nodes of which no container exists.
    fn missing_nodes(&self) -> Vec<usize> {
        let mut there = vec![(false, false); self.nodes.len()];
        for member in &self.members {
            let (desired, found) = &mut there[member.node];
            *desired = true;
            *found |= member.found.is_some();
        }
        (0..there.len()).filter(|n| there[*n] == (true, false)).collect()
    }

    /// Whether a node is among the last ones of its role that are `missing`, as with a lower count. A single node with the
    /// role's own name has no count.
    fn is_last(&self, node: usize, missing: &[usize]) -> bool {
        let Node { role, name, .. } = &self.nodes[node];
        let after = (node..self.nodes.len()).take_while(|n| self.nodes[*n].role == *role);
        name.as_str() != role.as_str() && after.into_iter().all(|n| missing.binary_search(&n).is_ok())
    }

    /// Whether there are more nodes of its roles than the topology has.
    fn has_more_nodes(&self) -> bool {
        let mut strays = self.strays.iter();
        strays.any(|at| self.is_of_a_role(*at) && self.node_named(*at).is_none())
    }

    /// The node according to a container's labels.
    fn node_named(&self, container: usize) -> Option<&Node> {
        let name = stray_node(&self.found.containers[container]);
        let mut nodes = self.nodes.iter();
        nodes.find(|n| n.name.as_str() == name || n.project.as_str() == name)
    }

    /// Whether a container belongs to a role of the blueprint, according to its labels.
    fn is_of_a_role(&self, container: usize) -> bool {
        let role = self.found.containers[container].role();
        role.is_empty() || self.roles.iter().any(|r| r.as_str() == role)
    }

    fn up(&self) -> String {
        self.command("up")
    }

    /// A topogen command that selects this cluster.
    pub(in crate::verify) fn command(&self, words: &str) -> String {
        format!("`topogen {words} {}`", self.flags).replace(" `", "`")
    }
}
