//! What was tried on the wire, as the checks of handshakes need it.

use super::Listening;
use crate::context::Context;
use pgattest_model::facts::{Handshake, Probe, WireOutcome};
use pgattest_model::{Missing, Seen};

/// Why a server without TLS has no subject for the checks of its suites and certificate.
pub(super) const NO_TLS: &str =
    "the server refused to speak TLS, so there is none to judge (TLS-01, TLS-04)";

/// The handshakes that were tried; what a server said when it was asked for TLS.
pub(super) struct Tried<'a> {
    pub(super) handshakes: Seen<'a, Vec<Handshake>>,
    pub(super) offer: Offer<'a>,
}

/// What a server says when it is asked for TLS.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offer<'a> {
    /// It goes on.
    Tls,
    /// It goes on, and bytes in clear came with the answer.
    Stuffed(&'a Handshake),
    /// It says that it has none.
    None,
    /// It said neither.
    Unknown(&'a Handshake),
}

/// What was tried; `None` on a server that accepts no TCP connections.
pub(super) fn tried<'a>(context: &Context<'a>) -> Result<Option<Tried<'a>>, Missing> {
    if Listening::of(context) == Listening::Nowhere {
        return Ok(None);
    }
    let handshakes = context.facts.handshakes.here()?;
    let asked = handshakes
        .value
        .iter()
        .find(|handshake| handshake.probe == Probe::SslRequest)
        .ok_or_else(|| {
            Missing::because("nobody asked the server for TLS").seen_in(handshakes.from.clone())
        })?;
    let offer = match asked.outcome {
        WireOutcome::Accepted => Offer::Tls,
        WireOutcome::Refused => Offer::None,
        // `S` and more: one byte is two digits.
        WireOutcome::Unknown if asked.received.starts_with("53") && asked.received.len() > 2 => {
            Offer::Stuffed(asked)
        }
        WireOutcome::Unknown => Offer::Unknown(asked),
    };
    Ok(Some(Tried { handshakes, offer }))
}

impl<'a> Tried<'a> {
    /// The attempts of some kinds.
    pub(super) fn of(&self, kinds: &'static [Probe]) -> impl Iterator<Item = &'a Handshake> {
        self.handshakes
            .value
            .iter()
            .filter(move |handshake| kinds.contains(&handshake.probe))
    }

    /// An attempt whose answer says neither yes nor no.
    pub(super) fn unclear(&self, handshake: &Handshake) -> Missing {
        Missing::because(format!(
            "the answer to {} cannot be judged: {}",
            described(handshake),
            handshake.said
        ))
        .seen_in(self.handshakes.from.clone())
    }
}

fn described(handshake: &Handshake) -> String {
    match handshake.probe {
        Probe::SslRequest => "SSLRequest".to_owned(),
        Probe::GssRequest => "GSSENCRequest".to_owned(),
        Probe::TlsVersion => format!("a handshake of {}", handshake.asked),
        Probe::CipherSuite => format!("cipher suites of {}", handshake.asked),
        Probe::DirectTls => format!("direct TLS of {}", handshake.asked),
    }
}
