//! What is refused before anything begins.

use std::fs;

use pgattest_collect::collect;
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use pgattest_model::{Observation, Outcome};
use pgattest_planner::facts_digest;
use pgattest_remedy::{ApplyError, JournalError, apply, resume, status, undo};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, Standby};
use pgattest_wire::{ConnectOptions, ProcessEnv};

use crate::support::{HBA, Seen, Site, chain, cluster, limits, setting, sql};

fn role_change() -> pgattest_model::plan::Change {
    sql(
        "power",
        Stage::Powers,
        None,
        &["ALTER ROLE app NOCREATEDB;"],
        &["ALTER ROLE app CREATEDB;"],
    )
}

async fn refused(site: &Site, plan: &pgattest_model::Plan) -> ApplyError {
    let options = site.options();
    let error = apply(&site.request(plan, &options), &mut Seen::default())
        .await
        .unwrap_err();
    assert_eq!(
        status(&site.folder).unwrap(),
        None,
        "{error}: nothing is begun"
    );
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_and_another_major() {
    let (_cluster, site) = cluster(15).await;
    let (_other, elsewhere) = cluster(15).await;
    // A copy has the identifier of what it was copied from; its facts are others.
    let plan = elsewhere.plan(vec![role_change()]).await;
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::FactsMoved { .. }), "{error}");
    let mut plan = elsewhere.plan(vec![role_change()]).await;
    plan.target.system_identifier = "7123456789012345678".to_owned();
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::OtherCluster { .. }), "{error}");
    let mut plan = site.plan(vec![role_change()]).await;
    plan.target.version = "14.2".to_owned();
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::OtherVersion { .. }), "{error}");
    plan.target.system_identifier.clear();
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::OtherCluster { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby() {
    let primary = Cluster::builder(15).start().await.unwrap();
    let standby = Standby::of(&primary).await.unwrap();
    let site = Site {
        dsn: standby.dsn_as("postgres", "postgres"),
        data: standby.data_dir(),
        folder: standby.scratch_dir().join("plan"),
    };
    let plan = site.plan(vec![role_change()]).await;
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::Standby), "{error}");
    assert!(error.hint().unwrap().contains("primary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_that_moved_are_named() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(vec![role_change()]).await;
    cluster
        .execute(
            "shop",
            "CREATE VIEW public.seen AS SELECT 1 AS one; CREATE ROLE late;",
        )
        .await
        .unwrap();
    let error = refused(&site, &plan).await;
    let ApplyError::FactsMoved { moved } = &error else {
        panic!("{error}")
    };
    assert!(moved.contains(&"roles".to_owned()), "{moved:?}");
    assert!(
        moved.contains(&"relations in database shop".to_owned()),
        "{moved:?}"
    );
    assert!(
        !moved.iter().any(|group| group.starts_with("settings")),
        "{moved:?}"
    );
}

/// Digests stay while applications work and the server looks after itself.
async fn facts_stay(major: u32) {
    let (cluster, site) = cluster(major).await;
    cluster
        .execute(
            "shop",
            "CREATE SEQUENCE public.numbers; CREATE TABLE public.parts (id int) PARTITION BY RANGE (id);
             CREATE TABLE public.part PARTITION OF public.parts FOR VALUES FROM (0) TO (1000);
             CREATE MATERIALIZED VIEW public.kept AS SELECT count(*) FROM public.orders;
             CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
             CREATE PUBLICATION all_of_it;
             CREATE STATISTICS public.some ON id, tenant FROM public.orders;",
        )
        .await
        .unwrap();
    let first = collect(&site.options(), limits(), |_| {})
        .await
        .unwrap()
        .observations;
    let before = facts_digest(&first);
    let busy = cluster.client("shop").await.unwrap();
    busy.batch_execute(
        "SET application_name = 'traffic'; CREATE TEMP TABLE mine (id serial PRIMARY KEY, t text) ON COMMIT PRESERVE ROWS;
         CREATE TEMP VIEW my_view AS SELECT * FROM mine; INSERT INTO mine (t) VALUES ('x');
         CREATE FUNCTION pg_temp.of_mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT public.f(), pg_temp.of_mine();
         SELECT nextval('public.numbers'); SELECT setval('public.numbers', 77);
         INSERT INTO public.orders SELECT i, i FROM generate_series(1, 5000) i; DELETE FROM public.orders WHERE id < 100;
         INSERT INTO public.parts SELECT i FROM generate_series(1, 900) i;
         REFRESH MATERIALIZED VIEW public.kept; TRUNCATE public.parts;",
    )
    .await
    .unwrap();
    busy.batch_execute("ANALYZE").await.unwrap();
    busy.batch_execute("VACUUM FULL public.orders")
        .await
        .unwrap();
    busy.batch_execute("VACUUM FREEZE").await.unwrap();
    busy.batch_execute("REINDEX DATABASE shop").await.unwrap();
    busy.batch_execute("CHECKPOINT").await.unwrap();
    busy.batch_execute("SELECT pg_switch_wal(), pg_reload_conf(), pg_stat_reset()")
        .await
        .unwrap();
    busy.batch_execute("BEGIN; UPDATE public.orders SET tenant = 1; PREPARE p AS SELECT 1;")
        .await
        .unwrap();
    // As whoever applies may: under another name, with other limits, from the other side.
    let options = ConnectOptions::resolve(
        Some(&format!(
            "{} application_name=another options='-c work_mem=5MB'",
            cluster.dsn_socket("postgres")
        )),
        &ProcessEnv,
    )
    .unwrap();
    let limits = pgattest_collect::Limits {
        statement_timeout: std::time::Duration::from_secs(20),
        concurrency: 1,
        probe: false,
        ..pgattest_collect::Limits::default()
    };
    let collection = collect(&options, limits, |_| {}).await.unwrap();
    let after = facts_digest(&collection.observations);
    let moved: Vec<_> = before
        .groups
        .iter()
        .filter(|group| !after.groups.contains(group))
        .map(|(id, _)| {
            let lines = |observations: &[Observation]| -> Vec<String> {
                let seen = observations.iter().find(|seen| seen.id == *id);
                match seen.map(|seen| &seen.outcome) {
                    Some(Outcome::Rows { csv, .. }) => String::from_utf8_lossy(csv)
                        .lines()
                        .map(str::to_owned)
                        .collect(),
                    other => vec![format!("{other:?}")],
                }
            };
            let (old, new) = (lines(&first), lines(&collection.observations));
            let only = |a: &[String], b: &[String]| -> String {
                a.iter()
                    .filter(|line| !b.contains(line))
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            format!("{id}\n{}\nbut now\n{}", only(&old, &new), only(&new, &old))
        })
        .collect();
    assert!(moved.is_empty(), "{}", moved.join("\n"));
    assert_eq!(before.groups.len(), after.groups.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_stay_13() {
    facts_stay(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_stay_15() {
    facts_stay(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_stay_18() {
    facts_stay(18).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_nobody_accepted() {
    let (_cluster, site) = cluster(15).await;
    let mut change = role_change();
    change.impact.push(Impact {
        kind: ImpactKind::LoginRefused,
        subject: "app@10.0.0.9".to_owned(),
        detail: "app from 10.0.0.9 would be refused".to_owned(),
        observations: Vec::new(),
    });
    let plan = site.plan(vec![change]).await;
    let error = refused(&site, &plan).await;
    assert!(error.to_string().contains("app@10.0.0.9"), "{error}");
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.accept.insert("app@10.0.0.9".to_owned());
    apply(&request, &mut Seen::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_told_everything_that_is_missing() {
    let (cluster, site) = cluster(15).await;
    cluster
        .execute(
            "postgres",
            "CREATE ROLE weak LOGIN; GRANT EXECUTE ON FUNCTION pg_control_system() TO weak;
             GRANT SET ON PARAMETER log_disconnections TO weak;",
        )
        .await
        .unwrap();
    let weak = Site {
        dsn: cluster.dsn_as("weak", "postgres"),
        ..site.clone()
    };
    let mut plan = site.plan(site.changes()).await;
    plan.facts = weak.facts().await;
    let before = site.snapshot().await;
    let error = refused(&weak, &plan).await;
    let ApplyError::Rights { role, missing } = &error else {
        panic!("{}", chain(&error))
    };
    assert_eq!(role, "weak");
    for expected in [
        "ALTER SYSTEM on parameter log_disconnections",
        "EXECUTE on function pg_catalog.lo_export(oid, text)",
        "CREATE ROLE",
        "REVOKE SELECT ON public.orders",
        "ALTER ROLE app NOCREATEDB",
    ] {
        assert!(
            missing.iter().any(|line| line.contains(expected)),
            "{expected}: {missing:#?}"
        );
    }
    assert_eq!(site.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_the_users_own_rules_is_named_by_line() {
    let (cluster, site) = cluster(16).await;
    cluster
        .write_hba(&format!("{HBA}host all all everywhere nonsense\n"))
        .unwrap();
    let plan = site
        .plan(vec![site.hba_change("local all all trust\n")])
        .await;
    let error = refused(&site, &plan).await;
    assert!(error.to_string().contains("pg_hba.conf:5"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alter_system_that_is_switched_off() {
    let cluster = Cluster::builder(18)
        .setting("allow_alter_system", "off")
        .start()
        .await
        .unwrap();
    let site = Site {
        dsn: cluster.dsn_as("postgres", "postgres"),
        data: cluster.data_dir(),
        folder: cluster.scratch_dir().join("plan"),
    };
    let plan = site
        .plan(vec![setting(
            "log",
            Stage::Settings,
            "log_connections",
            "on",
        )])
        .await;
    let error = refused(&site, &plan).await;
    assert!(matches!(error, ApplyError::NoAlterSystem), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_apply_and_a_second_process() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(vec![role_change()]).await;
    let holder = cluster.client("shop").await.unwrap();
    // `pgat` and `appl`, held in another database.
    holder
        .batch_execute(
            "SET application_name = 'x'; SELECT pg_advisory_lock(1885823348, 1634758764)",
        )
        .await
        .unwrap();
    let error = refused(&site, &plan).await;
    let ApplyError::Busy { who } = &error else {
        panic!("{}", chain(&error))
    };
    assert!(
        who.contains("process ") && who.contains("role postgres"),
        "{who}"
    );

    let lock = fs::File::open(site.folder.join("journal.jsonl")).unwrap();
    lock.try_lock().unwrap();
    let options = site.options();
    let error = apply(&site.request(&plan, &options), &mut Seen::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ApplyError::Journal(JournalError::Locked { .. })),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_another_plan_and_none_at_all() {
    let (_cluster, site) = cluster(15).await;
    let plan = site.plan(vec![role_change()]).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    for outcome in [
        resume(&request, &mut Seen::default()).await.err(),
        undo(&request, &mut Seen::default()).await.err(),
    ] {
        let error = outcome.unwrap();
        assert!(matches!(error, ApplyError::WrongState { .. }), "{error}");
    }
    apply(&request, &mut Seen::default()).await.unwrap();
    request.plan_digest = "another";
    let error = undo(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::OtherPlan { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_the_way() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(vec![role_change()]).await;
    let pooler = PgBouncer::start(&cluster, PoolMode::Session).await.unwrap();
    let through = Site {
        dsn: pooler.dsn("postgres"),
        ..site
    };
    let error = refused(&through, &plan).await;
    assert!(matches!(error, ApplyError::Pooler), "{}", chain(&error));
}

/// `GRANT` by somebody who may not is a warning and a commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_does_nothing_is_an_error() {
    let (cluster, site) = cluster(15).await;
    cluster
        .execute(
            "shop",
            "CREATE ROLE half LOGIN; GRANT USAGE ON SCHEMA public TO half WITH GRANT OPTION;",
        )
        .await
        .unwrap();
    let grant = "SET LOCAL ROLE half; GRANT USAGE, CREATE ON SCHEMA public TO app; RESET ROLE;";
    let plan = site
        .plan(vec![sql(
            "half",
            Stage::Grants,
            Some("shop"),
            &[grant],
            &[],
        )])
        .await;
    let options = site.options();
    let error = apply(&site.request(&plan, &options), &mut Seen::default())
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("did not do all it says"),
        "{}",
        chain(&error)
    );
    assert_eq!(
        status(&site.folder).unwrap().unwrap().open,
        Vec::<String>::new()
    );
}
