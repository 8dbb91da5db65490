//! Which networks are cut how, and what is said of it: no engine is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;
use topogen::cluster::{Mark, ObservedContainer, ObservedEndpoint, ObservedNetwork, State as Process, label};
use topogen::faults::plan::{Field, Order, Unfit};
use topogen::faults::{Change, State, report};

/// Nodes `a1`, `a2`, … of two containers, `app` on `inout` and on the node's own network, `db` on the latter alone.
struct Lab {
    containers: Vec<ObservedContainer>,
    networks: Vec<ObservedNetwork>,
}

impl Lab {
    fn new(nodes: u8) -> Self {
        let mut lab = Self {
            containers: Vec::new(),
            networks: vec![network("inout", "", 0)],
        };
        for node in 1..=nodes {
            let name = format!("a{node}");
            lab.networks.push(network(&format!("{name}_internal"), &name, node));
            let own = |host| endpoint(&format!("{name}_internal"), node, host);
            lab.containers
                .push(container(&name, "app", vec![endpoint("inout", 0, node + 1), own(2)]));
            lab.containers.push(container(&name, "db", vec![own(3)]));
        }
        lab
    }

    fn field(&self) -> Field<'_> {
        Field {
            containers: &self.containers,
            networks: &self.networks,
        }
    }

    /// What is in force once `orders` are done, where nothing was.
    fn after(orders: &[Order]) -> BTreeMap<usize, State> {
        let state = |order: &Order| State {
            cut: order.change.of(&BTreeSet::new()),
        };
        orders.iter().map(|order| (order.place, state(order))).collect()
    }

    /// Whether packets go from one container to another by a network of both, and back.
    fn meet(&self, states: &BTreeMap<usize, State>, a: usize, b: usize) -> bool {
        let addresses = |c: usize, other: usize| -> Vec<IpAddr> {
            let names: BTreeSet<&str> = self.containers[other]
                .endpoints
                .iter()
                .map(|e| e.network.as_str())
                .collect();
            let endpoints = self.containers[c]
                .endpoints
                .iter()
                .filter(|e| names.contains(e.network.as_str()));
            endpoints.flat_map(ObservedEndpoint::addresses).collect()
        };
        let cut = |place: usize, peer: usize| {
            let state = states.get(&place);
            addresses(peer, place)
                .into_iter()
                .any(|address| state.is_some_and(|state| state.cuts(address)))
        };
        !addresses(a, b).is_empty() && !cut(a, b) && !cut(b, a)
    }

    fn shown(&self, orders: &[Order]) -> String {
        report::table(&report::rows(&self.field(), &Self::after(orders)))
    }
}

fn network(name: &str, node: &str, number: u8) -> ObservedNetwork {
    ObservedNetwork {
        id: format!("id-{name}"),
        name: name.to_owned(),
        labels: [(label::NODE.to_owned(), node.to_owned())].into(),
        subnets: vec![Ipv4Net::new(Ipv4Addr::new(10, 0, number, 0), 24).unwrap()],
        ..ObservedNetwork::default()
    }
}

fn endpoint(network: &str, number: u8, host: u8) -> ObservedEndpoint {
    ObservedEndpoint {
        network: network.to_owned(),
        network_id: Some(format!("id-{network}")),
        address: Some(Ipv4Addr::new(10, 0, number, host)),
        ..ObservedEndpoint::default()
    }
}

fn container(node: &str, service: &str, endpoints: Vec<ObservedEndpoint>) -> ObservedContainer {
    let labels = [(label::NODE, node), (label::ROLE, "a"), (label::SERVICE, service)];
    ObservedContainer {
        id: format!("id-{node}-{service}"),
        name: format!("{node}-{service}-1"),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        state: Process::Running,
        endpoints,
        ..ObservedContainer::default()
    }
}

fn set(items: &[usize]) -> BTreeSet<usize> {
    items.iter().copied().collect()
}

#[test]
fn a_node_is_cut_off_the_networks_that_nodes_share() {
    let lab = Lab::new(3);
    let orders = lab.field().cut_off(&set(&[0, 1]));
    insta::assert_snapshot!(lab.shown(&orders));
    let states = Lab::after(&orders);
    assert!(!lab.meet(&states, 0, 2) && lab.meet(&states, 0, 1) && lab.meet(&states, 2, 4));
    assert_eq!(report::errand(&lab.field(), &orders[0]), "cut off inout");
    // What is on none of them is left out.
    assert_eq!(lab.field().cut_off(&set(&[1])), []);
}

#[test]
fn a_node_is_cut_off_some_others() {
    let lab = Lab::new(4);
    let orders = lab.field().cut_from(&set(&[0, 1]), &set(&[2, 3, 4, 5]));
    insta::assert_snapshot!(lab.shown(&orders));
    let states = Lab::after(&orders);
    assert!(!lab.meet(&states, 0, 2) && lab.meet(&states, 0, 6) && lab.meet(&states, 0, 1));
    assert_eq!(lab.field().cut_from(&set(&[0]), &set(&[0])), []);
}

