//! A declared service can do what the policy declares and nothing else, also when it owned everything before; and what was done is
//! taken back without a trace.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

use pgattest_collect::{Limits, collect};
use pgattest_model::plan::{Change, Plan, PlanTarget, Risk, Undo};
use pgattest_planner::{Options, Origin, facts_digest};
use pgattest_remedy::{ApplyError, Hands, perform};
use pgattest_testkit::{Cluster, Login};
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::BTreeSet;

const DATABASE: &str = "sh\"op $$";

/// `app` owns nearly everything; `quiet` owns one table and inherits nothing; `new` is not there yet.
const STATE: &str = r#"
create role "a'p\p" login;
create role quiet login noinherit;
create role bystander login;
create database "sh""op $$" owner "a'p\p";
\connect "sh""op $$"
create extension if not exists plpgsql;
create schema "Or""der" authorization "a'p\p";
grant usage, create on schema "Or""der" to quiet;
set role "a'p\p";
create table "Or""der".lines (id serial primary key, note text);
create table "Or""der".secret (id int);
create table "Or""der"."naïve
prices" (id int);
create view "Or""der".notes as select id, note from "Or""der".lines;
create function "Or""der"."place $$"(text) returns bigint language sql security definer
    set search_path = pg_catalog, pg_temp
    as 'insert into "Or""der".lines (note) values ($1); select count(*) from "Or""der".secret';
create procedure "Or""der".hidden() language sql as 'select 1';
revoke execute on all routines in schema "Or""der" from public;
insert into "Or""der"."naïve
prices" values (1);
reset role;
set role quiet;
create table "Or""der".own (id serial, n int generated always as identity);
reset role;
revoke usage on schema public from public;
"#;

const POLICY: &str = r#"
[[service]]
role = "a'p\\p"
databases = ["sh\"op $$"]
read = ['''"Or""der"."naïve
prices"''', '"sh""op $$"."Or""der".own']
write = ['"Or""der".notes']
execute = ['"Or""der"."place $$"']

[[service]]
role = "quiet"
databases = ["sh\"op $$"]
temporary = true
write = ['"Or""der".own']

[[service]]
role = "new\n\"one\""
databases = ["sh\"op $$"]
read = ['"Or""der".*']
execute = ['"Or""der".hidden']
"#;

const NEW: &str = "new\n\"one\"";

#[tokio::test]
async fn a_service_can_do_what_is_declared_on_13() {
    story(13).await;
}

#[tokio::test]
async fn a_service_can_do_what_is_declared_on_15() {
    story(15).await;
}

#[tokio::test]
async fn a_service_can_do_what_is_declared_on_18() {
    story(18).await;
}

