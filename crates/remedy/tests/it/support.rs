//! A cluster with something to fix, a plan that has every kind of action, and what the cluster looks like.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgattest_collect::{Limits, collect};
use pgattest_model::plan::{
    Action, Change, FactsDigest, Plan, PlanTarget, Risk, ServerFile, SettingValue, Stage, Undo,
};
use pgattest_planner::facts_digest;
use pgattest_remedy::{Event, FaultHook, Observer, Point, Request, Restart, ServerFiles};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use sha2::{Digest, Sha256};

/// A name with everything that a name can have.
pub(crate) const HOSTILE: &str = "a\"b'c$$d\\e\\N\nf-ä";

pub(crate) const HBA: &str = "\
# who may come in; a comment with a \\ and a 'quote' stays
local all all trust
host  all all 127.0.0.1/32 trust
host  all all ::1/128 trust
";

/// Refuses an application that was let in, and leaves our way.
pub(crate) const NEW_HBA: &str = "\
# who may come in; a comment with a \\ and a 'quote' stays
local all all trust
host  all app 127.0.0.1/32 reject
host  all all 127.0.0.1/32 trust\t# a tab, \\. and \\N, and no line end";

pub(crate) const DIGEST: &str = "d1d2d3d4d5d6d7d8d1d2d3d4d5d6d7d8d1d2d3d4d5d6d7d8d1d2d3d4d5d6d7d8";

/// A server, from this process or another one.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) dsn: String,
    pub(crate) data: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Site {
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions::resolve(Some(&self.dsn), &ProcessEnv).unwrap()
    }

    fn hba(&self) -> PathBuf {
        self.data.join("pg_hba.conf")
    }

    pub(crate) async fn facts(&self) -> FactsDigest {
        let collection = collect(&self.options(), limits(), |_| {}).await.unwrap();
        facts_digest(&collection.observations)
    }

    pub(crate) async fn identifier(&self) -> String {
        let connection = pgattest_wire::connect(&self.options()).await.unwrap();
        let query = "SELECT system_identifier::text FROM pg_control_system()";
        let row = connection.client().query_one(query, &[]).await.unwrap();
        row.get(0)
    }

    /// A plan of these changes for this server as it is.
    pub(crate) async fn plan(&self, changes: Vec<Change>) -> Plan {
        Plan {
            facts: self.facts().await,
            ..self.plan_for_later(changes).await
        }
    }

    /// The same without facts: enough to go on and to take back, where nobody compares them.
    pub(crate) async fn plan_for_later(&self, changes: Vec<Change>) -> Plan {
        let connection = pgattest_wire::connect(&self.options()).await.unwrap();
        let version = connection.parameter("server_version").unwrap().to_owned();
        Plan {
            tool_version: "0".to_owned(),
            target: PlanTarget {
                name: String::new(),
                system_identifier: self.identifier().await,
                version,
                flavour: "self-hosted".to_owned(),
            },
            facts_as_of: String::new(),
            facts: FactsDigest::default(),
            policy_sha256: None,
            changes,
            left: Vec::new(),
        }
    }

    /// One change of every kind but the restart.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let role = format!("\"{}\"", HOSTILE.replace('"', "\"\""));
        vec![
            setting("log-a", Stage::Settings, "log_disconnections", "on"),
            setting("log-b", Stage::Settings, "log_line_prefix", "%m 'q' \\ %u "),
            sql(
                "group",
                Stage::Roles,
                None,
                &[&format!("CREATE ROLE {role} NOLOGIN;")],
                &[&format!("DROP ROLE {role};")],
            ),
            Change {
                action: Action::SqlAlone {
                    database: "shop".to_owned(),
                    before: Some("DROP INDEX CONCURRENTLY IF EXISTS public.by_tenant;".to_owned()),
                    statement: "CREATE INDEX CONCURRENTLY by_tenant ON public.orders (tenant);"
                        .to_owned(),
                },
                undo: Undo::By(Action::SqlAlone {
                    database: "shop".to_owned(),
                    before: None,
                    statement: "DROP INDEX CONCURRENTLY IF EXISTS public.by_tenant;".to_owned(),
                }),
                ..blank("index", Stage::Indexes)
            },
            sql(
                "grant",
                Stage::Grants,
                Some("shop"),
                &[&format!("GRANT SELECT ON public.orders TO {role};")],
                &[&format!("REVOKE SELECT ON public.orders FROM {role};")],
            ),
            sql(
                "revoke",
                Stage::Revokes,
                Some("shop"),
                &["REVOKE SELECT ON public.orders FROM PUBLIC;"],
                &["GRANT SELECT ON public.orders TO PUBLIC;"],
            ),
            sql(
                "power",
                Stage::Powers,
                None,
                &["ALTER ROLE app NOCREATEDB;"],
                &["ALTER ROLE app CREATEDB;"],
            ),
            self.hba_change(NEW_HBA),
        ]
    }

    pub(crate) fn hba_change(&self, text: &str) -> Change {
        Change {
            action: Action::File {
                file: ServerFile::Hba,
                path: self.hba().display().to_string(),
                before_sha256: hex::encode(Sha256::digest(HBA)),
                text: text.to_owned(),
            },
            undo: Undo::Restore,
            ..blank("hba", Stage::Authentication)
        }
    }

    pub(crate) fn request<'a>(
        &'a self,
        plan: &'a Plan,
        options: &'a ConnectOptions,
    ) -> Request<'a> {
        Request {
            plan,
            plan_digest: DIGEST,
            options,
            folder: &self.folder,
            files: ServerFiles::ThroughServer,
            restart: Restart::No,
            accept: BTreeSet::new(),
            lock_timeout: Duration::from_millis(300),
            attempts: 3,
            prove_within: Duration::from_secs(3),
            limits: limits(),
            faults: None,
        }
    }

    /// Whether somebody can log in over the network, as whoever applies does.
    pub(crate) async fn lets_us_in(&self) -> bool {
        pgattest_wire::connect(&self.options()).await.is_ok()
    }

    /// Everything that the plan changes, by name, and what must not be left behind.
    pub(crate) async fn snapshot(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (database, query) in [
            (
                "postgres",
                "SELECT format('role %s %s %s', rolname, rolcreatedb, rolcanlogin) FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1",
            ),
            (
                "postgres",
                "SELECT format('auto %s=%s', name, setting) FROM pg_file_settings WHERE sourcefile ~ 'auto.conf$' ORDER BY 1",
            ),
            (
                "postgres",
                "SELECT format('in force %s=%s', name, setting) FROM pg_settings WHERE name IN ('log_disconnections','log_line_prefix') ORDER BY 1",
            ),
            (
                "postgres",
                "SELECT format('rule %s %s %s', line_number, user_name, auth_method) FROM pg_hba_file_rules ORDER BY line_number",
            ),
            (
                "shop",
                "SELECT format('table %s %s', a.grantee::regrole, a.privilege_type) FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE c.relname = 'orders' ORDER BY 1",
            ),
            (
                "shop",
                "SELECT format('index %s valid=%s', indexrelid::regclass, indisvalid) FROM pg_index WHERE indrelid = 'public.orders'::regclass ORDER BY 1",
            ),
            (
                "shop",
                "SELECT format('large object %s', oid) FROM pg_largeobject_metadata",
            ),
        ] {
            let options = self.options().with_database(database);
            let connection = pgattest_wire::connect(&options).await.unwrap();
            for row in connection.client().query(query, &[]).await.unwrap() {
                lines.push(row.get(0));
            }
        }
        lines.push(std::fs::read_to_string(self.hba()).unwrap());
        lines
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        probe: false,
        ..Limits::default()
    }
}

