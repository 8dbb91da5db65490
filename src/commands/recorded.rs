//! The blueprint and the options of a cluster that is up, according to the labels of its containers.
//!
//! They are used where no blueprint is given and none is in the working directory. The shipped lab must not take the
//! place of whatever the cluster was brought up from.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{load, work};
use crate::cli::Source;
use crate::cluster::{ObservedContainer, label};
use crate::converge::Reporter;
use crate::engine::connect::Engine;
use crate::engine::observe;
use crate::error::Error;
use crate::name::{ClusterName, RoleName};
use crate::terminal::Terminal;
use crate::text::is_secret;
use crate::topology::{Node, Topology};

/// The options of `up` that change what a blueprint says, as a label holds them.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    slaves: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scale: Vec<(String, u32)>,
    /// Variables with their values; `None` for a value that may be a secret and must not be in a label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set: Vec<(String, Option<String>)>,
    /// The absolute paths of files of variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env_file: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fake: bool,
}

impl Options {
    /// The options that the command line gives.
    pub(super) fn of(source: &Source) -> Self {
        // A value such as a URL may have a password in it, whatever its variable is called.
        let shown = |key: &str, value: &str| !is_secret(key) && !value.contains('@');
        let set = source.set.iter();
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Self {
            slaves: source.slaves,
            scale: source.scale.clone(),
            set: set
                .map(|(key, value)| (key.clone(), shown(key, value).then(|| value.clone())))
                .collect(),
            env_file: source.env_file.iter().map(absolute).collect(),
            profile: source.profile.clone(),
            fake: source.fake,
        }
    }

