//! Where each network's subnet lies: determined by the names of its cluster, its role and itself, and by its node's index.
//!
//! The pool is cut into blocks of one size. Equal subnets of one role and network make a `Series`, which fills blocks
//! of its own one after the other. Which block comes next is a hash of the series' names and of how many it has, so that
//! blocks lie scattered over the pool and two clusters seldom meet. The pool is a hash table with open addressing: where
//! a block is held already, the series takes the next free one of a permutation of its own (double hashing).
//!
//! Blocks are drawn in rounds: each series draws its first, in the order of their names, then each its second. A series
//! that can grow draws in every round, whether its role has that many nodes yet or not. So what a series gets depends on
//! no count, and on no position; it depends on other series only where two draw the same block, and then the one that
//! comes first keeps it.
//!
//! Where a count has dimensions, no order of all combinations stays as it is when any of them grows. There, each block
//! belongs to a tile of neighbouring combinations (8 by 8 of 64 subnets), and is drawn by what the tile's place is.

mod subnets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

pub use subnets::{Subnets, overlap};

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
        /// The number of containers that the subnet must hold.
        needed: usize,
        /// Containers that the largest subnet holds.
        room: usize,
    },
    /// More networks than subnets.
    #[error("the pool is exhausted: it holds {room} networks of this kind")]
    Exhausted {
        /// Networks of that role or name that fit.
        room: u64,
    },
}

/// A network that is to have a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Whose it is.
    pub owner: Owner<'a>,
    /// The network's key within the role, or that under which the cluster declares it.
    pub network: &'a str,
    /// Which one it is, of those that are alike.
    pub at: At<'a>,
    /// How many containers join it.
    pub containers: usize,
}

/// Whose a network is. Networks of roles draw their blocks before those of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner<'a> {
    /// The nodes of the role with this name have one each.
    Role(&'a str),
    /// The cluster's nodes share it.
    Cluster,
}

/// Which one of several networks of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// There is one, and no count.
    Single,
    /// The one with this ordinal, from 0. There may be more later: blocks are kept for them.
    Counted(u32),
    /// The one with these ordinals, from 0, in each dimension of its count.
    Dimensions(&'a [u32]),
}

/// Subnets of one size, for one network of each node of a role. Their order is the order in which they draw blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Series<'a> {
    owner: Owner<'a>,
    network: &'a str,
    prefix: u8,
}

/// A part of what has dimensions: subnets whose ordinals differ little share one block, whatever the counts are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tile<'a> {
    /// The largest of `at`. What a dimension grows by draws after most of what is there.
    level: u32,
    series: Series<'a>,
    at: Vec<u32>,
}

/// The blocks of a [`Series`].
#[derive(Debug, Default)]
struct Blocks {
    /// Where each lies in the pool, in the order in which nodes fill them.
    drawn: Vec<u64>,
    /// How many the nodes that there are need.
    needed: u64,
    /// Whether more nodes may come.
    grows: bool,
}

/// How the pool of one cluster is cut.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pool: Ipv4Net,
    /// Prefix length of a block.
    block: u8,
    /// Blocks in the pool, a power of two.
    blocks: u64,
    /// Identifies the cluster in what is drawn for its series.
    cluster: [u8; 32],
}

impl Layout {
    /// How `pool` is cut for `cluster`.
    ///
    /// # Errors
    /// [`AddressError::PoolTooSmall`] where the pool is smaller than a /24.
    pub fn new(pool: Ipv4Net, cluster: &str) -> Result<Self, AddressError> {
        if pool.prefix_len() > 24 {
            return Err(AddressError::PoolTooSmall);
        }
        let block = (pool.prefix_len() + 4).clamp(WIDEST, NARROWEST);
        Ok(Self {
            pool,
            block,
            blocks: 1 << (block - pool.prefix_len()),
            cluster: Sha256::digest(cluster.as_bytes()).into(),
        })
    }

    /// The number of containers for which a network has a whole block.
    #[must_use]
    pub fn whole_block(&self) -> usize {
        Self::room(self.block)
    }

