//! Which named volumes a service mounts (Compose specification, services, `volumes`).

use super::mounts_of_windows;
use crate::value::{Map, Value};

/// The keys of the named volumes that a service of this `definition` mounts, in the order of its mounts.
pub fn named(definition: &Map) -> impl Iterator<Item = String> + '_ {
    let mounts = definition.get("volumes").and_then(Value::as_list).unwrap_or_default();
    mounts.iter().filter_map(source)
}

fn source(mount: &Value) -> Option<String> {
    if let Some(map) = mount.as_map() {
        let of_volume = map.get("type").and_then(Value::scalar).is_some_and(|t| t == "volume");
        return map.get("source").filter(|_| of_volume).and_then(Value::scalar);
    }
    let text = mount.scalar()?;
    let (source, _) = text.split_once(':').filter(|_| !mounts_of_windows(&text))?;
    (!source.is_empty() && !source.starts_with(['.', '/', '~'])).then(|| source.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_volumes_have_names() {
        let mounts = [
            "data:/a",
            "/host:/b",
            "./c:/c",
            "~:/d",
            "/anonymous",
            "cache:/e:ro",
            "C:\\x:/f",
        ];
        let long = |kind: &str, source: &str| {
            let pairs = [("type", kind), ("source", source), ("target", "/t")];
            Value::from(
                pairs
                    .into_iter()
                    .map(|(k, v)| (k.into(), Value::from(v.to_owned())))
                    .collect::<Map>(),
            )
        };
        let mut all: Vec<Value> = mounts.iter().map(|m| Value::from((*m).to_owned())).collect();
        all.extend([long("volume", "logs"), long("bind", "/x")]);
        let definition = Map::from_iter([("volumes".into(), Value::from(all))]);
        assert_eq!(named(&definition).collect::<Vec<_>>(), ["data", "cache", "logs"]);
        assert_eq!(named(&Map::new()).count(), 0);
    }
}
