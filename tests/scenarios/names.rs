//! The names of a cluster, asked by programs of the host: `dig`, and glibc's resolver.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::cluster::{docker, lacks as program_lacks, text, wait};
use crate::serve::{Server, cluster};

/// Why names cannot be asked for, where they cannot.
pub(crate) fn lacks() -> Option<String> {
    // The file that says which server glibc asks is another one in a namespace of its own.
    program_lacks(&["dig", "-v"]).or_else(|| program_lacks(&["unshare", "--mount", "true"]))
}

/// What `dig` says without its comments, a line each.
pub(crate) fn dig(server: &str, arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new("dig")
        .arg(format!("@{server}"))
        .args(["+short", "+tries=1"])
        .args(arguments)
        .output();
    let said = text(&output.expect("dig runs").stdout);
    said.lines().map(str::to_owned).collect()
}

/// The status that `dig` reports, and whether the server has authority.
fn status(server: &str, name: &str) -> (String, bool) {
    let output = Command::new("dig")
        .arg(format!("@{server}"))
        .args(["+noall", "+comments", "+tries=1", name])
        .output();
    let said = text(&output.expect("dig runs").stdout);
    let word = |key: &str| said.split_once(key).and_then(|(_, rest)| rest.split([',', ';']).next());
    let is_authority = word("flags: ").is_some_and(|flags| flags.split(' ').any(|flag| flag == "aa"));
    (word("status: ").unwrap_or_default().to_owned(), is_authority)
}

/// The addresses that glibc finds (getaddrinfo(3)), with `server` as the only one it knows.
fn resolved(directory: &Path, server: &str, name: &str) -> BTreeSet<String> {
    let configuration = directory.join("resolv.conf");
    fs::write(&configuration, format!("nameserver {server}\n")).expect("a file");
    let script = "mount --bind \"$1\" /etc/resolv.conf && exec getent ahostsv4 \"$2\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&configuration)
        .arg(name)
        .output();
    let said = text(&output.expect("unshare runs").stdout);
    let addresses = said.lines().filter_map(|line| line.split_whitespace().next());
    addresses.map(str::to_owned).collect()
}

pub(crate) fn are_found() {
    let cluster = cluster();
    let directory = cluster.path();
    let hosts = directory.join("hosts");
    let before = "127.0.0.1 localhost\n";
    fs::write(&hosts, before).expect("a file");
    // Of this process alone: glibc asks port 53 and no other.
    let [.., third, fourth] = std::process::id().to_be_bytes();
    let server = format!("127.53.{third}.{fourth}");
    let path = hosts.display().to_string();
    let listen = format!("{server}:53");
    let arguments = ["--dns", &listen, "--domain", "lab.test", "--hosts", &path];
    let process = Server::of(&cluster, &arguments, None);
    let inout = format!("{}-inout", cluster.name);
    let [one, two] = ["slave1", "slave2"].map(|node| cluster.address(node, "app", &inout));
    let set = |texts: &[&String]| -> BTreeSet<String> { texts.iter().map(|t| (*t).clone()).collect() };
    let both = set(&[&one, &two]);
    wait("both slaves are found", || {
        (dig(&server, &["slave.lab.test"]) == both).then_some(())
    });
    assert_eq!(dig(&server, &["+tcp", "slave.lab.test"]), both);
    assert_eq!(dig(&server, &["slave2.lab.test"]), set(&[&two]));
    let private = cluster.address("slave2", "db", &format!("{}-slave2_internal", cluster.name));
    assert_eq!(dig(&server, &["db.slave2.lab.test"]), set(&[&private]));
    let ports = ["0 0 80 slave1.lab.test.", "0 0 80 slave2.lab.test."].map(str::to_owned);
    assert_eq!(dig(&server, &["_80._tcp.slave.lab.test", "SRV"]), ports.into());
    assert_eq!(dig(&server, &["-x", &two]), set(&[&"slave2.lab.test.".to_owned()]));
    assert_eq!(status(&server, "slave9.lab.test"), ("NXDOMAIN".to_owned(), true));
    assert_eq!(status(&server, "example.com"), ("REFUSED".to_owned(), false));
    assert_eq!(resolved(&directory, &server, "slave.lab.test"), both);
    let written = fs::read_to_string(&hosts).expect("text");
    assert!(written.starts_with(before), "{written}");
    assert!(
        written.contains(&format!("\n{one}\tslave1.lab.test slave1 ")),
        "{written}"
    );
    docker(&["kill", &cluster.container("slave1", "app")]);
    wait("what was killed is no longer told of", || {
        (resolved(&directory, &server, "slave.lab.test") == set(&[&two])).then_some(())
    });
    assert_eq!(status(&server, "slave1.lab.test"), ("NOERROR".to_owned(), true));
    assert_eq!(dig(&server, &["slave1.lab.test"]), BTreeSet::new());
    let (exit, said) = process.end(Signal::TERM);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains(&format!("server=/lab.test/{server}#53")), "{said}");
    assert_eq!(fs::read_to_string(&hosts).expect("text"), before);
}