    /// Where all subnets lie.
    #[must_use]
    pub fn pool(&self) -> Ipv4Net {
        self.pool
    }

    /// The subnet of the shared network: a whole block, which depends on the cluster's name alone.
    #[must_use]
    pub fn shared(&self) -> Ipv4Net {
        self.subnet(self.of_cluster().next().unwrap_or_default(), 0, self.block)
    }

    /// A subnet for each of `requests`, in their order; all of one cluster have to be asked for at once.
    ///
    /// No two overlap, provided that no two requests have the same owner, network and place. To raise the count of a
    /// role, or to write roles and networks in another order, changes no subnet that is there. To add a role or a network
    /// changes only those whose block the new one draws before them, and so does another count of a dimension.
    ///
    /// # Errors
    /// Each by itself: [`AddressError::NetworkTooLarge`] and [`AddressError::Exhausted`].
    pub fn private(&self, requests: &[Request<'_>]) -> Vec<Result<Ipv4Net, AddressError>> {
        let mut all: BTreeMap<Series<'_>, Blocks> = BTreeMap::new();
        let mut tiles: BTreeMap<Tile<'_>, Option<u64>> = BTreeMap::new();
        for request in requests {
            let Ok(series) = self.series(request) else {
                continue;
            };
            let ordinal = match request.at {
                At::Single => 0,
                At::Counted(ordinal) => ordinal,
                At::Dimensions(ordinals) => {
                    tiles.insert(self.tile(series, ordinals).0, None);
                    continue;
                }
            };
            let blocks = all.entry(series).or_default();
            blocks.needed = blocks.needed.max(self.place(series, ordinal).0 + 1);
            blocks.grows |= request.at != At::Single;
        }
        self.draw(&mut all, &mut tiles);
        let subnet = |request: &Request<'_>| {
            let series = self.series(request)?;
            let of_series = || all.get(&series).map_or(&[][..], |blocks| &blocks.drawn);
            let (block, slot) = match request.at {
                At::Dimensions(ordinals) => {
                    let (tile, slot) = self.tile(series, ordinals);
                    (tiles.get(&tile).copied().flatten(), slot)
                }
                At::Single | At::Counted(_) => {
                    let ordinal = if let At::Counted(ordinal) = request.at {
                        ordinal
                    } else {
                        0
                    };
                    let (at, slot) = self.place(series, ordinal);
                    let block = usize::try_from(at).ok().and_then(|at| of_series().get(at));
                    (block.copied(), slot)
                }
            };
            block
                .map(|block| self.subnet(block, slot, series.prefix))
                .ok_or_else(|| {
                    let of_tiles = tiles
                        .iter()
                        .filter(|(tile, block)| tile.series == series && block.is_some());
                    let drawn = of_series().len() + of_tiles.count();
                    AddressError::Exhausted {
                        room: drawn as u64 * self.per_block(series),
                    }
                })
        };
        requests.iter().map(subnet).collect()
    }

    /// Subnets of the size of `wanted` to try, where something foreign lies on it. Those that the cluster's own networks
    /// want are among them.
    pub fn alternatives(&self, wanted: Ipv4Net) -> impl Iterator<Item = Ipv4Net> + use<> {
        let layout = *self;
        let prefix = wanted.prefix_len().max(layout.block);
        let blocks = layout.of_cluster().skip(1);
        blocks.flat_map(move |block| {
            (0..1u64 << (prefix - layout.block)).map(move |slot| layout.subnet(block, slot, prefix))
        })
    }

    /// Containers that a subnet of `prefix` holds: its network, broadcast and gateway addresses are taken.
    #[must_use]
    pub fn room(prefix: u8) -> usize {
        (1usize << (32 - prefix)) - 3
    }

    /// Containers that the largest subnet holds.
    #[must_use]
    pub fn most(&self) -> usize {
        Self::room(self.block)
    }

