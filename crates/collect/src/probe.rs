//! Handshakes as observations: what `pgattest_wire::probe` saw, in the record beside what the catalog said.

use crate::clock;
use crate::failure;
use jiff::Timestamp;
use pgattest_catalog::{decode, wire};
use pgattest_model::{Observation, ObservationId, Outcome};
use pgattest_wire::probe::{
    CertificateSeen, NoAnswer, Presented, Seen, Target, Transport, Trust, transport,
};
use pgattest_wire::{ConnectOptions, Host, Peer};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The longest that one connection of a probe may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// In whose name something is recorded, and where.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The role of the session beside which the probes ran; the probes themselves name none.
    pub role: &'a str,
    /// Its database.
    pub database: &'a str,
}

/// A target with the patience that suits an audit.
pub fn probe_target(address: SocketAddr, name: Option<&str>) -> Target {
    Target::new(address, name, PATIENCE)
}

/// Tries the handshakes and records them: `cluster/wire-handshakes` and `cluster/wire-certificates`.
///
/// No role is named and nothing secret is sent. With `direct`, TLS is tried without asking first, too, which servers before 17
/// log as a bad startup packet.
pub async fn probe(
    options: &ConnectOptions,
    target: &Target,
    direct: bool,
    asker: Asker<'_>,
) -> Vec<Observation> {
    let started_at = clock::now();
    let Transport {
        handshakes,
        certificate,
    } = Box::pin(transport(target, options, direct)).await;
    let seen_at = Timestamp::now().as_second();
    let finished_at = clock::now();
    let rows: Vec<_> = handshakes.iter().map(handshake_row).collect();
    let handshakes = wire::outcome(wire::HANDSHAKE_COLUMNS, &rows);
    let certificates = match certificate {
        None => wire::outcome(wire::CERTIFICATE_COLUMNS, &[]),
        Some((Ok(seen), _)) => certificates(&seen, target, seen_at),
        Some((Err(why), transcript)) => not_seen(&why, &transcript.received),
    };
    [
        (wire::HANDSHAKES, handshakes),
        (wire::CERTIFICATES, certificates),
    ]
    .into_iter()
    .map(|(group, outcome)| Observation {
        id: ObservationId::cluster(group),
        query: wire::description(group).to_owned(),
        database: asker.database.to_owned(),
        role: asker.role.to_owned(),
        asked_at: target.address.to_string(),
        started_at: started_at.clone(),
        finished_at: finished_at.clone(),
        server_started_at: String::new(),
        server_finished_at: String::new(),
        outcome,
    })
    .collect()
}

/// The same two observations when nothing was tried, with the reason.
pub(crate) fn not_probed(why: &str, asked_at: &str, asker: Asker<'_>) -> Vec<Observation> {
    let now = clock::now();
    [wire::HANDSHAKES, wire::CERTIFICATES]
        .into_iter()
        .map(|group| Observation {
            id: ObservationId::cluster(group),
            query: wire::description(group).to_owned(),
            database: asker.database.to_owned(),
            role: asker.role.to_owned(),
            asked_at: asked_at.to_owned(),
            started_at: now.clone(),
            finished_at: now.clone(),
            server_started_at: String::new(),
            server_finished_at: String::new(),
            outcome: failure::ours(why),
        })
        .collect()
}

/// Where the server that a session is with can be probed: at the session's own address; for a Unix socket, over the loopback,
/// if the settings say that the server listens there. The error says why nowhere.
pub fn probe_address(
    peer: &Peer,
    observations: &[Observation],
) -> Result<(SocketAddr, Option<String>), String> {
    if let Some(ip) = peer.hostaddr {
        let name = match &peer.host {
            Host::Name(name) => Some(name.clone()),
            Host::Directory(_) | Host::Unnamed => None,
        };
        return Ok((SocketAddr::new(ip, peer.port), name));
    }
    let facts = decode(observations);
    let value = |name: &str| {
        let settings = facts.settings.here().map_err(|missing| missing.why)?;
        let setting = settings
            .value
            .require(name)
            .map_err(|missing| missing.why)?;
        Ok::<_, String>(setting.value.clone())
    };
    let listens = value("listen_addresses")?;
    let port = value("port")?;
    let port = port
        .parse()
        .map_err(|_| format!("the server's port is `{port}`"))?;
    let ip = loopback(&listens).ok_or_else(|| {
        if listens.trim().is_empty() {
            "the server accepts no TCP connections: listen_addresses is empty".to_owned()
        } else {
            format!(
                "the session is over a Unix socket, and the server does not listen on the loopback (listen_addresses is \
                 '{listens}'): connect over TCP to have the handshakes tried"
            )
        }
    })?;
    Ok((SocketAddr::new(ip, port), None))
}

