//! `topogen cut`, `partition`, `isolate`, `heal`, `faults`, and `namespace`, which does it inside

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::json;

use super::verbs::{ObservedCluster, nothing_meant};
use crate::cli::{Cut, FaultOptions, Faults, Format, Heal, Isolate, Namespace, Partition, Work};
use crate::cluster::{ObservedContainer, ObservedNetwork};
use crate::commands::Session;
use crate::converge::Reporter;
use crate::engine::faults::{Surgeon, Task};
use crate::engine::observe;
use crate::error::Error;
use crate::faults::plan::{Field, Order, Unfit};
use crate::faults::report::{self, Row};
use crate::faults::{self, State};
use crate::select::{self, Target};
use crate::terminal::words::span;
use crate::text::plural;

pub(super) async fn cut(args: &Cut, session: &Session) -> Result<(), Error> {
    let _shown = session.terminal.begin(&work_of(&args.options));
    let ward = Ward::look(session, &args.options).await?;
    let places = ward.places(&args.targets)?;
    let orders = match args.from.is_empty() {
        true => ward.field().cut_off(&places),
        false => ward.field().cut_from(&places, &ward.places(&args.from)?),
    };
    if orders.is_empty() {
        let (whom, hint) = match args.from.is_empty() {
            true => (
                "any network that nodes share",
                "`topogen isolate TARGET` cuts a container off everything",
            ),
            false => ("any network with them", "what shares no network is apart anyway"),
        };
        return Err(Error::Usage {
            message: format!("nothing of {} is on {whom}", said(&args.targets)),
            hint: hint.to_owned(),
        });
    }
    ward.carry_out("cut", &orders, session).await
}

pub(super) async fn partition(args: &Partition, session: &Session) -> Result<(), Error> {
    let _shown = session.terminal.begin(&work_of(&args.options));
    let ward = Ward::look(session, &args.options).await?;
    let sets: Result<Vec<BTreeSet<usize>>, Error> = args.sets.iter().map(|set| ward.places(&set.0)).collect();
    let mut sets = sets?;
    if let [one] = &sets[..] {
        let others = ward.all_places().difference(one).copied().collect();
        sets.push(others);
    }
    let orders = ward.field().partition(&sets);
    if orders.is_empty() {
        return Err(Error::Usage {
            message: "nobody is cut off anybody: no two of these meet, or all are in one set".to_owned(),
            hint: "`topogen partition 'slave[1-3]' 'slave[4-10],master'`: two sets that do not meet".to_owned(),
        });
    }
    ward.carry_out("partition", &orders, session).await
}

pub(super) async fn isolate(args: &Isolate, session: &Session) -> Result<(), Error> {
    let _shown = session.terminal.begin(&work_of(&args.options));
    let ward = Ward::look(session, &args.options).await?;
    let orders = ward.field().isolate(&ward.places(&args.targets)?);
    ward.carry_out("isolate", &orders, session).await
}

pub(super) async fn heal(args: &Heal, session: &Session) -> Result<(), Error> {
    let _shown = session.terminal.begin(&work_of(&args.options));
    let ward = Ward::look(session, &args.options).await?;
    let targets = match args.targets.is_empty() {
        true => None,
        false => Some(ward.chosen(&args.targets)?),
    };
    let (states, unknown) = ward.ask(session).await;
    let orders = ward.field().heal(targets.as_ref(), &states);
    if orders.is_empty() && unknown.is_empty() {
        ward.tidy(&states).await;
        let text = "nothing to do: nothing is cut";
        session.terminal.result(text, json!({"containers": 0, "nodes": 0}));
        return Ok(());
    }
    let healed = match orders.is_empty() {
        true => Ok(()),
        false => ward.carry_out("heal", &orders, session).await,
    };
    known(&ward.field(), &unknown)?;
    healed
}

