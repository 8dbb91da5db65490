//! Names of a cluster: what the zone of a roster has, what is answered, and how much of it fits.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use topogen::cluster::roster::{Instance, Roster, Surroundings};
use topogen::cluster::{ObservedContainer, ObservedEndpoint, ObservedNetwork, label};
use topogen::serve::dns::Server;
use topogen::serve::dns::answer::{Transport, answer};
use topogen::serve::dns::setup;
use topogen::serve::dns::zone::{Domain, Zone};
use topogen::serve::view::View;

use super::answers::{START, instance, instances, roster, topology};

fn server() -> SocketAddr {
    "127.0.0.1:5353".parse().expect("an address")
}

fn network(name: &str, labels: &[(&str, &str)], subnet: &str, subnet6: Option<&str>) -> ObservedNetwork {
    let all = labels.iter().chain(&[(label::CLUSTER, "lab")]);
    ObservedNetwork {
        id: format!("{name:0<64}"),
        name: name.to_owned(),
        driver: "bridge".to_owned(),
        labels: all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        subnets: vec![subnet.parse().expect("a subnet")],
        subnets6: subnet6.map(|s| s.parse().expect("a subnet")).into_iter().collect(),
        ..ObservedNetwork::default()
    }
}

/// A view of these containers, of which `topology` may lack some, with the networks that they are on.
pub(super) fn view_of(instances: Vec<Instance>, is_whole: bool) -> View {
    let nodes: Vec<String> = instances.iter().map(|i| i.node.clone()).collect();
    let mut roster = Roster::clone(&roster(1, instances));
    let inout = [(label::compose::NETWORK, "inout")];
    let mut networks = vec![network("lab-inout", &inout, "10.0.0.0/24", Some("fd00:0:0:1::/64"))];
    for node in nodes {
        let name = format!("lab-{node}_internal");
        networks.push(network(&name, &[(label::NODE, node.as_str())], "10.1.0.0/24", None));
    }
    let surroundings = Surroundings {
        networks,
        guests: Vec::new(),
        marks: Vec::new(),
    };
    roster.surroundings = Arc::new(surroundings);
    let topology = (!is_whole).then(topology);
    let unknown = View::unknown("lab", START);
    unknown.next(&Arc::new(roster), topology.as_ref()).expect("it differs")
}

fn zone_of(view: &View) -> Zone {
    Zone::of(view, &"lab".parse().expect("a domain"), server())
}

/// The cluster of the other tests, one of whose containers has an IPv6 address, too.
fn zone() -> Zone {
    let mut instances = instances();
    let endpoint = ObservedEndpoint {
        network: "lab-inout".to_owned(),
        address6: Some("fd00:0:0:1::3".parse().expect("an address")),
        ..ObservedEndpoint::default()
    };
    instances[1].inspected = Arc::new(ObservedContainer {
        endpoints: vec![endpoint],
        ..ObservedContainer::default()
    });
    zone_of(&view_of(instances, false))
}

/// As many slaves, with one service each.
fn slaves(count: u8) -> Zone {
    let slave = |i: u8| {
        let node = format!("slave{i}");
        instance(&node, "app", i, &[&node])
    };
    zone_of(&view_of((1..=count).map(slave).collect(), true))
}

/// A question, with the size that EDNS says.
fn question(name: &str, kind: QTYPE, size: Option<u16>) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).expect("a name");
    packet
        .questions
        .push(Question::new(name, kind, CLASS::IN.into(), false));
    *packet.opt_mut() = size.map(|udp_packet_size| OPT {
        opt_codes: Vec::new(),
        udp_packet_size,
        version: 0,
    });
    packet.build_bytes_vec().expect("a packet")
}

