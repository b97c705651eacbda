//! Code that gives something away, across databases.

use crate::context::Context;
use pgattest_model::facts::{CodeClass, CodeMark, MarkedCode};
use pgattest_model::{Finding, Missing, ObservationId, Severity, Subject, SubjectKind};

/// What is wrong with code that has one of some marks.
pub(super) struct Trouble {
    pub(super) mark: CodeMark,
    pub(super) cause: &'static str,
    /// After the name of the code: `holds ..`.
    pub(super) holds: &'static str,
    pub(super) remediation: &'static str,
}

/// How much code was looked at, what was found in it, and which databases were not seen.
pub(super) fn troubled(
    context: &Context<'_>,
    troubles: &[Trouble],
) -> Result<(usize, Vec<Finding>, Vec<Missing>), Missing> {
    let (databases, not_seen) = context.in_databases(|db| &db.code_marks)?;
    let mut count = 0;
    let mut findings = Vec::new();
    for here in databases {
        count += here.rows.len();
        for piece in here.rows.iter().filter(|piece| !piece.marks.is_empty()) {
            // Several marks of one piece are one trouble: the first that is listed.
            let found = troubles.iter().find(|trouble| piece.has(trouble.mark));
            findings.extend(
                found.map(|trouble| finding(&here.database.name, piece, trouble, here.rows.from)),
            );
        }
    }
    Ok((count, findings, not_seen))
}

fn finding(database: &str, piece: &MarkedCode, trouble: &Trouble, from: &ObservationId) -> Finding {
    let kind = match piece.class {
        CodeClass::Function => SubjectKind::Function,
        CodeClass::View => SubjectKind::View,
        CodeClass::Policy => SubjectKind::Policy,
        CodeClass::Default
        | CodeClass::Constraint
        | CodeClass::Trigger
        | CodeClass::Rule
        | CodeClass::Index => SubjectKind::Relation,
    };
    let name = piece.sql_name();
    Finding {
        cause: trouble.cause.to_owned(),
        detail: format!(
            "{} {name} holds {}, which every role of the database can read",
            piece.class.as_str(),
            trouble.holds
        ),
        severity: Severity::High,
        observations: vec![from.clone()],
        remediation: trouble.remediation.to_owned(),
        subject: Subject::in_database(kind, database, name),
    }
}
