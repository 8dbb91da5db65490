//! Conflicts of a single container: its name, port or image is not available.
//!
//! A conflict on every node of a role stops `up` before the first change. A conflict on some nodes only blocks the
//! containers concerned, and what depends on them.

use super::{Decision, Up};
use crate::cluster::ContainerSpec;
use crate::cluster::HostPort;
use crate::cluster::ObservedContainer;
use crate::cluster::Pull;
use crate::cluster::State;
use crate::fake;
use crate::plan::conflict::Conflict;

impl Up<'_> {
    pub(super) fn find_what_blocks(&mut self) {
        let own = self
            .observed
            .containers
            .iter()
            .flat_map(|c| c.ports.iter().map(|(p, _)| *p));
        let own: Vec<HostPort> = own.collect();
        for role in &self.desired.roles {
            let mut blocked: Vec<(&str, Conflict)> = Vec::new();
            let mut whole = true;
            for node in self.desired.nodes.iter().filter(|n| n.role == *role) {
                let found = node
                    .containers
                    .iter()
                    .filter_map(|c| Some((c.name.as_str(), self.blocks(c, &own)?)));
                let before = blocked.len();
                blocked.extend(found);
                whole &= blocked.len() > before;
            }
            for (name, conflict) in blocked {
                if whole || !self.can_stay(name) {
                    self.conflict(conflict);
                    continue;
                }
                if let Some(observed) = self.there.get(name) {
                    self.to_remove.shift_remove(observed.id.as_str());
                }
                self.decisions.insert(name, Decision::Blocked(conflict));
            }
        }
    }

    /// Whether the existing container of that name can stay, because none of its networks is removed.
    fn can_stay(&self, name: &str) -> bool {
        let Some(observed) = self.there.get(name) else {
            return true;
        };
        !self.networks_to_remove.iter().any(|(n, _)| observed.is_on(n))
    }

    /// The conflict that keeps `spec` from being created or, if it exists and does not run, from being started.
    fn blocks(&self, spec: &ContainerSpec, own: &[HostPort]) -> Option<Conflict> {
        let foreign = self.observed.foreign.iter().find(|c| c.name == spec.name.as_str());
        if let Some(foreign) = foreign {
            return Some(Conflict::ForeignContainer {
                name: foreign.name.clone(),
                project: Some(foreign.project().to_owned()).filter(|project| !project.is_empty()),
            });
        }
        let made = match self.decisions.get(spec.name.as_str())? {
            Decision::Create | Decision::Recreate(_) => true,
            Decision::Keep(observed) if matches!(observed.state, State::Created | State::Exited) => false,
            _ => return None,
        };
        let (image, asked) = (spec.image(), spec.platform.as_deref());
        if made
            && spec.pull.is_never()
            && image != fake::image_name()
            && self.observed.image_for(image, asked).is_none()
        {
            let name = image.to_owned();
            let present = self.observed.image(image).and_then(|i| i.platform.clone());
            return Some(match asked.zip(present).filter(|_| spec.pull == Pull::Never) {
                Some((asked, present)) => Conflict::OtherPlatform {
                    name,
                    asked: asked.to_owned(),
                    present,
                },
                None if spec.pull == Pull::Built => Conflict::NotBuilt { name },
                None => Conflict::MissingImage { name },
            });
        }
        let (port, by) = spec
            .host_ports()
            .into_iter()
            .find_map(|port| Some((port, self.holder_of(port, spec, own)?)))?;
        let ours = self.observed.containers.iter().find(|c| Some(&c.name) == by.as_ref());
        let orphan = ours
            .filter(|c| self.is_orphan(c) && !self.is_of_other_blueprint(c))
            .map(|c| c.role().to_owned());
        Some(Conflict::PortTaken {
            container: spec.name.to_string(),
            port,
            by,
            orphan,
        })
    }

    /// The holder of `port`, if it is neither `spec` nor to be removed: a container, or `Some(None)` for another
    /// program.
    fn holder_of(&self, port: HostPort, spec: &ContainerSpec, own: &[HostPort]) -> Option<Option<String>> {
        let stays = |c: &&ObservedContainer| c.created_as() != spec.name.as_str() && !self.is_marked(c);
        let containers = self
            .observed
            .containers
            .iter()
            .filter(stays)
            .chain(&self.observed.foreign);
        let mut holders = containers.filter(|c| c.ports.iter().any(|(p, _)| p.excludes(&port)));
        if let Some(container) = holders.next() {
            return Some(Some(container.name.clone()));
        }
        // The engine itself listens for its containers, including those to be removed.
        let listens = |p: &&HostPort| p.excludes(&port) && !own.iter().any(|o| o.excludes(p));
        self.observed.host.ports.iter().find(listens).map(|_| None)
    }
}
