//! Real software in place of fakes, in images built here from packages.

use std::process::Command;

use crate::cluster::text;

/// Names the program that builds them.
const BUILDER: &str = "TOPOGEN_IMAGES";

/// Why images cannot be built, where they cannot.
pub(crate) fn lacks() -> Option<String> {
    match std::env::var(BUILDER) {
        Ok(_) => None,
        Err(_) => Some(format!("{BUILDER} names no program that builds images")),
    }
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
