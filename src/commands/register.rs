//! `topogen register`, and `--consul` of `topogen serve`: a cluster is kept registered with Consul.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::timeout;

use super::{serve, work};
use crate::cli::{Register, Registered};
use crate::cluster::roster::{Moment, Roster};
use crate::commands::Session;
use crate::engine::connect::choose::Tls;
use crate::engine::connect::{Engine, tls};
use crate::engine::observe::{self, instance};
use crate::error::Error;
use crate::name::ClusterName;
use crate::serve::consul::client::Access;
use crate::serve::consul::service::Owner;
use crate::serve::consul::target::Target;
use crate::serve::consul::{EVERY, Registration, Scope};
use crate::terminal::Terminal;
use crate::text::reason;

/// How long the engine may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &Register, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let (_, cluster) = serve::named(terminal, &args.source, args.here.as_ref())?;
    let engine = work::connect(terminal).await?;
    let mut registered = registration(&args.consul, &args.how, &engine, &cluster).await?;
    let now = instance::at(SystemTime::now()).unwrap_or(Moment(0));
    let (rosters, seen) = watch::channel(Arc::new(Roster::unknown(cluster.as_str(), now)));
    terminal.line(&format!("cluster `{cluster}` is registered at {}", args.consul));
    serve::tell_of_none(terminal, &engine, &cluster, "register").await?;
    tokio::select! {
        () = crate::watch::follow(engine, cluster, rosters) => {}
        () = serve::report_losses(terminal, seen.clone()) => {}
        () = follow(&mut registered, terminal, seen) => {}
        () = session.asked_to_end() => {}
    }
    end(registered).await
}

/// How `cluster` on `engine` is to be registered at `target`.
///
/// # Errors
/// A file that the environment names cannot be read, or the engine does not say who it is.
pub(super) async fn registration(
    target: &Target,
    how: &Registered,
    engine: &Engine,
    cluster: &ClusterName,
) -> Result<Registration, Error> {
    let access =
        Access {
            target: target.clone(),
            token: token()?,
            tls: match target {
                Target::Tcp { tls: true, .. } => {
                    let config = tls::config(&certificates());
                    Some(config.map_err(|error| {
                        refused(error.to_string(), "CONSUL_CACERT names the authority's certificate")
                    })?)
                }
                _ => None,
            },
        };
    let id = match timeout(PATIENCE, observe::engine_id(engine)).await {
        Ok(id) => id.map_err(Error::engine("ask the engine who it is"))?,
        Err(_) => return Err(refused("the engine does not say who it is".to_owned(), "")),
    };
    let scope = Scope {
        owner: Owner {
            cluster: cluster.to_string(),
            engine: id,
        },
        private: how.private,
        keys: how.keys.clone(),
        every: EVERY,
    };
    Ok(Registration::new(access, scope))
}

/// Keeps it registered, for ever.
pub(super) async fn follow(
    registration: &mut Registration,
    terminal: &Terminal,
    rosters: watch::Receiver<Arc<Roster>>,
) {
    registration.follow(rosters, |line| terminal.line(line)).await;
}

/// Takes away what is registered.
///
/// # Errors
/// Some of it is still there.
pub(super) async fn end(mut registration: Registration) -> Result<(), Error> {
    let ended = registration.end().await;
    ended.map_err(|error| refused(error, "it is gone ten minutes after it was passed last"))
}

/// The token of CONSUL_HTTP_TOKEN, or in the file that CONSUL_HTTP_TOKEN_FILE names, as for Consul's own commands.
fn token() -> Result<Option<String>, Error> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = set("CONSUL_HTTP_TOKEN") {
        return Ok(Some(token));
    }
    let Some(path) = set("CONSUL_HTTP_TOKEN_FILE") else {
        return Ok(None);
    };
    let token = std::fs::read_to_string(&path);
    let token = token.map_err(|error| {
        let message = format!("cannot read {path}: {}", reason(&error));
        refused(message, "CONSUL_HTTP_TOKEN_FILE names it")
    })?;
    Ok(Some(token.trim().to_owned()))
}

/// Whose certificates are believed, by the variables of Consul's own commands.
fn certificates() -> Tls {
    let file = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Tls {
        directory: PathBuf::new(),
        ca: file("CONSUL_CACERT"),
        own: file("CONSUL_CLIENT_CERT").zip(file("CONSUL_CLIENT_KEY")),
        verify: !env::var("CONSUL_HTTP_SSL_VERIFY").is_ok_and(|value| value == "false" || value == "0"),
    }
}

fn refused(message: String, hint: &str) -> Error {
    Error::InTheWay {
        messages: vec![message],
        hints: Some(hint.to_owned())
            .filter(|hint| !hint.is_empty())
            .into_iter()
            .collect(),
    }
}