    /// The text of the label; empty if there are no options.
    pub(super) fn label(&self) -> String {
        match *self == Self::default() {
            true => String::new(),
            false => serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Adds these options to `source`, whose own ones override them.
    ///
    /// # Errors
    /// The variables whose values are not recorded, and that `source` does not set.
    fn add_to(self, source: &mut Source) -> Result<(), Vec<String>> {
        let own: HashSet<&str> = source.set.iter().map(|(key, _)| key.as_str()).collect();
        let (known, unknown): (Vec<_>, Vec<_>) = self
            .set
            .into_iter()
            .filter(|(key, _)| !own.contains(key.as_str()))
            .partition(|(_, value)| value.is_some());
        if !unknown.is_empty() {
            return Err(unknown.into_iter().map(|(key, _)| key).collect());
        }
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        source.set.splice(0..0, known);
        if source.slaves.is_none() && source.scale.is_empty() {
            source.slaves = self.slaves;
            source.scale = self.scale;
        }
        if source.env_file.is_empty() {
            source.env_file = self.env_file;
        }
        if source.profile.is_empty() {
            source.profile = self.profile;
        }
        source.fake |= self.fake;
        Ok(())
    }
}

/// What a command is to do where no cluster is on the engine and there is no blueprint here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Bring up the shipped lab.
    UseLab,
    /// Compare with the shipped lab only if no cluster was named.
    Refuse,
}

/// The blueprint that a command means, with its options.
pub(super) struct Meant {
    pub(super) source: Source,
    /// The nodes that are up, by role; `None` if the labels were not asked.
    nodes: Option<BTreeMap<String, HashSet<String>>>,
}

/// The blueprint and options that `source` gives. If it gives no blueprint and there is none here, they are those of the
/// cluster on the engine.
///
/// # Errors
/// The cluster is of another blueprint than the shipped lab, and was not named; or its labels do not suffice.
pub(super) async fn meant(
    terminal: &Terminal,
    source: &Source,
    absent: Absent,
    timeout: Option<u64>,
) -> Result<Meant, Error> {
    let given = |source: &Source| Meant {
        source: source.clone(),
        nodes: None,
    };
    if !load::is_lacking(source.file.as_deref()) {
        return Ok(given(source));
    }
    let engine = work::connect_within(terminal, timeout).await?;
    let cluster = source.name.clone().unwrap_or_default();
    let containers = observe::containers(&engine, Some(&cluster))
        .await
        .map_err(Error::engine("look at the engine"))?;
    // The engine lists the youngest first.
    let Some(youngest) = containers.first() else {
        return match (&source.name, absent) {
            (Some(name), Absent::Refuse) => Err(no_cluster(&engine, name).await?),
            _ => Ok(given(source)),
        };
    };
    let blueprint = youngest.label(label::BLUEPRINT);
    if source.name.is_none() {
        check_is_lab(&cluster, &containers)?;
        return Ok(given(source));
    }
    if blueprint.is_empty() || blueprint.starts_with('/') && !Path::new(blueprint).exists() {
        return Err(no_blueprint(&cluster, blueprint));
    }
    let mut found = source.clone();
    found.file = Some(blueprint.to_owned());
    options(youngest)
        .add_to(&mut found)
        .map_err(|unknown| no_values(&cluster, &unknown))?;
    terminal.note(&format!(
        "no `{}` here: cluster `{cluster}` is of {}",
        load::HERE,
        found.said()
    ));
    let mut nodes: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for container in &containers {
        let of_role = nodes.entry(container.role().to_owned()).or_default();
        of_role.insert(container.node().to_owned());
    }
    let nodes = (source.slaves.is_none() && source.scale.is_empty()).then_some(nodes);
    Ok(Meant { source: found, nodes })
}

/// The topology that the cluster of `containers`, the youngest first, was last created from; `None` if the labels do not
/// suffice, or the blueprint is not there or not valid any more.
pub(super) fn topology(terminal: &Terminal, containers: &[ObservedContainer]) -> Option<Topology> {
    let youngest = containers.first()?;
    let blueprint = youngest.label(label::BLUEPRINT);
    if blueprint.is_empty() || blueprint.starts_with('/') && !Path::new(blueprint).exists() {
        return None;
    }
    let mut source = Source {
        file: Some(blueprint.to_owned()),
        name: Some(youngest.cluster().parse().ok()?),
        ..Source::default()
    };
    options(youngest).add_to(&mut source).ok()?;
    load::topology(terminal, &source).ok().map(|loaded| loaded.topology)
}

/// The options of the command that created `container`, as a shell takes them; empty if there were none.
pub(super) fn typed(container: &ObservedContainer) -> String {
    let Options {
        slaves,
        scale,
        set,
        env_file,
        profile,
        fake,
    } = options(container);
    let hidden = |(key, value): (String, Option<String>)| (key, value.unwrap_or_else(|| "…".to_owned()));
    let source = Source {
        slaves,
        scale,
        set: set.into_iter().map(hidden).collect(),
        env_file,
        profile,
        fake,
        ..Source::default()
    };
    source.typed()
}

fn options(container: &ObservedContainer) -> Options {
    serde_json::from_str(container.label(label::OPTIONS)).unwrap_or_default()
}

impl Meant {
    /// Refuses to guess how many nodes were asked for. Removing nodes changes no label of those that stay, so that the
    /// labels do not say whether the last nodes of a role were removed by `up` or by somebody else.
    ///
    /// # Errors
    /// Only the first nodes of a role are up.
    pub(super) fn check(&self, topology: &Topology) -> Result<(), Error> {
        let Some(up) = &self.nodes else { return Ok(()) };
        for role in &topology.roles {
            let nodes = topology.nodes.iter().filter(|n| n.role == *role);
            let nodes: Vec<&Node> = nodes.collect();
            let names: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
            let Some(observed) = up.get(role.as_str()) else {
                continue;
            };
            if nodes.iter().any(|n| !n.dimensions.is_empty()) {
                self::check_dimensions(topology, role, &nodes, observed)?;
                continue;
            }
            let first = names.iter().take_while(|n| observed.contains(**n)).count();
            if first < names.len() && !names[first..].iter().any(|n| observed.contains(*n)) {
                return Err(Error::InTheWay {
                    messages: vec![format!(
                        "cluster `{}` was last created with {} of role `{role}`, and {first} are up: no label says which is \
                         right",
                        topology.cluster,
                        names.len()
                    )],
                    hints: vec![format!("`--scale {role}={first}` or `--scale {role}={}`", names.len())],
                });
            }
        }
        Ok(())
    }
}

/// The same of a role whose count has dimensions: what is up may be all of a smaller count.
fn check_dimensions(
    topology: &Topology,
    role: &RoleName,
    nodes: &[&Node],
    observed: &HashSet<String>,
) -> Result<(), Error> {
    let up: Vec<&&Node> = nodes.iter().filter(|n| observed.contains(n.name.as_str())).collect();
    let sides = |nodes: &mut dyn Iterator<Item = &Node>| -> IndexMap<Arc<str>, u32> {
        let mut sides: IndexMap<Arc<str>, u32> = IndexMap::new();
        for (name, index) in nodes.flat_map(|n| &n.dimensions) {
            let side = sides.entry(name.clone()).or_default();
            *side = (*side).max(*index);
        }
        sides
    };
    let (all, here) = (sides(&mut nodes.iter().copied()), sides(&mut up.iter().map(|n| **n)));
    let is_whole = here.values().map(|n| *n as usize).product::<usize>() == up.len();
    if up.is_empty() || up.len() == nodes.len() || !is_whole {
        return Ok(());
    }
    let scaled = |sides: &IndexMap<Arc<str>, u32>| -> String {
        let differ = sides.iter().filter(|(name, _)| all.get(*name) != here.get(*name));
        let options: Vec<String> = differ.map(|(name, n)| format!("--scale {role}.{name}={n}")).collect();
        options.join(" ")
    };
    Err(Error::InTheWay {
        messages: vec![format!(
            "cluster `{}` was last created with {} of role `{role}`, and {} are up: no label says which is right",
            topology.cluster,
            nodes.len(),
            up.len()
        )],
        hints: vec![format!("`{}` or `{}`", scaled(&here), scaled(&all))],
    })
}

/// Refuses to act on a cluster that was not named and is not of the shipped lab.
pub(super) fn check_is_lab(cluster: &ClusterName, containers: &[ObservedContainer]) -> Result<(), Error> {
    let blueprints = containers.iter().map(|c| c.label(label::BLUEPRINT));
    let Some(other) = blueprints.into_iter().find(|b| !load::is_lab(b)) else {
        return Ok(());
    };
    let from = match other {
        "" => "something else than the shipped lab".to_owned(),
        path => format!("`{path}`"),
    };
    Err(Error::InTheWay {
        messages: vec![format!(
            "there is no `{}` here, and cluster `{cluster}` was brought up from {from}",
            load::HERE
        )],
        hints: vec![format!("`-n {cluster}` means it all the same")],
    })
}

async fn no_cluster(engine: &Engine, name: &ClusterName) -> Result<Error, Error> {
    let near = work::nearest_cluster(engine, name).await?;
    Ok(Error::InTheWay {
        messages: vec![format!(
            "no container of cluster `{name}` is on the engine, and there is no `{}` here",
            load::HERE
        )],
        hints: match near {
            Some(near) => vec![format!("did you mean `-n {near}`?")],
            None => vec!["name its blueprint: `-f FILE`".to_owned()],
        },
    })
}

fn no_blueprint(cluster: &ClusterName, path: &str) -> Error {
    let message = match path {
        "" => format!("no label says what cluster `{cluster}` was brought up from"),
        path => format!("cluster `{cluster}` was brought up from `{path}`, which is not there any more"),
    };
    Error::InTheWay {
        messages: vec![message],
        hints: vec!["say where its blueprint is: `-f FILE`".to_owned()],
    }
}

fn no_values(cluster: &ClusterName, unknown: &[String]) -> Error {
    let options: Vec<String> = unknown.iter().map(|key| format!("`--set {key}=…`")).collect();
    Error::InTheWay {
        messages: vec![format!(
            "cluster `{cluster}` was brought up with {}, whose value is kept in no label",
            options.join(" and ")
        )],
        hints: vec!["give it again".to_owned()],
    }
}
