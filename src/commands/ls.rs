//! `topogen ls`

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{recorded, work};
use crate::cli::{Format, Ls};
use crate::cluster::{ObservedContainer, label, verdict};
use crate::commands::Session;
use crate::converge::Reporter;
use crate::engine::observe;
use crate::error::Error;
use crate::roster::laid_out;
use crate::text::natural;

/// A cluster on the engine.
#[derive(Debug, Serialize)]
struct Row {
    cluster: String,
    nodes: usize,
    containers: usize,
    /// Those that run, or have done what they were to do.
    well: usize,
    /// How many containers are fakes.
    fakes: usize,
    /// The options of the last `up` that created a container.
    options: String,
    /// The path of the blueprint, or the name of a shipped one; empty if no label says so.
    blueprint: String,
    /// When the oldest of its containers was created, in seconds since 1970.
    created: i64,
}

pub(super) async fn run(args: &Ls, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let engine = work::connect(terminal).await?;
    terminal.doing("looking at the engine");
    let all = observe::containers(&engine, None).await;
    let rows = rows(&all.map_err(Error::engine("look at the engine"))?);
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n",
        Format::Table if rows.is_empty() => {
            terminal.line("no cluster is on the engine");
            return Ok(());
        }
        Format::Table => table(&rows),
    };
    Ok(terminal.data(&text).map_err(anyhow::Error::from)?)
}

/// The clusters of `containers`, which the engine lists from the youngest, by name.
fn rows(containers: &[ObservedContainer]) -> Vec<Row> {
    let mut clusters: BTreeMap<&str, Vec<&ObservedContainer>> = BTreeMap::new();
    for container in containers.iter().filter(|c| !c.is_helper()) {
        clusters.entry(container.cluster()).or_default().push(container);
    }
    let mut rows: Vec<Row> = clusters.into_iter().map(|(name, of_it)| row(name, &of_it)).collect();
    rows.sort_by_cached_key(|row| natural(&row.cluster));
    rows
}

fn row(cluster: &str, containers: &[&ObservedContainer]) -> Row {
    let nodes: BTreeSet<&str> = containers.iter().map(|c| c.node()).collect();
    let youngest = containers.first();
    Row {
        cluster: cluster.to_owned(),
        nodes: nodes.len(),
        containers: containers.len(),
        well: containers
            .iter()
            .filter(|c| verdict(c.duty(), Some(c)).is_well())
            .count(),
        fakes: containers.iter().filter(|c| c.is_fake()).count(),
        options: youngest.map(|c| recorded::typed(c)).unwrap_or_default(),
        blueprint: youngest
            .map(|c| c.label(label::BLUEPRINT).to_owned())
            .unwrap_or_default(),
        created: containers.iter().map(|c| c.created).min().unwrap_or_default(),
    }
}

fn table(rows: &[Row]) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let header = ["CLUSTER", "NODES", "WELL", "IMAGES", "AGE", "BLUEPRINT", "OPTIONS"];
    let rows = rows.iter().map(|row| {
        let images = match row.fakes {
            0 => "real",
            all if all == row.containers => "fakes",
            _ => "some fakes",
        };
        [
            row.cluster.clone(),
            row.nodes.to_string(),
            format!("{} of {}", row.well, row.containers),
            images.to_owned(),
            age(now.saturating_sub(u64::try_from(row.created).unwrap_or_default())),
            row.blueprint.clone(),
            row.options.clone(),
        ]
    });
    laid_out(header, rows)
}

/// So many seconds in the largest unit: `45 s`, `12 min`, `3 h`, `9 days`.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit_that_says_something() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