fn shown(record: &ResourceRecord<'_>) -> String {
    let data = match &record.rdata {
        RData::A(a) => format!("A {}", std::net::Ipv4Addr::from(a.address)),
        RData::AAAA(a) => format!("AAAA {}", std::net::Ipv6Addr::from(a.address)),
        RData::SRV(srv) => format!("SRV {} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
        RData::PTR(name) => format!("PTR {}", name.0),
        RData::NS(name) => format!("NS {}", name.0),
        RData::SOA(soa) => format!(
            "SOA {} {} {} {} {} {} {}",
            soa.mname, soa.rname, soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        other => format!("{other:?}"),
    };
    assert_eq!((record.ttl, record.class), (0, CLASS::IN));
    format!("{} {data}", record.name)
}

/// An answer as lines.
fn text(bytes: &[u8]) -> String {
    let packet = Packet::parse(bytes).expect("a packet");
    assert_eq!(packet.id(), 7);
    assert!(packet.has_flags(PacketFlag::RESPONSE));
    assert!(!packet.has_flags(PacketFlag::RECURSION_AVAILABLE));
    let mut text = format!("{:?}", packet.rcode());
    for (flag, word) in [
        (PacketFlag::AUTHORITATIVE_ANSWER, " authoritative"),
        (PacketFlag::TRUNCATION, " truncated"),
    ] {
        text += if packet.has_flags(flag) { word } else { "" };
    }
    for (section, records) in [
        ("answer", &packet.answers),
        ("authority", &packet.name_servers),
        ("additional", &packet.additional_records),
    ] {
        for record in records {
            let _ = write!(text, "\n  {section}: {}", shown(record));
        }
    }
    text + "\n"
}

fn asked(zone: &Zone, name: &str, kind: QTYPE) -> String {
    asked_raw(zone, &question(name, kind, None))
}

fn asked_raw(zone: &Zone, question: &[u8]) -> String {
    text(&answer(question, zone, Transport::Datagram, 0).expect("an answer"))
}

#[test]
fn the_zone_has_all_that_is_known() {
    let zone = zone();
    let mut text = String::new();
    for (name, entry) in zone.all() {
        let addresses = entry.addresses.iter().map(ToString::to_string);
        let targets = entry.targets.iter().map(|t| format!("{}:{}", t.host, t.port));
        let led_to: Vec<String> = addresses.chain(targets).collect();
        let _ = write!(text, "{name}: {}", led_to.join(" "));
        text += "\n";
    }
    insta::assert_snapshot!("zone", text);
}

#[test]
fn questions_are_answered() {
    let zone = zone();
    let (a, aaaa) = (QTYPE::TYPE(TYPE::A), QTYPE::TYPE(TYPE::AAAA));
    let (srv, ptr, soa, ns) = (TYPE::SRV, TYPE::PTR, TYPE::SOA, TYPE::NS);
    let mut text = String::new();
    for (name, kind) in [
        ("slave1.lab", a),
        ("SLAVE1.Lab.", a),
        ("slave1.lab", aaaa),
        ("slave1.lab", QTYPE::ANY),
        ("boss.lab", a),
        ("slave.lab", a),
        ("app.slave1.lab", a),
        ("db.slave.lab", a),
        // Known, and nothing there: unhealthy, ended, never created, another kind of record.
        ("slave2.lab", a),
        ("slave3.lab", a),
        ("slave4.lab", a),
        ("cron.slave1.lab", a),
        ("slave1.lab", TYPE::MX.into()),
        // Unknown.
        ("slave9.lab", a),
        ("slave1", a),
        ("x.slave1.lab", a),
        ("app\\.slave1.lab", a),
        ("_443._tcp.slave.lab", srv.into()),
        ("_app._tcp.slave1.lab", srv.into()),
        ("_db._tcp.slave.lab", srv.into()),
        ("_443._tcp.slave3.lab", srv.into()),
        ("_80._tcp.slave.lab", srv.into()),
        ("_tcp.slave.lab", srv.into()),
        ("lab", a),
        ("lab", soa.into()),
        ("lab", ns.into()),
        ("ns.dns.lab", a),
        ("3.0.0.10.in-addr.arpa", ptr.into()),
        ("6.0.1.10.in-addr.arpa", ptr.into()),
        ("99.0.0.10.in-addr.arpa", ptr.into()),
        ("0.0.10.in-addr.arpa", soa.into()),
        (
            "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
            ptr.into(),
        ),
        (
            "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
            a,
        ),
        // Somebody else's.
        ("1.2.0.192.in-addr.arpa", ptr.into()),
        ("10.in-addr.arpa", ptr.into()),
        ("x.0.0.10.in-addr.arpa", ptr.into()),
        ("example.com", a),
        (".", ns.into()),
        ("slave1.lab.example.com", a),
        ("lab", QTYPE::AXFR),
    ] {
        let _ = write!(text, "{name} {kind:?}: {}", asked(&zone, name, kind));
    }
    insta::assert_snapshot!("answers", text);
}

#[test]
fn nothing_is_answered_as_if_it_were_known_before_it_is() {
    let zone = zone_of(&View::unknown("lab", START));
    assert_eq!(asked(&zone, "slave1.lab", TYPE::A.into()), "ServerFailure\n");
}

#[test]
fn addresses_are_in_turn() {
    let zone = slaves(3);
    let question = question("slave.lab", TYPE::A.into(), None);
    let first = |turn| {
        let answer = answer(&question, &zone, Transport::Datagram, turn).expect("an answer");
        let packet = Packet::parse(&answer).expect("a packet");
        assert_eq!(packet.answers.len(), 3);
        shown(&packet.answers[0])
    };
    let turns: Vec<String> = (0..4).map(first).collect();
    let expected = [1, 2, 3, 1].map(|last| format!("slave.lab A 10.0.0.{last}"));
    assert_eq!(turns, expected);
    assert_eq!(first(usize::MAX), first(usize::MAX % 3));
}

#[test]
fn what_does_not_fit_is_cut_and_says_so() {
    let zone = slaves(100);
    let told = |name: &str, kind: TYPE, size, transport| {
        let bytes = answer(&question(name, kind.into(), size), &zone, transport, 0).expect("an answer");
        let packet = Packet::parse(&bytes).expect("a packet");
        let is_cut = packet.has_flags(PacketFlag::TRUNCATION);
        (
            bytes.len(),
            packet.answers.len(),
            packet.additional_records.len(),
            is_cut,
        )
    };
    let (a, srv) = (TYPE::A, TYPE::SRV);
    let (datagram, stream) = (Transport::Datagram, Transport::Stream);
    insta::assert_debug_snapshot!(
        "cut",
        [
            told("slave.lab", a, None, datagram),
            told("slave.lab", a, Some(100), datagram),
            told("slave.lab", a, Some(1232), datagram),
            // More than that is never sent at once.
            told("slave.lab", a, Some(65_535), datagram),
            told("slave.lab", a, None, stream),
            told("_443._tcp.slave.lab", srv, Some(1232), datagram),
            told("_443._tcp.slave.lab", srv, None, stream),
            told("_443._tcp.slave1.lab", srv, None, datagram),
        ]
    );
}

#[test]
fn what_is_no_question_gets_what_it_deserves() {
    let zone = zone();
    let right = question("slave1.lab", TYPE::A.into(), None);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = right.clone();
        change(&mut bytes);
        let answer = answer(&bytes, &zone, Transport::Datagram, 0)?;
        Some(Packet::parse(&answer).expect("a packet").rcode())
    };
    assert_eq!(with(&|_| {}), Some(RCODE::NoError));
    assert_eq!(with(&|b| b.truncate(11)), None, "half a head");
    assert_eq!(with(&|b| b[2] |= 0x80), None, "an answer");
    assert_eq!(with(&|b| b[2] |= 0x10), Some(RCODE::NotImplemented), "STATUS");
    assert_eq!(with(&|b| b[5] = 2), Some(RCODE::FormatError), "two questions");
    assert_eq!(with(&|b| b[5] = 0), Some(RCODE::FormatError), "no question");
    assert_eq!(
        with(&|b| b[10] = 0xff),
        Some(RCODE::FormatError),
        "65,280 records beside it"
    );
    assert_eq!(with(&|b| b.truncate(15)), Some(RCODE::FormatError), "half a name");
    let end = right.len();
    assert_eq!(with(&|b| b[end - 3] = 44), Some(RCODE::NotImplemented), "SSHFP");
    assert_eq!(with(&|b| b[end - 1] = 3), Some(RCODE::Refused), "CHAOS");
    assert_eq!(with(&|b| b[end - 1] = 9), Some(RCODE::Refused), "no class");
    // Version 1 of EDNS (RFC 6891 §6.1.3).
    let mut edns = question("slave1.lab", TYPE::A.into(), Some(1232));
    let version = edns.len() - 5;
    edns[version] = 1;
    let answer = answer(&edns, &zone, Transport::Datagram, 0).expect("an answer");
    assert_eq!(answer[answer.len() - 6..], [1, 0, 0, 0, 0, 0], "BADVERS");
    // A resolver that wants DNSSEC says so beside it (RFC 3225).
    let mut secure = question("slave1.lab", TYPE::A.into(), Some(1232));
    let flags = secure.len() - 4;
    secure[flags] = 0x80;
    assert!(asked_raw(&zone, &secure).contains("answer: slave1.lab A 10.0.0.3"));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), turn: usize) {
        for transport in [Transport::Datagram, Transport::Stream] {
            let _ = answer(&bytes, &slaves(2), transport, turn);
        }
    }

    #[test]
    fn a_changed_question_is_answered_in_form(
        name in prop_oneof![Just("slave.lab"), Just("_443._tcp.slave.lab"), Just("3.0.0.10.in-addr.arpa"), Just("lab")],
        size in prop::option::of(any::<u16>()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        turn: usize,
    ) {
        let zone = slaves(60);
        let mut bytes = question(name, QTYPE::ANY, size);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(answer) = answer(&bytes, &zone, Transport::Datagram, turn) {
            prop_assert!(answer.len() <= 1232);
            prop_assert_eq!(&answer[..2], &bytes[..2]);
            let packet = Packet::parse(&answer).expect("what is answered can be read");
            prop_assert!(packet.has_flags(PacketFlag::RESPONSE));
        }
    }

    /// What a name leads to is ready, and all that is ready is told of.
    #[test]
    fn a_role_leads_to_what_is_ready(ready in prop::collection::vec(any::<bool>(), 1..40)) {
        let slave = |(i, is_ready): (usize, &bool)| {
            let node = format!("slave{}", i + 1);
            let mut instance = instance(&node, "app", u8::try_from(i + 1).expect("few"), &[&node]);
            instance.leaving = !is_ready;
            instance
        };
        let zone = zone_of(&view_of(ready.iter().enumerate().map(slave).collect(), true));
        let answer = answer(&question("slave.lab", TYPE::A.into(), None), &zone, Transport::Stream, 0);
        let packet_bytes = answer.expect("an answer");
        let packet = Packet::parse(&packet_bytes).expect("a packet");
        prop_assert_eq!(packet.answers.len(), ready.iter().filter(|r| **r).count());
        for (i, is_ready) in ready.iter().enumerate() {
            let entry = zone.find(&format!("slave{}", i + 1)).expect("it is known");
            prop_assert_eq!(entry.addresses.len(), usize::from(*is_ready));
        }
    }
}

