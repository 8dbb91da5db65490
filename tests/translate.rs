//! Blueprints in the engine's words: what `up` asks for, and what it refuses.

use serde_json::{Value as Json, json};
use topogen::engine::Wanted;
use topogen::topology::expand::Overrides;

use crate::support::{refused, wanted};

/// What is wanted by a blueprint that is valid.
fn of(text: &str) -> Wanted {
    wanted(text, &Overrides::default())
}

/// The request for the first container of a role `a` with `services`, without what the engine is told of every container.
fn host(services: &str, rest: &str) -> Json {
    let wanted = of(&format!("roles: {{a: {{services: {{{services}}}, {rest}}}}}"));
    json!(wanted.nodes[0].containers[0].body.host_config)
}

fn pretty(value: &Json) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    serde_json::to_string_pretty(&value).expect("JSON")
}

#[test]
fn mounts_are_asked_for_as_compose_does() {
    let services = r#"x: {image: i, volumes: [
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
    ]}"#;
    let host = host(services, "volumes: {data: {}}");
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
    let wanted = of(text);
    let volume = |v: &topogen::engine::VolumeSpec| {
        let mut request = json!(v.request);
        request["Labels"]["com.docker.compose.version"].take();
        request["Labels"]["io.topogen.config-hash"].take();
        request.sort_all_objects();
        json!({"node": v.node, "external": v.external, "request": request})
    };
    let volumes: Vec<Json> = wanted.volumes.iter().map(|v| volume(v)).collect();
    insta::assert_snapshot!("volumes", pretty(&json!(volumes)));
    let mounted = &wanted.nodes[1].containers[0].volumes;
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
          - "data:/x:fast"
          - 7
          - {type: image, source: i, target: /x}
          - {type: npipe, target: /x}
          - {target: /x}
          - {type: bind, target: /x}
          - {type: tmpfs, source: x, target: /x, bind: {}}
          - {type: bind, source: /x, target: /x, bind: {propagation: far, selinux: y, recursive: no, other: 1}}
          - {type: bind, source: /x, target: /x, bind: {selinux: z, create_host_path: false}}
          - {type: tmpfs, target: /x, tmpfs: {mode: "999", size: large}}
          - "{{ node.name }}:/x"
      y: {image: i, volumes: {data: /x}}
    volumes: {data: {driver: [x], other: 1, labels: {io.topogen.node: x}, x-own: 1}}
  b:
    services:
      x: {image: i, volumes: ["one:/x", "two:/y"]}
    volumes: {one: {name: same}, two: {name: same, driver_opts: {type: tmpfs}}}
"#;
    insta::assert_snapshot!("volumes_refused", refused(text, &Overrides::default()));
}
