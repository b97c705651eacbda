//! Whom a plan that takes privileges keeps in, and whom it names as losing something.

use anyhow::{Context as _, Result};
use pgattest_collect::{Limits, collect};
use pgattest_model::Policy;
use pgattest_model::plan::{Action, Change, ImpactKind, Plan, PlanTarget, Risk, Undo};
use pgattest_model::policy::Service;
use pgattest_planner::{Login, Origin, facts_digest};
use pgattest_remedy::{ApplyError, Hands, perform};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::BTreeSet;

/// Newest and oldest.
const MAJORS: [u32; 2] = [13, 18];

#[test]
fn whoever_is_in_a_database_stays_in_when_it_is_closed() -> Result<()> {
    on_each_major(&async |cluster: &Cluster| {
        cluster
            .execute(
                "postgres",
                "create role \"The \"\"app\"\"\" login; create role batch login; create role nightly login; \
                 create role stranger login; create role granted login; create role not_here login",
            )
            .await?;
        cluster.execute("postgres", "create database shop").await?;
        cluster
            .execute(
                "postgres",
                "grant connect, temporary on database shop to granted",
            )
            .await?;
        // Live sessions: one here, one elsewhere, and one of somebody who has a grant.
        let app = cluster.client_as("The \"app\"", "shop").await?;
        let elsewhere = cluster.client_as("not_here", "postgres").await?;
        let granted = cluster.client_as("granted", "shop").await?;
        let policy = Policy {
            services: vec![Service {
                role: "batch".to_owned(),
                databases: BTreeSet::from(["shop".to_owned()]),
                ..Service::default()
            }],
            ..Policy::default()
        };
        let logins = ["nightly", "gone"].map(|role| Login {
            role: role.to_owned(),
            database: "shop".to_owned(),
            address: None,
            tls: true,
            replication: false,
            last_seen: "2026-01-01T00:00:00Z".to_owned(),
            count: 3,
        });
        let plan = plan(cluster, &policy, "GRN-07", &logins).await?;
        // The plan also gives the service its way in through a group. Nobody may be locked out when the closing is all that is
        // applied, so it is tried by itself.
        let mut closing = plan
            .changes
            .iter()
            .filter(|change| change.closes.iter().any(|one| one.check == "GRN-07"));
        let change = closing.next().context("nothing closes it")?;
        assert!(closing.next().is_none(), "it is closed twice");
        assert_eq!(
            statements(&change.action),
            [
                "GRANT CONNECT, TEMPORARY ON DATABASE shop TO \"The \"\"app\"\"\";",
                "GRANT CONNECT, TEMPORARY ON DATABASE shop TO batch;",
                "GRANT CONNECT, TEMPORARY ON DATABASE shop TO nightly;",
                "REVOKE CONNECT, TEMPORARY ON DATABASE shop FROM PUBLIC;",
            ]
        );
        assert_eq!(
            impact(change),
            [
                "not_here: role not_here loses CONNECT, TEMPORARY on database shop; it has 1 session in the cluster now; \
                 the catalogs do not say when it was last used",
                "stranger: role stranger loses CONNECT, TEMPORARY on database shop; it has no session in the cluster now; \
                 the catalogs do not say when it was last used",
            ]
        );
        drop((app, elsewhere, granted));

        let options = options(cluster)?;
        perform(&options, &change.action, &mut NoHands).await?;
        for role in ["The \"app\"", "batch", "nightly", "granted"] {
            let client = cluster.client_as(role, "shop").await;
            client.with_context(|| format!("{role} was locked out"))?;
        }
        assert!(cluster.client_as("stranger", "shop").await.is_err());
        let Undo::By(undo) = &change.undo else {
            anyhow::bail!("it cannot be taken back: {:?}", change.undo)
        };
        perform(&options, undo, &mut NoHands).await?;
        cluster.client_as("stranger", "shop").await?;
        let acl = "select count(*) from pg_database, aclexplode(datacl) where datname = 'shop' and grantee <> datdba";
        assert_eq!(cluster.query_value("postgres", acl).await?, "4");
        Ok(())
    })
}

