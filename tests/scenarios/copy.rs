//! Files are copied between here and containers.

use std::fs;

use crate::cluster::Cluster;

const BLUEPRINT: &str = r#"
roles:
  w: {count: 3, entry: app, services: {app: {image: topogen/fake}, db: {image: topogen/fake}}}
"#;

/// There and back again, to a whole role at once, as `docker cp` names things.
pub(crate) fn there_and_back() {
    let cluster = Cluster::new();
    let path = cluster.path().to_owned();
    fs::write(path.join("topogen.yaml"), BLUEPRINT).unwrap();
    cluster.must("up", &["-q"]);
    fs::create_dir_all(path.join("site/deep")).unwrap();
    fs::write(path.join("site/deep/a.txt"), "a").unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(path.join("large"), &large).unwrap();

    // A directory that is not there takes the name; one that is there holds it.
    cluster.must("cp", &["site", "w:/srv"]);
    cluster.must("cp", &["site", "w:/srv"]);
    cluster.must("cp", &["site/.", "w2/db:/"]);
    cluster.must("cp", &["large", "w3:/srv/deep/other"]);
    fs::create_dir(path.join("back")).unwrap();
    for node in ["w1", "w2", "w3"] {
        let here = format!("back/{node}");
        cluster.must("cp", &[&format!("{node}:/srv"), &here]);
        assert_eq!(fs::read_to_string(path.join(&here).join("deep/a.txt")).unwrap(), "a");
        assert_eq!(
            fs::read_to_string(path.join(&here).join("site/deep/a.txt")).unwrap(),
            "a"
        );
    }
    cluster.must("cp", &["w3/app:/srv/deep/other", "back"]);
    assert!(fs::read(path.join("back/other")).unwrap() == large);
    cluster.must("cp", &["w2/db:/deep/a.txt", "back/b.txt"]);
    assert_eq!(fs::read_to_string(path.join("back/b.txt")).unwrap(), "a");

    for wrong in [
        &["large", "w1:/nowhere/large"][..],
        &["site", "w1:/srv/deep/a.txt"],
        &["w1:/nowhere", "back"],
        &["w1:/srv", "large"],
    ] {
        let output = cluster.run("cp", wrong);
        assert!(!output.status.success(), "{wrong:?}");
    }
}
