//! What happens to containers without anybody asking the engine for it, and what tests look at.

use serde_json::json;

use super::model::{Network, Status};
use super::state::{Ended, State};

impl State {
    /// Everything that a cluster could have left, by kind and name; nothing on an engine as it was at first.
    pub(crate) fn left(&self) -> Vec<String> {
        let containers = self.containers.iter().map(|c| format!("container {}", c.name));
        let own = |n: &&Network| !["bridge", "host", "none"].contains(&n.name.as_str());
        let networks = self.networks.iter().filter(own).map(|n| format!("network {}", n.name));
        let volumes = self.volumes.iter().map(|v| format!("volume {}", v.name));
        let mut left: Vec<String> = containers.chain(networks).chain(volumes).collect();
        left.sort();
        left
    }

    /// A container that runs and is nobody's: on the network of that name, of an image that is added for it.
    pub(crate) fn run(&mut self, name: &str, network: &str) {
        self.add_image("anything:1");
        let networking = json!({"EndpointsConfig": {network: {}}});
        let body = json!({"Image": "anything:1", "NetworkingConfig": networking});
        let made = self.create(name, body).and_then(|id| self.start(&id));
        made.unwrap_or_else(|refusal| panic!("cannot run {name}: {refusal:?}"));
    }

    /// The container's process ends by itself.
    pub(crate) fn exit(&mut self, name: &str, status: i64) {
        let at = self.expect(name);
        self.end(at, status, Ended::ByItself);
    }

    /// Somebody stops the container, and its process ends as it is told.
    pub(crate) fn stop(&mut self, name: &str) {
        let at = self.expect(name);
        self.signal(at, 15);
        self.end(at, 0, Ended::Stopped);
    }

    /// The kernel kills the container's process for want of memory.
    pub(crate) fn run_out_of_memory(&mut self, name: &str) {
        let at = self.expect(name);
        self.containers[at].was_out_of_memory = true;
        self.tell_container(at, "oom", &[]);
        self.end(at, 137, Ended::ByItself);
    }

    /// The container's healthcheck says `healthy` or `unhealthy` from now on, and prints `output`.
    pub(crate) fn set_health(&mut self, name: &str, health: &str, output: &str) {
        let at = self.expect(name);
        self.containers[at].health = Some((health.to_owned(), output.to_owned()));
        self.tell_container(at, &format!("health_status: {health}"), &[]);
    }

    /// The container is being removed for as long as nobody calls [`State::finish_removal`].
    pub(crate) fn begin_removal(&mut self, name: &str) {
        let at = self.expect(name);
        if self.containers[at].runs_now() {
            self.signal(at, 9);
            self.end(at, 137, Ended::Killed);
        }
        self.containers[at].status = Status::Removing;
    }

    /// The container that is being removed is removed now.
    pub(crate) fn finish_removal(&mut self, name: &str) {
        let at = self.expect(name);
        self.forget(at, true);
    }

    /// What the container has printed beside what it had before.
    pub(crate) fn print(&mut self, name: &str, line: &str) {
        let at = self.expect(name);
        self.containers[at].lines.push(line.to_owned());
    }

    fn expect(&self, name: &str) -> usize {
        self.position(name).unwrap_or_else(|_| panic!("no container {name}"))
    }
}