#[test]
fn who_loses_what_everyone_had_is_named_and_who_keeps_it_is_not() -> Result<()> {
    on_each_major(&async |cluster: &Cluster| {
        cluster
            .execute(
                "postgres",
                "create role readers nologin; create role \"in\ngroup\" login in role readers; create role own_grant login; \
                 create role stranger login; create role not_a_login nologin; create role makes_views nologin; \
                 create role super login superuser; create role owner_of_all login; \
                 create schema shop authorization owner_of_all; grant usage on schema shop to public; \
                 create table shop.orders (id int); alter table shop.orders owner to owner_of_all; \
                 create view shop.\"Na\"\"mes\" as select id from shop.orders; alter view shop.\"Na\"\"mes\" owner to makes_views; \
                 grant select on shop.orders to public, readers, own_grant; grant insert on shop.orders to public",
            )
            .await?;
        let stranger = cluster.client_as("stranger", "postgres").await?;
        let plan = plan(cluster, &Policy::default(), "GRN-04", &[]).await?;
        let change = plan.changes.first().context("nothing is planned")?;
        let last = "the catalogs do not say when it was last used";
        assert_eq!(
            impact(change),
            [
                format!("stranger: role stranger loses INSERT, SELECT on table shop.orders; it has 1 session here now; {last}"),
                format!("\"in\ngroup\": role \"in\ngroup\" loses INSERT on table shop.orders; it has no session here now; {last}"),
                format!("own_grant: role own_grant loses INSERT on table shop.orders; it has no session here now; {last}"),
                "shop.\"Na\"\"mes\": view shop.\"Na\"\"mes\" reads shop.orders with the rights of its owner, who has SELECT there by \
                 PUBLIC alone: it fails until the owner is granted SELECT"
                    .to_owned(),
            ]
        );
        drop(stranger);

        // The twentieth is the last that is named.
        let many: Vec<String> = (0..30)
            .map(|number| format!("create role many{number:02} login"))
            .collect();
        cluster.execute("postgres", &many.join(";")).await?;
        let plan = self::plan(cluster, &Policy::default(), "GRN-04", &[]).await?;
        let change = plan.changes.first().context("nothing is planned")?;
        let lines = impact(change);
        assert_eq!(lines.len(), 22);
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("13 more login roles: "))
        );
        Ok(())
    })
}

/// The spec of FUN-09 needs settings that can be granted, which is from 15 on; before, partitions' triggers are another matter, too.
#[test]
fn triggers_of_partitions_fire_again_and_are_taken_back_one_by_one() -> Result<()> {
    on_each_major(&async |cluster: &Cluster| {
        cluster
            .execute(
                "postgres",
                "create function touch() returns trigger language plpgsql as 'begin return new; end'; \
                 create table parts (id int, at date) partition by range (at); \
                 create table \"2025\" partition of parts for values from ('2025-01-01') to ('2026-01-01'); \
                 create table \"2026\" partition of parts for values from ('2026-01-01') to ('2027-01-01'); \
                 create trigger \"Au\"\"dit\" after update on parts for each row execute function touch(); \
                 create table customers (id int primary key); \
                 create table orders (customer int references customers); \
                 alter table parts disable trigger \"Au\"\"dit\"; \
                 alter table \"2026\" enable trigger \"Au\"\"dit\"; \
                 alter table orders disable trigger all",
            )
            .await?;
        let state = "select string_agg(tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text, ', ' order by 1) \
                     from (select * from pg_trigger order by tgrelid::regclass::text, tgname) t";
        let before = cluster.query_value("postgres", state).await?;
        let plan = plan(cluster, &Policy::default(), "FUN-09", &[]).await?;
        let options = options(cluster)?;
        for change in &plan.changes {
            perform(&options, &change.action, &mut NoHands).await?;
        }
        let off = "select count(*) from pg_trigger where tgenabled <> 'O'";
        assert_eq!(cluster.query_value("postgres", off).await?, "0");
        for change in plan.changes.iter().rev() {
            let Undo::By(undo) = &change.undo else {
                anyhow::bail!("it cannot be taken back: {:?}", change.undo)
            };
            perform(&options, undo, &mut NoHands).await?;
        }
        assert_eq!(cluster.query_value("postgres", state).await?, before);
        Ok(())
    })
}

