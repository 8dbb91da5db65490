//! What `apply` does on an engine that does not do what is asked.

mod containers;
mod files;
mod lost;
mod networks;
mod ownership;
mod removal;
mod replacing;
mod silence;
mod waiting;

use crate::engine::EngineDouble;
use crate::engine::cluster::Cluster;

/// The container that starts first.
const A: &str = "lab-node1-a-1";
/// The one of the same node that waits for it.
const B: &str = "lab-node1-b-1";

#[tokio::test(start_paused = true)]
async fn an_up_from_nothing_and_a_down_leave_nothing() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double.clone()).await;
        cluster.up().await;
        assert_eq!(
            double.state().left(),
            [
                "container lab-node1-a-1",
                "container lab-node1-b-1",
                "container lab-node2-a-1",
                "container lab-node2-b-1",
                "network lab-inout",
                "network lab-node1_internal",
                "network lab-node2_internal",
                "volume lab-node1_data",
                "volume lab-node2_data",
            ]
        );
        assert_eq!(
            double.state().container(A).networks(),
            ["lab-inout", "lab-node1_internal"]
        );
        cluster.down().await;
        assert_eq!(double.state().left(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_up_of_what_is_up_has_nothing_to_do() {
    for double in EngineDouble::both() {
        let cluster = Cluster::on(double).await;
        cluster.up().await;
        assert_eq!(
            cluster.plan().await.to_string(),
            topogen::plan::Plan::default().to_string()
        );
    }
}

/// An engine of that kind on which the cluster is up: what another `up` of it makes.
async fn twin(double: EngineDouble) -> EngineDouble {
    Cluster::on(double.clone()).await.up().await;
    double
}
