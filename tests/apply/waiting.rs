//! Containers that others wait for, and that do not become what they are waited for.

use std::time::Duration;

use super::{A, B};
use crate::engine::cluster::{Cluster, failures, operations};
use crate::engine::{Call, EngineDouble, Program};

#[tokio::test(start_paused = true)]
async fn a_container_that_is_unhealthy_is_reported_with_what_its_check_said() {
    for double in EngineDouble::both() {
        double
            .state()
            .set_program(A, Program::Sick("cannot reach the disk\n".to_owned()));
        let cluster = Cluster::on(double.clone()).await;
        let plan = cluster.plan().await;
        let outcome = cluster.apply(&plan).await;
        let failed = failures(&plan, &outcome);
        assert_eq!(failed.len(), 1);
        assert!(
            failed[0].ends_with(&format!("`{A}` is unhealthy: cannot reach the disk")),
            "{failed:?}"
        );
        assert_eq!(operations(&plan, &outcome.skipped), [format!("start container {B}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_while_others_wait_is_reported_with_its_last_line() {
    let double = EngineDouble::v20();
    double.state().set_program(A, Program::Exits(3));
    double
        .on(Call::ListContainers)
        .after(1)
        .meanwhile(|state| state.print(A, "no such file: redis.conf"));
    let cluster = Cluster::of(
        r#"
name: lab
roles:
  node1:
    entry: a
    services:
      a: {image: "redis:7"}
      b: {image: "redis:7", depends_on: {a: {condition: service_healthy}}}
"#,
        double.clone(),
    )
    .await;
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].ends_with(&format!("`{A}` ended with status 3: no such file: redis.conf")),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_killed_for_want_of_memory_is_not_waited_for() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double
        .on(Call::ListContainers)
        .after(1)
        .meanwhile(|state| state.run_out_of_memory(A));
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].contains(&format!("`{A}` ended with status 137")),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_well_in_time_is_reported() {
    let double = EngineDouble::v28();
    let mut cluster = Cluster::on(double.clone()).await;
    // Its first check is after a second.
    cluster.deadline = Some(tokio::time::Instant::now() + Duration::from_millis(500));
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert!(
        failed
            .iter()
            .any(|f| f.contains(&format!("`{A}` is not healthy in time"))),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_removed_while_others_wait_is_reported() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    double
        .on(Call::ListContainers)
        .after(1)
        .meanwhile(|state| state.remove(A, true, true).expect("it is there"));
    let plan = cluster.plan().await;
    let failed = failures(&plan, &cluster.apply(&plan).await);
    assert_eq!(failed.len(), 1);
    assert!(failed[0].ends_with(&format!("`{A}` was removed")), "{failed:?}");
}

/// A role whose container ends by itself with `status` as often as it is started.
fn restless(policy: &str) -> String {
    format!("name: lab\nroles: {{node1: {{entry: a, services: {{a: {{image: \"redis:7\", restart: {policy}}}}}}}}}\n")
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_again_and_again_is_not_up() {
    for double in EngineDouble::both() {
        double.state().set_program(A, Program::Exits(1));
        let cluster = Cluster::of(&restless("always"), double.clone()).await;
        let plan = cluster.plan_and_wait().await;
        let failed = failures(&plan, &cluster.apply(&plan).await);
        let said = format!("await container {A}: `{A}` has ended 7 times, and is started again each time");
        assert_eq!(failed, [said]);
        // It is not up now either, nor will it be, whatever state it is found in.
        let again = cluster.plan_and_wait().await;
        assert!(!again.is_empty(), "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_run_after_a_few_attempts_is_up() {
    for double in EngineDouble::both() {
        double.state().set_program(A, Program::Exits(1));
        let cluster = Cluster::of(&restless("on-failure"), double.clone()).await;
        double
            .on(Call::ListContainers)
            .after(4)
            .meanwhile(|state| state.set_program(A, Program::Serves));
        let plan = cluster.plan_and_wait().await;
        let begun = tokio::time::Instant::now();
        assert_eq!(failures(&plan, &cluster.apply(&plan).await), [""; 0]);
        // As long as the engine itself takes to believe it.
        assert!(begun.elapsed() >= Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_done_is_waited_for_no_more() {
    for (policy, is_done) in [("\"no\"", true), ("on-failure", true), ("unless-stopped", false)] {
        let double = EngineDouble::v28();
        let cluster = Cluster::of(&restless(policy), double.clone()).await;
        cluster.up().await;
        double.state().stop(A);
        assert_eq!(cluster.plan_and_wait().await.is_empty(), is_done, "{policy}");
    }
}
