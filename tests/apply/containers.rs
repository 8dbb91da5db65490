//! Containers that are not as they were when the plan was made.

use serde_json::json;

use super::{A, B, twin};
use crate::engine::cluster::{Cluster, failures, operations};
use crate::engine::{Call, EngineDouble};

#[tokio::test(start_paused = true)]
async fn a_container_that_another_up_made_first_is_taken_over() {
    for (double, other) in EngineDouble::both().into_iter().zip(EngineDouble::both()) {
        let body = twin(other).await.state().container(A).body().clone();
        let cluster = Cluster::on(double.clone()).await;
        double.on(Call::CreateContainer).of(A).meanwhile(move |state| {
            // It has joined no network yet.
            let mut body = body.clone();
            body["NetworkingConfig"] = json!({"EndpointsConfig": {"lab-node1_internal": {}}});
            state.create(A, body).expect("the name is free");
        });
        cluster.up().await;
        assert_eq!(double.state().container_names().len(), 4);
        assert_eq!(
            double.state().container(A).networks(),
            ["lab-inout", "lab-node1_internal"]
        );
        assert_eq!(double.state().container(A).status(), "running");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_stranger_took_fails_and_stops_only_what_depends_on_it() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    double
        .on(Call::CreateContainer)
        .of(A)
        .meanwhile(|state| state.run(A, "bridge"));
    let plan = cluster.plan().await;
    let outcome = cluster.apply(&plan).await;
    let id = double.state().container(A).id().to_owned();
    assert_eq!(
        failures(&plan, &outcome),
        [format!(
            "create container {A}: Conflict. The container name \"/{A}\" is already in use by container \"{id}\". You \
             have to remove (or rename) that container to be able to reuse that name."
        )]
    );
    let skipped = operations(&plan, &outcome.skipped);
    assert!(skipped.iter().all(|o| o.contains("node1")), "{skipped:?}");
    let asked = double.changes();
    let asked = asked.iter().filter(|c| **c == format!("CreateContainer {A}"));
    assert_eq!(asked.count(), 1, "it will not go away");
    assert_eq!(double.state().container(A).networks(), ["bridge"], "it is left alone");
    assert_eq!(double.state().container("lab-node2-b-1").status(), "running");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_just_being_let_go_is_waited_for() {
    let double = EngineDouble::v28();
    let body = twin(EngineDouble::v28()).await.state().container(A).body().clone();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::CreateContainer).of(A).meanwhile(move |state| {
        state.create(A, body.clone()).expect("the name is free");
        state.begin_removal(A);
    });
    double
        .on(Call::CreateContainer)
        .of(A)
        .after(3)
        .meanwhile(|state| state.finish_removal(A));
    cluster.up().await;
    assert_eq!(double.state().container(A).status(), "running");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_removed_when_it_is_to_start_is_created_again() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        double
            .on(Call::StartContainer)
            .of(A)
            .meanwhile(|state| state.remove(A, true, true).expect("it is there"));
        cluster.up().await;
        let made = double.changes();
        let made = made.iter().filter(|c| **c == format!("CreateContainer {A}"));
        assert_eq!(made.count(), 2);
        assert_eq!(
            double.state().container(A).networks(),
            ["lab-inout", "lab-node1_internal"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_removed_when_it_is_to_be_connected_is_created_again() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    // The first `up` ends between the creation and the second network.
    double.on(Call::Connect).of(A).lose();
    let plan = cluster.plan().await;
    assert!(cluster.apply(&plan).await.lost.is_some());
    double
        .on(Call::Connect)
        .of(A)
        .meanwhile(|state| state.remove(A, true, true).expect("it is there"));
    cluster.up().await;
    assert_eq!(
        double.state().container(A).networks(),
        ["lab-inout", "lab-node1_internal"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_is_reported_in_its_words() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double
        .on(Call::StartContainer)
        .of(B)
        .refuse(500, "no space left on device");
    let plan = cluster.plan().await;
    let outcome = cluster.apply(&plan).await;
    assert_eq!(
        failures(&plan, &outcome),
        [format!("start container {B}: no space left on device")]
    );
    assert_eq!(outcome.lost, None);
    assert_eq!(outcome.done.len() + 1, plan.operations.len());
}

#[tokio::test(start_paused = true)]
async fn files_are_put_into_a_container_again_where_it_is_created_again() {
    let blueprint = r#"
name: lab
roles:
  node:
    entry: a
    services:
      a: {image: "redis:7", configs: [greeting]}
    configs: {greeting: {content: hello}}
"#;
    let double = EngineDouble::v28();
    let cluster = Cluster::of(blueprint, double.clone()).await;
    let a = "lab-node-a-1";
    double
        .on(Call::StartContainer)
        .of(a)
        .meanwhile(move |state| state.remove(a, true, true).expect("it is there"));
    cluster.up().await;
    assert_eq!(double.count(Call::Upload), 2);
    assert_eq!(double.state().container(a).uploads(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_is_pulled_from_where_it_is_and_fails_where_it_is_not() {
    let blueprint =
        |image: &str| format!("name: lab\nroles: {{node: {{entry: a, services: {{a: {{image: \"{image}\"}}}}}}}}");
    let double = EngineDouble::v28().with_registry("nginx:1");
    Cluster::of(&blueprint("nginx:1"), double.clone()).await.up().await;
    assert_eq!(double.state().container("lab-node-a-1").status(), "running");

    let double = EngineDouble::v28();
    let cluster = Cluster::of(&blueprint("nginx:1"), double.clone()).await;
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].starts_with("pull image nginx:1: pull access denied for nginx"),
        "{failed:?}"
    );
    assert_eq!(
        double.state().left(),
        [""; 0],
        "nothing is made that cannot be finished"
    );
}

#[tokio::test(start_paused = true)]
async fn a_port_that_somebody_else_took_meanwhile_is_reported() {
    let blueprint = r#"
name: lab
roles: {node: {entry: a, services: {a: {image: "redis:7", ports: ["8080:80"]}}}}
"#;
    let double = EngineDouble::v28();
    let cluster = Cluster::of(blueprint, double.clone()).await;
    double.on(Call::StartContainer).meanwhile(|state| {
        let host = json!({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}});
        state
            .create("other", json!({"Image": "redis:7", "HostConfig": host}))
            .expect("the name is free");
        state.start("other").expect("the port is free");
    });
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].ends_with("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{failed:?}"
    );
}

/// A port that the engine chose itself is another one at the next start; one that the blueprint names is not tried again.
#[tokio::test(start_paused = true)]
async fn a_port_of_the_engines_choice_that_is_taken_is_another_one() {
    let taken = |port: &str| {
        format!(
            "driver failed programming external connectivity on endpoint lab-node-a-1 (0123): Error starting userland proxy: \
             listen tcp4 127.0.0.1:{port}: bind: address already in use"
        )
    };
    let blueprint = r#"
name: lab
roles: {node: {entry: a, services: {a: {image: "redis:7", ports: ["127.0.0.1::80", "127.0.0.1:8080:81"]}}}}
"#;
    for (port, times, starts) in [("49153", 2, true), ("49153", 6, false), ("8080", 1, false)] {
        let double = EngineDouble::v20();
        let cluster = Cluster::of(blueprint, double.clone()).await;
        double.on(Call::StartContainer).times(times).refuse(500, &taken(port));
        let plan = cluster.plan().await;
        let failed = failures(&plan, &cluster.apply(&plan).await);
        assert_eq!(failed.is_empty(), starts, "{port}, {times} times: {failed:?}");
    }
}
