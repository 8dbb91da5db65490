//! Where each network's subnet lies: settled by cluster name, role and index alone.
//!
//! The pool is cut into blocks of one size. Block 0 of a cluster is its shared network; the nodes of a role fill
//! blocks of their own, one subnet a node. A cluster's blocks lie scattered over the pool, in an order drawn from its
//! name, so that two clusters seldom meet; within a cluster that order is a permutation, so no two networks can.

use std::collections::BTreeSet;
use std::iter::successors;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

/// The largest subnet a node may have: one block of the default pool, 1,021 containers.
pub(crate) const WIDEST: u8 = 22;
/// The smallest subnet: 13 containers. A service more in a role then seldom moves its nodes.
const NARROWEST: u8 = 28;

/// What a pool cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The pool is too small to be cut at all.
    #[error("a pool needs at least 256 addresses (/24)")]
    PoolTooSmall,
    /// One network needs more addresses than a block has.
    #[error("{needed} containers on one network, where this pool gives room for {room}")]
    NetworkTooLarge {
        /// Containers to hold.
        needed: usize,
        /// Containers that the largest subnet holds.
        room: usize,
    },
    /// More nodes than subnets.
    #[error("the pool is exhausted: it holds {room} nodes of this role")]
    Exhausted {
        /// Nodes of the role that fit.
        room: u64,
    },
}

/// How one cluster's networks lie in the pool.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pool: Ipv4Net,
    /// Prefix length of a block.
    block: u8,
    /// Blocks in the pool, a power of two.
    blocks: u64,
    /// Blocks from one of a role's to its next.
    roles: u64,
    offset: u64,
    /// Odd, so that multiplying by it permutes the blocks.
    stride: u64,
}

impl Layout {
    /// The layout of `cluster`, which has `roles` roles, in `pool`.
    ///
    /// # Errors
    /// [`AddressError::PoolTooSmall`] past /24.
    pub fn new(pool: Ipv4Net, cluster: &str, roles: usize) -> Result<Self, AddressError> {
        if pool.prefix_len() > 24 {
            return Err(AddressError::PoolTooSmall);
        }
        let block = (pool.prefix_len() + 4).clamp(WIDEST, NARROWEST);
        let blocks = 1 << (block - pool.prefix_len());
        // Room for eight roles where there is plenty, so that a new role moves nobody.
        let least = if blocks >= 128 { 8 } else { 1 };
        let hash = Sha256::digest(cluster.as_bytes());
        let draw = |at: usize| u64::from(u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]));
        Ok(Self {
            pool,
            block,
            blocks,
            roles: roles.next_power_of_two().max(least) as u64,
            offset: draw(0) % blocks,
            stride: (draw(4) % blocks) | 1,
        })
    }

    /// The subnet of the shared network.
    #[must_use]
    pub fn shared(&self) -> Ipv4Net {
        self.subnet(0, 0, self.block)
    }

    /// The subnet of a private network: `role` and `ordinal` count from 0, `containers` is what it must hold.
    ///
    /// # Errors
    /// [`AddressError::NetworkTooLarge`] and [`AddressError::Exhausted`].
    pub fn private(&self, role: usize, ordinal: u32, containers: usize) -> Result<Ipv4Net, AddressError> {
        let prefix = self.prefix(containers)?;
        let per_block = 1u64 << (prefix - self.block);
        let chunk = u64::from(ordinal) / per_block;
        let number = 1 + chunk * self.roles + role as u64;
        if number >= self.blocks {
            let last = (self.blocks - 1).saturating_sub(1 + role as u64);
            let chunks = if self.blocks > 1 + role as u64 {
                last / self.roles + 1
            } else {
                0
            };
            return Err(AddressError::Exhausted {
                room: chunks * per_block,
            });
        }
        Ok(self.subnet(number, u64::from(ordinal) % per_block, prefix))
    }

    /// Subnets of the size of `wanted` to try, where something foreign lies on it: the cluster's own order of blocks,
    /// from its end, which growth reaches last.
    pub fn alternatives(&self, wanted: Ipv4Net) -> impl Iterator<Item = Ipv4Net> + use<> {
        let layout = *self;
        let prefix = wanted.prefix_len().max(layout.block);
        (1..layout.blocks).rev().flat_map(move |number| {
            (0..1u64 << (prefix - layout.block)).map(move |slot| layout.subnet(number, slot, prefix))
        })
    }

    /// Containers that a subnet of `prefix` holds: its network, broadcast and gateway addresses are taken.
    #[must_use]
    pub fn room(prefix: u8) -> usize {
        (1usize << (32 - prefix)) - 3
    }

    fn prefix(&self, containers: usize) -> Result<u8, AddressError> {
        (self.block..=NARROWEST)
            .rev()
            .find(|p| Self::room(*p) >= containers)
            .ok_or(AddressError::NetworkTooLarge {
                needed: containers,
                room: Self::room(self.block),
            })
    }

    fn subnet(&self, number: u64, slot: u64, prefix: u8) -> Ipv4Net {
        let at = (self.offset + number * self.stride) % self.blocks;
        let base = u64::from(u32::from(self.pool.network()));
        let address = base + (at << (32 - self.block)) + (slot << (32 - prefix));
        // In range: the pool is IPv4 and `at` lies below its number of blocks.
        let address = Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX));
        Ipv4Net::new_assert(address, prefix)
    }
}

/// Whether two subnets share an address.
#[must_use]
pub fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Subnets to be told from others. Two subnets lie apart or one in the other, so that neither is looked for among all.
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

    /// Put `subnet` in.
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
    use super::*;
    use proptest::prelude::*;

    fn pool(text: &str) -> Ipv4Net {
        text.parse().expect("a network")
    }

    #[test]
    fn the_default_pool_holds_ten_thousand_slaves() {
        let layout = Layout::new(pool("10.192.0.0/11"), "default", 2).expect("layout");
        assert!(layout.private(0, 0, 3).is_ok());
        assert!(layout.private(1, 9_999, 5).is_ok());
        assert_eq!(layout.shared().prefix_len(), 22);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        assert_eq!(
            Layout::new(pool("10.0.0.0/25"), "a", 1).err(),
            Some(AddressError::PoolTooSmall)
        );
        let layout = Layout::new(pool("10.0.0.0/24"), "a", 2).expect("layout");
        assert_eq!(
            layout.private(0, 0, 14),
            Err(AddressError::NetworkTooLarge { needed: 14, room: 13 })
        );
        assert_eq!(layout.private(1, 7, 5), Err(AddressError::Exhausted { room: 7 }));
    }

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

        #[test]
        fn subnets_are_disjoint_and_in_the_pool(
            cluster in "[a-z]{1,8}", prefix in 11u8..=24, roles in 1usize..6, sizes in prop::collection::vec(1usize..40, 6),
        ) {
            let pool = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), prefix);
            let layout = Layout::new(pool, &cluster, roles).expect("layout");
            let mut subnets = vec![layout.shared()];
            for (role, size) in sizes.iter().enumerate().take(roles) {
                subnets.extend((0..70).map_while(|n| layout.private(role, n, *size).ok()));
            }
            for (n, a) in subnets.iter().enumerate() {
                prop_assert!(pool.contains(a));
                for b in &subnets[n + 1..] {
                    prop_assert!(!overlap(a, b), "{a} {b}");
                }
            }
        }
    }
}
