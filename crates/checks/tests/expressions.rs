//! What the reader of policy expressions answers, against what a real server does with the same policy.
//!
//! Each condition of the corpus becomes the only policy of a table with rows of two tenants; a plain role reads the table in
//! three sessions: nothing set, the tenant set with SET LOCAL in a transaction that has ended, and the tenant set. Every row that
//! is visible, hidden, or behind an error must be among the outcomes that the reader holds possible. What it holds certain is
//! written beside each condition, so that an answer that is right but says nothing is noticed too.

use anyhow::{Context as _, Result, ensure};
use pgattest_checks::rls::expression::{Expression, Outcomes, Scenario, Session, Sources, Tenant};
use pgattest_testkit::{Cluster, available_majors};
use std::collections::BTreeSet;

const ROWS: &str = "
    create role plain login;
    create schema app;
    grant usage on schema app to plain;
    create function app.tenant() returns text language sql stable
        as $$ SELECT nullif(current_setting('app.tenant', true), '') $$;
    create function app.loose() returns text language sql stable
        as $$ select coalesce(current_setting('app.tenant', true), '%'); $$;
    create function app.unknown() returns text language plpgsql stable
        as $$ begin return coalesce(current_setting('app.tenant', true), 'nobody'); end $$;
    create table members (tenant text, person text);
    grant select on members to plain;
    insert into members values ('acme', 'ann'), ('beta', 'bob');
    create table ints (id int primary key, tenant int, open boolean, note text, must text not null);
    create table texts (id int primary key, tenant text, open boolean, note text, must text not null);
    create table uuids (id int primary key, tenant uuid, open boolean, note text, must text not null);
    insert into ints select n, case when n < 5 then 1 else 2 end, (array[true, false, null, true])[1 + n % 4],
        case when n % 2 = 0 then 'note' end, 'must' from generate_series(1, 8) n;
    insert into texts select id, case tenant when 1 then 'acme' else 'beta' end, open, note, must from ints;
    insert into uuids select id, case tenant when 1 then '11111111-1111-1111-1111-111111111111'::uuid
        else '22222222-2222-2222-2222-222222222222'::uuid end, open, note, must from ints;
    grant select on ints, texts, uuids to plain;
    alter table ints enable row level security;
    alter table texts enable row level security;
    alter table uuids enable row level security;
";

