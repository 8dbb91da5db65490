//! Which containers a command line means, and what the node verbs make of them: no engine is needed.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use topogen::cluster::ObservedContainer;
use topogen::cluster::State;
use topogen::cluster::label;
use topogen::plan::Verb;
use topogen::plan::verbs::{self, NodeVerb};
use topogen::select::{self, NoMatch, Target};

use crate::support::{stderr, stdout, topogen};

fn container(node: &str, role: &str, service: &str, more: &[(&str, &str)]) -> ObservedContainer {
    let labels = [
        (label::NODE, node),
        (label::ROLE, role),
        (label::SERVICE, service),
        (label::compose::PROJECT, node),
        (label::compose::SERVICE, service),
    ];
    let all = labels.iter().chain(more);
    ObservedContainer {
        id: format!("id-{node}-{service}"),
        name: format!("{node}-{service}-1"),
        labels: all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        state: State::Running,
        ..ObservedContainer::default()
    }
}

/// A head, twelve workers that come after it, and a rack whose nodes are called otherwise than their role.
fn cluster() -> Vec<ObservedContainer> {
    let mut all = vec![
        container(
            "head",
            "head",
            "api",
            &[
                (label::NAMES, "head"),
                (
                    label::compose::DEPENDS_ON,
                    "db:service_healthy:true,cache:service_started:false",
                ),
            ],
        ),
        container("head", "head", "cache", &[]),
        container("head", "head", "db", &[]),
    ];
    for n in 1..=12 {
        let node = format!("worker{n}");
        let agent = [
            (label::NAMES, node.as_str()),
            (label::AFTER, "head"),
            (label::compose::DEPENDS_ON, "store:service_started:true"),
        ];
        all.push(container(&node, "worker", "agent", &agent));
        all.push(container(&node, "worker", "store", &[(label::AFTER, "head")]));
    }
    for n in ["08", "09", "10"] {
        all.push(container(&format!("rack-{n}"), "shelf", "disk", &[]));
    }
    all
}

fn targets(words: &str) -> Vec<Target> {
    let parse = |w: &str| w.parse().unwrap_or_else(|e| panic!("{w}: {e}"));
    words.split_whitespace().map(parse).collect()
}