#[test]
fn a_container_alone_is_cut_off_everything() {
    let lab = Lab::new(2);
    let orders = lab.field().isolate(&set(&[0]));
    insta::assert_snapshot!(lab.shown(&orders));
    let states = Lab::after(&orders);
    assert!(!lab.meet(&states, 0, 1) && !lab.meet(&states, 0, 2));
}

#[test]
fn what_is_healed_is_what_somebody_was_cut_off_too() {
    let lab = Lab::new(4);
    let field = lab.field();
    let states = Lab::after(&field.partition(&[set(&[0]), set(&[2, 4, 6])]));
    let healed = field.heal(Some(&set(&[4, 5])), &states);
    insta::assert_debug_snapshot!(
        healed
            .iter()
            .map(|o| (field.title(o.place), report::errand(&field, o)))
            .collect::<Vec<_>>()
    );
    assert_eq!(field.heal(None, &states).len(), states.len());
    assert_eq!(field.heal(Some(&set(&[7])), &states), []);
}

#[test]
fn an_address_that_nobody_has_any_more_is_said() {
    let mut lab = Lab::new(2);
    let orders = lab.field().cut_from(&set(&[0]), &set(&[2]));
    lab.containers[2].endpoints.clear();
    insta::assert_snapshot!(lab.shown(&orders));
}

#[test]
fn what_has_no_network_of_its_own_cannot_be_cut() {
    let mut lab = Lab::new(3);
    lab.containers[0].state = Process::Exited;
    lab.containers[1].network_host = Some("a1-app-1".to_owned());
    lab.containers[2].endpoints = vec![endpoint("host", 0, 0)];
    lab.containers[3].network_host = Some("stranger".to_owned());
    lab.containers[4].endpoints = vec![endpoint("none", 0, 0)];
    lab.containers[5].network_host = Some("id-a3-app".to_owned());
    let places: Vec<Result<usize, Unfit>> = (0..6).map(|c| lab.field().place(c)).collect();
    let (stopped, of_host, of_other, alone) = (Unfit::Stopped, Unfit::OfHost, Unfit::OfOther, Unfit::Alone);
    assert_eq!(places, [stopped, stopped, of_host, of_other, alone, alone].map(Err));
    let said: Vec<String> = [stopped, of_host, of_other, alone]
        .iter()
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    lab.containers[4].endpoints = vec![endpoint("inout", 0, 4)];
    assert_eq!(lab.field().place(5), Ok(4));
}

#[test]
fn a_mark_is_of_a_container_until_that_is_started_again() {
    let mark = Mark {
        container: "a".to_owned(),
        created: 100,
    };
    let since = |ms| Some(topogen::cluster::roster::Moment(ms));
    assert!(mark.is_of("a", Process::Running, since(99_000)) && mark.is_of("a", Process::Paused, since(100_900)));
    assert!(!mark.is_of("a", Process::Running, since(101_000)));
    assert!(!mark.is_of("a", Process::Exited, since(99_000)) && !mark.is_of("b", Process::Running, since(99_000)));
}

proptest! {
    /// Of all containers in some set, those meet that have one in common, and no others; whoever is in none meets all that it
    /// met. Each pair is cut in one place.
    #[test]
    fn sets_do_not_meet(members in prop::collection::vec(prop::collection::btree_set(0usize..12, 1..6), 1..4)) {
        let lab = Lab::new(6);
        let orders = lab.field().partition(&members);
        let states = Lab::after(&orders);
        let whole = BTreeMap::new();
        for a in 0..12 {
            for b in 0..12 {
                let is_in = |c: usize| members.iter().any(|set| set.contains(&c));
                let together = members.iter().any(|set| set.contains(&a) && set.contains(&b));
                let expected = lab.meet(&whole, a, b) && (together || !is_in(a) || !is_in(b));
                prop_assert_eq!(lab.meet(&states, a, b), expected, "{} and {}", a, b);
            }
        }
        let cut: usize = orders.iter().map(|order| order.change.cut.len()).sum();
        let pairs = (0..12).flat_map(|a| (0..a).map(move |b| (a, b)));
        let apart = pairs.filter(|(a, b)| lab.meet(&whole, *a, *b) && !lab.meet(&states, *a, *b)).count();
        prop_assert_eq!(cut, apart);
        // All of it is healed by what heals all.
        for order in lab.field().heal(None, &states) {
            prop_assert!(order.change.of(&states[&order.place].cut).is_empty());
        }
    }
}

#[test]
fn an_order_says_in_json_what_it_says() {
    let net: IpNet = "10.0.0.0/24".parse().unwrap();
    let change = Change {
        heal: [net].into(),
        cut: BTreeSet::new(),
    };
    let text = serde_json::to_string(&change).unwrap();
    assert_eq!(text, r#"{"heal":["10.0.0.0/24"]}"#);
    assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
}
