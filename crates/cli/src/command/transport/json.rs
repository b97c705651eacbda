//! The proof for a program: every byte.

use super::proof::Proof;
use pgattest_model::facts::{Certificate, Handshake, Probe};
use serde_json::{Value, json};

/// The format's name and version.
const SCHEMA: &str = "pgattest.prove-transport/1";

/// One line of JSON.
pub(super) fn render(proof: &Proof) -> String {
    let certificates = match proof.certificates() {
        Ok(chain) => json!({ "chain": chain.iter().map(certificate).collect::<Vec<_>>() }),
        Err(why) => json!({ "not_seen": why }),
    };
    let (started_at, finished_at) = proof
        .observations
        .iter()
        .rfind(|one| one.id.group() == "wire-handshakes")
        .map_or((None, None), |one| {
            (
                Some(one.started_at.as_str()),
                Some(one.finished_at.as_str()),
            )
        });
    let document = json!({
        "schema": SCHEMA,
        "tool_version": env!("CARGO_PKG_VERSION"),
        "target": proof.target,
        "started_at": started_at,
        "finished_at": finished_at,
        "clear_logins": logins(proof),
        "clear_logins_left_out": proof.logins.left_out,
        "handshakes": proof.handshakes().iter().map(handshake).collect::<Vec<_>>(),
        "certificates": certificates,
        "checks": proof.judged.iter().map(|result| json!({
            "id": result.meta.id,
            "verdict": result.verdict.status().as_str(),
            "findings": result.verdict.findings().iter().map(|finding| json!({
                "severity": finding.severity.as_str(),
                "subject": finding.subject.name,
                "detail": finding.detail,
                "remediation": finding.remediation,
            })).collect::<Vec<_>>(),
            "not_seen": result.verdict.unseen().iter().map(|missing| missing.why.as_str()).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "accepted": proof.accepted,
        "unclear": proof.unclear,
        "exit_code": proof.exit_code(),
    });
    format!("{document:#}\n")
}

fn logins(proof: &Proof) -> Vec<Value> {
    proof
        .logins
        .tried
        .iter()
        .map(|tried| {
            let login = &tried.login;
            json!({
                "user": login.user,
                "database": login.database,
                "from": login.from.map(|from| from.to_string()),
                "outcome": match login.admitted() {
                    Some(true) => "accepted",
                    Some(false) => "refused",
                    None => "unknown",
                },
                "said": login.said(),
                "sent": hex::encode(&login.transcript.sent),
                "received": hex::encode(&login.transcript.received),
                "expected": {
                    "admitted": tried.expected.admitted,
                    "why": tried.expected.why,
                    "disagrees": tried.disagrees(),
                },
            })
        })
        .collect()
}

fn handshake(one: &Handshake) -> Value {
    json!({
        "probe": match one.probe {
            Probe::SslRequest => "ssl-request",
            Probe::TlsVersion => "tls-version",
            Probe::CipherSuite => "cipher-suite",
            Probe::DirectTls => "direct-tls",
            Probe::GssRequest => "gss-request",
        },
        "asked": one.asked,
        "outcome": one.outcome.as_str(),
        "version": one.version,
        "suite": one.suite,
        "said": one.said,
        "sent": one.sent,
        "received": one.received,
    })
}

fn certificate(one: &Certificate) -> Value {
    json!({
        "position": one.position,
        "subject": one.subject,
        "issuer": one.issuer,
        "serial": one.serial,
        "common_name": one.common_name,
        "names": one.names,
        "not_before": one.not_before,
        "not_after": one.not_after,
        "seen_at": one.seen_at,
        "key": one.key,
        "key_bits": one.key_bits,
        "signature_hash": one.signature_hash,
        "self_issued": one.self_issued,
        "ca": one.ca,
        "in_order": one.in_order,
        "trust": one.trust,
        "trust_why": one.trust_why,
        "host": one.host,
        "names_host": one.names_host,
        "key_proven": one.key_proven,
        "der": one.der,
    })
}
