//! Plans are carried out in any order that their edges admit, with failures and stops, against an engine that refuses
//! what a real one refuses: an edge that is missing shows as a refusal, or as a promise that is not kept.

mod carried;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::OnceLock;

use proptest::prelude::*;
use topogen::cluster::{Desired, ObservedContainer, ObservedNetwork, ObservedVolume, State, label};
use topogen::engine::translate::{Origin, translate};
use topogen::plan::{Action, Plan, reconcile};
use topogen::topology::expand::Overrides;

use crate::pretended::Pretended;
use crate::support::expanded;
use carried::{Chance, carry_out, carry_out_by, completes};

fn chance() -> impl Strategy<Value = Chance> {
    let order = prop::collection::vec(0usize..60, 1..40);
    let failures = prop::collection::vec((0usize..60, any::<bool>()), 0..3);
    let stop = prop::option::of(0usize..60);
    (order, failures, stop).prop_map(|(order, failures, stop)| Chance { order, failures, stop })
}

/// A cluster with all that orders things: conditions, roles after roles, ports, volumes, images, what starts again with
/// another container and what lives in one; in another `edition` of its blueprint.
fn desired(workers: usize, edition: usize) -> &'static Desired {
    static ALL: [OnceLock<Desired>; WORKERS * EDITIONS] = [const { OnceLock::new() }; WORKERS * EDITIONS];
    ALL[workers * EDITIONS + edition].get_or_init(|| blueprint(workers, edition))
}

/// How many workers there may be, and one more.
const WORKERS: usize = 4;
/// How many editions of the blueprint there are.
const EDITIONS: usize = 8;

fn blueprint(workers: usize, edition: usize) -> Desired {
    let mut text = r#"
inout: {}
roles:
  head:
    networks: {back: {}}
    volumes: {data: {}}
    services:
      db:
        image: topogen/fake
        healthcheck: {test: [CMD, /topogen, probe]}
        volumes: ["data:/data"]
        networks: [internal, back]
      init: {image: topogen/fake, depends_on: {db: {condition: service_healthy}}}
      cache: {image: redis:7}
      app:
        image: topogen/fake
        depends_on:
          db: {condition: service_healthy, restart: true}
          init: {condition: service_completed_successfully}
          cache: {condition: service_started, required: false}
      side: {image: topogen/fake, network_mode: "service:app"}
  worker:
    node: "worker{{ index }}"
    after: {head: healthy}
    entry: x
    services:
      x: {image: topogen/fake, ports: ["{{ 8000 + node.index }}:80"]}
      y: {image: topogen/fake, depends_on: [x]}
    overrides: {worker2: {services: {y: {image: nginx:1}}}}
"#
    .to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    };
    match edition {
        0 => {}
        1 => replace(
            "inout: {}",
            "inout: {driver_opts: {com.docker.network.driver.mtu: 1400}}",
        ),
        2 => replace("healthcheck:", "environment: {SIZE: 2}\n        healthcheck:"),
        3 => {
            replace("worker{{ index }}", "other{{ index }}");
            replace("worker2", "other2");
        }
        4 => {
            replace("    networks: {back: {}}\n", "");
            replace(", back]", "]");
        }
        5 => replace("8000 + node.index", "8005 - node.index"),
        6 => {
            replace("    volumes: {data: {}}\n", "");
            replace("        volumes: [\"data:/data\"]\n", "");
            replace("image: redis:7", "image: redis:8");
        }
        _ => replace("inout: {}", "inout: {}\ninternal: {internal: true}"),
    }
    replace("    after:", &format!("    count: {workers}\n    after:"));
    let topology = expanded(&text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    translate(&topology, &Origin::default()).unwrap_or_else(|p| panic!("{p:?}"))
}

