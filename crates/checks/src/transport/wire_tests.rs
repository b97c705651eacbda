//! Answers that no server of a test gives: what was recorded is all that a check has.

use super::{CipherSuites, Handshakes, ServerCertificate};
use crate::check::Check;
use crate::context::Context;
use pgattest_catalog::wire;
use pgattest_model::{
    Facts, Missing, Observation, ObservationId, Outcome, Policy, Status, Verdict,
};

fn observation(group: &str, outcome: Outcome) -> Observation {
    Observation {
        id: ObservationId::cluster(group),
        query: wire::description(group).to_owned(),
        database: "postgres".to_owned(),
        role: "auditor".to_owned(),
        asked_at: "192.0.2.1:5432".to_owned(),
        started_at: String::new(),
        finished_at: String::new(),
        server_started_at: String::new(),
        server_finished_at: String::new(),
        outcome,
    }
}

/// `probe,asked,outcome,version,suite,said,received`.
fn facts(handshakes: &[[&str; 7]], certificates: &[[String; 21]]) -> Facts {
    let rows: Vec<_> = handshakes
        .iter()
        .map(|[probe, asked, outcome, version, suite, said, received]| {
            [probe, asked, outcome, version, suite, said, &"", received]
                .map(|text| (*text).to_owned())
        })
        .collect();
    pgattest_catalog::decode(&[
        observation(
            wire::HANDSHAKES,
            wire::outcome(wire::HANDSHAKE_COLUMNS, &rows),
        ),
        observation(
            wire::CERTIFICATES,
            wire::outcome(wire::CERTIFICATE_COLUMNS, certificates),
        ),
    ])
}

const S: [&str; 7] = ["ssl-request", "TLS", "accepted", "", "", "S", "53"];
const OLD: [&str; 7] = ["tls-version", "TLSv1", "refused", "", "", "alert 70", "53"];
const GOOD: [&str; 7] = [
    "tls-version",
    "TLSv1.2",
    "accepted",
    "TLSv1.2",
    "TLS_AES_128_GCM_SHA256",
    "ServerHello",
    "53",
];

fn assess(check: &dyn Check, facts: &Facts) -> Verdict {
    let policy = Policy::default();
    let context = Context::new(facts, &policy);
    check.assess(&context).unwrap_or_else(Verdict::NotAssessed)
}

fn details(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings().iter();
    findings
        .map(|finding| format!("{} {}", finding.severity, finding.detail))
        .collect()
}

#[test]
fn an_answer_that_cannot_be_judged_is_no_refusal() {
    let mut silent = OLD;
    silent[2] = "unknown";
    silent[5] = "no answer within 5000 ms";
    let verdict = assess(&Handshakes, &facts(&[S, silent, GOOD], &[]));
    assert_eq!(verdict.status(), Status::NotAssessed);
    assert_eq!(
        verdict.unseen()[0].why,
        "the answer to a handshake of TLSv1 cannot be judged: no answer within 5000 ms"
    );
    // A modern version that is silent is nothing as long as another one works.
    let mut newest = silent;
    newest[1] = "TLSv1.3";
    let verdict = assess(&Handshakes, &facts(&[S, OLD, GOOD, newest], &[]));
    assert_eq!(verdict.status(), Status::Pass);
    let verdict = assess(&Handshakes, &facts(&[S, OLD, newest], &[]));
    assert_eq!(verdict.status(), Status::NotAssessed);
    // Its suites are not known either.
    let verdict = assess(&CipherSuites, &facts(&[S, OLD, newest], &[]));
    assert_eq!(verdict.status(), Status::NotAssessed);
}

#[test]
fn a_lower_version_than_was_offered_counts_as_what_it_is() {
    let mut lower = GOOD;
    lower[3] = "TLSv1";
    lower[4] = "TLS_RSA_WITH_RC4_128_MD5";
    let facts = facts(&[S, lower], &[]);
    assert_eq!(
        details(&assess(&Handshakes, &facts)),
        [
            "high TLSv1 was accepted with TLS_RSA_WITH_RC4_128_MD5 when TLSv1.2 was offered, and the floor is TLSv1.2",
            "high TLSv1.2 or newer was refused in every handshake",
        ]
    );
    assert_eq!(
        details(&assess(&CipherSuites, &facts)),
        ["high TLS_RSA_WITH_RC4_128_MD5 is accepted in TLSv1"]
    );
}

#[test]
fn bytes_stuffed_in_behind_the_answer_are_found() {
    let stuffed = [
        "ssl-request",
        "TLS",
        "unknown",
        "",
        "",
        "S, and 5 bytes",
        "5348656c6c6f",
    ];
    assert_eq!(
        details(&assess(&Handshakes, &facts(&[stuffed], &[]))),
        [
            "high SSLRequest was answered with S and 5 bytes more in clear, which a client could take for the server's"
        ]
    );
}

#[test]
fn nothing_tried_is_never_a_pass() {
    let checks: [&dyn Check; 3] = [&Handshakes, &CipherSuites, &ServerCertificate];
    let silent = [
        "ssl-request",
        "TLS",
        "unknown",
        "",
        "",
        "no answer within 5000 ms",
        "",
    ];
    for facts in [
        facts(&[], &[]),
        facts(&[silent], &[]),
        facts(&[S], &[]),
        pgattest_catalog::decode(&[]),
    ] {
        for check in checks {
            let verdict = assess(check, &facts);
            assert_ne!(verdict.status(), Status::Pass, "{verdict:?}");
            assert_ne!(verdict.status(), Status::NotApplicable, "{verdict:?}");
        }
    }
    assert!(matches!(
        assess(&ServerCertificate, &facts(&[S, GOOD], &[])),
        Verdict::NotAssessed(Missing { .. })
    ));
}

