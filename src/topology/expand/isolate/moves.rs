//! Where the addresses of former pools went: to the same host part of a subnet of the node's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::addresses::replaced;

/// The length of the prefix that three numbers say whole: `172.22.1`.
const THREE_NUMBERS: u8 = 24;

/// Where the addresses of one pool went.
#[derive(Debug)]
pub(super) struct Move {
    old: IpNet,
    new: IpNet,
    /// Addresses whose host part the new subnet does not have.
    odd: BTreeMap<IpAddr, IpAddr>,
}

/// How many addresses `net` has; as many as there are numbers for those of `::/0`.
fn size(net: IpNet) -> u128 {
    let bits = u32::from(net.max_prefix_len() - net.prefix_len());
    1u128.checked_shl(bits).unwrap_or(u128::MAX)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The part of `address` after the prefix of `net`, which holds it.
pub(super) fn host(net: IpNet, address: IpAddr) -> u128 {
    bits(address) - bits(net.network())
}

/// Whether `address` is that by which all hosts of an IPv4 network are meant (RFC 919).
pub(super) fn is_broadcast(net: IpNet, address: IpAddr) -> bool {
    matches!(net, IpNet::V4(net) if address == IpAddr::V4(net.broadcast()))
}

/// The address in `net` with the part `host`, which is less than its [`size`].
fn at(net: IpNet, host: u128) -> IpAddr {
    let bits = bits(net.network()) + host;
    match net {
        IpNet::V4(_) => Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        IpNet::V6(_) => Ipv6Addr::from(bits).into(),
    }
}

impl Move {
    /// From the pool `old` to the subnet `new` of the same family, which so many `containers` join. Of the `mentioned` addresses
    /// those get another host part that has no room there: one that is not `used`, and then is, and best one that an engine
    /// does not choose by itself, since it begins with the lowest.
    pub(super) fn new(
        old: IpNet,
        new: IpNet,
        mentioned: &BTreeSet<IpAddr>,
        containers: usize,
        used: &mut BTreeSet<u128>,
    ) -> Self {
        let mut this = Self {
            old,
            new,
            odd: BTreeMap::new(),
        };
        let here = || {
            mentioned
                .iter()
                .copied()
                .filter(|a| old.contains(a) && !is_broadcast(old, *a))
        };
        let (fitting, odd): (Vec<_>, Vec<_>) = here().partition(|address| this.fits(host(old, *address)));
        used.extend(fitting.iter().map(|address| host(old, *address)));
        let mut top = size(new).min(1 << 16) - 1;
        for address in odd {
            // The network's own address and the gateway's are no container's.
            let chosen = 1 + containers as u128;
            let is_free = |host: &u128| *host > 1 && this.fits(*host) && !used.contains(host);
            let same = Some(host(old, address) % size(new)).filter(|host| *host > chosen && is_free(host));
            // What is no longer free above never is again.
            while top > 1 && !is_free(&top) {
                top -= 1;
            }
            let Some(free) = same.or(Some(top).filter(|top| *top > 1)) else {
                continue;
            };
            used.insert(free);
            this.odd.insert(address, at(new, free));
        }
        this
    }

    /// Whether a container may have the part `host` in the new subnet.
    fn fits(&self, host: u128) -> bool {
        let last = match self.new {
            IpNet::V4(_) => size(self.new) - 1,
            IpNet::V6(_) => size(self.new),
        };
        host < last
    }

    /// The subnet that addresses went to.
    pub(super) fn subnet(&self) -> IpNet {
        self.new
    }

    /// Where `address` went; `None` where it is not of the pool.
    pub(super) fn address(&self, address: IpAddr) -> Option<IpAddr> {
        if !self.old.contains(&address) {
            return None;
        }
        if is_broadcast(self.old, address) {
            return Some(at(self.new, size(self.new) - 1));
        }
        let host = host(self.old, address);
        match self.fits(host) {
            true => Some(at(self.new, host)),
            false => self.odd.get(&address).copied(),
        }
    }

    /// The part of the new subnet that `range` was of the pool; `None` where it has no room for it.
    pub(super) fn range(&self, range: IpNet) -> Option<IpNet> {
        let first = self
            .old
            .contains(&range.network())
            .then(|| host(self.old, range.network()))?;
        let fits = range.prefix_len() > self.new.prefix_len() && first + size(range) <= size(self.new);
        let moved = IpNet::new(at(self.new, first.min(size(self.new) - 1)), range.prefix_len()).ok()?;
        fits.then_some(moved)
    }

    /// The length of a prefix that follows an address: that of the subnet in place of the pool's.
    fn length(&self, length: u8) -> u8 {
        if length == self.old.prefix_len() {
            self.new.prefix_len()
        } else {
            length.max(self.new.prefix_len())
        }
    }
}

/// What belongs to a subnet, found by the addresses in it.
#[derive(Debug)]
pub(super) struct BySubnet<T>(BTreeMap<u8, HashMap<IpNet, T>>);

impl<T> BySubnet<T> {
    /// Adds what belongs to `subnet`, where nothing does yet.
    pub(super) fn insert(&mut self, subnet: IpNet, value: T) {
        let of_length = self.0.entry(subnet.prefix_len()).or_default();
        of_length.entry(subnet).or_insert(value);
    }

    /// What belongs to the smallest subnet that holds `address`.
    pub(super) fn get(&self, address: IpAddr) -> Option<&T> {
        let lengths = self.0.iter().rev();
        let mut found = lengths.filter_map(|(length, of_length)| {
            let subnet = IpNet::new(address, *length).ok()?.trunc();
            of_length.get(&subnet)
        });
        found.next()
    }
}

impl<T> Default for BySubnet<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Where all addresses of a node went.
#[derive(Debug, Default)]
pub(super) struct Moves(BySubnet<Move>);

impl Moves {
    pub(super) fn push(&mut self, one: Move) {
        self.0.insert(one.old, one);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// `text` with addresses as they are now, each that changed added to `changed`; `None` where none did.
    pub(super) fn text(&self, text: &str, changed: &mut BTreeMap<String, String>) -> Option<String> {
        if let Some((start, numbers)) = three_numbers(text) {
            let is_whole = |m: &&Move| m.old.prefix_len() == THREE_NUMBERS && m.new.prefix_len() == THREE_NUMBERS;
            let moved = self.0.get(numbers).filter(is_whole)?;
            let new = moved.new.network().to_string();
            let new = new.rsplit_once('.').map_or("", |(three, _)| three);
            changed.insert(text[start..].to_owned(), new.to_owned());
            return Some(format!("{}{new}", &text[..start]));
        }
        replaced(text, &mut |address, length| {
            let longest = self.0.get(address)?;
            let new = longest.address(address)?;
            changed.insert(address.to_string(), new.to_string());
            Some((new, length.map(|length| longest.length(length))))
        })
    }
}

/// The network that the last three numbers of a text say, where it is nothing else but a name before a `=`: programs add the
/// fourth. And where they begin.
pub(super) fn three_numbers(text: &str) -> Option<(usize, IpAddr)> {
    let start = text.rfind('=').map_or(0, |n| n + 1);
    let numbers = &text[start..];
    let address = format!("{numbers}.0").parse::<Ipv4Addr>().ok()?;
    (numbers.matches('.').count() == 2).then_some((start, address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a network")
    }

    fn moves(pairs: &[(&str, &str)], mentioned: &[&str]) -> Moves {
        let mentioned = mentioned.iter().map(|a| a.parse().expect("an address")).collect();
        let mut moves = Moves::default();
        for (old, new) in pairs {
            moves.push(Move::new(net(old), net(new), &mentioned, 5, &mut BTreeSet::new()));
        }
        moves
    }

    #[test]
    fn texts_follow_their_addresses() {
        let moves = moves(
            &[
                ("172.28.0.0/16", "10.1.4.0/22"),
                ("172.22.1.0/24", "10.2.0.0/24"),
                ("fd00:1::/48", "fd12:3:4:5::/64"),
            ],
            &["172.28.0.5", "172.28.200.7", "172.28.204.7"],
        );
        for (text, expected) in [
            ("172.28.0.5:80", "10.1.4.5:80"),
            ("a 172.28.200.7, b 172.28.204.7", "a 10.1.4.7, b 10.1.7.254"),
            ("172.28.0.0/16", "10.1.4.0/22"),
            (
                "172.28.0.5/16 172.28.0.5/32 172.28.0.5/17",
                "10.1.4.5/22 10.1.4.5/32 10.1.4.5/22",
            ),
            ("172.28.255.255", "10.1.7.255"),
            ("172.29.0.5", "-"),
            ("172.22.1", "10.2.0"),
            ("IPV4_NETWORK=172.22.1", "IPV4_NETWORK=10.2.0"),
            ("172.22.1 ", "-"),
            ("172.28.0", "-"),
            ("172.22.1.254", "10.2.0.254"),
            ("[fd00:1::5]:443 fd00:1::/48", "[fd12:3:4:5::5]:443 fd12:3:4:5::/64"),
        ] {
            let new = moves.text(text, &mut BTreeMap::new());
            assert_eq!(new.as_deref().unwrap_or("-"), expected, "{text}");
        }
    }

    #[test]
    fn a_range_moves_where_it_has_room() {
        let moved = |old, new, range| {
            let one = Move::new(net(old), net(new), &BTreeSet::new(), 5, &mut BTreeSet::new());
            one.range(net(range)).map(|r| r.to_string())
        };
        let same = moved("172.28.0.0/16", "10.1.4.0/22", "172.28.1.0/24");
        assert_eq!(same.as_deref(), Some("10.1.5.0/24"));
        assert_eq!(moved("172.28.0.0/16", "10.1.4.0/22", "172.28.5.0/24"), None);
        assert_eq!(moved("172.28.0.0/16", "10.1.4.0/22", "172.28.0.0/16"), None);
        assert_eq!(moved("172.28.0.0/16", "10.1.4.0/22", "10.0.0.0/24"), None);
    }

    proptest! {
        #[test]
        fn no_two_addresses_become_one(hosts in prop::collection::btree_set(2u32..65535, 1..12), prefix in 24u8..=28) {
            let old = net("172.28.0.0/16");
            let new = IpNet::new(Ipv4Addr::new(10, 1, 4, 0).into(), prefix).expect("a network");
            let mentioned: BTreeSet<IpAddr> = hosts.iter().map(|h| at(old, u128::from(*h))).collect();
            let one = Move::new(old, new, &mentioned, mentioned.len(), &mut BTreeSet::new());
            let moved: BTreeSet<IpAddr> = mentioned.iter().filter_map(|a| one.address(*a)).collect();
            prop_assert_eq!(moved.len(), mentioned.len());
            prop_assert!(moved.iter().all(|a| new.contains(a)));
        }
    }
}
