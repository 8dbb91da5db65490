//! The rules of routing that cut a namespace off (ip-rule(8)), as data.
//!
//! The kernel looks through its rules by their preference before it looks at any route, for what comes in and for what goes
//! out, and the rule that knows a namespace's own addresses comes first, at 0. Here it goes to [`LOCAL`], behind those that
//! cut:
//!
//! | preference | rule | effect |
//! | --- | --- | --- |
//! | [`OWN`] | `iif lo to OWN lookup local` | the namespace goes on talking to itself |
//! | [`OUT`] | `iif lo to X unreachable`, `iif lo from X unreachable` | a program that sends there is told so |
//! | [`IN`] | `from X blackhole`, `to X blackhole` | what comes in is dropped without a word |
//! | [`ALL`], [`ALL`] + 1 | `iif lo unreachable`, `blackhole` | the same, where all is cut |
//! | [`LOCAL`] | `lookup local` | as at 0 before |
//!
//! Each carries [`PROTOCOL`], so that no rule of anybody else's is taken for one of these.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// The preference of rules that keep a namespace's way to itself.
pub const OWN: u32 = 1;
/// The preference of rules for what is sent.
pub const OUT: u32 = 2;
/// The preference of rules for what is received.
pub const IN: u32 = 3;
/// The preference of the rule for all that is sent; that for all that is received follows it. To the kernel a rule without a
/// source is also the next best one with its preference that has some, when it is asked to add or to remove it.
pub const ALL: u32 = 4;
/// The preference of the rule for a namespace's own addresses while something is cut.
pub const LOCAL: u32 = 10;
/// What marks the rules as topogen's: the number of who made them (rtnetlink(7), `rtm_protocol`), which no other program has
/// (`/etc/iproute2/rt_protos`).
pub const PROTOCOL: u8 = 116;

/// A rule of routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The preference: rules with a lower one are asked first.
    pub preference: u32,
    /// Whether it is for what the namespace itself sends alone (`iif lo`).
    pub is_sent: bool,
    /// The sources that it is for.
    pub from: Option<IpNet>,
    /// The destinations that it is for.
    pub to: Option<IpNet>,
    /// What it does.
    pub act: Act,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It asks the table of the namespace's own addresses.
    Local,
    /// It tells the sender that there is no way (`ENETUNREACH`).
    Unreachable,
    /// It drops the packet.
    Blackhole,
}

/// The rules of one family that cut a namespace with the addresses `own` off `cut`, in order; none where nothing of that family
/// is cut.
#[must_use]
pub fn rules(ipv6: bool, cut: &BTreeSet<IpNet>, own: &[IpAddr]) -> BTreeSet<Rule> {
    let is_family = |address: IpAddr| address.is_ipv6() == ipv6;
    let rule = |preference, is_sent, from, to, act| Rule {
        preference,
        is_sent,
        from,
        to,
        act,
    };
    let mut rules = BTreeSet::new();
    for net in cut.iter().filter(|net| is_family(net.addr())) {
        let net = net.trunc();
        let own = own.iter().filter(|address| net.contains(*address));
        rules.extend(own.map(|address| rule(OWN, true, None, Some(whole(*address)), Act::Local)));
        // What comes from everywhere is all that there is.
        if net.prefix_len() == 0 {
            rules.insert(rule(ALL, true, Some(net), None, Act::Unreachable));
            rules.insert(rule(ALL + 1, false, Some(net), None, Act::Blackhole));
            continue;
        }
        rules.insert(rule(OUT, true, Some(net), None, Act::Unreachable));
        rules.insert(rule(OUT, true, None, Some(net), Act::Unreachable));
        rules.insert(rule(IN, false, Some(net), None, Act::Blackhole));
        rules.insert(rule(IN, false, None, Some(net), Act::Blackhole));
    }
    rules
}

/// What is cut where `rules` are in force.
#[must_use]
pub fn cut(rules: &BTreeSet<Rule>) -> BTreeSet<IpNet> {
    let drops = rules.iter().filter(|rule| rule.act == Act::Blackhole);
    drops.filter_map(|rule| rule.from).collect()
}

/// `address` as the network that has no other; all addresses of the loopback, of which an interface names one.
fn whole(address: IpAddr) -> IpNet {
    let full = IpNet::from(address);
    match full {
        IpNet::V4(v4) if address.is_loopback() => {
            ipnet::Ipv4Net::new(v4.addr(), 8).map_or(full, |net| net.trunc().into())
        }
        _ => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Change, EVERYTHING};
    use proptest::prelude::*;

    fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|t| t.parse().expect("a network")).collect()
    }

    fn shown(rules: &BTreeSet<Rule>) -> Vec<String> {
        let end = |word: &str, net: Option<IpNet>| net.map(|net| format!(" {word} {net}")).unwrap_or_default();
        let shown = rules.iter().map(|r| {
            let lo = if r.is_sent { " iif lo" } else { "" };
            format!(
                "{}:{}{}{lo} {:?}",
                r.preference,
                end("from", r.from),
                end("to", r.to),
                r.act
            )
        });
        shown.collect()
    }

    #[test]
    fn a_container_that_is_off_its_network_still_talks_to_itself() {
        let own = ["127.0.0.1", "10.1.0.4", "10.2.0.7", "::1"].map(|a| a.parse().expect("an address"));
        assert_eq!(
            shown(&rules(false, &nets(&["10.1.0.0/24", "fd00::/64"]), &own)),
            [
                "1: to 10.1.0.4/32 iif lo Local",
                "2: to 10.1.0.0/24 iif lo Unreachable",
                "2: from 10.1.0.0/24 iif lo Unreachable",
                "3: to 10.1.0.0/24 Blackhole",
                "3: from 10.1.0.0/24 Blackhole",
            ]
        );
        let isolated = rules(false, &EVERYTHING.into(), &own);
        assert_eq!(
            shown(&isolated)[..3],
            [
                "1: to 10.1.0.4/32 iif lo Local",
                "1: to 10.2.0.7/32 iif lo Local",
                "1: to 127.0.0.0/8 iif lo Local",
            ]
        );
        assert_eq!(cut(&isolated), nets(&["0.0.0.0/0"]));
    }

    proptest! {
        /// What is read of the rules is what they were written for, and what is healed leaves none.
        #[test]
        fn rules_say_what_they_cut(
            a in prop::collection::btree_set((any::<[u8; 4]>(), 0u8..=32), 0..5),
            b in prop::collection::btree_set((any::<[u8; 4]>(), 0u8..=32), 0..5),
        ) {
            let net = |(address, length): &([u8; 4], u8)| {
                IpNet::new(IpAddr::from(*address), *length).expect("a length").trunc()
            };
            let (a, b): (BTreeSet<IpNet>, BTreeSet<IpNet>) = (a.iter().map(net).collect(), b.iter().map(net).collect());
            let own = [IpAddr::from([10, 0, 0, 1])];
            prop_assert_eq!(cut(&rules(false, &a, &own)), a.clone());
            prop_assert!(rules(true, &a, &own).is_empty());
            let both = Change { cut: b.clone(), ..Change::default() }.of(&a);
            prop_assert_eq!(&both, &a.union(&b).copied().collect());
            let healed = Change { heal: both.clone(), ..Change::default() }.of(&both);
            prop_assert!(rules(false, &healed, &own).is_empty());
        }
    }
}
