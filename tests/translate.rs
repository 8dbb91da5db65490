//! Blueprints in the engine's words: what `up` asks for, and what it refuses.

use serde_json::{Value as Json, json};
use topogen::cluster::Desired;
use topogen::engine::request;
use topogen::topology::expand::Overrides;

use crate::support::{desired, refused};

/// What is desired by a blueprint that is valid.
fn of(text: &str) -> Desired {
    desired(text, &Overrides::default(), &[])
}

/// What is desired by a role `a` with one service `x` of these `keys`.
fn service(keys: &str) -> Desired {
    of(&format!(
        "roles: {{a: {{services: {{x: {{image: i, {keys}}}, y: {{image: i}}}}, volumes: {{data: {{}}}}}}}}"
    ))
}

/// How the container of a service with these `keys` is to be run.
fn host(keys: &str) -> Json {
    json!(request::container(&service(keys).nodes[0].containers[0]).host_config)
}

fn pretty(value: &Json) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    serde_json::to_string_pretty(&value).expect("JSON")
}

#[test]
fn mounts_are_asked_for_as_compose_does() {
    let keys = r#"volumes: [
        "data:/v1", "data:/v2:ro", "data:/v3:nocopy", "/anonymous",
        "./conf:/b1", "../conf:/b2:ro,z", "/etc:/b3:rprivate",
        {type: bind, source: conf, target: /b4},
        {type: bind, source: ./conf, target: /b5, read_only: true, bind: {propagation: rslave}},
        {type: bind, source: ./conf, target: /b6, bind: {create_host_path: false, recursive: readonly}},
        {type: bind, source: ./conf, target: /b7, bind: {selinux: Z}},
        {type: bind, source: "{{ cluster }}/x", target: /b8, bind: {create_host_path: "true"}},
        {type: volume, source: data, target: /v4, read_only: "true"},
        {type: volume, source: data, target: /v5, volume: {nocopy: true, subpath: sub}},
        {type: volume, target: /v6, volume: {labels: {a: b}}},
        {type: tmpfs, target: /t1, tmpfs: {size: 64m, mode: 0700}},
        {type: tmpfs, target: /t2},
        "~/conf:/b9",
    ]"#;
    let host = host(keys);
    assert_eq!(
        host["Binds"],
        json!([
            "a_data:/v1:rw",
            "a_data:/v2:ro",
            "/blueprint/conf:/b1:rw",
            "/conf:/b2:ro,z",
            "/blueprint/conf:/b4:rw",
            "/blueprint/conf:/b7:rw,Z",
            "/blueprint/default/x:/b8:rw",
            "a_data:/v4:ro",
            "/home/conf:/b9:rw",
        ])
    );
    insta::assert_snapshot!("mounts", pretty(&host["Mounts"]));
}

#[test]
fn named_volumes_are_each_nodes_own_or_shared() {
    let text = r#"
name: lab
roles:
  a:
    count: 2
    services:
      x: {image: i, volumes: ["own:/own", "said:/said", "one:/one", "ext:/ext", "old:/old", "again:/again"]}
    volumes:
      own: {driver: local, driver_opts: {size: 5}, labels: [tier=db, "bare"]}
      said: {name: "{{ node.name }}-said"}
      one: {name: one}
      ext: {external: true}
      old: {external: {name: older}}
      again: {name: "{{ cluster }}-again"}
      unused: {}
"#;
    let desired = of(text);
    let volume = |v: &topogen::cluster::VolumeSpec| {
        let mut request = json!(request::volume(v));
        request["Labels"]["com.docker.compose.version"].take();
        request["Labels"]["io.topogen.config-hash"].take();
        request.sort_all_objects();
        json!({"node": v.node, "external": v.external, "request": request})
    };
    let volumes: Vec<Json> = desired.volumes.iter().map(|v| volume(v)).collect();
    insta::assert_snapshot!("volumes", pretty(&json!(volumes)));
    let mounted = &desired.nodes[1].containers[0].volumes;
    assert_eq!(*mounted, ["a2-said", "ext", "lab-a2_own", "lab-again", "older", "one"]);
}

