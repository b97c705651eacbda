//! `pgattest ledger`: what was recorded, and where its packages are.

use crate::args::LedgerArgs;
use crate::failure::{Doing, Failure, OrHint};
use crate::home::Home;
use crate::printer::Printer;
use pgattest_evidence::{Ledger, Listed, PackageState, PublicKey};
use pgattest_ledger::canonical;
use pgattest_ledger::checkpoint::SignedCheckpoint;
use pgattest_model::ident::visible;
use std::fmt::Write as _;
use std::path::Path;

pub(crate) fn run(arguments: &LedgerArgs, printer: &Printer) -> Result<u8, Failure> {
    let home = Home::at(&arguments.home)?;
    let ledger = home.ledger();
    if ledger
        .checkpoint_text()
        .doing(|| "the ledger cannot be read".to_owned())?
        .is_none()
    {
        printer.note(&format!(
            "The ledger in {} is empty: `pgattest audit --out DIR` makes entries",
            ledger.dir().display()
        ));
        return Ok(crate::CLEAN);
    }
    let key = home
        .keys()
        .load()
        .doing(|| "the ledger cannot be checked without its key".to_owned())?;
    // Listing believes an index that has the signed root. Damage below it would then be met when a proof is needed, which is
    // too late.
    ledger
        .check(&key.public_key())
        .doing(|| "the ledger does not hold together".to_owned())
        .or_hint(
            "restore it from a copy; packages keep their own proofs and can still be verified",
        )?;
    if let Some(since) = &arguments.since {
        let proof = consistency(
            &ledger,
            &key.public_key(),
            since,
            arguments.until.as_deref(),
        )?;
        printer.result(&proof)?;
        return Ok(crate::CLEAN);
    }
    let folders: Vec<&Path> = arguments.packages.iter().map(AsRef::as_ref).collect();
    let listed = ledger
        .list(&key.public_key(), &folders)
        .doing(|| "the ledger does not hold together".to_owned())?;
    let mut text = String::new();
    for one in &listed {
        let _ = writeln!(text, "{}", row(one, !folders.is_empty()));
    }
    if let Some(checkpoint) = ledger.checkpoint_text()? {
        let _ = write!(
            text,
            "\nCheckpoint, to be kept outside this machine:\n\n{checkpoint}"
        );
    }
    printer.result(&text)?;
    Ok(crate::CLEAN)
}

/// The proof, in the canonical JSON that both verifiers read.
fn consistency(
    ledger: &Ledger,
    key: &PublicKey,
    since: &Path,
    until: Option<&Path>,
) -> Result<String, Failure> {
    let size = |path: &Path| -> Result<u64, Failure> {
        let bytes =
            std::fs::read(path).doing(|| format!("{} could not be read", path.display()))?;
        let what = || format!("{} is not a checkpoint of this ledger", path.display());
        let signed = SignedCheckpoint::parse(&bytes).doing(what)?;
        Ok(signed.verify(key).doing(what)?.size)
    };
    let old = size(since)?;
    let new = match until {
        Some(path) => size(path)?,
        None => ledger.checkpoint(key)?.map_or(0, |head| head.size),
    };
    let proof = ledger
        .prove_consistency(key, old.min(new), old.max(new))
        .doing(|| "the proof cannot be made".to_owned())?;
    Ok(String::from_utf8(canonical::to_bytes(&proof)?)?)
}

fn row(listed: &Listed, looked: bool) -> String {
    if let Some(change) = &listed.change {
        return format!(
            "{:>5}  {}  {} of plan {}: {}",
            listed.index,
            visible(&change.recorded_at),
            visible(&change.act),
            visible(change.plan.get(..12).unwrap_or(&change.plan)),
            visible(&change.changes.join(", "))
        );
    }
    let Some(entry) = &listed.entry else {
        return format!(
            "{:>5}  an entry of a kind that this version does not know",
            listed.index
        );
    };
    let where_is = match (&listed.package, looked) {
        (_, false) => String::new(),
        (PackageState::Present(path), _) => format!("  {}", path.display()),
        (PackageState::Unfinished(path), _) => format!("  unfinished: {}", path.display()),
        (PackageState::Replaced(path), _) => {
            format!("  replaced by another file: {}", path.display())
        }
        (PackageState::Missing, _) => "  missing".to_owned(),
    };
    format!(
        "{:>5}  {}  {}{}",
        listed.index,
        visible(&entry.recorded_at),
        visible(&entry.package),
        visible(&where_is)
    )
}
