//! A plan with every kind of action, undo, need and impact in it, and names that attack whatever they are rendered in.

use pgattest_model::plan::{
    Action, Change, Closes, FactsDigest, Impact, ImpactKind, Left, Need, Plan, PlanTarget, Risk,
    ServerFile, SettingValue, Stage, Undo,
};
use pgattest_model::{Fingerprint, ObservationId, Subject, SubjectKind};

/// A database whose name is a psql command, a connection string and a line of its own.
pub(crate) const DATABASE: &str = "it's \"a\"\n\\! touch /tmp/x 表 dbname=y";
/// A role's name, as SQL has it, that closes quotes and comments and forges lines.
pub(crate) const ROLE: &str =
    "\"</bdi><script>x</script>\u{1b}[31m\u{202e}\nDROP TABLE t; -- $$ ${x} @all ``` \\N\"";

fn closes(check: &str, kind: SubjectKind, database: Option<&str>, name: &str) -> Closes {
    Closes {
        check: check.to_owned(),
        subject: Subject {
            kind,
            database: database.map(str::to_owned),
            name: name.to_owned(),
        },
        fingerprint: Fingerprint(format!("{check}-{name}")),
    }
}

fn change(id: &str, title: &str, stage: Stage, action: Action, undo: Undo) -> Change {
    Change {
        id: id.to_owned(),
        kind: id
            .rsplit_once('-')
            .map(|(kind, _)| kind.to_owned())
            .unwrap_or_default(),
        title: title.to_owned(),
        stage,
        closes: Vec::new(),
        action,
        undo,
        risk: Risk::Safe,
        needs: Vec::new(),
        impact: Vec::new(),
        notes: Vec::new(),
    }
}

fn sql(database: Option<&str>, statements: &[&str]) -> Action {
    Action::Sql {
        database: database.map(str::to_owned),
        statements: statements.iter().map(|&one| one.to_owned()).collect(),
    }
}

fn set(name: &str, value: &str) -> Action {
    Action::Setting {
        name: name.to_owned(),
        value: Some(SettingValue::One(value.to_owned())),
    }
}

fn reset(name: &str) -> Undo {
    Undo::By(Action::Setting {
        name: name.to_owned(),
        value: None,
    })
}

fn impact(kind: ImpactKind, subject: &str, detail: &str) -> Impact {
    Impact {
        kind,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
        observations: vec![ObservationId::cluster("roles")],
    }
}

