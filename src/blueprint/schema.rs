//! The JSON Schema of blueprints, derived from types that mirror the parser.
//!
//! The parser itself is written by hand, because it reports every problem with its place. A test keeps the two in step.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::Lint;
use crate::compose::table;

/// A topogen blueprint: roles of services, how many nodes of each, and which services are entry and exit.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct Blueprint {
    /// Name of the cluster: prefixes its projects and its shared network.
    name: Option<String>,
    /// Variables for templates; `--set KEY=VALUE` overrides.
    vars: Option<BTreeMap<String, Value>>,
    /// Options of the shared network, as in Compose.
    inout: Option<BTreeMap<String, Value>>,
    /// Options of every node's private network, as in Compose.
    internal: Option<BTreeMap<String, Value>>,
    /// Networks that any node may join, as in Compose; one with a `count` is several: `link1`, `link2`, …
    #[serde(default)]
    #[schemars(schema_with = "networks")]
    networks: Option<Value>,
    /// Named volumes that any node may mount, as in Compose.
    volumes: Option<BTreeMap<String, Value>>,
    /// Where subnets are cut from; `engine` leaves them to the engine.
    addresses: Option<Addresses>,
    /// The roles, by name.
    roles: BTreeMap<String, Role>,
    /// What is said to topogen alone.
    #[serde(rename = "x-topogen", default)]
    #[schemars(schema_with = "topogen")]
    topogen: Option<Value>,
}

/// Where subnets come from.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum Addresses {
    /// Left to the engine's address pools.
    Engine(Engine),
    /// Cut from a pool.
    Pool {
        /// An IPv4 network of 256 addresses at least, such as 10.192.0.0/11.
        pool: String,
    },
}

/// The word `engine`, in place of a pool.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)]
enum Engine {
    /// The engine chooses subnets from its own address pools.
    Engine,
}

/// One kind of node.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Role {
    /// How many nodes, 0 to 10000: a number, or a map of dimensions to numbers; absent for a single node that has the role's name.
    #[serde(default)]
    #[schemars(schema_with = "count")]
    count: Option<u32>,
    /// Template of a node's name, such as `w-{{ index }}`.
    node: Option<String>,
    /// The service by which a node is reached under its name, or a map of services to names.
    #[serde(default)]
    #[schemars(schema_with = "entry")]
    entry: Option<String>,
    /// The services that reach other nodes and have no name on the shared network.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many")]
    exit: Option<String>,
    /// The roles that must be up before any container of this role starts: one, a list, or a map to `started` or
    /// `healthy`.
    #[serde(default)]
    #[schemars(schema_with = "after")]
    after: Option<String>,
    /// Compose files to take the role from, later ones over earlier ones.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many")]
    compose: Option<String>,
    /// The services to take from the Compose files, with what they use; all of them without it.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many")]
    take: Option<String>,
    /// Other keys for services of the Compose files; references to them follow.
    rename: Option<BTreeMap<String, String>>,
    /// Whole words in texts of the Compose files, and what stands in their place: often a template.
    #[serde(default)]
    #[schemars(schema_with = "replace")]
    replace: Option<BTreeMap<String, String>>,
    /// Services, as in Compose.
    #[serde(default)]
    #[schemars(schema_with = "services")]
    services: Option<Value>,
    /// Variables for templates, over those of the blueprint.
    vars: Option<BTreeMap<String, Value>>,
    /// Configs, as in Compose; a `.j2` file is a template, rendered for each node.
    configs: Option<BTreeMap<String, Value>>,
    /// Secrets, as in Compose.
    secrets: Option<BTreeMap<String, Value>>,
    /// Named volumes of each node, as in Compose.
    volumes: Option<BTreeMap<String, Value>>,
    /// Networks of each node besides the private one; external ones, and those with a `name`, are shared.
    networks: Option<BTreeMap<String, Value>>,
    /// AI models that services use, as in Compose, for `render` only.
    models: Option<BTreeMap<String, Value>>,
    /// What differs for single nodes, by node name.
    overrides: Option<BTreeMap<String, Override>>,
    /// Each node's copy of the Compose files is its own: `true`, or part by part.
    #[serde(default)]
    #[schemars(schema_with = "isolate")]
    isolate: Option<Value>,
    /// What is said to topogen alone, of this role.
    #[serde(rename = "x-topogen", default)]
    #[schemars(schema_with = "topogen_of_a_role")]
    topogen: Option<Value>,
}

/// What differs for one node.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Override {
    /// Services, merged over the role's by Compose's rules.
    #[serde(default)]
    #[schemars(schema_with = "services")]
    services: Option<Value>,
    /// Variables, over the role's.
    vars: Option<BTreeMap<String, Value>>,
}

fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["integer", "string", "object", "null"],
        "minimum": 0,
        "maximum": super::MAX_COUNT,
        "minProperties": 1,
        "maxProperties": super::count::MAX_DIMENSIONS,
        "additionalProperties": {"type": ["integer", "string"], "minimum": 0, "maximum": super::MAX_COUNT},
    })
}

/// Networks of the cluster; the values of Compose's keys are not described.
fn networks(generator: &mut SchemaGenerator) -> Schema {
    let mut properties = undescribed("networks.*");
    properties.insert("count".to_owned(), count(generator).to_value());
    named(properties)
}

fn one_or_many(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "array", "null"], "items": {"type": "string"}})
}

fn replace(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["object", "null"],
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    })
}

fn entry(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "object", "null"],
        "additionalProperties": {"type": ["string", "array", "null"], "items": {"type": "string"}},
    })
}

fn after(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "array", "object", "null"],
        "items": {"type": "string"},
        "additionalProperties": {"enum": ["started", "healthy"]},
    })
}

fn isolate(_: &mut SchemaGenerator) -> Schema {
    let reach = |of: &str| json!({"enum": [true, false, "keep", "all"], "description": of});
    json_schema!({
        "type": ["boolean", "object", "null"],
        "properties": {
            "names": {"enum": [true, false, "keep"], "description": "Names of containers and hosts."},
            "networks": reach("Names and subnets of networks; `all`: external ones become the node's own too."),
            "volumes": reach("Names of volumes; `all`: external ones become the node's own too."),
            "ports": {
                "description": "Ports of the host: chosen by the engine, kept, dropped, or so many apart per node.",
                "anyOf": [
                    {"enum": [true, false, "keep", "drop"]},
                    {"type": ["integer", "string"], "minimum": 1, "maximum": 65535},
                ],
            },
        },
        "additionalProperties": false,
    })
}

fn topogen(_: &mut SchemaGenerator) -> Schema {
    allow(|_| true)
}

fn topogen_of_a_role(_: &mut SchemaGenerator) -> Schema {
    allow(Lint::is_of_a_role)
}

/// The lints that can be silenced: one, or a list.
fn allow(which: impl Fn(Lint) -> bool) -> Schema {
    let lints = Lint::ALL.into_iter().filter(|lint| which(*lint));
    let codes: Vec<&str> = lints.map(Lint::code).collect();
    let description = "Lints that are silenced: `check` says their codes.";
    json_schema!({
        "type": ["object", "null"],
        "properties": {"allow": {
            "description": description,
            "anyOf": [{"enum": codes}, {"type": "array", "items": {"enum": codes}}],
        }},
        "additionalProperties": false,
    })
}

/// An object with every service key of the Compose specification; the values are not described.
fn services(_: &mut SchemaGenerator) -> Schema {
    named(undescribed("services.*"))
}

/// Compose's keys below `path`, whose values are not described.
fn undescribed(path: &str) -> Map<String, Value> {
    let keys = table::keys(path).into_iter();
    keys.map(|key| (key.to_owned(), json!({}))).collect()
}

/// An object of objects by name, each with these `properties` and no others.
fn named(properties: Map<String, Value>) -> Schema {
    json_schema!({
        "type": ["object", "null"],
        "additionalProperties": {
            "type": ["object", "null"],
            "properties": properties,
            "patternProperties": {"^x-": {}},
            "additionalProperties": false,
        },
    })
}

/// The schema as JSON text.
#[must_use]
pub fn text() -> String {
    let mut schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Blueprint>();
    schema.insert("title".to_owned(), "topogen blueprint".into());
    // Extensions are allowed wherever Compose allows them.
    schema.insert("patternProperties".to_owned(), json!({"^x-": {}}));
    for pointer in ["/definitions/Role", "/definitions/Override"] {
        if let Some(Value::Object(object)) = schema.pointer_mut(pointer) {
            object.insert("patternProperties".to_owned(), json!({"^x-": {}}));
        }
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_and_parser_know_the_same_keys() {
        let schema: Value = serde_json::from_str(&text()).unwrap_or_default();
        for (pointer, known) in [
            ("/properties", super::super::TOP_KEYS),
            ("/definitions/Role/properties", super::super::ROLE_KEYS),
            ("/definitions/Override/properties", super::super::OVERRIDE_KEYS),
        ] {
            let properties = schema
                .pointer(pointer)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let required = pointer.replace("properties", "required");
            let wanted = (pointer == "/properties").then(|| json!(["roles"]));
            assert_eq!(schema.pointer(&required), wanted.as_ref(), "{required}");
            let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
            let mut known = known.to_vec();
            keys.sort_unstable();
            known.sort_unstable();
            assert_eq!(keys, known, "{pointer}");
        }
    }
}