#[test]
fn volumes_that_nobody_can_mount_are_refused_by_their_paths() {
    let text = r#"
roles:
  a:
    services:
      x:
        image: i
        volumes:
          - "a:b:c:d"
          - ".::ro"
          - "data:relative"
          - "data:/x1:fast"
          - 7
          - {type: image, source: i, target: /x2}
          - {type: npipe, target: /x3}
          - {target: /x4}
          - {type: bind, target: /x5}
          - {type: tmpfs, source: x, target: /x6, bind: {}}
          - {type: bind, source: /x, target: /x7, bind: {propagation: far, selinux: y, recursive: no, other: 1}}
          - {type: bind, source: /x, target: /x8, bind: {selinux: z, create_host_path: false}}
          - {type: tmpfs, target: /x9, tmpfs: {mode: "999", size: large}}
          - "{{ node.name }}:/x10"
      y: {image: i, volumes: {data: /x}}
    volumes: {data: {driver: [x], other: 1, labels: {io.topogen.node: x}, x-own: 1}}
  b:
    services:
      x: {image: i, volumes: ["one:/x", "two:/y"]}
    volumes: {one: {name: same}, two: {name: same, driver_opts: {type: tmpfs}}}
"#;
    insta::assert_snapshot!("volumes_refused", refused(text, &Overrides::default(), &[]));
}

/// Files beside a blueprint.
pub(crate) const ENV: &[(&str, &str)] = &[
    (
        "/blueprint/a.env",
        "PLAIN=1\nREF=$PLAIN-${OUT}-${OWN}\nOUT\nOVER=file\nQUOTED='no $OUT'\n",
    ),
    ("/blueprint/sub/b.env", "PLAIN=2\nLATER=$PLAIN$REF\n"),
    ("/blueprint/raw.env", "RAW=\"$OUT\"\nOUT\n"),
    ("/blueprint/a.labels", "tier=db\nname=$tier-1\nover=file\n"),
    ("/blueprint/broken.env", "A=1\nB C=2\n"),
    ("/blueprint/seccomp.json", "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }"),
    ("/blueprint/bad.json", "{"),
];

#[test]
fn files_add_to_environment_and_labels_by_composes_rules() {
    let text = r#"
roles:
  a:
    count: 2
    services:
      x:
        image: i
        env_file: [a.env, {path: "sub/b.env", required: true}, {path: none.env, required: false}, {path: raw.env, format: raw}]
        environment: {OWN: "{{ node.name }}", OVER: own}
        label_file: a.labels
        labels: [over=own]
"#;
    let desired = desired(text, &Overrides::default(), ENV);
    let body = request::container(&desired.nodes[1].containers[0]);
    assert_eq!(
        body.env.clone().unwrap_or_default(),
        [
            "PLAIN=2",
            "REF=1-outer-a2",
            "OUT=outer",
            "OVER=own",
            "QUOTED=no $OUT",
            "LATER=21-outer-a2",
            "RAW=\"$OUT\"",
            "OWN=a2",
        ]
    );
    let labels = body.labels.clone().unwrap_or_default();
    assert_eq!(
        (&*labels["tier"], &*labels["name"], &*labels["over"]),
        ("db", "db-1", "own")
    );
    let definition: Json = serde_json::from_str(&labels["io.topogen.definition"]).expect("JSON");
    let digests = definition["files"].as_object().expect("files");
    let digest = digests["/blueprint/sub/b.env"]["PLAIN"].as_str().unwrap_or_default();
    assert!(
        digest.starts_with('#') && digest.len() == 17,
        "no value is told: {digest}"
    );
    assert!(!digests.contains_key("/blueprint/none.env"));
}

#[test]
fn a_changed_file_makes_another_container() {
    let text = "roles: {a: {services: {x: {image: i, env_file: a.env}}}}";
    let hash = |content| {
        let desired = desired(text, &Overrides::default(), &[("/blueprint/a.env", content)]);
        let container = &desired.nodes[0].containers[0];
        (
            container.hash.clone(),
            container.labels["io.topogen.definition"].clone(),
        )
    };
    assert_ne!(hash("A=1").0, hash("A=2").0);
    assert_ne!(hash("A=1").1, hash("A=2").1);
    assert_eq!(hash("A=1").0, hash("# note\nA=1").0);
}

/// A hash is over what is said, in no order of a map's making: who says the same twice keeps what runs.
#[test]
fn the_same_words_make_the_same_container() {
    let keys = r#"
        environment: {A: 1, B: 2, C: 3}, labels: {d: 4, e: 5, f: 6}, sysctls: {g: 7, h: 8, i: 9},
        logging: {options: {j: 1, k: 2, l: 3}}, tmpfs: [/m, /n, /o], volumes: [{type: volume, target: /p, volume: {labels: {q: 1, r: 2}}}],
        networks: {internal: {driver_opts: {s: 1, t: 2, u: 3}}}
    "#;
    let hash = || service(keys).nodes[0].containers[0].hash.clone();
    let first = hash();
    assert_eq!(first.len(), 64);
    for _ in 0..8 {
        assert_eq!(hash(), first);
    }
    let plain = service("init: true").nodes[0].containers[0].hash.clone();
    assert_ne!(plain, first);
}

