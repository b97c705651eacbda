//! One audit with everything in it that a report can meet: passes, failures, what was not seen, a fault repeated over a
//! thousand tables, and names that attack terminals, HTML, JSON and readers.

use pgattest_model::crosswalk::{AreaRow, Framework};
use pgattest_model::waiver::WaiverPlaces;
use pgattest_model::{
    Area, Assessment, Audit, CheckResult, Control, ControlResult, Covered, Covers, Criterion,
    Crosswalk, Date, Diagnostic, DiagnosticLevel, Finding, Fingerprint, Meta, Missing, NotVisible,
    Observation, ObservationId, Outcome, Place, Population, Responsibility, Run, ServerVersion,
    Severity, Status, Subject, SubjectKind, TargetIdentity, Verdict, Waiver, WaiverResult,
    WaiverState,
};

/// A role's name that closes a tag, colours a terminal, turns the reading direction and starts a new line.
pub(crate) const HOSTILE: &str =
    "\"</bdi><script>alert(1)</script>\u{1b}[31m\u{202e}\nPASS \u{200b}表\"";
/// A table's name that is a spreadsheet formula, a shell command and Markdown at once.
pub(crate) const FORMULA: &str = "public.\"=cmd()|'$(reboot)' [x](javascript:alert(1))\"";

const ROLE_DOCS: &str = "\
## What it checks

Every role with `SUPERUSER`, against the list in `[access] superusers`. Without a list only the **bootstrap** superuser is
taken as approved.

## Why it matters

A superuser bypasses every privilege check and row-level security:

- it reads and changes *all* data
- it can run programs on the server, as the operating system's user `postgres`
- it can turn off the audit log for its own session

## How to fix it

1. Give the service a role of its own with the privileges it needs
2. Take the attribute away:

   ```sql
   ALTER ROLE app NOSUPERUSER;
   ```

## References

