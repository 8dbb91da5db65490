//! Reads routes, listening ports and limits of the engine's host from `/proc` (proc(5)), if that host is this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use tokio::net::UnixStream;

use crate::cluster::HostPort;
use crate::cluster::ObservedHost;
use crate::cluster::ObservedNetwork;
use crate::cluster::Room;
use crate::engine::connect::Engine;
use crate::engine::connect::host::Host;

/// The observed host of `engine`; empty if it may be another machine or another network namespace.
pub(super) async fn observed(engine: &Engine, ports: bool) -> ObservedHost {
    if !is_here(engine).await {
        return ObservedHost::default();
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let files = [("tcp", false), ("tcp6", false), ("udp", true), ("udp6", true)];
    let mut ports = match ports {
        true => files
            .map(|(file, udp)| listening(&read(&format!("/proc/net/{file}")), udp))
            .concat(),
        false => Vec::new(),
    };
    ports.sort_unstable();
    ports.dedup();
    ObservedHost {
        routes: routes(&read("/proc/net/route")),
        ports,
        room: room(read),
    }
}

/// The size of the kernel's ARP table, which all containers share.
const NEIGHBOURS: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";

/// The size of the kernel's ARP table in entries; 0 if it cannot be read.
#[must_use]
pub fn neighbours() -> u64 {
    let text = std::fs::read_to_string(NEIGHBOURS).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// How often the kernel's ARP table has been full since boot; `None` if the engine may run on another kernel, or the
/// kernel does not report it.
#[must_use]
pub fn overflows(engine: &Engine) -> Option<u64> {
    match engine.host {
        Host::Unix(_) => fulls(&std::fs::read_to_string("/proc/net/stat/arp_cache").ok()?),
        _ => None,
    }
}

/// The sum over all CPUs of the field `table_fulls`. `arp_cache` has a line per CPU, in hexadecimal.
fn fulls(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let at = lines
        .next()?
        .split_whitespace()
        .position(|name| name == "table_fulls")?;
    let of = |line: &str| u64::from_str_radix(line.split_whitespace().nth(at)?, 16).ok();
    lines.map(of).sum()
}

/// The free capacity of the host, from files of `/proc` and `/sys` that `read` returns.
fn room(read: impl Fn(&str) -> String) -> Option<Room> {
    let meminfo = read("/proc/meminfo");
    let available = meminfo.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = available.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let number = |path: &str| read(path).trim().parse::<u64>().ok();
    let most = number("/proc/sys/kernel/pid_max")?.min(number("/proc/sys/kernel/threads-max")?);
    // The fourth field is the number of running tasks and of all tasks, as in `1/234`.
    let loadavg = read("/proc/loadavg");
    let (_, all) = loadavg.split_whitespace().nth(3)?.split_once('/')?;
    Some(Room {
        memory: kilobytes * 1024,
        tasks: most.saturating_sub(all.parse().ok()?),
        neighbours: number(NEIGHBOURS)?,
        // With cgroup v2 each containerd shim holds one inotify instance to watch `memory.events`.
        inotify_instances: match read("/sys/fs/cgroup/cgroup.controllers").is_empty() {
            true => None,
            false => number("/proc/sys/fs/inotify/max_user_instances"),
        },
    })
}

/// Whether the engine runs in the network namespace of this process, judged by the process at the other end of its
/// socket.
async fn is_here(engine: &Engine) -> bool {
    let Host::Unix(path) = &engine.host else {
        return false;
    };
    let Ok(Ok(peer)) = UnixStream::connect(path).await.map(|s| s.peer_cred()) else {
        return false;
    };
    let own = std::fs::read_link("/proc/self/ns/net").ok();
    match peer.pid().map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net"))) {
        Some(Ok(theirs)) => own == Some(theirs),
        // Only root may inspect the namespaces of another user's process. A rootless engine would run as this user, so
        // this one is the system's.
        _ => true,
    }
}

impl ObservedHost {
    /// The host without the routes of the engine's own networks, whose subnets are known already.
    pub(super) fn without_bridges(mut self, networks: &[ObservedNetwork]) -> Self {
        self.routes
            .retain(|(subnet, _)| !networks.iter().any(|n| n.subnets.contains(subnet)));
        self
    }
}

/// The routes in `/proc/net/route`, without the default route.
fn routes(text: &str) -> Vec<(Ipv4Net, String)> {
    let route = |line: &str| {
        let mut fields = line.split_whitespace();
        let interface = fields.next()?.to_owned();
        let hex = |text: Option<&str>| {
            u32::from_str_radix(text?, 16)
                .ok()
                .map(|n| Ipv4Addr::from(n.swap_bytes()))
        };
        let destination = hex(fields.next())?;
        let mask = hex(fields.nth(5))?;
        let net = Ipv4Net::with_netmask(destination, mask).ok()?;
        (net.prefix_len() > 0).then_some((net, interface))
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// The listening ports in `/proc/net/{tcp,udp}{,6}`.
fn listening(text: &str, udp: bool) -> Vec<HostPort> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        // `0A` is a listening TCP socket, `07` a UDP socket that is bound and not connected.
        if *fields.get(3)? != if udp { "07" } else { "0A" } {
            return None;
        }
        Some(HostPort {
            address: ip(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            udp,
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// An address in the kernel's notation: words of four bytes in hexadecimal, in the machine's byte order.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16)
            .ok()
            .map(u32::swap_bytes)
    };
    if text.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let words = [word(0)?, word(1)?, word(2)?, word(3)?];
    let whole = words.iter().fold(0u128, |whole, word| whole << 32 | u128::from(*word));
    let v6 = Ipv6Addr::from(whole);
    Some(match v6.to_ipv4_mapped() {
        Some(v4) => IpAddr::V4(v4),
        // A socket on `::` accepts IPv4 too, unless `IPV6_V6ONLY` is set, which `/proc` does not show.
        None if v6.is_unspecified() => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        None => IpAddr::V6(v6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    tun0\t0000C00A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n";
        let net: Ipv4Net = "10.192.0.0/12".parse().expect("a network");
        assert_eq!(routes(text), [(net, "tun0".to_owned())]);
    }

    #[test]
    fn what_is_left_is_read() {
        let read = |two: bool, path: &str| match path {
            "/proc/meminfo" => "MemTotal:  100 kB\nMemAvailable:  2048 kB\n",
            "/proc/sys/kernel/pid_max" => "32768\n",
            "/proc/sys/kernel/threads-max" => "192730\n",
            NEIGHBOURS => "1024\n",
            "/proc/sys/fs/inotify/max_user_instances" => "128\n",
            "/sys/fs/cgroup/cgroup.controllers" if two => "cpu memory pids\n",
            "/proc/loadavg" => "0.20 0.18 0.12 1/768 11206\n",
            _ => "",
        };
        let one = room(|path| read(false, path).to_owned()).expect("all is there");
        assert_eq!((one.memory, one.tasks, one.neighbours), (2 << 20, 32_000, 1024));
        let two = room(|path| read(true, path).to_owned()).expect("all is there");
        assert_eq!((one.inotify_instances, two.inotify_instances), (None, Some(128)));
    }

    #[test]
    fn overflows_are_summed_over_all_cpus() {
        let text = "entries  allocs table_fulls\n00000400  00000001 00000010\n00000400  00000002 0000000a\n";
        assert_eq!(fulls(text), Some(26));
        assert_eq!(fulls("entries\n00000400\n"), None);
    }

    #[test]
    fn listeners_are_read() {
        let tcp = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 0100007F:1F91 0100007F:0016 01 0\n";
        let all: Vec<String> = listening(tcp, false).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["127.0.0.1:8080"]);
        let six = "head\n   0: 00000000000000000000000000000000:0050 0:0 0A 0\n   1: 0000000000000000FFFF00000100007F:0051 0:0 0A 0\n";
        let all: Vec<String> = listening(six, false).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["80", "127.0.0.1:81"]);
    }
}
