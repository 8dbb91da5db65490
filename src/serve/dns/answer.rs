//! The answer to a question of the domain name system (RFC 1035), as bytes to bytes.
//!
//! The server has authority over one domain and over the addresses of the cluster. It refuses anything else, and asks nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use simple_dns::rdata::{A, AAAA, NS, OPT, PTR, RData, SOA, SRV};
use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, SimpleDnsError, TYPE,
    header_buffer,
};

use super::zone::{Entry, SERVER, Zone};

/// How a question came, and how its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP: an answer has 512 bytes at most, or as many as the question says it may have (RFC 6891 §6.2.5).
    Datagram,
    /// TCP: an answer has 65,535 bytes at most (RFC 1035 §4.2.2).
    Stream,
}

/// The most bytes of a datagram, which no network splits on its way (DNS Flag Day 2020).
const DATAGRAM: u16 = 1232;
/// The bytes that every datagram may have (RFC 1035 §2.3.4).
const LEAST: u16 = 512;
/// The most records that a question has beside itself: that of EDNS, and a few that are ignored.
const MOST_ADDITIONAL: u16 = 4;
/// For how long answers may be kept, in seconds: a container may be gone the next moment.
const TTL: u32 = 0;

/// The answer to `question`; `None` if it is no question, and nothing is to be answered. Several addresses are in turn:
/// those of one `turn` begin where those of the turn before had the second.
#[must_use]
pub fn answer(question: &[u8], zone: &Zone, transport: Transport, turn: usize) -> Option<Vec<u8>> {
    let id = header_buffer::id(question).ok()?;
    if header_buffer::has_flags(question, PacketFlag::RESPONSE).ok()? {
        return None;
    }
    let opcode = header_buffer::opcode(question).ok()?;
    let mut reply = Packet::new_reply(id);
    *reply.opcode_mut() = opcode;
    if header_buffer::has_flags(question, PacketFlag::RECURSION_DESIRED).unwrap_or(false) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    if opcode != OPCODE::StandardQuery {
        return refuse(reply, RCODE::NotImplemented);
    }
    let [questions, answers, servers] = [
        header_buffer::questions,
        header_buffer::answers,
        header_buffer::name_servers,
    ]
    .map(|count| count(question));
    let additional = header_buffer::additional_records(question).ok()?;
    if (questions, answers, servers) != (Ok(1), Ok(0), Ok(0)) || additional > MOST_ADDITIONAL {
        return refuse(reply, RCODE::FormatError);
    }
    let packet = match Packet::parse(question) {
        Ok(packet) => packet,
        Err(SimpleDnsError::InvalidQType(_)) => return refuse(reply, RCODE::NotImplemented),
        Err(SimpleDnsError::InvalidQClass(_) | SimpleDnsError::InvalidClass(_)) => {
            return refuse(reply, RCODE::Refused);
        }
        Err(_) => return refuse(reply, RCODE::FormatError),
    };
    let mut limit = match transport {
        Transport::Datagram => LEAST,
        Transport::Stream => u16::MAX,
    };
    if let Some(opt) = packet.opt() {
        if transport == Transport::Datagram {
            limit = opt.udp_packet_size.clamp(LEAST, DATAGRAM);
        }
        *reply.opt_mut() = Some(OPT {
            opt_codes: Vec::new(),
            udp_packet_size: DATAGRAM,
            version: 0,
        });
    }
    let asked = packet.questions.first()?;
    if reply.opt().is_some() && version(question, asked).is_some_and(|version| version > 0) {
        return refuse_version(&reply);
    }
    reply.questions.push(asked.clone());
    if zone.is_unknown {
        return refuse(reply, RCODE::ServerFailure);
    }
    match subject(asked, zone) {
        None => *reply.rcode_mut() = RCODE::Refused,
        Some(subject) => {
            reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
            tell(&mut reply, asked, &subject, zone, turn);
        }
    }
    written(reply, usize::from(limit))
}

fn refuse(mut reply: Packet<'_>, code: RCODE) -> Option<Vec<u8>> {
    *reply.rcode_mut() = code;
    reply.build_bytes_vec().ok()
}

/// The version of EDNS that `question` has beside the one thing that is `asked`, if that comes first (RFC 6891 §6.1.3). The
/// crate looks for it where the flags are.
fn version(question: &[u8], asked: &Question<'_>) -> Option<u8> {
    const HEAD: usize = 12;
    let name: usize = asked
        .qname
        .get_labels()
        .iter()
        .map(|label| 1 + label.as_ref().len())
        .sum();
    let record = question.get(HEAD + name + 1 + 4..)?;
    let is_opt = record.starts_with(&[0, 0, 41]);
    record.get(6).copied().filter(|_| is_opt)
}

