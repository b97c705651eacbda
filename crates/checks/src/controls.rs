//! The checklist of eight.

use pgattest_model::{Control, Criterion};

/// The eight points, in the order of every report's first page.
pub static CONTROLS: &[Control] = &[
    Control {
        number: 1,
        name: "least-privilege-roles",
        statement: "No application connects as a superuser; each service has its own least-privilege role",
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_2, Criterion::Cc6_3],
        requires: &[
            "ROL-01", "ROL-02", "ROL-03", "ROL-06", "GRN-02", "GRN-04", "GRN-05",
            // Whoever may claim any role may claim a superuser's.
            "HBA-01",
        ],
        assessed_by: None,
        limits: "Says nothing about which person or service uses a role",
    },
    Control {
        number: 2,
        name: "tenant-isolation",
        statement: "Row-level security is enabled and forced on every multi-tenant table",
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        requires: &[
            "RLS-01", "RLS-02", "RLS-03", "RLS-04", "RLS-05", "RLS-15", "FUN-01",
        ],
        assessed_by: None,
        limits: "Judged from the catalogs; isolation was not attacked",
    },
    Control {
        number: 3,
        name: "audit-logging",
        statement: "pgaudit records ddl, write and role, and is proven to",
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        requires: &["LOG-01", "LOG-02", "LOG-03", "LOG-09"],
        assessed_by: None,
        limits: "Judged from the configuration; no canary statement was followed to the log",
    },
    Control {
        number: 4,
        name: "log-retention",
        statement: "Logs reach a central aggregator and are kept for twelve months",
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        requires: &[],
        assessed_by: Some(
            "it takes the aggregator's own records: its retention setting and the oldest line it can return",
        ),
        limits: "",
    },
    Control {
        number: 5,
        name: "encrypted-connections",
        statement: "Every connection is encrypted: no reachable clear-text rule",
        criteria: &[Criterion::Cc6_6, Criterion::Cc6_7],
        requires: &["TLS-01", "TLS-08", "HBA-07"],
        assessed_by: None,
        limits: "Judged from the rules and the sessions of one moment; no clear-text login was tried",
    },
    Control {
        number: 6,
        name: "tls-floor",
        statement: "TLS 1.2 is the floor",
        criteria: &[Criterion::Cc6_7],
        requires: &["TLS-02"],
        assessed_by: None,
        limits: "Judged from the setting; no handshake with an older version was tried",
    },
    Control {
        number: 7,
        name: "storage-encryption",
        statement: "Storage is encrypted",
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        requires: &[],
        assessed_by: Some(
            "it takes the host's mounts and block devices, or the cloud's volume and key records: SQL cannot see them",
        ),
        limits: "",
    },
    Control {
        number: 8,
        name: "access-review",
        statement: "A quarterly access review is documented",
        criteria: &[Criterion::Cc6_2, Criterion::Cc6_3],
        requires: &[],
        assessed_by: Some(
            "it takes a closed review campaign with a reviewer's decision for every entitlement",
        ),
        limits: "",
    },
];

#[cfg(test)]
mod tests {
    use super::CONTROLS;
    use crate::registry::CHECKS;

    #[test]
    fn eight_points_each_with_checks_that_exist_or_a_word_on_what_would_assess_it() {
        let numbers: Vec<u8> = CONTROLS.iter().map(|control| control.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        for control in CONTROLS {
            assert_eq!(
                control.requires.is_empty(),
                control.assessed_by.is_some(),
                "{}",
                control.name
            );
            for id in control.requires {
                assert!(
                    CHECKS.iter().any(|check| check.meta().id == *id),
                    "{}: no check {id}",
                    control.name
                );
            }
        }
    }
}