pub(crate) fn empty() -> Plan {
    Plan {
        tool_version: "0.1.0".to_owned(),
        target: PlanTarget {
            name: "db.example:5432".to_owned(),
            system_identifier: "7123456789012345678".to_owned(),
            version: "16.14".to_owned(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: "2026-03-01T09:30:00Z".to_owned(),
        facts: FactsDigest {
            groups: vec![
                (ObservationId::cluster("roles"), "ab".repeat(32)),
                (
                    ObservationId::database(16_384, "relations"),
                    "cd".repeat(32),
                ),
            ],
        },
        policy_sha256: Some("ef".repeat(32)),
        changes: Vec::new(),
        left: Vec::new(),
    }
}

pub(crate) fn plan() -> Plan {
    let hba = "# TYPE\tDATABASE\nlocal\tall\tpostgres\tpeer\nhostssl\tall\tall\t10.0.0.0/8\tscram-sha-256\n";
    let revoke = format!("REVOKE ALL ON TABLE public.orders FROM {ROLE};");
    let grant = format!("GRANT SELECT ON TABLE public.orders TO {ROLE} WITH GRANT OPTION;");
    let powers = format!("ALTER ROLE {ROLE} NOCREATEDB;");
    let powers_back = format!("ALTER ROLE {ROLE} CREATEDB;");
    let mut plan = Plan {
        changes: vec![
            change(
                "certificate-00000001",
                "make a certificate for db.example",
                Stage::Files,
                Action::Certificate {
                    names: vec!["db.example".to_owned(), "10.0.0.5".to_owned()],
                    days: 365,
                    certificate: "/var/lib/pg/server.crt".to_owned(),
                    key: "/var/lib/pg/server.key".to_owned(),
                    authority: "/var/lib/pg/root.crt".to_owned(),
                },
                Undo::None("files that no setting names do no harm".to_owned()),
            ),
            change(
                "logging-00000002",
                "set log_line_prefix",
                Stage::Settings,
                set("log_line_prefix", "%m [%p] it's \\ ${x} %{y} "),
                reset("log_line_prefix"),
            ),
            change(
                "logging-00000003",
                "set log_connections to on",
                Stage::Settings,
                set("log_connections", "on"),
                reset("log_connections"),
            ),
            change(
                "index-00000004",
                "index orders.tenant_id",
                Stage::Indexes,
                Action::SqlAlone {
                    database: DATABASE.to_owned(),
                    before: Some(
                        "DROP INDEX CONCURRENTLY IF EXISTS public.orders_tenant;".to_owned(),
                    ),
                    statement:
                        "CREATE INDEX CONCURRENTLY orders_tenant ON public.orders (tenant_id);"
                            .to_owned(),
                },
                Undo::By(Action::SqlAlone {
                    database: DATABASE.to_owned(),
                    before: None,
                    statement: "DROP INDEX CONCURRENTLY public.orders_tenant;".to_owned(),
                }),
            ),
            change(
                "isolation-00000005",
                "enable row-level security on public.orders",
                Stage::Isolation,
                sql(
                    Some(DATABASE),
                    &[
                        "CREATE POLICY tenant ON public.orders\n  USING (tenant_id = 1)\n  WITH CHECK (note <> 'a\nb');",
                        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;",
                    ],
                ),
                Undo::By(sql(
                    Some(DATABASE),
                    &[
                        "ALTER TABLE public.orders DISABLE ROW LEVEL SECURITY;",
                        "DROP POLICY tenant ON public.orders;",
                    ],
                )),
            ),
            change(
                "revokes-00000006",
                "revoke what nobody needs on public.orders",
                Stage::Revokes,
                sql(Some(DATABASE), &[&revoke]),
                Undo::By(sql(Some(DATABASE), &[&grant])),
            ),
            change(
                "role-attributes-00000007",
                &format!("take CREATEDB from role {ROLE}"),
                Stage::Powers,
                sql(None, &[&powers]),
                Undo::By(sql(None, &[&powers_back])),
            ),
            change(
                "hba-00000008",
                "let nobody in without TLS",
                Stage::Authentication,
                Action::File {
                    file: ServerFile::Hba,
                    path: "/etc/postgresql/pg_hba.conf".to_owned(),
                    before_sha256: "12".repeat(32),
                    text: hba.to_owned(),
                },
                Undo::Restore,
            ),
            change(
                "pgaudit-00000009",
                "load pgaudit",
                Stage::RestartSettings,
                Action::Setting {
                    name: "shared_preload_libraries".to_owned(),
                    value: Some(SettingValue::List(vec![
                        "pg_stat_statements".to_owned(),
                        "pgaudit".to_owned(),
                    ])),
                },
                Undo::By(Action::Setting {
                    name: "shared_preload_libraries".to_owned(),
                    value: Some(SettingValue::List(vec!["pg_stat_statements".to_owned()])),
                }),
            ),
            change(
                "restart-0000000a",
                "restart the server",
                Stage::Restart,
                Action::Restart,
                Undo::None("a restart is not taken back".to_owned()),
            ),
            change(
                "pgaudit-0000000b",
                "audit what the role pgattest_audited may",
                Stage::SettingsAfterRestart,
                set("pgaudit.role", "pgattest_audited"),
                reset("pgaudit.role"),
            ),
            change(
                "pgaudit-0000000c",
                "create the extension pgaudit",
                Stage::AfterRestart,
                sql(Some("shop"), &["CREATE EXTENSION pgaudit;"]),
                Undo::By(sql(Some("shop"), &["DROP EXTENSION pgaudit;"])),
            ),
            change(
                "passwords-0000000d",
                "new passwords",
                Stage::AfterRestart,
                Action::ByHand(format!(
                    "have {ROLE} set a new password, it's stored as MD5"
                )),
                Undo::None("pgattest does not do it".to_owned()),
            ),
        ],
        left: (0..12)
            .map(|number| Left {
                finding: closes(
                    "ISO-01",
                    SubjectKind::Relation,
                    Some("shop"),
                    &format!("public.t{number}"),
                ),
                why: format!("say in `[tenancy]` which column holds the tenant of {ROLE}"),
            })
            .collect(),
        ..empty()
    };
    decide(&mut plan);
    plan
}

/// Risks, needs, impact, notes and findings, by position.
fn decide(plan: &mut Plan) {
    let lock = Need::Lock {
        mode: "ACCESS EXCLUSIVE".to_owned(),
        on: "public.orders".to_owned(),
    };
    for change in &mut plan.changes {
        let id = change.id.clone();
        let found = |check: &str| closes(check, SubjectKind::Role, None, ROLE);
        match id.rsplit('-').next().unwrap_or_default() {
            "00000002" | "00000003" | "0000000b" => {
                change.needs.push(Need::Reload);
                change
                    .closes
                    .push(closes("LOG-01", SubjectKind::Setting, None, &id));
                change.impact.push(impact(
                    ImpactKind::MoreLogged,
                    "the log",
                    "two lines a session",
                ));
            }
            "00000005" => {
                change.risk = Risk::Approval;
                change.needs.push(lock.clone());
                change.impact.push(impact(
                    ImpactKind::OwnerFiltered,
                    "owner",
                    "jobs of role owner see no rows",
                ));
                change.closes.push(closes(
                    "ISO-02",
                    SubjectKind::Relation,
                    Some(DATABASE),
                    "public.orders",
                ));
            }
            "00000006" => {
                change.risk = Risk::Approval;
                let detail = format!("role {ROLE} loses SELECT on public.orders; last use unknown");
                change
                    .impact
                    .push(impact(ImpactKind::RightLost, ROLE, &detail));
                change.closes.extend((0..6).map(|n| {
                    closes(
                        "ACC-01",
                        SubjectKind::Relation,
                        Some(DATABASE),
                        &format!("public.o{n}"),
                    )
                }));
            }
            "00000007" => {
                change.closes.push(found("ROL-09"));
                change.needs.push(Need::NewSessions);
                change.notes.push(format!("tell whoever uses {ROLE}"));
            }
            "00000008" => {
                change.risk = Risk::Approval;
                change.needs.push(Need::Reload);
                let detail =
                    format!("role {ROLE} was seen from 10.0.0.9 without TLS, and would be refused");
                change
                    .impact
                    .push(impact(ImpactKind::LoginRefused, ROLE, &detail));
            }
            "00000009" => change.needs.push(Need::Restart),
            "0000000a" => {
                change.risk = Risk::Approval;
                change.needs.push(Need::Restart);
                change.impact.push(impact(
                    ImpactKind::Slowed,
                    "everybody",
                    "every session ends",
                ));
            }
            "0000000d" => {
                change.risk = Risk::ByHand;
                change.closes.push(found("CRD-01"));
            }
            _ => {}
        }
    }
}
