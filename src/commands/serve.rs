//! `topogen serve`

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{load, recorded, work};
use crate::cli::Serve;
use crate::cluster::roster::{Moment, Roster};
use crate::commands::Session;
use crate::engine::observe;
use crate::error::Error;
use crate::serve::{self, Settings};

pub(super) async fn run(args: &Serve, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let is_given = !load::is_lacking(args.source.file.as_deref());
    let given = match is_given {
        true => Some(load::topology(terminal, &args.source)?.topology),
        false => None,
    };
    let name = args.source.name.clone();
    let cluster = name
        .or_else(|| given.as_ref().map(|t| t.cluster.clone()))
        .unwrap_or_default();
    let engine = work::connect(terminal).await?;
    let containers = observe::containers(&engine, Some(&cluster))
        .await
        .map_err(Error::engine("look at the engine"))?;
    let topology = recorded::topology(terminal, &containers).or(given).map(Arc::new);
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("cannot listen")?;
    terminal.line(&format!("cluster `{cluster}` is at http://{address}/"));
    let (rosters, _) = watch::channel(Arc::new(Roster::unknown(cluster.as_str(), Moment(0))));
    let (_keep, topology) = watch::channel(topology);
    let settings = Settings {
        allow_hosts: args.allow_host.clone(),
    };
    serve::serve(
        listener,
        engine,
        cluster,
        topology,
        settings,
        rosters,
        session.asked_to_end(),
    )
    .await;
    Ok(())
}