/// What is planned for all of these checks at once must not stand in its own way: a grantor that loses its way into the schema before
/// it takes back what it granted, a schema that is closed to the role that owns something in it.
#[test]
fn all_that_is_planned_together_can_be_done_and_taken_back() -> Result<()> {
    const CHECKS: [&str; 15] = [
        "GRN-02", "GRN-03", "GRN-04", "GRN-05", "GRN-07", "GRN-08", "GRN-12", "GRN-13", "GRN-15",
        "GRN-16", "GRN-18", "GRN-20", "FUN-01", "FUN-02", "FUN-03",
    ];
    const GRANTS: &str = "select string_agg(line, E'\\n' order by line) from ( \
        select 'c ' || c.oid::regclass || a::text from pg_class c, aclexplode(relacl) a \
        union all select 'a ' || attrelid::regclass || attnum || a::text from pg_attribute, aclexplode(attacl) a \
        union all select 'n ' || nspname || a::text from pg_namespace, aclexplode(nspacl) a \
        union all select 'd ' || datname || a::text from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a \
        union all select 'f ' || p.oid::regprocedure || a::text || coalesce(proconfig::text, '') \
            from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a \
        union all select concat('D ', defaclrole, ' ', defaclnamespace, ' ', defaclobjtype, a) from pg_default_acl, aclexplode(defaclacl) a \
        union all select 'w ' || fdwname || a::text from pg_foreign_data_wrapper, aclexplode(fdwacl) a) as lines (line)";
    on_each_major(&async |cluster: &Cluster| {
        cluster
            .execute(
                "postgres",
                "create role \"app\"\"lication\" login; create role delegate nologin; create role migrator nologin; \
                 grant create, usage on schema public to public; \
                 create schema shop authorization migrator; grant usage on schema shop to public; \
                 create table shop.orders (id int, note text); alter table shop.orders owner to migrator; \
                 grant select, insert, trigger, truncate on shop.orders to delegate with grant option; \
                 grant references (id), update (note) on shop.orders to \"app\"\"lication\" with grant option; \
                 grant truncate, select on shop.orders to \"app\"\"lication\" with grant option; \
                 set role delegate; grant select, trigger on shop.orders to public; reset role; \
                 grant create on schema shop to \"app\"\"lication\"; grant create on database postgres to \"app\"\"lication\"; \
                 grant select on pg_catalog.pg_authid to \"app\"\"lication\"; \
                 grant execute on function pg_catalog.pg_read_file(text) to public; \
                 create foreign data wrapper elsewhere; grant usage on foreign data wrapper elsewhere to public; \
                 alter default privileges for role migrator in schema shop grant select on tables to public; \
                 create function public.f() returns int language sql security definer as 'select 1'; \
                 create function public.g() returns int language sql security definer set search_path = nowhere, public as 'select 1'",
            )
            .await?;
        let before = look(cluster).await?;
        let granted = cluster.query_value("postgres", GRANTS).await?;
        let plan = plan_all(cluster, &Policy::default(), &CHECKS, &[]).await?;
        let done: Vec<&Change> = plan
            .changes
            .iter()
            .filter(|change| change.risk != Risk::ByHand)
            .collect();
        let options = options(cluster)?;
        for change in &done {
            let applied = perform(&options, &change.action, &mut NoHands).await;
            applied.with_context(|| format!("applying {:?}", change.action))?;
        }
        let after = look(cluster).await?;
        for closes in done.iter().flat_map(|change| &change.closes) {
            assert!(
                !after
                    .iter()
                    .any(|(_, open)| open.contains(&closes.fingerprint.0)),
                "{closes:?} is still open"
            );
        }
        for ((check, before), (_, after)) in before.iter().zip(&after) {
            assert!(
                after.is_empty() || !before.is_empty(),
                "{check} has findings now"
            );
        }
        // The one thing that is left to a person: what delegate passed on.
        let left: Vec<&str> = plan
            .changes
            .iter()
            .filter(|change| change.risk == Risk::ByHand)
            .map(|change| change.title.as_str())
            .collect();
        assert_eq!(
            left,
            [
                "take TRIGGER, TRUNCATE on tables from role delegate",
                "take the grant options of role delegate"
            ]
        );
        for change in done.iter().rev() {
            let Undo::By(undo) = &change.undo else {
                anyhow::bail!("it cannot be taken back: {:?}", change.undo)
            };
            let undone = perform(&options, undo, &mut NoHands).await;
            undone.with_context(|| format!("taking back {undo:?}"))?;
        }
        assert_eq!(look(cluster).await?, before);
        let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
        let (now, granted) = (
            lines(&cluster.query_value("postgres", GRANTS).await?),
            lines(&granted),
        );
        let moved: Vec<&String> = now.symmetric_difference(&granted).collect();
        assert!(moved.is_empty(), "not as it was: {moved:?}");
        Ok(())
    })
}