const DAY: i64 = 86_400;
/// 2026-11-23, about noon.
const SEEN: i64 = 20_780 * DAY + 40_000;

/// A certificate with changes to single columns.
fn certificate(position: usize, changes: &[(&str, &str)]) -> [String; 21] {
    let names = r#"["DNS:*.example.com"]"#;
    let mut row = [
        &position.to_string(),
        "CN=db",
        "CN=ca",
        "01",
        "db",
        names,
        "0",
        &(SEEN + 400 * DAY).to_string(),
        &SEEN.to_string(),
        "rsa",
        "2048",
        "sha256",
        "f",
        "f",
        "t",
        "not-judged",
        "no root",
        "db.example.com",
        "t",
        "t",
        "30",
    ]
    .map(str::to_owned);
    for (column, value) in changes {
        let at = wire::CERTIFICATE_COLUMNS
            .iter()
            .position(|name| name == column)
            .unwrap();
        (*value).clone_into(&mut row[at]);
    }
    row
}

#[test]
fn each_fault_of_a_certificate_is_found() {
    let at = |days: i64| (SEEN + days * DAY).to_string();
    let (soon, enough, over, later) = (at(29), at(30), at(-1), at(2));
    for (changes, expected) in [
        (
            &[("not_after", soon.as_str())][..],
            "medium certificate 'CN=db' ends on 2026-12-22, 29 days after it was seen; at least 30 are asked for",
        ),
        (&[("not_after", &enough)], ""),
        (
            &[
                ("not_after", &over),
                ("trust", "no"),
                ("trust_why", "Expired"),
            ],
            "high certificate 'CN=db' ended on 2026-11-22",
        ),
        (
            &[("not_before", &later)],
            "high certificate 'CN=db' is not valid before 2026-11-25",
        ),
        (
            &[("key_bits", "2047")],
            "high certificate 'CN=db' has an RSA key of 2047 bits; 2048 are asked for",
        ),
        (
            &[("key", "ec"), ("key_bits", "224")],
            "high certificate 'CN=db' has an EC key of 224 bits; 256 are asked for",
        ),
        (
            &[
                ("key", "ed25519"),
                ("key_bits", "256"),
                ("signature_hash", "none"),
            ],
            "",
        ),
        (
            &[("key", "dsa"), ("key_bits", "0")],
            "high certificate 'CN=db' has a DSA key, which no client accepts any more",
        ),
        (
            &[("signature_hash", "md5")],
            "high certificate 'CN=db' is signed over MD5",
        ),
        (
            &[("in_order", "f")],
            "low certificate 'CN=db' shows a chain in which a certificate is not followed by its issuer's",
        ),
        (
            &[("names_host", "f")],
            "high certificate 'CN=db' does not name 'db.example.com', which was connected to",
        ),
        (
            &[("self_issued", "t"), ("trust", "yes"), ("trust_why", "")],
            "",
        ),
        (
            &[("trust", "no"), ("trust_why", "UnknownIssuer")],
            "high certificate 'CN=db' does not verify against the root certificate given: UnknownIssuer",
        ),
    ] {
        let verdict = assess(
            &ServerCertificate,
            &facts(&[S, GOOD], &[certificate(0, changes)]),
        );
        assert_eq!(details(&verdict).join("\n"), expected, "{changes:?}");
        let status = if expected.is_empty() {
            Status::Pass
        } else {
            Status::Fail
        };
        assert_eq!(verdict.status(), status, "{changes:?}");
    }
}

#[test]
fn a_root_that_is_sent_along_is_not_judged_and_an_intermediate_is() {
    let own = certificate(0, &[]);
    let root = certificate(
        1,
        &[
            ("self_issued", "t"),
            ("signature_hash", "sha1"),
            ("not_after", "1"),
        ],
    );
    let verdict = assess(&ServerCertificate, &facts(&[S, GOOD], &[own.clone(), root]));
    assert_eq!(verdict.status(), Status::Pass);
    let intermediate = certificate(1, &[("subject", "CN=between"), ("signature_hash", "sha1")]);
    let verdict = assess(&ServerCertificate, &facts(&[S, GOOD], &[own, intermediate]));
    assert_eq!(
        details(&verdict),
        ["high certificate 'CN=between' is signed over SHA1"]
    );
}

#[test]
fn what_is_not_known_of_a_certificate_is_no_pass() {
    for changes in [
        &[("key", "other"), ("key_bits", "0")][..],
        &[("key_bits", "0")],
        &[("signature_hash", "")],
        &[("host", "127.0.0.1"), ("names_host", "f")],
        &[("host", "localhost"), ("names_host", "f")],
    ] {
        let verdict = assess(
            &ServerCertificate,
            &facts(&[S, GOOD], &[certificate(0, changes)]),
        );
        assert_eq!(verdict.status(), Status::NotAssessed, "{changes:?}");
    }
}
