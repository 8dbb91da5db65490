//! Configs and secrets, which are copied into containers.

use crate::engine::cluster::{Cluster, failures};
use crate::engine::{Call, EngineDouble};

const LINKED: &str = r#"
name: lab
roles:
  node:
    configs: {c: {content: c}}
    services:
      a: {image: "redis:7", volumes: ["data:/run"], configs: [{source: c, target: /var/run/app/c}]}
    volumes: {data: {}}
"#;

#[tokio::test(start_paused = true)]
async fn a_link_of_the_image_leads_no_file_into_a_mount() {
    for double in EngineDouble::both() {
        let cluster = Cluster::of(LINKED, double.clone()).await;
        double.state().files = [("/var", ""), ("/var/run", "/run")]
            .map(|(path, target)| (path.to_owned(), target.to_owned()))
            .into();
        let plan = cluster.plan().await;
        let outcome = cluster.apply(&plan).await;
        assert_eq!(
            failures(&plan, &outcome),
            [
                "start container lab-node-a-1: config `/var/run/app/c` is `/run/app/c` there, which would be written through \
                 the mount at `/run`, which is not the container's own; give it another `target`"
            ]
        );
        assert_eq!(double.state().container("lab-node-a-1").uploads(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_beside_a_mount_is_copied() {
    let double = EngineDouble::v28();
    let cluster = Cluster::of(LINKED, double.clone()).await;
    double.state().files = [("/var".to_owned(), String::new())].into();
    cluster.up().await;
    assert_eq!(double.state().container("lab-node-a-1").uploads(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_mounts_nothing_is_asked_of_paths() {
    let double = EngineDouble::v28();
    let blueprint = LINKED.replace("volumes: [\"data:/run\"], ", "");
    let cluster = Cluster::of(&blueprint, double.clone()).await;
    cluster.up().await;
    assert_eq!(double.count(Call::StatFile), 0);
    assert_eq!(double.state().container("lab-node-a-1").uploads(), 1);
}