/// That the version is not known (BADVERS). Its code has eight bits more than others, which are the first byte of what is the
/// TTL of other records, six bytes from the end (RFC 6891 §6.1.3).
fn refuse_version(reply: &Packet<'_>) -> Option<Vec<u8>> {
    let mut bytes = reply.build_bytes_vec().ok()?;
    let at = bytes.len().checked_sub(6)?;
    *bytes.get_mut(at)? = 1;
    Some(bytes)
}

/// What a question is about, of what the server has authority over.
enum Subject {
    /// A name in the domain, in lower case; empty for the domain itself.
    Forward(String),
    /// Addresses, and the name of the zone that they are in.
    Reverse(IpNet, String),
}

/// What `question` is about; `None` if that is somebody else's.
fn subject(question: &Question<'_>, zone: &Zone) -> Option<Subject> {
    let is_in = matches!(question.qclass, QCLASS::ANY | QCLASS::CLASS(CLASS::IN));
    if !is_in || matches!(question.qtype, QTYPE::AXFR | QTYPE::IXFR) {
        return None;
    }
    let labels: Vec<String> = question
        .qname
        .get_labels()
        .iter()
        .map(|label| String::from_utf8_lossy(label.as_ref()).to_ascii_lowercase())
        .collect();
    let own: Vec<&str> = zone.domain.as_str().split('.').collect();
    if let Some(at) = labels.len().checked_sub(own.len())
        && labels[at..] == own
    {
        // A dot inside of a label separates nothing: there is no such name.
        let name = labels[..at].iter().map(|label| label.replace('.', "\\."));
        return Some(Subject::Forward(name.collect::<Vec<_>>().join(".")));
    }
    let subnet = subnet(&labels).filter(|subnet| zone.has_part_of(*subnet))?;
    // The zone ends at the boundary above the host's part that a name can have: /24, or /64.
    let (host, apex) = match subnet {
        IpNet::V4(_) => (4, 3),
        IpNet::V6(_) => (32, 16),
    };
    let labels_of_apex = apex + 2;
    if labels.len() < labels_of_apex || labels.len() > host + 2 {
        return None;
    }
    Some(Subject::Reverse(
        subnet,
        labels[labels.len() - labels_of_apex..].join("."),
    ))
}

/// The addresses that a name below in-addr.arpa (RFC 1035 §3.5) or ip6.arpa (RFC 3596 §2.5) stands for.
fn subnet(labels: &[String]) -> Option<IpNet> {
    let (digits, family) = labels.split_at_checked(labels.len().checked_sub(2)?)?;
    match [family[0].as_str(), family[1].as_str()] {
        ["in-addr", "arpa"] if digits.len() <= 4 => {
            let mut octets = [0; 4];
            for (octet, digit) in octets.iter_mut().zip(digits.iter().rev()) {
                *octet = crate::text::decimal(digit)?;
            }
            let length = u8::try_from(8 * digits.len()).ok()?;
            Some(Ipv4Net::new(Ipv4Addr::from(octets), length).ok()?.into())
        }
        ["ip6", "arpa"] if digits.len() <= 32 => {
            let mut octets = [0u8; 16];
            for (place, digit) in digits.iter().rev().enumerate() {
                let digit = (digit.len() == 1).then(|| u8::from_str_radix(digit, 16).ok())??;
                octets[place / 2] |= if place % 2 == 0 { digit << 4 } else { digit };
            }
            let length = u8::try_from(4 * digits.len()).ok()?;
            Some(Ipv6Net::new(Ipv6Addr::from(octets), length).ok()?.into())
        }
        _ => None,
    }
}

/// Fills `reply` with what is known of `subject`.
fn tell<'q>(reply: &mut Packet<'q>, asked: &Question<'q>, subject: &Subject, zone: &Zone, turn: usize) {
    let wants = |kind: TYPE| asked.qtype == QTYPE::ANY || asked.qtype == QTYPE::TYPE(kind);
    let (exists, apex) = match subject {
        Subject::Forward(name) => {
            let entry = zone.find(name);
            if let Some(entry) = entry {
                tell_entry(reply, asked, entry, zone, turn);
            }
            (entry.is_some() || name.is_empty(), zone.domain.as_str())
        }
        Subject::Reverse(subnet, apex) => {
            let address = Some(*subnet)
                .filter(|s| s.prefix_len() == s.max_prefix_len())
                .map(|s| s.addr());
            let name = address.and_then(|address| zone.name_of(address));
            if let Some(name) = name.and_then(|n| in_domain(zone, n)).filter(|_| wants(TYPE::PTR)) {
                reply.answers.push(record(asked.qname.clone(), RData::PTR(PTR(name))));
            }
            (name.is_some() || address.is_none(), apex.as_str())
        }
    };
    let is_apex = match subject {
        Subject::Forward(name) => name.is_empty(),
        Subject::Reverse(..) => asked.qname.get_labels().len() == apex.split('.').count(),
    };
    if is_apex && wants(TYPE::SOA) {
        reply.answers.extend(soa(zone, apex));
    }
    if is_apex && wants(TYPE::NS) {
        reply.answers.extend(ns(zone, apex));
        reply.additional_records.extend(addresses_of(zone, SERVER));
    }
    if !exists {
        *reply.rcode_mut() = RCODE::NameError;
    }
    // Who keeps that there is nothing learns from it for how long: not at all (RFC 2308 §3).
    if reply.answers.is_empty() {
        reply.name_servers.extend(soa(zone, apex));
    }
}