/// Each check with the fingerprints of its findings.
async fn look(cluster: &Cluster) -> Result<Vec<(String, Vec<String>)>> {
    let collection = collect(&options(cluster)?, Limits::default(), |_| {}).await?;
    let facts = pgattest_catalog::decode(&collection.observations);
    let assessment = pgattest_checks::assess(&facts, &Policy::default());
    let open = assessment.checks.iter().map(|result| {
        let open = result.fingerprints.iter().map(|print| print.0.clone());
        (result.meta.id.to_owned(), open.collect())
    });
    Ok(open.collect())
}

fn on_each_major(test: &impl AsyncFn(&Cluster) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for major in MAJORS {
        runtime.block_on(async {
            let cluster = Cluster::builder(major).start().await?;
            test(&cluster)
                .await
                .with_context(|| format!("PostgreSQL {major}"))
        })?;
    }
    Ok(())
}

async fn plan(cluster: &Cluster, policy: &Policy, check: &str, logins: &[Login]) -> Result<Plan> {
    plan_all(cluster, policy, &[check], logins).await
}

async fn plan_all(
    cluster: &Cluster,
    policy: &Policy,
    checks: &[&str],
    logins: &[Login],
) -> Result<Plan> {
    let collection = collect(&options(cluster)?, Limits::default(), |_| {}).await?;
    let facts = pgattest_catalog::decode(&collection.observations);
    let assessment = pgattest_checks::assess(&facts, policy);
    let options = pgattest_planner::Options {
        only: Some(checks.iter().map(|check| (*check).to_owned()).collect()),
        logins: logins.to_vec(),
        ..pgattest_planner::Options::default()
    };
    let origin = Origin {
        target: PlanTarget {
            name: String::new(),
            system_identifier: String::new(),
            version: String::new(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: String::new(),
        facts: facts_digest(&collection.observations),
        policy_sha256: None,
        tool_version: String::new(),
    };
    Ok(pgattest_planner::plan(
        &facts,
        policy,
        &assessment,
        &options,
        origin,
    ))
}

fn options(cluster: &Cluster) -> Result<ConnectOptions> {
    let dsn = cluster.dsn_socket("postgres");
    Ok(ConnectOptions::resolve(Some(&dsn), &ProcessEnv)?)
}

fn statements(action: &Action) -> Vec<String> {
    match action {
        Action::Sql { statements, .. } => statements.clone(),
        _ => Vec::new(),
    }
}

fn impact(change: &Change) -> Vec<String> {
    let lost = change
        .impact
        .iter()
        .filter(|impact| impact.kind == ImpactKind::RightLost);
    lost.map(|impact| format!("{}: {}", impact.subject, impact.detail))
        .collect()
}

struct NoHands;

impl Hands for NoHands {
    fn restart(&mut self) -> Result<(), ApplyError> {
        Err(ApplyError::NotFromHere("no restart is planned".to_owned()))
    }
}
