//! Privileges given, and taken back.

use pgattest_model::ident::quote_ident;

/// Objects in one statement: a statement of more is no longer read by anybody.
const PER_STATEMENT: usize = 20;

/// Privileges on one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Grant {
    /// As GRANT lists them, in its order.
    pub(super) rights: Vec<&'static str>,
    /// `TABLE`, `SEQUENCE`, `SCHEMA`, `FUNCTION`, `PROCEDURE`, `DATABASE`.
    pub(super) class: &'static str,
    /// The object as SQL.
    pub(super) object: String,
}

/// The statements that give, and in reverse order those that take back. Objects that get the same go into one statement.
pub(super) fn statements(grants: &[Grant], role: &str) -> (Vec<String>, Vec<String>) {
    let role = quote_ident(role);
    let mut give = Vec::new();
    let mut take = Vec::new();
    for same in grants.chunk_by(|a, b| a.rights == b.rights && a.class == b.class) {
        for some in same.chunks(PER_STATEMENT) {
            let Some(Grant { rights, class, .. }) = some.first() else {
                continue;
            };
            let rights = rights.join(", ");
            let objects: Vec<&str> = some.iter().map(|grant| grant.object.as_str()).collect();
            let objects = objects.join(", ");
            give.push(format!("GRANT {rights} ON {class} {objects} TO {role};"));
            take.push(format!("REVOKE {rights} ON {class} {objects} FROM {role};"));
        }
    }
    take.reverse();
    (give, take)
}

#[cfg(test)]
mod tests {
    use super::{Grant, statements};

    #[test]
    fn objects_that_get_the_same_share_a_statement() {
        let grant = |rights: &[&'static str], object: &str| Grant {
            rights: rights.to_vec(),
            class: "TABLE",
            object: object.to_owned(),
        };
        let (give, take) = statements(
            &[
                grant(&["SELECT"], "a.b"),
                grant(&["SELECT"], "a.\"C\""),
                grant(&["SELECT", "INSERT"], "a.d"),
            ],
            "we\"ird",
        );
        assert_eq!(
            give,
            [
                "GRANT SELECT ON TABLE a.b, a.\"C\" TO \"we\"\"ird\";",
                "GRANT SELECT, INSERT ON TABLE a.d TO \"we\"\"ird\";"
            ]
        );
        assert_eq!(
            take,
            [
                "REVOKE SELECT, INSERT ON TABLE a.d FROM \"we\"\"ird\";",
                "REVOKE SELECT ON TABLE a.b, a.\"C\" FROM \"we\"\"ird\";"
            ]
        );
    }
}