#[test]
fn a_domain_is_labels() {
    let domain = |text: &str| text.parse::<Domain>().map(|d| d.to_string());
    assert_eq!(domain("Lab.Test.").as_deref(), Ok("lab.test"));
    assert_eq!(domain("my_lab-1").as_deref(), Ok("my_lab-1"));
    for wrong in [
        "",
        ".",
        "a..b",
        "a b",
        "ä",
        "in-addr.arpa",
        &"a".repeat(64),
        &["a"; 65].join("."),
    ] {
        assert!(domain(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_resolver_is_told() {
    let domain: Domain = "lab".parse().expect("a domain");
    let any = "0.0.0.0:5353".parse().expect("an address");
    let lines = [
        setup::lines(&domain, server(), Some("br-0123456789ab")),
        setup::lines(&domain, any, None),
    ];
    insta::assert_snapshot!("setup", lines.concat().join("\n"));
}

/// The server itself: over UDP, over TCP, and with the newest view.
#[tokio::test]
async fn a_server_answers_over_both() {
    let (views, shown) = watch::channel(Arc::new(view_of(vec![instance("slave1", "app", 1, &["slave1"])], true)));
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a port");
    let address = server.address();
    let task = tokio::spawn(async move { server.serve(shown, "lab".parse().expect("a domain")).await });
    let question = question("slave.lab", TYPE::A.into(), None);
    let by_datagram = async || {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.send_to(&question, address).await.expect("sent");
        let mut bytes = [0; 4096];
        let received = tokio::time::timeout(Duration::from_secs(30), socket.recv(&mut bytes)).await;
        text(&bytes[..received.expect("an answer").expect("an answer")])
    };
    let one = "NoError authoritative\n  answer: slave.lab A 10.0.0.1\n";
    assert_eq!(by_datagram().await, one);
    // Two questions on one connection.
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    for _ in 0..2 {
        let length = u16::try_from(question.len()).expect("short").to_be_bytes();
        stream
            .write_all(&[&length[..], &question].concat())
            .await
            .expect("sent");
        let length = stream.read_u16().await.expect("an answer");
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.expect("an answer");
        assert_eq!(text(&bytes), one);
    }
    // What is no question ends the connection.
    stream.write_all(&[0xff, 0xff]).await.expect("sent");
    assert_eq!(stream.read(&mut [0]).await.expect("the end"), 0);
    let two: Vec<Instance> = (1..=2)
        .map(|i| instance(&format!("slave{i}"), "app", i, &[&format!("slave{i}")]))
        .collect();
    views.send_replace(Arc::new(view_of(two, true)));
    let mut seen = BTreeMap::new();
    while seen.len() < 2 {
        *seen.entry(by_datagram().await).or_insert(0) += 1;
        tokio::task::yield_now().await;
        if seen.values().any(|count| *count > 1000) {
            break;
        }
    }
    assert!(seen.keys().any(|text| text.contains("10.0.0.2")), "{seen:?}");
    task.abort();
}

#[test]
fn every_address_leads_back_to_its_name() {
    let zone = zone();
    let name = |address: &str| zone.name_of(address.parse::<IpAddr>().expect("an address"));
    assert_eq!(name("10.0.0.3"), Some("slave1"));
    assert_eq!(name("10.1.0.3"), Some("app.slave1"));
    assert_eq!(name("fd00:0:0:1::3"), Some("slave1"));
    assert_eq!(name("10.0.0.7"), None, "it has ended");
}