    /// Draw the blocks of all series, as many rounds as the largest needs, then those of tiles; fewer where the pool ends
    /// before.
    fn draw(&self, all: &mut BTreeMap<Series<'_>, Blocks>, tiles: &mut BTreeMap<Tile<'_>, Option<u64>>) {
        let mut taken: BTreeSet<u64> = self.of_cluster().take(1).collect();
        let rounds = all.values().map(|blocks| blocks.needed).max().unwrap_or_default();
        for round in 0..rounds {
            for (series, blocks) in all.iter_mut() {
                if taken.len() as u64 == self.blocks {
                    return;
                }
                if blocks.grows || round < blocks.needed {
                    let drawn = self.of_series(*series, round).find(|block| taken.insert(*block));
                    blocks.drawn.extend(drawn);
                }
            }
        }
        for (tile, drawn) in tiles {
            if taken.len() as u64 == self.blocks {
                return;
            }
            *drawn = self.of_tile(tile).find(|block| taken.insert(*block));
        }
    }

    fn series<'a>(&self, request: &Request<'a>) -> Result<Series<'a>, AddressError> {
        let prefix = (self.block..=NARROWEST)
            .rev()
            .find(|prefix| Self::room(*prefix) >= request.containers)
            .ok_or(AddressError::NetworkTooLarge {
                needed: request.containers,
                room: Self::room(self.block),
            })?;
        Ok(Series {
            owner: request.owner,
            network: request.network,
            prefix,
        })
    }

    /// How many subnets of `series` one block holds.
    fn per_block(&self, series: Series<'_>) -> u64 {
        1 << (series.prefix - self.block)
    }

    /// In which of its series' blocks a node's subnet lies, and which of the block's it is.
    fn place(&self, series: Series<'_>, ordinal: u32) -> (u64, u64) {
        let per_block = self.per_block(series);
        (u64::from(ordinal) / per_block, u64::from(ordinal) % per_block)
    }

    /// In which tile the subnet with these ordinals lies, and which of its block it is. A block's subnets are dealt out to the
    /// dimensions, the first ones having the most.
    fn tile<'a>(&self, series: Series<'a>, ordinals: &[u32]) -> (Tile<'a>, u64) {
        let bits = usize::from(series.prefix - self.block);
        let mut at = Vec::with_capacity(ordinals.len());
        let mut slot = 0;
        for (dimension, ordinal) in ordinals.iter().enumerate() {
            let own = bits / ordinals.len() + usize::from(dimension < bits % ordinals.len());
            at.push(ordinal >> own);
            slot = (slot << own) | u64::from(*ordinal) & ((1 << own) - 1);
        }
        let level = at.iter().copied().max().unwrap_or_default();
        (Tile { level, series, at }, slot)
    }

    /// All blocks: first that of the shared network, then those to try where one is held by something foreign.
    fn of_cluster(&self) -> impl Iterator<Item = u64> + use<> {
        self.permutation(self.cluster)
    }

    /// All blocks: first the one that `series` prefers in `round`, then those to try where it is held.
    fn of_series(&self, series: Series<'_>, round: u64) -> impl Iterator<Item = u64> + use<> {
        let mut hash = self.begun(series);
        hash.update(round.to_be_bytes());
        self.permutation(hash.finalize().into())
    }

    /// The same for `tile`.
    fn of_tile(&self, tile: &Tile<'_>) -> impl Iterator<Item = u64> + use<> {
        let mut hash = self.begun(tile.series);
        for ordinal in &tile.at {
            hash.update(ordinal.to_be_bytes());
        }
        // No round is so long, whatever the dimensions.
        hash.update([0; 5]);
        self.permutation(hash.finalize().into())
    }

    /// A hash of what is the same for all blocks of `series`.
    fn begun(&self, series: Series<'_>) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(self.cluster);
        // No role has no name.
        let owner = if let Owner::Role(role) = series.owner { role } else { "" };
        for name in [owner, series.network] {
            // No name has a zero byte, so that no two series are written alike.
            hash.update(name.as_bytes());
            hash.update([0]);
        }
        hash.update([series.prefix]);
        hash
    }

    /// All blocks in an order drawn from `hash`.
    fn permutation(&self, hash: [u8; 32]) -> impl Iterator<Item = u64> + use<> {
        let draw = |at: usize| u64::from(u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]));
        let blocks = self.blocks;
        let first = draw(0) % blocks;
        // An odd step comes by every block, for their number is a power of two.
        let step = (draw(4) % blocks) | 1;
        (0..blocks).map(move |n| (first + n * step) % blocks)
    }

    fn subnet(&self, block: u64, slot: u64, prefix: u8) -> Ipv4Net {
        let base = u64::from(u32::from(self.pool.network()));
        let address = base + (block << (32 - self.block)) + (slot << (32 - prefix));
        // In range: the pool is IPv4 and `block` lies below its number of blocks.
        let address = Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX));
        Ipv4Net::new_assert(address, prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(text: &str) -> Ipv4Net {
        text.parse().expect("a network")
    }

    /// A network of a role, and how many nodes there are.
    #[derive(Debug, Clone, PartialEq)]
    struct Wanted {
        role: String,
        network: String,
        count: Option<u32>,
        containers: usize,
    }

    impl Wanted {
        fn new(role: &str, network: &str, count: Option<u32>, containers: usize) -> Self {
            let (role, network) = (role.to_owned(), network.to_owned());
            Self {
                role,
                network,
                count,
                containers,
            }
        }

        fn requests(&self) -> impl Iterator<Item = Request<'_>> {
            (0..self.count.unwrap_or(1)).map(|ordinal| Request {
                owner: Owner::Role(&self.role),
                network: &self.network,
                at: self.count.map_or(At::Single, |_| At::Counted(ordinal)),
                containers: self.containers,
            })
        }
    }

    type Key = (String, String, u32);

    /// The subnets that `all` get, by role, network and ordinal; without those that do not fit.
    fn subnets(layout: Layout, all: &[Wanted]) -> BTreeMap<Key, Ipv4Net> {
        let requests: Vec<Request<'_>> = all.iter().flat_map(Wanted::requests).collect();
        let found = layout.private(&requests);
        assert_eq!(found.len(), requests.len());
        let pairs = requests.iter().zip(found);
        let key = |r: &Request<'_>| {
            let Owner::Role(role) = r.owner else { panic!("a role") };
            let ordinal = if let At::Counted(ordinal) = r.at { ordinal } else { 0 };
            (role.to_owned(), r.network.to_owned(), ordinal)
        };
        pairs.filter_map(|(r, subnet)| Some((key(r), subnet.ok()?))).collect()
    }

    /// Those of `before` that have another subnet in `after`, or none.
    fn moved<'k>(before: &'k BTreeMap<Key, Ipv4Net>, after: &BTreeMap<Key, Ipv4Net>) -> Vec<&'k Key> {
        let other = before.iter().filter(|(key, subnet)| after.get(*key) != Some(*subnet));
        other.map(|(key, _)| key).collect()
    }

    #[test]
    fn the_default_pool_holds_ten_thousand_slaves() {
        let layout = Layout::new(pool("10.192.0.0/11"), "default").expect("layout");
        let roles = [
            Wanted::new("master", "internal", None, 3),
            Wanted::new("slave", "internal", Some(10_000), 5),
        ];
        assert_eq!(subnets(layout, &roles).len(), 10_001);
        assert_eq!(layout.shared().prefix_len(), 22);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        assert_eq!(
            Layout::new(pool("10.0.0.0/25"), "a").err(),
            Some(AddressError::PoolTooSmall)
        );
        let layout = Layout::new(pool("10.0.0.0/24"), "a").expect("layout");
        let roles = [
            Wanted::new("master", "internal", None, 14),
            Wanted::new("other", "internal", None, 5),
            Wanted::new("slave", "internal", Some(20), 5),
        ];
        let requests: Vec<Request<'_>> = roles.iter().flat_map(Wanted::requests).collect();
        let found = layout.private(&requests);
        assert_eq!(found[0], Err(AddressError::NetworkTooLarge { needed: 14, room: 13 }));
        // Sixteen blocks: one is the shared network, one the other role's.
        assert!(found[1..16].iter().all(Result::is_ok), "{found:?}");
        assert_eq!(found[16..], [Err(AddressError::Exhausted { room: 14 }); 6]);
    }

    #[test]
    fn a_role_more_seldom_moves_another() {
        let roles = [
            Wanted::new("master", "internal", None, 3),
            Wanted::new("slave", "internal", Some(50), 5),
        ];
        let more = [vec![Wanted::new("agent", "internal", Some(50), 5)], roles.to_vec()].concat();
        let moves = |cluster: &usize| {
            let layout = Layout::new(pool("10.192.0.0/11"), &format!("cluster-{cluster}")).expect("layout");
            !moved(&subnets(layout, &roles), &subnets(layout, &more)).is_empty()
        };
        // Two blocks of 2,048 can be drawn by the new role: one cluster in a thousand.
        let moving = (0..2000).filter(moves).count();
        assert!((1..=6).contains(&moving), "{moving} of 2000");
    }

    /// The subnets of a role of two dimensions, by their ordinals.
    fn square(layout: Layout, sides: [u32; 2], containers: usize) -> BTreeMap<[u32; 2], Ipv4Net> {
        let ordinals: Vec<[u32; 2]> = (0..sides[0]).flat_map(|a| (0..sides[1]).map(move |b| [a, b])).collect();
        let request = |at| Request {
            owner: Owner::Role("mongo"),
            network: "internal",
            at: At::Dimensions(at),
            containers,
        };
        let requests: Vec<Request<'_>> = ordinals.iter().map(|o| request(&o[..])).collect();
        let found = layout.private(&requests);
        ordinals
            .iter()
            .copied()
            .zip(found)
            .filter_map(|(at, subnet)| Some((at, subnet.ok()?)))
            .collect()
    }

    #[test]
    fn ten_thousand_nodes_in_any_two_dimensions_fit_the_default_pool() {
        let layout = Layout::new(pool("10.192.0.0/11"), "lab").expect("layout");
        for sides in [[100, 100], [10_000, 1], [1, 10_000], [3_333, 3]] {
            let found = square(layout, sides, 5);
            assert_eq!(found.len(), (sides[0] * sides[1]) as usize, "{sides:?}");
        }
    }

    #[test]
    fn another_shard_or_replica_moves_nobody_but_by_chance() {
        let mut moving = 0;
        for cluster in 0..500 {
            let layout = Layout::new(pool("10.192.0.0/11"), &format!("cluster-{cluster}")).expect("layout");
            let before = square(layout, [3, 30], 5);
            for sides in [[4, 30], [40, 30], [3, 31], [3, 90]] {
                let after = square(layout, sides, 5);
                moving += usize::from(before.iter().any(|(at, subnet)| after[at] != *subnet));
            }
        }
        assert!(moving <= 5, "{moving} of 2000");
    }

    proptest! {
        #[test]
        fn subnets_of_dimensions_are_disjoint(
            cluster in "[a-z]{1,8}", prefix in 11u8..=20, sides in prop::array::uniform2(1u32..20), containers in 1usize..60,
        ) {
            let layout = Layout::new(pool_of(prefix), &cluster).expect("layout");
            let found: Vec<Ipv4Net> = square(layout, sides, containers).into_values().chain([layout.shared()]).collect();
            let mut sorted = found.clone();
            sorted.sort();
            prop_assert!(sorted.windows(2).all(|pair| !overlap(&pair[0], &pair[1])));
            prop_assert!(found.iter().all(|subnet| pool_of(prefix).contains(subnet)));
        }

        #[test]
        fn subnets_are_disjoint_and_in_the_pool(cluster in "[a-z]{1,8}", prefix in 11u8..=24, all in wanted()) {
            let layout = Layout::new(pool_of(prefix), &cluster).expect("layout");
            let found: Vec<Ipv4Net> = subnets(layout, &all).into_values().chain([layout.shared()]).collect();
            for (n, a) in found.iter().enumerate() {
                prop_assert!(pool_of(prefix).contains(a));
                for b in &found[n + 1..] {
                    prop_assert!(!overlap(a, b), "{a} {b}");
                }
            }
        }

        #[test]
        fn nodes_of_one_role_may_differ_in_size(cluster in "[a-z]{1,8}", sizes in prop::collection::vec(1usize..60, 1..40)) {
            let layout = Layout::new(pool_of(16), &cluster).expect("layout");
            let request = |(ordinal, containers): (u32, &usize)| Request {
                owner: Owner::Role("a"), network: "internal", at: At::Counted(ordinal), containers: *containers,
            };
            let requests: Vec<Request<'_>> = (0..).zip(&sizes).map(request).collect();
            let found: Vec<Ipv4Net> = layout.private(&requests).into_iter().map(|s| s.expect("room")).collect();
            for (n, (a, size)) in found.iter().zip(&sizes).enumerate() {
                prop_assert!(Layout::room(a.prefix_len()) >= *size);
                prop_assert!(found[n + 1..].iter().all(|b| !overlap(a, b)));
            }
        }

        #[test]
        fn neither_order_nor_a_count_moves_a_subnet(
            cluster in "[a-z]{1,8}", prefix in 11u8..=24,
            (all, other) in wanted().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            more in prop::collection::vec(0u32..200, 8),
        ) {
            let layout = Layout::new(pool_of(prefix), &cluster).expect("layout");
            let before = subnets(layout, &all);
            prop_assert_eq!(&before, &subnets(layout, &other));
            let raised: Vec<Wanted> = all.iter().zip(more).map(|(wanted, more)| Wanted {
                count: wanted.count.map(|count| count + more), ..wanted.clone()
            }).collect();
            prop_assert_eq!(moved(&before, &subnets(layout, &raised)), Vec::<&Key>::new());
        }

        #[test]
        fn a_role_or_network_more_moves_only_what_it_takes_the_place_of(
            cluster in "[a-z]{1,8}", prefix in 11u8..=24, all in wanted(), at in any::<prop::sample::Index>(),
        ) {
            let layout = Layout::new(pool_of(prefix), &cluster).expect("layout");
            // Whichever role or network is new: all of them, and all but that one.
            let mut before = all.clone();
            before.remove(at.index(all.len()));
            let (before, after) = (subnets(layout, &before), subnets(layout, &all));
            let block = |subnet: &Ipv4Net| u32::from(subnet.network()) >> (32 - layout.block);
            let drawn = |(role, network, ordinal): &Key, subnet: &Ipv4Net| {
                let per_block = 1u32 << (subnet.prefix_len() - layout.block);
                (ordinal / per_block, role.clone(), network.clone())
            };
            for key in moved(&before, &after) {
                let old = before[key];
                // Its block is now one that was drawn before, or kept for a node that is not there yet.
                let taker = after.iter().find(|(_, subnet)| block(subnet) == block(&old));
                prop_assert!(taker.is_none_or(|(k, subnet)| drawn(k, subnet) < drawn(key, &old)), "{key:?} {old}");
            }
            if prefix <= 12 {
                // What moves is what shares a block: few of what there is.
                prop_assert!(moved(&before, &after).len() <= 3 * 64, "{:?}", moved(&before, &after).len());
            }
        }
    }

    fn pool_of(prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), prefix)
    }

    /// One to seven networks of some roles, each but once.
    fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
        let one = ("[a-d]", "[x-y]", prop::option::of(1u32..70), 1usize..40);
        prop::collection::vec(one, 1..8).prop_map(|all| {
            let all: BTreeMap<(String, String), _> = all.into_iter().map(|(r, n, c, s)| ((r, n), (c, s))).collect();
            all.into_iter()
                .map(|((r, n), (c, s))| Wanted::new(&r, &n, c, s))
                .collect()
        })
    }
}
