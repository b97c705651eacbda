//! What is said to a witness and what it answers: C2SP's tlog-witness.

use pgattest_ledger::Hash;
use pgattest_ledger::SignedCheckpoint;
use pgattest_ledger::checkpoint::CheckpointError;
use pgattest_ledger::cosigned::{NoteSignature, WitnessKey};
use std::fmt::Write as _;

/// The body of `POST add-checkpoint`.
pub fn request(old_size: u64, proof: &[Hash], checkpoint: &SignedCheckpoint) -> String {
    let mut body = format!("old {old_size}\n");
    for hash in proof {
        let _ = writeln!(body, "{}", hash.to_base64());
    }
    body.push('\n');
    body.push_str(&checkpoint.to_text());
    body
}

/// The size in the answer 409: what the witness has seen last.
pub fn known_size(body: &[u8]) -> Option<u64> {
    let text = str::from_utf8(body).ok()?;
    let digits = text.strip_suffix('\n').unwrap_or(text);
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits).then_some(size)
}

/// The signature in the answer 200, verified, and when it was made, in seconds since 1970.
pub fn cosignature(
    body: &[u8],
    checkpoint: &SignedCheckpoint,
    witness: &WitnessKey,
) -> Result<(NoteSignature, u64), CheckpointError> {
    let text =
        str::from_utf8(body).map_err(|_| CheckpointError::Malformed("the answer is not UTF-8"))?;
    // A witness may answer with lines of several keys of its.
    for line in text.lines().take(32) {
        let Ok(line) = NoteSignature::parse(line) else {
            continue;
        };
        if witness.is_of(&line) {
            let time = witness.verify(checkpoint, &line)?;
            return Ok((line, time));
        }
    }
    Err(CheckpointError::Malformed(
        "the answer has no signature of the witness's key",
    ))
}
