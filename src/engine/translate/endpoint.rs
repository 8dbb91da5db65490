//! The networks that a container joins.

use super::depends::Link;
use super::{Draft, Translation, needs, read};
use crate::cluster::{ContainerLink, EndpointSpec};
use crate::name::ContainerName;
use crate::topology::{Attachment, Network, Service};

/// The driver option for an interface's name inside the container (moby, `netlabel.Ifname`).
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

impl Translation<'_> {
    /// The links of the container `number`: each names a container and the alias that it gets here. As in Compose,
    /// every linked container gets three aliases.
    pub(super) fn linked(&self, number: u32, draft: &Draft) -> Vec<ContainerLink> {
        let mut links = Vec::new();
        for Link { key, alias } in &draft.links {
            for container in self.sibling(key).into_iter().flat_map(Service::containers) {
                let link = |alias| ContainerLink {
                    container: container.to_string(),
                    alias,
                };
                links.push(link(alias.clone()));
                links.push(link(format!("{key}-{number}")));
                links.push(link(format!("{}-{key}-{number}", self.node.project)));
            }
        }
        links.extend(draft.external_links.iter().cloned());
        links
    }

    /// The containers that `links` refers to.
    pub(super) fn linked_containers(&self, draft: &Draft) -> impl Iterator<Item = ContainerName> {
        let services = draft.links.iter().filter_map(|link| self.sibling(&link.key));
        services.flat_map(Service::containers)
    }

    /// The endpoints of a container in Compose's order: those with a higher `priority` first, then by key. The first
    /// one becomes the container's network mode.
    pub(super) fn endpoints(&mut self, name: &ContainerName, links: &[ContainerLink]) -> Vec<EndpointSpec> {
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
        let mut endpoints: Vec<EndpointSpec> = attachments
            .iter()
            .map(|(_, attachment, network)| self.endpoint(name, network, attachment, links))
            .collect();
        // Engines before API 1.44 take only the MAC address of the first network.
        for (_, attachment, _) in attachments.iter().skip(1) {
            if attachment.options.contains_key("mac_address") {
                let path = self.path(&format!("networks.{}.mac_address", attachment.network));
                self.faults.since(needs::DOCKER_25, &path);
            }
        }
        self.mac_address(&mut endpoints);
        endpoints
    }

    /// Applies the service's own `mac_address`, which belongs to its first network.
    fn mac_address(&mut self, endpoints: &mut [EndpointSpec]) {
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
            Some(first) => match &first.mac_address {
                Some(other) if *other != address => {
                    let reason = format!("on its first network, `{}`, it has another", first.network);
                    self.faults.because(&path, &reason);
                }
                _ => first.mac_address = Some(address),
            },
        }
    }

    /// One entry of `networks` of a service (Compose specification, services, `networks`).
    fn endpoint(
        &mut self,
        name: &ContainerName,
        network: &Network,
        attachment: &Attachment,
        links: &[ContainerLink],
    ) -> EndpointSpec {
        // As in Compose, every container answers to its name and its service's key on each network that it joins.
        let mut aliases = vec![name.to_string(), self.service.key.to_string()];
        aliases.extend(attachment.aliases.iter().map(ToString::to_string));
        let mut endpoint = EndpointSpec::new(network.name.clone(), aliases);
        endpoint.links = links.to_vec();
        for (key, value) in attachment.options.iter() {
            let at = self.path(&format!("networks.{}.{key}", attachment.network));
            match &**key {
                // The priority only orders the networks, and has been applied already.
                "priority" => {}
                "ipv4_address" => endpoint.ipv4_address = read::text(value, &at, &mut self.faults),
                "ipv6_address" => endpoint.ipv6_address = read::text(value, &at, &mut self.faults),
                "link_local_ips" => {
                    endpoint.link_local_addresses = Some(read::texts(value, &at, &mut self.faults));
                }
                "mac_address" => endpoint.mac_address = read::text(value, &at, &mut self.faults),
                "driver_opts" => {
                    let options = read::strings(value, &at, &mut self.faults);
                    endpoint.driver_options.get_or_insert_default().extend(options);
                }
                "interface_name" => {
                    self.faults.since(needs::DOCKER_28, &at);
                    let name = read::text(value, &at, &mut self.faults);
                    let options = endpoint.driver_options.get_or_insert_default();
                    options.extend(name.map(|name| (INTERFACE.to_owned(), name)));
                }
                "gw_priority" => {
                    self.faults.since(needs::DOCKER_28, &at);
                    endpoint.gateway_priority = read::integer(value, &at, &mut self.faults);
                }
                key if key.starts_with("x-") => {}
                key => self.refuse(&format!("networks.{}.{key}", attachment.network)),
            }
        }
        endpoint
    }
}
