//! Whether a value is of a kind that the table has for its path, and what Compose casts it to.

use super::table::{Kind, Row};
use super::units;
use crate::value::{Map, Value};
use crate::yaml::Yaml;

/// `value` of the path that `row` describes, once its templates are evaluated: a text that a template made becomes what is
/// wanted there, a number where only a text can be meant becomes one. What is of a wrong kind is reported to `wrong`, with its
/// path below `path`, and stays.
pub fn conformed(value: Value, row: Option<&Row>, path: &str, wrong: &mut dyn FnMut(&str, &Row, &Value)) -> Value {
    let Some(row) = row.filter(|row| !row.kinds.is_empty()) else {
        return value;
    };
    match &value {
        Value::List(items) if row.is_list() => {
            let each = items.iter().enumerate();
            let items = each.map(|(at, item)| conformed(item.clone(), row.item(), &format!("{path}[{at}]"), wrong));
            Value::List(items.collect())
        }
        Value::Map(map) if row.is_map() => {
            let each = |(key, value): (&std::sync::Arc<str>, &Value)| {
                let below = conformed(value.clone(), row.key(key), &format!("{path}.{key}"), wrong);
                (key.clone(), below)
            };
            map.iter().map(each).collect::<Map>().into()
        }
        Value::List(_) | Value::Map(_) | Value::Null => value,
        _ => {
            let typed = || Value::from_exact(&value.scalar().unwrap_or_default());
            match cast_value(&value, row).or_else(|| cast_value(&typed(), row)) {
                Some(cast) => cast,
                None => {
                    wrong(path, row, &value);
                    value
                }
            }
        }
    }
}

/// [`cast_to`] of a scalar without a place.
fn cast_value(value: &Value, row: &Row) -> Option<Value> {
    let written = value.scalar()?;
    let scalar = match value {
        Value::Bool(truth) => Yaml::Bool(*truth),
        Value::Int(number) => Yaml::Int(*number),
        Value::Float(number) => Yaml::Float(*number),
        _ => Yaml::Text(written.clone()),
    };
    Some(match cast_to(&scalar, row, &written)? {
        Yaml::Bool(truth) => Value::Bool(truth),
        Yaml::Int(number) => Value::Int(number),
        Yaml::Float(number) => Value::Float(number),
        Yaml::Text(text) => Value::from(text),
        _ => return None,
    })
}

/// The scalar `value` as what `row` has it stand for; `written` is how it is written. `None` if it is none of that.
#[must_use]
pub fn cast_to(value: &Yaml, row: &Row, written: &str) -> Option<Yaml> {
    if row.kinds.iter().any(|kind| is_of(value, kind)) {
        return Some(value.clone());
    }
    let is_text = |kind: &Kind| matches!(kind, Kind::Text(_) | Kind::Size | Kind::Pair | Kind::Duration);
    let mut kinds = row.kinds.iter().filter(|kind| row.is_text_only() || !is_text(kind));
    kinds.find_map(|kind| cast(value, kind, written))
}

/// Whether Compose takes `value` as this `kind`, as it is.
fn is_of(value: &Yaml, kind: &Kind) -> bool {
    match (kind, value) {
        (Kind::Null | Kind::Scalar, Yaml::Null) => true,
        (Kind::Scalar, _) => true,
        (_, Yaml::Null) => false,
        (Kind::Text(words), Yaml::Text(text)) => words.is_empty() || words.contains(&text.as_str()),
        (Kind::Truth | Kind::Bool, Yaml::Bool(_)) => true,
        (Kind::Whole | Kind::Count | Kind::Mode | Kind::Real | Kind::Number | Kind::Bytes, Yaml::Int(_)) => true,
        (Kind::Real | Kind::Number | Kind::Bytes, Yaml::Float(_)) => true,
        (Kind::Int(least, most), Yaml::Int(number)) => is_within(*number, *least, *most),
        (Kind::Int(least, most), Yaml::Text(text)) => text.parse().is_ok_and(|number| is_within(number, *least, *most)),
        (Kind::Whole, Yaml::Float(number)) => number.fract() == 0.0,
        (Kind::Number, Yaml::Text(text)) => text.parse::<f64>().is_ok(),
        (Kind::Bytes, Yaml::Text(text)) => units::bytes(text).is_some_and(|bytes| bytes >= 0),
        (Kind::Size, Yaml::Text(text)) => units::bytes(text).is_some_and(|bytes| bytes >= 0),
        (Kind::Pair, Yaml::Text(text)) => text.contains(['=', ':']),
        (Kind::Duration, Yaml::Text(text)) => !text.is_empty() && units::duration(text).is_some(),
        (Kind::Count, Yaml::Text(text)) => text == "all" || text.parse::<i64>().is_ok(),
        (Kind::Mode, Yaml::Text(text)) => u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).is_ok(),
        _ => false,
    }
}

