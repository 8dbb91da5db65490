//! A part of a cluster comes up and goes down, and the rest stays as it is.

use std::fs;

use crate::cluster::Cluster;

const BLUEPRINT: &str = r#"
roles:
  lb: {entry: front, services: {front: {image: topogen/fake}}}
  w:
    count: 3
    entry: app
    after: lb
    services: {app: {image: topogen/fake, depends_on: [db]}, db: {image: topogen/fake}, aside: {image: topogen/fake}}
"#;

pub(crate) fn alone() {
    let cluster = Cluster::new();
    let blueprint = cluster.path().join("topogen.yaml");
    fs::write(&blueprint, BLUEPRINT).unwrap();
    let names = |running: &[(&str, &str)]| -> Vec<String> {
        let mut names: Vec<String> = running.iter().map(|(n, s)| cluster.container(n, s)).collect();
        names.sort();
        names
    };
    let running = || -> Vec<String> { cluster.containers(Some("running")).into_keys().collect() };

    // What it depends on comes with it, the role that it comes after too.
    cluster.must("up", &["-q", "w2/app"]);
    assert_eq!(running(), names(&[("lb", "front"), ("w2", "app"), ("w2", "db")]));
    cluster.must("up", &["-q"]);
    let before = cluster.containers(None);
    assert_eq!(before.len(), 10);

    // What differs elsewhere stays; what was asked for is recreated though nothing differs.
    fs::write(
        &blueprint,
        BLUEPRINT.replace("aside: {image", "aside: {tty: true, image"),
    )
    .unwrap();
    cluster.must("up", &["-q", "w1/app", "--no-deps", "--force-recreate"]);
    let after = cluster.containers(Some("running"));
    for (name, id) in &before {
        let same = *name != cluster.container("w1", "app");
        assert_eq!(after.get(name) == Some(id), same, "{name}");
    }

    // The network of a node goes with its last container.
    cluster.must("down", &["-q", "w1", "w2/aside"]);
    assert_eq!(cluster.containers(None).len(), 6);
    let networks = cluster.networks();
    assert_eq!(networks.len(), 4, "{networks:?}");
    assert!(
        !networks.contains(&format!("{}-w1_internal", cluster.name)),
        "{networks:?}"
    );
}
