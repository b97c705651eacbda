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
            "ROL-01", "ROL-02", "ROL-03", "ROL-04", "ROL-05", "ROL-06", "ROL-08", "ROL-10",
            "ROL-12", "ROL-14", "ROL-15", "ROL-25", "GRN-02", "GRN-04", "GRN-05", "GRN-08",
            "GRN-12", "GRN-13", "GRN-16", "GRN-17", "GRN-18", "GRN-20", "FUN-03",
            // Whoever may claim any role may claim a superuser's.
            "HBA-01", "HBA-04", "HBA-10", "SEC-03",
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
            "RLS-01", "RLS-02", "RLS-03", "RLS-04", "RLS-05", "RLS-06", "RLS-07", "RLS-08",
            "RLS-09", "RLS-12", "RLS-14", "RLS-15", "RLS-16", "RLS-17", "RLS-18", "RLS-20",
            "RLS-21", "RLS-23", "ROL-07", "FUN-01", "FUN-02",
        ],
        assessed_by: None,
        limits: "Judged from the catalogs; isolation was not attacked",
    },
    Control {
        number: 3,
        name: "audit-logging",
        statement: "pgaudit records ddl, write and role, and is proven to",
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        requires: &[
            "LOG-01", "LOG-02", "LOG-03", "LOG-04", "LOG-09", "LOG-12", "GRN-15",
            // Proven to: canaries, completeness, and nobody turned it down.
            "LOG-18", "LOG-19", "LOG-21", "LOG-24",
        ],
        assessed_by: None,
        limits: "The trail is read record by record for the last days only; what a superuser does after switching pgaudit off in the \
                 session leaves no record",
    },
    Control {
        number: 4,
        name: "log-retention",
        statement: "Logs reach a central aggregator and are kept for twelve months",
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        requires: &["MON-04", "MON-01"],
        assessed_by: None,
        limits: "Says what sinks confirmed and what they say of their retention; nobody searched them",
    },
    Control {
        number: 5,
        name: "encrypted-connections",
        statement: "Every connection is encrypted: no reachable clear-text rule",
        criteria: &[Criterion::Cc6_6, Criterion::Cc6_7],
        requires: &["TLS-01", "TLS-05", "TLS-08", "HBA-02", "HBA-07", "HBA-11"],
        assessed_by: None,
        limits: "Judged from the rules, the sessions of one moment and handshakes; a clear-text login is tried by `pgattest prove transport` only",
    },
    Control {
        number: 6,
        name: "tls-floor",
        statement: "TLS 1.2 is the floor",
        criteria: &[Criterion::Cc6_7],
        requires: &["TLS-02", "TLS-03", "TLS-04"],
        assessed_by: None,
        limits: "Judged from the setting and from handshakes with one address",
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
