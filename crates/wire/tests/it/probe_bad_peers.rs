//! Probes against whoever answers: each bad peer is an outcome, in time, and never a panic.

use std::net::SocketAddr;
use std::time::Duration;

use pgattest_wire::probe::{Kind, Outcome, Target, clear_login, transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::resolve;

/// What a peer does with every connection.
#[derive(Clone)]
struct Peer {
    /// Said to the first message.
    first: Vec<u8>,
    /// Said to the second one.
    second: Vec<u8>,
    /// Whether it then stays, and says nothing.
    stays: bool,
}

impl Peer {
    fn new(first: &[u8], second: &[u8]) -> Self {
        Self {
            first: first.to_vec(),
            second: second.to_vec(),
            stays: false,
        }
    }

    fn stays(mut self) -> Self {
        self.stays = true;
        self
    }

    async fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream));
            }
        });
        address
    }

    /// Reads before it closes, so that closing is no reset.
    async fn answer(self, mut stream: TcpStream) {
        let mut buffer = [0; 2048];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(&self.first).await;
        if !self.second.is_empty() {
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(&self.second).await;
        }
        if self.stays {
            // Until the other end gives up.
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        } else {
            let _ = stream.shutdown().await;
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        }
    }
}

fn target(address: SocketAddr) -> Target {
    Target::new(address, Some("db.example.com"), Duration::from_millis(400))
}

/// What the request and the handshake of TLS 1.2 came to.
async fn tried(peer: Peer) -> (Outcome, String, Option<(Outcome, String)>) {
    let address = peer.serve().await;
    let seen = transport(&target(address), &resolve("host=localhost"), true).await;
    let request = &seen.handshakes[0];
    let version = seen
        .handshakes
        .iter()
        .find(|one| one.kind == Kind::TlsVersion && one.asked == "TLSv1.2");
    let version = version.map(|one| (one.outcome, one.said.clone()));
    if let Some((certificate, _)) = seen.certificate {
        assert!(
            certificate.is_err(),
            "a certificate out of nothing: {certificate:?}"
        );
    }
    (request.outcome, request.said.clone(), version)
}

#[tokio::test]
async fn an_answer_to_the_request_that_is_none() {
    let cases: [(Peer, &str); 8] = [
        (
            Peer::new(b"HTTP/1.1 400 Bad Request\r\n", b""),
            "byte 48 where S or N belongs",
        ),
        (
            Peer::new(b"", b""),
            "the connection was closed after 0 bytes of an answer",
        ),
        (Peer::new(b"", b"").stays(), "no answer within 400 ms"),
        (
            Peer::new(b"E\xff\xff\xff\xffx", b""),
            "the answer is not understood: a message of 4294967295 bytes",
        ),
        (
            Peer::new(b"E\0\0\0\x02", b""),
            "the answer is not understood: a message of 2 bytes",
        ),
        (
            Peer::new(b"E\0\0\0\x40SFATAL", b""),
            "the connection was closed after 11 bytes of an answer",
        ),
        (
            Peer::new(b"E\0\0\0\x1fSFATAL\0C53300\0Mfull \x1b[2J\0\0\0", b"").stays(),
            "an error of the server: FATAL 53300: full \\u{1b}[2J",
        ),
        (
            Peer::new(b"SHello", b"").stays(),
            "S, and 5 bytes stuffed in behind it before any handshake",
        ),
    ];
    for (peer, expected) in cases {
        let (outcome, said, _) = tried(peer).await;
        assert_eq!((outcome, said.as_str()), (Outcome::Unknown, expected));
    }
}

#[tokio::test]
async fn an_answer_to_the_handshake_that_is_none() {
    let endless = vec![22, 3, 3, 0, 0];
    let huge_hello = [22, 3, 3, 0, 8, 2, 0xff, 0xff, 0xff, 3, 3, 0, 0];
    let short_hello = [22, 3, 3, 0, 8, 2, 0, 0, 4, 3, 3, 0, 0];
    let cases: [(&[u8], bool, Outcome, &str); 11] = [
        (
            b"EUnexpected",
            true,
            Outcome::Unknown,
            "the answer is not understood: it begins with 45 55 6e 65 78, which is no TLS",
        ),
        (
            &[22, 3, 3, 0xff, 0xff],
            true,
            Outcome::Unknown,
            "the answer is not understood: a TLS record of 65535 bytes",
        ),
        (
            &endless,
            true,
            Outcome::Unknown,
            "the answer is not understood: a TLS record of 0 bytes",
        ),
        (
            &[22, 3, 3, 0, 90, 2, 0],
            false,
            Outcome::Unknown,
            "the connection was closed after 8 bytes of an answer",
        ),
        (
            &[22, 3, 3, 0, 90, 2, 0],
            true,
            Outcome::Unknown,
            "no answer within 400 ms",
        ),
        (
            &huge_hello,
            true,
            Outcome::Unknown,
            "the answer is not understood: a ServerHello of 16777215 bytes",
        ),
        (
            &short_hello,
            true,
            Outcome::Unknown,
            "the answer is not understood: its ServerHello ends too early",
        ),
        (
            &[22, 3, 3, 0, 4, 11, 0, 0, 0],
            true,
            Outcome::Unknown,
            "the answer is not understood: a handshake message of kind 11 where ServerHello belongs",
        ),
        (
            &[21, 3, 3, 0, 3, 2, 70, 0],
            true,
            Outcome::Unknown,
            "the answer is not understood: an alert of 3 bytes",
        ),
        (
            &[21, 3, 3, 0, 2, 2, 50],
            true,
            Outcome::Unknown,
            "alert 50 decode_error",
        ),
        (
            &[21, 3, 3, 0, 2, 2, 40],
            true,
            Outcome::Refused,
            "alert 40 handshake_failure",
        ),
    ];
    for (second, stays, outcome, said) in cases {
        let peer = Peer::new(b"S", second);
        let peer = if stays { peer.stays() } else { peer };
        let (request, _, version) = tried(peer).await;
        assert_eq!(request, Outcome::Accepted);
        assert_eq!(version, Some((outcome, said.to_owned())));
    }
}

