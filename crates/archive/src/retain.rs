//! How long records are kept: a floor that nobody prunes below, a ceiling that nothing outlives, and holds.

use crate::archive::{Archive, Batch};
use crate::error::ArchiveError;
use crate::hold::Holds;
use serde::Deserialize;

/// Days of twelve months, and what SOC 2 auditors ask for.
pub const FLOOR_DAYS: u32 = 365;

const DAY: i64 = 86_400_000;

/// `[archive]`: how long.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that every record is kept at least.
    pub retention_days: u32,
    /// Days after which records have to go. `None`: they may stay.
    pub maximum_days: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            retention_days: FLOOR_DAYS,
            maximum_days: None,
        }
    }
}

impl Retention {
    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<String> {
        match self.maximum_days {
            Some(maximum) if maximum < self.retention_days => Some(format!(
                "`maximum_days` is {maximum}, below `retention_days`, {}: no record can be kept long enough and not too long",
                self.retention_days
            )),
            _ => None,
        }
    }

    /// The days to prune by: those asked for, else the ceiling, else the floor. Never below the floor.
    pub fn days(&self, asked: Option<u32>) -> Result<u32, ArchiveError> {
        let days = asked.or(self.maximum_days).unwrap_or(self.retention_days);
        if days < self.retention_days {
            return Err(ArchiveError::Kept(format!(
                "records are kept {} days, and {days} were asked for: `retention_days` is the floor, and nothing younger is pruned",
                self.retention_days
            )));
        }
        Ok(days)
    }
}

/// The time before which records were sealed that are older than so many days, in milliseconds since 1970.
pub fn bound(now: i64, days: u32) -> i64 {
    now.saturating_sub(i64::from(days).saturating_mul(DAY))
}

/// Refuses while a hold is in force.
pub fn not_held(holds: &Holds) -> Result<(), ArchiveError> {
    let mut names = Vec::new();
    for hold in holds.active() {
        names.push(format!("`{}` ({})", hold.name, hold.reason));
    }
    if names.is_empty() {
        return Ok(());
    }
    Err(ArchiveError::Kept(format!(
        "nothing is pruned while a legal hold is in force: {}",
        names.join(", ")
    )))
}

/// The batches whose records all lie below a number: what goes once the journal's payload below it is gone.
pub fn below(archive: &Archive, oldest_record: u64) -> Result<Vec<Batch>, ArchiveError> {
    let layout = archive.layout()?;
    let mut all: Vec<Batch> = layout.batches;
    all.extend(layout.superseded);
    all.extend(layout.incomplete);
    all.retain(|batch| batch.end <= oldest_record);
    Ok(all)
}

/// Removes those batches. It may be stopped at any point and begun again: a batch that lost a file no longer counts, and goes with
/// the next run.
pub fn prune(archive: &Archive, oldest_record: u64) -> Result<Vec<String>, ArchiveError> {
    let _lock = archive.store.lock()?;
    let mut removed = Vec::new();
    for batch in below(archive, oldest_record)? {
        for (name, _) in &batch.parts {
            archive.store.remove(&name.path())?;
            removed.push(archive.full_path(name));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::{Retention, bound, not_held};
    use crate::hold::Holds;
    use pgattest_trail::Leaf;

    #[test]
    fn nothing_is_pruned_below_the_floor() {
        let retention = Retention::default();
        assert_eq!(retention.days(None).unwrap(), 365);
        assert_eq!(retention.days(Some(400)).unwrap(), 400);
        let error = retention.days(Some(364)).unwrap_err().to_string();
        assert!(error.contains("365 days, and 364"), "{error}");
    }

    #[test]
    fn the_ceiling_is_what_is_pruned_by() {
        let retention = Retention {
            retention_days: 365,
            maximum_days: Some(730),
        };
        assert_eq!(retention.days(None).unwrap(), 730);
        assert_eq!(retention.fault(), None);
        let wrong = Retention {
            maximum_days: Some(30),
            ..retention
        };
        assert!(wrong.fault().unwrap().contains("`maximum_days` is 30"));
    }

    #[test]
    fn a_hold_stops_pruning_and_says_why() {
        let mut holds = Holds::default();
        assert!(not_held(&holds).is_ok());
        holds.read(&Leaf::Hold {
            at: 0,
            name: "matter 7".to_owned(),
            active: true,
            reason: "counsel".to_owned(),
        });
        let error = not_held(&holds).unwrap_err().to_string();
        assert!(error.contains("`matter 7` (counsel)"), "{error}");
    }

    #[test]
    fn days_are_of_24_hours() {
        assert_eq!(bound(86_400_000, 1), 0);
        assert_eq!(bound(i64::MIN, 1), i64::MIN);
    }
}
