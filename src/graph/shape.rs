//! The shape of a cluster: which nodes its links join, and how they stand so that a line, a ring, a tree or a mesh is seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::model::{Graph, Look, Network, Node, Place, Service, Standing};

/// With more nodes on links than this, the shape is drawn only if everything is to be unfolded.
const MOST: usize = 40;
/// With more links than this, they have no names in the picture.
const NAMED: usize = 40;

/// The nodes that links join, and the links.
#[derive(Debug, Default)]
pub struct Shape {
    /// The nodes, in the order of the graph.
    pub nodes: Vec<Corner>,
    /// The links, in the order of the graph.
    pub links: Vec<Edge>,
    /// How the nodes of each part that hangs together stand.
    pub parts: Vec<Stand>,
}

/// A node that is on a link.
#[derive(Debug)]
pub struct Corner {
    /// The index of the node in the graph.
    pub node: usize,
    /// The name of the node.
    pub title: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that it is drawn as: the worst of its services.
    pub look: Look,
    role: String,
}

/// A link between nodes.
#[derive(Debug)]
pub struct Edge {
    /// The index of the network in the graph.
    pub network: usize,
    /// The name beside it; empty where there are too many.
    pub label: String,
    /// The details, one line each, which show on hovering.
    pub details: String,
    /// The state that it is drawn as.
    pub look: Look,
    /// The nodes that it joins, by their indices in [`Shape::nodes`], each once, with the state of its end.
    pub ends: Vec<(usize, Look)>,
}

/// How nodes stand, by their indices in [`Shape::nodes`].
#[derive(Debug, PartialEq, Eq)]
pub enum Stand {
    /// One after the other.
    Line(Vec<usize>),
    /// The same, and the last is linked with the first. There are four at least.
    Ring(Vec<usize>),
    /// In rows: each link joins nodes of one row, or of two that follow each other.
    Rows(Vec<Vec<usize>>),
}

impl Shape {
    /// The shape of `graph`; without any part if nothing is linked, or if it is too large and not to be drawn `whole`.
    #[must_use]
    pub fn of(graph: &Graph, whole: bool) -> Self {
        let mut ends: BTreeMap<usize, BTreeMap<usize, Look>> = BTreeMap::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            for join in node.services.iter().flat_map(|s| &s.links) {
                if let Place::Shared(network) = join.place {
                    let look = Look::from(join.standing);
                    let end = ends.entry(network).or_default().entry(at).or_insert(look);
                    if look != Look::Plain {
                        *end = look;
                    }
                }
            }
        }
        let linked: BTreeSet<usize> = ends.values().flat_map(|nodes| nodes.keys().copied()).collect();
        if linked.is_empty() || linked.len() > MOST && !whole {
            return Self::default();
        }
        let places: HashMap<usize, usize> = linked.iter().enumerate().map(|(at, node)| (*node, at)).collect();
        let named = ends.len() <= NAMED;
        let links: Vec<Edge> = ends
            .into_iter()
            .map(|(network, nodes)| {
                let ends = nodes.into_iter().map(|(node, look)| (places[&node], look)).collect();
                edge(graph, network, ends, named)
            })
            .collect();
        let nodes: Vec<Corner> = linked.into_iter().map(|at| corner(at, &graph.nodes[at])).collect();
        let parts = stands(&nodes, &links);
        Self { nodes, links, parts }
    }

    /// How many nodes of `graph` are on links, if they are too many to draw the shape unasked.
    #[must_use]
    pub fn too_large(graph: &Graph) -> Option<usize> {
        let is_linked = |n: &&Node| n.services.iter().any(|s| !s.links.is_empty());
        let linked = graph.nodes.iter().filter(is_linked).count();
        (linked > MOST).then_some(linked)
    }
}

fn edge(graph: &Graph, network: usize, ends: Vec<(usize, Look)>, named: bool) -> Edge {
    let Network {
        key,
        name,
        subnet,
        standing,
        ..
    } = &graph.networks[network];
    let mut details = vec![format!("network {name}")];
    details.extend(subnet.clone());
    match standing {
        Standing::Missing => details.push("missing".to_owned()),
        Standing::Unwanted => details.push("not in the blueprint".to_owned()),
        Standing::Desired | Standing::There => {}
    }
    Edge {
        network,
        label: if named { key.clone() } else { String::new() },
        details: details.join("\n"),
        look: (*standing).into(),
        ends,
    }
}

fn corner(at: usize, node: &Node) -> Corner {
    let looks = || {
        let of = |s: &Service| s.containers.iter().map(|c| s.look(c)).collect::<Vec<Look>>();
        node.services.iter().flat_map(of)
    };
    let worst = [Look::Missing, Look::Stopped, Look::Waiting, Look::Running];
    let joins = node
        .services
        .iter()
        .flat_map(|s| s.links.iter().map(move |join| (s, join)));
    let joins = joins.map(|(service, join)| match join.names.is_empty() {
        true => format!("{} on {}", service.name, join.network),
        false => format!("{} on {} as {}", service.name, join.network, join.names.join(", ")),
    });
    let lines: Vec<String> = [node.name.clone(), format!("role {}", node.role)]
        .into_iter()
        .chain(joins)
        .collect();
    Corner {
        node: at,
        title: node.name.clone(),
        details: lines.join("\n"),
        look: match node.standing {
            Standing::Unwanted => Look::Foreign,
            _ => worst
                .into_iter()
                .find(|look| looks().any(|l| l == *look))
                .unwrap_or(Look::Plain),
        },
        role: node.role.clone(),
    }
}

