//! Images: which are pulled, and what waits for them.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Decision, Up};
use crate::cluster::ContainerSpec;
use crate::fake;
use crate::plan::Action;

impl<'a> Up<'a> {
    /// Pulls each required image that is missing, once.
    pub(super) fn images(&mut self) {
        let made = |d: &Decision<'_>| matches!(d, Decision::Create | Decision::Recreate(_));
        let names = self.decisions.iter().filter(|(_, d)| made(d)).map(|(name, _)| *name);
        let specs: Vec<&'a Arc<ContainerSpec>> = names.filter_map(|n| self.specs.get(n).copied()).collect();
        for spec in specs {
            let image = spec.image();
            if image == fake::image_name() {
                if !self.options.fake_ready && self.fake.is_none() {
                    self.fake = Some(self.plan.push(Action::LoadImage, image, None, "not found", Vec::new()));
                }
                continue;
            }
            let platform = spec.platform.as_deref();
            if spec.pull.is_never()
                || self.observed.image_for(image, platform).is_some()
                || self.pulls.contains_key(&(image, platform))
            {
                continue;
            }
            let present = self.observed.image(image).and_then(|i| i.platform.as_deref());
            let cause = match present {
                Some(present) => format!("there for {present}"),
                None => "not found".to_owned(),
            };
            let action = Action::PullImage {
                platform: spec.platform.clone(),
                again: false,
            };
            let at = self.plan.push(action, image, None, cause, Vec::new());
            self.pulls.insert((image, platform), at);
        }
    }

    /// Operations that must succeed before a container of `spec` can be created.
    pub(super) fn image_ready(&self, spec: &ContainerSpec) -> Vec<usize> {
        if spec.image() == fake::image_name() {
            return self.fake.into_iter().collect();
        }
        self.pulls
            .get(&(spec.image(), spec.platform.as_deref()))
            .copied()
            .into_iter()
            .collect()
    }

    /// Images that every node of some role needs are pulled before any other operation. An image that only some nodes
    /// need delays only those nodes.
    pub(super) fn essential_images_first(&mut self) {
        let mut essential: Vec<usize> = Vec::new();
        for role in &self.desired.roles {
            let nodes = self.desired.nodes.iter().filter(|n| n.role == *role);
            let needs = nodes.map(|n| {
                let needs = n.containers.iter().flat_map(|c| self.image_ready(c));
                needs.collect::<HashSet<usize>>()
            });
            let all = needs.reduce(|a, b| a.intersection(&b).copied().collect());
            essential.extend(all.unwrap_or_default());
        }
        essential.sort_unstable();
        essential.dedup();
        // Loading topogen's own image hardly ever fails, so nothing needs to wait for it.
        essential.retain(|at| Some(*at) != self.fake);
        if essential.is_empty() {
            return;
        }
        for operation in &mut self.plan.operations {
            let fetches = matches!(operation.action, Action::PullImage { .. } | Action::LoadImage);
            if !fetches {
                operation.after.extend(&essential);
                operation.after.sort_unstable();
                operation.after.dedup();
            }
        }
    }
}
