//! `take`, `rename` and `replace`: what a role takes of a Compose file, and what becomes of the rest.

use std::fs;
use std::path::Path;

use crate::support::{stderr, stdout, topogen};

/// A file in which everything refers to everything.
const COMPOSE: &str = r#"
services:
  pd0:
    image: pd
    hostname: pd0
    container_name: cluster-pd0
    command: [--name=pd0, "--peers=http://pd0:2380,http://pd1:2380", --log=/logs/pd0.log, --data=/data/pd0-wal]
    environment: [PD0=pd0, "pd0=kept", ID=0]
    labels: {pd0.rule: "Host(`pd0.lab`) {{.Name}} {pd0}"}
    healthcheck: {test: [CMD, curl, "http://pd0:2379/"]}
    ports: ["2379:2379"]
    volumes: ["pd0:/data/pd0", "./logs/pd0:/logs", {type: volume, source: shared, target: /pd0}]
    networks: {back: {aliases: [pd0.back]}}
    configs: [{source: pd0, target: /etc/pd0.conf}]
    secrets: [token]
    depends_on: [cache, dns]
    links: [cache, "dns:resolver"]
  cache: {image: cache, networks: [back]}
  side: {image: side, volumes_from: ["pd0:ro"], network_mode: "service:pd0", pid: "service:pd0", depends_on: {pd0: {condition: service_started}}}
  dns: {image: dns, networks: [front], configs: [gone], secrets: [gone], volumes: ["gone:/d"]}
networks:
  back: {driver_opts: {name: pd0}}
  front: {name: front}
volumes: {pd0: {labels: {of: pd0}}, shared: {}, gone: {}, alone: {}}
configs:
  pd0: {content: "name = pd0, id {{ node.index }}, pd0"}
  gone: {file: gone.conf}
secrets:
  token: {environment: PD0}
  gone: {file: gone.txt}
"#;

fn written(compose: &str, blueprint: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("compose.yaml"), compose).expect("a file");
    fs::write(directory.path().join("topogen.yaml"), blueprint).expect("a file");
    directory
}

/// The projects of a blueprint as files, with `.` for its directory.
fn rendered(directory: &Path) -> String {
    let output = topogen(directory, &["render", "-o", "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).replace(directory.to_str().expect("UTF-8"), ".")
}

#[test]
fn a_part_of_a_file_comes_with_what_it_uses_under_another_name() {
    let directory = written(
        COMPOSE,
        r#"
roles:
  pd:
    compose: compose.yaml
    count: 2
    node: "pd{{ ordinal }}"
    take: [pd0, cache, side]
    rename: {pd0: server, cache: store}
    replace: {pd0: "{{ node.name }}", cluster-pd0: "c-{{ node.index }}", 2379: "{{ 2378 + node.index }}"}
    entry: server
    services: {store: {user: nobody}}
"#,
    );
    insta::assert_snapshot!("taken", rendered(directory.path()));
    let said = topogen(directory.path(), &["check", "-v"]);
    let json = topogen(directory.path(), &["check", "-v", "--format", "json"]);
    insta::assert_snapshot!("taken_notes", stderr(&said) + &stdout(&json));
}

/// Without `take` all services come, and swapped keys are swapped everywhere.
#[test]
fn keys_may_be_swapped() {
    let compose = "services:\n  a: {image: a, depends_on: [b], links: [b]}\n  b: {image: b}\n";
    let directory = written(compose, "roles: {x: {compose: compose.yaml, rename: {a: b, b: a}}}\n");
    insta::assert_snapshot!("swapped", rendered(directory.path()));
}

/// What the role says itself of a reference stands, and is no reason for a note.
#[test]
fn the_role_has_the_last_word() {
    let compose = "services:\n  a: {image: a, depends_on: [b], network_mode: 'service:b', volumes: ['v:/v']}\n  b: {image: b}\nvolumes: {v: {}, w: {}}\n";
    let blueprint = "roles: {x: {compose: compose.yaml, take: a, replace: {/v: /w}, \
                     services: {a: {depends_on: !reset, network_mode: !reset}}}}\n";
    let directory = written(compose, blueprint);
    let said = topogen(directory.path(), &["check", "-v"]);
    assert_eq!(stderr(&said), "ok: 1 role, 1 node, 1 service\n");
}

#[test]
fn peers_are_listed_by_filters() {
    let directory = written(
        "services: {}\n",
        r#"
roles:
  pd:
    count: 2
    services:
      app:
        image: i
        environment:
          NAMES: "{{ role('pd') | names | join(',') }}"
          HOSTS: "{{ role('pd') | hosts(2379) | join(' ') }}"
          URLS: "{{ role('pd') | urls('http', '2380') | join(',') }}"
          BARE: "{{ nodes | urls('https') | last }}"
          OWN: "{{ node | urls('http', 2379) }} {{ node | hosts(1) }} {{ node | names }}"
          OTHERS: "{{ role('pd') | rejectattr('name', 'eq', node.name) | hosts(1) | join }}"
          SEEDS: "{{ ['a', 'b'] | hosts(7000) | join(',') }}"
"#,
    );
    let text = rendered(directory.path());
    let environment: Vec<&str> = text
        .lines()
        .skip_while(|l| !l.contains("NAMES"))
        .take(7)
        .map(str::trim)
        .collect();
    insta::assert_snapshot!("peers", environment.join("\n"));
}