fn said(faults: &[NoMatch]) -> String {
    let lines = faults.iter().map(|f| format!("  error: {f}\n  hint: {}", f.hint));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn targets_mean_containers() {
    let all = cluster();
    let mut text = String::new();
    for words in [
        "head",
        "worker3",
        "worker3/store",
        "shelf",
        "worker[2-3]",
        "worker[1,11-12]/agent",
        "worker1?/store",
        "*/api",
        "*/[!]",
        "*/d*",
        "rack-[8-9]",
        "rack-[10]",
        "head/db worker2 head",
        "worker[12-1]",
        // What is not there.
        "worker13",
        "wroker3/agent",
        "worker/agnet",
        "worker[11-13]/agent",
        "worker[11,13,20-30]",
        "store",
        "worker1-store-1",
        "x*",
        "head/x*",
        "nothing nobody",
    ] {
        text += &format!("{words}\n");
        let parsed: Result<Vec<Target>, _> = words.split_whitespace().map(str::parse).collect();
        text += &match parsed.map(|t| select::select(&t, &all)) {
            Ok(Ok(found)) => {
                let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
                format!("  {}\n", names.join(" "))
            }
            Ok(Err(faults)) => format!("{}\n", said(&faults)),
            Err(error) => format!("  {error}\n"),
        };
    }
    insta::assert_snapshot!(text);
    assert_eq!(select::select(&[], &all).map(|f| f.len()), Ok(all.len()));
}

#[test]
fn names_in_hints_are_as_short_as_targets() {
    let mut all: Vec<ObservedContainer> = ["a", "b2", "b3", "b5", "c01", "c02"]
        .iter()
        .map(|n| container(n, "r", "x", &[]))
        .collect();
    let hint = |all: &[ObservedContainer]| select::select(&targets("zz"), all).expect_err("none")[0].hint.clone();
    assert_eq!(hint(&all), "nodes: `a`, `b[2-3]`, `b5`, `c01`, `c02`; roles: `r`");
    all.extend((0..20).map(|n| container(&format!("d{}", n * 2), "r", "x", &[])));
    assert!(hint(&all).contains(" and 13 more; roles"), "{}", hint(&all));
}

#[test]
fn a_node_is_called_before_a_role() {
    let all = [
        container("store", "worker", "x", &[]),
        container("a", "store", "x", &[]),
    ];
    let found = select::select(&targets("store"), &all).expect("found");
    assert_eq!(found[0].name, "store-x-1");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_command_runs_in_the_entry_of_a_node() {
    let mut all = cluster();
    all.push(container("duo", "duo", "one", &[(label::NAMES, "duo-one")]));
    all.push(container("duo", "duo", "two", &[(label::NAMES, "duo-two")]));
    all.push(container("one", "one", "left", &[(label::NAMES, "other")]));
    all.push(container("one", "one", "right", &[]));
    let mut text = String::new();
    for word in [
        "head",
        "worker[2-3]",
        "worker[2-3]/store",
        "shelf",
        "duo",
        "one",
        "*/one",
        "*",
        "nobody",
    ] {
        text += &format!("{word}\n");
        text += &match select::one_a_node(&targets(word)[0], &all) {
            Ok(found) => {
                let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
                format!("  {}\n", names.join(" "))
            }
            Err(faults) => format!("{}\n", said(&faults)),
        };
    }
    insta::assert_snapshot!(text);
}

/// The plan of `verb` for `words` of `all`, as a person reads it, and what each operation waits for.
fn shown(verb: &NodeVerb, words: &str, all: &[ObservedContainer]) -> String {
    let chosen = select::select(&targets(words), all).expect("found");
    match verbs::plan(verb, &chosen, all) {
        Ok(plan) => {
            let mut text = String::new();
            for operation in &plan.operations {
                let before = operation.after.iter().chain(&operation.after_any);
                let after: Vec<String> = before
                    .map(|at| match &plan.operations[*at] {
                        o if o.action.verb() == Verb::Await => format!("{}'s being so", o.subject),
                        o => o.subject.clone(),
                    })
                    .collect();
                text += &match after.as_slice() {
                    [] => format!("  {operation}\n"),
                    after => format!("  {operation}; after {}\n", after.join(" ")),
                };
            }
            plan.notes.iter().for_each(|note| text += &format!("  note: {note}\n"));
            text + &format!("  {}\n", plan.counts())
        }
        Err(unfit) => unfit.iter().map(|u| format!("  error: {u}\n")).collect(),
    }
}

const VERBS: fn() -> Vec<NodeVerb> = || {
    vec![
        NodeVerb::Stop(None),
        NodeVerb::Stop(Some(3)),
        NodeVerb::Start,
        NodeVerb::Restart {
            grace: None,
            alone: false,
        },
        NodeVerb::Kill("SIGKILL".to_owned()),
        NodeVerb::Kill("SIGHUP".to_owned()),
        NodeVerb::Pause,
        NodeVerb::Unpause,
    ]
};

#[test]
fn each_verb_acts_on_what_is_in_another_state() {
    use State::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    let states = [Running, Restarting, Paused, Exited, Removing];
    let all: Vec<ObservedContainer> = states
        .iter()
        .map(|state| {
            let mut one = container("n", "n", state.word(), &[]);
            one.state = *state;
            one
        })
        .collect();
    let mut never = all.clone();
    never[0].state = Created;
    never[1].state = Dead;
    let mut text = String::new();
    for verb in VERBS() {
        text += &format!("{verb:?}\n{}", shown(&verb, "n", &all));
        text += &format!(
            "{verb:?}, one never started and one dead\n{}",
            shown(&verb, "n", &never)
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_depends_stops_first_and_starts_last() {
    let mut all = cluster();
    let text = shown(&NodeVerb::Stop(None), "head worker[1-2]", &all);
    all.iter_mut().for_each(|c| c.state = State::Exited);
    let text = format!(
        "stop\n{text}start\n{}",
        shown(&NodeVerb::Start, "head worker[1-2]", &all)
    );
    insta::assert_snapshot!(text);
}

#[test]
fn what_restarts_with_another_follows() {
    let mut all = cluster();
    let restart = |alone| NodeVerb::Restart { grace: None, alone };
    let mut text = format!(
        "both that depend\n{}",
        shown(&restart(false), "*/store head/db head/cache", &all[..7])
    );
    text += &format!(
        "cache: its user does not\n{}",
        shown(&restart(false), "head/cache", &all)
    );
    text += &format!("without those that depend\n{}", shown(&restart(true), "head/db", &all));
    all[0].state = State::Exited;
    text += &format!("what is stopped stays so\n{}", shown(&restart(false), "head/db", &all));
    insta::assert_snapshot!(text);
}

#[test]
fn labels_that_make_a_circle_are_no_reason_to_leave_out() {
    let all = [
        container("n", "n", "a", &[(label::compose::DEPENDS_ON, "b:service_started:true")]),
        container("n", "n", "b", &[(label::compose::DEPENDS_ON, "a:service_started:true")]),
        container(
            "n",
            "n",
            "c",
            &[(label::compose::DEPENDS_ON, "c:service_started:false,,x")],
        ),
    ];
    for verb in VERBS() {
        let chosen: Vec<&ObservedContainer> = all.iter().collect();
        let plan = verbs::plan(&verb, &chosen, &all).expect("all are fit");
        let desired = if matches!(verb, NodeVerb::Start | NodeVerb::Unpause) {
            0
        } else {
            3
        };
        assert_eq!(plan.operations.len(), desired, "{verb:?}");
    }
}

const COMMANDS: [&str; 8] = ["stop", "start", "restart", "kill", "pause", "exec", "logs", "ps"];

#[test]
fn help_reads_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let help = |command: &str| {
        let text = stdout(&topogen(directory.path(), &[command, "--help"]));
        format!("$ topogen {command} --help\n{text}\n")
    };
    insta::assert_snapshot!("help_of_verbs", COMMANDS.map(help).concat());
}

#[test]
fn usage_errors_say_what_to_type() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = String::new();
    for arguments in [
        &["stop", "slave["][..],
        &["stop", "slave[x]"],
        &["stop", "slave[]"],
        &["stop", "slave]"],
        &["stop", "slave[3-1]"],
        &["stop", ""],
        &["stop", "/db"],
        &["stop", "slave1/"],
        &["stop", "slave1/db/1"],
        &["stop", "--timeout", "soon"],
        &["kill", "-s", "SIGFOO"],
        &["exec", "slave1"],
        &["exec", "-d", "-t", "slave1", "ls"],
        &["exec", "-T", "-t", "slave1", "ls"],
        &["logs", "--since", "yesterday"],
        &["logs", "--tail", "few"],
        &["logs", "-f", "--until", "1m"],
    ] {
        let output = topogen(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let arguments: Vec<String> = arguments
            .iter()
            .map(|a| if a.is_empty() { "''".to_owned() } else { (*a).to_owned() })
            .collect();
        text += &format!("$ topogen {}\n{}\n", arguments.join(" "), stderr(&output));
    }
    insta::assert_snapshot!("usage_of_verbs", text);
}

proptest! {
    /// Whatever is typed means something, or is an error that says what was typed.
    #[test]
    fn any_text_is_a_target_or_none(text in "[a-z0-9*?/\\[\\],-]{0,12}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string(), text);
            let all = cluster();
            match select::select(&[target], &all) {
                Ok(found) => prop_assert!(!found.is_empty()),
                Err(faults) => prop_assert!(faults.iter().all(|f| !f.hint.is_empty())),
            }
        }
    }

    /// Each container that is chosen has one operation at most, and it waits for those of the containers that it needs, or
    /// that need it where they stop, whatever state all are in. Signals and pauses wait for nothing.
    #[test]
    fn plans_can_be_followed_one_by_one(
        verb in 0usize..8,
        running in prop::collection::vec(any::<bool>(), 30),
        chosen in prop::collection::vec(any::<bool>(), 30),
    ) {
        let verb = VERBS().swap_remove(verb);
        let mut all = cluster();
        for (container, running) in all.iter_mut().zip(&running) {
            container.state = if *running { State::Running } else { State::Exited };
        }
        let chosen: Vec<&ObservedContainer> = all.iter().zip(&chosen).filter(|(_, c)| **c).map(|(c, _)| c).collect();
        let plan = verbs::plan(&verb, &chosen, &all).expect("all are fit");
        let mut places = HashMap::new();
        // Of each operation, all that must have ended before it.
        let mut before: Vec<HashSet<usize>> = Vec::new();
        for (at, operation) in plan.operations.iter().enumerate() {
            let awaits = operation.action.verb() == Verb::Await;
            prop_assert!(awaits || places.insert(operation.subject.as_str(), at).is_none(), "{} twice", operation);
            let direct = operation.after.iter().chain(&operation.after_any);
            prop_assert!(direct.clone().all(|b| *b < at), "{} waits for a later one", operation);
            before.push(direct.flat_map(|b| before[*b].iter().copied().chain([*b])).collect());
        }
        for (needing, needed) in needs() {
            let (Some(a), Some(b)) = (places.get(needing.as_str()), places.get(needed.as_str())) else {
                continue;
            };
            let waits = match verb {
                NodeVerb::Start | NodeVerb::Restart { .. } => before[*a].contains(b) && !before[*b].contains(a),
                NodeVerb::Stop(_) => before[*b].contains(a) && !before[*a].contains(b),
                NodeVerb::Kill(_) | NodeVerb::Pause | NodeVerb::Unpause => before[*a].is_empty() && before[*b].is_empty(),
            };
            prop_assert!(waits, "{:?}: {} and {}\n{}", verb, needing, needed, plan);
        }
    }
}

/// Which container of `cluster` needs which.
fn needs() -> Vec<(String, String)> {
    let head = ["api", "cache", "db"].map(|s| format!("head-{s}-1"));
    let mut all = vec![(head[0].clone(), head[1].clone()), (head[0].clone(), head[2].clone())];
    for n in 1..=12 {
        let [agent, store] = ["agent", "store"].map(|s| format!("worker{n}-{s}-1"));
        for worker in [&agent, &store] {
            all.extend(head.iter().map(|h| (worker.clone(), h.clone())));
        }
        all.push((agent, store));
    }
    all
}
