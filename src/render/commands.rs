//! The commands that bring up what was rendered, as a shell takes them.

use crate::text::shell_word;
use crate::topology::{Network, Volume};
use crate::value::{Map, Value};

/// `docker network create`, for a network that no project owns: with all that the blueprint says of it, so that addresses and
/// options are those of `up`.
#[must_use]
pub fn create(network: &Network) -> String {
    let mut words = vec!["docker network create".to_owned()];
    let options = &network.options;
    let mut say = |flag: &str, value: &str| words.push(format!("{flag} {}", shell_word(value)));
    if let Some(driver) = text(options, "driver") {
        say("--driver", &driver);
    }
    for (key, value) in pairs(options.get("driver_opts")) {
        say("--opt", &format!("{key}={value}"));
    }
    for (key, flag) in [("internal", "--internal"), ("attachable", "--attachable")] {
        if is_true(options.get(key)) {
            words.push(flag.to_owned());
        }
    }
    if is_true(options.get("enable_ipv6")) {
        words.push("--ipv6".to_owned());
    }
    // Engines before 28 do not know the flag, and have the one it stands for anyway.
    if options.contains_key("enable_ipv4") && !is_true(options.get("enable_ipv4")) {
        words.push("--ipv4=false".to_owned());
    }
    addresses(network, &mut words);
    for (key, value) in pairs(options.get("labels")) {
        words.push(format!("--label {}", shell_word(&format!("{key}={value}"))));
    }
    words.push(shell_word(network.name.as_str()).into_owned());
    words.join(" ")
}

/// `docker volume create`, for a volume that no project owns: with all that the blueprint says of it.
#[must_use]
pub fn create_volume(volume: &Volume) -> String {
    let mut words = vec!["docker volume create".to_owned()];
    let options = &volume.options;
    if let Some(driver) = text(options, "driver") {
        words.push(format!("--driver {}", shell_word(&driver)));
    }
    for (key, flag) in [("driver_opts", "--opt"), ("labels", "--label")] {
        for (key, value) in pairs(options.get(key)) {
            words.push(format!("{flag} {}", shell_word(&format!("{key}={value}"))));
        }
    }
    words.push(shell_word(&volume.name).into_owned());
    words.join(" ")
}

/// The flags of the network's `ipam`, or of the subnet that was chosen for it.
fn addresses(network: &Network, words: &mut Vec<String>) {
    let mut say = |flag: &str, value: &str| words.push(format!("{flag} {}", shell_word(value)));
    if let Some(subnet) = network.subnet {
        say("--subnet", &subnet.to_string());
    }
    let Some(ipam) = network.options.get("ipam").and_then(Value::as_map) else {
        return;
    };
    if let Some(driver) = text(ipam, "driver") {
        say("--ipam-driver", &driver);
    }
    for (key, value) in pairs(ipam.get("options")) {
        say("--ipam-opt", &format!("{key}={value}"));
    }
    let pools = ipam.get("config").and_then(Value::as_list).unwrap_or_default();
    for pool in pools.iter().filter_map(Value::as_map) {
        for (key, flag) in [
            ("subnet", "--subnet"),
            ("ip_range", "--ip-range"),
            ("gateway", "--gateway"),
        ] {
            if let Some(value) = text(pool, key) {
                say(flag, &value);
            }
        }
        for (key, value) in pairs(pool.get("aux_addresses")) {
            say("--aux-address", &format!("{key}={value}"));
        }
    }
}

fn text(map: &Map, key: &str) -> Option<String> {
    map.get(key).and_then(Value::scalar)
}

/// A map, or a list of `KEY=VALUE`.
fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Map(map)) => {
            let pair =
                |(key, value): (&std::sync::Arc<str>, &Value)| (key.to_string(), value.scalar().unwrap_or_default());
            map.iter().map(pair).collect()
        }
        Some(Value::List(list)) => {
            let pair = |text: String| match text.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (text, String::new()),
            };
            list.iter().filter_map(Value::scalar).map(pair).collect()
        }
        _ => Vec::new(),
    }
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::scalar).is_some_and(|text| text == "true")
}