/// A server that takes whatever it likes makes no endless work and proves nothing.
#[tokio::test]
async fn a_suite_that_was_not_offered_is_not_believed() {
    let mut hello = vec![22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0x12, 0x34, 0, 0, 0]);
    let address = Peer::new(b"S", &hello).stays().serve().await;
    let seen = transport(&target(address), &resolve("host=localhost"), false).await;
    let suites: Vec<_> = seen
        .handshakes
        .iter()
        .filter(|one| one.kind == Kind::CipherSuite)
        .collect();
    // One attempt for each of the five lists of TLS 1.2; it never said that it has TLS 1.3.
    assert_eq!(suites.len(), 5);
    for one in suites {
        assert_eq!(
            (one.outcome, one.suite.as_str()),
            (Outcome::Unknown, "0x1234")
        );
        assert_eq!(
            one.said,
            "ServerHello: TLSv1.2 with 0x1234, which was not offered"
        );
    }
    let newest = seen
        .handshakes
        .iter()
        .find(|one| one.asked == "TLSv1.3")
        .unwrap();
    assert_eq!(
        (newest.outcome, newest.version.as_str()),
        (Outcome::Accepted, "TLSv1.2")
    );
}

#[tokio::test]
async fn nobody_at_home_is_said_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let seen = transport(&target(address), &resolve("host=localhost"), false).await;
    assert_eq!(seen.handshakes[0].said, "no connection: connection refused");
    assert!(
        seen.handshakes
            .iter()
            .all(|one| one.outcome == Outcome::Unknown)
    );
}

#[tokio::test]
async fn a_login_answered_by_anybody() {
    let refused = |text: &str| {
        let mut body = text.replace('|', "\0").into_bytes();
        body.extend([0, 0]);
        let mut message = vec![b'E'];
        message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        message.extend(body);
        message
    };
    let endless_notices = b"R\0\0\0\x08\0\0\0\0"
        .iter()
        .copied()
        .chain(b"N\0\0\0\x04".repeat(100));
    let cases: [(Vec<u8>, Option<bool>, &str); 9] = [
        (
            b"".to_vec(),
            None,
            "the connection was closed after 0 bytes of an answer",
        ),
        (
            b"HTTP/1.1 400".to_vec(),
            None,
            "the answer is not understood: message 48 where a login is answered",
        ),
        (
            b"R\xff\xff\xff\xff".to_vec(),
            None,
            "the answer is not understood: a message of 4294967295 bytes",
        ),
        (
            b"R\0\0\0\x06\0\0".to_vec(),
            None,
            "the answer is not understood: an authentication request without a method",
        ),
        (
            b"R\0\0\0\x08\0\0".to_vec(),
            None,
            "the connection was closed after 7 bytes of an answer",
        ),
        (
            endless_notices.collect(),
            None,
            "the answer is not understood: more than 64 messages after AuthenticationOk",
        ),
        (
            b"R\0\0\0\x08\0\0\0\x63".to_vec(),
            Some(true),
            "authentication method 99",
        ),
        (
            refused("SFATAL|VFATAL|C08P01|MSSL required"),
            Some(false),
            "FATAL 08P01: SSL required",
        ),
        (
            refused(
                "SFATAL|VFATAL|C28000|Mrole \"x\" does not exist|Fmiscinit.c|RInitializeSessionUserId",
            ),
            None,
            "FATAL 28000: role \"x\" does not exist (InitializeSessionUserId, miscinit.c)",
        ),
    ];
    for (answer, admitted, said) in cases {
        let address = Peer::new(&answer, b"").serve().await;
        let login = clear_login(&target(address), "it's \"me\"", "shop").await;
        assert_eq!((login.admitted(), login.said().as_str()), (admitted, said));
        assert!(login.transcript.received.len() <= answer.len());
    }
}
