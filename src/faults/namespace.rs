//! The network namespace that this process is in: what is cut in it, and how that is changed, over netlink (rtnetlink(7)).
//!
//! It is what the helper runs, inside the namespace of a container. To change anything takes CAP_NET_ADMIN there; to ask takes
//! nothing.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with};

use super::rules::{self, Act, LOCAL, PROTOCOL, Rule};
use super::{Change, State};

/// The table of a namespace's own addresses (ip-route(8), `local`).
const LOCAL_TABLE: u8 = 255;
/// The bytes that are read of the kernel's answer at once; it sends no more than 32 KiB in a piece.
const PIECE: usize = 64 << 10;

/// Changes what is cut in this process's network namespace, and returns what is.
///
/// Where the last thing is healed, the namespace has the rules that it began with.
///
/// # Errors
/// The kernel refuses: `EPERM` without CAP_NET_ADMIN, `EAFNOSUPPORT` or `EOPNOTSUPP` where it has no rules of routing.
pub fn change(change: &Change) -> io::Result<State> {
    let mut kernel = Kernel::open()?;
    let own = kernel.addresses()?;
    let mut cut = BTreeSet::new();
    for family in [Family::V4, Family::V6] {
        let is_meant = |net: &&IpNet| matches!(net, IpNet::V6(_)) == (family == Family::V6);
        let found = match kernel.rules(family) {
            Ok(found) => found,
            // A kernel without IPv6 has nothing to be cut.
            Err(error) if family == Family::V6 && is_unsupported(&error) => continue,
            Err(error) => return Err(error),
        };
        let before = rules::cut(&found.ours);
        let after = change.of(&before);
        let after: BTreeSet<IpNet> = after.iter().filter(is_meant).copied().collect();
        if after != before || (after.is_empty() && found.is_behind) {
            kernel.establish(family, &found, &rules::rules(family == Family::V6, &after, &own))?;
        }
        cut.extend(after);
    }
    Ok(State { cut })
}

fn is_unsupported(error: &io::Error) -> bool {
    let codes = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::OPNOTSUPP];
    codes
        .iter()
        .any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn number(self) -> AddressFamily {
        match self {
            Self::V4 => AddressFamily::Inet,
            Self::V6 => AddressFamily::Inet6,
        }
    }
}

/// The rules of one family that a namespace has.
#[derive(Debug, Default)]
struct Found {
    /// Those that cut, and what belongs to them.
    ours: BTreeSet<Rule>,
    /// Whether the rule for the namespace's own addresses is at 0, where the kernel put it.
    is_at_first: bool,
    /// Whether it is where a cut puts it.
    is_behind: bool,
}

/// A conversation with the kernel.
struct Kernel {
    socket: OwnedFd,
    sequence: u32,
}

