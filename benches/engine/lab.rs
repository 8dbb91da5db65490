//! The bench's own clusters of the built-in blueprint, and the ways to bring them up: topogen, the floor, Compose.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use topogen::blueprint::Inputs;
use topogen::blueprint::interpolate::Variables;
use topogen::cluster::Desired;
use topogen::diagnostic::Sources;
use topogen::engine::connect::host::Host;
use topogen::engine::connect::{Engine, Patience, chosen};
use topogen::engine::translate::{Origin, translate};
use topogen::fake;
use topogen::topology::expand::{self, Overrides};

use crate::children::{self, Started, Took};
use crate::floor::{self, Job};
use crate::wire::{Call, Place, Wire};

/// The program that is measured.
const TOPOGEN: &str = env!("CARGO_BIN_EXE_topogen");
const LAB: &str = include_str!("../../blueprints/master-slaves.yaml");

/// The cluster that topogen brings up.
pub(crate) const OURS: &str = "bench-topogen";
/// The cluster that the floor brings up.
pub(crate) const FLOOR: &str = "bench-floor";
/// The projects that Compose brings up.
pub(crate) const PEERS: &str = "bench-compose";

/// What all measurements share.
pub(crate) struct Lab {
    /// Where programs run and files go; gone with this.
    directory: TempDir,
    pub(crate) place: Place,
    runtime: Runtime,
    /// Calls of the floor at once.
    pub(crate) at_once: usize,
    /// What `GET /version` says.
    pub(crate) version: Json,
}

