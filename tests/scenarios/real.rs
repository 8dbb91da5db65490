//! Real software in place of fakes, in images built here from packages.

use std::process::Command;

use crate::cluster::{docker, text};

/// Names the program that builds them.
const BUILDER: &str = "TOPOGEN_IMAGES";
/// Names the program that unpacks packages of another release: it is called with the release, a directory and packages.
const UNPACKER: &str = "TOPOGEN_PACKAGES";

/// Why images cannot be built, where they cannot.
pub(crate) fn lacks() -> Option<String> {
    match std::env::var(BUILDER) {
        Ok(_) => None,
        Err(_) => Some(format!("{BUILDER} names no program that builds images")),
    }
}

/// Why packages of another release cannot be had, where they cannot.
pub(crate) fn lacks_packages() -> Option<String> {
    let unset = || format!("{UNPACKER} names no program that unpacks packages");
    lacks().or_else(|| std::env::var(UNPACKER).is_err().then(unset))
}

/// `image`, made of `base` and a file that a package of another release has.
pub(crate) fn with_file(image: &str, base: &str, release: &str, package: &str, file: &str) -> String {
    if Command::new("docker")
        .args(["image", "inspect", image])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        return image.to_owned();
    }
    let directory = unpacked(release, package);
    let container = docker(&["create", base, file]);
    let source = format!("{}{file}", directory.path().display());
    docker(&["cp", &source, &format!("{container}:{file}")]);
    docker(&["commit", &container, image]);
    docker(&["rm", &container]);
    image.to_owned()
}

/// A directory with the files of a package of another release.
pub(crate) fn unpacked(release: &str, package: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let unpacker = std::env::var(UNPACKER).expect("a program");
    let output = Command::new(unpacker)
        .arg(release)
        .arg(directory.path())
        .arg(package)
        .output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    directory
}

/// An image with `package` in it.
pub(crate) fn image(package: &str) -> String {
    build(&format!("topogen-test/{package}"), &[package])
}

/// `image`, with `packages` in it.
pub(crate) fn build(image: &str, packages: &[&str]) -> String {
    let builder = std::env::var(BUILDER).expect("a program");
    let output = Command::new(builder)
        .arg(image)
        .args(packages)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    image.to_owned()
}

/// What `command` says in a container.
pub(crate) fn exec(container: &str, command: &[&str]) -> Option<String> {
    let output = Command::new("docker")
        .args(["exec", container])
        .args(command)
        .output()
        .expect("docker runs");
    output.status.success().then(|| text(&output.stdout))
}