fn is_within(number: i64, least: Option<i64>, most: Option<i64>) -> bool {
    least.is_none_or(|least| least <= number) && most.is_none_or(|most| number <= most)
}

/// What `value` becomes where a `kind` is wanted: Compose's casts of texts, and a number or truth where only a text can be
/// meant, as it is `written`. Compose takes none there; templates make them as often as not.
fn cast(value: &Yaml, kind: &Kind, written: &str) -> Option<Yaml> {
    match (kind, value) {
        (Kind::Bool, Yaml::Text(text)) => match text.to_lowercase().as_str() {
            "true" | "y" | "yes" | "on" => Some(Yaml::Bool(true)),
            "false" | "n" | "no" | "off" => Some(Yaml::Bool(false)),
            _ => None,
        },
        (Kind::Text(_) | Kind::Size | Kind::Pair | Kind::Duration, Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_)) => {
            let text = Yaml::Text(written.to_owned());
            is_of(&text, kind).then_some(text)
        }
        _ => None,
    }
}

/// What `row` expects, in words: `a text or a list`.
#[must_use]
pub fn expected(row: &Row) -> String {
    let kinds = row.kinds.iter().filter(|kind| **kind != Kind::Null);
    let mut said: Vec<String> = Vec::new();
    for kind in kinds {
        let words = match kind {
            Kind::Text(words) if words.is_empty() => "a text".to_owned(),
            Kind::Text(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(" or ")
            }
            Kind::Truth | Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Int(Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            Kind::Int(Some(least), None) => format!("a whole number from {least} on"),
            Kind::Whole | Kind::Int(..) => "a whole number".to_owned(),
            Kind::Real | Kind::Number => "a number".to_owned(),
            Kind::Pair => "a text such as `KEY=VALUE`".to_owned(),
            Kind::Bytes | Kind::Size => "a size such as `64m` or `1.5gb`".to_owned(),
            Kind::Duration => "a duration such as `10s` or `1m30s`".to_owned(),
            Kind::Count => "a whole number or `all`".to_owned(),
            Kind::Mode => "a file mode such as `0440`".to_owned(),
            Kind::Scalar => "a text, a number, `true` or `false`".to_owned(),
            Kind::List | Kind::Set => "a list".to_owned(),
            Kind::Map | Kind::Bare | Kind::Open => "a map".to_owned(),
            Kind::Null => continue,
        };
        if !said.contains(&words) {
            said.push(words);
        }
    }
    said.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::table;

    fn at(path: &str, value: Value) -> Result<Value, String> {
        let mut found = Ok(());
        let value = conformed(value, table::at(path), "x", &mut |path, row, _| {
            found = Err(format!("{path}: {}", expected(row)));
        });
        found.map(|()| value)
    }

    #[test]
    fn what_is_a_text_is_written_as_one() {
        for path in ["services.*.user", "services.*.command[]", "services.*.domainname"] {
            assert_eq!(at(path, Value::Int(5)), Ok(Value::from("5")), "{path}");
        }
        for path in [
            "services.*.cpus",
            "services.*.expose[]",
            "services.*.environment.*",
            "services.*.scale",
        ] {
            assert_eq!(at(path, Value::Int(5)), Ok(Value::Int(5)), "{path}");
        }
        let list = Value::from(vec![Value::from("sleep"), Value::Int(5)]);
        let texts = Value::from(vec![Value::from("sleep"), Value::from("5")]);
        assert_eq!(at("services.*.command", list), Ok(texts));
    }

    #[test]
    fn what_a_template_made_is_of_the_kind_that_is_wanted() {
        for (path, text, expected) in [
            ("services.*.privileged", "yes", Ok(Value::Bool(true))),
            ("services.*.ulimits.*", "5", Ok(Value::from("5"))),
            ("services.*.blkio_config.weight", "5", Ok(Value::Int(5))),
            ("services.*.privileged", "maybe", Err("x: `true` or `false`")),
            ("services.*.cap_add", "a", Err("x: a list")),
            (
                "services.*.healthcheck.interval",
                "5",
                Err("x: a duration such as `10s` or `1m30s`"),
            ),
            (
                "services.*.oom_score_adj",
                "2000",
                Err("x: a whole number from -1000 to 1000"),
            ),
        ] {
            assert_eq!(at(path, Value::from(text)), expected.map_err(str::to_owned), "{path}");
        }
    }
}
