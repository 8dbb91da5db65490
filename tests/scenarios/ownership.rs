//! What images carry is nobody's claim.

use std::fs;

use crate::cluster::{Cluster, docker};

const BLUEPRINT: &str = "roles: {node: {entry: app, services: {app: {image: IMAGE, environment: {SIZE: 1}}}}}";

/// A container of an image committed from a node is left alone, and a node of such an image is not. A label of an image
/// removes no volume. A container renamed by hand gets its name back.
pub(crate) fn what_images_carry() {
    let mut cluster = Cluster::new();
    let [image, guest, volume] = ["image", "guest", "precious"].map(|what| format!("{}-{what}", cluster.name));
    cluster.finally(&["rm", "-f", "-v", &guest]);
    cluster.finally(&["rmi", "-f", &image]);
    cluster.finally(&["volume", "rm", &volume]);
    let write = |cluster: &Cluster, text: &str| fs::write(cluster.path().join("topogen.yaml"), text).unwrap();
    write(&cluster, &BLUEPRINT.replace("IMAGE", "topogen/fake"));
    cluster.must("up", &[]);
    let app = cluster.container("node", "app");
    let id = |name: &str| docker(&["inspect", "-f", "{{.Id}}", name]);

    docker(&["volume", "create", &volume]);
    let label = format!("LABEL io.topogen.carried={volume}");
    docker(&["commit", "-c", &label, &app, &image]);
    docker(&["run", "-d", "--name", &guest, &image]);
    let (guest_id, app_id) = (id(&guest), id(&app));
    docker(&["rename", &app, &format!("{app}-by-hand")]);
    cluster.must("up", &[]);
    assert_eq!((id(&app), id(&guest)), (app_id, guest_id.clone()));

    write(&cluster, &BLUEPRINT.replace("IMAGE", &image));
    cluster.must("up", &[]);
    write(
        &cluster,
        &BLUEPRINT.replace("IMAGE", &image).replace("SIZE: 1", "SIZE: 2"),
    );
    cluster.must("up", &[]);
    let ours = cluster.must("ps", &["--format", "json"]);
    assert!(ours.contains(&app) && !ours.contains(&guest), "{ours}");
    cluster.must("down", &[]);
    assert_eq!(id(&guest), guest_id);
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &guest]), "true");
    assert_eq!(
        docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]),
        volume
    );
}