/// Whether all is on `engine` as `desired` says, and whatever starts with another one started after it.
fn is_as_desired(engine: &Pretended, desired: &Desired) -> Result<(), TestCaseError> {
    let observed: BTreeMap<&str, &ObservedContainer> = engine
        .observed
        .containers
        .iter()
        .map(|c| (c.name.as_str(), c))
        .collect();
    let specs: Vec<_> = desired.nodes.iter().flat_map(|n| &n.containers).collect();
    let names: BTreeSet<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    prop_assert_eq!(&names, &observed.keys().copied().collect());
    let completes = completes(desired);
    for spec in specs {
        let name = spec.name.as_str();
        let container = observed[name];
        let ended = completes.contains(name) && container.state == State::Exited && container.exit == Some(0);
        prop_assert!(ended || container.state == State::Running, "{name} does not run");
        prop_assert_eq!(
            container.labels.get(label::CONFIG_HASH),
            Some(&spec.hash),
            "{} is another one",
            name
        );
        let on: BTreeSet<&str> = container.endpoints.iter().map(|n| n.network.as_str()).collect();
        prop_assert_eq!(
            on,
            spec.endpoints.iter().map(|e| e.network.as_str()).collect(),
            "{}",
            name
        );
        let with = spec.after.iter().filter(|d| d.restart).map(|d| &d.container);
        for other in with.chain(&spec.joined) {
            let started = |name: &str| engine.starts.get(name);
            prop_assert!(
                started(other.as_str()) < started(name),
                "{name} runs with what was left of an earlier {other}"
            );
        }
    }
    let own = engine.observed.networks.iter().filter(|n| n.is_of(&desired.cluster));
    let mut own: Vec<&str> = own.map(|n| n.name.as_str()).collect();
    let mut networks: Vec<&str> = desired.networks().map(|n| n.name.as_str()).collect();
    own.sort_unstable();
    networks.sort_unstable();
    prop_assert_eq!(own, networks);
    prop_assert!(engine.up(desired).is_empty(), "{}", engine.up(desired));
    Ok(())
}

/// What somebody does to the container or network at `which` while nobody looks.
fn mishap(engine: &mut Pretended, what: usize, which: usize) {
    let observed = &mut engine.observed;
    let count = observed.containers.len().max(1);
    let container = observed.containers.get_mut(which % count);
    match (what, container) {
        (0, Some(container)) => {
            container.state = State::Removing;
            container.endpoints.clear();
            container.ports.clear();
        }
        (1, Some(container)) if container.state == State::Running => {
            container.state = State::Exited;
            container.exit = Some(137);
            container.health = None;
            container.ports.clear();
        }
        (2, Some(container)) if container.state == State::Running => container.state = State::Paused,
        (3, Some(container)) => {
            let on = container.endpoints.first_mut();
            on.into_iter()
                .for_each(|on| on.aliases = Some(vec!["another".to_owned()]));
        }
        (4, Some(container)) => drop(container.endpoints.pop()),
        (5, _) => {
            let own = |n: &&ObservedNetwork| n.labels.contains_key(label::CLUSTER);
            let networks: Vec<String> = observed.networks.iter().filter(own).map(|n| n.name.clone()).collect();
            if let Some(network) = networks.get(which % networks.len().max(1)) {
                engine.duplicate(network);
            }
        }
        _ => {}
    }
}

/// An engine on which others have something too.
fn shared_engine() -> Pretended {
    let mut engine = Pretended::without_fake();
    engine.observed.networks.push(ObservedNetwork {
        id: "theirs".to_owned(),
        name: "theirs".to_owned(),
        labels: BTreeMap::new(),
        subnets: vec!["172.18.0.0/16".parse().expect("a subnet")],
        ..ObservedNetwork::default()
    });
    engine.observed.volumes.push(ObservedVolume {
        name: "theirs".to_owned(),
        labels: BTreeMap::new(),
    });
    engine.guests("theirs", &["web"]);
    engine
}

/// Many plans, each with the engine that it was made for and what it is to bring about: from nothing, from another edition
/// of the blueprint, and after each mishap.
fn plans() -> Vec<(Pretended, Plan, &'static Desired)> {
    let first = desired(2, 0);
    let nothing = shared_engine();
    let mut there = nothing.clone();
    let plan = there.up(first);
    there.apply(&plan);
    let mut plans = vec![(nothing, plan, first)];
    for (workers, edition) in (1..EDITIONS).map(|edition| (2, edition)).chain([(1, 0), (3, 3)]) {
        let then = desired(workers, edition);
        plans.push((there.clone(), there.up(then), then));
    }
    for (what, which) in (0..6).flat_map(|what| (0..6).map(move |which| (what, which))) {
        let mut engine = there.clone();
        mishap(&mut engine, what, which);
        let plan = engine.up(first);
        plans.push((engine, plan, first));
    }
    plans
}

/// Wherever an `up` stops, in the order that is written and in the one that is furthest from it, the next one finishes.
#[test]
fn wherever_a_plan_stops_the_next_one_finishes() {
    for (engine, plan, desired) in plans() {
        for stop in 0..plan.operations.len() {
            for last in [false, true] {
                let mut engine = engine.clone();
                let chance = Chance {
                    order: vec![0],
                    failures: Vec::new(),
                    stop: Some(stop),
                };
                let pick = |ready: &[usize], _: usize| ready[if last { ready.len() - 1 } else { 0 }];
                let again = |engine: &mut Pretended| {
                    carry_out_by(engine, &plan, desired, &chance, &pick)?;
                    let rest = engine.up(desired);
                    carry_out(engine, &rest, desired, &chance.fortunate())?;
                    is_as_desired(engine, desired)
                };
                again(&mut engine).unwrap_or_else(|e| panic!("{e}\nstopped after {stop}, {last}:\n{plan}"));
            }
        }
    }
}

