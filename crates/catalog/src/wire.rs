//! The observations that are handshakes instead of queries: their names, columns, and how they become CSV.
//!
//! They have no SQL, and so no entry in [`crate::GROUPS`]; the columns are the fields of `pgattest_model::facts::Handshake` and
//! `pgattest_model::facts::Certificate`.

use pgattest_model::Outcome;

/// The group of `cluster/wire-handshakes`.
pub const HANDSHAKES: &str = "wire-handshakes";

/// The group of `cluster/wire-certificates`.
pub const CERTIFICATES: &str = "wire-certificates";

/// The columns of [`HANDSHAKES`].
pub const HANDSHAKE_COLUMNS: [&str; 8] = [
    "probe", "asked", "outcome", "version", "suite", "said", "sent", "received",
];

/// The columns of [`CERTIFICATES`].
pub const CERTIFICATE_COLUMNS: [&str; 21] = [
    "position",
    "subject",
    "issuer",
    "serial",
    "common_name",
    "names",
    "not_before",
    "not_after",
    "seen_at",
    "key",
    "key_bits",
    "signature_hash",
    "self_issued",
    "ca",
    "in_order",
    "trust",
    "trust_why",
    "host",
    "names_host",
    "key_proven",
    "der",
];

/// What stands where a query's text stands in an observation: what was done, as a comment of SQL.
pub fn description(group: &str) -> &'static str {
    match group {
        HANDSHAKES => {
            "-- no query: SSLRequest; then one ClientHello for each of TLS 1.0 to 1.3, and for TLS 1.2 and 1.3 one for each \
             cipher suite that is accepted; from PostgreSQL 17 on one ClientHello without asking first; GSSENCRequest"
        }
        CERTIFICATES => {
            "-- no query: SSLRequest, then a complete TLS handshake, and nothing inside it"
        }
        _ => "-- no query",
    }
}

/// Rows as an outcome, in the encoding of `COPY (FORMAT csv, HEADER)`. A row has a value for every column; empty is "none".
pub fn outcome<const N: usize>(columns: [&str; N], rows: &[[String; N]]) -> Outcome {
    let mut writer = csv::WriterBuilder::new()
        // Empty is not NULL, as in the server's own results.
        .quote_style(csv::QuoteStyle::NonNumeric)
        .from_writer(Vec::new());
    let written = writer
        .write_record(columns)
        .and_then(|()| rows.iter().try_for_each(|row| writer.write_record(row)));
    match (written, writer.into_inner()) {
        (Ok(()), Ok(csv)) => Outcome::Rows {
            csv,
            rows: rows.len() as u64,
        },
        // Writing to memory fails for no reason that is known; if it does, nothing was seen.
        _ => Outcome::Failed {
            sqlstate: String::new(),
            message: "what was seen could not be written down".to_owned(),
            opens: None,
        },
    }
}

/// As the server writes booleans.
pub const fn flag(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

/// A list of names as one column.
pub fn list(names: &[String]) -> String {
    serde_json::Value::from(names.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{HANDSHAKE_COLUMNS, HANDSHAKES, description, outcome};
    use crate::decode;
    use pgattest_model::facts::{Probe, WireOutcome};
    use pgattest_model::{Observation, ObservationId, Outcome};

    fn observation(outcome: Outcome) -> Observation {
        Observation {
            id: ObservationId::cluster(HANDSHAKES),
            query: description(HANDSHAKES).to_owned(),
            database: String::new(),
            role: String::new(),
            asked_at: String::new(),
            started_at: String::new(),
            finished_at: String::new(),
            server_started_at: String::new(),
            server_finished_at: String::new(),
            outcome,
        }
    }

    #[test]
    fn hostile_words_survive_the_way_through_csv_and_need_no_server() {
        let said = "S, \"stuffed\"\r\n=cmd()";
        let row = ["tls-version", "TLSv1", "unknown", "", "", said, "16", ""].map(str::to_owned);
        let facts = decode(&[observation(outcome(HANDSHAKE_COLUMNS, &[row]))]);
        let seen = facts.handshakes.here().unwrap();
        assert_eq!(seen.value.len(), 1);
        let one = &seen.value[0];
        assert_eq!(
            (one.probe, one.outcome),
            (Probe::TlsVersion, WireOutcome::Unknown)
        );
        assert_eq!((one.said.as_str(), one.received.as_str()), (said, ""));
    }

    #[test]
    fn nothing_tried_is_no_rows_and_a_failure_is_missing() {
        let facts = decode(&[observation(outcome(HANDSHAKE_COLUMNS, &[]))]);
        assert!(facts.handshakes.here().unwrap().value.is_empty());
        assert!(facts.certificates.here().is_err());
    }
}