fn tell_entry<'q>(reply: &mut Packet<'q>, asked: &Question<'q>, entry: &Entry, zone: &Zone, turn: usize) {
    let wants = |kind: TYPE| asked.qtype == QTYPE::ANY || asked.qtype == QTYPE::TYPE(kind);
    let addresses = entry.addresses.iter().filter(|address| wants(kind_of(address)));
    let addresses: Vec<&IpAddr> = addresses.collect();
    for address in in_turn(&addresses, turn) {
        reply.answers.push(record(asked.qname.clone(), data_of(**address)));
    }
    if !wants(TYPE::SRV) {
        return;
    }
    let mut told: Vec<&str> = Vec::new();
    for target in in_turn(&entry.targets, turn) {
        let Some(host) = in_domain(zone, &target.host) else {
            continue;
        };
        let data = SRV {
            priority: 0,
            weight: 0,
            port: target.port,
            target: host,
        };
        reply.answers.push(record(asked.qname.clone(), RData::SRV(data)));
        if !told.contains(&target.host.as_str()) {
            told.push(&target.host);
            reply.additional_records.extend(addresses_of(zone, &target.host));
        }
    }
}

/// All of `list`, from another one on each `turn`.
fn in_turn<T>(list: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let (before, after) = list.split_at(turn.checked_rem(list.len()).unwrap_or(0));
    after.iter().chain(before)
}

fn kind_of(address: &IpAddr) -> TYPE {
    match address {
        IpAddr::V4(_) => TYPE::A,
        IpAddr::V6(_) => TYPE::AAAA,
    }
}

fn data_of(address: IpAddr) -> RData<'static> {
    match address {
        IpAddr::V4(v4) => RData::A(A::from(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA::from(v6)),
    }
}

fn record<'q>(name: Name<'q>, data: RData<'q>) -> ResourceRecord<'q> {
    ResourceRecord::new(name, CLASS::IN, TTL, data)
}

fn name(text: &str) -> Option<Name<'static>> {
    Name::new(text).ok().map(Name::into_owned)
}

fn in_domain(zone: &Zone, text: &str) -> Option<Name<'static>> {
    name(&zone.domain.join(text))
}

/// The addresses of a host in the domain.
fn addresses_of(zone: &Zone, host: &str) -> Vec<ResourceRecord<'static>> {
    let (Some(owner), Some(entry)) = (in_domain(zone, host), zone.find(host)) else {
        return Vec::new();
    };
    let addresses = entry.addresses.iter();
    addresses
        .map(|address| record(owner.clone(), data_of(*address)))
        .collect()
}

/// The start of authority of the zone `apex` (RFC 1035 §3.3.13). There is no second server to which its times matter.
fn soa(zone: &Zone, apex: &str) -> Option<ResourceRecord<'static>> {
    let data = SOA {
        mname: in_domain(zone, SERVER)?,
        rname: in_domain(zone, "hostmaster")?,
        serial: zone.serial,
        refresh: 3600,
        retry: 600,
        expire: 86_400,
        minimum: 0,
    };
    Some(record(name(apex)?, RData::SOA(data)))
}

fn ns(zone: &Zone, apex: &str) -> Option<ResourceRecord<'static>> {
    Some(record(name(apex)?, RData::NS(NS(in_domain(zone, SERVER)?))))
}

/// `reply` as bytes, `limit` of them at most: first without what was not asked for, then with as many answers as there is
/// room for, and the flag that says so (RFC 2181 §9).
fn written(mut reply: Packet<'_>, limit: usize) -> Option<Vec<u8>> {
    let fits = |reply: &Packet<'_>| {
        reply
            .build_bytes_vec_compressed()
            .ok()
            .filter(|bytes| bytes.len() <= limit)
    };
    if let Some(bytes) = fits(&reply) {
        return Some(bytes);
    }
    reply.additional_records.clear();
    if let Some(bytes) = fits(&reply) {
        return Some(bytes);
    }
    reply.set_flags(PacketFlag::TRUNCATION);
    let answers = std::mem::take(&mut reply.answers);
    // How many there is room for: `least` fit, `most` do not.
    let (mut least, mut most) = (0, answers.len());
    let mut longest = fits(&reply)?;
    while most - least > 1 {
        let middle = least.midpoint(most);
        reply.answers = answers[..middle].to_vec();
        match fits(&reply) {
            Some(bytes) => (least, longest) = (middle, bytes),
            None => most = middle,
        }
    }
    Some(longest)
}
