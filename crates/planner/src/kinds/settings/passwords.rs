//! How new passwords are stored.

use super::alter::cluster_wide;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::plan::SettingValue;

/// `password_encryption`.
#[derive(Clone, Copy, Debug)]
pub struct PasswordEncryption;

const NAME: &str = "password_encryption";
const SCRAM: &str = "scram-sha-256";

impl Kind for PasswordEncryption {
    fn name(&self) -> &'static str {
        "password-encryption"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["SEC-06"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        // A role's or database's own value: `setting-overrides`.
        let Some(problem) = planning
            .open("SEC-06")
            .find(|problem| problem.finding.subject.name == NAME)
        else {
            return Ok(Vec::new());
        };
        let value = SettingValue::One(SCRAM.to_owned());
        let right = |value: &str| value.eq_ignore_ascii_case(SCRAM);
        let proposed = cluster_wide(planning, NAME, value, right)?.into_iter();
        Ok(proposed
            .map(|draft| {
                draft.closing([problem.closes()]).note(
                    "passwords that are there stay as they are until they are set again, and then need client libraries that know SCRAM (libpq from 10)",
                )
            })
            .collect())
    }
}