/// The loopback address that `listen_addresses` includes.
fn loopback(listens: &str) -> Option<IpAddr> {
    let entries: Vec<String> = listens
        .split(',')
        .map(|entry| entry.trim().trim_matches('"').to_ascii_lowercase())
        .collect();
    let includes = |wanted: &[&str]| entries.iter().any(|entry| wanted.contains(&entry.as_str()));
    if includes(&["*", "0.0.0.0", "127.0.0.1", "localhost"]) {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    if includes(&["::", "::1"]) {
        return Some(Ipv6Addr::LOCALHOST.into());
    }
    // 127.0.0.2 and the like.
    entries
        .iter()
        .filter_map(|entry| entry.parse::<IpAddr>().ok())
        .find(IpAddr::is_loopback)
}

fn handshake_row(seen: &Seen) -> [String; 8] {
    [
        seen.kind.as_str().to_owned(),
        seen.asked.clone(),
        seen.outcome.as_str().to_owned(),
        seen.version.clone(),
        seen.suite.clone(),
        seen.said.clone(),
        hex(&seen.transcript.sent),
        hex(&seen.transcript.received),
    ]
}

fn certificates(seen: &CertificateSeen, target: &Target, seen_at: i64) -> Outcome {
    let host = target
        .name
        .clone()
        .unwrap_or_else(|| target.address.ip().to_string());
    let rows: Vec<_> = seen
        .chain
        .iter()
        .enumerate()
        .map(|(position, one)| certificate_row(position, one, seen, &host, seen_at))
        .collect();
    wire::outcome(wire::CERTIFICATE_COLUMNS, &rows)
}

fn certificate_row(
    position: usize,
    one: &Presented,
    seen: &CertificateSeen,
    host: &str,
    seen_at: i64,
) -> [String; 21] {
    let (trust, why) = match &seen.trust {
        Trust::Yes => ("yes", ""),
        Trust::No(why) => ("no", why.as_str()),
        Trust::NotJudged(why) => ("not-judged", why.as_str()),
    };
    [
        position.to_string(),
        one.subject.clone(),
        one.issuer.clone(),
        one.serial.clone(),
        one.common_name.clone(),
        wire::list(&one.names),
        one.not_before.to_string(),
        one.not_after.to_string(),
        seen_at.to_string(),
        one.key.to_owned(),
        one.key_bits.to_string(),
        one.signature_hash.to_owned(),
        wire::flag(one.self_issued).to_owned(),
        wire::flag(one.ca).to_owned(),
        wire::flag(one.in_order).to_owned(),
        trust.to_owned(),
        why.to_owned(),
        host.to_owned(),
        wire::flag(seen.names_host).to_owned(),
        wire::flag(seen.key_proven).to_owned(),
        hex(&one.der),
    ]
}

fn not_seen(why: &NoAnswer, received: &[u8]) -> Outcome {
    let bytes = match received {
        [] => String::new(),
        [b'S'] => " (received: 53)".to_owned(),
        more => format!(" (received: {})", hex(more)),
    };
    failure::ours(format!("no certificate was seen: {why}{bytes}"))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::loopback;

    #[test]
    fn the_loopback_is_probed_only_where_the_server_listens_on_it() {
        for (listens, expected) in [
            ("localhost", Some("127.0.0.1")),
            ("*", Some("127.0.0.1")),
            ("10.0.0.5, ::1", Some("::1")),
            ("\"127.0.0.1\",::1", Some("127.0.0.1")),
            ("127.0.0.2", Some("127.0.0.2")),
            ("::", Some("::1")),
            ("10.0.0.5", None),
            ("", None),
            ("db.example.com", None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(loopback(listens), expected, "{listens}");
        }
    }
}
