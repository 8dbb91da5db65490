//! Taking things away that others take away too, or hold.

use super::A;
use crate::engine::cluster::{Cluster, failures};
use crate::engine::{Call, EngineDouble, Program};

#[tokio::test(start_paused = true)]
async fn what_is_removed_by_then_is_as_good_as_removed() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double
            .on(Call::StopContainer)
            .of(A)
            .meanwhile(|state| state.remove(A, true, true).expect("it is there"));
        let b = "lab-node2-b-1";
        double
            .on(Call::RemoveContainer)
            .of(b)
            .meanwhile(move |state| state.remove(b, true, true).expect("it is there"));
        double
            .on(Call::RemoveNetwork)
            .of("lab-node1_internal")
            .meanwhile(|state| state.remove_network("lab-node1_internal").expect("it is free"));
        double
            .on(Call::RemoveVolume)
            .of("lab-node1_data")
            .meanwhile(|state| state.remove_volume("lab-node1_data").expect("it is free"));
        cluster.down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_else_is_removing_is_waited_for_by_what_needs_it_removed() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    double
        .on(Call::RemoveContainer)
        .of(A)
        .meanwhile(|state| state.begin_removal(A));
    double
        .on(Call::RemoveVolume)
        .of("lab-node1_data")
        .after(3)
        .meanwhile(|state| state.finish_removal(A));
    cluster.down().await;
    assert_eq!(double.state().left(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_outlives_its_container_does_not_hold_its_network() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().leave_stale_endpoint("lab-inout", "lab-node7-a-1");
        cluster.down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_of_which_the_engine_has_lost_count_is_reported_with_the_way_out() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    double.state().lose_count("lab-inout");
    let id = double.state().network("lab-inout").id().to_owned();
    let plan = cluster.plan_down().await;
    let outcome = cluster.apply(&plan).await;
    assert_eq!(
        failures(&plan, &outcome),
        [format!(
            "remove network lab-inout: error while removing network: network lab-inout id {id} has active endpoints, \
             though nobody is on it: the engine has lost count, which restarting it mends"
        )]
    );
    assert_eq!(double.state().left(), ["network lab-inout"]);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_a_guest_is_on_stays_and_is_reported() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    let plan = cluster.plan_down().await;
    double.state().run("guest", "lab-inout");
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].contains("network lab-inout has active endpoints (name:\"guest\""),
        "{failed:?}"
    );
    assert!(!failed[0].contains("lost count"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_does_not_end_when_told_is_killed_after_its_grace_period() {
    let double = EngineDouble::v20();
    double.state().set_program(A, Program::Deaf);
    let cluster = Cluster::on(double.clone()).await;
    cluster.up().await;
    let seen = double.state().told().len();
    let begun = tokio::time::Instant::now();
    cluster.down().await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let told = double.state().told()[seen..].to_vec();
    let of_a: Vec<&str> = told.iter().filter_map(|t| t.strip_suffix(&format!(" {A}"))).collect();
    assert_eq!(
        of_a,
        [
            "container kill",
            "container kill",
            "container die",
            "container stop",
            "container destroy"
        ]
    );
}

/// What a client asked for that was killed comes when all seems to be gone.
#[tokio::test(start_paused = true)]
async fn down_looks_again_until_nothing_comes_any_more() {
    const CACHE: &str = "name: lab\nroles: {node: {entry: a, services: {a: {image: \"redis:7\", volumes: [/cache]}}}}";
    for (double, twin) in EngineDouble::both().into_iter().zip(EngineDouble::both()) {
        let name = "lab-node-a-1";
        Cluster::of(CACHE, twin.clone()).await.up().await;
        let body = twin.state().container(name).body().clone();
        let cluster = Cluster::of(CACHE, double.clone()).await;
        cluster.up().await;
        for (at, name) in [(1, name), (2, "lab-node-a-2")] {
            let mut body = body.clone();
            body["NetworkingConfig"] = serde_json::json!({"EndpointsConfig": {"bridge": {}}});
            double.on(Call::ListVolumes).after(at).meanwhile(move |state| {
                state.create(name, body.clone()).expect("the name is free");
            });
        }
        cluster.converge_down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}

/// The volume of a container whose making was broken off has nobody.
#[tokio::test(start_paused = true)]
async fn a_volume_without_a_name_that_no_container_has_is_removed() {
    const CACHE: &str = "name: lab\nroles: {node: {entry: a, services: {a: {image: \"redis:7\", volumes: [/cache]}}}}";
    for double in EngineDouble::both() {
        let cluster = Cluster::of(CACHE, double.clone()).await;
        cluster.up().await;
        let theirs = "0123456789abcdef".repeat(4);
        double.state().create_volume(&theirs, serde_json::json!({}));
        double.state().remove("lab-node-a-1", true, false).expect("it is there");
        assert_eq!(double.state().left().len(), 4, "two networks, two volumes");
        cluster.converge_down().await;
        assert_eq!(double.state().left(), [format!("volume {theirs}")]);
    }
}

/// What only the image asks for is labelled too, so that it is found when its container was removed without it.
#[tokio::test(start_paused = true)]
async fn a_volume_that_an_image_declares_is_found_without_its_container() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        double.state().set_image_volume("redis:7", "/data");
        cluster.up().await;
        cluster.up_has_nothing_to_do().await;
        let before = double.state().container(A).volume("/data");
        double.state().remove(A, true, false).expect("it is there");
        assert!(double.state().left().contains(&format!("volume {before}")));
        cluster.converge_down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}
