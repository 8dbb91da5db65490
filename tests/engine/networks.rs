//! Networks, and who is on them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::model::{Answer, Container, Endpoint, Network, Refusal};
use super::state::State;

impl State {
    pub(super) fn add_default_networks(&mut self) {
        for (name, driver, subnet) in [
            ("bridge", "bridge", Some("172.17.0.0/16")),
            ("host", "host", None),
            ("none", "null", None),
        ] {
            let network = Network {
                id: self.id(),
                name: name.to_owned(),
                body: json!({"Driver": driver}),
                created: self.now(),
                subnet: subnet.map(|s| s.parse().expect("a subnet")),
                stale: Vec::new(),
                has_lost_count: false,
            };
            self.networks.push(network);
        }
    }

    /// The network of that name or id; of several that share the name, the oldest.
    pub(crate) fn network(&self, name: &str) -> &Network {
        let found = self.networks.iter().find(|n| n.name == name || n.id == name);
        found.unwrap_or_else(|| panic!("no network {name}"))
    }

    /// How many networks have that name.
    pub(crate) fn networks_named(&self, name: &str) -> usize {
        self.networks.iter().filter(|n| n.name == name).count()
    }

    /// A network of somebody else's on that subnet.
    pub(crate) fn add_network(&mut self, name: &str, subnet: &str) {
        let made = self.create_network(json!({"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}}));
        made.unwrap_or_else(|refusal| panic!("cannot create network {name}: {refusal:?}"));
    }

    /// The engine keeps an endpoint of a container that is no more on the network. Another container of its name cannot
    /// join the network, and while there is one, the engine takes a request to drop that name for one about the container.
    pub(crate) fn leave_stale_endpoint(&mut self, network: &str, container: &str) {
        let gone = (self.id(), container.to_owned());
        let network = self.networks.iter_mut().find(|n| n.name == network);
        network.expect("the network").stale.push(gone);
    }

    /// The engine takes the network for used for ever, and shows by whom it is not.
    pub(crate) fn lose_count(&mut self, network: &str) {
        let network = self.networks.iter_mut().find(|n| n.name == network);
        network.expect("the network").has_lost_count = true;
    }

    /// By its id, its name or the beginning of its id.
    pub(super) fn network_position(&self, asked: &str) -> Answer<usize> {
        let exact = self.networks.iter().position(|n| n.id == asked);
        if let Some(at) = exact {
            return Ok(at);
        }
        let by_name = self.networks.iter().filter(|n| n.name == asked).count();
        if by_name > 1 {
            let message = format!("network {asked} is ambiguous ({by_name} matches found on name)");
            return Err(Refusal::new(400, message));
        }
        let named = self.networks.iter().position(|n| n.name == asked);
        let begins = |n: &Network| asked.len() >= 12 && n.id.starts_with(asked);
        let found = named.or_else(|| self.networks.iter().position(begins));
        found.ok_or_else(|| Refusal::no_network(asked))
    }

    /// `POST /networks/create`; its id, and a warning.
    pub(crate) fn create_network(&mut self, body: Value) -> Answer<(String, String)> {
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        let mut warning = String::new();
        if let Some(other) = self.networks.iter().find(|n| n.name == name) {
            if !self.version.is_old() || body["CheckDuplicate"] == true {
                return Err(Refusal::new(409, format!("network with name {name} already exists")));
            }
            warning = format!("Network with name {name} (id : {}) already exists", other.id);
        }
        let config = &body["IPAM"]["Config"];
        let asked = config
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|c| c["Subnet"].as_str()?.parse().ok());
        let subnet = self.free_subnet(asked)?;
        let id = self.id();
        let created = self.now();
        self.networks.push(Network {
            id: id.clone(),
            name,
            body,
            created,
            subnet: Some(subnet),
            stale: Vec::new(),
            has_lost_count: false,
        });
        self.tell_network(self.networks.len() - 1, "create", None);
        Ok((id, warning))
    }

    /// The subnet that was `asked` for, or the next of the engine's own pools.
    fn free_subnet(&self, asked: Option<Ipv4Net>) -> Answer<Ipv4Net> {
        let taken: Vec<Ipv4Net> = self.networks.iter().filter_map(|n| n.subnet).collect();
        let is_free = |s: &Ipv4Net| {
            !taken
                .iter()
                .any(|t| t.contains(&s.network()) || s.contains(&t.network()))
        };
        if let Some(asked) = asked {
            return match is_free(&asked) {
                true => Ok(asked),
                false => Err(self.pool_overlaps()),
            };
        }
        let large = (17..32).map(|b| Ipv4Net::new_assert(Ipv4Addr::new(172, b, 0, 0), 16));
        let small = (0..16).map(|c| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, c * 16, 0), 20));
        let free = large.chain(small).find(is_free);
        free.ok_or_else(|| match self.version.is_old() {
            true => Refusal::new(
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            ),
            false => Refusal::new(400, "all predefined address pools have been fully subnetted"),
        })
    }