/// Table, condition, and what is certain about a row of another tenant: nothing set, emptied, another tenant's session.
type Case = (&'static str, &'static str, [Is; 3]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Is {
    /// It is let through.
    Open,
    /// It is not.
    Shut,
    /// That depends.
    Maybe,
}

use Is::{Maybe, Open, Shut};

const CORPUS: &[Case] = &[
    // The sound ones.
    (
        "ints",
        "tenant = current_setting('app.tenant')::int",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant = current_setting('app.tenant', true)::int",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant = (select current_setting('app.tenant', true)::int)",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant = nullif(current_setting('app.tenant', true), '')::int",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant::text = current_setting('app.tenant', true)",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant = current_setting('app.tenant', true)",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant::varchar(36) = current_setting('app.tenant', true)",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "lower(tenant) = lower(trim(current_setting('app.tenant', true)))",
        [Shut, Shut, Shut],
    ),
    (
        "uuids",
        "current_setting('app.tenant', true)::uuid = tenant",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant = any (array[current_setting('app.tenant', true)])",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant = any (string_to_array(current_setting('app.tenant', true), ','))",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant in (current_setting('app.tenant', true), current_setting('app.second', true))",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "not (tenant is distinct from current_setting('app.tenant', true))",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "tenant is not distinct from nullif(current_setting('app.tenant', true), '')",
        [Shut, Shut, Shut],
    ),
    ("texts", "tenant = app.tenant()", [Shut, Shut, Shut]),
    (
        "texts",
        "case when current_setting('app.tenant', true) is null then false else tenant = current_setting('app.tenant') end",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "coalesce(tenant = current_setting('app.tenant', true), false)",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "(tenant = current_setting('app.tenant', true)) is true",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "open and tenant = current_setting('app.tenant', true)",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "exists (select from members m where m.tenant = texts.tenant and m.person = current_setting('app.person', true))",
        [Shut, Shut, Maybe],
    ),
    (
        "texts",
        "tenant in (select tenant from members where person = current_setting('app.person', true))",
        [Shut, Shut, Maybe],
    ),
    (
        "texts",
        "tenant = (select m.tenant from members m where person = current_setting('app.person', true))",
        [Shut, Shut, Maybe],
    ),
    (
        "ints",
        "tenant = (current_setting('app.tenant', true)::json ->> 'tenant')::int",
        [Shut, Shut, Shut],
    ),
    // Open when nothing is set.
    (
        "ints",
        "current_setting('app.tenant', true) is null or tenant = current_setting('app.tenant', true)::int",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "tenant = coalesce(current_setting('app.tenant', true), tenant)",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "tenant like coalesce(current_setting('app.tenant', true), '%')",
        [Open, Shut, Maybe],
    ),
    ("texts", "tenant like app.loose()", [Open, Shut, Maybe]),
    (
        "texts",
        "coalesce(tenant = current_setting('app.tenant', true), true)",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "(tenant <> current_setting('app.tenant', true)) is not true",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "(tenant = current_setting('app.tenant', true)) is not false",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "case when current_setting('app.tenant', true) is null then true else tenant = current_setting('app.tenant', true) end",
        [Open, Shut, Shut],
    ),
    (
        "texts",
        "(open or open is null) and (current_setting('app.tenant', true) is null or tenant = current_setting('app.tenant', true))",
        [Maybe, Shut, Shut],
    ),
    (
        "texts",
        "current_setting('app.person', true) is null and tenant <> 'x'",
        [Maybe, Maybe, Maybe],
    ),
    // Open when it was emptied.
    (
        "texts",
        "current_setting('app.tenant', true) = '' or tenant = current_setting('app.tenant', true)",
        [Shut, Open, Shut],
    ),
    (
        "ints",
        "nullif(current_setting('app.tenant', true), '') is null or tenant = nullif(current_setting('app.tenant', true), '')::int",
        [Open, Open, Shut],
    ),
    (
        "texts",
        "coalesce(current_setting('app.tenant', true), '') in ('', tenant)",
        [Open, Open, Shut],
    ),
    (
        "texts",
        "tenant like current_setting('app.tenant', true) || '%'",
        [Shut, Open, Maybe],
    ),
    (
        "texts",
        "tenant like concat(current_setting('app.tenant', true), '%')",
        [Open, Open, Maybe],
    ),
    (
        "texts",
        "length(current_setting('app.tenant', true)) = 0 or tenant = current_setting('app.tenant', true)",
        [Shut, Open, Maybe],
    ),
    (
        "texts",
        "current_setting('app.tenant') = '' or tenant = current_setting('app.tenant')",
        [Shut, Open, Shut],
    ),
    (
        "texts",
        "case current_setting('app.tenant', true) when '' then true else tenant = current_setting('app.tenant', true) end",
        [Shut, Open, Shut],
    ),
    (
        "texts",
        "app.tenant() is null or tenant = app.tenant()",
        [Open, Open, Shut],
    ),
    // True whoever asks.
    ("texts", "must is not null", [Open, Open, Open]),
    ("texts", "tenant is not null", [Open, Open, Open]),
    ("texts", "tenant = tenant", [Open, Open, Open]),
    (
        "texts",
        "must = must or tenant = current_setting('app.tenant', true)",
        [Open, Open, Open],
    ),
    (
        "texts",
        "tenant = current_setting('app.tenant', true) or tenant <> ''",
        [Open, Open, Open],
    ),
    (
        "texts",
        "current_setting('server_version') is not null",
        [Open, Open, Open],
    ),
    ("texts", "current_user is not null", [Open, Open, Open]),
    (
        "texts",
        "tenant = 'x' or (not false and tenant like '%')",
        [Open, Open, Open],
    ),
    (
        "texts",
        "coalesce(tenant = current_setting('app.tenant', true), true) or tenant is not null",
        [Open, Open, Open],
    ),
    ("texts", "exists (select 1)", [Open, Open, Open]),
    (
        "texts",
        "case when open then true else true end",
        [Open, Open, Open],
    ),
    (
        "texts",
        "tenant = any (array['x', tenant])",
        [Open, Open, Open],
    ),
    // Depends on the row, or on what is not understood.
    (
        "texts",
        "tenant = current_setting('app.tenant', true) or open",
        [Maybe, Maybe, Maybe],
    ),
    ("texts", "note is not null", [Maybe, Maybe, Maybe]),
    ("texts", "open", [Maybe, Maybe, Maybe]),
    ("texts", "not open", [Maybe, Maybe, Maybe]),
    ("texts", "open is not true", [Maybe, Maybe, Maybe]),
    ("texts", "note = 'note'", [Maybe, Maybe, Maybe]),
    ("texts", "tenant = app.unknown()", [Maybe, Maybe, Shut]),
    ("texts", "tenant in ('acme', 'beta')", [Maybe, Maybe, Maybe]),
    (
        "texts",
        "exists (select from members m where m.tenant = texts.tenant)",
        [Maybe, Maybe, Maybe],
    ),
    (
        "texts",
        "tenant not in (select m.tenant from members m where m.person = current_setting('app.person', true))",
        [Open, Open, Maybe],
    ),
    (
        "texts",
        "(array['acme', 'x'])[1] = tenant",
        [Maybe, Maybe, Maybe],
    ),
    (
        "texts",
        "tenant collate \"C\" = current_setting('app.tenant', true)",
        [Shut, Shut, Maybe],
    ),
    ("texts", "tenant between 'a' and 'b'", [Maybe, Maybe, Maybe]),
    ("texts", "id % 2 = 0", [Maybe, Maybe, Maybe]),
    (
        "texts",
        "tenant ~ '^b' and note is distinct from 'x'",
        [Maybe, Maybe, Maybe],
    ),
    // Another setting decides.
    (
        "texts",
        "tenant = current_setting('app.tenant', true) or current_setting('app.admin', true) = 'on'",
        [Shut, Shut, Maybe],
    ),
    (
        "texts",
        "tenant = current_setting('app.tenant', true) or current_setting('app.admin', true)::boolean is not false",
        [Open, Open, Maybe],
    ),
    // Errors decide.
    (
        "texts",
        "tenant = current_setting('app.tenant') or open",
        [Maybe, Maybe, Maybe],
    ),
    (
        "ints",
        "current_setting('app.tenant')::int is not null and tenant = current_setting('app.tenant')::int",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant = all (array[current_setting('app.tenant', true)::int])",
        [Shut, Shut, Shut],
    ),
    (
        "ints",
        "tenant = any (current_setting('app.tenant', true)::int[])",
        [Shut, Shut, Shut],
    ),
    (
        "texts",
        "\"note\" = E'a\\\\b''c' or tenant = current_setting('app.tenant', true)",
        [Maybe, Maybe, Maybe],
    ),
    ("texts", "false", [Shut, Shut, Shut]),
    ("texts", "null", [Shut, Shut, Shut]),
    ("texts", "true", [Open, Open, Open]),
];

#[tokio::test]
async fn the_reader_never_contradicts_a_server() {
    for major in [13, 15, 18] {
        if available_majors().contains(&major) {
            compare(major).await.unwrap();
        }
    }
}

async fn compare(major: u32) -> Result<()> {
    let cluster = Cluster::builder(major).start().await?;
    cluster.execute("postgres", ROWS).await?;
    let admin = cluster.client("postgres").await?;
    admin
        .batch_execute("set search_path = pg_catalog, pg_temp")
        .await?;
    let mut sources = Sources::default();
    for row in admin
        .query(
            "select n.nspname || '.' || p.proname, p.prosrc from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = 'app' and p.prolang = (select oid from pg_language where lanname = 'sql')",
            &[],
        )
        .await?
    {
        let body = Expression::read_body(row.get(1)).context("a body is not read")?;
        sources.bodies.insert(row.get(0), body);
    }
    let unset = cluster.client_as("plain", "postgres").await?;
    let emptied = cluster.client_as("plain", "postgres").await?;
    emptied
        .batch_execute("begin; set local app.tenant = 'gone'; commit")
        .await?;
    let tenant = cluster.client_as("plain", "postgres").await?;

    let mut wrong = Vec::new();
    for (table, sql, certain) in CORPUS {
        let create = format!(
            "drop policy if exists p on public.{table}; create policy p on public.{table} for select using ({})",
            sql.replace(" members", " public.members")
                .replace("texts.tenant", "public.texts.tenant"),
        );
        admin.batch_execute(&create).await.context(*sql)?;
        let expression: String = admin
            .query_one(
                &format!("select pg_get_expr(polqual, polrelid) from pg_policy where polrelid = 'public.{table}'::regclass"),
                &[],
            )
            .await?
            .get(0);
        let read = Expression::read(&expression);
        let mut sources = sources.clone();
        read.link(table, "tenant", &mut sources);
        let own = match *table {
            _ if sql.contains("json") => r#"{"tenant": 1}"#,
            _ if sql.contains("int[]") => "{1}",
            "ints" => "1",
            "texts" => "acme",
            _ => "11111111-1111-1111-1111-111111111111",
        };
        tenant
            .batch_execute(&format!("set app.tenant = '{own}'"))
            .await?;
        let sessions = [
            ("nothing set", &unset, Session::UNSET),
            ("emptied", &emptied, Session::EMPTIED),
            ("a tenant's", &tenant, Session::TENANT),
        ];
        for ((name, client, session), certain) in sessions.into_iter().zip(certain) {
            let seen: Option<BTreeSet<i32>> = client
                .query(&format!("select id from public.{table}"), &[])
                .await
                .ok()
                .map(|rows| rows.iter().map(|row| row.get(0)).collect());
            for row in [Tenant::Own, Tenant::Foreign] {
                let not_null = BTreeSet::from(["id".to_owned(), "must".to_owned()]);
                let outcomes = read.outcomes(&Scenario {
                    table,
                    tenant_column: Some("tenant"),
                    not_null: &not_null,
                    row,
                    session,
                    sources: &sources,
                });
                let problem = contradiction(outcomes, row, seen.as_ref()).or_else(|| {
                    (row == Tenant::Foreign && says(outcomes) != *certain)
                        .then(|| format!("{certain:?} was expected"))
                });
                if let Some(problem) = problem {
                    wrong.push(format!(
                        "{major}, {name}, {row:?} row: {expression}: {outcomes}, but {problem}"
                    ));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn says(outcomes: Outcomes) -> Is {
    if outcomes.is_certain() {
        Open
    } else if outcomes.is_refused() {
        Shut
    } else {
        Maybe
    }
}

/// What the server did that the reader holds impossible. `seen`: the visible rows, `None` when the statement failed.
fn contradiction(outcomes: Outcomes, row: Tenant, seen: Option<&BTreeSet<i32>>) -> Option<String> {
    let Some(seen) = seen else {
        // The statement fails as a whole: one row that makes it fail is enough, and there are rows of both tenants.
        return (outcomes.is_certain()).then(|| "the statement failed".to_owned());
    };
    let mut rows = match row {
        Tenant::Own => 1..=4,
        Tenant::Foreign => 5..=8,
    };
    let visible = rows.clone().any(|id| seen.contains(&id));
    let hidden = rows.any(|id| !seen.contains(&id));
    if visible && !outcomes.yes {
        return Some(format!("the server shows {seen:?}"));
    }
    if hidden && !outcomes.no && !outcomes.null {
        return Some(format!("the server shows only {seen:?}"));
    }
    None
}