/// The checks of these tests can fail: each edge of many plans is taken out, what waited by it is done as early as the
/// rest lets it, and the golden says for which kinds of edges that shows. Where it never does, others say the same, or
/// topogen is more careful than an engine asks of it.
#[test]
fn an_edge_that_is_missing_shows() {
    let mut plans = plans();
    let first = desired(2, 0);
    let mut there = shared_engine();
    there.apply(&there.up(first));
    let down = reconcile::down(&first.cluster, &there.observed, true);
    plans.push((there, down, first));
    let mut shows: BTreeMap<String, bool> = BTreeMap::new();
    for (engine, plan, desired) in plans {
        for (at, operation) in plan.operations.iter().enumerate() {
            for before in operation.after.iter().chain(&operation.after_any).copied() {
                let edge = format!("{} after {}", operation.action, plan.operations[before].action);
                let noticed = shows.entry(edge).or_default();
                *noticed = *noticed || is_noticed(&engine, &plan, desired, at, before);
            }
        }
    }
    let lines: Vec<String> = shows
        .iter()
        .map(|(edge, shows)| format!("{edge}: {}", if *shows { "shows" } else { "does not show" }))
        .collect();
    insta::assert_snapshot!("edges", lines.join("\n"));
}

/// Whether it shows where the operation at `at` does not wait for the one at `before`.
fn is_noticed(engine: &Pretended, plan: &Plan, desired: &Desired, at: usize, before: usize) -> bool {
    let mut engine = engine.clone();
    let mut plan = plan.clone();
    plan.operations[at].after.retain(|b| *b != before);
    plan.operations[at].after_any.retain(|b| *b != before);
    let chance = Chance {
        order: vec![0],
        failures: Vec::new(),
        stop: None,
    };
    let mut needed = HashSet::from([at]);
    for (earlier, operation) in plan.operations[..=at].iter().enumerate().rev() {
        if needed.contains(&earlier) {
            needed.extend(operation.after.iter().chain(&operation.after_any));
        }
    }
    let pick = |ready: &[usize], _: usize| {
        let first = |fits: &dyn Fn(usize) -> bool| ready.iter().copied().find(|r| fits(*r));
        first(&|r| r == at)
            .or_else(|| first(&|r| needed.contains(&r)))
            .or_else(|| first(&|r| r != before))
            .unwrap_or(before)
    };
    let result = carry_out_by(&mut engine, &plan, desired, &chance, &pick);
    let up = plan.operations.iter().any(|o| matches!(o.action, Action::Start(_)));
    result.is_err() || up && is_as_desired(&engine, desired).is_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// In whatever order a plan is carried out, whatever fails and wherever it stops, nothing is asked of the engine too
    /// early, the next `up` brings about what is desired, and the next `down` leaves only what is not the cluster's.
    #[test]
    fn any_order_with_any_failures_converges(
        steps in prop::collection::vec((0..WORKERS, 0..EDITIONS, chance(), 0usize..9, 0usize..20), 1..5),
        (workers, edition) in (0..WORKERS, 0..EDITIONS),
        last in chance(),
    ) {
        let mut engine = shared_engine();
        for (workers, edition, chance, what, which) in steps {
            let desired = desired(workers, edition);
            let plan = engine.up(desired);
            carry_out(&mut engine, &plan, desired, &chance)?;
            mishap(&mut engine, what, which);
        }
        let desired = desired(workers, edition);
        let plan = engine.up(desired);
        let outcome = carry_out(&mut engine, &plan, desired, &last.fortunate())?;
        prop_assert_eq!(outcome.done.len(), plan.operations.len());
        is_as_desired(&engine, desired)?;

        let down = reconcile::down(&desired.cluster, &engine.observed, true);
        carry_out(&mut engine, &down, desired, &last)?;
        let down = reconcile::down(&desired.cluster, &engine.observed, true);
        carry_out(&mut engine, &down, desired, &last.fortunate())?;
        let theirs = shared_engine().observed;
        prop_assert_eq!(&engine.observed.containers, &theirs.containers);
        prop_assert_eq!(&engine.observed.foreign, &theirs.foreign);
        prop_assert_eq!(&engine.observed.networks, &theirs.networks);
        prop_assert_eq!(&engine.observed.volumes, &theirs.volumes);
    }
}
