//! What helps people write: `init`, `check`, `render --check`, `-o -`, `--format json`, `schema`, `completions`, `man`.

use std::fs;
use std::path::Path;

use crate::support::{stderr, stdout, topogen};

/// One of everything that a topology holds.
const SMALL: &str = r#"name: lab
roles:
  head: {services: {app: {image: shop/head}}}
  worker:
    count: 2
    entry: agent
    networks: {metrics: {name: metrics}}
    volumes: {data: {}}
    services:
      agent:
        image: shop/agent
        environment: {NODE: "{{ node.name }}", PRICE: 5$$}
        configs: [motd]
        depends_on: [db]
      db: {image: shop/db, networks: [internal, metrics]}
    configs: {motd: {content: "this is {{ node.name }}\n"}}
"#;

fn with_blueprint(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("topogen.yaml"), text).expect("a blueprint");
    directory
}

#[test]
fn init_writes_a_starter_that_is_right_and_never_writes_over_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let first = topogen(here, &["init"]);
    assert!(first.status.success());
    let starter = fs::read_to_string(here.join("topogen.yaml")).expect("a starter");
    assert_eq!(starter, include_str!("../blueprints/starter.yaml"));
    let schema = fs::read_to_string(here.join("topogen.schema.json")).expect("a schema");
    assert_eq!(schema, topogen::blueprint::schema::text());
    let mut text = format!("$ topogen init\n{}", stderr(&first));
    for arguments in [
        &["check"][..],
        &["check", "--scale", "worker=100", "--set", "version=2.0", "--fake"],
        &["render"],
        &["render", "--check"],
        &["init"],
        &["init", "other.yaml"],
        &["init", "nowhere/topogen.yaml"],
    ] {
        let output = topogen(here, arguments);
        text += &format!(
            "$ topogen {}\n{}exit {}\n",
            arguments.join(" "),
            stderr(&output),
            output.status.code().unwrap_or(-1)
        );
    }
    insta::assert_snapshot!(text);
    assert_eq!(fs::read_to_string(here.join("topogen.yaml")).expect("a file"), starter);
    assert_eq!(fs::read_to_string(here.join("other.yaml")).expect("a file"), starter);
    let peers = fs::read_to_string(here.join("topogen-out/demo-worker2/configs/peers")).expect("a config");
    assert_eq!(peers, "# peers of worker2\nworker1:9000\nworker3:9000\n");
}

/// All files of an example come, with the schema where its blueprint says that it is; nothing is written over.
#[test]
fn init_writes_examples_with_all_their_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let mut text = String::new();
    for arguments in [
        &["init", "--list"][..],
        &["init", "--example", "redis-replication"],
        &["check", "-f", "redis-replication/topogen.yaml"],
        &["init", "--example", "redis-replication"],
        &["init", "--example", "article", "below/here"],
        &["init", "--example", "ci"],
        &["init", "--example", "redis"],
        &["init", "--list", "topogen.yaml"],
        &["init", "--format", "json"],
    ] {
        let output = topogen(here, arguments);
        text += &format!(
            "$ topogen {}\n{}{}exit {}\n",
            arguments.join(" "),
            stdout(&output),
            stderr(&output),
            output.status.code().unwrap_or(-1)
        );
    }
    insta::assert_snapshot!(text);
    let blueprint = fs::read_to_string(here.join("redis-replication/topogen.yaml")).expect("a blueprint");
    assert!(
        blueprint.starts_with("# yaml-language-server: $schema=./topogen.schema.json\n"),
        "{blueprint}"
    );
    let schema = fs::read_to_string(here.join("redis-replication/topogen.schema.json")).expect("a schema");
    assert_eq!(schema, topogen::blueprint::schema::text());
    assert!(here.join("below/here/docker-compose-slave.yml").exists());
    let list = topogen(here, &["init", "--list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert!(
        list.as_array()
            .expect("a list")
            .iter()
            .any(|e| e["name"] == "article" && e["files"][1] == "docker-compose-master.yml"),
        "{list}"
    );
    // A schema that is there may be of the user's own.
    fs::write(here.join("topogen.schema.json"), "{}").expect("a file");
    assert!(topogen(here, &["init"]).status.success());
    assert_eq!(
        fs::read_to_string(here.join("topogen.schema.json")).expect("a file"),
        "{}"
    );
}

#[test]
fn render_check_shows_what_differs_and_writes_nothing() {
    let directory = with_blueprint(SMALL);
    let here = directory.path();
    assert_eq!(topogen(here, &["render", "--check"]).status.code(), Some(4));
    assert!(!here.join("topogen-out").exists(), "nothing is written");
    assert!(topogen(here, &["render"]).status.success());
    let current = topogen(here, &["render", "--check"]);
    assert_eq!(
        (current.status.code(), stdout(&current), stderr(&current)),
        (Some(0), String::new(), String::new())
    );

    fs::write(here.join("topogen.yaml"), SMALL.replace("shop/db", "shop/db:2")).expect("a blueprint");
    let changed = topogen(here, &["render", "--check", "--scale", "worker=1"]);
    assert_eq!(changed.status.code(), Some(4));
    insta::assert_snapshot!(
        "render_check",
        format!("{}=== stderr\n{}", stdout(&changed), stderr(&changed))
    );
    assert!(here.join("topogen-out/lab-worker2").exists(), "nothing is removed");
}

