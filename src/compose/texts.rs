//! Numbers where Compose wants a text, which templates make: `user: "{{ 1000 + node.index }}"`.

use super::table::Row;
use crate::value::{Map, Value};

/// `value` of the path that `row` describes, in which what can only be a text is one.
#[must_use]
pub fn as_texts(value: Value, row: Option<&Row>) -> Value {
    let Some(row) = row else { return value };
    match &value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) if row.is_text_only() => {
            value.scalar().map_or(value.clone(), Value::from)
        }
        Value::List(items) => {
            let items = items.iter().map(|item| as_texts(item.clone(), row.item()));
            Value::List(items.collect())
        }
        Value::Map(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (key.clone(), as_texts(value.clone(), row.key(key))));
            entries.collect::<Map>().into()
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::table;

    #[test]
    fn what_is_a_text_is_written_as_one() {
        let number = || Value::Int(5);
        let at = |path: &str| as_texts(number(), table::at(path));
        for path in [
            "services.*.user",
            "services.*.command[]",
            "services.*.healthcheck.interval",
        ] {
            assert_eq!(at(path), Value::from("5"), "{path}");
        }
        for path in [
            "services.*.cpus",
            "services.*.expose[]",
            "services.*.environment.*",
            "services.*.scale",
        ] {
            assert_eq!(at(path), number(), "{path}");
        }
        let list = Value::from(vec![Value::from("sleep"), number()]);
        let texts = Value::from(vec![Value::from("sleep"), Value::from("5")]);
        assert_eq!(as_texts(list, table::at("services.*.command")), texts);
    }
}
