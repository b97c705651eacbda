//! How much of what was written the peer's TCP has not taken yet: the send queue, as `/proc/net/tcp` has it.
//!
//! The same number as SIOCOUTQ gives, without a call that needs unsafe code.

use std::net::SocketAddr;

/// Bytes that are written and not acknowledged by the peer's TCP. `None`: the connection is not listed (any more), or this is no Linux.
pub(super) fn unacknowledged(local: SocketAddr, peer: SocketAddr) -> Option<u64> {
    let table = match local {
        SocketAddr::V4(_) => "/proc/self/net/tcp",
        SocketAddr::V6(_) => "/proc/self/net/tcp6",
    };
    find(&std::fs::read_to_string(table).ok()?, local, peer)
}

fn find(table: &str, local: SocketAddr, peer: SocketAddr) -> Option<u64> {
    let (local, peer) = (written(local), written(peer));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let here = fields.next()? == local;
        let there = fields.next()? == peer;
        let queues = fields.nth(1)?;
        if !(here && there) {
            return None;
        }
        u64::from_str_radix(queues.split(':').next()?, 16).ok()
    })
}

/// An address as the table has it: words of four bytes in the machine's own order, in hexadecimal digits.
fn written(address: SocketAddr) -> String {
    let octets = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let words = octets
        .chunks_exact(4)
        .filter_map(|word| <[u8; 4]>::try_from(word).ok())
        .map(|word| format!("{:08X}", u32::from_ne_bytes(word)));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_nobody_reads_stays_in_the_queue() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let ends = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            assert_eq!(unacknowledged(ends.0, ends.1), Some(0));
            client.set_nonblocking(true).unwrap();
            while client.write(&[0; 8_192]).is_ok() {}
            assert!(unacknowledged(ends.0, ends.1).unwrap() > 0);
            let mut sink = vec![0; 1 << 20];
            server
                .set_read_timeout(Some(std::time::Duration::from_millis(200)))
                .unwrap();
            while server.read(&mut sink).is_ok_and(|count| count > 0) {}
            assert_eq!(unacknowledged(ends.0, ends.1), Some(0));
        }
    }
}
