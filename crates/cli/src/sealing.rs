//! From an audit to a sealed evidence package, and from a package back to the audit.

use crate::auditing;
use crate::failure::{Doing, Failure, fail};
use crate::home::Home;
use crate::policy_file::PolicyFile;
use crate::printer::Printer;
use pgattest_catalog::transcript;
use pgattest_checks::crosswalk::crosswalk;
use pgattest_evidence::{Package, PackageFile, PublicKey, SealRequest, Sealer, Tool};
use pgattest_model::{Audit, Observation, Policy, Run, Status};
use pgattest_report::{html, json, readme};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// A plan that was applied, for the package of the audit after it.
pub(crate) struct Changed<'a> {
    /// The audit before.
    pub(crate) before: &'a Audit,
    /// The plan file's text.
    pub(crate) plan: &'a str,
    /// The journal's text.
    pub(crate) journal: &'a [u8],
    /// Whether it held.
    pub(crate) verification: String,
}

/// Seals the audit into `out` and tells the user what an auditor needs.
pub(crate) fn seal(
    audit: &Audit,
    policy: &PolicyFile,
    changed: Option<&Changed<'_>>,
    home: &Home,
    out: &Path,
    printer: &Printer,
) -> Result<(), Failure> {
    let stored = home.key(printer)?;
    let ledger = home.ledger();
    let sealer = Sealer {
        key: &stored.key,
        ledger: &ledger,
        out_dir: out,
    };
    let sealed = sealer
        .seal(request(audit, policy, changed, &stored.key.public_key())?)
        .doing(|| "the evidence could not be sealed".to_owned())?;
    for recovered in &sealed.recovered {
        printer.note(&format!(
            "An earlier run was interrupted; its package is complete now: {}",
            recovered.display()
        ));
    }
    printer.note(&format!(
        "\nEvidence  {}\n          entry {} of the ledger in {}\n          signed by {}\n\n\
         Give the public key to the auditor by another way than the package:\n          {}",
        sealed.path.display(),
        sealed.index,
        ledger.dir().display(),
        stored.key.public_key().fingerprint(),
        stored.key.public_key().openssh_line(),
    ));
    Ok(())
}

/// What the documents of a package say, made from an audit: for sealing, and again for verifying.
pub(crate) struct Documents {
    pub(crate) readme: String,
    pub(crate) report: String,
    pub(crate) verdicts: String,
}

/// Renders the documents of a package.
pub(crate) fn documents(
    audit: &Audit,
    policy: &Policy,
    changed: bool,
    key: &PublicKey,
) -> Documents {
    let organization = policy.organization.as_deref();
    let fingerprint = key.fingerprint();
    let package = pgattest_report::Package {
        signer: "pgattest",
        namespace: "pgattest",
        key_fingerprint: Some(&fingerprint),
    };
    Documents {
        readme: readme::render(
            audit,
            &readme::Options {
                organization,
                package,
                changed,
            },
        ),
        report: html::render(
            audit,
            crosswalk(),
            &html::Options {
                organization,
                package: Some(package),
            },
        ),
        verdicts: json::render(audit),
    }
}

/// What a package's observations give, computed anew.
pub(crate) struct Recomputed {
    /// The audit that the package is of.
    pub(crate) audit: Audit,
    /// By this policy.
    pub(crate) policy: Policy,
    /// The audit before a plan was applied, when the package holds one.
    pub(crate) before: Option<Audit>,
}

/// Computes the audits of a package anew.
pub(crate) fn recompute(package: &Package) -> Result<Recomputed, Failure> {
    let policy_given = package.file("policy.toml").is_some();
    let policy = if policy_given {
        pgattest_parse::policy::parse(text(package, "policy.toml")?)
            .doing(|| "policy.toml of the package is not right".to_owned())?
    } else {
        Policy::default()
    };
    let manifest = package.manifest();
    let run = Run {
        tool_version: manifest.tool.version.clone(),
        started_at: manifest.period.started_at.clone(),
        finished_at: manifest.period.finished_at.clone(),
        clock_skew_ms: manifest.clock_skew_ms,
        policy_given,
    };
    let before = package
        .file("before/observations.jsonl")
        .is_some()
        .then(|| {
            let run = run_before(text(package, "before/verdicts.json")?, &run)?;
            let observations = observations(package, BEFORE)?;
            Ok::<_, Failure>(auditing::audit(run, observations, &policy))
        })
        .transpose()?;
    Ok(Recomputed {
        audit: auditing::audit(run, observations(package, "")?, &policy),
        policy,
        before,
    })
}

/// The folder of the audit before a plan was applied.
const BEFORE: &str = "before/";

/// What a package's collector saw.
pub(crate) fn observations(package: &Package, folder: &str) -> Result<Vec<Observation>, Failure> {
    let transcript = format!("{folder}observations.jsonl");
    transcript::read(text(package, &transcript)?, |path| {
        package.file(&format!("{folder}{path}")).map(<[u8]>::to_vec)
    })
    .doing(|| format!("the observations of {transcript} cannot be read"))
}

fn text<'p>(package: &'p Package, path: &str) -> Result<&'p str, Failure> {
    let bytes = package
        .file(path)
        .ok_or_else(|| fail(format!("the package has no {path}")))?;
    std::str::from_utf8(bytes).doing(|| format!("{path} is not UTF-8"))
}

