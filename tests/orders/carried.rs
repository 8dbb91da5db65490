//! Carrying out a plan in an order of one's own choice, and what topogen promises of any order.

use std::collections::HashSet;

use proptest::prelude::*;
use topogen::cluster::{ContainerSpec, Desired, ObservedContainer, State, verdict};
use topogen::compose::Condition;
use topogen::plan::schedule::{Outcome, Schedule};
use topogen::plan::{Action, Operation, Plan};
use topogen::topology::Duty;

use crate::pretended::Pretended;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub(super) struct Chance {
    /// Which of the operations that may begin does, the first of them where 0; taken round and round.
    pub(super) order: Vec<usize>,
    /// Which operations fail, by how many ended before, and whether they have an effect all the same.
    pub(super) failures: Vec<(usize, bool)>,
    /// After how many operations no more begins.
    pub(super) stop: Option<usize>,
}

impl Chance {
    /// The same order, with neither failures nor a stop.
    pub(super) fn fortunate(&self) -> Self {
        Self {
            order: self.order.clone(),
            failures: Vec::new(),
            stop: None,
        }
    }
}

/// Carry out `plan` on `engine` as `chance` will have it, and keep an eye on what topogen promises.
///
/// # Errors
/// The first operation that the engine refuses, or that comes when it should not.
pub(super) fn carry_out(
    engine: &mut Pretended,
    plan: &Plan,
    desired: &Desired,
    chance: &Chance,
) -> Result<Outcome, TestCaseError> {
    let pick = |ready: &[usize], count: usize| ready[chance.order[count % chance.order.len()] % ready.len()];
    carry_out_by(engine, plan, desired, chance, &pick)
}

/// The same, where `pick` chooses the next operation of those that may begin, and gets the number of those that have ended.
pub(super) fn carry_out_by(
    engine: &mut Pretended,
    plan: &Plan,
    desired: &Desired,
    chance: &Chance,
    pick: &dyn Fn(&[usize], usize) -> usize,
) -> Result<Outcome, TestCaseError> {
    for (at, operation) in plan.operations.iter().enumerate() {
        let mut before = operation.after.iter().chain(&operation.after_any);
        prop_assert!(before.all(|before| *before < at), "{operation} waits for a later one");
    }
    let mut schedule = Schedule::new(plan);
    let mut begun: Vec<usize> = Vec::new();
    // What is left out has ended too.
    let mut ended: HashSet<usize> = HashSet::new();
    loop {
        let count = begun.len();
        if chance.stop == Some(count) {
            schedule.stop();
        }
        let ready: Vec<usize> = schedule.ready().collect();
        if ready.is_empty() {
            break;
        }
        let at = pick(&ready, count);
        prop_assert!(schedule.begin(at));
        let operation = &plan.operations[at];
        let failure = chance.failures.iter().find(|(when, _)| *when == count);
        let result = match failure {
            Some((_, false)) => Ok(()),
            _ => promised(operation, engine, plan, desired, &ended).and_then(|()| engine.operate(operation)),
        };
        if let (Some((_, true)), Action::CreateContainer(spec)) = (failure, &operation.action) {
            // It is there, and joining it to its second network failed.
            engine.container(spec.name.as_str()).endpoints.truncate(1);
        }
        begun.push(at);
        ended.insert(at);
        match (failure, result) {
            (None, Ok(())) => schedule.done(at),
            (Some(_), Ok(())) => ended.extend(schedule.failed(at, "of the test".to_owned())),
            (_, Err(refusal)) => {
                let before: Vec<String> = begun.iter().map(|at| plan.operations[*at].to_string()).collect();
                return Err(TestCaseError::fail(format!(
                    "{refusal}\nat the last of:\n{}",
                    before.join("\n")
                )));
            }
        }
    }
    let outcome = schedule.outcome();
    prop_assert!(
        outcome.unbegun == 0 || chance.stop.is_some(),
        "all ends that is not stopped"
    );
    Ok(outcome)
}

