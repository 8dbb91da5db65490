//! Carries out a plan. Each operation starts as soon as its prerequisites are done, a limited number at once, and none
//! after a stop.

mod container;
pub(super) mod files;
mod handles;
mod image;
mod network;
mod wait;

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, NetworkDisconnectRequest};
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptions};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::connect::Engine;
use super::fault::{Fault, ignore_missing};
use super::{request, verbs};
use crate::cluster::label;
use crate::name::ClusterName;
use crate::plan::event::Event;
use crate::plan::schedule::{Outcome, Schedule};
use crate::plan::{Action, Operation, Plan};
use crate::topology::address::Layout;
pub use handles::Handles;
pub use image::SharedImages;
pub(super) use image::load_image;
pub(crate) use image::{FakeError, fake_is_ready};
pub use wait::SharedObservation;

/// How often an operation is tried if the engine reports an obstacle that passes.
const TRIES: u32 = 40;
/// How often the removal of a network is tried that nobody is on, for half a minute: thirty clusters that go down at once
/// keep an engine busy for longer than [`TRIES`].
const TRIES_OF_RELEASE: u32 = 300;
/// How often to check a container that another client created before it counts as complete: for two seconds.
const STABLE_CHECKS: u32 = 20;
/// The pause before an operation is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What carrying out a plan needs beside the plan.
pub struct ApplyContext<'a> {
    /// The engine to act on.
    pub engine: &'a Engine,
    /// The name of the cluster.
    pub cluster: &'a ClusterName,
    /// The layout of subnets, to find another one if the engine reports that one is taken; `None` if the engine
    /// chooses.
    pub layout: Option<Layout>,
    /// The most operations in flight at once.
    pub parallel: usize,
    /// The time at which waiting for containers ends; `None` for no limit.
    pub deadline: Option<Instant>,
    /// Becomes true when no further operation may begin.
    pub stop: watch::Receiver<bool>,
    /// The containers that this run created or found. A plan that puts back what another one did has those of that one.
    pub handles: &'a Handles,
    /// What images say, asked once in the plan.
    pub images: SharedImages,
    /// The observation that all waiting operations share.
    pub observation: SharedObservation,
    /// Receives the progress of operations: the index in the plan, and a few words.
    pub progress: mpsc::UnboundedSender<(usize, String)>,
}

impl ApplyContext<'_> {
    /// Reports the progress of the operation at `at`.
    fn tell(&self, at: usize, text: String) {
        // The receiver is closed once the plan is done.
        let _ = self.progress.send((at, text));
    }
}

/// The result of carrying out a plan.
#[derive(Debug)]
pub struct Applied {
    /// The result of each operation.
    pub outcome: Outcome,
    /// Whether something failed, and all failures were resources that somebody removed after they were observed.
    pub only_vanished: bool,
}

