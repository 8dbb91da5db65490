//! Filters that say where nodes are reached: `names`, `hosts` and `urls`.
//!
//! They take a list of nodes, such as `role('pd')`, and yield a list of texts; of a single node they yield its text. A text in
//! place of a node is a name.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::bounded::written;
use crate::budget::Budget;

/// The most bytes of a node's name, a port and what stands between them.
const HOST: usize = 96;

/// `role('pd') | names`: `pd1`, `pd2`, …
pub(super) fn names(nodes: &Value) -> Result<Value, Error> {
    each(nodes, "names", &|name| name.to_owned())
}

/// `role('pd') | hosts(2379)`: `pd1:2379`, `pd2:2379`, …
pub(super) fn hosts(nodes: &Value, port: &Value) -> Result<Value, Error> {
    let port = self::port(port, "hosts")?;
    each(nodes, "hosts", &|name| format!("{name}:{port}"))
}

/// `role('pd') | urls('http', 2380)`: `http://pd1:2380`, …; without a port, `http://pd1`, …
pub(super) fn urls(nodes: &Value, scheme: &str, port: Option<Value>) -> Result<Value, Error> {
    match port {
        Some(port) => {
            let port = self::port(&port, "urls")?;
            each(nodes, "urls", &|name| format!("{scheme}://{name}:{port}"))
        }
        None => each(nodes, "urls", &|name| format!("{scheme}://{name}")),
    }
}

/// What `write` makes of each name of `nodes`.
fn each(nodes: &Value, filter: &str, write: &dyn Fn(&str) -> String) -> Result<Value, Error> {
    let of = |node: &Value| -> Result<Value, Error> {
        let name = match node.kind() {
            ValueKind::Map => node.get_attr("name")?,
            _ => node.clone(),
        };
        match name.as_str() {
            Some(name) => Ok(Value::from(write(name))),
            None => Err(wrong(format!(
                "`{filter}` takes nodes or their names, found {}",
                name.kind()
            ))),
        }
    };
    match nodes.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let texts: Result<Vec<Value>, Error> = nodes.try_iter()?.map(|node| of(&node)).collect();
            Ok(Value::from(texts?))
        }
        _ => of(nodes),
    }
}

/// A port, as a number or as a text.
fn port(port: &Value, filter: &str) -> Result<u16, Error> {
    let found = port.to_string();
    match found.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(wrong(format!(
            "`{filter}` takes a port from 1 to 65535, found `{found}`"
        ))),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// A text for each node, as long as the other arguments and a host are.
pub(super) fn cost(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    let [nodes, rest @ ..] = arguments else { return Ok(0) };
    let more = rest.iter().map(|a| written(a, budget)).sum::<Result<usize, Error>>()?;
    let count = nodes.len().unwrap_or(1);
    Ok(written(nodes, budget)?.saturating_add(count.saturating_mul(more.saturating_add(HOST))))
}
