//! Knocking at a server's door: the first message of a login, and what the server asks for.

#![allow(
    clippy::disallowed_types,
    reason = "tests talk to servers; the crate does not"
)]

use anyhow::{Context, Result, bail};
use pgattest_access::hba::{Attempt, Connection, Destination};
use pgattest_testkit::Cluster;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What the server did, by the method of the rule that decided; no rule is `none`.
pub(crate) fn answer(cluster: &Cluster, attempt: &Attempt) -> Result<&'static str> {
    let socket = connect(cluster, attempt).with_context(|| attempt.to_string())?;
    let answer = match attempt.connection {
        Connection::Tls => first_answer(&mut encrypt(cluster, socket)?, attempt),
        Connection::Clear | Connection::Socket => first_answer(&mut &socket, attempt),
        Connection::Gss => bail!("no Kerberos here"),
    };
    answer.with_context(|| attempt.to_string())
}

fn connect(cluster: &Cluster, attempt: &Attempt) -> Result<Socket> {
    let path = cluster
        .socket_dir()
        .join(format!(".s.PGSQL.{}", cluster.port()));
    let (domain, from, to) = match attempt.address {
        _ if attempt.connection == Connection::Socket => {
            (Domain::UNIX, None, SockAddr::unix(path)?)
        }
        Some(IpAddr::V6(from)) => (
            Domain::IPV6,
            Some(IpAddr::V6(from)),
            address(Ipv6Addr::LOCALHOST, cluster.port()),
        ),
        from => (
            Domain::IPV4,
            from,
            address(Ipv4Addr::LOCALHOST, cluster.port()),
        ),
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&address(from, 0))?;
    }
    socket.connect(&to)?;
    Ok(socket)
}

fn address(ip: impl Into<IpAddr>, port: u16) -> SockAddr {
    SocketAddr::new(ip.into(), port).into()
}

fn encrypt(cluster: &Cluster, mut socket: Socket) -> Result<StreamOwned<ClientConnection, Socket>> {
    // SSLRequest
    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47])?;
    let mut agreed = [0];
    socket.read_exact(&mut agreed)?;
    if agreed != *b"S" {
        bail!("the server offers no TLS");
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(
        cluster.ca_file().context("no TLS")?,
    )?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    Ok(StreamOwned::new(client, socket))
}

fn first_answer(stream: &mut (impl Read + Write), attempt: &Attempt) -> Result<&'static str> {
    let (database, replication) = match &attempt.destination {
        Destination::Database(name) => (name.as_str(), "false"),
        Destination::Replication => ("postgres", "true"),
    };
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in [
        "user",
        &attempt.role,
        "database",
        database,
        "replication",
        replication,
    ] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4)?.to_be_bytes();
    stream.write_all(&[&length, body.as_slice()].concat())?;
    stream.flush()?;

    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut body = vec![0; usize::try_from(length)?.saturating_sub(4)];
    stream.read_exact(&mut body)?;
    let text = String::from_utf8_lossy(&body);
    match (head[0], body.get(..4)) {
        (b'R', Some([0, 0, 0, 0])) => Ok("trust"),
        (b'R', Some([0, 0, 0, 3])) => Ok("password"),
        (b'R', Some([0, 0, 0, 10])) => Ok("scram-sha-256"),
        (b'E', _) if text.contains("pg_hba.conf rejects") => Ok("reject"),
        (b'E', _) if text.contains("no pg_hba.conf entry") => Ok("none"),
        (kind, _) => bail!("unexpected message {:?}: {text:?}", char::from(kind)),
    }
}