#[test]
fn render_prints() {
    let directory = with_blueprint(SMALL);
    let printed = topogen(directory.path(), &["render", "-o", "-"]);
    assert!(printed.status.success() && stderr(&printed).is_empty());
    insta::assert_snapshot!("render_printed", stdout(&printed));
    let json = topogen(directory.path(), &["render", "--format", "json"]);
    assert!(json.status.success() && stderr(&json).is_empty());
    let _: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    insta::assert_snapshot!("render_json", stdout(&json));
    assert!(
        !directory.path().join("topogen-out").exists() && !directory.path().join("-").exists(),
        "nothing is written"
    );
}

/// Somebody else makes an external network, and the program makes none at all here.
#[test]
fn render_says_which_networks_to_make() {
    let directory = with_blueprint(
        "inout: {name: company, external: true}\nroles: {a: {entry: x, networks: {m: {name: metrics}, o: {external: true}}, \
         services: {x: {image: i, networks: [m, o]}}}}\n",
    );
    insta::assert_snapshot!(stderr(&topogen(directory.path(), &["render"])));
}

/// Compose knows no `after`, and follows the order that it is given.
#[test]
fn render_lists_projects_in_the_order_of_after() {
    let directory = with_blueprint(
        "roles:\n  web: {after: [store, queue], count: 2, services: {x: {image: i}}}\n  queue: {after: store, services: {x: {image: i}}}\n  \
         store: {services: {x: {image: i}}}\n",
    );
    insta::assert_snapshot!(stderr(&topogen(directory.path(), &["render"])));
}

/// A directory that is not there is made on purpose; a file that is not, is forgotten.
#[test]
fn check_warns_of_a_mounted_file_that_is_not_there() {
    let directory = with_blueprint(
        "roles: {a: {services: {x: {image: i, volumes: [\"./gone.conf:/a\", \"./here.conf:/b\", \"./data:/c\"]}}}}\n",
    );
    std::fs::write(directory.path().join("here.conf"), "").unwrap();
    let text = stderr(&topogen(directory.path(), &["check"]));
    let real = directory.path().canonicalize().unwrap();
    insta::assert_snapshot!(text.replace(&real.display().to_string(), "HERE"));
}

/// All would run, and some would ask for ever: a role without an entry, one that asks from inside, a config that says whom.
#[test]
fn check_warns_of_names_that_do_not_resolve() {
    let directory = with_blueprint(
        r#"roles:
  primary:
    services: {db: {image: i}}
  queue:
    entry: {broker: ["{{ node.name }}", mq]}
    services: {broker: {image: i}}
  web:
    count: 4
    entry: proxy
    exit: worker
    services:
      proxy: {image: i, environment: {SELF: "http://{{ node.name }}:80", APP: "http://app:80", QUEUE: "amqp://queue"}}
      worker: {image: i, command: [run, --db, "primary:5432"], environment: [QUEUE_HOST=queue, BROKER_HOST=mq]}
      app:
        image: i
        environment:
          QUEUE_URL: "amqp://{{ role('queue')[0].name }}:5672"
          ROLE: primary
        configs: [peers]
      moved: {image: i, environment: {DB_HOST: db}}
      older: {image: i, environment: {A: "http://web01:80", B: "http://web9:80", C: "http://web:80"}}
      known: {image: i, extra_hosts: ["primary:10.0.0.1"], command: "primary:5432"}
    configs:
      peers: {content: "{% for n in role('web') %}peer {{ n.name }}:80\n{% endfor %}"}
"#,
    );
    insta::assert_snapshot!(stderr(&topogen(directory.path(), &["check"])));
    let rendered = stderr(&topogen(directory.path(), &["render"]));
    assert!(rendered.contains("asks for `primary`"), "{rendered}");
}

#[test]
fn check_warns_of_hostnames_that_several_have() {
    let directory = with_blueprint(
        "roles:\n  web:\n    count: 3\n    entry: app\n    exit: [out, own]\n    services:\n      app: {image: i, hostname: app1}\n      \
         out: {image: i, hostname: web2}\n      own: {image: i, hostname: \"{{ node.name }}-own\"}\n      db: {image: i, hostname: db}\n",
    );
    insta::assert_snapshot!(stderr(&topogen(directory.path(), &["check"])));
}

/// What a role leaves out of its Compose file is asked for under another name, or by nobody; and a name that is misspelt
/// there is no service of its own.
#[test]
fn check_warns_of_what_a_compose_file_had() {
    let directory = with_blueprint(
        "roles:\n  search: {count: 2, entry: db, services: {db: {extends: {file: compose.yaml, service: es01}}}}\n  \
         view: {compose: compose.yaml, exit: kibana, services: {es01: !reset }}\n",
    );
    let compose = "services:\n  es01: {image: es}\n  kibana: {image: kb, environment: [\"ES=http://es01:9200\"]}\n";
    fs::write(directory.path().join("compose.yaml"), compose).expect("a file");
    insta::assert_snapshot!(
        "what_a_compose_file_had",
        stderr(&topogen(directory.path(), &["check"]))
    );
    let other = "roles: {view: {compose: compose.yaml, services: {es01: !reset , kibaan: {environment: {A: b}}, own: {build: .}}}}\n";
    fs::write(directory.path().join("topogen.yaml"), other).expect("a blueprint");
    insta::assert_snapshot!(
        "misspelt_over_a_compose_file",
        stderr(&topogen(directory.path(), &["check"]))
    );
}