/// Whether `operation` comes when topogen promises that it does: what starts does so after what it depends on, and what is
/// removed stops after what depends on it.
fn promised(
    operation: &Operation,
    engine: &Pretended,
    plan: &Plan,
    desired: &Desired,
    ended: &HashSet<usize>,
) -> Result<(), String> {
    let subject = operation.subject.as_str();
    match &operation.action {
        Action::Start(spec) => starts_in_order(spec, engine, plan, desired, ended),
        Action::Stop { .. } => {
            replaces_in_order(operation, plan, desired, ended)?;
            let there = &engine.observed.containers;
            let goes = |c: &&ObservedContainer| {
                let removes = |o: &Operation| matches!(&o.action, Action::RemoveContainer { id, .. } if *id == c.id);
                c.state == State::Running && plan.operations.iter().any(removes)
            };
            let Some(own) = there.iter().find(|c| c.name == subject && goes(c)) else {
                return Ok(());
            };
            let depends = |c: &&ObservedContainer| {
                let on_service = c.depends_on().any(|d| d.key == own.service_key());
                c.node() == own.node() && on_service || c.after().any(|role| role == own.role())
            };
            match there.iter().filter(goes).find(depends) {
                Some(other) => Err(format!("{operation}: {} depends on it and still runs", other.name)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What others take the place of stops when those are created, and when the first of its service in its role has started.
fn replaces_in_order(
    operation: &Operation,
    plan: &Plan,
    desired: &Desired,
    ended: &HashSet<usize>,
) -> Result<(), String> {
    let subject = operation.subject.as_str();
    let find = |is: &dyn Fn(&Operation) -> bool| plan.operations.iter().position(is);
    let is_successor = |o: &Operation| match &o.action {
        Action::CreateContainer(spec) => o.subject == subject && spec.name.as_str() != subject,
        _ => false,
    };
    let (Some(at), Some(created)) = (find(&|o| std::ptr::eq(o, operation)), find(&is_successor)) else {
        return Ok(());
    };
    let Action::CreateContainer(successor) = &plan.operations[created].action else {
        return Ok(());
    };
    if successor.joined.is_empty() && !ended.contains(&created) && !needs(plan, created, at) {
        return Err(format!("{operation}: its successor is not created"));
    }
    let of_role = |role| desired.nodes.iter().filter(move |n| n.role == role);
    let Some(node) = desired.nodes.iter().find(|n| n.name == successor.node) else {
        return Ok(());
    };
    let mut others = of_role(node.role.clone())
        .flat_map(|n| &n.containers)
        .filter(|c| c.service == successor.service && c.name.as_str() != subject);
    let begun = |name: &str| {
        let stops = |o: &Operation| o.subject == name && matches!(o.action, Action::Stop { .. });
        find(&stops).is_some_and(|at| ended.contains(&at))
    };
    let untried = |name: &str| {
        let renamed = |o: &Operation| o.subject == name && matches!(o.action, Action::Rename { .. });
        let starts = |o: &Operation| o.subject == name && matches!(o.action, Action::Start(_));
        let start = find(&starts).filter(|start| find(&renamed).is_some() && !needs(plan, *start, at));
        start.is_some_and(|start| !ended.contains(&start))
    };
    match others.find(|c| begun(c.name.as_str()) && untried(c.name.as_str())) {
        Some(first) => Err(format!("{operation}: whether {} starts is not known", first.name)),
        None => Ok(()),
    }
}

/// Whether the operation at `at` waits for that at `before`.
fn needs(plan: &Plan, at: usize, before: usize) -> bool {
    let mut needed = HashSet::from([at]);
    for earlier in (0..=at).rev() {
        if needed.contains(&earlier) {
            let operation = &plan.operations[earlier];
            needed.extend(operation.after.iter().chain(&operation.after_any));
        }
    }
    needed.contains(&before)
}

fn starts_in_order(
    spec: &ContainerSpec,
    engine: &Pretended,
    plan: &Plan,
    desired: &Desired,
    ended: &HashSet<usize>,
) -> Result<(), String> {
    let is = |name: &str, condition: Condition| {
        let container = engine.observed.containers.iter().find(|c| c.name == name);
        container.is_some_and(|c| match condition {
            Condition::Started => c.state == State::Running || c.state == State::Exited && c.exit == Some(0),
            Condition::Healthy => verdict(Duty::Run, Some(c)).is_well(),
            Condition::Completed => c.state == State::Exited && c.exit == Some(0),
        })
    };
    for dependency in &spec.after {
        let name = dependency.container.as_str();
        let starts = |o: &Operation| matches!(o.action, Action::Start(_) | Action::Await { .. }) && o.subject == name;
        let pending = |at: &usize| starts(&plan.operations[*at]) && !ended.contains(at);
        if dependency.required && !is(name, dependency.condition) {
            return Err(format!(
                "start {}: {name} is not {}",
                spec.name,
                dependency.condition.word()
            ));
        }
        if !dependency.required && (0..plan.operations.len()).any(|at| pending(&at)) {
            return Err(format!("start {}: {name} is still to start", spec.name));
        }
    }
    let role = desired.nodes.iter().find(|n| n.name == spec.node).map(|n| &n.role);
    let completes = completes(desired);
    for order in desired.order.iter().filter(|o| Some(&o.role) == role) {
        let nodes = desired.nodes.iter().filter(|n| n.role == order.after);
        let containers = nodes.flat_map(|n| &n.containers).map(|c| c.name.as_str());
        let mut waited = containers.filter(|c| !completes.contains(c));
        if let Some(name) = waited.find(|c| !is(c, order.condition)) {
            return Err(format!("start {}: {name} is not {}", spec.name, order.condition.word()));
        }
    }
    Ok(())
}

/// The containers that are waited for until they end.
pub(super) fn completes(desired: &Desired) -> HashSet<&str> {
    let specs = desired.nodes.iter().flat_map(|n| &n.containers);
    let dependencies = specs.flat_map(|s| &s.after);
    let completed = dependencies.filter(|d| d.condition == Condition::Completed);
    completed.map(|d| d.container.as_str()).collect()
}
