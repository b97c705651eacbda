//! The rules that come with pgattest.

use super::rule::{Rule, RuleError};

/// Each rule's text, by file name.
pub const TEXTS: [(&str, &str); 12] = [
    (
        "audit-weakened",
        include_str!("../../rules/audit-weakened.toml"),
    ),
    ("bulk-read", include_str!("../../rules/bulk-read.toml")),
    (
        "catalog-written",
        include_str!("../../rules/catalog-written.toml"),
    ),
    (
        "copy-program",
        include_str!("../../rules/copy-program.toml"),
    ),
    (
        "ddl-outside-window",
        include_str!("../../rules/ddl-outside-window.toml"),
    ),
    (
        "failed-login-burst",
        include_str!("../../rules/failed-login-burst.toml"),
    ),
    (
        "grant-to-public",
        include_str!("../../rules/grant-to-public.toml"),
    ),
    (
        "login-guessing",
        include_str!("../../rules/login-guessing.toml"),
    ),
    ("new-address", include_str!("../../rules/new-address.toml")),
    (
        "new-superuser",
        include_str!("../../rules/new-superuser.toml"),
    ),
    (
        "rls-weakened",
        include_str!("../../rules/rls-weakened.toml"),
    ),
    (
        "role-statement-cut",
        include_str!("../../rules/role-statement-cut.toml"),
    ),
];

/// All of them, ready to be run.
pub fn rules() -> Result<Vec<Rule>, RuleError> {
    TEXTS
        .iter()
        .map(|(name, text)| Rule::parse(name, text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::rules;

    #[test]
    fn every_rule_fires_for_its_examples_and_only_for_them() {
        for rule in rules().unwrap() {
            assert!(
                rule.examples.iter().any(|example| example.fires > 0),
                "`{}` has no example for which it fires",
                rule.id
            );
            assert!(
                rule.examples.iter().any(|example| example.fires == 0),
                "`{}` has no near miss",
                rule.id
            );
            rule.check_examples().unwrap();
        }
    }

    #[test]
    fn a_file_is_named_as_its_rule() {
        for ((name, _), rule) in super::TEXTS.iter().zip(rules().unwrap()) {
            assert_eq!(*name, rule.id);
            assert!(rule.description.len() > 100, "{name}: say more");
        }
    }
}
