//! What topogen computes before it speaks to anybody: the built-in blueprint at 10, 1,000 and 10,000 nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topogen::blueprint::interpolate::Variables;
use topogen::blueprint::{Blueprint, Inputs};
use topogen::cluster::Desired;
use topogen::cluster::Observed;
use topogen::cluster::ObservedContainer;
use topogen::cluster::ObservedEndpoint;
use topogen::cluster::ObservedNetwork;
use topogen::cluster::State;
use topogen::cluster::roster::Moment;
use topogen::cluster::{ContainerEvent, Health};
use topogen::diagnostic::Sources;
use topogen::engine::translate::{Origin, translate};
use topogen::fake;
use topogen::plan::reconcile::{self, Options};
use topogen::render::compose;
use topogen::topology::Topology;
use topogen::topology::expand::{Overrides, expand};
use topogen::watch::{Event, Identity, Input, Reducer};

const LAB: &str = include_str!("../blueprints/master-slaves.yaml");
/// Nodes, the master among them.
const SIZES: [u32; 3] = [10, 1000, 10_000];

fn blueprint(sources: &mut Sources) -> Blueprint {
    // One bridge has not the ports for so many nodes, and is refused.
    let file = sources.add("master-slaves", format!("inout: {{driver: overlay}}\n{LAB}"));
    let none = |_: &str| None;
    let inputs = Inputs {
        read: &|path| Err(format!("{path}: the built-in blueprint has no files")),
        read_within: &|path| Err(format!("{path}: the built-in blueprint has no files")),
        base: "/",
        profiles: &[],
    };
    Blueprint::read(file, sources, &mut Variables::new(&none), &inputs).expect("the built-in blueprint is valid")
}

fn expanded(blueprint: &Blueprint, sources: &Sources, nodes: u32) -> Topology {
    let overrides = Overrides {
        slaves: Some(nodes - 1),
        ..Overrides::default()
    };
    let mut topology = expand(blueprint, &overrides, &Arc::new(HashMap::new()), sources).expect("it expands");
    fake::identify(&mut topology);
    topology
}

/// All that is desired, as an engine shows it where it is up.
fn up(desired: &Desired) -> Observed {
    let networks = desired.networks().map(|spec| ObservedNetwork {
        id: format!("id-{}", spec.name),
        name: spec.name.to_string(),
        labels: spec.labels.clone(),
        subnets: spec.subnet.into_iter().collect(),
        ..ObservedNetwork::default()
    });
    let containers = desired.nodes.iter().flat_map(|n| &n.containers);
    let containers = containers.map(|spec| ObservedContainer {
        id: format!("id-{}", spec.name),
        name: spec.name.to_string(),
        labels: spec.labels.clone(),
        state: State::Running,
        endpoints: spec
            .endpoints
            .iter()
            .map(|endpoint| ObservedEndpoint {
                network: endpoint.network.to_string(),
                network_id: Some(format!("id-{}", endpoint.network)),
                aliases: Some(endpoint.aliases.clone()),
                ..ObservedEndpoint::default()
            })
            .collect(),
        ..ObservedContainer::default()
    });
    Observed {
        containers: containers.collect(),
        networks: networks.collect(),
        ..Observed::default()
    }
}

fn pure(criterion: &mut Criterion) {
    criterion.bench_function("parse", |b| b.iter(|| blueprint(&mut Sources::default())));
    let mut sources = Sources::default();
    let blueprint = blueprint(&mut sources);
    let options = Options {
        fake_ready: true,
        ..Options::default()
    };
    for nodes in SIZES {
        let topology = expanded(&blueprint, &sources, nodes);
        let desired = translate(&topology, &Origin::default()).expect("it translates");
        let observed = up(&desired);
        assert!(
            reconcile::up(&desired, &observed, &options)
                .expect("no conflict")
                .is_empty(),
            "what is up as desired needs nothing"
        );
        let mut group = criterion.benchmark_group(format!("{nodes}"));
        group.throughput(Throughput::Elements(nodes.into()));
        if nodes >= 1000 {
            group.sample_size(10).measurement_time(Duration::from_secs(10));
        }
        group.bench_function(BenchmarkId::from_parameter("expand"), |b| {
            b.iter(|| expanded(&blueprint, &sources, nodes))
        });
        group.bench_function(BenchmarkId::from_parameter("render"), |b| {
            b.iter(|| {
                for node in &topology.nodes {
                    black_box(compose::file(&topology, node).expect("it is written"));
                }
            });
        });
        group.bench_function(BenchmarkId::from_parameter("translate"), |b| {
            b.iter(|| translate(&topology, &Origin::default()).expect("it translates"))
        });
        let nothing = Observed::default();
        group.bench_function(BenchmarkId::from_parameter("reconcile from nothing"), |b| {
            b.iter(|| reconcile::up(&desired, &nothing, &options).expect("no conflict"))
        });
        group.bench_function(BenchmarkId::from_parameter("reconcile nothing to do"), |b| {
            b.iter(|| reconcile::up(&desired, &observed, &options).expect("no conflict"))
        });
        group.bench_function(BenchmarkId::from_parameter("reconcile down"), |b| {
            b.iter(|| reconcile::down(&desired.cluster, &observed, false))
        });
        group.finish();
    }
}

/// Events of containers, reduced to a roster of 53, which is the lab of ten slaves.
fn events(criterion: &mut Criterion) {
    const CONTAINERS: u64 = 53;
    let event = |at: u64| {
        let health = if at.is_multiple_of(2) {
            Health::Healthy
        } else {
            Health::Unhealthy
        };
        Input::Event(Event {
            id: format!("{:064x}", at % CONTAINERS),
            name: format!("lab-slave{}-app-1", at % CONTAINERS),
            at: Moment(at),
            what: ContainerEvent::Health(health),
            identity: Some(Identity {
                node: format!("slave{}", at % CONTAINERS),
                role: "slave".to_owned(),
                service: "app".to_owned(),
                number: 1,
            }),
        })
    };
    let mut reducer = Reducer::new("lab", Moment(0));
    for at in 0..CONTAINERS {
        let Input::Event(started) = event(at) else { continue };
        let what = ContainerEvent::Started;
        reducer.on(Input::Event(Event { what, ..started }), Moment(at));
    }
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(1));
    let mut at = CONTAINERS;
    group.bench_function("reduce", |b| {
        b.iter(|| {
            // Each of them is another result than the one before: in the first round even containers are healthy.
            at += 1;
            black_box(reducer.on(event(at + at / CONTAINERS), Moment(at)))
        });
    });
    group.finish();
}

criterion_group!(benches, pure, events);
criterion_main!(benches);
