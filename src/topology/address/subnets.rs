//! Which subnets share addresses.

use std::collections::BTreeSet;
use std::iter::successors;

use ipnet::Ipv4Net;

/// Whether two subnets share an address.
#[must_use]
pub fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// A set of subnets, to find overlaps. Two subnets lie apart or one in the other, so that neither is looked for among all.
#[derive(Debug, Clone, Default)]
pub struct Subnets(BTreeSet<Ipv4Net>);

impl Subnets {
    /// Whether one of these shares an address with `subnet`.
    #[must_use]
    pub fn meets(&self, subnet: &Ipv4Net) -> bool {
        let first = Ipv4Net::new_assert(subnet.network(), 0);
        let last = Ipv4Net::new_assert(subnet.broadcast(), 32);
        let mut around = successors(subnet.supernet(), Ipv4Net::supernet);
        self.0.range(first..=last).next().is_some() || around.any(|s| self.0.contains(&s))
    }

    /// Adds `subnet` to the set.
    pub fn insert(&mut self, subnet: Ipv4Net) {
        self.0.insert(subnet.trunc());
    }

    /// Take `subnet` out, where it is in.
    pub fn remove(&mut self, subnet: &Ipv4Net) {
        self.0.remove(&subnet.trunc());
    }
}

impl FromIterator<Ipv4Net> for Subnets {
    fn from_iter<I: IntoIterator<Item = Ipv4Net>>(subnets: I) -> Self {
        Self(subnets.into_iter().map(|s| s.trunc()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_meets_is_what_overlaps_one(
            taken in prop::collection::vec((0u32..64, 0u8..=6), 0..8), (address, prefix) in (0u32..64, 0u8..=6),
        ) {
            // Six bits of address, so that many meet.
            let net = |address: u32, prefix: u8| {
                let all = Ipv4Net::new_assert(Ipv4Addr::from(address << 26), prefix);
                all.trunc()
            };
            let taken: Vec<Ipv4Net> = taken.into_iter().map(|(a, p)| net(a, p)).collect();
            let mut subnets: Subnets = taken.iter().copied().collect();
            let subnet = net(address, prefix);
            prop_assert_eq!(subnets.meets(&subnet), taken.iter().any(|t| overlap(t, &subnet)));
            for one in &taken {
                subnets.remove(one);
            }
            prop_assert!(!subnets.meets(&subnet));
            subnets.insert(subnet);
            prop_assert!(subnets.meets(&subnet));
        }
    }
}
