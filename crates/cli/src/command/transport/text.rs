//! The proof for a person.

use super::proof::{Proof, name};
use pgattest_model::facts::{Handshake, Probe, SuiteGrade, WireOutcome};
use pgattest_model::ident::visible;
use pgattest_model::{Severity, Status};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many bytes are shown without `--verbose`.
const FIRST_BYTES: usize = 8;

/// How many bytes stand in a line with `--verbose`.
const BYTES_IN_LINE: usize = 32;

/// Writes everything down; with `all` every byte.
pub(super) fn render(proof: &Proof, all: bool) -> String {
    let mut text = format!("Transport of {}\n", visible(&proof.target));
    logins(&mut text, proof, all);
    section(
        &mut text,
        "TLS and GSSAPI",
        proof,
        &[
            Probe::SslRequest,
            Probe::TlsVersion,
            Probe::DirectTls,
            Probe::GssRequest,
        ],
        all,
    );
    suites(&mut text, proof, all);
    certificates(&mut text, proof);
    conclusion(&mut text, proof);
    text
}

fn logins(text: &mut String, proof: &Proof, all: bool) {
    let _ = writeln!(text, "\nLogins in clear text");
    for tried in &proof.logins.tried {
        let login = &tried.login;
        let outcome = match login.admitted() {
            Some(true) => "accepted",
            Some(false) => "refused",
            None => "unknown",
        };
        let who = format!("{} to {}", name(&login.user), name(&login.database));
        let _ = writeln!(text, "  {who:<34} {outcome:<9} {}", visible(&login.said()));
        let _ = writeln!(
            text,
            "  {:<44} {}",
            "",
            first_bytes(&hex(&login.transcript.received))
        );
        let expected = match (tried.expected.admitted, tried.disagrees()) {
            (None, _) => format!("what pg_hba.conf says is not known: {}", tried.expected.why),
            (Some(_), Some(true)) => format!(
                "NOT what pg_hba.conf says: {} (seen from {}; address translation, a proxy or a file that was not loaded?)",
                tried.expected.why,
                login
                    .from
                    .map_or_else(|| "an unknown address".to_owned(), |from| from.to_string())
            ),
            (Some(_), Some(false)) => format!("as pg_hba.conf says: {}", tried.expected.why),
            (Some(_), None) => format!("pg_hba.conf: {}", tried.expected.why),
        };
        let _ = writeln!(text, "  {:<44} {}", "", visible(&expected));
        if all {
            bytes(text, "sent", &hex(&login.transcript.sent));
            bytes(text, "received", &hex(&login.transcript.received));
        }
    }
    if proof.logins.left_out > 0 {
        let _ = writeln!(
            text,
            "  {} more login roles were not tried: name them with --user",
            proof.logins.left_out
        );
    }
}

fn section(text: &mut String, title: &str, proof: &Proof, kinds: &[Probe], all: bool) {
    let _ = writeln!(text, "\n{title}");
    for one in proof
        .handshakes()
        .iter()
        .filter(|one| kinds.contains(&one.probe))
    {
        line(text, one, all);
    }
}

fn line(text: &mut String, one: &Handshake, all: bool) {
    let asked = match one.probe {
        Probe::SslRequest => "SSLRequest".to_owned(),
        Probe::GssRequest => "GSSENCRequest".to_owned(),
        Probe::DirectTls => format!("{}, direct", one.asked),
        Probe::TlsVersion | Probe::CipherSuite => one.asked.clone(),
    };
    let _ = writeln!(
        text,
        "  {:<34} {:<9} {}",
        visible(&asked),
        one.outcome.as_str(),
        visible(&one.said)
    );
    let _ = writeln!(text, "  {:<44} {}", "", first_bytes(&one.received));
    if all {
        bytes(text, "sent", &one.sent);
        bytes(text, "received", &one.received);
    }
}