pub(super) async fn list(args: &Faults, session: &Session) -> Result<(), Error> {
    let terminal = &session.terminal;
    let options = FaultOptions {
        which: crate::cli::Which {
            name: args.which.name.clone(),
            file: args.which.file.clone(),
        },
        progress: crate::cli::Progress::Auto,
        quiet: false,
    };
    let ward = Ward::look(session, &options).await?;
    let (states, unknown) = ward.ask(session).await;
    ward.tidy(&states).await;
    let rows = report::rows(&ward.field(), &states);
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n",
        Format::Table if rows.is_empty() => {
            terminal.line("nothing is cut");
            String::new()
        }
        Format::Table => report::table(&rows),
    };
    terminal.data(&text).map_err(anyhow::Error::from)?;
    known(&ward.field(), &unknown)
}

/// Does what the command line says in the namespace that this process is in, and prints what is in force there.
pub(super) fn namespace(args: &Namespace, session: &Session) -> Result<(), Error> {
    let change = serde_json::from_str(&args.change).context("cannot read the change")?;
    let state = faults::namespace::change(&change).context("cannot change the rules of routing")?;
    let text = serde_json::to_string(&state).context("cannot print")? + "\n";
    Ok(session.terminal.data(&text).context("cannot print")?)
}

/// The containers of a cluster, and the networks that they are on.
struct Ward {
    found: ObservedCluster,
    networks: Vec<ObservedNetwork>,
}

impl Ward {
    async fn look(session: &Session, options: &FaultOptions) -> Result<Self, Error> {
        let found = ObservedCluster::look(&session.terminal, &options.which).await?;
        let networks = observe::networks(&found.engine).await;
        Ok(Self {
            networks: networks.map_err(Error::engine("look at the networks"))?,
            found,
        })
    }