#[test]
fn check_says_everything() {
    let right = with_blueprint(SMALL);
    let wrong = with_blueprint(
        "roles:\n  worker:\n    count: many\n    entry: agnet\n    services:\n      agent: {image: shop/agent, comand: run}\n",
    );
    let mut text = String::new();
    for (directory, name) in [(&right, "right"), (&wrong, "wrong")] {
        for arguments in [&["check"][..], &["check", "--format", "json"]] {
            let output = topogen(directory.path(), arguments);
            text += &format!(
                "$ topogen {} # {name}\n{}=== stderr\n{}exit {}\n\n",
                arguments.join(" "),
                stdout(&output),
                stderr(&output),
                output.status.code().unwrap_or(-1)
            );
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn check_looks_into_what_only_compose_and_the_engine_read() {
    let directory = with_blueprint(
        "roles:\n  worker:\n    services:\n      app:\n        image: shop/app\n        healthcheck: {test: [CMD, x], intervall: 2s}\n        \
         deploy: {replica: 2, resources: {limits: {memroy: 1g}}}\n        privileged: maybe\n        mem_limit: lots\n        \
         depends_on: {db: {conditon: service_healthy}}\n      db: {image: postgres, volumes: [{type: tmpfs, taget: /run}]}\n",
    );
    let output = topogen(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(stderr(&output));
    let output = topogen(directory.path(), &["check", "--format", "json"]);
    let problems: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(problems.as_array().map(Vec::len), Some(7), "{problems}");
}

/// Editors get the lints and what only `up` refuses too, as warnings.
#[test]
fn check_gives_warnings_to_editors() {
    let directory = with_blueprint(
        "roles:\n  db:\n    services: {store: {image: i}}\n  web:\n    services:\n      app:\n        image: i\n        \
         environment: {DB_HOST: db}\n        credential_spec: {file: a.json}\n",
    );
    let output = topogen(directory.path(), &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

/// Compose reads them, on any system, so they are no mistakes.
#[test]
fn check_warns_of_paths_of_windows() {
    let directory = with_blueprint(
        r#"roles:
  a:
    services:
      x:
        image: i
        devices: ["class/5B45201D-F2F2-4F3B-85BB-30FF1F953599"]
        volumes:
          - 'C:\data:/data:ro'
          - 'c:/other:/other'
          - 'c:/third:d:\third'
          - '\\.\pipe\docker:\\.\pipe\docker'
          - {type: bind, source: 'C:\data', target: /more}
          - "c:/mine"
          - "c:/read:ro"
    volumes: {c: {}}
"#,
    );
    let output = topogen(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let printed = stdout(&topogen(directory.path(), &["schema"]));
    assert!(
        printed == include_str!("../topogen.schema.json"),
        "write it again: topogen schema > topogen.schema.json"
    );
}

/// Editors find the schema by the first line of what is shipped.
#[test]
fn every_shipped_blueprint_names_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = fs::read_dir(root.join("blueprints"))
        .expect("blueprints")
        .map(|e| e.expect("an entry").path())
        .collect();
    for example in fs::read_dir(root.join("examples")).into_iter().flatten() {
        let files = fs::read_dir(example.expect("an entry").path()).into_iter().flatten();
        let files = files.map(|e| e.expect("an entry").path());
        paths.extend(files.filter(|p| p.ends_with("topogen.yaml")));
    }
    assert!(paths.len() > 1, "{paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).expect("a blueprint");
        let schema = text.lines().next().unwrap_or_default();
        let schema = schema.strip_prefix("# yaml-language-server: $schema=");
        let schema = schema.unwrap_or_else(|| panic!("{}: the first line names no schema", path.display()));
        // The starter stands beside a schema that its user writes.
        let there = schema.starts_with("./") || path.parent().expect("a directory").join(schema).is_file();
        assert!(there, "{}: no {schema}", path.display());
    }
}

#[test]
fn completions_and_manual() {
    let directory = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        let output = topogen(directory.path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let text = stdout(&output);
        assert!(text.contains("topogen") && text.contains("slaves"), "{shell}: {text}");
    }
    assert_eq!(
        topogen(directory.path(), &["completions", "csh"]).status.code(),
        Some(2)
    );
    let manual = stdout(&topogen(directory.path(), &["man"]));
    assert!(manual.contains("\n.SH NAME\n"), "{manual}");
    for command in ["init", "check", "render", "up", "down"] {
        assert!(
            manual.contains(&format!(".SH topogen-{command}\n")),
            "{command}: {manual}"
        );
    }
}
