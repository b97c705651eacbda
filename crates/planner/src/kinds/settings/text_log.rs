//! What a line of the text log says.

use super::alter::{alter, cluster_wide};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Impact, ImpactKind, SettingValue};

/// `log_line_prefix` and `log_error_verbosity`.
#[derive(Clone, Copy, Debug)]
pub struct TextLog;

/// Time, process, session, user, database, client and application, in the order that log readers know.
const PREFIX: &str = "%m [%p] %c %q%u@%d %r %a ";

impl Kind for TextLog {
    fn name(&self) -> &'static str {
        "text-log"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-10"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = Vec::new();
        for problem in planning.open("LOG-10") {
            match problem.finding.subject.name.as_str() {
                name @ "log_line_prefix" => {
                    let (now, from) = planning.context.setting(name)?;
                    let draft = alter(planning, name, SettingValue::One(PREFIX.to_owned()))?;
                    drafts.push(
                        draft
                            .closing([problem.closes()])
                            .affecting([Impact {
                                kind: ImpactKind::Unknown,
                                subject: "readers of the text log".to_owned(),
                                detail: format!(
                                    "a program that takes lines apart by the prefix '{}' has to be told of the new one",
                                    visible(&now.value)
                                ),
                                observations: vec![from.clone()],
                            }]),
                    );
                }
                name @ "log_error_verbosity" => {
                    let value = SettingValue::One("default".to_owned());
                    let right = |value: &str| !value.eq_ignore_ascii_case("terse");
                    let proposed = cluster_wide(planning, name, value, right)?.into_iter();
                    drafts.extend(proposed.map(|draft| draft.closing([problem.closes()])));
                }
                // A role's or database's own value: `setting-overrides`.
                _ => {}
            }
        }
        Ok(drafts)
    }
}
