//! `pgattest trail verify`.

use super::place::Place;
use crate::args::{TrailKeysArgs, TrailVerifyArgs, VerificationFormat};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::printer::Printer;
use crate::trusted_keys::second;
use jiff::Timestamp;
use pgattest_evidence::PublicKey;
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_model::ident::visible;
use pgattest_trail::proof::{self, ProvenRecord};
use pgattest_trail::verify::{self, Report, Request, SecondSigned};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

const KEY_HINT: &str = "the collector's key folder has one, `pgattest_ed25519.pub`; it has to reach you by another way than the journal";

/// The longest checkpoint and key file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

pub(crate) fn run(arguments: &TrailVerifyArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.config)?;
    let keys = if arguments.keys.is_empty() {
        own_key(&place, printer)?
    } else {
        keys(&arguments.keys)?
    };
    let witnesses = witnesses(&arguments.witnesses)?;
    let second_keys = second(&arguments.second_keys)?;
    if let Some(path) = &arguments.proof {
        return check_proof(arguments, path, &keys, &witnesses, printer);
    }
    let journal = place.journal(arguments.journal.as_deref())?;
    let heartbeat = arguments.heartbeat.unwrap_or_else(|| {
        place
            .file()
            .map_or(60, |file| file.capture.heartbeat_seconds)
    });
    let earlier = arguments
        .checkpoints
        .iter()
        .map(|path| read(path, LONGEST))
        .collect::<Result<Vec<_>, _>>()?;
    let report = verify::verify(
        &journal,
        &Request {
            keys: &keys,
            earlier: &earlier,
            witnesses: &witnesses,
            second_keys: &second_keys,
            records: arguments.records.clone(),
            heartbeat_ms: i64::from(heartbeat) * 1000,
        },
    )?;
    let text = match arguments.format {
        VerificationFormat::Text => text_of(&report, arguments.records.is_some()),
        VerificationFormat::Json => json_of(&report)?,
    };
    printer.result(&text)?;
    Ok(if report.verified {
        crate::CLEAN
    } else {
        crate::FOUND
    })
}

fn check_proof(
    arguments: &TrailVerifyArgs,
    path: &Path,
    keys: &[PublicKey],
    witnesses: &[WitnessKey],
    printer: &Printer,
) -> Result<u8, Failure> {
    let proven = proof::check(&read(path, proof::LONGEST)?, keys, witnesses);
    let text = match (&proven, arguments.format) {
        (Ok(proven), VerificationFormat::Text) => proven_text(proven),
        (Err(error), VerificationFormat::Text) => {
            format!("NOT PROVEN: {}\n", visible(&error.to_string()))
        }
        (Ok(proven), VerificationFormat::Json) => json_of(&serde_json::json!({
            "schema": "pgattest.record-verification/1",
            "verified": true,
            "proven": proven,
            "record": String::from_utf8_lossy(&proven.record),
        }))?,
        (Err(error), VerificationFormat::Json) => json_of(&serde_json::json!({
            "schema": "pgattest.record-verification/1",
            "verified": false,
            "problem": error.to_string(),
        }))?,
    };
    printer.result(&text)?;
    Ok(if proven.is_ok() {
        crate::CLEAN
    } else {
        crate::FOUND
    })
}

/// The collector's own public key. It lies on the machine whose owner would have to be caught.
fn own_key(place: &Place, printer: &Printer) -> Result<Vec<PublicKey>, Failure> {
    let path = place.keys(&TrailKeysArgs { home: None })?.public_key_path();
    let keys = keys(std::slice::from_ref(&path))?;
    printer.note(&format!(
        "Believed is the collector's own key, {}: this shows damage. Whether somebody wrote the whole journal anew shows a key that was \
         kept elsewhere, --key FILE",
        path.display()
    ));
    Ok(keys)
}

fn keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = Vec::new();
    for path in paths {
        let parsed = PublicKey::parse_file(&String::from_utf8_lossy(&read(path, LONGEST)?))
            .doing(|| format!("{} is not a public key", path.display()))
            .or_hint(KEY_HINT)?;
        keys.extend(parsed);
    }
    Ok(keys)
}

fn witnesses(paths: &[PathBuf]) -> Result<Vec<WitnessKey>, Failure> {
    let mut witnesses = Vec::new();
    for path in paths {
        let text = read(path, LONGEST)?;
        for line in String::from_utf8_lossy(&text).lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let key = WitnessKey::parse(line)
                    .doing(|| format!("{} is not a file of witnesses", path.display()))?;
                witnesses.push(key);
            }
        }
    }
    Ok(witnesses)
}

