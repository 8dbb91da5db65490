//! Words for people: counts, lists and names, and the order of names.

/// Words in a key whose value is nobody's business.
const SECRET: &[&str] = &["password", "passwd", "secret", "token", "credential", "private", "_key"];

/// `1 node`, `2 nodes`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Names in backticks.
#[must_use]
pub fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    quoted.join(", ")
}

/// What a name is sorted by.
pub type Natural = (String, u64, String);

/// Order in which `slave2` comes before `slave10`.
#[must_use]
pub fn natural(name: &str) -> Natural {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0), name.to_owned())
}

/// Whether `key` is called as what holds secrets is, whose values are not to be repeated.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    SECRET.iter().any(|word| lower.contains(word))
}