impl Lab {
    pub(crate) fn new(at_once: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let choice = chosen().map_err(|e| anyhow::anyhow!("{e}"))?;
        let Host::Unix(socket) = choice.host.clone() else {
            bail!("the floor speaks to a socket of this machine only: {}", choice.host);
        };
        let engine = runtime
            .block_on(Engine::to(choice, Patience::default()))
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        let place = Place {
            socket,
            api: engine.api,
        };
        let version = runtime.block_on(Wire::to(&place).json(&Call::get("/version")))?;
        Ok(Self {
            directory: tempfile::Builder::new().prefix("topogen-bench-").tempdir()?,
            place,
            runtime,
            at_once,
            version,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A call, and its answer as JSON.
    pub(crate) fn ask(&self, call: &Call) -> Result<Json> {
        self.runtime.block_on(Wire::to(&self.place).json(call))
    }

    /// A call whose answer does not matter.
    pub(crate) fn tell(&self, call: &Call) -> Result<()> {
        self.runtime.block_on(Wire::to(&self.place).must(call)).map(drop)
    }

    /// `topogen`, in a directory without a blueprint.
    pub(crate) fn topogen(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TOPOGEN);
        command.args(arguments).current_dir(self.path());
        command
    }

    /// `topogen` over a cluster of the bench's own.
    pub(crate) fn ours(&self, verb: &str, slaves: Option<u32>) -> Result<Took> {
        let mut command = self.topogen(&[verb, "-n", OURS]);
        if let Some(slaves) = slaves {
            command.args(["--slaves", &slaves.to_string()]);
        }
        children::run(&mut command)
    }

    /// Do the floor's `jobs`.
    pub(crate) fn floor(&self, jobs: &[Job]) -> Result<Took> {
        self.floor_at(jobs, self.at_once)
    }

    /// The same, so many at once.
    pub(crate) fn floor_at(&self, jobs: &[Job], at_once: usize) -> Result<Took> {
        let took = self.runtime.block_on(floor::run(&self.place, jobs, at_once))?;
        Ok(Took::only(took))
    }

    /// Have topogen put its fake image on the engine, and the machine warm: `up` is measured without either.
    pub(crate) fn warm_up(&self) -> Result<()> {
        self.ours("up", Some(1))?;
        self.ours("down", None).map(drop)
    }

    /// Take away all that carries the bench's own names, as an earlier run that was killed may have left it.
    pub(crate) fn clean(&self) -> Result<()> {
        let down = |cluster| children::run(&mut self.topogen(&["down", "-q", "-n", cluster])).map(drop);
        let clusters = [OURS, FLOOR].map(down);
        let projects = self.remove_projects();
        clusters.into_iter().chain([projects]).collect()
    }

    /// What Compose brought up, however it ended.
    fn remove_projects(&self) -> Result<()> {
        let ours = |json: &Json| {
            let project = json["Labels"]["com.docker.compose.project"]
                .as_str()
                .unwrap_or_default();
            let name = json["Name"].as_str().unwrap_or_default();
            project.starts_with(&format!("{PEERS}-")) || name == format!("{PEERS}-inout")
        };
        let id = |json: &Json| json["Id"].as_str().unwrap_or_default().to_owned();
        let all = self.ask(&Call::get("/containers/json?all=1"))?;
        for container in all.as_array().into_iter().flatten().filter(|c| ours(c)) {
            self.tell(&Call::delete(format!("/containers/{}?v=true&force=true", id(container))).or(&[404, 409]))?;
        }
        let all = self.ask(&Call::get("/networks"))?;
        for network in all.as_array().into_iter().flatten().filter(|n| ours(n)) {
            let call = Call::delete(format!("/networks/{}", id(network))).or(&[404]);
            self.floor(&[Job {
                work: floor::Work::RemoveNetwork(call),
                after: Vec::new(),
            }])?;
        }
        Ok(())
    }

    /// Have topogen render the peers' files; a directory a project, the master's first.
    pub(crate) fn render(&self, slaves: u32) -> Result<Vec<PathBuf>> {
        let out = self.path().join(format!("peers-{slaves}"));
        let shown = out.display().to_string();
        let count = slaves.to_string();
        let arguments = ["render", "-n", PEERS, "--slaves", &count, "-o", &shown];
        children::run(&mut self.topogen(&arguments))?;
        let slaves = (1..=slaves).map(|i| format!("{PEERS}-slave{i}"));
        let names = std::iter::once(format!("{PEERS}-master")).chain(slaves);
        let directories: Vec<PathBuf> = names.map(|n| out.join(n)).collect();
        for directory in &directories {
            anyhow::ensure!(
                directory.join("compose.yaml").is_file(),
                "{} is not there",
                directory.display()
            );
        }
        Ok(directories)
    }

    /// Make, or take away, the network that the rendered projects expect: by hand, so outside of what is measured.
    pub(crate) fn inout(&self, there: bool) -> Result<()> {
        let desired = desired(PEERS, 1)?;
        let name = desired.inout.name.as_str();
        if !there {
            return self.tell(&Call::delete(format!("/networks/{name}")).or(&[404]));
        }
        let subnet = desired
            .inout
            .subnet
            .context("the built-in blueprint has subnets")?
            .to_string();
        let body = serde_json::json!({
            "Name": name, "CheckDuplicate": true, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": subnet}]},
        });
        self.tell(&Call::post("/networks/create", Some(body.to_string())))
    }
}

/// A way of Compose's to bring up many projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compose {
    /// `docker compose`, one project after the other.
    Loop,
    /// `docker-compose`, one project after the other.
    One,
    /// `docker compose`, all projects at once.
    AtOnce,
}

impl Compose {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Loop => "the loop over `docker compose`",
            Self::One => "the loop over `docker-compose` 1",
            Self::AtOnce => "`docker compose`, all at once",
        }
    }

    fn command(self) -> Command {
        match self {
            Self::One => Command::new("docker-compose"),
            Self::Loop | Self::AtOnce => {
                let mut command = Command::new("docker");
                command.arg("compose");
                command
            }
        }
    }

    /// What it says of itself; `None` where it is not to be had.
    pub(crate) fn version(self) -> Option<String> {
        let output = self.command().args(["version", "--short"]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    }

    /// `arguments` for each project.
    pub(crate) fn run(self, directories: &[PathBuf], arguments: &[&str]) -> Result<Took> {
        let begun = std::time::Instant::now();
        let start = |directory: &PathBuf| {
            let mut command = self.command();
            command.arg("-f").arg(directory.join("compose.yaml")).args(arguments);
            children::start(&mut command)
        };
        if self == Self::AtOnce {
            let mut started: Vec<Started> = Vec::new();
            let mut result = Ok(());
            for directory in directories {
                match start(directory) {
                    Ok(one) => started.push(one),
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            // All must have ended, before anybody cleans up behind them.
            let ended: Vec<Result<Took>> = started.into_iter().map(Started::end).collect();
            result?;
            ended.into_iter().collect::<Result<Vec<_>>>()?;
        } else {
            for directory in directories {
                start(directory)?.end()?;
            }
        }
        Ok(Took::only(begun.elapsed()))
    }
}

/// What `topogen up` would want of the engine.
pub(crate) fn desired(cluster: &str, slaves: u32) -> Result<Desired> {
    let mut sources = Sources::default();
    let file = sources.add("master-slaves", LAB);
    let none = |_: &str| None;
    let inputs = Inputs {
        read: &|path| Err(format!("{path}: the built-in blueprint has no files")),
        read_within: &|path| Err(format!("{path}: the built-in blueprint has no files")),
        base: "/",
        profiles: &[],
    };
    let overrides = Overrides {
        name: Some(cluster.parse().map_err(|e| anyhow::anyhow!("{e}"))?),
        slaves: Some(slaves),
        ..Overrides::default()
    };
    let variables = Arc::new(HashMap::new());
    let topology = expand::read(
        file,
        &mut sources,
        &mut Variables::new(&none),
        &inputs,
        &overrides,
        &variables,
    );
    let mut topology = match topology {
        Ok(topology) => topology,
        Err(problems) => bail!("{}", problems.render(&sources, false)),
    };
    fake::identify(&mut topology);
    let origin = Origin {
        options: String::new(),
        blueprint: "master-slaves".to_owned(),
        directory: "/".to_owned(),
    };
    translate(&topology, &origin).map_err(|p| anyhow::anyhow!("{}", p.render(&sources, false)))
}