/// Carries out `plan`. A failure stops what depends on it and nothing else. `progress` is the receiver of the context's
/// channel.
pub async fn apply(
    plan: &Plan,
    context: &ApplyContext<'_>,
    mut progress: mpsc::UnboundedReceiver<(usize, String)>,
    report: &mut dyn FnMut(Event<'_>),
) -> Applied {
    let (mut vanished, mut refused) = (false, false);
    let mut schedule = Schedule::new(plan);
    let mut running = FuturesUnordered::new();
    // Waiting for a container costs the engine nothing, so it does not count against the limit.
    let mut waiting = FuturesUnordered::new();
    let mut stop = context.stop.clone();
    loop {
        if *stop.borrow() {
            schedule.stop();
        }
        if schedule.is_stopped() {
            waiting.clear();
        }
        while running.len() < context.parallel {
            let Some(at) = schedule.begin_first() else { break };
            let operation = &plan.operations[at];
            report(Event::Started { at, operation });
            let work = async move { (at, perform(at, operation, context).await) };
            match operation.action {
                Action::Await { .. } => waiting.push(work),
                _ => running.push(work),
            }
        }
        if running.is_empty() && waiting.is_empty() {
            break;
        }
        let (at, result) = tokio::select! {
            Some(ended) = running.next() => ended,
            Some(ended) = waiting.next() => ended,
            // This wakes the loop, so that a stop is noticed while operations are in flight.
            Ok(()) = stop.changed() => {
                report(Event::Stopping { in_flight: running.len() });
                continue;
            }
            Some((at, text)) = progress.recv() => {
                report(Event::Progress { at, text: &text });
                continue;
            }
            else => break,
        };
        let operation = &plan.operations[at];
        match result {
            Ok(()) => {
                report(Event::Done { at, operation });
                schedule.done(at);
            }
            Err(fault) => {
                // An image that is not found in the registry has not vanished.
                let fetches = matches!(operation.action, Action::PullImage { .. } | Action::LoadImage);
                match fault.is_not_found() && !fetches {
                    true => vanished = true,
                    false => refused = true,
                }
                let reason = fault.to_string();
                report(Event::Failed {
                    at,
                    operation,
                    reason: &reason,
                });
                if let Fault::Lost(..) = fault {
                    schedule.lost(reason.clone());
                }
                for at in schedule.failed(at, reason) {
                    let operation = &plan.operations[at];
                    report(Event::Skipped { at, operation });
                }
            }
        }
    }
    let stopped = *context.stop.borrow();
    Applied {
        outcome: schedule.outcome(),
        only_vanished: vanished && !refused && !stopped,
    }
}

async fn perform(at: usize, operation: &Operation, context: &ApplyContext<'_>) -> Result<(), Fault> {
    use container::{create_container, is_stable, start};
    let docker = &context.engine.docker;
    let subject = operation.subject.as_str();
    match &operation.action {
        Action::LoadImage => image::load_image(context.engine, subject).await,
        Action::PullImage { platform, .. } => image::pull_image(subject, platform.as_deref(), at, context).await,
        Action::CreateNetwork(spec) => network::create_network(spec, context).await,
        Action::CreateVolume(spec) => Ok(docker.create_volume(request::volume(spec)).await.map(drop)?),
        Action::CreateContainer(spec) => create_container(spec, context).await,
        Action::Disconnect { id, network } => {
            let request = NetworkDisconnectRequest {
                container: id.clone(),
                force: Some(true),
            };
            ignore_missing(docker.disconnect_network(network.as_str(), request).await)
        }
        Action::Connect { container, .. } if !is_stable(container, context).await? => {
            create_container(container, context).await
        }
        Action::Connect { container, endpoint } => {
            let id = context.handles.reference(subject);
            match network::connect(container, *endpoint, &id, context).await {
                // It was the unfinished container of a killed client, which the engine removes when it notices.
                Err(Fault::NoSuchContainer(_)) => create_container(container, context).await,
                other => other,
            }
        }
        Action::Start(spec) if !is_stable(spec, context).await? => {
            create_container(spec, context).await?;
            start(spec, context).await
        }
        Action::Start(spec) => match start(spec, context).await {
            Err(Fault::NoSuchContainer(_)) => {
                create_container(spec, context).await?;
                start(spec, context).await
            }
            other => other,
        },
        Action::Unpause { id } => Ok(docker.unpause_container(id).await?),
        Action::Await { containers, condition } => wait::wait(containers, *condition, context).await,
        Action::Blocked(conflict) => Err(Fault::Own(conflict.to_string())),
        Action::StartAgain { id } => Ok(docker.start_container(id, None).await?),
        Action::Pause { id } => verbs::pause(id, docker).await,
        Action::Stop { id, grace } => verbs::stop(id, *grace, docker).await,
        Action::Restart { id, grace } => verbs::restart(id, *grace, docker).await,
        Action::Kill { id, signal } => verbs::kill(id, signal, docker).await,
        Action::Rename { id, to } => {
            verbs::rename(&context.handles.reference(id), to, docker).await?;
            context.handles.renamed(id, to);
            Ok(())
        }
        Action::RemoveContainer { id, volumes } => {
            let options = RemoveContainerOptionsBuilder::new().v(*volumes).force(true).build();
            let id = context.handles.reference(id);
            match docker.remove_container(&id, Some(options)).await.map_err(Fault::from) {
                // Somebody else is removing it; what waits for that tries again.
                Err(Fault::Conflict(_)) => Ok(()),
                other => ignore_missing(other),
            }
        }
        Action::RemoveNetwork { id } => network::remove_network(id, docker).await,
        Action::RemoveVolume => remove_volume(subject, context).await,
    }
}

/// `DELETE /volumes/{name}`, repeated while the engine still releases it from its last container.
async fn remove_volume(name: &str, context: &ApplyContext<'_>) -> Result<(), Fault> {
    for tries in 0.. {
        let options = None::<RemoveVolumeOptions>;
        let removed = context.engine.docker.remove_volume(name, options).await;
        match removed.map_err(Fault::from) {
            Err(Fault::InUse(_) | Fault::Conflict(_)) if tries < TRIES => tokio::time::sleep(PAUSE).await,
            // A container that came since it was observed has it, and is removed with it when that is observed.
            Err(Fault::InUse(_)) if label::is_made_up(name) => return Ok(()),
            other => return ignore_missing(other),
        }
    }
    Ok(())
}

/// The container with the name of `spec`; `None` if it does not exist.
async fn inspect(container: &str, engine: &Engine) -> Result<Option<ContainerInspectResponse>, Fault> {
    let inspected = engine.docker.inspect_container(container, None).await;
    match inspected.map_err(Fault::from) {
        Ok(inspect) => Ok(Some(inspect)),
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault),
    }
}
