//! Lints: each finds what it is for, and is silent where the blueprint allows that.

use std::collections::BTreeSet;

use topogen::lint::{self, Lint, Subject};
use topogen::name::RoleName;
use topogen::topology::expand::Overrides;

use crate::support::expanded;

/// A blueprint in which `lint` finds something of the role `web`, and no other lint anything.
fn case(lint: Lint) -> &'static str {
    match lint {
        Lint::FullNetwork => "  web: {count: 1024, entry: app, services: {app: {image: i}}}\n",
        Lint::Hostname => "  web: {count: 2, entry: app, services: {app: {image: i, hostname: app}}}\n",
        Lint::Unresolved => {
            "  db: {services: {store: {image: i}}}\n  web: {services: {app: {image: i, environment: {DB_HOST: db}}}}\n"
        }
        Lint::MissingFile => "  web: {services: {app: {image: i, volumes: [\"/etc/gone.conf:/a\"]}}}\n",
        Lint::HostNetwork => "  web: {count: 3, services: {app: {image: i, network_mode: host}}}\n",
    }
}

/// The codes of what is found where none of the files is there that `web` mounts.
fn codes(top: &str, roles: &str) -> Vec<&'static str> {
    let text = format!("{top}roles:\n{roles}");
    let topology = expanded(&text, &Overrides::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let role: RoleName = "web".parse().expect("a role");
    // What `check` finds in the engine's words.
    let services = topology.nodes.iter().flat_map(|n| &n.services);
    let volumes = services.flat_map(|s| s.get("volumes").map(|v| v.one_or_many()).unwrap_or_default());
    let paths = volumes.filter_map(|v| Some((v.split_once(':')?.0.to_owned(), role.clone())));
    let mounts: BTreeSet<(String, RoleName)> = paths.collect();
    let is_there = |_: &str| false;
    let found = lint::look(&Subject::new(&topology).mounting(&mounts, &is_there));
    found.iter().map(|p| p.code.expect("a code")).collect()
}

#[test]
fn each_finds_what_it_is_for_unless_that_is_allowed() {
    for lint in Lint::ALL {
        let (code, roles) = (lint.code(), case(lint));
        assert_eq!(codes("", roles), [code]);
        for allowed in [format!("[{code}]"), code.to_owned(), format!("[T002, T001, {code}]")] {
            let top = format!("x-topogen: {{allow: {allowed}}}\n");
            assert_eq!(codes(&top, roles), [""; 0], "{top}");
        }
        let others: Vec<&str> = Lint::ALL.iter().map(|l| l.code()).filter(|c| *c != code).collect();
        assert_eq!(
            codes(&format!("x-topogen: {{allow: [{}]}}\n", others.join(", ")), roles),
            [code]
        );
        if lint.is_of_a_role() {
            let allow = format!("x-topogen: {{allow: [{code}]}}");
            let of_role = roles.replace("  web: {", &format!("  web: {{{allow}, "));
            assert_eq!(codes("", &of_role), [""; 0], "{of_role}");
            let of_another = format!("{roles}  other: {{{allow}, services: {{own: {{image: i}}}}}}\n");
            assert_eq!(codes("", &of_another), [code], "{of_another}");
        }
    }
}

#[test]
fn a_file_is_missing_only_where_it_is_not_there() {
    let topology = expanded(&format!("roles:\n{}", case(Lint::MissingFile)), &Overrides::default());
    let topology = topology.unwrap_or_else(|e| panic!("{e}"));
    let role: RoleName = "web".parse().expect("a role");
    let paths = ["/etc/gone.conf", "/etc/here.conf", "/srv/data", "volume.d"];
    let mounts: BTreeSet<(String, RoleName)> = paths.map(|p| (p.to_owned(), role.clone())).into();
    let is_there = |path: &str| path == "/etc/here.conf";
    let found = lint::look(&Subject::new(&topology).mounting(&mounts, &is_there));
    let messages: Vec<&str> = found.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        ["`/etc/gone.conf` is not there: the engine would make a directory of that name"]
    );
}