    fn field(&self) -> Field<'_> {
        Field {
            containers: &self.found.containers,
            networks: &self.networks,
        }
    }

    /// The containers that `targets` mean.
    fn chosen(&self, targets: &[Target]) -> Result<BTreeSet<usize>, Error> {
        if self.found.containers.is_empty() {
            return Err(Error::Usage {
                message: format!("no container of cluster `{}` is on the engine", self.found.cluster),
                hint: "`topogen ls` lists the clusters that are".to_owned(),
            });
        }
        let chosen = select::select(targets, &self.found.containers).map_err(|faults| nothing_meant(&faults))?;
        let ids: BTreeSet<&str> = chosen.iter().map(|c| c.id.as_str()).collect();
        let all = self.found.containers.iter().enumerate();
        Ok(all
            .filter(|(_, c)| ids.contains(c.id.as_str()))
            .map(|(at, _)| at)
            .collect())
    }

    /// The namespaces of what `targets` mean. What does not run is left out, unless nothing else is meant.
    fn places(&self, targets: &[Target]) -> Result<BTreeSet<usize>, Error> {
        let mut places = BTreeSet::new();
        let mut messages = Vec::new();
        let mut is_refused = false;
        for container in self.chosen(targets)? {
            match self.field().place(container) {
                Ok(place) => drop(places.insert(place)),
                Err(unfit) => {
                    is_refused |= matches!(unfit, Unfit::OfHost | Unfit::OfOther);
                    messages.push(format!("`{}` {unfit}", self.field().title(container)));
                }
            }
        }
        match places.is_empty() || is_refused {
            true => Err(Error::InTheWay {
                messages,
                hints: Vec::new(),
            }),
            false => Ok(places),
        }
    }

    /// All namespaces that there are.
    fn all_places(&self) -> BTreeSet<usize> {
        let all = 0..self.found.containers.len();
        all.filter_map(|container| self.field().place(container).ok()).collect()
    }

    fn surgeon(&self) -> Surgeon<'_> {
        Surgeon::new(&self.found.engine, &self.found.cluster, &self.found.helpers)
    }

    /// What is in force in every namespace, and of which that is not known.
    async fn ask(&self, session: &Session) -> (BTreeMap<usize, State>, Vec<(usize, String)>) {
        session
            .terminal
            .progress("asking the containers", &json!({"state": "asking"}), false);
        let places: Vec<(usize, &ObservedContainer)> = self
            .all_places()
            .into_iter()
            .map(|place| (place, &self.found.containers[place]))
            .collect();
        self.surgeon().ask(&places).await
    }

    async fn tidy(&self, states: &BTreeMap<usize, State>) {
        let broken = states.iter().filter(|(_, state)| !state.is_whole());
        let broken: Vec<&str> = broken.map(|(at, _)| self.found.containers[*at].id.as_str()).collect();
        self.surgeon().tidy(&broken).await;
    }

    /// Does all of `orders`, and says what is in force then.
    async fn carry_out(&self, verb: &str, orders: &[Order], session: &Session) -> Result<(), Error> {
        let terminal = &session.terminal;
        session.terminal.take_interrupts();
        let errands: Vec<String> = orders
            .iter()
            .map(|order| report::errand(&self.field(), order))
            .collect();
        let tasks: Vec<Task<'_>> = orders
            .iter()
            .zip(&errands)
            .map(|(order, errand)| Task {
                container: &self.found.containers[order.place],
                change: &order.change,
                errand,
            })
            .collect();
        let stop = session.stop.clone();
        let mut done: BTreeMap<usize, State> = BTreeMap::new();
        let mut failed = Vec::new();
        let take = |at: usize, state: Result<State, String>| {
            let place = orders[at].place;
            let title = self.field().title(place);
            match state {
                Ok(state) => {
                    let row = report::rows(&self.field(), &BTreeMap::from([(place, state.clone())]));
                    let phrase = row.first().map_or_else(|| "whole".to_owned(), Row::phrase);
                    let fields = json!({"state": verb, "container": title, "now": state});
                    terminal.progress(&format!("{title}: {phrase}"), &fields, true);
                    done.insert(place, state);
                }
                Err(reason) => failed.push(format!("`{title}`: {reason}")),
            }
        };
        self.surgeon().carry_out(&tasks, || !*stop.borrow(), take).await;
        terminal.carried_out();
        if !failed.is_empty() {
            let message = format!("not done everywhere\n{}", failed.join("\n"));
            let hints = vec![self.found_command("heal", "ends what was begun")];
            return Err(Error::Partial { message, hints });
        }
        let counts = self.counts(&done);
        if done.len() < orders.len() {
            return Err(Error::Interrupted(format!(
                "interrupted: {verb} in {} of {}\nhint: {}",
                done.len(),
                plural(orders.len(), "container"),
                self.found_command("faults", "lists what is in force"),
            )));
        }
        let text = format!("{}: {}, in {}", past(verb), counts.0, span(terminal.elapsed()));
        terminal.result(&text, counts.1);
        Ok(())
    }

    fn found_command(&self, verb: &str, effect: &str) -> String {
        format!("`topogen {verb} -n {}` {effect}", self.found.cluster)
    }

    fn counts(&self, done: &BTreeMap<usize, State>) -> (String, serde_json::Value) {
        let nodes: BTreeSet<&str> = done.keys().map(|at| self.found.containers[*at].node()).collect();
        let text = format!("{} of {}", plural(done.len(), "container"), plural(nodes.len(), "node"));
        (text, json!({"containers": done.len(), "nodes": nodes.len()}))
    }
}

/// The error that it is not known of some containers what is in force there.
fn known(field: &Field<'_>, unknown: &[(usize, String)]) -> Result<(), Error> {
    let messages: Vec<String> = unknown
        .iter()
        .map(|(at, reason)| format!("`{}` could not be asked: {reason}", field.title(*at)))
        .collect();
    match messages.is_empty() {
        true => Ok(()),
        false => Err(Error::InTheWay {
            messages,
            hints: Vec::new(),
        }),
    }
}

fn said(targets: &[Target]) -> String {
    let words: Vec<String> = targets.iter().map(|t| format!("`{t}`")).collect();
    words.join(", ")
}

fn past(verb: &str) -> &'static str {
    match verb {
        "cut" => "cut off",
        "partition" => "cut off each other",
        "isolate" => "isolated",
        _ => "healed",
    }
}

fn work_of(options: &FaultOptions) -> Work {
    Work {
        parallel: None,
        progress: options.progress,
        quiet: options.quiet,
    }
}
