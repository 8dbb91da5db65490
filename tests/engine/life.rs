//! What takes time: stopping a container, and what its program does once it runs.

use std::time::Duration;

use tokio::time::sleep;

use super::EngineDouble;
use super::model::{Answer, Program, Status};
use super::state::{Ended, has_healthcheck, signal_number};

/// What the engine gives a container to end in where nobody says, in seconds.
const GRACE: i64 = 10;
/// Between two runs of a container that is started again, at first.
const RESTART: Duration = Duration::from_millis(100);

/// `POST /containers/{id}/stop`; `false` where it does not run.
pub(super) async fn stop(double: &EngineDouble, asked: &str, grace: Option<i64>) -> Answer<bool> {
    let (id, run, grace, ends) = {
        let mut state = double.state();
        let at = state.position(asked)?;
        let container = &mut state.containers[at];
        if container.status == Status::Restarting {
            // Then it is just not started again.
            container.status = Status::Exited;
            return Ok(true);
        }
        if !container.runs_now() {
            return Ok(false);
        }
        let signal = signal_number(container.body["StopSignal"].as_str().unwrap_or_default()).unwrap_or(15);
        let grace = grace
            .or_else(|| container.body["StopTimeout"].as_i64())
            .unwrap_or(GRACE);
        let (id, run) = (container.id.clone(), container.runs);
        let ends = state.signal(at, signal);
        if ends {
            state.end(at, if signal == 9 { 137 } else { 0 }, Ended::Stopped);
        }
        (id, run, grace, ends)
    };
    if ends {
        return Ok(true);
    }
    let mut changed = double.events.subscribe();
    let runs = || {
        let state = double.lock();
        let found = state.containers.iter().find(|c| c.id == id);
        found.is_some_and(|c| c.runs == run && c.runs_now())
    };
    let ended = async {
        while runs() {
            if changed.changed().await.is_err() {
                break;
            }
        }
    };
    match u64::try_from(grace) {
        Ok(grace) => tokio::select! {
            () = ended => {}
            () = sleep(Duration::from_secs(grace)) => {}
        },
        // For as long as it takes.
        Err(_) => ended.await,
    }
    if runs() {
        let mut state = double.state();
        let at = state.position(&id)?;
        state.signal(at, 9);
        state.end(at, 137, Ended::Stopped);
    }
    Ok(true)
}

/// What the program of a container does from now on, where it has been started.
pub(super) fn live(double: &EngineDouble, asked: &str) {
    let state = double.lock();
    let Ok(at) = state.position(asked) else { return };
    let (id, run) = (state.containers[at].id.clone(), state.containers[at].runs);
    drop(state);
    tokio::spawn(run_of(double.clone(), id, run));
}

async fn run_of(double: EngineDouble, id: String, mut run: u32) {
    let mut pause = RESTART;
    loop {
        let Some((program, interval)) = program(&double, &id, run) else {
            return;
        };
        match program {
            Program::Exits(status) => {
                let mut state = double.state();
                let Ok(at) = state.position(&id) else { return };
                state.end(at, status, Ended::ByItself);
            }
            Program::Serves | Program::Deaf | Program::Sick(_) => {
                let Some(interval) = interval else { return };
                sleep(interval).await;
                // It may have ended, and may even run again.
                if self::program(&double, &id, run).is_some() {
                    match program {
                        Program::Sick(output) => double.state().set_health(&id, "unhealthy", &output),
                        _ => double.state().set_health(&id, "healthy", ""),
                    }
                }
                return;
            }
        }
        sleep(pause).await;
        pause *= 2;
        let mut state = double.state();
        let Ok(at) = state.position(&id) else { return };
        if state.containers[at].status != Status::Restarting || state.start(&id).is_err() {
            return;
        }
        run = state.containers[at].runs;
    }
}

/// What a container runs in its `run`, and after how long its healthcheck says something, where it has one; `None` where
/// that run is over.
fn program(double: &EngineDouble, id: &str, run: u32) -> Option<(Program, Option<Duration>)> {
    let state = double.lock();
    let container = &state.containers[state.position(id).ok()?];
    let interval = container.body["Healthcheck"]["Interval"].as_u64().filter(|i| *i > 0);
    let interval = interval.map_or(Duration::from_secs(30), Duration::from_nanos);
    let interval = has_healthcheck(&container.body).then_some(interval);
    let runs = container.runs == run && container.runs_now();
    runs.then(|| (state.program(container), interval))
}
