//! The part of a package that is about a plan that was applied: what it says of the change, computed again.

use super::weight;
use crate::failure::{Doing, Failure, fail};
use pgattest_evidence::Package;
use pgattest_model::{Audit, Held, Plan};
use pgattest_planner::facts_digest;
use pgattest_report::{json, plan, verification};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What the package says of a change, and the audits before and after it do not.
pub(super) fn again(
    package: &Package,
    before: &Audit,
    after: &Audit,
) -> Result<Vec<String>, Failure> {
    let mut differences: Vec<String> = Vec::new();
    let mut found = json::diff(
        &stored(package, "before/verdicts.json")?,
        &json::render(before),
    )
    .doing(|| "before/verdicts.json cannot be compared".to_owned())?;
    found.sort_by_key(|difference| weight(&difference.path));
    differences.extend(
        found
            .into_iter()
            .map(|one| format!("before/verdicts.json {}: {}", one.path, one.words)),
    );
    if before.target.system_identifier != after.target.system_identifier {
        differences.push("before/ and the package are of two clusters".to_owned());
    }
    match plan::read(&stored(package, "plan.json")?) {
        Ok((plan, digest)) => {
            differences.extend(plan_again(package, &plan, &digest, before, after)?);
        }
        Err(error) => differences.push(format!("plan.json: {error}")),
    }
    Ok(differences)
}

/// What the package says of how the plan did, and the plan and the two audits do not.
fn plan_again(
    package: &Package,
    plan: &Plan,
    digest: &str,
    before: &Audit,
    after: &Audit,
) -> Result<Vec<String>, Failure> {
    let mut differences = Vec::new();
    let policy = package
        .file("policy.toml")
        .map(|text| hex::encode(Sha256::digest(text)));
    for (agrees, words) in [
        (
            plan.target.system_identifier == after.target.system_identifier,
            "plan.json is for another cluster",
        ),
        (
            plan.policy_sha256 == policy,
            "plan.json was made by another policy than policy.toml",
        ),
        (
            plan.facts == facts_digest(&before.observations),
            "plan.json was made from other facts than those in before/",
        ),
        (
            journals(package)? == [digest],
            "apply/journal.jsonl is of another plan than plan.json",
        ),
    ] {
        if !agrees {
            differences.push(words.to_owned());
        }
    }
    // Another version words it otherwise; what it is made from was compared above.
    if package.manifest().tool.version == env!("CARGO_PKG_VERSION") {
        let held = Held::of(plan, &before.assessment, &after.assessment);
        let recomputed = verification::render(digest, &held);
        if package.file("apply/verification.json") != Some(recomputed.as_bytes()) {
            differences.push(
                "apply/verification.json is not what the plan and the audits before and after it give"
                    .to_owned(),
            );
        }
    }
    Ok(differences)
}

/// The digests of the plans that the journal in the package says were begun, each once.
fn journals(package: &Package) -> Result<Vec<String>, Failure> {
    let mut plans = Vec::new();
    for line in stored(package, "apply/journal.jsonl")?.lines() {
        let entry: Value =
            serde_json::from_str(line).doing(|| "apply/journal.jsonl cannot be read".to_owned())?;
        plans.extend(entry.get("plan").and_then(Value::as_str).map(str::to_owned));
    }
    plans.dedup();
    Ok(plans)
}

fn stored<'p>(package: &'p Package, path: &str) -> Result<Cow<'p, str>, Failure> {
    package
        .file(path)
        .map(String::from_utf8_lossy)
        .ok_or_else(|| fail(format!("the package has no {path}")))
}
