//! An engine that is lost, hangs, or is stopped in the middle.

use std::time::Duration;

use super::{A, B};
use crate::engine::cluster::{Cluster, operations};
use crate::engine::{Call, EngineDouble};
use topogen::plan::event::Event;

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_in_the_middle_is_lost_and_nothing_is_claimed() {
    let double = EngineDouble::v20();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::StartContainer).of(A).go_down();
    let plan = cluster.plan().await;
    let outcome = cluster.apply(&plan).await;
    assert!(outcome.lost.is_some());
    // Others may have been in flight; none of them is done.
    let failed: Vec<usize> = outcome.failed.iter().map(|(at, _)| *at).collect();
    assert!(operations(&plan, &failed).contains(&format!("start container {A}")));
    let done = operations(&plan, &outcome.done);
    assert!(!done.iter().any(|o| o.starts_with("start ")), "{done:?}");
    let all = outcome.done.len() + outcome.failed.len() + outcome.skipped.len() + outcome.unbegun;
    assert_eq!(all, plan.operations.len());
    assert_eq!(double.state().container(A).status(), "created");
}

#[tokio::test(start_paused = true)]
async fn what_was_done_without_an_answer_is_found_done_by_the_next_up() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::StartContainer).of(A).lose_answer();
    let plan = cluster.plan().await;
    let outcome = cluster.apply(&plan).await;
    assert!(outcome.lost.is_some());
    assert!(!operations(&plan, &outcome.done).contains(&format!("start container {A}")));
    assert_eq!(double.state().container(A).status(), "running");
    let rest = cluster.plan().await;
    let all: Vec<usize> = (0..rest.operations.len()).collect();
    assert!(!operations(&rest, &all).contains(&format!("start container {A}")));
    cluster.up().await;
    assert_eq!(double.state().container(B).status(), "running");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_is_given_up() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::StartContainer).of(A).hang();
    let plan = cluster.plan().await;
    let outcome = cluster.apply(&plan).await;
    assert_eq!(outcome.lost.as_deref(), Some("no answer in 600 s"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_end_what_is_in_flight_and_begins_nothing_more() {
    let double = EngineDouble::v28();
    let cluster = Cluster::on(double.clone()).await;
    double.on(Call::CreateNetwork).always().take(Duration::from_secs(3));
    let plan = cluster.plan().await;
    let mut in_flight = None;
    let mut report = |event: Event<'_>| match event {
        Event::Started { operation, .. } if operation.subject == "lab-inout" => {
            cluster.stop.send_replace(true);
        }
        Event::Stopping { in_flight: count } => in_flight = Some(count),
        _ => {}
    };
    let outcome = cluster.apply_and_listen(&plan, &mut report).await;
    assert!(in_flight.is_some());
    assert_eq!(outcome.failed, []);
    assert!(operations(&plan, &outcome.done).contains(&"create network lab-inout".to_owned()));
    assert_eq!(outcome.done.len() + outcome.unbegun, plan.operations.len());
    assert_eq!(double.count(Call::CreateContainer), 0);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_at_first_is_no_engine() {
    use topogen::engine::connect::host::Host;
    use topogen::engine::connect::{Engine, Patience};
    let refused = || async { Err::<tokio::io::DuplexStream, _>(std::io::ErrorKind::ConnectionRefused.into()) };
    let error = Engine::over(Host::Unix("/double.sock".into()), refused, Patience::default())
        .await
        .expect_err("nobody answers");
    assert!(
        error.message.starts_with("no engine answers at unix:///double.sock"),
        "{error}"
    );
}
