//! How new passwords are stored.

use super::alter::alter;
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
        let Some(problem) = planning
            .open("SEC-06")
            .find(|problem| problem.finding.subject.name == NAME)
        else {
            return Ok(Vec::new());
        };
        // What is stored for a role, a database or, by ALTER ROLE ALL, for everybody: `role-settings`.
        let stored = planning.context.facts.role_settings.here()?;
        let mut for_all = stored
            .iter()
            .filter(|row| row.role == 0 && row.database == 0);
        if for_all.any(|row| row.name.eq_ignore_ascii_case(NAME)) {
            return Ok(Vec::new());
        }
        let draft = alter(planning, NAME, SettingValue::One(SCRAM.to_owned()))?;
        Ok(vec![draft.closing([problem.closes()]).note(
            "passwords that are there stay as they are until they are set again, and then need client libraries that know SCRAM (libpq from 10)",
        )])
    }
}
