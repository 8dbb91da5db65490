//! Calls about a single existing container. If the requested state is there already, they succeed.

use bollard::Docker;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};

use super::fault::{Fault, ignore_missing};

/// Stops the container (`POST /containers/{id}/stop`). Without `t` the engine uses the container's own stop timeout.
pub(super) async fn stop(id: &str, grace: Option<u32>, docker: &Docker) -> Result<(), Fault> {
    let options = grace.map(|g| StopContainerOptionsBuilder::new().t(seconds(g)).build());
    ignore_missing(docker.stop_container(id, options).await)
}

/// Stops and starts the container (`POST /containers/{id}/restart`). After `grace` seconds it is killed; `None` for its
/// own stop timeout.
pub(super) async fn restart(id: &str, grace: Option<u32>, docker: &Docker) -> Result<(), Fault> {
    let options = grace.map(|g| RestartContainerOptionsBuilder::new().t(seconds(g)).build());
    Ok(docker.restart_container(id, options).await?)
}

/// Sends a signal to the container's main process (`POST /containers/{id}/kill`).
pub(super) async fn kill(id: &str, signal: &str, docker: &Docker) -> Result<(), Fault> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    match docker.kill_container(id, Some(options)).await.map_err(Fault::from) {
        // It has exited since it was observed.
        Err(Fault::NotRunning(_)) => Ok(()),
        other => other,
    }
}

/// Freezes all processes of the container (`POST /containers/{id}/pause`).
pub(super) async fn pause(id: &str, docker: &Docker) -> Result<(), Fault> {
    match docker.pause_container(id).await.map_err(Fault::from) {
        Err(Fault::AlreadyPaused(_)) => Ok(()),
        other => other,
    }
}

/// Gives a container another name (`POST /containers/{id}/rename`).
pub(super) async fn rename(id: &str, to: &str, docker: &Docker) -> Result<(), Fault> {
    let options = RenameContainerOptionsBuilder::new().name(to).build();
    Ok(docker.rename_container(id, options).await?)
}

fn seconds(grace: u32) -> i32 {
    i32::try_from(grace).unwrap_or(i32::MAX)
}