/// How all `nodes` stand, part by part.
fn stands(nodes: &[Corner], links: &[Edge]) -> Vec<Stand> {
    let mut neighbours: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); nodes.len()];
    let mut pairs = vec![true; nodes.len()];
    for link in links {
        for (node, _) in &link.ends {
            neighbours[*node].extend(link.ends.iter().map(|(other, _)| *other).filter(|other| other != node));
            pairs[*node] &= link.ends.len() <= 2;
        }
    }
    let mut seen = vec![false; nodes.len()];
    let mut parts = Vec::new();
    for start in 0..nodes.len() {
        if seen[start] {
            continue;
        }
        let rows = rows(start, &neighbours);
        let mut all: Vec<usize> = rows.iter().flatten().copied().collect();
        all.iter().for_each(|node| seen[*node] = true);
        all.sort_unstable();
        let single = all.iter().all(|n| pairs[*n] && neighbours[*n].len() <= 2);
        let end = all.iter().copied().find(|n| neighbours[*n].len() <= 1);
        parts.push(match end {
            Some(end) if single => Stand::Line(along(end, &neighbours)),
            None if single && all.len() >= 4 => Stand::Ring(along(start, &neighbours)),
            _ => Stand::Rows(by_role(nodes, links, &all).unwrap_or(rows)),
        });
    }
    parts
}

/// The nodes that can be reached from `start`, by how far they are from it.
fn rows(start: usize, neighbours: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut seen = BTreeSet::from([start]);
    let mut next = VecDeque::from([(start, 0)]);
    let mut rows: Vec<Vec<usize>> = Vec::new();
    while let Some((node, depth)) = next.pop_front() {
        match rows.get_mut(depth) {
            Some(row) => row.push(node),
            None => rows.push(vec![node]),
        }
        let further = neighbours[node].iter().filter(|n| seen.insert(**n));
        next.extend(further.map(|n| (*n, depth + 1)));
    }
    rows
}

/// The nodes in the order in which a way from `start` comes by, where each has two neighbours at most.
fn along(start: usize, neighbours: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut way = vec![start];
    let mut seen = BTreeSet::from([start]);
    let mut at = start;
    while let Some(next) = neighbours[at].iter().copied().find(|n| seen.insert(*n)) {
        way.push(next);
        at = next;
    }
    way
}

/// A row for each role, if there are several and no link joins two that do not follow each other.
fn by_role(nodes: &[Corner], links: &[Edge], all: &[usize]) -> Option<Vec<Vec<usize>>> {
    let rows: Vec<Vec<usize>> = all
        .chunk_by(|a, b| nodes[*a].role == nodes[*b].role)
        .map(<[usize]>::to_vec)
        .collect();
    let row = |node: usize| rows.iter().position(|row| row.contains(&node));
    let is_near = |link: &&Edge| {
        let rows: BTreeSet<usize> = link.ends.iter().filter_map(|(node, _)| row(*node)).collect();
        rows.last()
            .zip(rows.first())
            .is_none_or(|(last, first)| last - first <= 1)
    };
    let crosses = |link: &Edge| {
        let rows: BTreeSet<Option<usize>> = link.ends.iter().map(|(node, _)| row(*node)).collect();
        rows.len() > 1
    };
    let own = || {
        links
            .iter()
            .filter(|l| l.ends.iter().any(|(node, _)| all.contains(node)))
    };
    // Where nodes of a role are linked with each other too, how far they are says more than what they are.
    (rows.len() > 1 && own().all(|link| is_near(&link) && crosses(link))).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(roles: &str, links: &[&[usize]]) -> Vec<Stand> {
        let nodes: Vec<Corner> = roles
            .chars()
            .enumerate()
            .map(|(node, role)| Corner {
                node,
                title: String::new(),
                details: String::new(),
                look: Look::Plain,
                role: role.to_string(),
            })
            .collect();
        let links = links.iter().enumerate().map(|(network, ends)| Edge {
            network,
            label: String::new(),
            details: String::new(),
            look: Look::Plain,
            ends: ends.iter().map(|node| (*node, Look::Plain)).collect(),
        });
        stands(&nodes, &links.collect::<Vec<_>>())
    }

    #[test]
    fn each_shape_stands_as_what_it_is() {
        assert_eq!(
            stand("rrrr", &[&[2, 0], &[0, 3], &[3, 1]]),
            [Stand::Line(vec![1, 3, 0, 2])]
        );
        assert_eq!(
            stand("rrrr", &[&[0, 2], &[2, 1], &[1, 3], &[3, 0]]),
            [Stand::Ring(vec![0, 2, 1, 3])]
        );
        let triangle: &[&[usize]] = &[&[0, 1], &[1, 2], &[2, 0]];
        assert_eq!(stand("rrr", triangle), [Stand::Rows(vec![vec![0], vec![1, 2]])]);
        let tree: &[&[usize]] = &[&[0, 1], &[0, 2], &[1, 3], &[1, 4], &[2, 5]];
        assert_eq!(
            stand("rrrrrr", tree),
            [Stand::Rows(vec![vec![0], vec![1, 2], vec![3, 4, 5]])]
        );
        let fabric: &[&[usize]] = &[&[0, 2], &[0, 3], &[0, 4], &[1, 2], &[1, 3], &[1, 4]];
        assert_eq!(stand("sslll", fabric), [Stand::Rows(vec![vec![0, 1], vec![2, 3, 4]])]);
        assert_eq!(stand("rrr", &[&[0, 1, 2]]), [Stand::Rows(vec![vec![0], vec![1, 2]])]);
        assert_eq!(stand("rr", &[&[0], &[1]]), [Stand::Line(vec![0]), Stand::Line(vec![1])]);
    }
}
