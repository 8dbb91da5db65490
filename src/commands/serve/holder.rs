//! Who listens at a port of this machine, as far as `/proc` shows it (proc(5)).

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// The program that listens at `address`, with its process: `` `nginx` (process 1234) ``. `None` if that cannot be known: it is
/// in another namespace, or of another user.
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let read = |file: &str| fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
    let inodes = ["tcp", "tcp6", "udp", "udp6"]
        .map(|file| listening(&read(file), address))
        .concat();
    let is_holder = |process: &fs::DirEntry| {
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| {
            inodes
                .iter()
                .any(|inode| link.to_str() == Some(&format!("socket:[{inode}]")))
        })
    };
    let mut processes = fs::read_dir("/proc").ok()?.flatten();
    let holder =
        processes.find(|p| p.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) && is_holder(p))?;
    let name = fs::read_to_string(holder.path().join("comm")).ok()?;
    Some(format!("`{}` (process {})", name.trim(), holder.file_name().display()))
}

/// The inodes of the sockets in `text`, which is one of `/proc/net/tcp`, `tcp6`, `udp` and `udp6`, that listen at the port of `address`, at that
/// address or at any.
fn listening(text: &str, address: SocketAddr) -> Vec<u64> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (host, port) = fields.get(1)?.split_once(':')?;
        let is_any = host.bytes().all(|b| b == b'0') || address.ip().is_unspecified();
        let is_it = is_any || matches!(address.ip(), IpAddr::V4(own) if host == hex(own.octets()));
        let is_asked = u16::from_str_radix(port, 16).ok()? == address.port() && is_it;
        // 0A is the state of a socket that listens, 07 of one of UDP without a peer (include/net/tcp_states.h).
        (is_asked && matches!(fields.get(3), Some(&"0A" | &"07")))
            .then(|| fields.get(9)?.parse().ok())
            .flatten()
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// An IPv4 address as the kernel writes it: the number in the order of this machine's bytes.
fn hex(octets: [u8; 4]) -> String {
    format!("{:08X}", u32::from_ne_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_are_found() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n\
            1: 00000000:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0\n\
            2: 0100007F:1B9E 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0\n\
            3: 0200007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0\n\
            4: 0100007F:1B9F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0\n";
        let found = |address: &str| listening(text, address.parse().expect("an address"));
        assert_eq!(found("127.0.0.1:7070"), [11, 12]);
        assert_eq!(found("0.0.0.0:7070"), [11, 12, 14]);
        assert_eq!(found("127.0.0.1:7072"), [0; 0]);
    }

    #[test]
    fn this_process_is_known() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let holder = of(listener.local_addr().expect("an address")).expect("it is this one");
        assert!(
            holder.ends_with(&format!("(process {})", std::process::id())),
            "{holder}"
        );
    }
}