#[test]
fn files_that_cannot_be_read_are_shown_where_they_are_named() {
    let text = r#"
roles:
  a:
    count: 2
    services:
      x: {image: i, env_file: gone.env, label_file: [gone.labels]}
      y: {image: i, env_file: [broken.env, {path: "{{ node.name }}.env"}, {format: raw}, {path: a.env, format: json}]}
      z: {image: i, label_file: broken.env, security_opt: ["seccomp=gone.json", "seccomp:bad.json", "odd"]}
      z2: {image: i, env_file: [[a.env]], label_file: {path: a.labels}}
"#;
    insta::assert_snapshot!("files_refused", refused(text, &Overrides::default(), ENV));
}

#[test]
fn what_is_shared_comes_first() {
    let text = r#"
name: lab
roles:
  a:
    entry: db
    services:
      db: {image: i}
      side:
        image: i
        network_mode: service:db
        pid: service:main
        ipc: container:lab-a-main-1
        volumes_from: ["main:ro", "container:elsewhere", "container:lab-a-db-1:rw"]
      main: {image: i, ipc: shareable, depends_on: {db: {condition: service_healthy, restart: true}}}
      linked: {image: i, links: [db, "main:www"], external_links: [redis, "other:cache"]}
      bridged: {image: i, network_mode: bridge, links: ["main:www"]}
"#;
    let desired = of(text);
    let container = |name: &str| {
        let mut containers = desired.nodes[0].containers.iter();
        containers.find(|c| c.service.as_str() == name).expect("a container")
    };
    let side = container("side");
    let host = json!(request::container(side).host_config);
    assert_eq!(host["NetworkMode"], "container:lab-a-db-1");
    assert_eq!(host["PidMode"], "container:lab-a-main-1");
    assert_eq!(host["IpcMode"], "container:lab-a-main-1");
    assert_eq!(
        host["VolumesFrom"],
        json!(["lab-a-main-1:ro", "elsewhere", "lab-a-db-1:rw"])
    );
    assert_eq!(json!(side.joined), json!(["lab-a-db-1", "lab-a-main-1"]));
    let after = |name: &str| {
        let after = container(name).after.iter();
        let one = |d: &topogen::cluster::Dependency| format!("{} {} {}", d.container, d.condition.word(), d.restart);
        after.map(one).collect::<Vec<_>>()
    };
    assert_eq!(after("side"), ["lab-a-db-1 started true", "lab-a-main-1 started true"]);
    assert_eq!(after("main"), ["lab-a-db-1 healthy true"]);
    let label = |name: &str| container(name).labels["com.docker.compose.depends_on"].clone();
    assert_eq!(label("side"), "a-db:service_started:true,main:service_started:true");
    assert_eq!(label("main"), "a-db:service_healthy:true");
    assert_eq!(label("db"), "");
    let links = [
        "lab-a-db-1:db",
        "lab-a-db-1:a-db-1",
        "lab-a-db-1:lab-a-a-db-1",
        "lab-a-main-1:www",
        "lab-a-main-1:main-1",
        "lab-a-main-1:lab-a-main-1",
        "redis:redis",
        "other:cache",
    ];
    assert_eq!(
        request::endpoint(&container("linked").endpoints[0])
            .links
            .unwrap_or_default(),
        links
    );
    assert!(container("linked").joined.is_empty());
    let bridged = container("bridged");
    assert_eq!(
        json!(request::container(bridged).host_config)["Links"][0],
        "lab-a-main-1:www"
    );
    assert_eq!(
        json!(bridged.joined),
        json!(["lab-a-main-1"]),
        "the engine asks for it when it makes the other"
    );
}

#[test]
fn images_are_fetched_when_compose_would() {
    use topogen::cluster::Pull;
    for (policy, expected) in [
        ("always", Pull::Always),
        ("never", Pull::Never),
        ("missing", Pull::Missing),
        ("if_not_present", Pull::Missing),
        ("\"\"", Pull::Missing),
        ("daily", Pull::Every(86_400)),
        ("weekly", Pull::Every(604_800)),
        ("every_5h30m", Pull::Every(19_800)),
        ("refresh", Pull::Missing),
        ("refresh, pull_refresh_after: 1w2d", Pull::Every(777_600)),
    ] {
        let desired = service(&format!("platform: linux/arm64, pull_policy: {policy}"));
        let container = &desired.nodes[0].containers[0];
        assert_eq!(container.pull, expected, "{policy}");
        assert_eq!(container.platform.as_deref(), Some("linux/arm64"));
    }
}

