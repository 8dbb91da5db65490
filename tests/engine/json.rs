//! What the engine answers, as the JSON that clients read.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::model::{Container, Endpoint, Image, Network, Status, Volume};
use super::state::State;

/// A time as the engine writes it; year one where there is none.
fn time(time: Option<SystemTime>) -> String {
    match time {
        Some(time) => humantime::format_rfc3339_nanos(time).to_string(),
        None => "0001-01-01T00:00:00Z".to_owned(),
    }
}

impl State {
    /// A container of `GET /containers/json`: no aliases, no host name, health and status in words only.
    pub(super) fn summary(&self, container: &Container) -> Value {
        let networks = container.endpoints.iter().map(|(name, endpoint)| {
            let mut endpoint = self.endpoint(container, endpoint);
            endpoint["Aliases"] = Value::Null;
            if !self.version.is_old() {
                endpoint["DNSNames"] = Value::Null;
            }
            (name.clone(), endpoint)
        });
        let networks: Map<String, Value> = networks.collect();
        let created = container
            .created
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        json!({
            "Id": container.id, "Names": [format!("/{}", container.name)],
            "Image": container.body["Image"], "ImageID": container.image_id,
            "Command": "", "Created": created,
            "Ports": ports(container), "Labels": labels(&container.body["Labels"]),
            "State": container.status(), "Status": self.status_text(container),
            "HostConfig": {"NetworkMode": container.body["HostConfig"]["NetworkMode"].as_str().unwrap_or("default")},
            "NetworkSettings": {"Networks": networks},
            "Mounts": mounts(container),
        })
    }

    fn status_text(&self, container: &Container) -> String {
        let seconds = |then: Option<SystemTime>| {
            let ago = then
                .and_then(|then| self.now().duration_since(then).ok())
                .unwrap_or_default();
            match ago.as_secs() {
                0 => "Less than a second".to_owned(),
                1 => "1 second".to_owned(),
                seconds => format!("{seconds} seconds"),
            }
        };
        let exit = container.exit;
        match container.status {
            Status::Created => "Created".to_owned(),
            Status::Paused => format!("Up {} (Paused)", seconds(container.started)),
            Status::Restarting => format!("Restarting ({exit}) {} ago", seconds(container.finished)),
            Status::Removing => "Removal In Progress".to_owned(),
            Status::Dead => "Dead".to_owned(),
            Status::Exited => format!("Exited ({exit}) {} ago", seconds(container.finished)),
            Status::Running => {
                let health = match container.health.as_ref().map(|(health, _)| health.as_str()) {
                    None => String::new(),
                    Some("starting") => " (health: starting)".to_owned(),
                    Some(health) => format!(" ({health})"),
                };
                format!("Up {}{health}", seconds(container.started))
            }
        }
    }

    /// `GET /containers/{id}/json`
    pub(super) fn inspection(&self, container: &Container) -> Value {
        let body = &container.body;
        let networks = container.endpoints.iter();
        let networks: Map<String, Value> = networks
            .map(|(name, e)| (name.clone(), self.endpoint(container, e)))
            .collect();
        let mut state = json!({
            "Status": container.status(), "Running": container.runs_now() || container.status == Status::Restarting,
            "Paused": container.status == Status::Paused, "Restarting": container.status == Status::Restarting,
            "OOMKilled": container.was_out_of_memory, "Dead": container.status == Status::Dead,
            "Pid": if container.runs_now() { 4711 } else { 0 }, "ExitCode": container.exit, "Error": container.error,
            "StartedAt": time(container.started), "FinishedAt": time(container.finished),
        });
        if let Some((health, output)) = &container.health {
            let exit = i32::from(health != "healthy");
            let log = match output.is_empty() {
                true => json!([]),
                false => json!([{
                    "Start": time(container.started), "End": time(container.started), "ExitCode": exit, "Output": output,
                }]),
            };
            state["Health"] = json!({"Status": health, "FailingStreak": exit, "Log": log});
        }
        let mut config = body.clone();
        if let Some(config) = config.as_object_mut() {
            config.remove("HostConfig");
            config.remove("NetworkingConfig");
            config.insert("Labels".to_owned(), labels(&body["Labels"]));
            config.entry("Hostname").or_insert_with(|| json!(container.id[..12]));
        }
        json!({
            "Id": container.id, "Name": format!("/{}", container.name), "Created": time(Some(container.created)),
            "Image": container.image_id, "Config": config, "HostConfig": body["HostConfig"].as_object().map_or_else(|| json!({}), |h| json!(h)),
            "State": state, "RestartCount": container.restarts, "Platform": "linux", "Mounts": mounts(container),
            "NetworkSettings": {"Networks": networks},
        })
    }

