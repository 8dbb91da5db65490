//! Volumes and images.

use std::io::Read;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::model::{Answer, Container, Image, Mount, Refusal, Volume};
use super::state::State;

impl State {
    /// The volumes that a container of `body` mounts, made where they are not there.
    pub(super) fn mounts_of(&mut self, body: &Value) -> Vec<Mount> {
        let host = &body["HostConfig"];
        let mut mounts = Vec::new();
        let listed = host["Mounts"].as_array().into_iter().flatten();
        for mount in listed.filter(|m| m["Type"] == "volume") {
            let source = mount["Source"].as_str().unwrap_or_default();
            let target = mount["Target"].as_str().unwrap_or_default();
            mounts.push(self.mount(source, target, &mount["VolumeOptions"]["Labels"]));
        }
        let binds = host["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for bind in binds.filter(|b| !b.starts_with('/')) {
            let mut parts = bind.split(':');
            let (source, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            mounts.push(self.mount(source, target, &Value::Null));
        }
        let declared = body["Volumes"].as_object().into_iter().flatten();
        for (target, _) in declared {
            if !mounts.iter().any(|m| m.target == *target) {
                mounts.push(self.mount("", target, &Value::Null));
            }
        }
        mounts
    }

    fn mount(&mut self, source: &str, target: &str, labels: &Value) -> Mount {
        let is_anonymous = source.is_empty();
        let mut labels = labels.clone();
        let volume = match is_anonymous {
            true => self.id(),
            false => source.to_owned(),
        };
        if is_anonymous && !self.version.is_old() {
            labels = labels.as_object().map_or_else(|| json!({}), |l| json!(l));
            labels["com.docker.volume.anonymous"] = json!("");
        }
        self.create_volume(&volume, labels);
        Mount {
            volume,
            target: target.to_owned(),
            is_anonymous,
        }
    }

    /// `POST /volumes/create`, which gives the one that has that name already.
    pub(crate) fn create_volume(&mut self, name: &str, labels: Value) {
        if self.volumes.iter().any(|v| v.name == name) {
            return;
        }
        self.volumes.push(Volume {
            name: name.to_owned(),
            labels,
            created: self.now(),
        });
        self.tell("volume", "create", name, &[("driver", "local")]);
    }

    /// `DELETE /volumes/{name}`
    pub(crate) fn remove_volume(&mut self, name: &str) -> Answer<()> {
        if !self.volumes.iter().any(|v| v.name == name) {
            return Err(Refusal::new(404, format!("get {name}: no such volume")));
        }
        let uses = |c: &&Container| c.mounts.iter().any(|m| m.volume == name);
        let users: Vec<&str> = self.containers.iter().filter(uses).map(|c| c.id.as_str()).collect();
        if !users.is_empty() {
            let message = format!("remove {name}: volume is in use - [{}]", users.join(", "));
            return Err(Refusal::new(409, message));
        }
        self.forget_volume(name);
        Ok(())
    }

    pub(super) fn forget_volume(&mut self, name: &str) {
        self.volumes.retain(|v| v.name != name);
        self.tell("volume", "destroy", name, &[("driver", "local")]);
    }

    /// An image of that name, as after a pull.
    pub(crate) fn add_image(&mut self, name: &str) {
        if self.image(name).is_err() {
            let id = format!("sha256:{}", self.id());
            self.images.push(Image {
                id,
                tags: vec![tagged(name)],
                labels: json!({}),
                health_test: json!(null),
                volumes: json!({}),
                layers: json!([]),
            });
        }
    }

    /// Gives the image of that name a healthcheck with this test, such as `["CMD", "true"]`.
    pub(crate) fn set_image_health(&mut self, name: &str, test: Value) {
        if let Some(image) = self.images.iter_mut().find(|i| i.tags.contains(&tagged(name))) {
            image.health_test = test;
        }
    }

    /// The image of that name declares a volume at that path.
    pub(crate) fn set_image_volume(&mut self, name: &str, path: &str) {
        if let Some(image) = self.images.iter_mut().find(|i| i.tags.contains(&tagged(name))) {
            image.volumes[path] = json!({});
        }
    }

    /// An image of that name with those labels.
    pub(crate) fn add_labelled_image(&mut self, name: &str, labels: Value) {
        self.add_image(name);
        if let Some(image) = self.images.iter_mut().find(|i| i.tags.contains(&tagged(name))) {
            image.labels = labels;
        }
    }

    /// `POST /commit`: an image of that name, with the container's labels.
    pub(crate) fn commit(&mut self, container: &str, name: &str) {
        let labels = self.container(container).body()["Labels"].clone();
        for image in &mut self.images {
            image.tags.retain(|tag| *tag != tagged(name));
        }
        self.add_labelled_image(name, labels);
    }

    /// By its name, with a tag or without, or its id.
    pub(super) fn image(&self, asked: &str) -> Answer<&Image> {
        let tag = tagged(asked);
        let is_it = |i: &&Image| i.tags.contains(&tag) || i.id == asked;
        let found = self.images.iter().find(is_it);
        found.ok_or_else(|| Refusal::new(404, format!("No such image: {tag}")))
    }

    /// `POST /images/create`, of what the registry has.
    pub(super) fn pull(&mut self, name: &str) -> Answer<()> {
        if !self.registry.contains(name) {
            let short = name.split(':').next().unwrap_or(name);
            let message = format!(
                "pull access denied for {short}, repository does not exist or may require 'docker login': denied: \
                 requested access to the resource is denied"
            );
            return Err(Refusal::new(404, message));
        }
        self.add_image(name);
        self.tell("image", "pull", name, &[("name", name)]);
        Ok(())
    }

    /// `POST /images/load` of an archive as `docker save` writes it; its names.
    pub(super) fn load(&mut self, archive: &[u8]) -> std::io::Result<Vec<String>> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            if path.ends_with(".json") {
                let mut text = Vec::new();
                entry.read_to_end(&mut text)?;
                files.push((path, text));
            }
        }
        let file = |path: &str| {
            let found = files.iter().find(|(p, _)| p == path);
            found.map_or(&[][..], |(_, text)| text)
        };
        let manifest: Value = serde_json::from_slice(file("manifest.json"))?;
        let manifest = &manifest[0];
        // An image is known by the digest of its configuration.
        let text = file(manifest["Config"].as_str().unwrap_or_default());
        let config: Value = serde_json::from_slice(text)?;
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("sha256:{digest}");
        let tags = manifest["RepoTags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let tags: Vec<String> = tags.map(str::to_owned).collect();
        // Whoever had the name has none from now on.
        for image in &mut self.images {
            image.tags.retain(|t| !tags.contains(t));
        }
        self.images.retain(|i| i.id != id);
        self.images.push(Image {
            id: id.clone(),
            tags: tags.clone(),
            labels: config["config"]["Labels"].clone(),
            health_test: json!(null),
            volumes: json!({}),
            layers: config["rootfs"]["diff_ids"].clone(),
        });
        self.tell("image", "load", &id, &[]);
        Ok(tags)
    }

    /// `DELETE /images/{name}`, unless a container is made of it.
    pub(super) fn remove_image(&mut self, asked: &str) -> Answer<()> {
        let id = self.image(asked)?.id.clone();
        let short = |id: &str| id.trim_start_matches("sha256:")[..12].to_owned();
        if let Some(user) = self.containers.iter().find(|c| c.image_id == id) {
            let message = format!(
                "conflict: unable to delete {} (cannot be forced) - image is being used by running container {}",
                short(&id),
                short(&user.id)
            );
            return Err(Refusal::new(409, message));
        }
        self.images.retain(|i| i.id != id);
        self.tell("image", "delete", &id, &[("name", &id)]);
        Ok(())
    }
}

fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.contains(':') {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    }
}
