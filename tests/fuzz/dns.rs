//! What the fuzzers call: `fuzz/fuzz_targets/dns.rs`, and the loop in `tests/fuzz.rs`.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use topogen::cluster::State;
use topogen::cluster::roster::{Address, Exposed, Instance, Moment, Node, Roster};
use topogen::serve::dns::answer::{Transport, answer};
use topogen::serve::dns::zone::Zone;
use topogen::serve::view::View;

/// The names of 60 slaves: as many as do not fit a datagram.
static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    let node = |last: u8| {
        let name = format!("slave{last}");
        let address = Some(IpAddr::from([10, 0, 0, last]));
        let instance = Instance {
            id: format!("{last:064x}"),
            node: name.clone(),
            role: "slave".to_owned(),
            service: "app".to_owned(),
            state: State::Running,
            address,
            addresses: vec![Address {
                network: "lab-inout".to_owned(),
                address,
                names: vec![name.clone()],
            }],
            exposed: vec![Exposed {
                port: 443,
                protocol: "tcp".to_owned(),
            }],
            ..Instance::default()
        };
        Node {
            node: name,
            role: "slave".to_owned(),
            instances: vec![Arc::new(instance)],
        }
    };
    let mut roster = Roster::unknown("lab", Moment(0));
    (roster.revision, roster.stale, roster.nodes) = (1, None, (1..=60).map(node).collect());
    let view = View::unknown("lab", Moment(0)).next(&Arc::new(roster), None);
    let server = SocketAddr::from(([127, 0, 0, 1], 5353));
    Zone::of(&view.expect("it differs"), &"lab".parse().expect("a domain"), server)
});

/// Answers `bytes` as a question. An answer has the question's ID, and fits a datagram.
///
/// # Panics
/// The place where topogen panics, which is what fuzzing searches for, or an answer that is none.
pub(crate) fn survive(bytes: &[u8]) {
    for transport in [Transport::Datagram, Transport::Stream] {
        let Some(answer) = answer(bytes, &ZONE, transport, bytes.len()) else {
            continue;
        };
        assert_eq!(answer[..2], bytes[..2]);
        assert!(answer.len() <= 1232 || transport == Transport::Stream);
    }
}
