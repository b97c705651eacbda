//! `pgattest verify`: signatures, digests and proofs, then every verdict again.

mod change;

use crate::args::VerifyArgs;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::home::Home;
use crate::printer::Printer;
use crate::sealing::{self, Documents, Recomputed};
use crate::trusted_keys;
use anstyle::{AnsiColor, Style};
use pgattest_catalog::count_rows;
use pgattest_evidence::{
    Anchors, Ledger, Outcome, Package, PublicKey, StepId, Verdict, VerifyReport, verify,
};
use pgattest_model::ident::visible;
use pgattest_model::{Audit, Outcome as Recorded};
use pgattest_report::json;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Differences shown of a package whose verdicts do not hold.
const SHOWN: usize = 20;

pub(crate) fn run(arguments: &VerifyArgs, printer: &Printer) -> Result<u8, Failure> {
    let trusted = trusted_keys::named_or_own(&arguments.keys, &arguments.home)?;
    let read = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
    let (checkpoint, consistency) = (read(&arguments.checkpoint)?, read(&arguments.consistency)?);
    let live = live_ledger(arguments);
    let anchors = Anchors {
        checkpoint: checkpoint.as_deref(),
        consistency: consistency.as_deref(),
        ledger: live.as_ref(),
    };
    let mut report = verify(&arguments.package, &trusted, &anchors)
        .map_err(Failure::from)
        .or_hint(
            "a package is the file that `pgattest audit --out DIR` made: DIR/evidence-*.zip",
        )?;
    if report
        .signer
        .is_some_and(|signer| !trusted.contains(&signer))
    {
        // The ledger of this machine records what its own key signed: it has nothing to say of anybody else's package.
        report.steps.retain(|step| step.id != StepId::LiveLedger);
    }
    let again = match (&report.package, &report.signer) {
        (Some(package), Some(signer)) => Some(perform_again(package, signer)),
        _ => None,
    };

    let holds = again
        .as_ref()
        .is_some_and(|again| matches!(again, Ok(differences) if differences.is_empty()));
    let verified = report.verdict() == Verdict::Verified && holds;
    printer.result(&render(
        arguments,
        &report,
        again.as_ref(),
        verified,
        printer,
    ))?;
    Ok(if verified { crate::CLEAN } else { crate::FOUND })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).doing(|| format!("{} could not be read", path.display()))
}

/// The ledger of this machine, when the package is to be checked with this machine's key.
fn live_ledger(arguments: &VerifyArgs) -> Option<Ledger> {
    let home = Home::at(&arguments.home).ok()?;
    let is_ours = arguments.keys.is_empty() && home.keys().load().is_ok();
    let ledger = home.ledger();
    (is_ours && matches!(ledger.checkpoint_text(), Ok(Some(_)))).then_some(ledger)
}

/// What the package's documents say and its observations do not.
fn perform_again(package: &Package, signer: &PublicKey) -> Result<Vec<String>, Failure> {
    let Recomputed {
        audit,
        policy,
        before,
    } = sealing::recompute(package)?;
    let documents = sealing::documents(&audit, &policy, before.is_some(), signer);
    let stored = |path: &str| {
        package
            .file(path)
            .map(String::from_utf8_lossy)
            .ok_or_else(|| fail(format!("the package has no {path}")))
    };
    let mut found = json::diff(&stored("verdicts.json")?, &documents.verdicts)
        .doing(|| "verdicts.json cannot be compared".to_owned())?;
    found.sort_by_key(|difference| weight(&difference.path));
    let mut differences: Vec<String> = found
        .into_iter()
        .map(|difference| format!("verdicts.json {}: {}", difference.path, difference.words))
        .collect();
    differences.extend(miscounted(&audit));
    if let Some(before) = &before {
        differences.extend(miscounted(before));
        differences.extend(change::again(package, before, &audit)?);
    }
    differences.extend(other_documents(package, &documents)?);
    differences.extend(envelope(package, &audit, before.as_ref())?);
    Ok(differences)
}

/// Verdicts first: one changed fact changes many lines, and only some are shown.
fn weight(path: &str) -> u8 {
    match path.strip_suffix("/verdict") {
        Some(path) if path.starts_with("/checks/") => 0,
        Some(path) if path.starts_with("/checklist/") => 1,
        _ => 2,
    }
}

/// Results whose number of rows is not the one that the transcript gives.
fn miscounted(audit: &Audit) -> Vec<String> {
    let counted = audit.observations.iter().filter_map(|observation| {
        let Recorded::Rows { csv, rows } = &observation.outcome else {
            return None;
        };
        let found = count_rows(csv);
        (found != *rows).then(|| {
            format!(
                "observations.jsonl gives {} {rows} rows; the result has {found}",
                observation.id
            )
        })
    });
    counted.collect()
}

