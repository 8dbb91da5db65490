//! What is observed of an engine that changes meanwhile, and of its past.

use std::time::{Duration, SystemTime};

use topogen::cluster::State;
use topogen::engine::observe;
use topogen::engine::stops::{SignalHistory, wait_for_stops};

use crate::engine::cluster::Cluster;
use crate::engine::{Call, EngineDouble, Program, Version};

const A: &str = "lab-node1-a-1";

/// The cluster, up.
async fn up(double: &EngineDouble) -> Cluster {
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_removed_between_list_and_inspection_is_no_error() {
    for double in EngineDouble::both() {
        let cluster = up(&double).await;
        double
            .on(Call::InspectContainer)
            .of(A)
            .meanwhile(|state| state.remove(A, true, true).expect("it is there"));
        let observed = cluster.observe().await;
        // It was there when the list was made.
        assert_eq!(observed.containers.len(), 4);
        assert_eq!(cluster.observe().await.containers.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_has_ended_since_the_list_was_made_does_not_run() {
    let double = EngineDouble::v28();
    let cluster = up(&double).await;
    double.on(Call::ListContainers).stale();
    double.state().kill(A, "KILL").expect("it runs");
    let observed = cluster.observe().await;
    let container = observed.containers.iter().find(|c| c.name == A).expect("it is there");
    assert_eq!((container.state, container.exit), (State::Exited, Some(137)));
}

#[tokio::test(start_paused = true)]
async fn aliases_are_those_that_were_asked_for_on_engines_that_add_their_own() {
    let mut all = Vec::new();
    for double in EngineDouble::both() {
        let cluster = up(&double).await;
        let observed = cluster.observe().await;
        let container = observed.containers.iter().find(|c| c.name == A).expect("it is there");
        let names = container.names_on(|network| network == "lab-inout");
        all.push(names.join(" "));
    }
    assert_eq!(all, ["node1", "node1"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_refuses_to_tell_is_an_error_and_no_empty_engine() {
    for call in [
        Call::ListContainers,
        Call::ListNetworks,
        Call::ListVolumes,
        Call::ListImages,
    ] {
        let double = EngineDouble::of(Version(1, 44));
        let cluster = up(&double).await;
        double.on(call).refuse(500, "the disk is full");
        let observed = observe::observe(&cluster.engine, &cluster.desired.cluster, false).await;
        assert!(observed.is_err(), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_nobodys_is_observed_and_kept_apart() {
    let double = EngineDouble::v20();
    let cluster = up(&double).await;
    double.state().run("guest", "lab-inout");
    let observed = cluster.observe().await;
    let foreign: Vec<&str> = observed.foreign.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(foreign, ["guest"]);
    let inout = observed
        .networks
        .iter()
        .find(|n| n.name == "lab-inout")
        .expect("it is there");
    assert_eq!(observed.guests(inout), ["guest"]);
}

/// A stop of a container, asked for by a client that does not wait for it.
async fn stopped_by_a_client_that_exited(cluster: &Cluster, container: &str) {
    let docker = cluster.engine.docker.clone();
    let name = container.to_owned();
    let stopping = tokio::spawn(async move { docker.stop_container(&name, None).await });
    while cluster.double.count(Call::StopContainer) == 0 {
        tokio::task::yield_now().await;
    }
    // The engine has sent it its stop signal.
    while !cluster
        .double
        .state()
        .told()
        .contains(&format!("container kill {container}"))
    {
        tokio::task::yield_now().await;
    }
    stopping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_flight_is_found_and_waited_for() {
    for double in EngineDouble::both() {
        double.state().set_program(A, Program::Deaf);
        let cluster = up(&double).await;
        stopped_by_a_client_that_exited(&cluster, A).await;
        let name = &cluster.desired.cluster;
        let history = SignalHistory::read(&cluster.engine, name, Duration::from_secs(12)).await;
        let id = double.state().container(A).id().to_owned();
        assert_eq!(history.running.keys().collect::<Vec<_>>(), [&id]);
        assert!(
            wait_for_stops(&cluster.engine, name, &history)
                .await
                .expect("the engine answers")
        );
        assert_eq!(double.state().container(A).status(), "exited");
        let history = SignalHistory::read(&cluster.engine, name, Duration::from_secs(12)).await;
        assert!(history.running.is_empty());
        assert!(history.exited.contains(&id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_stops_nothing_is_not_waited_for() {
    let double = EngineDouble::v28();
    let cluster = up(&double).await;
    double.state().kill(A, "USR1").expect("it runs");
    let name = &cluster.desired.cluster;
    let history = SignalHistory::read(&cluster.engine, name, Duration::from_secs(12)).await;
    assert_eq!(history.running.len(), 1);
    assert!(
        !wait_for_stops(&cluster.engine, name, &history)
            .await
            .expect("the engine answers")
    );
    assert_eq!(double.state().container(A).status(), "running");
}

#[tokio::test(start_paused = true)]
async fn events_that_break_off_leave_what_they_had_reported() {
    let double = EngineDouble::v20();
    double.state().set_program(A, Program::Deaf);
    let cluster = up(&double).await;
    let other = "lab-node2-a-1";
    double.state().kill(A, "TERM").expect("it runs");
    double.state().kill(other, "TERM").expect("it runs");
    let name = &cluster.desired.cluster;
    let mut told = Vec::new();
    // The events of the start come first, and how many these are differs from engine to engine.
    for events in 1..=20 {
        double.on(Call::Events).cut_after(events);
        let history = SignalHistory::read(&cluster.engine, name, Duration::from_secs(12)).await;
        told.push((history.running.len(), history.exited.len()));
    }
    assert!(told.contains(&(1, 0)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_tells_no_events_is_not_waited_for() {
    let double = EngineDouble::v20();
    let cluster = up(&double).await;
    double.state().kill(A, "TERM").expect("it runs");
    double.on(Call::Events).hang();
    let begun = tokio::time::Instant::now();
    let history = SignalHistory::read(&cluster.engine, &cluster.desired.cluster, Duration::from_secs(12)).await;
    assert!(history.running.is_empty() && history.exited.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// The cluster, and whether only its plan has happened when it is up, with something that happens beside it.
async fn only_the_plan(double: EngineDouble, beside: impl FnOnce(&EngineDouble)) -> bool {
    let cluster = Cluster::on(double.clone()).await;
    let begun = SystemTime::now();
    let plan = cluster.plan().await;
    beside(&double);
    cluster.apply(&plan).await;
    cluster.only_happened(&plan, begun).await
}

#[tokio::test(start_paused = true)]
async fn an_up_of_which_the_engine_tells_nothing_else_needs_no_second_look() {
    for double in EngineDouble::both() {
        assert!(only_the_plan(double, |_| {}).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_beside_an_up_calls_for_a_second_look() {
    let ended = |double: &EngineDouble| {
        let b = "lab-node2-b-1";
        double
            .on(Call::StartContainer)
            .of("lab-node1-b-1")
            .meanwhile(move |state| {
                let _ = state.start(b);
                state.exit(b, 1);
            });
    };
    assert!(!only_the_plan(EngineDouble::v28(), ended).await);
    let elsewhere = |double: &EngineDouble| double.state().add_network("other", "10.99.0.0/24");
    assert!(!only_the_plan(EngineDouble::v28(), elsewhere).await);
}

#[tokio::test(start_paused = true)]
async fn events_that_are_not_all_reported_call_for_a_second_look() {
    let cut = |double: &EngineDouble| double.on(Call::Events).cut_after(3);
    assert!(!only_the_plan(EngineDouble::v20(), cut).await);
    let hung = |double: &EngineDouble| double.on(Call::Events).hang();
    assert!(!only_the_plan(EngineDouble::v20(), hung).await);
    let behind = |double: &EngineDouble| double.state().set_clock_behind(Duration::from_secs(60));
    assert!(!only_the_plan(EngineDouble::v20(), behind).await);
}