fn suites(text: &mut String, proof: &Proof, all: bool) {
    let _ = writeln!(text, "\nCipher suites accepted, one handshake each");
    let mut by_grade: BTreeMap<(SuiteGrade, &str), Vec<&Handshake>> = BTreeMap::new();
    let offered = || {
        proof
            .handshakes()
            .iter()
            .filter(|one| one.probe == Probe::CipherSuite)
    };
    for one in offered().filter(|one| one.outcome == WireOutcome::Accepted) {
        let key = (SuiteGrade::of(&one.suite), one.version.as_str());
        by_grade.entry(key).or_default().push(one);
    }
    if by_grade.is_empty() {
        let _ = writeln!(text, "  none");
    }
    for ((grade, version), suites) in by_grade {
        for one in suites {
            let _ = writeln!(
                text,
                "  {:<34} {}",
                visible(&format!("{version} {}", grade.as_str())),
                visible(&one.suite)
            );
            if all {
                bytes(text, "sent", &one.sent);
                bytes(text, "received", &one.received);
            }
        }
    }
    for one in offered().filter(|one| one.outcome != WireOutcome::Accepted) {
        if one.outcome == WireOutcome::Unknown || all {
            line(text, one, all);
        }
    }
    let refused = offered()
        .filter(|one| one.outcome == WireOutcome::Refused)
        .count();
    if refused > 0 && !all {
        let _ = writeln!(
            text,
            "  every other suite that was offered was refused ({refused} handshakes)"
        );
    }
}

fn certificates(text: &mut String, proof: &Proof) {
    let _ = writeln!(text, "\nCertificate");
    let chain = match proof.certificates() {
        Ok([]) => {
            let _ = writeln!(text, "  none: the server has no TLS");
            return;
        }
        Ok(chain) => chain,
        Err(why) => {
            let _ = writeln!(text, "  not seen: {}", visible(&why));
            return;
        }
    };
    for one in chain {
        let mut put = |what: &str, value: &str| {
            let _ = writeln!(text, "  {what:<12} {}", visible(value));
        };
        put("subject", &one.subject);
        put("issuer", &one.issuer);
        put("names", &one.names.join(", "));
        put(
            "valid",
            &format!("{} to {}", moment(one.not_before), moment(one.not_after)),
        );
        put("key", &format!("{}, {} bits", one.key, one.key_bits));
        put("signed over", &one.signature_hash);
        if one.position == 0 {
            put(
                "names host",
                &format!("{}: {}", one.host, yes(one.names_host)),
            );
            let why = if one.trust_why.is_empty() {
                String::new()
            } else {
                format!(": {}", one.trust_why)
            };
            put("trusted", &format!("{}{why}", one.trust));
            put("holds key", yes(one.key_proven));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

fn conclusion(text: &mut String, proof: &Proof) {
    let _ = writeln!(text, "\nConclusion");
    for result in &proof.judged {
        let status = result.verdict.status();
        let _ = writeln!(
            text,
            "  {:<8} {:<14} {}",
            result.meta.id,
            status.words(),
            result.meta.title
        );
        let low = result
            .verdict
            .findings()
            .iter()
            .filter(|finding| finding.severity < Severity::Medium);
        for finding in low {
            let _ = writeln!(
                text,
                "           {}: {}",
                finding.severity,
                visible(&finding.detail)
            );
        }
        if status == Status::NotAssessed {
            for missing in result.verdict.unseen() {
                let _ = writeln!(text, "           {}", visible(&missing.why));
            }
        }
    }
    for one in &proof.accepted {
        let _ = writeln!(text, "  accepted, and should not be: {}", visible(one));
    }
    for one in &proof.unclear {
        let _ = writeln!(text, "  could not be told: {}", visible(one));
    }
    if proof.accepted.is_empty() && proof.unclear.is_empty() {
        let _ = writeln!(text, "  everything that should be refused was refused");
    }
}

fn first_bytes(hex: &str) -> String {
    if hex.is_empty() {
        return "(no byte came back)".to_owned();
    }
    let shown: Vec<&str> = pairs(hex).take(FIRST_BYTES).collect();
    let more = (hex.len() / 2).saturating_sub(FIRST_BYTES);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" ... {more} more")
    };
    format!("{}{more}", shown.join(" "))
}

fn bytes(text: &mut String, what: &str, hex: &str) {
    let all: Vec<&str> = pairs(hex).collect();
    let _ = writeln!(text, "    {what}, {} bytes", all.len());
    for line in all.chunks(BYTES_IN_LINE) {
        let _ = writeln!(text, "      {}", line.join(" "));
    }
}

/// Two digits each. What is not hexadecimal came from a record that somebody wrote; it is shown no further.
fn pairs(hex: &str) -> impl Iterator<Item = &str> {
    (0..hex.len() / 2).filter_map(move |at| hex.get(at * 2..at * 2 + 2))
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
