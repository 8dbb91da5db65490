//! What a Compose file says is what it means here: the kinds of differences that real files were found to show.

use std::path::Path;

use serde_json::{Value, json};
use topogen::cluster::Desired;
use topogen::topology::Topology;
use topogen::topology::expand::Overrides;

use crate::compose_files::{compose_is_here, config, rendered};
use crate::support::{self, stderr, stdout, topogen};

/// The topology of a blueprint whose files are `files`.
fn topology(blueprint: &str, files: &[(&str, &str)]) -> Topology {
    let (topology, sources) = support::read(blueprint, &Overrides::default(), files);
    topology.unwrap_or_else(|p| panic!("{}", p.render(&sources, false)))
}

fn desired(blueprint: &str, files: &[(&str, &str)]) -> Desired {
    support::desired(blueprint, &Overrides::default(), files)
}

/// A directory with a blueprint and other files.
fn directory(blueprint: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (path, text) in [("topogen.yaml", blueprint)].iter().chain(files) {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    directory
}

/// The Compose file of each node, as `render` prints it.
fn render(directory: &Path) -> String {
    let output = topogen(directory, &["render", "-o", "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// The names of `service` of the node `node` on each network that it joins.
fn names(topology: &Topology, node: &str, service: &str) -> Value {
    let node = topology.nodes.iter().find(|n| n.name.as_str() == node).expect(node);
    let service = node
        .services
        .iter()
        .find(|s| s.name.as_str() == service)
        .expect(service);
    let names = service
        .attachments
        .iter()
        .map(|a| (a.network.to_string(), json!(a.aliases)));
    names.collect::<serde_json::Map<_, _>>().into()
}

const NAMED: &str = "
services:
  web: {image: nginx, environment: {DB_HOST: db}, networks: [n]}
  db: {image: postgres, networks: [n]}
networks: {n: NETWORK}
";

/// A network is not another one because it has a name: alone on it, a node keeps its services' names there.
#[test]
fn a_network_with_a_name_keeps_the_names_of_its_only_node() {
    for network in ["{name: corp}", "{external: true}", "{name: corp, external: true}"] {
        let file = NAMED.replace("NETWORK", network);
        let files = [("named.yaml", file.as_str())];
        let of = topology("roles: {r: {compose: named.yaml, entry: web}}", &files);
        assert_eq!(names(&of, "r", "db"), json!({"n": ["db"]}), "{network}");
        assert_eq!(
            names(&of, "r", "web"),
            json!({"n": ["web"], "inout": ["r"]}),
            "{network}"
        );
    }
    let default = NAMED
        .replace("networks: [n]", "restart: always")
        .replace("n: NETWORK", "default: {name: corp}");
    let of = topology("roles: {r: {compose: named.yaml}}", &[("named.yaml", default.as_str())]);
    assert_eq!(names(&of, "r", "db"), json!({"corp": ["db"]}));
}

/// Where several nodes join it, each name would lead to all of them: services meet on their node's own network too.
#[test]
fn on_a_network_of_several_nodes_each_name_leads_home() {
    let file = NAMED.replace("NETWORK", "{name: corp}");
    let files = [("named.yaml", file.as_str())];
    for blueprint in [
        "roles: {r: {count: 2, compose: named.yaml, entry: web}}",
        "roles: {r1: {compose: named.yaml, entry: web}, r2: {compose: named.yaml}}",
    ] {
        let of = topology(blueprint, &files);
        for node in ["r1", "r2"] {
            assert_eq!(
                names(&of, node, "db"),
                json!({"n": [], "internal": ["db"]}),
                "{blueprint}"
            );
        }
        assert_eq!(
            names(&of, "r1", "web"),
            json!({"n": [], "internal": ["web"], "inout": ["r1"]})
        );
    }
    // What meets on a network of the node's own already, and what has nobody to meet, stays where it is.
    let own = "
services:
  web: {image: nginx, networks: [n, own]}
  db: {image: postgres, networks: [n, own]}
  lone: {image: x, networks: [m]}
networks: {n: {name: corp}, m: {name: other}, own: {}}
";
    let of = topology("roles: {r: {count: 2, compose: own.yaml}}", &[("own.yaml", own)]);
    assert_eq!(names(&of, "r1", "db"), json!({"n": [], "own": ["db"]}));
    assert_eq!(names(&of, "r1", "lone"), json!({"m": []}));
}

/// A dollar that begins no variable is one, in a Compose file and beside it.
#[test]
fn a_dollar_may_be_just_one() {
    let services = "services: {a: {image: busybox, command: sh -c \"echo $(date) $0 $@ 5$ a$\", environment: [X=$.foo], labels: {rule: \"Host(`^x$`)\"}}}";
    let blueprint = format!("roles: {{a: {{compose: c.yaml}}, b: {{{services}}}}}");
    let of = desired(&blueprint, &[("c.yaml", services)]);
    for container in of.containers() {
        let config = &container.config;
        let words = config.command.as_ref().map(|words| words.join(" "));
        assert_eq!(words.as_deref(), Some("sh -c echo $(date) $0 $@ 5$ a$"));
        assert_eq!(
            config.environment.as_ref().and_then(|e| e["X"].clone()).as_deref(),
            Some("$.foo")
        );
    }
    let directory = directory(&blueprint, &[("c.yaml", services)]);
    if compose_is_here() {
        let out = rendered(directory.path(), &[]);
        let before = config(directory.path(), &["c.yaml"], &[]);
        for node in ["a", "b"] {
            let after = config(&out.path().join(node), &["compose.yaml"], &[]);
            for key in ["command", "environment", "labels"] {
                assert_eq!(before["services"]["a"][key], after["services"]["a"][key], "{key}");
            }
        }
    }
}

/// What `render` says to type makes the networks that `up` makes.
#[test]
fn the_commands_of_render_say_all_of_a_network() {
    let blueprint = r#"
inout:
  driver_opts: {com.docker.network.driver.mtu: "1400"}
  internal: true
  attachable: true
  labels: {of: "the lab's"}
  ipam: {config: [{subnet: 192.167.0.0/16, ip_range: 192.167.4.0/24, gateway: 192.167.0.9, aux_addresses: {a: 192.167.0.8}}]}
roles:
  node:
    entry: n
    services: {n: {image: x, networks: {inout: {ipv4_address: 192.167.10.1}, m: }}}
    networks: {m: {name: other, driver: macvlan, enable_ipv6: true}, e: {external: true}}
"#;
    let directory = directory(blueprint, &[]);
    let output = topogen(directory.path(), &["render", "-o", "a b"]);
    insta::assert_snapshot!("render_says_all_of_a_network", stderr(&output));
}

/// Without a context, the project's directory is what is built; the values of its arguments are known from `.env`; and the
/// short form is a context like any other.
#[test]
fn what_is_built_is_built_from_where_the_files_are() {
    let build = |files: &[(&str, &str)], of: &str| {
        let blueprint = format!("roles: {{r: {{compose: [{of}]}}}}");
        let of = topology(&blueprint, files);
        json!(of.nodes[0].services[0].definition.get("build"))
    };
    let one = |build: &str| format!("services: {{a: {{build: {build}}}}}");
    let (none, args) = (
        one("{dockerfile: D, target: t}"),
        one("{context: ., args: [FOO, NONE]}"),
    );
    let (short, more) = (one("./d"), one("{args: {A: 1}}"));
    let files = [
        ("p/none.yaml", none.as_str()),
        ("p/args.yaml", args.as_str()),
        ("p/short.yaml", short.as_str()),
        ("p/more.yaml", more.as_str()),
        ("p/.env", "FOO=1"),
    ];
    let context = |path: &str| json!({"dockerfile": "D", "target": "t", "context": path});
    assert_eq!(build(&files, "p/none.yaml"), context("/blueprint/p"));
    assert_eq!(
        build(&files, "p/args.yaml"),
        json!({"context": "/blueprint/p", "args": ["FOO=1", "NONE"]})
    );
    let both = json!({"context": "/blueprint/p/d", "args": {"A": 1}});
    assert_eq!(build(&files, "p/short.yaml, p/more.yaml"), both);
    assert_eq!(build(&files, "p/more.yaml, p/short.yaml"), both);
    // A role's own service is built from the blueprint's directory.
    let of = topology("roles: {r: {services: {a: {build: {dockerfile: D, target: t}}}}}", &[]);
    assert_eq!(
        json!(of.nodes[0].services[0].definition["build"]),
        context("/blueprint")
    );
}

/// Several files are one project, whose directory is that of the first.
#[test]
fn paths_of_several_files_are_those_of_the_first() {
    let a = "services: {x: {image: i, env_file: [e.env], environment: [V]}}\n";
    let b = "services: {x: {volumes: ['./over/cfg:/cfg'], configs: [c]}}\nconfigs: {c: {file: ./c.txt}}\n";
    let files = [
        ("base/a.yaml", a),
        ("base/over/b.yaml", b),
        ("base/.env", "V=base"),
        ("base/over/.env", "V=over"),
        ("base/c.txt", "of the project"),
    ];
    let of = topology("roles: {r: {compose: [base/a.yaml, base/over/b.yaml]}}", &files);
    let service = &of.nodes[0].services[0].definition;
    assert_eq!(json!(service["volumes"]), json!(["/blueprint/base/over/cfg:/cfg"]));
    assert_eq!(json!(service["env_file"]), json!(["/blueprint/base/e.env"]));
    assert_eq!(json!(service["environment"]), json!(["V=base"]));
    assert_eq!(of.nodes[0].configs.len(), 1);
}

/// A name without a value takes the variable away, over `env_file` and over the image's.
#[test]
fn a_name_without_a_value_is_unset() {
    for own in ["[FOO]", "{FOO: }", "[FOO=1, FOO]"] {
        let file = format!("services: {{a: {{image: i, env_file: [e.env], environment: {own}}}}}");
        let files = [("c.yaml", file.as_str()), ("/blueprint/e.env", "FOO=file\nBAR=file")];
        let of = desired("roles: {r: {compose: c.yaml}}", &files);
        let container = of.containers().next().expect("a container");
        let environment = container.config.environment.as_ref().expect("variables");
        assert_eq!(environment["FOO"], None, "{own}");
        assert_eq!(environment["BAR"].as_deref(), Some("file"));
        let asked = topogen::engine::request::container(container);
        assert!(asked.env.expect("variables").contains(&"FOO".to_owned()), "{own}");
    }
}

#[test]
fn the_default_network_may_be_called_as_compose_calls_it() {
    let file = "
services: {a: {image: i, networks: [default]}, b: {image: i}}
networks: {default: {name: \"${COMPOSE_PROJECT_NAME}_default\"}}
";
    let of = topology("roles: {r: {count: 2, compose: c.yaml}}", &[("c.yaml", file)]);
    assert_eq!(of.nodes[1].networks[0].name.as_str(), "r2_default");
    assert_eq!(names(&of, "r2", "a"), json!({"internal": []}));
}

#[test]
fn nothing_in_a_later_file_clears_a_command() {
    let one = "services: {a: {image: i, command: [a], entrypoint: [b], user: c}}";
    let two = "services: {a: {command: , entrypoint: , user: }}";
    let of = topology(
        "roles: {r: {compose: [1.yaml, 2.yaml]}}",
        &[("1.yaml", one), ("2.yaml", two)],
    );
    let service = &of.nodes[0].services[0].definition;
    assert_eq!(
        json!(service),
        json!({"image": "i", "command": null, "entrypoint": null, "user": "c"})
    );
}

/// In two spellings, in a range and alone, in two files: it is one port, and nobody else's.
#[test]
fn a_port_said_twice_is_one() {
    let one = "services: {a: {image: i, ports: ['8080:80', '9000-9001:90-91']}}";
    let two = "services: {a: {ports: ['8080:80/tcp', {target: 91, published: 9001}]}}";
    let of = topology(
        "roles: {r: {compose: [1.yaml, 2.yaml]}}",
        &[("1.yaml", one), ("2.yaml", two)],
    );
    let expected = json!(["8080:80/tcp", "9000:90/tcp", {"target": 91, "published": "9001"}]);
    assert_eq!(json!(of.nodes[0].services[0].definition["ports"]), expected);
    let templated = "{{ 8000 + node.index }}:80";
    let blueprint = format!(
        "roles: {{r: {{count: 2, services: {{a: {{image: i, ports: [\"{templated}\", \"{templated}/tcp\"]}}}}}}}}"
    );
    let of = topology(&blueprint, &[]);
    assert_eq!(
        json!(of.nodes[1].services[0].definition["ports"]),
        json!(["8002:80/tcp"])
    );
}

/// Neither is granted everywhere, and a fake needs neither.
#[test]
fn a_fake_asks_for_no_privileges() {
    let blueprint = "roles: {r: {services: {a: {image: i, privileged: true, cap_add: [SYS_ADMIN], cap_drop: [ALL]}}}}";
    let mut of = topology(blueprint, &[]);
    topogen::fake::disguise(&mut of);
    let keys: Vec<&str> = of.nodes[0].services[0].definition.keys().map(|k| &**k).collect();
    assert_eq!(keys, ["image", "cap_drop"]);
}

/// The last line of a file needs no end, and has none then.
#[test]
fn a_block_scalar_at_the_end_gains_nothing() {
    for (text, expected) in [
        ("configs: {}\nx: |\n  a\n  b", "a\nb"),
        ("configs: {}\nx: |\n  a\n  b\n", "a\nb\n"),
        ("configs: {}\nx: |-\n  a", "a"),
        ("configs: {}\nx: |+\n  a\n\n", "a\n\n"),
        ("configs: {}\nx: >\n  a\n  b", "a b"),
    ] {
        let tree = topogen::yaml::parse(text, Default::default()).expect("YAML");
        assert_eq!(
            tree.get("x").and_then(|n| n.scalar()).as_deref(),
            Some(expected),
            "{text:?}"
        );
    }
}

/// A letter before a colon is a volume's name, unless a drive of Windows is meant.
#[test]
fn a_volume_of_one_letter_is_known_or_not() {
    let of = |volumes: &str, defined: &str| {
        let text =
            format!("roles: {{r: {{services: {{a: {{image: i, volumes: [{volumes}]}}}}, volumes: {{{defined}}}}}}}");
        support::expanded(&text, &Overrides::default()).map(drop)
    };
    for volume in ["'v:/data'", "{type: volume, source: v, target: /data}"] {
        assert_eq!(of(volume, "v: {}"), Ok(()));
        let error = of(volume, "w: {}").expect_err(volume);
        assert!(error.contains("unknown volume `v`"), "{error}");
    }
    assert_eq!(of("'C:/x:/data'", "v: {}"), Ok(()));
}

/// A file that is named by a relative path is not told to have an absolute one.
#[test]
fn a_path_is_called_what_it_is() {
    let compose =
        |file: &str| format!("services: {{a: {{image: i, configs: [c]}}}}\nconfigs: {{c: {{file: {file}}}}}\n");
    let outside = compose("./c.txt");
    let said = |root: &Path, lab: &Path, file: &str| {
        std::fs::write(root.join("compose.yaml"), compose(file)).expect("a file");
        let path = root.join("compose.yaml");
        let blueprint = format!("roles: {{a: {{compose: {}}}}}\n", path.display());
        std::fs::write(lab.join("topogen.yaml"), blueprint).expect("a file");
        stderr(&topogen(lab, &["render", "-o", "-"]))
    };
    let root = directory("", &[("lab/c.txt", "text"), ("compose.yaml", outside.as_str())]);
    let lab = root.path().join("lab");
    let error = said(root.path(), &lab, "./c.txt");
    assert!(error.contains("lies outside the blueprint's directory"), "{error}");
    assert!(said(root.path(), &lab, "/etc/hostname").contains("is an absolute path"));
    assert!(!said(&lab, &lab, "./c.txt").contains("error"));
}

/// A file of version 1 is known by its services, whatever they say first.
#[test]
fn a_file_of_version_1_is_known_by_any_service() {
    let files = [("c.yaml", "web: {build: ., ports: ['80:80']}\n")];
    let (topology, sources) = support::read("roles: {r: {compose: c.yaml}}", &Overrides::default(), &files);
    let error = topology.expect_err("refused").render(&sources, false);
    assert!(error.contains("services stand below `services:`"), "{error}");
}

/// What Compose passes to the engine as it is, `check` does not call a mistake.
#[test]
fn a_device_of_another_kind_is_for_the_engine_to_refuse() {
    let directory = directory("roles: {r: {services: {a: {image: i, devices: [fuse]}}}}", &[]);
    let output = topogen(directory.path(), &["check"]);
    assert!(output.status.success());
    assert!(
        stderr(&output).contains("`topogen up` refuses it"),
        "{}",
        stderr(&output)
    );
    assert!(render(directory.path()).contains("- fuse"));
}

/// What an engine refuses when it makes the network, or serves nobody with, is told of before, with its place.
#[test]
fn addresses_of_a_network_lie_in_it() {
    let pool = |pool: &str| {
        let text = format!(
            "roles: {{r: {{services: {{a: {{image: i, networks: [n]}}}}, networks: {{n: {{ipam: {{config: [{{{pool}}}]}}}}}}}}}}"
        );
        support::expanded(&text, &Overrides::default()).map(drop)
    };
    let fits = "subnet: 10.9.1.0/24, gateway: 10.9.1.1, ip_range: 10.9.1.128/25, aux_addresses: {a: 10.9.1.2}";
    assert_eq!(pool(fits), Ok(()));
    assert_eq!(pool("subnet: 'fd00::/64', gateway: 'fd00::1'"), Ok(()));
    for (wrong, said) in [
        (
            "gateway: 10.9.2.1",
            "the gateway `10.9.2.1` lies outside of the subnet `10.9.1.0/24`",
        ),
        ("gateway: first", "the gateway `first` is not an IP address"),
        (
            "ip_range: 10.9.2.0/25",
            "the range `10.9.2.0/25` lies outside of the subnet",
        ),
        (
            "ip_range: 10.9.0.0/16",
            "the range `10.9.0.0/16` lies outside of the subnet",
        ),
        (
            "aux_addresses: {a: 10.8.0.1}",
            "the reserved address `10.8.0.1` lies outside",
        ),
    ] {
        let error = pool(&format!("subnet: 10.9.1.0/24, {wrong}")).expect_err(wrong);
        assert!(error.contains(said) && error.contains("topogen.yaml:1:"), "{error}");
    }
    let error = pool("subnet: 10.9.1.5/24").expect_err("host bits");
    assert!(error.contains("the subnet is `10.9.1.0/24`"), "{error}");
}

/// Two subnets that share addresses are one network to an engine, whatever version of IP they are of.
#[test]
fn no_two_subnets_share_addresses() {
    let of = |pools: &[&str]| {
        let services = (0..pools.len()).map(|at| format!("s{at}: {{image: i, networks: [n{at}]}}"));
        let networks = pools.iter().enumerate();
        let networks = networks.map(|(at, pool)| format!("n{at}: {{enable_ipv6: true, ipam: {{config: [{pool}]}}}}"));
        let (services, networks) = (services.collect::<Vec<_>>(), networks.collect::<Vec<_>>());
        let text = format!(
            "addresses: engine\nroles: {{r: {{services: {{{}}}, networks: {{{}}}}}}}",
            services.join(", "),
            networks.join(", ")
        );
        support::expanded(&text, &Overrides::default()).map(drop)
    };
    let subnet = |text: &str| format!("{{subnet: '{text}'}}");
    for (pools, said) in [
        (["fd00:1::/64", "fd00:1::/64"], "networks `r_n0` and `r_n1` overlap"),
        (["fd00::/16", "fd00:1::/64"], "fd00::/16 and fd00:1::/64"),
        (["fd00:1:0:1::/64", "fd00:1::/48"], "fd00:1::/48 and fd00:1:0:1::/64"),
        (["10.9.1.0/24", "10.9.0.0/16"], "10.9.0.0/16 and 10.9.1.0/24"),
    ] {
        let pools = pools.map(subnet);
        let error = of(&[&pools[0], &pools[1]]).expect_err(said);
        assert!(error.contains(said) && error.contains("topogen.yaml:2:"), "{error}");
    }
    // Each that lies in a wider one is named, also where others lie between.
    let pools = ["10.9.0.0/16", "10.9.1.0/24", "10.9.2.0/24", "10.10.0.0/16"].map(subnet);
    let error = of(&[&pools[0], &pools[1], &pools[2], &pools[3]]).expect_err("two lie in the first");
    assert!(
        error.contains("`r_n0` and `r_n1`") && error.contains("`r_n0` and `r_n2`"),
        "{error}"
    );
    assert!(error.contains("2 problems"), "{error}");
    let error = of(&["{subnet: 'fd00:2::/64'}, {subnet: 'fd00:2::/80'}"]).expect_err("one network");
    assert!(error.contains("two subnets of the network `r_n0` overlap"), "{error}");
    let pools = ["fd00:1::/64", "fd00:1:0:1::/64"].map(subnet);
    assert_eq!(of(&[&pools[0], &pools[1]]), Ok(()));
}

/// What a template makes is of the kind that its key wants, or an error where the template stands.
#[test]
fn what_a_template_makes_is_of_the_right_kind() {
    let check = |blueprint: &str| {
        let directory = directory(blueprint, &[]);
        let output = topogen(directory.path(), &["check"]);
        (output.status.code(), stderr(&output))
    };
    for (service, said) in [
        (
            "privileged: \"{{ node.name }}\"",
            "`services.a.privileged` must be `true` or `false`",
        ),
        ("cpus: \"{{ 'many' }}\"", "`services.a.cpus` must be a number"),
        ("cap_add: \"{{ 'NET_ADMIN' }}\"", "`services.a.cap_add` must be a list"),
        (
            "environment: \"{{ 'A=1' }}\"",
            "`services.a.environment` must be a list or a map",
        ),
        (
            "healthcheck: {interval: \"{{ 5 }}\"}",
            "`services.a.healthcheck.interval` must be a duration",
        ),
        (
            "deploy: {update_config: {parallelism: \"{{ 'x' }}\"}}",
            "`services.a.deploy.update_config.parallelism` must be a whole number",
        ),
        (
            "deploy: {update_config: {order: \"{{ 'x' }}\"}}",
            "must be `start-first` or `stop-first`",
        ),
        (
            "ports: [{target: \"{{ 'http' }}\"}]",
            "`services.a.ports[0].target` must be a whole number",
        ),
        (
            "networks: {internal: {priority: \"{{ 'first' }}\"}}",
            "`services.a.networks.internal.priority` must be a number",
        ),
        (
            "build: {no_cache: \"{{ 'maybe' }}\"}",
            "`services.a.build.no_cache` must be `true` or `false`",
        ),
        (
            "depends_on: {b: {condition: \"{{ 'up' }}\"}}",
            "`services.a.depends_on.b.condition` must be",
        ),
        (
            "oom_score_adj: \"{{ 2000 * node.index }}\"",
            "must be a whole number from -1000 to 1000",
        ),
    ] {
        let blueprint =
            format!("roles:\n  r:\n    services:\n      a: {{image: i, {service}}}\n      b: {{image: i}}\n");
        let (code, text) = check(&blueprint);
        assert_eq!(code, Some(3), "{service}: {text}");
        assert!(
            text.contains(said) && text.contains("topogen.yaml:4:"),
            "{service}: {text}"
        );
    }
    for (sections, said) in [
        (
            "networks: {n: {attachable: \"{{ 'maybe' }}\"}}",
            "`networks.n.attachable` must be `true` or `false`",
        ),
        (
            "volumes: {v: {external: \"{{ 'maybe' }}\"}}",
            "`volumes.v.external` must be",
        ),
    ] {
        let blueprint = format!(
            "roles:\n  r:\n    services: {{a: {{image: i, networks: [{}]}}}}\n    {sections}\n",
            if sections.starts_with("networks") {
                "n"
            } else {
                "internal"
            }
        );
        let (code, text) = check(&blueprint);
        assert_eq!(code, Some(3), "{sections}: {text}");
        assert!(
            text.contains(said) && text.contains("topogen.yaml:4:"),
            "{sections}: {text}"
        );
    }
    let (code, text) = check("inout: {internal: \"{{ 'maybe' }}\"}\nroles: {r: {services: {a: {image: i}}}}");
    assert!(
        code == Some(3) && text.contains("`true` or `false`") && text.contains("topogen.yaml:1:"),
        "{text}"
    );
    // What Compose would cast, a template may make.
    let fits = "roles: {r: {services: {a: {image: i, ulimits: {nofile: \"{{ 5 }}\"}, tty: \"{{ 'yes' }}\", user: \"{{ 5 }}\", blkio_config: {weight: \"{{ 300 }}\"}}}}}";
    let directory = directory(fits, &[]);
    let text = render(directory.path());
    assert!(text.contains("tty: true") && text.contains("weight: 300"), "{text}");
    if compose_is_here() {
        let out = rendered(directory.path(), &[]);
        config(&out.path().join("r"), &["compose.yaml"], &[]);
    }
}

/// Engines make a host name a name on each network, so that two services of one are one name for two.
#[test]
fn a_hostname_has_one_owner_in_a_node() {
    let of = |services: &str| {
        let text = format!("roles: {{r: {{count: 2, services: {{{services}}}, networks: {{m: {{}}, n: {{}}}}}}}}");
        support::expanded(&text, &Overrides::default()).map(drop)
    };
    for services in [
        "a: {image: i, hostname: h}, b: {image: i, hostname: H}",
        "a: {image: i, hostname: b}, b: {image: i}",
        "a: {image: i, networks: [n]}, b: {image: i, hostname: a, networks: [m, n]}",
    ] {
        let error = of(services).expect_err(services);
        assert!(error.contains("inside a node"), "{error}");
    }
    for services in [
        "a: {image: i, hostname: a}, b: {image: i, hostname: c}",
        "a: {image: i, hostname: h, networks: [m]}, b: {image: i, hostname: h, networks: [n]}",
    ] {
        assert_eq!(of(services), Ok(()));
    }
}

/// What the schema has for each key is what `check` takes; `render` writes texts where only they can be meant.
#[test]
fn check_refuses_what_compose_would_refuse() {
    let check = |service: &str, sections: &str| {
        let blueprint = format!("roles: {{r: {{services: {{a: {{{service}}}, b: {{image: i}}}}{sections}}}}}");
        let directory = directory(&blueprint, &[]);
        let output = topogen(directory.path(), &["check"]);
        (output.status.success(), stderr(&output))
    };
    for (service, said) in [
        ("user: root", "has no `image`"),
        ("image: i, healthcheck: {interval: 5}", "say its unit: interval: 5s"),
        (
            "image: i, cap_add: NET_ADMIN",
            "write it as a list: cap_add: [NET_ADMIN]",
        ),
        ("image: i, profiles: dbg", "write it as a list: profiles: [dbg]"),
        ("image: i, expose: 80", "write it as a list: expose: [80]"),
        ("image: i, links: b", "`services.a.links` must be a list"),
        ("image: i, dns: {a: b}", "`services.a.dns` must be a text or a list"),
        ("image: i, deploy: []", "`services.a.deploy` must be a map"),
        (
            "image: i, deploy: {update_config: {paralelism: 2}}",
            "did you mean `parallelism`?",
        ),
        ("image: i, build: {dockerfil: D}", "did you mean `dockerfile`?"),
        (
            "image: i, ports: [{target: 80, mode: [x]}]",
            "`services.a.ports[0].mode` must be a text",
        ),
        ("image: i, environment: ", "leave the key out where it has no value"),
        ("image: i, security_opt: [a, a]", "has one item twice"),
    ] {
        let (taken, text) = check(service, "");
        assert!(!taken && text.contains(said), "{service}: {text}");
    }
    for sections in [
        ", networks: {n: {odd: 1}}",
        ", volumes: {v: {odd: 1}}",
        ", models: {m: {odd: 1}}",
    ] {
        let (taken, text) = check("image: i", sections);
        assert!(!taken && text.contains("unknown key `odd`"), "{sections}: {text}");
    }
    let file = "
services:
  a: {image: i, user: 1000, command: [sleep, 60, true, 1.10], domainname: 7, logging: {driver: 5}, models: [m], tty: \"yes\"}
models: {m: {model: ai/q}}
";
    let directory = directory(
        "roles: {r: {compose: c.yaml, services: {a: {hostname: \"{{ 5 }}\"}}}}",
        &[("c.yaml", file)],
    );
    let text = render(directory.path());
    for written in [
        "user: '1000'",
        "- '60'",
        "- 'true'",
        "- '1.10'",
        "domainname: '7'",
        "driver: '5'",
        "hostname: '5'",
    ] {
        let other = written.replace('\'', "\"");
        assert!(text.contains(written) || text.contains(&other), "{written}: {text}");
    }
    assert!(text.contains("model: ai/q"), "{text}");
    if compose_is_here() {
        let out = rendered(directory.path(), &[]);
        let after = config(&out.path().join("r"), &["compose.yaml"], &[]);
        assert_eq!(
            after["services"]["a"]["command"],
            json!(["sleep", "60", "true", "1.10"])
        );
        assert!(after["services"]["a"]["models"].get("m").is_some(), "{after}");
    }
}

/// Whatever says that a network is external: nobody makes it, and nobody removes it.
#[test]
fn external_is_external_also_as_a_text() {
    for external in ["\"true\"", "\"yes\"", "\"${EXT:-true}\""] {
        let text = format!(
            "inout: {{name: corp, external: {external}}}\nroles: {{r: {{entry: a, services: {{a: {{image: i, networks: [n], volumes: ['v:/v']}}}}, networks: {{n: {{external: {external}}}}}, volumes: {{v: {{external: {external}}}}}}}}}"
        );
        let of = desired(&text, &[]);
        assert!(of.networks().all(|network| network.external), "{external}");
        assert!(of.volumes.iter().all(|volume| volume.external), "{external}");
    }
}

/// What only `.env` has is known to the rendered project too, in its own directory, and is printed nowhere.
#[test]
fn a_rendered_project_knows_what_only_a_file_says() {
    let file = "
services: {a: {image: i, env_file: app.env, secrets: [s]}}
secrets: {s: {environment: TOK}}
";
    let blueprint = "roles: {r: {compose: c.yaml}, q: {compose: sub/d.yaml}}";
    let of_sub = "services: {a: {image: i, env_file: app.env}}";
    let files = [
        ("c.yaml", file),
        (".env", "V='1 $x'\nTOK=secret\nUNUSED=2\n"),
        ("app.env", "X=${V}\n"),
        ("sub/d.yaml", of_sub),
        ("sub/.env", "W=beside\n"),
        ("sub/app.env", "Y=${W}\n"),
    ];
    let directory = directory(blueprint, &files);
    assert!(!render(directory.path()).contains("secret\n"));
    let out = rendered(directory.path(), &[]);
    let read = |path: &str| std::fs::read_to_string(out.path().join(path)).expect("a file");
    assert_eq!(read("r/.env"), "TOK=\"secret\"\nV=\"1 \\$x\"\n");
    assert_eq!(read("q/.env"), "W=\"beside\"\n");
    if compose_is_here() {
        let environment = |node: &str| {
            let after = config(&out.path().join(node), &["compose.yaml"], &[]);
            after["services"]["a"]["environment"].clone()
        };
        // `config` prints what it would read again.
        assert_eq!(environment("r"), json!({"X": "1 $$x"}));
        assert_eq!(environment("q"), json!({"Y": "beside"}));
    }
}
