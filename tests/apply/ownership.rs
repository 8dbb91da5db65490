//! What is topogen's and what is not, whatever labels say.

use serde_json::json;
use topogen::engine::observe;
use topogen::plan::conflict::Conflict;
use topogen::plan::reconcile::{self, Options};

use super::{A, B};
use crate::engine::EngineDouble;
use crate::engine::cluster::{BLUEPRINT, Cluster, failures};

/// [`BLUEPRINT`], which declares a volume of its own, with another environment.
fn changed() -> String {
    BLUEPRINT.replace("depends_on:", "environment: {SIZE: \"2\"}\n        depends_on:")
}

#[tokio::test(start_paused = true)]
async fn labels_of_an_image_remove_no_volume() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        let theirs = "0123456789abcdef".repeat(4);
        for volume in ["precious", theirs.as_str()] {
            double.state().create_volume(volume, json!({}));
        }
        let labels = json!({"io.topogen.carried": format!("precious,{theirs}"), "io.topogen.volumes": ""});
        double.state().add_labelled_image("redis:7", labels);
        cluster.up().await;
        let again = Cluster::of(&changed(), double.clone()).await;
        again.up().await;
        again.down().await;
        assert_eq!(
            double.state().left(),
            [format!("volume {theirs}"), "volume precious".to_owned()]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_label_that_lies_removes_only_what_is_anonymous_and_mounted_by_nobody_else() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        let mut body = double.state().container(B).body().clone();
        let (theirs, own) = ("0123456789abcdef".repeat(4), "fedcba9876543210".repeat(4));
        body["Labels"]["io.topogen.carried"] = json!(format!("precious,{theirs},{own}"));
        body["HostConfig"]["Binds"] = json!(["precious:/a", format!("{theirs}:/b"), format!("{own}:/c")]);
        body["NetworkingConfig"] = json!({"EndpointsConfig": {"lab-node1_internal": {}}});
        double.state().remove(B, true, true).expect("it is there");
        double.state().create(B, body).expect("the name is free");
        let body = json!({"Image": "redis:7", "HostConfig": {"Binds": [format!("{theirs}:/b")]}});
        double.state().create("stranger", body).expect("the name is free");
        cluster.down().await;
        assert_eq!(
            double.state().left(),
            [
                "container stranger".to_owned(),
                format!("volume {theirs}"),
                "volume precious".to_owned()
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_of_an_image_committed_from_a_node_is_somebody_elses() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().commit(A, "snapshot:1");
        for name in ["snapshot", "lab-node3-a-1"] {
            let body = json!({"Image": "snapshot:1"});
            double.state().create(name, body).expect("the name is free");
            double.state().start(name).expect("it starts");
        }
        let observed = cluster.observe().await;
        assert_eq!((observed.containers.len(), observed.foreign.len()), (4, 2));
        let ours = Some(&cluster.desired.cluster);
        let listed = observe::containers(&cluster.engine, ours).await.expect("an answer");
        assert_eq!(listed.len(), 4);
        let all = observe::containers(&cluster.engine, None).await.expect("an answer");
        assert_eq!(all.len(), 4);
        assert!(cluster.plan().await.is_empty());
        cluster.down().await;
        assert_eq!(double.state().left(), ["container lab-node3-a-1", "container snapshot"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_of_a_committed_image_in_a_nodes_place_is_in_the_way() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().commit(A, "snapshot:1");
        double.state().remove(A, true, true).expect("it is there");
        double
            .state()
            .create(A, json!({"Image": "snapshot:1"}))
            .expect("the name is free");
        let plan = reconcile::up(&cluster.desired, &cluster.observe().await, &Options::default());
        // Of one node only: the others come up.
        let plan = plan.expect("a plan");
        let conflict = Conflict::ForeignContainer {
            name: A.to_owned(),
            project: Some("lab-node1".to_owned()),
        };
        assert!(plan.to_string().contains(&conflict.to_string()), "{plan}");
        let id = double.state().container(A).id().to_owned();
        cluster.apply(&plan).await;
        assert_eq!(double.state().container(A).id(), id);
    }
}

/// Somebody else takes the name of a container that is about to start again.
#[tokio::test(start_paused = true)]
async fn who_took_the_name_of_what_starts_is_not_started() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().stop(A);
        let plan = cluster.plan().await;
        double.state().rename(A, "mine").expect("the name is free");
        double.state().add_image("anything:1");
        let body = json!({"Image": "anything:1"});
        double.state().create(A, body).expect("the name is free");
        let outcome = cluster.apply(&plan).await;
        assert_eq!(
            failures(&plan, &outcome),
            [format!(
                "start container {A}: container `{A}` is not of this cluster any more"
            )]
        );
        assert_eq!(double.state().container(A).status(), "created");
    }
}

/// Somebody makes such a container while an `up` is about to create its own.
#[tokio::test(start_paused = true)]
async fn a_container_of_a_committed_image_that_came_meanwhile_is_not_taken_over() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().commit(A, "snapshot:1");
        double.state().remove(A, true, true).expect("it is there");
        double
            .on(crate::engine::Call::CreateContainer)
            .of(A)
            .meanwhile(|state| {
                state
                    .create(A, json!({"Image": "snapshot:1"}))
                    .expect("the name is free");
            });
        let plan = cluster.plan().await;
        let outcome = cluster.apply(&plan).await;
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(double.state().container(A).status(), "created");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_of_an_image_committed_from_itself_stays_topogens() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().commit(A, "redis:7");
        cluster.up().await;
        assert!(cluster.plan().await.is_empty());
        assert_eq!(cluster.observe().await.containers.len(), 4);
        cluster.down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn networks_and_volumes_that_only_name_the_cluster_are_left_alone() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        let labels = json!({"io.topogen.cluster": "lab"});
        double.state().create_volume("precious", labels.clone());
        let network = json!({"Name": "theirs", "Labels": labels});
        double.state().create_network(network).expect("the name is free");
        cluster.up_has_nothing_to_do().await;
        cluster.down().await;
        assert_eq!(double.state().left(), ["network theirs", "volume precious"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_renamed_by_hand_gets_its_name_back() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        let id = double.state().container(A).id().to_owned();
        double.state().rename(A, "mine").expect("the name is free");
        double.state().kill("mine", "KILL").expect("it runs");
        let plan = cluster.plan().await;
        insta::assert_snapshot!("renamed_by_hand", plan.to_string());
        cluster.up().await;
        let state = double.state();
        assert_eq!(
            (state.container(A).id(), state.container(A).status()),
            (&*id, "running")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn containers_that_have_each_others_names_get_their_own_back() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        let ids = [A, B].map(|name| double.state().container(name).id().to_owned());
        for (from, to) in [(A, "x"), (B, A), ("x", B)] {
            double.state().rename(from, to).expect("the name is free");
        }
        let plan = cluster.plan().await;
        insta::assert_snapshot!("names_exchanged", plan.to_string());
        cluster.up().await;
        assert_eq!([A, B].map(|name| double.state().container(name).id().to_owned()), ids);
        cluster.up_has_nothing_to_do().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renamed_container_whose_name_a_stranger_took_is_not_renamed() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        double.state().rename(A, "mine").expect("the name is free");
        double.state().run(A, "bridge");
        let plan = cluster.plan().await;
        assert!(plan.to_string().contains("is not of this cluster"), "{plan}");
        cluster.apply(&plan).await;
        assert!(double.changes().iter().all(|c| !c.starts_with("RenameContainer")));
        assert_eq!(double.state().container("mine").status(), "running");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renamed_container_that_has_to_be_another_one_is_recreated_under_its_name() {
    for double in EngineDouble::both() {
        Cluster::on(double.clone()).await.up().await;
        double.state().rename(B, "mine").expect("the name is free");
        let cluster = Cluster::of(&changed(), double.clone()).await;
        cluster.up().await;
        assert_eq!(double.state().container(B).status(), "running");
        assert_eq!(double.state().container_names().len(), 4);
        cluster.up_has_nothing_to_do().await;
    }
}
