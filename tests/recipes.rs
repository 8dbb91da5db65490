//! The workflows for CI servers: each says what its server requires, and commands that topogen understands. A scenario runs
//! the commands.

use std::fs;

use topogen::diagnostic::Sources;
use topogen::yaml::{self, Node, Yaml};

use crate::documents::commands;
use crate::examples::{RECIPES, root};

fn workflow(file: &str) -> Node {
    let path = root().join(RECIPES).join(file);
    let text = fs::read_to_string(&path).expect("a workflow");
    let mut sources = Sources::default();
    let id = sources.add(file, text.as_str());
    yaml::parse(&text, id).unwrap_or_else(|p| panic!("{}", p.render(&sources, false)))
}

fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    path.iter().fold(node, |n, key| {
        n.get(key).unwrap_or_else(|| panic!("no `{key}` of {path:?}"))
    })
}

fn list(node: &Node) -> &[Node] {
    match &node.value {
        Yaml::List(items) => items,
        other => panic!("not a list: {other:?}"),
    }
}

fn text(node: &Node) -> String {
    node.scalar().expect("text")
}

/// What both have in common: the commands, each of which topogen understands.
fn brings_up_proves_and_takes_down(file: &str, script: &[String], always: &[String]) {
    for part in [
        "topogen up --slaves 10",
        "topogen verify --slaves 10 --format junit -o ",
    ] {
        assert!(script.iter().any(|l| l.starts_with(part)), "{file}: no `{part}`");
    }
    assert!(script.contains(&"sh examples/ci/test.sh".to_owned()), "{file}: no test");
    assert!(always.contains(&"topogen down".to_owned()), "{file}: it stays up");
    let directory = tempfile::tempdir().expect("a directory");
    let own: Vec<String> = script.iter().chain(always).cloned().collect();
    let own: Vec<String> = own.into_iter().filter(|l| l.starts_with("topogen ")).collect();
    assert_eq!(commands(directory.path(), &own.join("\n"), file), own.len());
    assert!(own.len() >= 3, "{own:?}");
}

#[test]
fn the_recipe_for_github_is_one() {
    let file = "github-actions.yml";
    let workflow = workflow(file);
    assert!(!list(at(&workflow, &["on"])).is_empty());
    let job = at(&workflow, &["jobs", "cluster"]);
    assert!(text(at(job, &["runs-on"])).starts_with("ubuntu-"));
    let (mut script, mut always, mut kept) = (Vec::new(), Vec::new(), false);
    for step in list(at(job, &["steps"])) {
        let condition = step.get("if").map(text);
        match (step.get("uses").map(text), step.get("run").map(text)) {
            (Some(action), None) => {
                assert!(action.contains('@'), "{action}: no version");
                let upload = action.starts_with("actions/upload-artifact@");
                kept |= upload && condition.as_deref() == Some("always()") && {
                    text(at(step, &["with", "path"])) == "report.xml"
                };
            }
            (None, Some(run)) => {
                let lines = run.lines().map(str::to_owned);
                match condition.as_deref() {
                    Some("always()") => always.extend(lines),
                    _ => script.extend(lines),
                }
            }
            both => panic!("a step has one of `uses` and `run`: {both:?}"),
        }
    }
    assert!(kept, "the report is not kept");
    brings_up_proves_and_takes_down(file, &script, &always);
}

#[test]
fn the_recipe_for_gitlab_is_one() {
    let file = "gitlab-ci.yml";
    let job = workflow(file);
    let job = at(&job, &["cluster"]);
    for image in list(at(job, &["services"])).iter().chain([at(job, &["image"])]) {
        assert!(text(image).contains(':'), "{}: no version", text(image));
    }
    assert_eq!(text(at(job, &["artifacts", "reports", "junit"])), "report.xml");
    assert_eq!(text(at(job, &["artifacts", "when"])), "always");
    let lines = |key: &str| list(at(job, &[key])).iter().map(text).collect::<Vec<_>>();
    brings_up_proves_and_takes_down(file, &lines("script"), &lines("after_script"));
}