async fn story(major: u32) {
    let cluster = Cluster::builder(major).start().await.unwrap();
    cluster.execute("postgres", STATE).await.unwrap();
    let before = snapshot(&cluster).await;

    let plan = plan(&cluster, &["ROL-14", "ROL-15"]).await;
    let done: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.risk != Risk::ByHand)
        .collect();
    apply(&cluster, &done).await;

    // Whatever a role may do on a relation of the schema, in the order of roles and names.
    assert_eq!(
        relations(&cluster, "a'p\\p").await,
        [
            "lines_id_seq: USAGE, SELECT",
            "naïve\nprices: SELECT",
            "notes: SELECT, INSERT, UPDATE, DELETE",
            "own: SELECT",
        ]
    );
    assert_eq!(
        relations(&cluster, "quiet").await,
        [
            "own: SELECT, INSERT, UPDATE, DELETE",
            "own_id_seq: USAGE, SELECT",
        ]
    );
    assert_eq!(
        relations(&cluster, NEW).await,
        [
            "lines: SELECT",
            "naïve\nprices: SELECT",
            "notes: SELECT",
            "own: SELECT",
            "secret: SELECT",
        ]
    );
    assert_eq!(
        routines(&cluster).await,
        [("place $$", "a'p\\p"), ("hidden", NEW)].map(|(name, role)| format!("{name}: {role}"))
    );

    // What is declared works; the definer function runs with the rights of the new owner.
    let app = |sql: &'static str| try_as(&cluster, "a'p\\p", sql);
    app("insert into \"Or\"\"der\".notes (note) values ('x')")
        .await
        .unwrap();
    app("update \"Or\"\"der\".notes set note = 'y'")
        .await
        .unwrap();
    app("select \"Or\"\"der\".\"place $$\"('z')").await.unwrap();
    app("delete from \"Or\"\"der\".notes").await.unwrap();
    app("select * from \"Or\"\"der\".\"naïve\nprices\"")
        .await
        .unwrap();
    // Nothing else does.
    for refused in [
        "select * from \"Or\"\"der\".secret",
        "select * from \"Or\"\"der\".lines",
        "insert into \"Or\"\"der\".lines (note) values ('x')",
        "insert into \"Or\"\"der\".own default values",
        "call \"Or\"\"der\".hidden()",
        "truncate \"Or\"\"der\".lines",
        "drop table \"Or\"\"der\".lines",
        "alter table \"Or\"\"der\".lines disable trigger all",
        "create table \"Or\"\"der\".more (id int)",
        "create schema more",
        "alter database \"sh\"\"op $$\" set work_mem = '1GB'",
    ] {
        assert!(app(refused).await.is_err(), "{refused}");
    }
    // What it may not hand on is a warning to the server, and gives nobody anything.
    app("grant select on \"Or\"\"der\".notes to bystander")
        .await
        .unwrap();
    let quiet = |sql: &'static str| try_as(&cluster, "quiet", sql);
    quiet("insert into \"Or\"\"der\".own default values")
        .await
        .unwrap();
    quiet("create temporary table t (id int)").await.unwrap();
    quiet("drop table \"Or\"\"der\".own").await.unwrap_err();
    try_as(&cluster, NEW, "select * from \"Or\"\"der\".secret")
        .await
        .unwrap();
    try_as(&cluster, NEW, "call \"Or\"\"der\".hidden()")
        .await
        .unwrap();
    try_as(&cluster, NEW, "delete from \"Or\"\"der\".secret")
        .await
        .unwrap_err();
    try_as(&cluster, "bystander", "select * from \"Or\"\"der\".notes")
        .await
        .unwrap_err();

    // A table made later is read by whoever was declared to read the schema, and by nobody else.
    cluster
        .execute(
            DATABASE,
            "set role \"sh\"\"op $$_owner\"; create table \"Or\"\"der\".later (id serial);",
        )
        .await
        .unwrap();
    try_as(&cluster, NEW, "select * from \"Or\"\"der\".later")
        .await
        .unwrap();
    try_as(
        &cluster,
        NEW,
        "insert into \"Or\"\"der\".later default values",
    )
    .await
    .unwrap_err();
    app("select * from \"Or\"\"der\".later").await.unwrap_err();
    cluster
        .execute(DATABASE, "drop table \"Or\"\"der\".later")
        .await
        .unwrap();

    // Nothing is left to give: another finding on a service does not make it be given again.
    cluster
        .execute(
            "postgres",
            "alter role \"a'p\\p\" createdb; alter role quiet createdb;",
        )
        .await
        .unwrap();
    let again = plan_of(&cluster, &["ROL-09", "ROL-14", "ROL-15"]).await;
    let kinds: BTreeSet<&str> = again
        .changes
        .iter()
        .map(|change| change.kind.as_str())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["role-attributes"]));
    cluster
        .execute(
            "postgres",
            "alter role \"a'p\\p\" nocreatedb; alter role quiet nocreatedb;",
        )
        .await
        .unwrap();

    undo(&cluster, &done).await;
    assert_eq!(snapshot(&cluster).await, before);
}

/// Rights of the owner's that reach it only by owning the database (15 and later) stay with a role that nobody declared.
#[tokio::test]
async fn an_undeclared_owner_of_a_database_goes_on_using_it() {
    for major in [13, 15, 18] {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let state = "create role app login; create database shop owner app;\n\\connect shop\n\
            revoke all on schema public from public; revoke all on database shop from public;\n\
            create table public.t (id int); grant select on public.t to app;\n\
            create role shop_owner login; create role shop_owner_2 nologin;\n\
            create role heir login in role shop_owner_2;";
        cluster.execute("postgres", state).await.unwrap();
        let shop = Login::new("app").database("shop");
        let reads = "select * from public.t";
        let could_read = cluster.query_text_as(&shop, reads).await.is_ok();
        assert_eq!(could_read, major >= 15);
        let plan = plan_with(&cluster, &["ROL-14"], "").await;
        let done: Vec<&Change> = plan.changes.iter().collect();
        apply(&cluster, &done).await;
        assert_eq!(
            cluster.query_text_as(&shop, reads).await.is_ok(),
            could_read
        );
        let ddl = cluster.execute_as(&shop, "create schema mine").await;
        ddl.unwrap_err();
        // The first name is a login's and the second a role's that a login inherits.
        let owner = "select pg_get_userbyid(datdba)::text from pg_database where datname = 'shop'";
        let owner = cluster.query_value("postgres", owner).await.unwrap();
        assert_eq!(owner, "shop_owner_3");
        undo(&cluster, &done).await;
        cluster
            .execute_as(&shop, "create schema mine")
            .await
            .unwrap();
    }
}

async fn plan(cluster: &Cluster, checks: &[&str]) -> Plan {
    let plan = plan_of(cluster, checks).await;
    let closed: BTreeSet<&str> = plan
        .changes
        .iter()
        .flat_map(|change| &change.closes)
        .map(|closes| closes.check.as_str())
        .collect();
    assert_eq!(closed, BTreeSet::from(["ROL-14", "ROL-15"]));
    plan
}

async fn plan_of(cluster: &Cluster, checks: &[&str]) -> Plan {
    plan_with(cluster, checks, POLICY).await
}

