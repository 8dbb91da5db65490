//! An engine that accepts calls and does not answer them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use topogen::engine::connect::Patience;
use topogen::engine::observe;

use crate::engine::{Call, EngineDouble};

type Lines = Arc<Mutex<Vec<String>>>;

fn patience(seconds: u64) -> (Patience, Lines) {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    let notice = Arc::new(move |line: &str| kept.lock().expect("no panic").push(line.to_owned()));
    let limit = Duration::from_secs(seconds);
    (Patience { limit, notice }, lines)
}

/// Whatever is asked first: it ends after the limit, with what was answered and what was not, and a line says so before.
#[tokio::test(start_paused = true)]
async fn a_look_that_is_not_answered_ends_and_says_what_was() {
    let mut text = String::new();
    for call in [
        Call::ListNetworks,
        Call::ListContainers,
        Call::ListImages,
        Call::ListVolumes,
    ] {
        let double = EngineDouble::v28();
        let (patience, lines) = patience(20);
        let engine = double.connect_with(patience).await;
        double.on(call).hang();
        let cluster = "lab".parse().expect("a name");
        let observed = observe::observe(&engine, &cluster, false).await;
        let fault = observed.expect_err("no answer");
        text += &format!("{call:?}\n{}\n{fault}\n\n", lines.lock().expect("no panic").join("\n"));
    }
    insta::assert_snapshot!(text);
}

/// A call that changes something is waited for, since it may be carried out; that is said too.
#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_answered_is_named_and_waited_for() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (patience, lines) = patience(20);
    let engine = double.connect_with(patience).await;
    double.on(Call::CreateNetwork).take(Duration::from_secs(40));
    let request = bollard::models::NetworkCreateRequest {
        name: "net".to_owned(),
        ..Default::default()
    };
    engine
        .docker
        .create_network(request)
        .await
        .expect("an answer in the end");
    let lines = lines.lock().expect("no panic").join("\n");
    insta::assert_snapshot!(lines);
}

/// Stopping takes as long as the container wants, and an engine that answers other calls is well.
#[tokio::test(start_paused = true)]
async fn what_takes_its_time_on_an_engine_that_answers_is_not_named() {
    let double = EngineDouble::v28().with_image("redis:7");
    let (patience, lines) = patience(20);
    let engine = double.connect_with(patience).await;
    double.on(Call::StopContainer).always().take(Duration::from_secs(15));
    double.state().run("a", "bridge");
    let stop = async { engine.docker.stop_container("a", None).await.expect("it stops") };
    stop.await;
    double.on(Call::CreateNetwork).take(Duration::from_secs(10));
    let request = bollard::models::NetworkCreateRequest {
        name: "net".to_owned(),
        ..Default::default()
    };
    let answers = async {
        for _ in 0..10 {
            engine.ping().await.expect("an answer");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (created, ()) = tokio::join!(engine.docker.create_network(request), answers);
    created.expect("an answer in the end");
    assert_eq!(*lines.lock().expect("no panic"), [""; 0]);
}