#[test]
fn values_reach_the_engine_as_compose_sends_them() {
    let host = |keys| host(keys);
    let policy = |keys| host(keys)["RestartPolicy"].clone();
    assert_eq!(
        policy("restart: on-failure:3"),
        json!({"Name": "on-failure", "MaximumRetryCount": 3})
    );
    let deploy = "restart: always, deploy: {restart_policy: {condition: on-failure, max_attempts: 2, delay: 5s}}";
    assert_eq!(policy(deploy), json!({"Name": "on-failure", "MaximumRetryCount": 2}));
    assert_eq!(policy("deploy: {restart_policy: {}}"), json!({"Name": "always"}));
    assert_eq!(
        policy("deploy: {restart_policy: {condition: none}}"),
        json!({"Name": "no"})
    );
    let hosts = host("extra_hosts: [\"a=[::1]\", \"b:::2\", \"c:1.2.3.4\", \"d=host-gateway\"]");
    assert_eq!(
        hosts["ExtraHosts"],
        json!(["a:::1", "b:::2", "c:1.2.3.4", "d:host-gateway"])
    );
    let hosts = host("extra_hosts: {a: [1.1.1.1, \"[::1]\"], b: 2.2.2.2}");
    assert_eq!(hosts["ExtraHosts"], json!(["a:1.1.1.1", "a:::1", "b:2.2.2.2"]));
    let capabilities = host("cap_add: [sys_admin, CAP_CHOWN, SYS_ADMIN], cap_drop: [all]");
    assert_eq!(capabilities["CapAdd"], json!(["CAP_CHOWN", "CAP_SYS_ADMIN"]));
    assert_eq!(capabilities["CapDrop"], json!(["ALL"]));
    let devices = host(
        "devices: [/dev/null, \"/dev/x:/dev/y:r\", vendor.com/class=a], gpus: all, \
         deploy: {resources: {reservations: {devices: [{capabilities: [tpu], count: all}, {driver: d, capabilities: [gpu], device_ids: [\"1\"]}]}}}",
    );
    insta::assert_snapshot!(
        "devices",
        pretty(&json!([devices["Devices"], devices["DeviceRequests"]]))
    );
    let limits = host(
        "cpus: 0.5, deploy: {resources: {limits: {cpus: \"0.5\", memory: 64m, pids: 9}, reservations: {memory: 32m}}}",
    );
    assert_eq!(
        (&limits["NanoCpus"], &limits["Memory"]),
        (&json!(500_000_000), &json!(64 << 20))
    );
    assert_eq!(
        (&limits["PidsLimit"], &limits["MemoryReservation"]),
        (&json!(9), &json!(32 << 20))
    );
    assert_eq!(
        host("cpu_period: \"50000\", cpu_quota: 25000")["CpuPeriod"],
        json!(50_000)
    );
    assert_eq!(
        host("cpu_period: \"50000\", cpu_quota: 25000")["CpuQuota"],
        json!(25_000)
    );
    let text = "roles: {a: {services: {x: {image: i, security_opt: [\"seccomp=seccomp.json\", \"systempaths=unconfined\", \"no-new-privileges\", \"label:user:u\"]}}}}";
    let desired = desired(text, &Overrides::default(), ENV);
    let secure = json!(request::container(&desired.nodes[0].containers[0]).host_config);
    let options = [
        "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
        "no-new-privileges",
        "label:user:u",
    ];
    assert_eq!(secure["SecurityOpt"], json!(options));
    assert_eq!(
        (&secure["MaskedPaths"], &secure["ReadonlyPaths"]),
        (&json!([]), &json!([]))
    );
    let both = service("expose: [\"80\", \"81-82/udp\"], ports: [\"8080:80\", \"83\"]");
    let exposed = request::container(&both.nodes[0].containers[0]).exposed_ports;
    assert_eq!(exposed.unwrap_or_default(), ["80/tcp", "81/udp", "82/udp", "83/tcp"]);
    let addressed = service(
        "mac_address: \"02:42:ac:11:00:02\", networks: {internal: {interface_name: eth7, driver_opts: {a: 1}}}",
    );
    let endpoint = request::endpoint(&addressed.nodes[0].containers[0].endpoints[0]);
    assert_eq!(endpoint.mac_address.as_deref(), Some("02:42:ac:11:00:02"));
    assert_eq!(
        json!(endpoint.driver_opts),
        json!({"a": "1", "com.docker.network.endpoint.ifname": "eth7"})
    );
}

