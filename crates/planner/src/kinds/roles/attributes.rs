//! Role attributes that nobody approved are taken away.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Stage};

/// `ALTER ROLE .. NOCREATEDB` and its like.
#[derive(Clone, Copy, Debug)]
pub struct Attributes;

/// One attribute: the check that finds it, and whether taking it away is expected to hurt an application.
struct Attribute {
    check: &'static str,
    keyword: &'static str,
    safe: bool,
}

const ATTRIBUTES: &[Attribute] = &[Attribute {
    check: "ROL-09",
    keyword: "CREATEDB",
    safe: true,
}];

impl Kind for Attributes {
    fn name(&self) -> &'static str {
        "role-attributes"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-09"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let roles = planning.context.facts.roles.here()?;
        let mut drafts = Vec::new();
        for attribute in ATTRIBUTES {
            for problem in planning.open(attribute.check) {
                let Some(role) = roles
                    .iter()
                    .find(|role| quote_ident(&role.name) == problem.finding.subject.name)
                else {
                    continue;
                };
                let name = quote_ident(&role.name);
                let keyword = attribute.keyword;
                let draft = Draft::sql(
                    format!("take {keyword} from role {}", visible(&name)),
                    Stage::Powers,
                    None,
                    vec![format!("ALTER ROLE {name} NO{keyword};")],
                    vec![format!("ALTER ROLE {name} {keyword};")],
                )
                .closing([problem.closes()])
                .affecting([Impact {
                    kind: ImpactKind::RightLost,
                    subject: name.clone(),
                    detail: format!(
                        "role {name} loses {keyword}; the catalogs do not say when it was last used"
                    ),
                    observations: vec![roles.from.clone()],
                }]);
                drafts.push(if attribute.safe {
                    draft
                } else {
                    draft.approval()
                });
            }
        }
        Ok(drafts)
    }
}