/// When the audit before was made: no manifest says it, so its own verdicts do.
fn run_before(verdicts: &str, after: &Run) -> Result<Run, Failure> {
    let what = || "before/verdicts.json cannot be read".to_owned();
    let document: Value = serde_json::from_str(verdicts).doing(what)?;
    let string = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| fail(format!("before/verdicts.json has no {key}")))
    };
    Ok(Run {
        started_at: string("started_at")?,
        finished_at: string("finished_at")?,
        clock_skew_ms: document.get("clock_skew_ms").and_then(Value::as_i64),
        ..after.clone()
    })
}

fn request(
    audit: &Audit,
    policy: &PolicyFile,
    changed: Option<&Changed<'_>>,
    key: &PublicKey,
) -> Result<SealRequest, Failure> {
    let time = |text: &str| text.parse().doing(|| format!("`{text}` is not a time"));
    let documents = documents(audit, &policy.policy, changed.is_some(), key);
    let (lines, results) = transcript::write(&audit.observations);
    let file = |path: &str, text: String| PackageFile {
        path: path.to_owned(),
        bytes: text.into_bytes(),
    };
    let mut files = vec![
        file("README.txt", documents.readme),
        file("report.html", documents.report),
        file("verdicts.json", documents.verdicts),
        file("observations.jsonl", lines),
    ];
    files.extend(policy.text.clone().map(|text| file("policy.toml", text)));
    files.extend(
        results
            .into_iter()
            .map(|(path, bytes)| PackageFile { path, bytes }),
    );
    if let Some(changed) = changed {
        let (lines, results) = transcript::write(&changed.before.observations);
        files.extend([
            file("plan.json", changed.plan.to_owned()),
            file("apply/verification.json", changed.verification.clone()),
            file("before/verdicts.json", json::render(changed.before)),
            file("before/observations.jsonl", lines),
        ]);
        files.push(PackageFile {
            path: "apply/journal.jsonl".to_owned(),
            bytes: changed.journal.to_vec(),
        });
        files.extend(results.into_iter().map(|(path, bytes)| PackageFile {
            path: format!("{BEFORE}{path}"),
            bytes,
        }));
    }
    Ok(SealRequest {
        tool: Tool {
            name: "pgattest".to_owned(),
            version: audit.run.tool_version.clone(),
            sha256: own_digest(),
        },
        target_name: audit.target.name.clone(),
        target: target(audit),
        started_at: time(&audit.run.started_at)?,
        finished_at: time(&audit.run.finished_at)?,
        recorded_at: jiff::Timestamp::now(),
        clock_skew_ms: audit.run.clock_skew_ms,
        not_visible: not_visible(audit),
        notes: vec![json!(
            "Each database was read in one snapshot of its own; the snapshots of two databases are not one snapshot."
        )],
        summary: summary(audit),
        files,
    })
}

/// Every path that a package of this audit, or of the change between this and an earlier one, may have.
pub(crate) fn paths(audit: &Audit, before: Option<&Audit>) -> BTreeSet<String> {
    let (_, results) = transcript::write(&audit.observations);
    let earlier = before.into_iter().flat_map(|before| {
        let (_, results) = transcript::write(&before.observations);
        results
            .into_iter()
            .map(|(path, _)| format!("{BEFORE}{path}"))
            .chain(
                [
                    "plan.json",
                    "apply/journal.jsonl",
                    "apply/verification.json",
                    "before/verdicts.json",
                    "before/observations.jsonl",
                ]
                .map(str::to_owned),
            )
    });
    let fixed = [
        "README.txt",
        "report.html",
        "verdicts.json",
        "observations.jsonl",
        "policy.toml",
        "manifest.json",
        "manifest.dsse.json",
        "manifest.sshsig",
        "ledger/checkpoint",
        "ledger/proof.json",
    ];
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain(results.into_iter().map(|(path, _)| path))
        .chain(earlier)
        .collect()
}

/// What was looked at, for the manifest.
pub(crate) fn target(audit: &Audit) -> Value {
    let target = &audit.target;
    json!({
        "name": target.name,
        "system_identifier": target.system_identifier,
        "server_version": target.version.map(|version| version.to_string()),
        "in_recovery": target.in_recovery,
        "role": target.role,
        "databases": target.databases,
        "flavour": target.flavour,
    })
}

/// What could not be looked at, for the manifest.
pub(crate) fn not_visible(audit: &Audit) -> Vec<Value> {
    audit
        .not_visible
        .iter()
        .map(|one| {
            json!({
                "why": one.missing.why,
                "opened_by": one.missing.grant,
                "observation": one.missing.observation.as_ref().map(ToString::to_string),
                "wanted_by": one.wanted_by,
            })
        })
        .collect()
}

/// The audit in a line, for the ledger.
pub(crate) fn summary(audit: &Audit) -> Value {
    let assessment = &audit.assessment;
    json!({
        "pass": assessment.count(Status::Pass),
        "fail": assessment.count(Status::Fail),
        "not_assessed": assessment.count(Status::NotAssessed),
        "not_applicable": assessment.count(Status::NotApplicable),
        "waived": assessment.count(Status::Waived),
        "controls": assessment.controls.iter().map(|result| result.status.as_str()).collect::<Vec<_>>(),
    })
}

/// SHA-256 of this program, so that an auditor can tell which build judged.
pub(crate) fn own_digest() -> Option<String> {
    let bytes = std::fs::read(std::env::current_exe().ok()?).ok()?;
    Some(hex::encode(Sha256::digest(bytes)))
}
