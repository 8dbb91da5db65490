//! Networks that are not as they were when the plan was made.

use serde_json::Value;

use super::{A, twin};
use crate::engine::cluster::{Cluster, failures};
use crate::engine::{Call, EngineDouble};

const INTERNAL: &str = "lab-node1_internal";

/// The request for another network of the name of `lab-inout`, as another `up` sends it at the same time.
async fn second_inout() -> Value {
    let twin = twin(EngineDouble::v20()).await;
    let mut body = twin.state().network("lab-inout").body().clone();
    body["IPAM"]["Config"][0]["Subnet"] = "10.99.0.0/24".into();
    body["CheckDuplicate"] = false.into();
    body
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_somebody_took_meanwhile_gives_way_to_another_one() {
    for (double, other) in EngineDouble::both().into_iter().zip(EngineDouble::both()) {
        let planned = twin(other).await.state().network(INTERNAL).subnet().expect("a subnet");
        let cluster = Cluster::on(double.clone()).await;
        double
            .on(Call::CreateNetwork)
            .of(INTERNAL)
            .meanwhile(move |state| state.add_network("other", &planned.to_string()));
        cluster.up().await;
        let chosen = double.state().network(INTERNAL).subnet().expect("a subnet");
        assert_ne!(chosen, planned);
        assert_eq!(chosen.prefix_len(), planned.prefix_len());
        // What was chosen stays.
        assert!(cluster.plan().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn subnets_that_no_network_shows_are_passed_over_one_by_one() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    // As where a route of the engine's host lies there.
    let overlaps = "invalid pool request: Pool overlaps with other one on this address space";
    double
        .on(Call::CreateNetwork)
        .of(INTERNAL)
        .times(3)
        .refuse(403, overlaps);
    cluster.up().await;
    let asked = double.changes();
    let asked = asked.iter().filter(|c| **c == format!("CreateNetwork {INTERNAL}"));
    assert_eq!(asked.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_another_up_made_first_is_taken_over() {
    let double = EngineDouble::v28();
    let body = twin(EngineDouble::v28())
        .await
        .state()
        .network("lab-inout")
        .body()
        .clone();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::CreateNetwork).of("lab-inout").meanwhile(move |state| {
        state.create_network(body.clone()).expect("the name is free");
    });
    cluster.up().await;
    assert_eq!(double.state().networks_named("lab-inout"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_network_of_that_name_that_is_somebody_elses_fails() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double
        .on(Call::CreateNetwork)
        .of("lab-inout")
        .meanwhile(|state| state.add_network("lab-inout", "10.99.0.0/24"));
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(
        failed,
        ["create network lab-inout: network with name lab-inout already exists"]
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_networks_that_two_ups_made_at_once_one_is_left() {
    let double = EngineDouble::v20();
    let body = second_inout().await;
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::CreateNetwork).of("lab-inout").meanwhile(move |state| {
        state.create_network(body.clone()).expect("old engines take any name");
    });
    cluster.up().await;
    assert_eq!(double.state().networks_named("lab-inout"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_becomes_ambiguous_before_a_container_starts_is_made_one_again() {
    let double = EngineDouble::v20();
    let body = second_inout().await;
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::StartContainer).of(A).meanwhile(move |state| {
        state.create_network(body.clone()).expect("old engines take any name");
    });
    cluster.up().await;
    assert_eq!(double.state().networks_named("lab-inout"), 1);
    assert_eq!(double.state().container(A).networks(), ["lab-inout", INTERNAL]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_a_killed_client_left_does_not_keep_a_container_from_starting() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        double
            .on(Call::StartContainer)
            .of(A)
            .meanwhile(|state| state.leave_stale_endpoint("lab-inout", A));
        cluster.up().await;
        assert_eq!(double.state().container(A).status(), "running");
        assert_eq!(double.state().container(A).networks(), ["lab-inout", INTERNAL]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_a_killed_client_left_does_not_keep_a_container_from_joining() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().disconnect("lab-inout", A, true).expect("it is on it");
        double.state().leave_stale_endpoint("lab-inout", A);
        cluster.up().await;
        assert_eq!(double.state().container(A).networks(), ["lab-inout", INTERNAL]);
    }
}

/// Containers run on both of the networks that two `up` made at once.
#[tokio::test(start_paused = true)]
async fn of_two_networks_that_are_both_in_use_one_takes_the_containers_of_the_other() {
    let double = EngineDouble::v20();
    let body = second_inout().await;
    let cluster = Cluster::on(double.clone()).await;
    // The first container runs on the one network when the other comes, and gets a container of the other `up`.
    double
        .on(Call::StartContainer)
        .of("lab-node2-a-1")
        .meanwhile(move |state| {
            let (id, _) = state.create_network(body.clone()).expect("old engines take any name");
            state.run("other", "bridge");
            state
                .connect(&id, "other", serde_json::json!({"Aliases": ["other-alias"]}))
                .expect("it runs");
        });
    cluster.up().await;
    assert_eq!(double.state().networks_named("lab-inout"), 1);
    assert_eq!(double.state().container("other").networks(), ["bridge", "lab-inout"]);
    for name in ["lab-node1-a-1", "lab-node2-a-1", "lab-node2-b-1"] {
        assert_eq!(double.state().container(name).status(), "running");
    }
}

/// A bridge that a killed engine left overlaps too, in other words.
#[tokio::test(start_paused = true)]
async fn a_bridge_that_is_left_of_no_network_is_passed_over_and_stays_passed_over() {
    let overlaps =
        "cannot create network 0123 (br-0123): conflicts with network 4567 (br-4567): networks have overlapping IPv4";
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        double.on(Call::CreateNetwork).of(INTERNAL).refuse(403, overlaps);
        cluster.up().await;
        let taken = double.state().network(INTERNAL).subnet();
        assert!(cluster.plan().await.is_empty(), "the block that it took is as good");
        cluster.down().await;
        // The bridge is there still, for every `up`.
        double.on(Call::CreateNetwork).of(INTERNAL).refuse(403, overlaps);
        cluster.up().await;
        assert_eq!(double.state().network(INTERNAL).subnet(), taken);
    }
}
