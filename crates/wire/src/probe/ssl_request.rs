//! `SSLRequest`: does the server offer TLS at all.

use std::time::Duration;

use super::exchange::{Target, converse};
use super::server_error;
use super::transport::{Kind, Outcome, Seen};

/// The length of the message and a code that is no version.
pub(super) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How long bytes after the answer are waited for. An honest server waits for us.
const MOMENT: Duration = Duration::from_millis(20);

/// Asks for TLS and reads one byte; then looks whether more came than that byte.
///
/// Bytes between the `S` and the handshake are in clear and from anybody: a client that took them for the server's would be
/// speaking with whoever stands in between (the class of CVE-2021-23222). That outcome is `Unknown`, with the word `stuffed`.
pub(super) async fn ssl_request(target: &Target) -> Seen {
    let (said, transcript) = converse(target, async |talk| {
        talk.send(&SSL_REQUEST).await?;
        let answer = talk.byte().await?;
        Ok(match answer {
            b'S' => match talk.leftover(MOMENT, 256).await {
                0 => (
                    Outcome::Accepted,
                    "S: the server goes on with TLS".to_owned(),
                ),
                stuffed => (
                    Outcome::Unknown,
                    format!("S, and {stuffed} bytes stuffed in behind it before any handshake"),
                ),
            },
            b'N' => (Outcome::Refused, "N: the server has no TLS".to_owned()),
            b'E' => {
                let error = server_error::read(talk).await?;
                (Outcome::Unknown, format!("an error of the server: {error}"))
            }
            other => (
                Outcome::Unknown,
                format!("byte {other:02x} where S or N belongs"),
            ),
        })
    })
    .await;
    let (outcome, said) = said.unwrap_or_else(|why| (Outcome::Unknown, why.to_string()));
    Seen {
        kind: Kind::SslRequest,
        asked: "TLS".to_owned(),
        outcome,
        version: String::new(),
        suite: String::new(),
        said,
        transcript,
    }
}