async fn plan_with(cluster: &Cluster, checks: &[&str], policy: &str) -> Plan {
    let collection = collect(&options(cluster), Limits::default(), |_| {})
        .await
        .unwrap();
    let facts = pgattest_catalog::decode(&collection.observations);
    let policy = pgattest_parse::policy::parse(policy).unwrap();
    let assessment = pgattest_checks::assess(&facts, &policy);
    let options = Options {
        only: Some(checks.iter().map(|check| (*check).to_owned()).collect()),
        ..Options::default()
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
    pgattest_planner::plan(&facts, &policy, &assessment, &options, origin)
}

async fn apply(cluster: &Cluster, changes: &[&Change]) {
    for change in changes {
        perform(&options(cluster), &change.action, &mut Idle)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", change.title));
    }
}

async fn undo(cluster: &Cluster, changes: &[&Change]) {
    for change in changes.iter().rev() {
        let Undo::By(action) = &change.undo else {
            panic!("{}: no undo", change.title)
        };
        perform(&options(cluster), action, &mut Idle)
            .await
            .unwrap_or_else(|error| panic!("undo of {}: {error:?}", change.title));
    }
}

fn options(cluster: &Cluster) -> ConnectOptions {
    ConnectOptions::resolve(Some(&cluster.dsn_socket("postgres")), &ProcessEnv).unwrap()
}

async fn try_as(cluster: &Cluster, role: &str, sql: &str) -> anyhow::Result<()> {
    let login = Login::new(role).database(DATABASE);
    cluster.query_text_as(&login, sql).await.map(drop)
}

/// What the role may do on each relation of the schema, as the server says.
async fn relations(cluster: &Cluster, role: &str) -> Vec<String> {
    let role = role.replace('\'', "''");
    let sql = format!(
        "select c.relname || ': ' || string_agg(p.name, ', ' order by p.n) \
         from pg_class as c \
         cross join unnest(array['USAGE', 'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) \
            with ordinality as p (name, n) \
         where c.relnamespace = '\"Or\"\"der\"'::regnamespace and c.relkind in ('r', 'v', 'm', 'S') \
            and case when c.relkind = 'S' \
                then p.name in ('USAGE', 'SELECT', 'UPDATE') and has_sequence_privilege('{role}', c.oid, case when p.name in ('USAGE', 'SELECT', 'UPDATE') then p.name else 'USAGE' end) \
                else p.name <> 'USAGE' and has_table_privilege('{role}', c.oid, case when p.name = 'USAGE' then 'SELECT' else p.name end) end \
         group by c.relname order by c.relname collate \"C\""
    );
    column(cluster, &sql).await
}

/// Who may call which routine of the schema.
async fn routines(cluster: &Cluster) -> Vec<String> {
    let sql = "select p.proname || ': ' || r.rolname from pg_proc as p cross join pg_roles as r \
        where p.pronamespace = '\"Or\"\"der\"'::regnamespace and r.rolcanlogin and not r.rolsuper \
            and has_function_privilege(r.oid, p.oid, 'EXECUTE') order by r.rolname collate \"C\", p.proname";
    column(cluster, sql).await
}

/// Owners, privileges, default privileges, roles and memberships: everything that a change here may touch, by name.
async fn snapshot(cluster: &Cluster) -> Vec<String> {
    let sql = "with held as ( \
            select 'relation' as class, c.relname::text as name, c.relowner as owner, coalesce(c.relacl, acldefault(case when c.relkind = 'S' then 's'::\"char\" else 'r'::\"char\" end, c.relowner)) as acl \
                from pg_class as c where c.relkind in ('r', 'v', 'm', 'S') and c.oid >= 16384 \
            union all select 'schema', n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)) from pg_namespace as n where n.nspname !~ '^pg_' \
            union all select 'routine', p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc as p where p.oid >= 16384 \
            union all select 'database', d.datname, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) from pg_database as d \
            union all select 'default ' || d.defaclobjtype::text, d.defaclnamespace::regnamespace::text, d.defaclrole, d.defaclacl from pg_default_acl as d) \
        select class || ' ' || name || ' of ' || pg_get_userbyid(owner) || ': ' || coalesce((select string_agg( \
            pg_get_userbyid(a.grantor) || ' to ' || case when a.grantee = 0 then 'PUBLIC' else pg_get_userbyid(a.grantee) end || ' ' || a.privilege_type || a.is_grantable::text, ', ' \
            order by pg_get_userbyid(a.grantor), pg_get_userbyid(a.grantee), a.privilege_type) from aclexplode(acl) as a), '') \
        from held \
        union all select 'role ' || rolname || rolcanlogin::text || rolinherit::text from pg_roles \
        union all select 'member ' || pg_get_userbyid(roleid) || ' ' || pg_get_userbyid(member) from pg_auth_members \
        order by 1";
    column(cluster, sql).await
}

async fn column(cluster: &Cluster, sql: &str) -> Vec<String> {
    let rows = cluster.query_text(DATABASE, sql).await.unwrap();
    rows.into_iter()
        .map(|row| row.into_iter().next().flatten().unwrap())
        .collect()
}

struct Idle;

impl Hands for Idle {
    fn restart(&mut self) -> Result<(), ApplyError> {
        Err(ApplyError::NotFromHere("nothing here restarts".to_owned()))
    }
}
