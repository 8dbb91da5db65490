//! `topogen cp`

use std::path::Path;

use futures_util::StreamExt;

use super::verbs::{ObservedCluster, nothing_meant};
use crate::cli::{Cp, End};
use crate::cluster::ObservedContainer;
use crate::commands::Session;
use crate::converge::Reporter;
use crate::engine::copy;
use crate::error::Error;
use crate::lines::whose;
use crate::select::{self, Target};
use crate::text::{bytes, plural};

/// The most containers that are copied to at once.
const PARALLEL: usize = 16;

pub(super) async fn run(args: &Cp, session: &Session) -> Result<(), Error> {
    match (&args.from, &args.to) {
        (End::There { target, path }, End::Here(here)) => from(args, session, target, path, here).await,
        (End::Here(here), End::There { target, path }) => to(args, session, here, target, path).await,
        (End::There { .. }, End::There { .. }) => Err(Error::Usage {
            message: "both are in containers".to_owned(),
            hint: "copy to here first: `topogen cp slave1/db:/path .`".to_owned(),
        }),
        (End::Here(_), End::Here(_)) => Err(Error::Usage {
            message: "neither is in a container".to_owned(),
            hint: "a path in one is `TARGET:PATH`, such as `slave3/db:/etc/hosts`".to_owned(),
        }),
    }
}

/// Copies `path` of the one container that `target` means to `here`.
async fn from(args: &Cp, session: &Session, target: &Target, path: &str, here: &Path) -> Result<(), Error> {
    let terminal = &session.terminal;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    let chosen = chosen(&found, target).await?;
    let [container] = chosen[..] else {
        return Err(Error::Usage {
            message: format!(
                "`{target}` means {}, and all would be copied to one place",
                plural(chosen.len(), "container")
            ),
            hint: format!("name one of them, such as `{}:{path}`", whose(chosen[0])),
        });
    };
    terminal.doing(&format!("copying from {}", whose(container)));
    let copied = copy::get(&found.engine, &container.id, path, here).await;
    let count = copied.map_err(|error| not_copied(&[format!("{}: {error}", whose(container))]))?;
    terminal.note(&format!("copied {} to `{}`", bytes(count), here.display()));
    Ok(())
}

/// Copies `here` to `path` of all containers that `target` means.
async fn to(args: &Cp, session: &Session, here: &Path, target: &Target, path: &str) -> Result<(), Error> {
    let terminal = &session.terminal;
    // What cannot be read is told before the engine is asked.
    let packed = copy::pack(here).map_err(|error| not_copied(&[error.to_string()]))?;
    let found = ObservedCluster::look(terminal, &args.which).await?;
    let chosen = chosen(&found, target).await?;
    terminal.doing(&format!("copying to {}", plural(chosen.len(), "container")));
    let (engine, packed) = (&found.engine, &packed);
    let each = chosen.iter().map(|container| async move {
        let put = copy::put(engine, &container.id, packed, path).await;
        put.err().map(|error| format!("{}: {error}", whose(container)))
    });
    let failed: Vec<Option<String>> = futures_util::stream::iter(each).buffered(PARALLEL).collect().await;
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    if !failed.is_empty() {
        return Err(match failed.len() == chosen.len() {
            true => not_copied(&failed),
            false => Error::partial(failed.join("\n")),
        });
    }
    let whom = match &chosen[..] {
        [one] => whose(one),
        all => plural(all.len(), "container"),
    };
    terminal.note(&format!("copied {} to {whom}", bytes(packed.bytes)));
    Ok(())
}

/// The containers that `target` means: of a whole node its entry.
async fn chosen<'a>(found: &'a ObservedCluster, target: &Target) -> Result<Vec<&'a ObservedContainer>, Error> {
    let chosen = found.select(|all| select::one_a_node(target, all)).await?;
    match chosen.is_empty() {
        true => Err(nothing_meant(&[])),
        false => Ok(chosen),
    }
}

fn not_copied(reasons: &[String]) -> Error {
    Error::InTheWay {
        messages: reasons.to_vec(),
        hints: Vec::new(),
    }
}