/// A cluster with a database `shop`, a table everybody may read, and an application's role that may make databases.
pub(crate) async fn cluster(major: u32) -> (Cluster, Site) {
    let cluster = Cluster::builder(major).hba(HBA).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE app LOGIN CREATEDB; CREATE DATABASE shop OWNER app;
             ALTER SYSTEM SET log_line_prefix = '%t was here ';",
        )
        .await
        .unwrap();
    cluster
        .execute(
            "shop",
            "CREATE TABLE public.orders (id int, tenant int); GRANT SELECT ON public.orders TO PUBLIC;
             INSERT INTO public.orders SELECT i, i % 7 FROM generate_series(1, 100) i;
             ALTER TABLE public.orders SET (autovacuum_enabled = off);",
        )
        .await
        .unwrap();
    cluster
        .execute("postgres", "SELECT pg_reload_conf()")
        .await
        .unwrap();
    let site = Site {
        dsn: cluster.dsn_as("postgres", "postgres"),
        data: cluster.data_dir(),
        folder: cluster.scratch_dir().join("plan"),
    };
    (cluster, site)
}

pub(crate) fn blank(id: &str, stage: Stage) -> Change {
    Change {
        id: id.to_owned(),
        kind: id.to_owned(),
        title: format!("do {id}"),
        stage,
        closes: Vec::new(),
        action: Action::Restart,
        undo: Undo::None("nothing takes it back".to_owned()),
        risk: Risk::Safe,
        needs: Vec::new(),
        impact: Vec::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn sql(
    id: &str,
    stage: Stage,
    database: Option<&str>,
    statements: &[&str],
    undo: &[&str],
) -> Change {
    let action = |statements: &[&str]| Action::Sql {
        database: database.map(str::to_owned),
        statements: statements.iter().map(|&text| text.to_owned()).collect(),
    };
    Change {
        action: action(statements),
        undo: Undo::By(action(undo)),
        ..blank(id, stage)
    }
}

pub(crate) fn setting(id: &str, stage: Stage, name: &str, value: &str) -> Change {
    let back = (name == "log_line_prefix").then(|| SettingValue::One("%t was here ".to_owned()));
    Change {
        action: Action::Setting {
            name: name.to_owned(),
            value: Some(SettingValue::One(value.to_owned())),
        },
        undo: Undo::By(Action::Setting {
            name: name.to_owned(),
            value: back,
        }),
        ..blank(id, stage)
    }
}

/// Remembers what happened, in words.
#[derive(Default)]
pub(crate) struct Seen(pub(crate) Vec<String>);

impl Observer for Seen {
    fn event(&mut self, event: &Event<'_>) {
        self.0.push(match event {
            Event::StepStarted(info) => format!("start {}", info.changes.join(" ")),
            Event::StepDone { step, .. } => format!("done {}", step.changes.join(" ")),
            Event::RolledBack { step, .. } => format!("rolled back {}", step.changes.join(" ")),
            Event::Retried { attempt, of, .. } => format!("retried {attempt}/{of}"),
            Event::Proved { what } => format!("proved {what}"),
            Event::NotUndone(left) => format!("left {}: {}", left.change, left.why),
            _ => return,
        });
    }
}

/// A hook that remembers the points, and does something at one of them.
pub(crate) fn hook_at(
    number: usize,
    act: impl Fn(&Point) -> io::Result<()> + Send + Sync + 'static,
) -> (FaultHook, Arc<Mutex<Vec<Point>>>) {
    let points = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&points);
    let hook = move |point: &Point| {
        let at = {
            let mut seen = seen.lock().unwrap();
            seen.push(point.clone());
            seen.len() - 1
        };
        if at == number { act(point) } else { Ok(()) }
    };
    (Arc::new(hook), points)
}

/// What an error says, with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
