//! Containers that others take the place of, where the engine refuses those.

use std::collections::BTreeMap;

use crate::engine::cluster::{Cluster, operations};
use crate::engine::{Call, EngineDouble};

/// Three nodes of two services, of which one depends on the other and keeps something that has no name.
const BLUEPRINT: &str = r#"
name: lab
roles:
  node:
    count: 3
    entry: a
    services:
      a: {image: "redis:7", environment: {SIZE: "1"}, volumes: [/cache], ports: ["{{ 8000 + node.index }}:80"]}
      b: {image: "redis:7", environment: {SIZE: "1"}, depends_on: {a: {condition: service_started, restart: true}}}
"#;

const A: &str = "lab-node1-a-1";

/// The first edition up, and the second desired.
async fn changed(double: &EngineDouble) -> (Cluster, BTreeMap<String, String>) {
    Cluster::of(BLUEPRINT, double.clone()).await.up().await;
    let changed = BLUEPRINT.replace("SIZE: \"1\"", "SIZE: \"2\"");
    (Cluster::of(&changed, double.clone()).await, running(double))
}

/// The containers that run, and their ids.
fn running(double: &EngineDouble) -> BTreeMap<String, String> {
    let state = double.state();
    let names = state.container_names().into_iter();
    let running = names
        .map(|name| state.container(name))
        .filter(|c| c.status() == "running");
    running.map(|c| (c.name().to_owned(), c.id().to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_created_takes_nothing_away() {
    for double in EngineDouble::both() {
        let (cluster, before) = changed(&double).await;
        let waiting = format!("{A}.next");
        double
            .on(Call::CreateContainer)
            .of(&waiting)
            .refuse(400, "invalid CapAdd");
        let error = cluster.converge().await.expect_err("it cannot be created");
        insta::assert_snapshot!("not_created", error);
        assert_eq!(running(&double), before);
        assert_eq!(double.state().container_names().len(), 6, "no successor is left");
        assert_eq!(double.count(Call::StopContainer), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_start_is_put_back_before_the_second_is_touched() {
    for double in EngineDouble::both() {
        let (cluster, before) = changed(&double).await;
        double.on(Call::StartContainer).of(A).refuse(400, "no such device");
        let error = cluster.converge().await.expect_err("it cannot be started");
        insta::assert_snapshot!("not_started", error);
        assert_eq!(running(&double), before);
        assert_eq!(double.state().container_names().len(), 6);
        let touched = double.changes();
        let touched = touched.iter().filter(|c| c.starts_with("StopContainer"));
        assert_eq!(touched.count(), 2, "those of one node");
        // It is tried again, and nothing is lost.
        cluster.converge().await.expect("it starts now");
        cluster.up_has_nothing_to_do().await;
        assert_eq!(double.state().container_names().len(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_to_start_again_with_another_is_put_back_with_it() {
    for double in EngineDouble::both() {
        Cluster::of(BLUEPRINT, double.clone()).await.up().await;
        let before = running(&double);
        let changed = BLUEPRINT.replace("SIZE: \"1\"}, volumes", "SIZE: \"2\"}, volumes");
        let cluster = Cluster::of(&changed, double.clone()).await;
        double.on(Call::StartContainer).of(A).refuse(400, "no such device");
        cluster.converge().await.expect_err("it cannot be started");
        assert_eq!(running(&double), before);
    }
}

/// Wherever an `up` is stopped, the next one finishes, and what has no name is kept.
#[tokio::test(start_paused = true)]
async fn wherever_it_is_stopped_the_next_up_finishes_and_keeps_what_has_no_name() {
    for version in [EngineDouble::v20, EngineDouble::v28] {
        let mut count = 0;
        loop {
            let double = version();
            let (cluster, _) = changed(&double).await;
            let cache = double.state().container(A).volume("/cache");
            let plan = cluster.plan().await;
            if count == plan.operations.len() {
                break;
            }
            let (stop, mut ended) = (cluster.stop.clone(), 0);
            cluster
                .apply_and_listen(&plan, &mut |event| {
                    if let topogen::plan::event::Event::Done { .. } = event {
                        ended += 1;
                        if ended > count {
                            stop.send_replace(true);
                        }
                    }
                })
                .await;
            let (cluster, _) = (
                Cluster::of(&BLUEPRINT.replace("\"1\"", "\"2\""), double.clone()).await,
                (),
            );
            cluster.up().await;
            cluster.up_has_nothing_to_do().await;
            assert_eq!(
                double.state().container(A).volume("/cache"),
                cache,
                "stopped after {count}"
            );
            assert_eq!(double.state().container_names().len(), 6);
            cluster.down().await;
            assert_eq!(double.state().left(), [""; 0], "stopped after {count}");
            count += 1;
        }
    }
}

/// What a dry run shows: everything that happens to a node, and how the second waits for the first.
#[tokio::test(start_paused = true)]
async fn the_plan_says_what_happens() {
    let (cluster, _) = changed(&EngineDouble::v28()).await;
    let plan = cluster.plan().await;
    let lines = plan.operations.iter().map(|operation| {
        let after = operations(&plan, &operation.after).join(", ");
        format!("{operation}\n    after {after}")
    });
    insta::assert_snapshot!("replacing", lines.collect::<Vec<String>>().join("\n"));
    insta::assert_snapshot!("replacing_in_short", plan.to_string());
}

/// Whoever takes the name of a successor while that one is put back is not removed in its place.
#[tokio::test(start_paused = true)]
async fn who_takes_the_name_meanwhile_is_left_alone() {
    for double in EngineDouble::both() {
        let (cluster, _) = changed(&double).await;
        double.on(Call::StartContainer).of(A).refuse(400, "no such device");
        double.on(Call::RemoveContainer).of(A).meanwhile(|state| {
            state.rename(A, "lab-elsewhere").expect("renamed");
            state.run(A, "bridge");
        });
        cluster.converge().await.expect_err("it cannot be started");
        let state = double.state();
        let names = state.container_names();
        assert!(names.contains(&A), "{names:?}");
        assert!(!names.contains(&"lab-elsewhere"), "{names:?}");
    }
}