- [Role attributes](https://www.postgresql.org/docs/current/role-attributes.html)
";

const fn meta(
    id: &'static str,
    name: &'static str,
    title: &'static str,
    severity: Severity,
    criteria: &'static [Criterion],
    area: Area,
) -> Meta {
    Meta {
        id,
        name,
        title,
        severity,
        criteria,
        area,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
        docs: ROLE_DOCS,
    }
}

pub(crate) static ROL_01: Meta = meta(
    "ROL-01",
    "superuser-roles",
    "Only approved roles are superuser",
    Severity::Critical,
    &[Criterion::Cc6_1, Criterion::Cc6_3],
    Area::LeastPrivilege,
);
static ROL_02: Meta = meta(
    "ROL-02",
    "reach-superuser",
    "No login role can become superuser through membership",
    Severity::High,
    &[Criterion::Cc6_3],
    Area::LeastPrivilege,
);
static RLS_01: Meta = meta(
    "RLS-01",
    "tenant-tables-without-rls",
    "Every table with a tenant column has row-level security",
    Severity::High,
    &[Criterion::Cc6_1, Criterion::C1_1],
    Area::TenantIsolation,
);
static RLS_02: Meta = meta(
    "RLS-02",
    "unforced-rls",
    "Row-level security is forced on every tenant table",
    Severity::Medium,
    &[Criterion::Cc6_1],
    Area::TenantIsolation,
);
static FUN_01: Meta = meta(
    "FUN-01",
    "definer-search-path",
    "Every SECURITY DEFINER function fixes its search_path",
    Severity::Medium,
    &[Criterion::Cc6_1, Criterion::Cc6_8],
    Area::CodeTrust,
);
static SEC_01: Meta = meta(
    "SEC-01",
    "weak-verifiers",
    "Every stored password is a SCRAM verifier",
    Severity::High,
    &[Criterion::Cc6_1],
    Area::Authentication,
);
static HBA_01: Meta = meta(
    "HBA-01",
    "trust-lines",
    "No reachable rule trusts without authentication",
    Severity::Critical,
    &[Criterion::Cc6_1, Criterion::Cc6_6],
    Area::Boundary,
);
static TLS_02: Meta = meta(
    "TLS-02",
    "minimum-tls",
    "TLS 1.2 is the floor",
    Severity::Low,
    &[Criterion::Cc6_7],
    Area::Transport,
);
static LOG_01: Meta = meta(
    "LOG-01",
    "pgaudit-loaded",
    "pgaudit is loaded and created in every database",
    Severity::High,
    &[Criterion::Cc7_2],
    Area::AuditLogging,
);

macro_rules! controls {
    ($($number:literal $name:literal $statement:literal [$($check:literal),*] $by:expr;)*) => {
        static CONTROLS: [Control; 8] = [$(Control {
            number: $number,
            name: $name,
            statement: $statement,
            criteria: &[Criterion::Cc6_1, Criterion::Cc6_3],
            requires: &[$($check),*],
            assessed_by: $by,
            limits: "anything about a time before or after the audit",
        }),*];
    };
}

controls! {
    1 "least-privilege" "No application connects as a superuser; each service has its own least-privilege role" ["ROL-01", "ROL-02"] None;
    2 "row-level-security" "Row-level security is enabled and forced on every multi-tenant table" ["RLS-01", "RLS-02"] None;
    3 "audit-logging" "pgaudit records ddl, write and role" ["LOG-01"] None;
    4 "log-retention" "Logs reach a central aggregator with 12 months' retention" [] Some("proving that a canary line arrives in the aggregator");
    5 "encrypted-connections" "Every connection is encrypted: no reachable clear-text rule" ["HBA-01"] None;
    6 "tls-floor" "TLS 1.2 is the floor" ["TLS-02"] None;
    7 "storage-encryption" "Storage is encrypted (RDS, EBS or volume)" [] Some("reading the mounts of the host or the provider's API");
    8 "access-review" "A quarterly access review is documented" [] Some("a review campaign with decisions and sign-off");
}

pub(crate) const TABLES: usize = 1000;

pub(crate) fn audit() -> Audit {
    Audit {
        target: TargetIdentity {
            name: "db-1.internal:5432".to_owned(),
            system_identifier: "7423519876543210987".to_owned(),
            version: Some(ServerVersion(150_018)),
            version_text: "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc 12.2.0, 64-bit".to_owned(),
            in_recovery: false,
            role: "auditor".to_owned(),
            databases: ["shop", "Analytics", "evil\u{1b}[2J"].map(str::to_owned).to_vec(),
            flavour: "self-hosted".to_owned(),
        },
        run: Run {
            tool_version: "0.1.0".to_owned(),
            started_at: "2026-03-01T09:30:00.250Z".to_owned(),
            finished_at: "2026-03-01T09:30:02.600Z".to_owned(),
            clock_skew_ms: Some(12),
            policy_given: false,
        },
        assessment: Assessment { checks: checks(), controls: controls(), waivers: Vec::new(), waivers_as_of: None, diagnostics: Vec::new() },
        observations: observations(),
        not_visible: vec![
            NotVisible { missing: verifiers_hidden(), wanted_by: vec!["SEC-01"] },
            NotVisible {
                missing: Missing::because("the database evil\u{1b}[2J was dropped while it was read"),
                wanted_by: vec!["LOG-01", "FUN-01"],
            },
            NotVisible {
                missing: Missing::because("parameter privileges are not recorded by this version of the server"),
                wanted_by: vec![],
            },
        ],
    }
}

pub(crate) fn crosswalk() -> Crosswalk {
    let framework = |key: &str, name: &str| Framework {
        key: key.to_owned(),
        name: name.to_owned(),
    };
    let area = |area: Area, title: &str, numbers: [&str; 3]| AreaRow {
        key: area.key().to_owned(),
        title: title.to_owned(),
        numbers: numbers.map(str::to_owned).to_vec(),
    };
    Crosswalk {
        frameworks: vec![
            framework("iso-27001", "ISO/IEC 27001:2022 Annex A"),
            framework("nist-800-53", "NIST SP 800-53 r5"),
            framework("pci-dss", "PCI DSS 4.0.1"),
        ],
        areas: vec![
            area(
                Area::LeastPrivilege,
                "roles, least privilege, no application superuser",
                ["5.15, 5.18, 8.2, 8.3", "AC-3, AC-6", "7.2.1, 7.2.2, 7.2.5"],
            ),
            area(
                Area::TenantIsolation,
                "row-level security and tenant isolation",
                ["8.3, 5.15", "AC-3, AC-4, SC-2, SC-4", ""],
            ),
            area(
                Area::Transport,
                "TLS in transit",
                ["8.24, 8.20", "SC-8, SC-8(1), SC-13", "4.2.1, 2.2.7"],
            ),
            area(
                Area::AuditLogging,
                "audit logging: who, what, when, from where, outcome",
                ["8.15", "AU-2, AU-3, AU-12", "10.2.1.1-.7"],
            ),
        ],
    }
}

fn checks() -> Vec<CheckResult> {
    vec![
        result(&ROL_01, Verdict::assessed(14, "roles", superusers())),
        result(&ROL_02, Verdict::assessed(9, "login roles", vec![])),
        result(
            &RLS_01,
            Verdict::assessed(1204, "tables with a tenant column", open_tables()),
        ),
        result(
            &RLS_02,
            Verdict::NotApplicable("no table has row-level security enabled".to_owned()),
        ),
        result(
            &FUN_01,
            Verdict::Assessed {
                population: Population {
                    count: 31,
                    of: "functions",
                },
                findings: vec![],
                not_seen: vec![Missing::because(
                    "the database evil\u{1b}[2J was dropped while it was read",
                )],
            },
        ),
        result(&SEC_01, Verdict::NotAssessed(verifiers_hidden())),
        result(
            &HBA_01,
            Verdict::assessed(12, "rules of pg_hba.conf", trusting_rules()),
        ),
        result(&TLS_02, Verdict::assessed(1, "setting", vec![])),
        result(
            &LOG_01,
            Verdict::assessed(4, "databases", unaudited_databases()),
        ),
    ]
}

fn superusers() -> Vec<Finding> {
    let superuser = |name: &str, detail: &str| Finding {
        subject: Subject::cluster(SubjectKind::Role, name),
        cause: "a login role is superuser and is not approved".to_owned(),
        detail: detail.to_owned(),
        severity: Severity::Critical,
        observations: vec![
            ObservationId::cluster("roles"),
            ObservationId::cluster("sessions"),
        ],
        remediation: format!("ALTER ROLE {name} NOSUPERUSER"),
    };
    vec![
        superuser(
            "app",
            "app is superuser, can log in, and had 12 sessions from 10.0.4.7",
        ),
        superuser(HOSTILE, "it is superuser and can log in"),
    ]
}

fn open_tables() -> Vec<Finding> {
    let table = |name: String| Finding {
        detail: format!(
            "{name} carries the column tenant_id but anyone with SELECT reads the rows of every tenant"
        ),
        remediation: format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
        subject: Subject::in_database(SubjectKind::Relation, "shop", name),
        cause: "the table carries the tenant column and row-level security is off".to_owned(),
        severity: Severity::High,
        observations: vec![ObservationId::database(16384, "relations")],
    };
    // In no order, as a collector might deliver them.
    let mut tables: Vec<Finding> = (1..TABLES)
        .rev()
        .map(|number| table(format!("public.t{number:04}")))
        .collect();
    tables.push(table(FORMULA.to_owned()));
    tables
}

fn trusting_rules() -> Vec<Finding> {
    vec![Finding {
        subject: Subject::cluster(SubjectKind::HbaRule, "/etc/postgresql/15/main/pg_hba.conf:12"),
        cause: "a rule lets in anyone who can reach it, without authentication".to_owned(),
        detail: "host all all 10.0.0.0/8 trust: any of 9 login roles, superuser app among them, from 16,777,216 addresses".to_owned(),
        severity: Severity::Critical,
        observations: vec![ObservationId::cluster("hba-rules")],
        remediation: "Replace trust by scram-sha-256 and hostssl in this line, then reload".to_owned(),
    }]
}

fn unaudited_databases() -> Vec<Finding> {
    let database = |name: &str, severity, cause: &str| Finding {
        subject: Subject::cluster(SubjectKind::Database, name),
        cause: cause.to_owned(),
        detail: cause.to_owned(),
        severity,
        observations: vec![ObservationId::cluster("settings")],
        remediation:
            "Add pgaudit to shared_preload_libraries, restart, then CREATE EXTENSION pgaudit"
                .to_owned(),
    };
    vec![
        database(
            "shop",
            Severity::High,
            "pgaudit is not loaded, so nothing done here is recorded",
        ),
        database(
            "\"Analytics\"",
            Severity::High,
            "pgaudit is not loaded, so nothing done here is recorded",
        ),
        database(
            "template1",
            Severity::Low,
            "the template has no pgaudit, so databases made from it have none",
        ),
    ]
}

fn verifiers_hidden() -> Missing {
    Missing::because("password verifiers are hidden: permission denied for table pg_authid")
        .opened_by("GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO auditor")
        .seen_in(ObservationId::cluster("verifiers"))
}

fn result(meta: &'static Meta, verdict: Verdict) -> CheckResult {
    let fingerprints = verdict
        .findings()
        .iter()
        .enumerate()
        .map(|(index, _)| fingerprint(meta, index))
        .collect();
    CheckResult {
        meta,
        verdict,
        fingerprints,
        waived: Vec::new(),
    }
}

/// Sixteen hex digits that no other finding of the fixture has.
fn fingerprint(meta: &Meta, index: usize) -> Fingerprint {
    let seed = meta.id.bytes().fold(index as u64 + 1, |sum, byte| {
        sum.wrapping_mul(1_099_511_628_211)
            .wrapping_add(u64::from(byte))
    });
    Fingerprint(format!("{seed:016x}"))
}

fn controls() -> Vec<ControlResult> {
    let conclusions = [
        (Status::Fail, "ROL-01 fails for 2 of 14 roles"),
        (
            Status::Fail,
            "RLS-01 fails for 1,000 of 1,204 tables with a tenant column",
        ),
        (Status::Fail, "LOG-01 fails for 3 of 4 databases"),
        (
            Status::NotAssessed,
            "the path of a log line beyond the server is not observed yet",
        ),
        (
            Status::Fail,
            "HBA-01 fails for 1 of 12 rules of pg_hba.conf",
        ),
        (Status::Pass, "every required check passes"),
        (
            Status::NotAssessed,
            "the storage below the data directory is not observed yet",
        ),
        (Status::NotAssessed, "no access review is recorded yet"),
    ];
    CONTROLS
        .iter()
        .zip(conclusions)
        .map(|(control, (status, reason))| ControlResult {
            control,
            status,
            reason: reason.to_owned(),
        })
        .collect()
}

fn observations() -> Vec<Observation> {
    let observation =
        |id: ObservationId, database: &str, query: &str, outcome: Outcome| Observation {
            id,
            query: query.to_owned(),
            database: database.to_owned(),
            role: "auditor".to_owned(),
            asked_at: "db-1.internal:5432".to_owned(),
            started_at: "2026-03-01T09:30:00.300Z".to_owned(),
            finished_at: "2026-03-01T09:30:00.340Z".to_owned(),
            server_started_at: "2026-03-01T09:30:00.288Z".to_owned(),
            server_finished_at: "2026-03-01T09:30:00.328Z".to_owned(),
            outcome,
        };
    let rows = |csv: &str| Outcome::Rows {
        csv: csv.as_bytes().to_vec(),
        rows: csv.lines().count().saturating_sub(1) as u64,
    };
    let denied = Outcome::Failed {
        sqlstate: "42501".to_owned(),
        message: "permission denied for table pg_authid".to_owned(),
        opens: Some(
            "GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO auditor".to_owned(),
        ),
    };
    vec![
        observation(
            ObservationId::database(16384, "relations"),
            "shop",
            "SELECT c.oid,\n       n.nspname,\n       c.relname\n  FROM pg_catalog.pg_class AS c\n  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace\n WHERE c.relkind IN ('r', 'p') AND c.relname <> '<script>'",
            rows("oid,nspname,relname\n1,public,t0001\n2,public,t0002\n"),
        ),
        observation(
            ObservationId::cluster("roles"),
            "postgres",
            "SELECT rolname, rolsuper FROM pg_catalog.pg_roles",
            rows("rolname,rolsuper\npostgres,t\napp,t\n"),
        ),
        observation(
            ObservationId::cluster("hba-rules"),
            "postgres",
            "SELECT * FROM pg_catalog.pg_hba_file_rules",
            rows("line\n12\n"),
        ),
        observation(
            ObservationId::cluster("settings"),
            "postgres",
            "SELECT name, setting FROM pg_catalog.pg_settings",
            rows("name,setting\n"),
        ),
        observation(
            ObservationId::cluster("verifiers"),
            "postgres",
            "SELECT rolname FROM pg_catalog.pg_authid",
            denied,
        ),
    ]
}

/// The same audit under a policy: both superusers are accepted, by two waivers of four.
pub(crate) fn waived() -> Audit {
    let mut audit = audit();
    audit.run.policy_given = true;
    let assessment = &mut audit.assessment;
    let result = &mut assessment.checks[0];
    result.waived = vec![Some(0), Some(1)];
    let covered = |number: usize| {
        let finding = &result.verdict.findings()[number];
        vec![Covered {
            subject: finding.subject.clone(),
            severity: finding.severity,
            cause: finding.cause.clone(),
            fingerprint: result.fingerprints[number].clone(),
        }]
    };
    let waiver = |line, check: &str, covers, compensating_control: Option<&str>| Waiver {
        check: check.to_owned(),
        covers,
        database: None,
        reason: "the vendor's loader needs superuser until version 9, and is reached from one host"
            .to_owned(),
        owner: HOSTILE.to_owned(),
        approver: "Jo Doe, CISO".to_owned(),
        compensating_control: compensating_control.map(str::to_owned),
        issued: Date::new(2025, 10, 1),
        expires: Date::new(2026, 12, 31).expect("a day"),
        places: places(line),
    };
    let subject = |name: &str| Covers::Subject(name.to_owned());
    assessment.waivers = vec![
        WaiverResult {
            waiver: waiver(
                3,
                "ROL-01",
                subject("app"),
                Some("sessions are reviewed weekly"),
            ),
            check: Some("ROL-01"),
            state: WaiverState::Used,
            why: "accepts 1 finding of ROL-01 until 2026-12-31".to_owned(),
            covered: covered(0),
        },
        WaiverResult {
            waiver: waiver(12, "superuser-roles", subject(HOSTILE), None),
            check: Some("ROL-01"),
            state: WaiverState::Used,
            why: "accepts 1 finding of ROL-01 until 2026-12-31".to_owned(),
            covered: covered(1),
        },
        WaiverResult {
            waiver: Waiver {
                database: Some("evil\u{1b}[2J".to_owned()),
                ..waiver(20, "RLS-1", subject("public.*"), None)
            },
            check: None,
            state: WaiverState::Unknown,
            why: "no check is called `RLS-1`".to_owned(),
            covered: vec![],
        },
        WaiverResult {
            waiver: waiver(28, "HBA-01", Covers::Fingerprint("00".repeat(8)), None),
            check: Some("HBA-01"),
            state: WaiverState::Unused,
            why: "HBA-01 has no finding with this fingerprint".to_owned(),
            covered: vec![],
        },
    ];
    assessment.waivers_as_of = Date::new(2026, 3, 1);
    assessment.diagnostics = vec![
        Diagnostic {
            level: DiagnosticLevel::Warning,
            place: places(2).entry,
            message: format!("no role is called `{HOSTILE}`"),
            help: Some("did you mean `app`?".to_owned()),
        },
        Diagnostic {
            level: DiagnosticLevel::Note,
            place: places(3).covers,
            message: "used waiver: accepts 1 finding of ROL-01 until 2026-12-31".to_owned(),
            help: None,
        },
    ];
    assessment.controls[0].status = Status::Waived;
    "2 findings in ROL-01 accepted by waiver until 2026-12-31"
        .clone_into(&mut assessment.controls[0].reason);
    audit
}

fn places(line: usize) -> WaiverPlaces {
    let place = Place {
        start: line * 20,
        end: line * 20 + 10,
        line,
        column: 1,
    };
    WaiverPlaces {
        entry: place,
        check: place,
        covers: place,
        database: place,
        expires: place,
    }
}
