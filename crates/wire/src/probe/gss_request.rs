//! `GSSENCRequest`: does the server offer encryption by Kerberos.

use super::exchange::{Target, converse};
use super::server_error;
use super::transport::{Kind, Outcome, Seen};

/// The length of the message and a code that is no version.
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// Asks for GSSAPI encryption and reads the one byte of the answer.
pub(super) async fn gss_request(target: &Target) -> Seen {
    let (said, transcript) = converse(target, async |talk| {
        talk.send(&GSS_REQUEST).await?;
        Ok(match talk.byte().await? {
            b'G' => (
                Outcome::Accepted,
                "G: the server goes on with GSSAPI encryption".to_owned(),
            ),
            b'N' => (
                Outcome::Refused,
                "N: the server has no GSSAPI encryption".to_owned(),
            ),
            b'E' => {
                let error = server_error::read(talk).await?;
                (Outcome::Unknown, format!("an error of the server: {error}"))
            }
            other => (
                Outcome::Unknown,
                format!("byte {other:02x} where G or N belongs"),
            ),
        })
    })
    .await;
    let (outcome, said) = said.unwrap_or_else(|why| (Outcome::Unknown, why.to_string()));
    Seen {
        kind: Kind::GssRequest,
        asked: "GSSAPI encryption".to_owned(),
        outcome,
        version: String::new(),
        suite: String::new(),
        said,
        transcript,
    }
}
