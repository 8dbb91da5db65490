//! What is wrong with containers, as each command says it, on an engine inside the test process.

use std::process::Output;

use serde_json::Value;
use topogen::cluster::verdict;

use crate::engine::cluster::{Cluster, failures, words};
use crate::engine::{EngineDouble, Program, Socket};
use crate::support::{stderr, stdout};
use crate::whole::{directory_of, topogen};

/// The container of a service that others share the network of.
const P: &str = "lab-r-p-1";
/// The one that lives in its network.
const S: &str = "lab-r-s-1";

const SIDECAR: &str = r#"
name: lab
roles: {r: {entry: p, services: {p: {image: "redis:7"}, s: {image: "redis:7", network_mode: "service:p"}}}}
"#;

/// One thing that happens to the containers of a cluster, by hand or by itself.
type Deed = fn(&EngineDouble);

/// Whatever leaves the sidecar behind in a network of the past.
const LEAVING: [(&str, Deed); 3] = [
    ("docker restart", |double| {
        double.state().stop(P);
        double.state().start(P).expect("it starts");
    }),
    ("docker stop", |double| double.state().stop(P)),
    ("docker rm -f", |double| {
        double.state().remove(P, true, true).expect("it is there")
    }),
];

/// What is wrong with the container of that name, in words.
async fn wrong(cluster: &Cluster, name: &str) -> String {
    let observed = cluster.observe().await;
    let container = observed.containers.iter().find(|c| c.name == name);
    let spec = cluster
        .desired
        .containers()
        .find(|c| c.name.as_str() == name)
        .expect("it is desired");
    verdict(spec.duty, container).to_string()
}

