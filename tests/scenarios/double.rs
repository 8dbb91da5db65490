//! The engine that tests have inside their process is as this one is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cluster::{Cluster, docker, text};
use crate::transcript::transcript;

/// This engine answers as its transcript says, which the double is held to. There are transcripts of 20.10 and 28.
pub(crate) fn is_true() {
    let api = docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    let expected = match api.trim() {
        "1.41" => include_str!("../transcripts/v20.txt"),
        "1.51" => include_str!("../transcripts/v28.txt"),
        _ => return,
    };
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let Some(socket) = host.strip_prefix("unix://").map(PathBuf::from) else {
        return;
    };
    let cluster = Cluster::new();
    let archive = cluster.path().join("fake.tar");
    let image = Command::new(env!("CARGO_BIN_EXE_topogen"))
        .arg("image")
        .arg("-o")
        .arg(&archive)
        .output();
    let image = image.expect("topogen runs");
    assert!(image.status.success(), "{}", text(&image.stderr));
    docker(&["load", "-i", archive.to_str().expect("UTF-8")]);
    fs::remove_file(&archive).expect("a file");
    let name = format!("topogen/fake:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(transcript(&socket, api.trim(), &name, &cluster.name), expected);
}
