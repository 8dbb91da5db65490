//! The networks that a container joins, in the engine's words.

use bollard::models::{EndpointIpamConfig, EndpointSettings};

use super::depends::Link;
use super::{Draft, Translation, needs, read};
use crate::name::{ContainerName, NetworkName};
use crate::topology::{Attachment, Network, Service};

/// The driver option for an interface's name inside the container (moby, `netlabel.Ifname`).
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

impl Translation<'_> {
    /// The links of the container `number`, each as the container it leads to and a name it gives that: Compose gives each
    /// of them three.
    pub(super) fn linked(&self, number: u32, draft: &Draft) -> Vec<String> {
        let mut links = Vec::new();
        for Link { key, alias } in &draft.links {
            for container in self.sibling(key).into_iter().flat_map(Service::containers) {
                links.push(format!("{container}:{alias}"));
                links.push(format!("{container}:{key}-{number}"));
                links.push(format!("{container}:{}-{key}-{number}", self.node.project));
            }
        }
        links.extend(draft.external_links.iter().cloned());
        links
    }

    /// The containers that `links` lead to.
    pub(super) fn linked_containers(&self, draft: &Draft) -> impl Iterator<Item = ContainerName> {
        let services = draft.links.iter().filter_map(|link| self.sibling(&link.key));
        services.flat_map(Service::containers)
    }

    /// In Compose's order: higher `priority` first, then by key. The first is the container's network mode.
    pub(super) fn endpoints(&mut self, name: &ContainerName, links: &[String]) -> Vec<(NetworkName, EndpointSettings)> {
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
        let mut endpoints: Vec<(NetworkName, EndpointSettings)> = attachments
            .iter()
            .map(|(_, attachment, network)| (network.name.clone(), self.endpoint(name, attachment, links)))
            .collect();
        // Older engines know one of the container's, that of its first network.
        for (_, attachment, _) in attachments.iter().skip(1) {
            if attachment.options.contains_key("mac_address") {
                let path = self.path(&format!("networks.{}.mac_address", attachment.network));
                self.faults.since(needs::DOCKER_25, &path);
            }
        }
        self.mac_address(&mut endpoints);
        endpoints
    }

    /// `mac_address` of the service, which is that of its first network.
    fn mac_address(&mut self, endpoints: &mut [(NetworkName, EndpointSettings)]) {
        let path = self.path("mac_address");
        let Some(address) = self
            .service
            .get("mac_address")
            .and_then(|v| read::text(v, &path, &mut self.faults))
        else {
            return;
        };
        match endpoints.first_mut() {
            None => self.faults.key_because(&path, "a container on no network has none"),
            Some((network, settings)) => match &settings.mac_address {
                Some(other) if *other != address => {
                    self.faults
                        .because(&path, &format!("on its first network, `{network}`, it has another"));
                }
                _ => settings.mac_address = Some(address),
            },
        }
    }

    /// One of `networks` of a service (Compose specification, services, `networks`).
    fn endpoint(&mut self, name: &ContainerName, attachment: &Attachment, links: &[String]) -> EndpointSettings {
        // As Compose: its name and its key are names of every container on every network it joins.
        let mut aliases = vec![name.to_string(), self.service.key.to_string()];
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
                "driver_opts" => {
                    let options = read::strings(value, &at, &mut self.faults);
                    settings.driver_opts.get_or_insert_default().extend(options);
                }
                "interface_name" => {
                    self.faults.since(needs::DOCKER_28, &at);
                    let name = read::text(value, &at, &mut self.faults);
                    let options = settings.driver_opts.get_or_insert_default();
                    options.extend(name.map(|name| (INTERFACE.to_owned(), name)));
                }
                "gw_priority" => {
                    self.faults.since(needs::DOCKER_28, &at);
                    settings.gw_priority = read::integer(value, &at, &mut self.faults);
                }
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