fn read(path: &Path, longest: u64) -> Result<Vec<u8>, Failure> {
    let failed = || format!("{} could not be read", path.display());
    let file = std::fs::File::open(path).doing(failed)?;
    let mut bytes = Vec::new();
    file.take(longest.saturating_add(1))
        .read_to_end(&mut bytes)
        .doing(failed)?;
    if bytes.len() as u64 > longest {
        return Err(fail(format!("{} is far too long", path.display())));
    }
    Ok(bytes)
}

fn json_of(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// `some`: only some records were checked.
fn text_of(report: &Report, some: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {}\n",
        visible(&report.journal),
        if report.verified {
            "verified"
        } else {
            "NOT VERIFIED"
        }
    );
    for problem in &report.problems {
        let _ = writeln!(
            text,
            "  problem  {}: {}",
            visible(&problem.place),
            visible(&problem.problem)
        );
    }
    if report.problems_not_listed > 0 {
        let _ = writeln!(text, "  problem  and {} more", report.problems_not_listed);
    }
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<9}{}", visible(&what));
    };
    line("journal", report.origin.clone());
    line(
        "signed",
        report.signed_by.as_ref().map_or_else(
            || "by none of the keys given".to_owned(),
            |key| format!("by {key}"),
        ),
    );
    for (number, key) in (1..).zip(&report.keys) {
        line("key", format!("{number} of {}, {key}", report.keys.len()));
    }
    line(
        "tree",
        format!(
            "{} of {} leaves checked, root {}",
            report.leaves_checked, report.leaves, report.root
        ),
    );
    line(
        "records",
        format!(
            "{} in {} blocks checked, {} of them torn; the payload of {} blocks was pruned",
            report.records_checked, report.blocks_checked, report.torn, report.blocks_pruned
        ),
    );
    line(
        "capture",
        format!(
            "{} gaps declared, {} times without a collector, clock set back {} times",
            report.gaps,
            report.outages.len() as u64 + report.outages_not_listed,
            report.clock_set_back
        ),
    );
    for outage in &report.outages {
        line(
            "outage",
            format!(
                "{} to {}, {}",
                time(outage.from),
                time(outage.to),
                outage
                    .reason
                    .as_deref()
                    .unwrap_or("with no word of its end")
            ),
        );
    }
    for size in &report.continues {
        line("continues", format!("the checkpoint of {size} leaves"));
    }
    for second in &report.second {
        let text = if some {
            covering_text(second)
        } else {
            second_text(second, report.leaves)
        };
        line("second", text);
    }
    for witnessed in &report.witnessed {
        line(
            "witnessed",
            format!(
                "by {} at {}, {} leaves",
                witnessed.witness,
                seconds(witnessed.time),
                witnessed.size
            ),
        );
    }
    if let Some(stamped) = report.stamped.last() {
        line(
            "stamped",
            format!(
                "{} checkpoints, the last at {}, {} leaves; `openssl ts -verify` checks who stamped",
                report.stamped.len(),
                seconds(stamped.time),
                stamped.size
            ),
        );
    }
    for note in &report.notes {
        line("note", note.clone());
    }
    text
}

/// That a second key covers the records that were asked for.
fn covering_text(second: &SecondSigned) -> String {
    let first = second.checkpoints.first().copied().unwrap_or(0);
    format!(
        "these records are covered by {}, which signed the checkpoint of {first} leaves",
        second.key
    )
}

/// What a second key covers: a checkpoint that it signed covers all leaves before it.
fn second_text(second: &SecondSigned, leaves: u64) -> String {
    let first = second.checkpoints.first().copied().unwrap_or(0);
    let last = second.checkpoints.last().copied().unwrap_or(0);
    let after = match leaves.saturating_sub(last) {
        0 => "all leaves are covered".to_owned(),
        after => format!("the last {after} leaves have the first signature alone"),
    };
    format!(
        "{} {} signed by {}, of {first} to {last} leaves; {after}",
        second.checkpoints.len(),
        if second.checkpoints.len() == 1 {
            "checkpoint"
        } else {
            "checkpoints"
        },
        second.key
    )
}

fn proven_text(proven: &ProvenRecord) -> String {
    let mut text = format!(
        "record {}: proven\n\n  journal  {}, {} leaves, signed by {}\n  source   {}, sealed {}\n",
        proven.number,
        visible(&proven.origin),
        proven.size,
        proven.signed_by,
        visible(&proven.block.file.name),
        time(proven.block.sealed_at)
    );
    for (number, key) in (1..).zip(&proven.keys) {
        let _ = writeln!(text, "  key      {number} of {}, {key}", proven.keys.len());
    }
    for (witness, at) in &proven.witnessed {
        let _ = writeln!(text, "  witness  {}, {}", visible(witness), seconds(*at));
    }
    let _ = writeln!(
        text,
        "  record   {}",
        visible(&String::from_utf8_lossy(&proven.record))
    );
    text
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| format!("{milliseconds} ms"), |time| time.to_string())
}

fn seconds(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("{seconds} s"), |time| time.to_string())
}