    fn endpoint(&self, container: &Container, endpoint: &Endpoint) -> Value {
        let short = container.id[..12].to_owned();
        let aliases = endpoint.settings["Aliases"].as_array().cloned();
        let has_run = !endpoint.network_id.is_empty();
        let network = self.networks.iter().find(|n| n.id == endpoint.network_id);
        let subnet = network.and_then(|n| n.subnet).filter(|_| endpoint.up.is_some());
        let (id, address) = endpoint
            .up
            .clone()
            .map_or_else(Default::default, |(id, a)| (id, a.to_string()));
        let mut settings = json!({
            "IPAMConfig": endpoint.settings["IPAMConfig"], "Links": null, "Aliases": aliases, "DriverOpts": null,
            "NetworkID": endpoint.network_id, "EndpointID": id, "IPAddress": address,
            "Gateway": subnet.and_then(|s| s.hosts().next()).map_or_else(String::new, |g| g.to_string()),
            "IPPrefixLen": subnet.map_or(0, |s| s.prefix_len()), "IPv6Gateway": "", "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0, "MacAddress": "",
        });
        if self.version.is_old() {
            // From its first run on, the container's id is one of them.
            if has_run {
                let mut aliases = aliases.unwrap_or_default();
                aliases.push(json!(short));
                settings["Aliases"] = json!(aliases);
            }
        } else if has_run {
            let given = [json!(container.name)].into_iter().chain(aliases.unwrap_or_default());
            settings["DNSNames"] = given.chain([json!(short)]).collect();
        }
        settings
    }

    /// A network; with who is on it where it is inspected, which a list does not say.
    pub(super) fn network_json(&self, network: &Network, inspected: bool) -> Value {
        let prefix = network.subnet.map_or(0, |s| s.prefix_len());
        let mut containers = Map::new();
        if inspected {
            for (container, (endpoint, address)) in self.on_network(&network.id) {
                let on_it = json!({
                    "Name": container.name, "EndpointID": endpoint, "MacAddress": "",
                    "IPv4Address": format!("{address}/{prefix}"), "IPv6Address": "",
                });
                containers.insert(container.id.clone(), on_it);
            }
            for (id, name) in &network.stale {
                containers.insert(
                    id.clone(),
                    json!({"Name": name, "EndpointID": id, "MacAddress": "", "IPv4Address": "", "IPv6Address": ""}),
                );
            }
        }
        let config: Vec<Value> = network
            .subnet
            .iter()
            .map(|s| json!({"Subnet": s.to_string()}))
            .collect();
        let body = &network.body;
        json!({
            "Id": network.id, "Name": network.name, "Created": time(Some(network.created)), "Scope": "local",
            "Driver": body["Driver"].as_str().unwrap_or("bridge"), "EnableIPv6": body["EnableIPv6"] == true,
            "Internal": body["Internal"] == true, "Attachable": false, "Ingress": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": config},
            "Containers": containers, "Options": labels(&body["Options"]), "Labels": labels(&body["Labels"]),
        })
    }
}

pub(super) fn volume(volume: &Volume) -> Value {
    json!({
        "Name": volume.name, "Driver": "local", "Scope": "local", "Labels": volume.labels, "Options": null,
        "Mountpoint": format!("/var/lib/docker/volumes/{}/_data", volume.name),
        "CreatedAt": time(Some(volume.created)),
    })
}

pub(super) fn image_summary(image: &Image) -> Value {
    json!({
        "Id": image.id, "ParentId": "", "RepoTags": image.tags, "RepoDigests": [], "Created": 0, "Size": 1,
        "SharedSize": -1, "Labels": labels(&image.labels), "Containers": -1,
    })
}

pub(super) fn image(image: &Image) -> Value {
    json!({
        "Id": image.id, "RepoTags": image.tags, "RepoDigests": [], "Os": "linux", "Architecture": "amd64",
        "Config": {"Labels": labels(&image.labels), "Healthcheck": {"Test": image.health_test},
        "Volumes": image.volumes}, "RootFS": {"Type": "layers", "Layers": image.layers},
    })
}

/// What passes the filters `label` (`key` or `key=value`), `name` (a part of it) and `id`, which is all that is asked for.
pub(super) fn passes(filters: &HashMap<String, Vec<String>>, id: &str, name: &str, labels: &Value) -> bool {
    let label = |asked: &String| match asked.split_once('=') {
        Some((key, value)) => labels[key] == *value,
        None => labels.get(asked).is_some(),
    };
    filters.iter().all(|(filter, values)| match filter.as_str() {
        "label" => values.iter().all(label),
        "name" => values.iter().any(|v| name.contains(v.as_str())),
        "id" => values.iter().any(|v| id.starts_with(v.as_str())),
        _ => true,
    })
}

fn labels(labels: &Value) -> Value {
    if labels.is_object() { labels.clone() } else { json!({}) }
}

fn ports(container: &Container) -> Value {
    let port = |(own, address, public): &(String, String, u16)| {
        let (own, protocol) = own.split_once('/').unwrap_or((own, "tcp"));
        json!({"IP": address, "PrivatePort": own.parse::<u16>().unwrap_or(0), "PublicPort": public, "Type": protocol})
    };
    container.ports.iter().map(port).collect()
}

fn mounts(container: &Container) -> Value {
    let mount = |m: &super::model::Mount| {
        json!({
            "Type": "volume", "Name": m.volume, "Source": format!("/var/lib/docker/volumes/{}/_data", m.volume),
            "Destination": m.target, "Driver": "local", "Mode": "z", "RW": true, "Propagation": "",
        })
    };
    container.mounts.iter().map(mount).collect()
}