#[test]
fn values_that_compose_or_the_engine_would_refuse_are_refused() {
    let text = r#"
roles:
  a:
    services:
      x:
        image: i
        cpus: 1
        mem_limit: 1g
        mac_address: "02:42:ac:11:00:02"
        networks: {internal: {mac_address: "02:42:ac:11:00:03"}}
        healthcheck: {test: [curl, localhost]}
        deploy:
          restart_policy: {condition: any, max_attempts: 3}
          resources: {limits: {cpus: 2, memory: 2g, odd: 1}, reservations: {cpus: "1"}}
          odd: 1
        devices: ["null", {source: /dev/x, odd: 1}]
        extra_hosts: [nobody]
        uts: private
        isolation: most
        pull_policy: sometimes
        logging: {odd: 1}
      y: {image: i, pid: private, ipc: odd, network_mode: none, mac_address: "02:42:ac:11:00:02", pull_policy: every_now}
      z: {image: i, pull_policy: build, volumes_from: ["x:fast"], links: {x: y}, depends_on: {x: {condition: soon, odd: 1}}}
"#;
    insta::assert_snapshot!("values_refused", refused(text, &Overrides::default(), &[]));
}

/// What is known elsewhere is as unknown as anything, and the hint names keys of the place.
#[test]
fn keys_that_are_known_elsewhere_only_are_refused_with_those_of_the_place() {
    let text = r#"
roles:
  a:
    services:
      x:
        image: i
        healthcheck: {delay: 3s, name: y, file: z, x-own: 1}
        logging: {labels: {a: b}}
        deploy: {restart_policy: {intervall: 3s}, driver: x}
        devices: [{source: /dev/x, permission: r}]
        volumes: [{type: volume, source: data, target: /x, external: true}]
        networks: [n]
        configs: [c, {source: c, target: /d, modee: 3, uid: abc, gid: "12", x-own: 1}]
        secrets:
          - {source: s, uid: "", gid: "-1", name: s}
          - {source: s, target: a, uid: 12, gid: "${NONE:-7}"}
          - source: s
            target: b
            uid: "{{ node.index }}"
            gid: ${NONE:-7}
        ulimits: {nofile: {soft: 1, hrad: 2, x-own: 1}}
        blkio_config:
          weight_device: [{path: /dev/x, wieght: 1}, {path: /dev/x, weight: many}]
          device_read_bps: [{path: /dev/x, rate: 1m, weight: 1, x-own: 1}, {path: /dev/x, rate: much}]
    volumes: {data: {attachable: true}}
    networks: {n: {ipam: {odd: 1, x-own: 1, config: [{subnte: 10.9.0.0/16, x-own: 1}]}}}
    secrets: {s: {content: a}}
    configs: {c: {content: a, template_driver: golang}}
"#;
    insta::assert_snapshot!("keys_refused", refused(text, &Overrides::default(), &[]));
}

