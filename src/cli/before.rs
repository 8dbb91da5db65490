//! Options before the command: `topogen -n lab ps` is `topogen ps --name lab`.

use std::ffi::OsString;

/// The options that may stand before a command, short and long. After it, the short ones may mean something else.
const MOVED: &[(&str, &str)] = &[("-n", "--name"), ("-f", "--file")];
/// Other options before a command that take a value, which is no command.
const OTHERS: &[&str] = &["-H", "--host", "--context"];

/// The `words` of a command line, the program's name first, with the options that name a cluster or its blueprint after
/// the command, which knows whether it takes them.
pub(super) fn moved(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut before: Vec<OsString> = words.next().into_iter().collect();
    let mut after: Vec<OsString> = Vec::new();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if !text.starts_with('-') {
            before.push(word);
            before.append(&mut after);
            break;
        }
        match split(text) {
            Some((option, Some(value))) => after.extend([option.into(), value.into()]),
            Some((option, None)) => {
                after.push(option.into());
                after.extend(words.next());
            }
            None => {
                let takes_next = OTHERS.contains(&text);
                before.push(word);
                if takes_next {
                    before.extend(words.next());
                }
            }
        }
    }
    // Without a command they stay, and what is printed is about that.
    before.into_iter().chain(after).chain(words).collect()
}

/// The option of [`MOVED`] that `word` gives, and its value if that is in the same word.
fn split(word: &str) -> Option<(&'static str, Option<&str>)> {
    MOVED.iter().find_map(|(short, long)| {
        if word == *short || word == *long {
            return Some((*long, None));
        }
        let value = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        let joined = || word.strip_prefix(short).map(|v| v.strip_prefix('=').unwrap_or(v));
        value.or_else(joined).map(|value| (*long, Some(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_cluster_follows_the_command() {
        let moved = |line: &str| {
            let words = moved(line.split(' ').map(OsString::from));
            words.join(&OsString::from(" ")).into_string().expect("UTF-8")
        };
        let cases = [
            ("topogen -n lab ps", "topogen ps --name lab"),
            (
                "topogen -nlab -f=a.yaml up slave3 -q",
                "topogen up --name lab --file a.yaml slave3 -q",
            ),
            ("topogen --file a.yaml logs -f", "topogen logs --file a.yaml -f"),
            (
                "topogen -H unix:///x --name=lab ps -n y",
                "topogen -H unix:///x ps --name lab -n y",
            ),
            ("topogen --context=c ps", "topogen --context=c ps"),
            ("topogen exec slave1 sh -n", "topogen exec slave1 sh -n"),
            ("topogen --version", "topogen --version"),
            ("topogen -n lab", "topogen --name lab"),
        ];
        for (given, expected) in cases {
            assert_eq!(moved(given), expected, "{given}");
        }
    }
}