    fn pool_overlaps(&self) -> Refusal {
        let before = if self.version.is_old() {
            ""
        } else {
            "invalid pool request: "
        };
        Refusal::new(
            403,
            format!("{before}Pool overlaps with other one on this address space"),
        )
    }

    /// `DELETE /networks/{id}`
    pub(crate) fn remove_network(&mut self, asked: &str) -> Answer<()> {
        let at = self.network_position(asked)?;
        let network = &self.networks[at];
        let (name, id) = (&network.name, &network.id);
        let on_it = self.on_network(id).next();
        if on_it.is_some() || !network.stale.is_empty() || network.has_lost_count {
            let message = match (self.version.is_old(), on_it) {
                (true, _) => format!("network {name} id {id} has active endpoints"),
                (false, Some((container, (endpoint, _)))) => format!(
                    "network {name} has active endpoints (name:\"{}\" id:\"{}\")",
                    container.name,
                    &endpoint[..12]
                ),
                (false, None) => format!("network {name} has active endpoints"),
            };
            return Err(Refusal::new(403, format!("error while removing network: {message}")));
        }
        self.tell_network(at, "destroy", None);
        self.networks.remove(at);
        Ok(())
    }

    /// The running containers on the network of that id, and their endpoints' ids and addresses there.
    pub(super) fn on_network<'a>(
        &'a self,
        id: &'a str,
    ) -> impl Iterator<Item = (&'a Container, &'a (String, Ipv4Addr))> {
        self.containers.iter().flat_map(move |container| {
            let on_it = container.endpoints.values().filter(move |e| e.network_id == id);
            on_it.filter_map(move |e| Some((container, e.up.as_ref()?)))
        })
    }

    /// `POST /networks/{id}/connect`
    pub(crate) fn connect(&mut self, network: &str, container: &str, settings: Value) -> Answer<()> {
        let at = self.position(container)?;
        let joined_as = self.network_position(network).map(|n| self.networks[n].name.clone());
        let joined_as = match (joined_as, self.containers[at].runs_now()) {
            (Ok(name), _) => name,
            // It is resolved when the container starts.
            (Err(_), false) => network.to_owned(),
            (Err(refusal), true) => return Err(refusal),
        };
        let mut endpoint = Endpoint {
            settings,
            ..Endpoint::default()
        };
        if !self.containers[at].runs_now() {
            self.containers[at].endpoints.insert(joined_as, endpoint);
            return Ok(());
        }
        if self.containers[at].endpoints.contains_key(&joined_as) {
            return Err(endpoint_exists(&self.containers[at].name, &joined_as));
        }
        // By its id also one of several of that name.
        let network_at = self.network_position(network)?;
        endpoint.network_id.clone_from(&self.networks[network_at].id);
        self.containers[at].endpoints.insert(joined_as.clone(), endpoint);
        self.join(at, &joined_as).inspect_err(|_| {
            self.containers[at].endpoints.remove(&joined_as);
        })
    }

    /// `POST /networks/{id}/disconnect`
    pub(crate) fn disconnect(&mut self, network: &str, container: &str, force: bool) -> Answer<()> {
        let network_at = self.network_position(network);
        let at = match self.position(container) {
            Ok(at) => at,
            Err(refusal) if !force => return Err(refusal),
            // By force also what is left of a container that is no more.
            Err(_) => {
                let stale = &mut self.networks[network_at?].stale;
                let left = stale.iter().position(|(_, name)| name == container);
                let left = left.ok_or_else(|| Refusal::new(404, format!("endpoint {container} not found")))?;
                stale.remove(left);
                return Ok(());
            }
        };
        let id = &self.containers[at].id;
        let Ok(network_at) = network_at else {
            let message = format!("container {id} is not connected to the network {network}");
            return Err(Refusal::new(500, message));
        };
        let name = self.networks[network_at].name.clone();
        let Some(endpoint) = self.containers[at].endpoints.get(&name) else {
            return Err(Refusal::new(
                500,
                format!("container {id} is not connected to network {name}"),
            ));
        };
        if endpoint.up.is_some() {
            let id = id.clone();
            // Engine 20.10 tells it twice.
            for _ in 0..if self.version.is_old() { 2 } else { 1 } {
                self.tell_network(network_at, "disconnect", Some(&id));
            }
        }
        self.containers[at].endpoints.remove(&name);
        Ok(())
    }

    /// Brings up all endpoints of a container that starts.
    pub(super) fn join_networks(&mut self, at: usize) -> Answer<()> {
        let names: Vec<String> = self.containers[at].endpoints.keys().cloned().collect();
        for name in names {
            self.join(at, &name)?;
        }
        self.publish(at)
    }

    fn join(&mut self, at: usize, name: &str) -> Answer<()> {
        let endpoint = &self.containers[at].endpoints[name];
        let asked = match endpoint.network_id.as_str() {
            "" => name,
            id => id,
        };
        let network_at = self.network_position(asked)?;
        let network = &self.networks[network_at];
        let container = self.containers[at].name.as_str();
        if network.stale.iter().any(|(_, name)| name == container) {
            return Err(endpoint_exists(container, &network.name));
        }
        let network_id = network.id.clone();
        let wanted = endpoint.settings["IPAMConfig"]["IPv4Address"]
            .as_str()
            .and_then(|a| a.parse().ok());
        let address = self.free_address(network_at, wanted)?;
        let (id, container_id) = (self.id(), self.containers[at].id.clone());
        if let Some(endpoint) = self.containers[at].endpoints.get_mut(name) {
            endpoint.network_id = network_id;
            endpoint.up = Some((id, address));
        }
        self.tell_network(network_at, "connect", Some(&container_id));
        Ok(())
    }

    fn free_address(&self, network_at: usize, wanted: Option<Ipv4Addr>) -> Answer<Ipv4Addr> {
        let network = &self.networks[network_at];
        let Some(subnet) = network.subnet else {
            return Ok(Ipv4Addr::UNSPECIFIED);
        };
        let taken: Vec<Ipv4Addr> = self.on_network(&network.id).map(|(_, (_, address))| *address).collect();
        match wanted {
            Some(address) if taken.contains(&address) => Err(Refusal::new(403, "Address already in use")),
            Some(address) => Ok(address),
            // The first one is the gateway's.
            None => {
                let free = subnet.hosts().skip(1).find(|a| !taken.contains(a));
                free.ok_or_else(|| Refusal::new(403, "no available IPv4 addresses on this network's address pools"))
            }
        }
    }

    /// Takes down all endpoints of a container.
    pub(super) fn leave_networks(&mut self, at: usize) {
        let container = &mut self.containers[at];
        container.ports.clear();
        let id = container.id.clone();
        let up = container
            .endpoints
            .values_mut()
            .filter_map(|e| e.up.take().map(|_| &e.network_id));
        let left: Vec<String> = up.cloned().collect();
        for network in left {
            if let Ok(network) = self.network_position(&network) {
                self.tell_network(network, "disconnect", Some(&id));
            }
        }
    }

    /// Takes the host's ports that a container publishes.
    fn publish(&mut self, at: usize) -> Answer<()> {
        let bindings = self.containers[at].body["HostConfig"]["PortBindings"].clone();
        let mut ports = Vec::new();
        for (own, bindings) in bindings.as_object().into_iter().flatten() {
            for binding in bindings.as_array().into_iter().flatten() {
                let address = match binding["HostIp"].as_str() {
                    None | Some("") => "0.0.0.0",
                    Some(address) => address,
                };
                let all = self.containers.iter().flat_map(|c| &c.ports);
                let mut taken = all.map(|(_, _, port)| *port).collect::<Vec<u16>>();
                taken.extend(ports.iter().map(|(_, _, port)| *port));
                let port = match binding["HostPort"].as_str().and_then(|p| p.parse::<u16>().ok()) {
                    Some(port) if taken.contains(&port) => {
                        let name = &self.containers[at].name;
                        let message = format!(
                            "driver failed programming external connectivity on endpoint {name}: Bind for \
                             {address}:{port} failed: port is already allocated"
                        );
                        return Err(Refusal::new(500, message));
                    }
                    Some(port) => port,
                    None => (32768..).find(|p| !taken.contains(p)).unwrap_or_default(),
                };
                ports.push((own.clone(), address.to_owned(), port));
            }
        }
        self.containers[at].ports = ports;
        Ok(())
    }
}

fn endpoint_exists(container: &str, network: &str) -> Refusal {
    let message = format!("endpoint with name {container} already exists in network {network}");
    Refusal::new(403, message)
}
