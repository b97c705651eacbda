//! What undoes the script.

use super::psql::dollar_quoted;
use super::{Plan, ROLE_MARK, SCHEMA_MARK, enter};
use crate::wrapper::{SCHEMA, WRAPPERS};
use pgattest_model::ident::{quote_literal, visible};
use std::fmt::Write as _;

/// The script that takes away what [`super::grant`] made, and nothing else. The role's database comes last: a role that still
/// has something elsewhere cannot be dropped.
pub fn revoke(plan: &Plan<'_>) -> String {
    let mut script = String::from(
        "-- Undoes the SQL of `pgattest grants`: SQL for psql, to be run by a superuser.\n\
         --   psql -X -f this-file ..\n\
         --   Each database is one transaction. The functions stay where another role still uses them. Nothing else of the role's is\n\
         --   taken away: if it has anything more, the last step says so and changes nothing.\n\
         \\set ON_ERROR_STOP on\n",
    );
    for name in &plan.unnameable {
        let _ = writeln!(
            script,
            "-- Left out, because its name is not UTF-8: database {}",
            visible(name)
        );
    }
    for other in &plan.others {
        enter(&mut script, Some(other));
        close_database(&mut script, plan);
        script.push_str("COMMIT;\n");
    }
    enter(&mut script, plan.home);
    close_database(&mut script, plan);
    drop_role(&mut script, plan);
    script.push_str("COMMIT;\n");
    script
}

fn close_database(script: &mut String, plan: &Plan<'_>) {
    let drops: Vec<String> = WRAPPERS
        .iter()
        .map(|wrapper| format!("DROP FUNCTION IF EXISTS {};", wrapper.call()))
        .collect();
    let body = format!(
        "
DECLARE
    wanted CONSTANT pg_catalog.text :={wanted};
    auditor pg_catalog.oid := (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted);
    place pg_catalog.oid := (
        SELECT n.oid FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname = '{SCHEMA}' AND pg_catalog.obj_description(n.oid, 'pg_namespace') = {mark}
    );
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_database AS d
        CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS item
        WHERE d.datname = pg_catalog.current_database() AND item.grantee = auditor
    ) THEN
        EXECUTE pg_catalog.format('REVOKE CONNECT ON DATABASE %I FROM %I', pg_catalog.current_database(), wanted);
    END IF;
    IF place IS NOT NULL THEN
        IF auditor IS NOT NULL THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM %I', wanted);
            EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA {SCHEMA} FROM %I', wanted);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_namespace AS n
            CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS item
            WHERE n.oid = place AND item.grantee <> n.nspowner
        ) THEN
            {drops}
            DROP SCHEMA {SCHEMA};
        END IF;
    END IF;
END
",
        drops = drops.join("\n            "),
        wanted = quote_literal(plan.role),
        mark = quote_literal(SCHEMA_MARK),
    );
    let _ = writeln!(script, "DO {};", dollar_quoted(&body));
}

fn drop_role(script: &mut String, plan: &Plan<'_>) {
    let body = format!(
        "
DECLARE
    wanted CONSTANT pg_catalog.text :={wanted};
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = wanted AND pg_catalog.shobj_description(r.oid, 'pg_authid') = {mark}
    ) THEN
        EXECUTE pg_catalog.format('DROP ROLE %I', wanted);
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted) THEN
        RAISE EXCEPTION 'role % was not made by the SQL of pgattest grants, and stays', pg_catalog.quote_ident(wanted);
    END IF;
END
",
        wanted = quote_literal(plan.role),
        mark = quote_literal(ROLE_MARK),
    );
    let _ = writeln!(script, "DO {};", dollar_quoted(&body));
}