impl Kernel {
    fn open() -> io::Result<Self> {
        let family = rustix::net::AddressFamily::NETLINK;
        // The protocol 0 is NETLINK_ROUTE.
        let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The addresses of the namespace's interfaces (`RTM_GETADDR`).
    fn addresses(&mut self) -> io::Result<Vec<IpAddr>> {
        let asked = self.ask(RouteNetlinkMessage::GetAddress(Default::default()), NLM_F_DUMP)?;
        let messages = asked.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(address) => Some(address),
            _ => None,
        });
        let addresses = messages.filter_map(|message| {
            // The local address of a link between two is that; of any other it is the same.
            let attributes = message.attributes.iter();
            let local = attributes.clone().find_map(|a| match a {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            local.or_else(|| {
                attributes.clone().find_map(|a| match a {
                    AddressAttribute::Address(address) => Some(*address),
                    _ => None,
                })
            })
        });
        Ok(addresses.collect())
    }

    /// The rules of a family (`RTM_GETRULE`).
    fn rules(&mut self, family: Family) -> io::Result<Found> {
        let mut question = RuleMessage::default();
        question.header.family = family.number();
        let mut found = Found::default();
        for answer in self.ask(RouteNetlinkMessage::GetRule(question), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewRule(message) = answer else {
                continue;
            };
            let rule = read(family, &message);
            let is_own = message.attributes.contains(&protocol(PROTOCOL));
            match rule {
                Some(rule) if is_own && rule != local(LOCAL) => drop(found.ours.insert(rule)),
                Some(rule) if is_own => found.is_behind |= rule == local(LOCAL),
                Some(rule) => found.is_at_first |= rule == local(0),
                None => {}
            }
        }
        Ok(found)
    }

    /// Makes `wanted` the rules that cut, where `found` are there. What the namespace has of its own comes first until all that
    /// is to be before it is there, and again as soon as nothing is.
    fn establish(&mut self, family: Family, found: &Found, wanted: &BTreeSet<Rule>) -> io::Result<()> {
        if wanted.is_empty() && found.is_behind && !found.is_at_first {
            self.add(family, local(0), KERNEL)?;
        }
        if !wanted.is_empty() && !found.is_behind {
            self.add(family, local(LOCAL), PROTOCOL)?;
        }
        for rule in wanted.difference(&found.ours) {
            self.add(family, *rule, PROTOCOL)?;
        }
        for rule in found.ours.difference(wanted) {
            self.remove(family, *rule, PROTOCOL)?;
        }
        if !wanted.is_empty() && found.is_at_first {
            self.remove(family, local(0), KERNEL)?;
        }
        if wanted.is_empty() && found.is_behind {
            self.remove(family, local(LOCAL), PROTOCOL)?;
        }
        Ok(())
    }

    /// Adds a rule, unless it is there (`RTM_NEWRULE`).
    fn add(&mut self, family: Family, rule: Rule, by: u8) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewRule(written(family, rule, by));
        let added = self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        match added {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Removes a rule, if it is there (`RTM_DELRULE`).
    fn remove(&mut self, family: Family, rule: Rule, by: u8) -> io::Result<()> {
        let removed = self.ask(RouteNetlinkMessage::DelRule(written(family, rule, by)), NLM_F_ACK);
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    /// Sends a message, and returns all that the kernel answers to it (netlink(7)).
    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &bytes, SendFlags::empty(), &kernel)?;
        let mut answers = Vec::new();
        let mut piece = vec![0; PIECE];
        loop {
            let (length, _) = recv(&self.socket, &mut piece[..], RecvFlags::empty())?;
            let mut rest = &piece[..length];
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest);
                let answer = answer.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                let length = (answer.header.length as usize).next_multiple_of(4).clamp(4, rest.len());
                rest = &rest[length..];
                match answer.payload {
                    _ if answer.header.sequence_number != self.sequence => {}
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) => match error.code {
                        Some(code) => return Err(io::Error::from_raw_os_error(-code.get())),
                        None => return Ok(answers),
                    },
                    _ => {}
                }
            }
        }
    }
}

/// What the kernel says that it made itself (rtnetlink(7), `RTPROT_KERNEL`).
const KERNEL: u8 = 2;

/// The rule for a namespace's own addresses, with that preference.
const fn local(preference: u32) -> Rule {
    Rule {
        preference,
        is_sent: false,
        from: None,
        to: None,
        act: Act::Local,
    }
}

fn protocol(number: u8) -> RuleAttribute {
    RuleAttribute::Protocol(RouteProtocol::from(number))
}

/// A rule as a message. A network that is all of a family has no attribute, and so is every packet's.
fn written(family: Family, rule: Rule, by: u8) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family.number();
    message.header.action = match rule.act {
        Act::Local => RuleAction::ToTable,
        Act::Unreachable => RuleAction::Unreachable,
        Act::Blackhole => RuleAction::Blackhole,
    };
    if rule.act == Act::Local {
        message.header.table = LOCAL_TABLE;
    }
    message.attributes.push(RuleAttribute::Priority(rule.preference));
    message.attributes.push(protocol(by));
    if rule.is_sent {
        message.attributes.push(RuleAttribute::Iifname("lo".to_owned()));
    }
    if let Some(net) = rule.from.filter(|net| net.prefix_len() > 0) {
        message.header.src_len = net.prefix_len();
        message.attributes.push(RuleAttribute::Source(net.addr()));
    }
    if let Some(net) = rule.to.filter(|net| net.prefix_len() > 0) {
        message.header.dst_len = net.prefix_len();
        message.attributes.push(RuleAttribute::Destination(net.addr()));
    }
    message
}

/// The rule that a message is; `None` if it is none of those that [`written`] writes.
fn read(family: Family, message: &RuleMessage) -> Option<Rule> {
    let act = match message.header.action {
        RuleAction::ToTable if message.header.table == LOCAL_TABLE => Act::Local,
        RuleAction::Unreachable => Act::Unreachable,
        RuleAction::Blackhole => Act::Blackhole,
        _ => return None,
    };
    let mut rule = Rule { act, ..local(0) };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(preference) => rule.preference = *preference,
            RuleAttribute::Iifname(name) => rule.is_sent = name == "lo",
            RuleAttribute::Source(address) => rule.from = IpNet::new(*address, message.header.src_len).ok(),
            RuleAttribute::Destination(address) => rule.to = IpNet::new(*address, message.header.dst_len).ok(),
            _ => {}
        }
    }
    // A network that is all of a family is not said.
    if act != Act::Local && rule.from.is_none() && rule.to.is_none() {
        rule.from = Some(super::EVERYTHING[usize::from(family == Family::V6)]);
    }
    Some(rule)
}
