//! The networks that a container joins, in the engine's words.

use bollard::models::{EndpointIpamConfig, EndpointSettings};

use super::{Translation, read};
use crate::engine::Dependency;
use crate::name::NetworkName;
use crate::topology::{Attachment, Network};
use crate::value::Value;

impl Translation<'_> {
    /// `links`, each as the container it leads to and the name it gives it; what is linked to starts before.
    pub(super) fn links(&mut self, value: &Value, after: &mut Vec<Dependency>) -> Vec<String> {
        let path = self.path("links");
        let mut links = Vec::new();
        for link in read::texts(value, &path, &mut self.faults) {
            let (key, alias) = link.split_once(':').unwrap_or((&link, &link));
            if let Some(service) = self.node.services.iter().find(|s| s.key.as_str() == key) {
                links.push(format!("{}:{alias}", service.container));
                after.push(Dependency::started(service.container.clone()));
            }
        }
        links
    }

    /// In Compose's order: higher `priority` first, then by key. The first is the container's network mode.
    pub(super) fn endpoints(&mut self, links: &[String]) -> Vec<(NetworkName, EndpointSettings)> {
        let mut attachments: Vec<(i64, &Attachment, &Network)> = Vec::new();
        for attachment in &self.service.attachments {
            let Some(network) = self.topology.network(self.node, &attachment.network) else {
                continue;
            };
            let path = self.path(&format!("networks.{}.priority", attachment.network));
            let priority = attachment.options.get("priority");
            let priority = priority.and_then(|p| read::integer(p, &path, &mut self.faults));
            attachments.push((priority.unwrap_or(0), attachment, network));
        }
        attachments.sort_by(|(p, a, _), (q, b, _)| q.cmp(p).then_with(|| a.network.cmp(&b.network)));
        attachments
            .into_iter()
            .map(|(_, attachment, network)| (network.name.clone(), self.endpoint(attachment, links)))
            .collect()
    }

    /// One of `networks` of a service (Compose specification, services, `networks`).
    fn endpoint(&mut self, attachment: &Attachment, links: &[String]) -> EndpointSettings {
        // As Compose: its key is a name of every container on every network it joins.
        let mut aliases = vec![self.service.key.to_string()];
        aliases.extend(attachment.aliases.iter().map(ToString::to_string));
        let mut settings = EndpointSettings {
            aliases: Some(aliases),
            links: (!links.is_empty()).then(|| links.to_vec()),
            ..EndpointSettings::default()
        };
        let mut ipam = EndpointIpamConfig::default();
        for (key, value) in attachment.options.iter() {
            let at = self.path(&format!("networks.{}.{key}", attachment.network));
            match &**key {
                // It orders the networks, which is done.
                "priority" => {}
                "ipv4_address" => ipam.ipv4_address = read::text(value, &at, &mut self.faults),
                "ipv6_address" => ipam.ipv6_address = read::text(value, &at, &mut self.faults),
                "link_local_ips" => ipam.link_local_ips = Some(read::texts(value, &at, &mut self.faults)),
                "mac_address" => settings.mac_address = read::text(value, &at, &mut self.faults),
                "driver_opts" => settings.driver_opts = Some(read::strings(value, &at, &mut self.faults)),
                "gw_priority" => settings.gw_priority = read::integer(value, &at, &mut self.faults),
                key if key.starts_with("x-") => {}
                key => self.refuse(&format!("networks.{}.{key}", attachment.network)),
            }
        }
        if ipam != EndpointIpamConfig::default() {
            settings.ipam_config = Some(ipam);
        }
        settings
    }
}