#[tokio::test(start_paused = true)]
async fn up_mends_what_lives_in_the_network_of_an_earlier_run() {
    for double in EngineDouble::both() {
        for (what, deed) in LEAVING {
            let cluster = Cluster::of(SIDECAR, double.clone()).await;
            cluster.up().await;
            assert!(cluster.plan().await.is_empty());
            deed(&double);
            let said = wrong(&cluster, S).await;
            assert!(said.starts_with("is in the network of "), "{what}: {said}");
            cluster.up().await;
            for container in [P, S] {
                assert_eq!(wrong(&cluster, container).await, "runs", "{what}");
            }
            assert!(cluster.plan().await.is_empty(), "{what}");
            cluster.down().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_runs_again_is_told_with_its_name() {
    let double = EngineDouble::v28();
    let cluster = Cluster::of(SIDECAR, double.clone()).await;
    cluster.up().await;
    let (_, restart) = LEAVING[0];
    restart(&double);
    assert_eq!(
        wrong(&cluster, S).await,
        format!("is in the network of an earlier run of `{P}`")
    );
    let plan = cluster.plan().await;
    let plan_words: Vec<String> = plan.operations.iter().map(words).collect();
    assert_eq!(
        plan_words,
        [format!("stop container {S}"), format!("start container {S}")]
    );
    assert_eq!(failures(&plan, &cluster.apply(&plan).await), [""; 0]);
}

/// An engine with a cluster of that blueprint on it, and the directory of the blueprint.
struct Field {
    double: EngineDouble,
    directory: tempfile::TempDir,
    socket: Socket,
}

impl Field {
    fn of(blueprint: &str, double: EngineDouble) -> Self {
        let double = double.with_image("redis:7");
        Self {
            socket: double.listen(),
            directory: directory_of(blueprint),
            double,
        }
    }

    fn up(blueprint: &str, double: EngineDouble) -> Self {
        let field = Self::of(blueprint, double);
        let up = field.run(&["up"]);
        assert!(up.status.success(), "{}", stderr(&up));
        field
    }

    fn run(&self, arguments: &[&str]) -> Output {
        topogen(&self.directory, &self.socket, arguments)
    }

    /// What `ps` says of each service: `r/p running`.
    fn ps(&self) -> Vec<String> {
        let output = self.run(&["ps", "--format", "json"]);
        let nodes: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let services = list(&nodes).into_iter().flat_map(|node| {
            let name = text(&node["node"]);
            let services = list(&node["services"]).into_iter();
            services.map(move |s| format!("{name}/{} {}", text(&s["service"]), text(&s["verdict"])))
        });
        services.collect()
    }
}

#[test]
fn start_mends_what_lives_in_the_network_of_what_it_starts() {
    for double in EngineDouble::both() {
        let field = Field::up(SIDECAR, double);
        let stop = field.run(&["stop", "r/p"]);
        assert!(
            stderr(&stop).contains(&format!("`{S}` runs on without a network")),
            "{}",
            stderr(&stop)
        );
        assert_eq!(field.ps(), ["r/p exited", "r/s cut off"]);
        let start = field.run(&["start", "r/p"]);
        assert!(start.status.success(), "{}", stderr(&start));
        assert_eq!(field.ps(), ["r/p running", "r/s running"]);
        // What was started again by hand is mended by a start of either.
        field.double.state().stop(P);
        field.double.state().start(P).expect("it starts");
        assert_eq!(field.ps(), ["r/p running", "r/s cut off"]);
        let start = field.run(&["start", "r/s"]);
        assert!(start.status.success(), "{}", stderr(&start));
        assert_eq!(field.ps(), ["r/p running", "r/s running"]);
    }
}

const NODES: &str = r#"
name: lab
roles:
  head: {entry: a, services: {a: {image: "redis:7", depends_on: [b]}, b: {image: "redis:7"}}}
  node: {count: 3, entry: a, services: {a: {image: "redis:7"}, b: {image: "redis:7"}}}
"#;

#[test]
fn what_was_removed_by_hand_is_missing() {
    let field = Field::up(NODES, EngineDouble::v20());
    for gone in ["lab-node1-b-1", "lab-node2-a-1", "lab-node2-b-1", "lab-head-b-1"] {
        field.double.state().remove(gone, true, true).expect("it is there");
    }
    let expected = [
        "head/a running",
        "head/b missing",
        "node1/a running",
        "node1/b missing",
        "node2/a missing",
        "node2/b missing",
        "node3/a running",
        "node3/b running",
    ];
    assert_eq!(field.ps(), expected);
    // Nor is the blueprint needed for that.
    std::fs::remove_file(field.directory.path().join("topogen.yaml")).expect("it is there");
    let table = stdout(&field.run(&["ps", "-n", "lab"]));
    let first: Vec<&str> = table.lines().skip(1).take(1).collect();
    assert!(first[0].starts_with("head") && table.contains("missing"), "{table}");
    let one = field.run(&["ps", "-n", "lab", "node2/b"]);
    assert!(stdout(&one).contains("missing"), "{}", stderr(&one));
}

#[test]
fn what_only_the_blueprint_knows_of_is_missing_too() {
    let blueprint = r#"
name: lab
roles:
  head: {entry: a, services: {a: {image: "redis:7"}, b: {image: "redis:7"}}}
  node: {count: 2, entry: a, services: {a: {image: "redis:7"}}}
"#;
    let field = Field::up(blueprint, EngineDouble::v28());
    field
        .double
        .state()
        .remove("lab-head-b-1", true, true)
        .expect("it is there");
    assert_eq!(
        field.ps(),
        ["head/a running", "head/b missing", "node1/a running", "node2/a running"]
    );
    // A lower count is somebody's will, not a loss.
    let fewer = field.run(&["up", "--scale", "node=1"]);
    assert!(fewer.status.success(), "{}", stderr(&fewer));
    assert_eq!(field.ps(), ["head/a running", "head/b running", "node1/a running"]);
    field
        .double
        .state()
        .remove("lab-head-a-1", true, true)
        .expect("it is there");
    field
        .double
        .state()
        .remove("lab-head-b-1", true, true)
        .expect("it is there");
    assert_eq!(field.ps(), ["head/a missing", "head/b missing", "node1/a running"]);
}

#[test]
fn what_ended_with_0_is_done_only_where_the_blueprint_says_so() {
    let services = r#"
name: lab
roles:
  r:
    entry: web
    services:
      web: {image: "redis:7", depends_on: {job: {condition: service_completed_successfully}}}
      job: {image: "redis:7", restart: always}
      once: {image: "redis:7", restart: "no"}
      retried: {image: "redis:7", deploy: {restart_policy: {condition: on-failure}}}
      served: {image: "redis:7", restart: "no", expose: [80]}
      silent: {image: "redis:7"}
"#;
    let double = EngineDouble::v28();
    // Each ends as it is told; the job by itself.
    double.state().set_program("lab-r-job-1", Program::Exits(0));
    let field = Field::of(&services.replace(", restart: always", ""), double);
    let up = field.run(&["up"]);
    assert!(up.status.success(), "{}", stderr(&up));
    for ended in ["once", "retried", "served", "silent"] {
        field.double.state().stop(&format!("lab-r-{ended}-1"));
    }
    let expected = [
        "r/job completed",
        "r/once completed",
        "r/retried completed",
        "r/served exited",
        "r/silent exited",
        "r/web running",
    ];
    assert_eq!(field.ps(), expected);
    let again = field.run(&["up"]);
    assert!(again.status.success(), "{}", stderr(&again));
    let expected = expected.map(|line| line.replace("exited", "running"));
    assert_eq!(field.ps(), expected);
    assert!(stderr(&field.run(&["up"])).contains("nothing to do"));
}

#[test]
fn up_does_not_say_that_all_is_up_when_it_is_not() {
    let text = r#"
name: lab
roles: {r: {entry: a, services: {a: {image: "redis:7", restart: always, healthcheck: {test: [CMD, x], interval: 1h}}}}}
"#;
    let field = Field::up(text, EngineDouble::v28());
    field.double.state().set_health("lab-r-a-1", "unhealthy", "");
    let again = field.run(&["up"]);
    let said = stderr(&again);
    assert!(
        said.contains("warning: r/a is unhealthy") && !said.contains("all is up"),
        "{said}"
    );
    field.double.state().exit("lab-r-a-1", 3);
    let again = field.run(&["up"]);
    assert_eq!(again.status.code(), Some(6));
    assert!(
        stderr(&again).contains("r/a ends with status 3 and is started again and again"),
        "{}",
        stderr(&again)
    );
}