/// What the manifest and the ledger's entry say of the audit, and files that no audit makes. Only of packages that this
/// version made, as others may say it in other words.
fn envelope(
    package: &Package,
    audit: &Audit,
    before: Option<&Audit>,
) -> Result<Vec<String>, Failure> {
    let manifest = package.manifest();
    if manifest.tool.version != env!("CARGO_PKG_VERSION") {
        return Ok(Vec::new());
    }
    let proof: Value = package
        .file("ledger/proof.json")
        .map(serde_json::from_slice)
        .transpose()
        .doing(|| "ledger/proof.json cannot be read".to_owned())?
        .unwrap_or_default();
    let entry: Value = proof
        .get("entry")
        .and_then(Value::as_str)
        .map(serde_json::from_str)
        .transpose()
        .doing(|| "the entry in ledger/proof.json cannot be read".to_owned())?
        .unwrap_or_default();
    let mut differences = Vec::new();
    for (what, agrees) in [
        (
            "manifest.json: target",
            manifest.target == sealing::target(audit),
        ),
        (
            "manifest.json: not_visible",
            manifest.not_visible == sealing::not_visible(audit),
        ),
        (
            "ledger/proof.json: the summary in the ledger's entry",
            entry.get("summary") == Some(&sealing::summary(audit)),
        ),
    ] {
        if !agrees {
            differences.push(format!("{what} is not what the observations give"));
        }
    }
    let made = sealing::paths(audit, before);
    let strange = package
        .files()
        .map(|(path, _)| path)
        .filter(|path| !made.contains(*path));
    differences.extend(strange.map(|path| format!("{path} is no file that an audit makes")));
    Ok(differences)
}

/// The report and the note for the auditor are compared byte for byte, when this version made them: another version words
/// things otherwise, and its verdicts were compared above.
fn other_documents(package: &Package, documents: &Documents) -> Result<Vec<String>, Failure> {
    let mut differences = Vec::new();
    if package.manifest().tool.version != env!("CARGO_PKG_VERSION") {
        return Ok(differences);
    }
    for (path, recomputed) in [
        ("report.html", &documents.report),
        ("README.txt", &documents.readme),
    ] {
        let stored = package
            .file(path)
            .ok_or_else(|| fail(format!("the package has no {path}")))?;
        if stored != recomputed.as_bytes() {
            differences.push(format!("{path} is not what the observations give"));
        }
    }
    Ok(differences)
}

fn render(
    arguments: &VerifyArgs,
    report: &VerifyReport,
    again: Option<&Result<Vec<String>, Failure>>,
    verified: bool,
    printer: &Printer,
) -> String {
    let paint = Paint {
        colored: printer.stdout_has_color(),
    };
    let mut text = String::new();
    for step in &report.steps {
        match &step.outcome {
            Outcome::Ok => line(&mut text, &paint.good("ok"), step.id.title(), 2),
            Outcome::NotChecked(why) => {
                line(
                    &mut text,
                    &paint.doubtful("not checked"),
                    &format!("{}: {}", step.id.title(), visible(why)),
                    11,
                );
            }
            Outcome::Failed(problems) => {
                line(&mut text, &paint.bad("failed"), step.id.title(), 6);
                for problem in problems {
                    let _ = writeln!(text, "             {}", visible(&problem.to_string()));
                }
            }
        }
    }
    let title = "every verdict and the report, computed again from the observations, are the same";
    match again {
        None => line(
            &mut text,
            &paint.doubtful("not checked"),
            &format!("{title}: the package is damaged"),
            11,
        ),
        Some(Ok(differences)) if differences.is_empty() => {
            line(&mut text, &paint.good("ok"), title, 2);
        }
        Some(Ok(differences)) => {
            line(&mut text, &paint.bad("failed"), title, 6);
            for difference in differences.iter().take(SHOWN) {
                let _ = writeln!(text, "             {}", visible(difference));
            }
            if differences.len() > SHOWN {
                let _ = writeln!(text, "             and {} more", differences.len() - SHOWN);
            }
            other_build(&mut text, report);
        }
        Some(Err(failure)) => {
            line(&mut text, &paint.bad("failed"), title, 6);
            let _ = writeln!(
                text,
                "             {}",
                visible(&format!("{:#}", failure.error))
            );
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {}", visible(note));
    }
    let package = visible(&arguments.package.display().to_string());
    if verified {
        let signer = report
            .signer
            .as_ref()
            .map(PublicKey::fingerprint)
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "\n{} {package}, signed by {signer}",
            paint.good("verified")
        );
    } else {
        let _ = writeln!(text, "\n{} {package}", paint.bad("not verified"));
        if let (Some(signer), true) = (&report.signer, report.verdict() == Verdict::NotVerified) {
            let _ = writeln!(
                text,
                "\nhint: it is signed by {}; if that is a key you trust, name it: --key FILE",
                signer.fingerprint()
            );
        }
    }
    text
}

/// Another build judges otherwise when its checks differ: the reader has to know before suspecting anybody.
fn other_build(text: &mut String, report: &VerifyReport) {
    let Some(tool) = report
        .package
        .as_ref()
        .map(|package| &package.manifest().tool)
    else {
        return;
    };
    if tool.sha256 != sealing::own_digest() {
        let (made_by, sha256) = (
            visible(&tool.version),
            tool.sha256.as_deref().unwrap_or("unknown"),
        );
        let _ = writeln!(
            text,
            "             the package was made by another build: pgattest {made_by}, sha256 {}; \
             compare with that one before you conclude",
            visible(sha256)
        );
    }
}

fn line(text: &mut String, painted: &str, what: &str, width: usize) {
    let _ = writeln!(
        text,
        "{painted}{}{what}",
        " ".repeat(13_usize.saturating_sub(width))
    );
}

struct Paint {
    colored: bool,
}

impl Paint {
    fn good(&self, word: &str) -> String {
        self.word(word, AnsiColor::Green)
    }

    fn doubtful(&self, word: &str) -> String {
        self.word(word, AnsiColor::Yellow)
    }

    fn bad(&self, word: &str) -> String {
        self.word(word, AnsiColor::Red)
    }

    fn word(&self, word: &str, color: AnsiColor) -> String {
        let style = if self.colored {
            Style::new().bold().fg_color(Some(color.into()))
        } else {
            Style::new()
        };
        format!("{style}{word}{style:#}")
    }
}
