//! The report about existing projects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use super::super::report::{Consequence, Finding, Kind, NodeReport, Proved, Report, ServiceReport, listed};
use super::{Doubt, Projects, is_of, named};
use crate::cluster::ObservedContainer;
use crate::probe::question::Answers;
use crate::probe::question::Questions;
use crate::text::natural;
use crate::text::plural;

impl Projects<'_> {
    /// The report of what the engine's tables and the containers' answers show.
    #[must_use]
    pub fn report(&self, asked: &[(usize, Questions)], answers: &[Result<Answers, String>]) -> Report {
        let mut report = Report {
            nodes: self.nodes(asked, answers),
            ..Report::default()
        };
        let mut live: BTreeMap<&str, BTreeMap<usize, Vec<Ipv4Addr>>> = BTreeMap::new();
        for ((at, questions), answers) in asked.iter().zip(answers) {
            match answers {
                Ok(answers) => {
                    report.proved.containers += 1;
                    let (unknown, known) = questions
                        .names
                        .iter()
                        .partition::<Vec<&String>, _>(|n| answers.no_answer(n).is_some());
                    report.findings.extend(self.no_answer(*at, &unknown, answers));
                    for name in known {
                        let resolved = answers.names.get(name).into_iter().flatten();
                        let resolved = resolved.filter_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None });
                        live.entry(name).or_default().insert(*at, resolved.collect());
                    }
                }
                Err(reason) => {
                    report.unasked += 1;
                    report.findings.push(self.unasked(*at, reason));
                }
            }
        }
        for doubt in &self.doubts {
            report.findings.push(self.finding(doubt, live.get(doubt.name)));
        }
        let doubtful: HashSet<&str> = self.doubts.iter().map(|d| d.name).collect();
        for (name, answers) in live.iter().filter(|(name, _)| !doubtful.contains(*name)) {
            report
                .findings
                .extend(self.unforeseen(name, answers, &mut report.proved));
        }
        report.proved.networks = self.sound_networks();
        report.notes = self.replicas();
        report.right = report.findings.is_empty();
        report
    }

    /// The number of networks without a name in doubt.
    fn sound_networks(&self) -> usize {
        let wrong: HashSet<&str> = self.doubts.iter().flat_map(|d| d.networks.iter().copied()).collect();
        let own = self.found.containers.iter().filter(|c| is_of(self.names, c));
        let networks: HashSet<&str> = own.flat_map(named).filter_map(|e| e.network_id.as_deref()).collect();
        networks.difference(&wrong).count()
    }

    fn finding(&self, doubt: &Doubt<'_>, live: Option<&BTreeMap<usize, Vec<Ipv4Addr>>>) -> Finding {
        let name = doubt.name;
        let networks: Vec<&str> = doubt.networks.iter().map(|id| self.networks[id]).collect();
        let owners = |network: &&str| -> Vec<(usize, Ipv4Addr)> {
            self.owners.get(&(*network, name)).cloned().unwrap_or_default()
        };
        let titles = |owners: &[(usize, Ipv4Addr)]| {
            let mut titles: Vec<String> = owners.iter().map(|(at, _)| self.title(*at)).collect();
            titles.sort_by_cached_key(|t| t.split('/').map(natural).collect::<Vec<_>>());
            titles
        };
        let all: Vec<(usize, Ipv4Addr)> = doubt.networks.iter().flat_map(&owners).collect();
        let (expected, observed) = match &networks[..] {
            [network] => (
                format!("`{name}` on `{network}` is the name of one service"),
                format!(
                    "{} answer to it: {}",
                    plural(all.len(), "container"),
                    listed(&titles(&all))
                ),
            ),
            _ => (
                format!("`{name}` is one container's for those on {}", listed(&networks)),
                doubt
                    .networks
                    .iter()
                    .map(|id| format!("on `{}` it is {}", self.networks[id], listed(&titles(&owners(id)))))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        };
        let mut projects: Vec<&str> = all.iter().map(|(at, _)| self.found.containers[*at].project()).collect();
        projects.dedup();
        Finding {
            kind: Kind::Shape,
            node: match projects[..] {
                [one] if !one.is_empty() => Some(one.to_owned()),
                _ => None,
            },
            subject: Some(networks.join(", ")),
            expected,
            observed,
            cause: self.cause(name, &networks, &all),
            consequences: self.answered(name, live),
        }
    }

    fn cause(&self, name: &str, networks: &[&str], owners: &[(usize, Ipv4Addr)]) -> String {
        let all =
            |is: &dyn Fn(&ObservedContainer) -> bool| owners.iter().all(|(at, _)| is(&self.found.containers[*at]));
        let on = listed(networks);
        match networks {
            [_] if all(&|c| c.service_key_or_name().eq_ignore_ascii_case(name)) => {
                format!("its key is an alias on {on}: Compose makes each service's key one on every network it joins")
            }
            [_] if all(&|c| c.is_hostname(name)) => {
                format!("their `hostname`, which engines make a name on {on}")
            }
            [_] => format!("an alias on {on} that several ask for"),
            _ => "the engine asks one network after the other, and the first that knows the name wins".to_owned(),
        }
    }

    /// What containers that checked a doubtful name observed.
    fn answered(&self, name: &str, live: Option<&BTreeMap<usize, Vec<Ipv4Addr>>>) -> Vec<Consequence> {
        let mut by_answer: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (at, resolved) in live.into_iter().flatten() {
            // A container that has the name on its private network alone resolves it correctly.
            let right = resolved.len() == 1 && named(&self.found.containers[*at]).count() == 1;
            if !right {
                by_answer
                    .entry(self.describe(resolved))
                    .or_default()
                    .push(self.title(*at));
            }
        }
        let mut answered: Vec<Consequence> = by_answer
            .into_iter()
            .map(|(what, from)| Consequence {
                kind: Kind::Names,
                what,
                subjects: vec![name.to_owned()],
                from,
            })
            .collect();
        answered.sort_by_key(|c| std::cmp::Reverse(c.from.len()));
        answered
    }

    fn describe(&self, resolved: &[Ipv4Addr]) -> String {
        let holder = |address: &Ipv4Addr| {
            let has = |c: &ObservedContainer| c.endpoints.iter().any(|e| e.address == Some(*address));
            self.found.containers.iter().position(has)
        };
        match resolved {
            [] => "does not resolve".to_owned(),
            [one] => format!(
                "resolves to `{}`",
                holder(one).map_or_else(|| one.to_string(), |at| self.title(at))
            ),
            many => format!("answers with {} addresses", many.len()),
        }
    }

    /// A finding for a name that is right in the engine's tables but resolved wrongly.
    fn unforeseen(&self, name: &str, answers: &BTreeMap<usize, Vec<Ipv4Addr>>, proved: &mut Proved) -> Option<Finding> {
        let foreseen = |at: usize, resolved: &[Ipv4Addr]| {
            let networks = named(&self.found.containers[at]).filter_map(|e| e.network_id.as_deref());
            let known = networks.map(|network| {
                let owners = self.owners.get(&(network, name)).map_or(&[][..], Vec::as_slice);
                owners.iter().map(|(_, address)| *address).collect::<BTreeSet<_>>()
            });
            known
                .filter(|k| !k.is_empty())
                .any(|known| known.iter().eq(resolved.iter().collect::<BTreeSet<_>>()))
        };
        let wrong: Vec<(&usize, &Vec<Ipv4Addr>)> = answers
            .iter()
            .filter(|(at, resolved)| !foreseen(**at, resolved))
            .collect();
        proved.names += answers.len() - wrong.len();
        let (first, resolved) = wrong.first()?;
        let from: Vec<String> = wrong.iter().map(|(at, _)| self.title(**at)).collect();
        let consequence = Consequence {
            kind: Kind::Names,
            what: self.describe(resolved),
            subjects: vec![name.to_owned()],
            from,
        };
        let container = &self.found.containers[**first];
        Some(Finding {
            kind: Kind::Names,
            node: Some(container.project().to_owned()),
            subject: Some(container.service_key_or_name().to_owned()),
            expected: format!("`{name}` resolves as the engine's own tables say"),
            observed: consequence.line(),
            cause: "the engine's names are out of step with its containers: `docker restart` those concerned"
                .to_owned(),
            consequences: vec![consequence],
        })
    }

    /// Findings for names that the resolver did not answer: one for each kind of failure.
    fn no_answer(&self, at: usize, names: &[&String], answers: &Answers) -> Vec<Finding> {
        let mut by_words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in names {
            if let Some(no_answer) = answers.no_answer(name) {
                by_words.entry(no_answer.to_string()).or_default().push((*name).clone());
            }
        }
        let finding = |(what, subjects)| {
            let consequence = Consequence {
                kind: Kind::Names,
                what,
                subjects,
                from: vec![self.title(at)],
            };
            Finding {
                expected: "its resolver answers".to_owned(),
                cause: "the container has another resolver, or the engine's fails: the engine's log says why"
                    .to_owned(),
                consequences: vec![consequence.clone()],
                ..self.unasked(at, &consequence.line())
            }
        };
        by_words.into_iter().map(finding).collect()
    }

    fn unasked(&self, at: usize, reason: &str) -> Finding {
        let container = &self.found.containers[at];
        Finding {
            kind: Kind::Names,
            node: Some(container.project().to_owned()),
            subject: Some(container.service_key_or_name().to_owned()),
            expected: "can be asked from inside".to_owned(),
            observed: reason.to_owned(),
            cause: "it ended, the engine is busy, or this process may open too few files (`ulimit -n`): ask again"
                .to_owned(),
            consequences: Vec::new(),
        }
    }

    /// Names of several containers of one service, as `--scale` and `replicas` create them.
    fn replicas(&self) -> Vec<String> {
        let mut notes = BTreeSet::new();
        for ((network, name), owners) in &self.owners {
            let services = self.services(owners);
            if let Some((project, service)) = services.first()
                && services.len() == 1
                && owners.len() > 1
                && self.names.iter().any(|n| n == project)
            {
                let containers = plural(owners.len(), "container");
                let network = self.networks[network];
                notes.insert(format!(
                    "`{name}` on `{network}` resolves to {containers}, all of `{project}/{service}`"
                ));
            }
        }
        notes.into_iter().collect()
    }

    fn nodes(&self, asked: &[(usize, Questions)], answers: &[Result<Answers, String>]) -> Vec<NodeReport> {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for ((at, _), answers) in asked.iter().zip(answers) {
            counts.extend(answers.as_ref().ok().map(|a| (*at, a.len())));
        }
        let node = |project: &String| {
            let containers = self.found.containers.iter().enumerate();
            let own = containers.filter(|(_, c)| c.project() == project.as_str());
            let services = own.map(|(at, container)| ServiceReport {
                service: container.service_key_or_name().to_owned(),
                container: Some(container.name.clone()),
                answers: counts.get(&at).copied().unwrap_or_default(),
            });
            NodeReport {
                node: project.clone(),
                services: services.collect(),
            }
        };
        self.names.iter().map(node).collect()
    }
}
