//! The file of hosts that a server keeps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::watch;
use topogen::serve::dns::zone::Domain;
use topogen::serve::hosts::HostsFile;
use topogen::serve::hosts::block::{lines, with_lines};
use topogen::serve::view::View;

use super::answers::{START, instance, instances};
use super::dns::view_of;

fn domain() -> Domain {
    "lab".parse().expect("a domain")
}

#[test]
fn what_can_serve_has_its_lines() {
    insta::assert_snapshot!("hosts_file", lines(&view_of(instances(), false), &domain()));
}

#[test]
fn lines_go_where_they_were() {
    let with = |file: &str, lines: Option<&str>| {
        let written = with_lines(file.as_bytes(), "lab", lines);
        written
            .map(|bytes| String::from_utf8(bytes).expect("text"))
            .map_err(|error| error.to_string())
    };
    let first = with("127.0.0.1 localhost\n", Some("10.0.0.1 a\n")).expect("room");
    assert_eq!(
        first,
        "127.0.0.1 localhost\n# topogen lab begin\n10.0.0.1 a\n# topogen lab end\n"
    );
    let more = format!("{first}# topogen lab2 begin\n# topogen lab2 end\n::1 localhost");
    let next = with(&more, Some("10.0.0.2 b\n")).expect("a place");
    assert_eq!(next, more.replace("10.0.0.1 a", "10.0.0.2 b"));
    let gone = with(&next, None).expect("a place");
    assert_eq!(
        gone,
        "127.0.0.1 localhost\n# topogen lab2 begin\n# topogen lab2 end\n::1 localhost"
    );
    // A last line without an end has one then.
    assert_eq!(
        with("::1 x", Some("")).expect("room"),
        "::1 x\n# topogen lab begin\n# topogen lab end\n"
    );
    for (file, said) in [
        (
            "a\n# topogen lab begin\n",
            "line 2: `# topogen lab begin` has no other half",
        ),
        ("# topogen lab end\n", "line 1: `# topogen lab end` has no other half"),
        (
            "# topogen lab begin\n# topogen lab end\n# topogen lab begin\n# topogen lab end\n",
            "line 3: `# topogen lab begin` has no other half",
        ),
    ] {
        assert_eq!(with(file, Some("x\n")), Err(said.to_owned()));
    }
}

proptest! {
    #[test]
    fn nothing_else_is_touched(file in "([a-z# .\r\t]{0,12}\n){0,6}", lines in "([0-9a-z. ]{1,12}\n){0,4}") {
        let written = with_lines(file.as_bytes(), "lab", Some(&lines)).expect("room");
        prop_assert_eq!(&with_lines(&written, "lab", Some(&lines)).expect("a place"), &written);
        prop_assert_eq!(with_lines(&written, "lab", None).expect("a place"), file.into_bytes());
    }
}

#[tokio::test]
async fn the_file_follows_the_cluster_and_is_as_it_was_at_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hosts");
    let before = "127.0.0.1 localhost\n# caf\u{e9}\n";
    fs::write(&path, before).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let file = HostsFile::open(path.clone(), "lab").expect("it can be written");
    let (views, shown) = watch::channel(Arc::new(View::unknown("lab", START)));
    {
        let domain = domain();
        let mut follows = std::pin::pin!(file.follow(shown, &domain, |error| panic!("{error}")));
        for last in [3, 4] {
            let node = format!("slave{last}");
            views.send_replace(Arc::new(view_of(vec![instance(&node, "app", last, &[&node])], true)));
            let written = async {
                while !fs::read_to_string(&path)
                    .expect("text")
                    .contains(&format!("10.0.0.{last}\tslave{last}.lab"))
                {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = &mut follows => unreachable!("it follows for ever"),
                written = tokio::time::timeout(Duration::from_secs(30), written) => written.expect("it is written"),
            }
        }
    }
    assert!(!fs::read_to_string(&path).expect("text").contains("10.0.0.3"));
    file.remove().expect("it can be written");
    assert_eq!(fs::read_to_string(&path).expect("text"), before);
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o640);
    // One that was not there before is not there afterwards, also where its server failed.
    let new = directory.path().join("new");
    let file = HostsFile::open(new.clone(), "lab").expect("it can be written");
    assert!(new.exists());
    drop(file);
    assert!(!new.exists());
    assert_eq!(
        fs::read_dir(directory.path()).expect("a directory").count(),
        1,
        "nothing is left beside it"
    );
}
