//! Named volumes: created if missing and never recreated, because of their content.

use std::sync::Arc;

use super::Up;
use crate::cluster::VolumeSpec;
use crate::cluster::label;
use crate::name::NodeName;
use crate::plan::Action;
use crate::plan::conflict::Conflict;

impl<'a> Up<'a> {
    pub(super) fn volume(&mut self, spec: &'a Arc<VolumeSpec>) {
        let name = spec.name.as_str();
        let node = spec.node.as_ref().map(NodeName::as_str);
        match self.observed.volumes.iter().find(|v| v.name == name) {
            Some(_) if spec.external => {}
            Some(observed) if !observed.is_of(&self.desired.cluster) => self.plan.notes.push(format!(
                "volume `{name}` exists already, and is not of this cluster: it is used and left as it is"
            )),
            Some(observed) => {
                if observed.labels.get(label::CONFIG_HASH) != Some(&spec.hash) {
                    self.plan.notes.push(format!(
                        "volume `{name}` is asked for otherwise now, and left as it is for what is in it: \
                         `topogen down -n {cluster}`, then `docker volume rm {name}` lets go of that",
                        cluster = self.desired.cluster,
                    ));
                }
            }
            None if spec.external => self.conflict(Conflict::MissingVolume { name: name.to_owned() }),
            None => {
                let action = Action::CreateVolume(spec.clone());
                let at = self.plan.push(action, name, node, "not found", Vec::new());
                self.volumes.insert(name, at);
            }
        }
    }
}
