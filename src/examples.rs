//! The examples, each a directory of files, as they are in the executable.

/// One example.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Its name, which is that of its directory.
    pub name: &'static str,
    /// Its files: the path below that directory, and the content.
    pub files: &'static [(&'static str, &'static str)],
}

impl Example {
    /// What it shows, in a phrase.
    #[must_use]
    pub fn what(&self) -> &'static str {
        let row = format!("| [{}]", self.name);
        let row = README.lines().find(|line| line.starts_with(&row));
        row.and_then(|row| row.split(" | ").nth(1)).unwrap_or(OTHER)
    }
}

/// The table of all examples, but for those that show no blueprint.
const README: &str = include_str!("../examples/README.md");
/// What those show.
const OTHER: &str = "workflows for GitHub Actions and GitLab that test against a cluster";

macro_rules! examples {
    ($($name:literal: [$($file:literal),* $(,)?],)*) => {
        &[$(Example {
            name: $name,
            files: &[$(($file, include_str!(concat!("../examples/", $name, "/", $file)))),*],
        }),*]
    };
}

/// All of them, by name.
pub const EXAMPLES: &[Example] = examples! {
    "addresses": ["README.md", "topogen.yaml", "web.conf.j2"],
    "article": ["README.md", "docker-compose-master.yml", "docker-compose-slave.yml", "topogen.yaml"],
    "ci": ["README.md", "github-actions.yml", "gitlab-ci.yml", "test.sh"],
    "consul-cluster": ["README.md", "consul.json.j2", "topogen.yaml"],
    "etcd": ["README.md", "topogen.yaml"],
    "jenkins-agents": ["README.md", "agents.groovy.j2", "connect.sh", "topogen.yaml"],
    "kafka-kraft": ["README.md", "topogen.yaml"],
    "leaf-spine": ["README.md", "frr.conf.j2", "topogen.yaml"],
    "locust": ["README.md", "locust.conf.j2", "locustfile.py", "topogen.yaml"],
    "mongo-shards": ["README.md", "initiate.js.j2", "shards.js.j2", "topogen.yaml"],
    "nginx-balancer": ["README.md", "balancer.conf.j2", "topogen.yaml", "web.conf.j2"],
    "postgres-replication": ["README.md", "init.sql.j2", "pg_hba.conf", "postgresql.conf.j2", "start.sh.j2", "topogen.yaml"],
    "prometheus": ["README.md", "compose.yaml", "prometheus.yml", "prometheus.yml.j2", "topogen.yaml"],
    "redis-replication": ["README.md", "primary.conf", "replica.conf.j2", "topogen.yaml"],
    "router-line": ["README.md", "frr.conf.j2", "topogen.yaml"],
    "router-mesh": ["README.md", "frr.conf.j2", "topogen.yaml"],
    "router-ring": ["README.md", "frr.conf.j2", "topogen.yaml"],
    "router-tree": ["README.md", "frr.conf.j2", "topogen.yaml"],
    "selenium-grid": ["README.md", "topogen.yaml"],
    "spark-standalone": ["README.md", "spark-defaults.conf.j2", "topogen.yaml"],
    "voting-app": ["README.md", "topogen.yaml"],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn below(directory: &Path, found: &mut BTreeSet<String>, root: &Path) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => below(&path, found, root),
                false => {
                    let path = path.strip_prefix(root).expect("below");
                    found.insert(path.display().to_string());
                }
            }
        }
    }

    #[test]
    fn every_file_of_every_example_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut found = BTreeSet::new();
        below(&root, &mut found, &root);
        found.remove("README.md");
        let listed = EXAMPLES
            .iter()
            .flat_map(|e| e.files.iter().map(|(path, _)| format!("{}/{path}", e.name)));
        assert_eq!(listed.collect::<BTreeSet<String>>(), found);
        for example in EXAMPLES
            .iter()
            .filter(|e| e.files.iter().any(|(path, _)| *path == "topogen.yaml"))
        {
            assert_ne!(example.what(), OTHER, "{} is not in the table", example.name);
        }
    }
}