#[test]
fn a_service_may_be_several_containers() {
    let text = |scale: &str, off: &str| {
        format!(
            r#"
roles:
  a:
    count: 2
    entry: front
    services:
      front: {{image: i, links: [web], depends_on: {{off: {{condition: service_healthy}}, web: {{condition: service_healthy}}}}}}
      web: {{image: i, scale: {scale}, ports: ["8000-8009:80"], environment: {{N: "{{{{ node.index }}}}"}}}}
      off: {{image: i, deploy: {{replicas: {off}}}}}
      side: {{image: i, volumes_from: [web]}}
"#
        )
    };
    let desired = of(&text("\"{{ 1 + node.index }}\"", "0"));
    let names = |node: usize| {
        let containers = desired.nodes[node].containers.iter();
        containers.map(|c| c.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["a1-front-1", "a1-web-1", "a1-web-2", "a1-side-1"]);
    assert_eq!(
        names(1),
        ["a2-front-1", "a2-web-1", "a2-web-2", "a2-web-3", "a2-side-1"]
    );
    let node = &desired.nodes[0];
    let label = |at: usize, key: &str| node.containers[at].labels[key].clone();
    assert_eq!(label(2, "com.docker.compose.container-number"), "2");
    assert_eq!(label(1, "io.topogen.definition"), label(2, "io.topogen.definition"));
    assert_eq!(node.containers[2].endpoints[0].aliases, ["a1-web-2", "web"]);
    let front = &node.containers[0];
    let after: Vec<&str> = front.after.iter().map(|d| d.container.as_str()).collect();
    assert_eq!(after, ["a1-web-1", "a1-web-2"], "none waits for what is no container");
    let links = request::endpoint(&front.endpoints[0]).links.unwrap_or_default();
    assert!(links.contains(&"a1-web-2:web".to_owned()), "{links:?}");
    assert_eq!(json!(node.containers[3].joined), json!(["a1-web-1"]));
    let restarts = |at: usize| node.containers[at].after.iter().map(|d| d.restart).collect::<Vec<_>>();
    assert_eq!(
        restarts(0),
        [false, false],
        "a link beside `depends_on` takes nothing along"
    );
    let text_of_sharing = text("2", "0").replace("volumes_from: [web]", "network_mode: service:web");
    let sharing = of(&text_of_sharing);
    let after = sharing.nodes[0].containers[3].after.iter();
    let after: Vec<(String, bool)> = after.map(|d| (d.container.to_string(), d.restart)).collect();
    assert_eq!(after, [("a1-web-1".to_owned(), true), ("a1-web-2".to_owned(), false)]);

    // How many there are makes none of them another one, but for those that have names for all of them.
    let hashes = |scale: &str, off: &str| {
        let desired = of(&text(scale, off));
        let hash = |c: &std::sync::Arc<topogen::cluster::ContainerSpec>| (c.name.to_string(), c.hash.clone());
        desired.nodes[0]
            .containers
            .iter()
            .map(hash)
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (few, many) = (hashes("1", "1"), hashes("3", "2"));
    let changed: Vec<&String> = few
        .iter()
        .filter(|(name, hash)| many[*name] != **hash)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(changed, ["a1-front-1"]);
    let text = text("1", "0").replace("volumes_from: [web]", "network_mode: service:off");
    insta::assert_snapshot!("nothing_to_share", refused(&text, &Overrides::default(), &[]));
}

/// An older engine passes over what it does not know: nothing is asked of it then.
#[test]
fn what_an_engine_does_not_know_yet_is_said_with_its_place() {
    let text = r#"
roles:
  a:
    count: 2
    networks: {back: {enable_ipv4: false}}
    volumes: {data: {}}
    services:
      x:
        image: i
        annotations: {a: b}
        healthcheck: {test: exit 0, start_interval: 1s}
        mac_address: "02:42:ac:11:00:02"
        networks: {back: {priority: 1, gw_priority: 1}, internal: {mac_address: "02:42:ac:11:00:03", interface_name: eth7}}
        volumes:
          - {type: volume, source: data, target: /v, volume: {subpath: sub}}
          - {type: bind, source: /s, target: /b, read_only: true, bind: {recursive: readonly}}
"#;
    let (topology, sources) = crate::support::read(text, &Overrides::default(), &[]);
    let topology = topology.unwrap_or_else(|p| panic!("{}", p.render(&sources, false)));
    let desired = topogen::engine::translate::translate(&topology, &Default::default()).expect("translated");
    assert!(desired.beyond((1, 48)).is_empty());
    assert_eq!(desired.beyond((1, 45)).len(), 3);
    insta::assert_snapshot!("beyond_an_engine", desired.beyond((1, 41)).render(&sources, false));
}

/// A hardened service has its configs and secrets all the same.
#[test]
fn files_have_room_where_nothing_can_be_written() {
    let text = r#"
roles:
  a:
    configs: {c: {content: c}}
    secrets: {s: {content: s}}
    services:
      hidden: {image: i, tmpfs: [/run, /etc/app/cache], configs: [{source: c, target: /etc/app/c}], secrets: [s]}
      hard: {image: i, read_only: true, configs: [{source: c, target: /etc/app/c}], secrets: [s]}
      room: {image: i, read_only: true, tmpfs: /run, secrets: [s], volumes: [/run/secrets]}
      plain: {image: i, configs: [c], secrets: [s]}
"#;
    let desired = of(text);
    let mounts = |at: usize| {
        let host = json!(request::container(&desired.nodes[0].containers[at]).host_config);
        let targets = host["Mounts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|m| m["Target"].clone());
        targets.collect::<Json>()
    };
    assert_eq!(mounts(0), json!(["/run/secrets"]));
    assert_eq!(mounts(1), json!(["/etc/app", "/run/secrets"]));
    assert_eq!(mounts(2), json!(["/run/secrets"]));
    assert_eq!(mounts(3), json!([]));
    assert!(
        desired.nodes[0].containers[1]
            .targets()
            .contains(&"/etc/app".to_owned()),
        "it is not carried over"
    );
    assert!(
        !desired.nodes[0].containers[2]
            .targets()
            .contains(&"/run/secrets".to_owned()),
        "it is"
    );
    let text = text.replace(
        "read_only: true, configs: [{source: c, target: /etc/app/c}]",
        "read_only: true, configs: [c]",
    );
    insta::assert_snapshot!("no_room", refused(&text, &Overrides::default(), &[]));
}

/// Nothing of ours is written through a mount that others see, or that outlives the container.
#[test]
fn files_below_mounts_are_refused_with_their_place() {
    let text = r#"
roles:
  a:
    count: 3
    configs: {c: {content: c}}
    secrets: {s: {content: s}}
    services:
      bind: {image: i, volumes: ["./conf:/etc/app"], configs: [{source: c, target: /etc/app/c}]}
      deep: {image: i, volumes: ["./conf:/etc/app/"], configs: [{source: c, target: /etc//x/../app/new/c}]}
      ro: {image: i, volumes: ["./conf:/run/secrets:ro"], secrets: [s]}
      fixed: {image: i, volumes: ["shared:/data"], configs: [{source: c, target: /data/sub/c}]}
      own: {image: i, volumes: ["own:/data"], configs: [{source: c, target: /data/c}]}
      root: {image: i, read_only: true, volumes: ["own:/data"], configs: [{source: c, target: /data/new/c}]}
      same: {image: i, volumes: [{type: bind, source: ./conf, target: /etc/./app}], configs: [{source: c, target: /etc/app}]}
      inside: {image: i, volumes: ["./conf:/etc/app/x"], configs: [{source: c, target: /etc/app}]}
      memory: {image: i, tmpfs: [/m], configs: [{source: c, target: /m/c}]}
      other: {image: i, volumes_from: ["bind:ro"], configs: [{source: c, target: /etc/app/c}]}
      farther: {image: i, volumes_from: [other], configs: [c, {source: c, target: /etc/app/c}]}
      slash: {image: i, configs: [{source: c, target: /etc/..}]}
    volumes: {shared: {name: shared}, own: {}}
"#;
    insta::assert_snapshot!("files_below_mounts", refused(text, &Overrides::default(), &[]));
}

/// What is the container's own is written: its layer, and volumes that only it has.
#[test]
fn files_beside_mounts_are_not_refused() {
    let text = r#"
roles:
  a:
    configs: {c: {content: c}}
    services:
      beside: {image: i, volumes: ["./conf:/etc/app"], configs: [{source: c, target: /etc/application/c}]}
      own: {image: i, volumes: [/data], configs: [{source: c, target: /data/c}]}
      nearer: {image: i, volumes: ["./conf:/etc", "/etc/app"], configs: [{source: c, target: /etc/app/c}]}
      memory: {image: i, volumes: ["./conf:/etc"], tmpfs: [/etc/app], configs: [{source: c, target: /etc/app/sub/c}]}
"#;
    assert_eq!(of(text).nodes[0].containers.len(), 4);
}

#[test]
fn values_that_no_engine_takes_are_told_before_it_is_asked() {
    let blueprint = |service: &str| format!("roles: {{r: {{services: {{a: {{image: i, {service}}}}}}}}}");
    let told = [
        "cap_add: [NET_ADMN, sys_admin], cap_drop: [CAP_NONE]",
        "stop_signal: SIGFOO",
        "stop_signal: 99",
        "mem_limit: 1m",
        "mem_limit: 32m, memswap_limit: 16m, mem_reservation: 64m, mem_swappiness: 200",
        "memswap_limit: 1g, oom_score_adj: -2000, cpu_period: 10, cpu_quota: 10",
        "cpus: 1.5, cpu_quota: 50000",
        "deploy: {resources: {limits: {memory: 1M}, reservations: {memory: 2M}}}",
    ];
    let told = told.map(|service| refused(&blueprint(service), &Overrides::default(), &[]));
    insta::assert_snapshot!("impossible", told.join("\n"));
    for service in [
        "cap_add: [all, Cap_Bpf], stop_signal: rtmin+3",
        "stop_signal: SIGPOLL, mem_limit: 6m, memswap_limit: -1, mem_swappiness: 0",
        "stop_signal: IOT, cpu_period: 1000000, cpu_quota: 0, oom_score_adj: 1000",
        "mem_limit: 0, stop_signal: ''",
    ] {
        desired(&blueprint(service), &Overrides::default(), &[]);
    }
}

/// What is a set or a map is the same in any order.
#[test]
fn the_order_of_what_has_none_recreates_nothing() {
    for (one, other) in [
        ("environment: {A: 1, B: 2}", "environment: {B: 2, A: 1}"),
        ("environment: [A=1, B=2]", "environment: {B: 2, A: 1}"),
        ("labels: {a: x, b: y}", "labels: [b=y, a=x]"),
        ("sysctls: {net.a: 1, net.b: 2}", "sysctls: [net.b=2, net.a=1]"),
        (
            "cap_add: [CHOWN, KILL], cap_drop: [FOWNER, ALL]",
            "cap_add: [KILL, CAP_CHOWN], cap_drop: [ALL, FOWNER]",
        ),
        (
            "extra_hosts: {a: 10.0.0.1, b: 10.0.0.2}",
            "extra_hosts: [\"b:10.0.0.2\", \"a:10.0.0.1\"]",
        ),
        ("expose: [80, 81]", "expose: [81, 80]"),
        ("ports: [\"80:80\", \"81:81\"]", "ports: [\"81:81\", \"80:80\"]"),
        ("group_add: [a, b]", "group_add: [b, a]"),
        (
            "security_opt: [\"label=disable\", \"no-new-privileges\"]",
            "security_opt: [no-new-privileges, \"label=disable\"]",
        ),
        ("ulimits: {nofile: 5, nproc: 6}", "ulimits: {nproc: 6, nofile: 5}"),
        ("tmpfs: [/a, /b]", "tmpfs: [/b, /a]"),
        ("volumes: [/a, /b]", "volumes: [/b, /a]"),
        ("depends_on: [x, y]", "depends_on: [y, x]"),
        ("networks: [internal, inout]", "networks: [inout, internal]"),
        (
            "networks: {inout: {aliases: [p, q]}}",
            "networks: {inout: {aliases: [q, p]}}",
        ),
        ("devices: [/dev/null, /dev/zero]", "devices: [/dev/zero, /dev/null]"),
        (
            "device_cgroup_rules: [\"c 1:3 mr\", \"a 7:* rmw\"]",
            "device_cgroup_rules: [\"a 7:* rmw\", \"c 1:3 mr\"]",
        ),
        ("storage_opt: {size: 1G, b: c}", "storage_opt: {b: c, size: 1G}"),
        (
            "logging: {driver: local, options: {a: b, c: d}}",
            "logging: {options: {c: d, a: b}, driver: local}",
        ),
        ("configs: [p, q]", "configs: [q, p]"),
    ] {
        let of = |service: &str| {
            let text = format!(
                "roles:\n  r:\n    configs: {{p: {{content: p}}, q: {{content: q}}}}\n    services:\n      a: {{image: i, {service}}}\n      x: {{image: i}}\n      y: {{image: i}}\n"
            );
            desired(&text, &Overrides::default(), &[]).nodes[0].containers[0]
                .hash
                .clone()
        };
        assert_eq!(of(one), of(other), "{one}");
    }
}

/// Values reach neither labels nor the cause of a change, whatever their keys are called.
#[test]
fn labels_and_causes_tell_no_values() {
    let text = |value: &str| {
        format!(
            r#"
roles:
  a:
    services:
      x:
        image: i
        environment: {{DB_PASS: {value}, APIKEY: {value}, URL: "postgres://u:{value}@db/x", PLAIN: {value}}}
        command: [serve, --password, {value}]
        healthcheck: {{test: "curl -u x:{value} localhost"}}
        logging: {{options: {{dsn: {value}}}}}
        secrets: [s]
    secrets: {{s: {{content: {value}}}}}
"#
        )
    };
    let container = |value: &str| desired(&text(value), &Overrides::default(), &[]).nodes[0].containers[0].clone();
    let (before, now) = (container("hunter2"), container("rosebud"));
    let labels: Vec<String> = before.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert!(!labels.iter().any(|label| label.contains("hunter2")), "{labels:#?}");
    let cause = topogen::plan::reconcile::changed(&before.labels, &now).expect("it changed");
    assert_eq!(cause, "`command` changed; `environment.APIKEY` changed; 6 more");
    // A cluster of an earlier version has all of it in clear.
    let mut clear = before.labels.clone();
    let definition = serde_json::json!({"command": ["serve", "--password", "hunter2"], "environment": {"DB_PASS": "hunter2"}, "image": "j"});
    clear.insert("io.topogen.definition".to_owned(), definition.to_string());
    let cause = topogen::plan::reconcile::changed(&clear, &now).expect("it changed");
    assert!(cause.starts_with("`image` changed from `j` to `i`; "), "{cause}");
    assert!(!cause.contains("hunter2") && !cause.contains("rosebud"), "{cause}");
    assert_eq!(
        topogen::plan::reconcile::changed(&clear, &before),
        None,
        "words alone recreate nothing"
    );
}
