//! The SQL of the role that audits: what `pgattest grants` prints, and what undoes it.
//!
//! For psql, because it goes into several databases. Each database is one transaction; run twice, nothing changes. Names are
//! hostile: as SQL they go through `model::ident`, into comments through `visible`, into psql's own commands through [`psql`].

mod psql;
mod undo;

pub use psql::connect as psql_connect;
pub use undo::revoke;

use crate::groups::Scope;
use crate::wrapper::{SCHEMA, SEARCH_PATH, WRAPPERS, Wrapper};
use pgattest_model::ServerVersion;
use pgattest_model::ident::{quote_ident, quote_literal, visible};
use psql::{connect, dollar_quoted, set_literal};
use std::fmt::Write as _;

/// What `pgattest grants` calls the role when nobody says otherwise.
pub const DEFAULT_ROLE: &str = "pgattest_auditor";

/// How many sessions the role may have at a time: an audit takes as many as `--concurrency`, 4 unless told.
const CONNECTIONS: u32 = 16;

/// What the script is for.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The role's name.
    pub role: &'a str,
    /// The server that it is printed for.
    pub version: ServerVersion,
    /// The database that audits will connect to; `None`: whichever the script is run in.
    pub home: Option<&'a str>,
    /// The other databases that accept connections.
    pub others: Vec<&'a str>,
    /// Databases that accept connections and cannot be named in a script: their names are not UTF-8. Lossily decoded.
    pub unnameable: Vec<&'a str>,
}

/// The script that makes the role and everything that it reads through.
pub fn grant(plan: &Plan<'_>) -> String {
    let mut script = header(plan);
    enter(&mut script, plan.home);
    preconditions(&mut script, plan);
    make_role(&mut script, plan);
    open_database(&mut script, plan, None);
    script.push_str("COMMIT;\n");
    for other in &plan.others {
        enter(&mut script, Some(other));
        preconditions(&mut script, plan);
        open_database(&mut script, plan, Some(Scope::Database));
        script.push_str("COMMIT;\n");
    }
    for name in &plan.unnameable {
        let _ = writeln!(
            script,
            "\n-- Left out, because its name is not UTF-8: database {}",
            visible(name)
        );
    }
    let role = quote_ident(plan.role);
    let _ = write!(
        script,
        "\n-- Left to do by hand:\n\
         -- 1. a password (psql asks for it, and only its hash leaves psql), or another way to prove who it is:\n\
         --      \\password {shown}\n\
         -- 2. a line of pg_hba.conf that lets the role in, encrypted, from where pgattest runs, if none does yet:\n\
         --      hostssl  all  {shown}  192.0.2.10/32  scram-sha-256\n\
         -- 3. the audit:  pgattest audit \"host=.. {home}user={shown} sslmode=verify-full\"\n",
        shown = visible(&role),
        home = plan
            .home
            .map_or_else(String::new, |home| format!("dbname={} ", visible(home))),
    );
    script
}

fn header(plan: &Plan<'_>) -> String {
    let databases = match plan.home {
        Some(_) => format!(
            "--   It goes into {} by \\connect, each in one transaction; a database made later needs it again.\n",
            match plan.others.len() {
                0 => "one database".to_owned(),
                others => format!("{} databases", others + 1),
            }
        ),
        None => "--   It is for the one database that psql is connected to: audits must begin there, and what a role may not see in \
                 the\n--   others stays unseen. `pgattest grants CONNECTION` prints it for every database.\n"
            .to_owned(),
    };
    format!(
        "-- The role that `pgattest audit` logs in with, and what it reads through: SQL for psql, to be run by a superuser.\n\
         --   psql -X -f this-file ..\n\
         {databases}\
         --   For PostgreSQL {major}. To be printed and run again after an upgrade of pgattest or to another major release: until then\n\
         --   pgattest does not trust what is here. Run twice, it changes nothing. `pgattest grants --revoke` prints what undoes it.\n\
         --\n\
         -- What the role gets: it may connect, and call the functions of schema {SCHEMA}. They run with their owner's rights and\n\
         --   return what the audit of a superuser would record, secrets reduced to their kind inside the server by the same queries.\n\
         -- What it does not get: pg_monitor (which shows other people's statements and the values of all settings), any table, any\n\
         --   file, any hash of a password, any right to change anything.\n\
         \\set ON_ERROR_STOP on\n",
        major = plan.version.major(),
    )
}

/// Into a database, and a transaction in which no name means what somebody else made of it.
fn enter(script: &mut String, database: Option<&str>) {
    script.push('\n');
    if let Some(name) = database {
        let _ = writeln!(script, "-- Database {}\n{}", visible(name), connect(name));
    }
    let _ = writeln!(
        script,
        "BEGIN;\nSET LOCAL search_path = {SEARCH_PATH};\nSET LOCAL client_min_messages = warning;\n{}",
        set_literal()
    );
}

/// What must hold, or nothing is done.
fn preconditions(script: &mut String, plan: &Plan<'_>) {
    let major = plan.version.major();
    let mark = quote_literal(SCHEMA_MARK);
    let body = format!(
        "
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000 <> {major} THEN
        RAISE EXCEPTION 'this script is for PostgreSQL {major}, and the server is %', pg_catalog.current_setting('server_version')
            USING HINT = 'print it for this server: pgattest grants CONNECTION';
    END IF;
    IF NOT (SELECT me.rolsuper FROM pg_catalog.pg_roles AS me WHERE me.rolname = current_user) THEN
        RAISE EXCEPTION 'role % is not a superuser: the functions must belong to one', current_user;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
        WHERE n.nspname = '{SCHEMA}'
            AND (NOT o.rolsuper OR pg_catalog.obj_description(n.oid, 'pg_namespace') IS DISTINCT FROM {mark})
    ) THEN
        RAISE EXCEPTION 'schema {SCHEMA} in database % was not made by this script', pg_catalog.current_database()
            USING HINT = 'find out what it is for; under another name it is in nobody''s way: ALTER SCHEMA {SCHEMA} RENAME TO ..';
    END IF;
END
"
    );
    let _ = writeln!(script, "DO {};", dollar_quoted(&body));
}

/// The comment by which the script knows the role again.
const ROLE_MARK: &str = "audits with pgattest; made by the SQL of `pgattest grants`";
/// The comment by which the script knows the schema again.
const SCHEMA_MARK: &str = "what pgattest reads through; made by the SQL of `pgattest grants`";

fn make_role(script: &mut String, plan: &Plan<'_>) {
    let role = quote_ident(plan.role);
    let wanted = quote_literal(plan.role);
    let mark = quote_literal(ROLE_MARK);
    let body = format!(
        "
DECLARE
    wanted CONSTANT pg_catalog.text :={wanted};
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted) THEN
        EXECUTE pg_catalog.format('CREATE ROLE %I', wanted);
        EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', wanted, {mark});
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = wanted
            AND pg_catalog.shobj_description(r.oid, 'pg_authid') IS DISTINCT FROM {mark}
    ) THEN
        RAISE EXCEPTION 'role % exists, and was not made by this script', pg_catalog.quote_ident(wanted)
            USING HINT = 'choose another name: pgattest grants --role NAME';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        JOIN pg_catalog.pg_auth_members AS m ON m.member = r.oid
        WHERE r.rolname = wanted
    ) THEN
        RAISE EXCEPTION 'role % is a member of other roles, and may do more than an auditor needs', pg_catalog.quote_ident(wanted)
            USING HINT = 'revoke the memberships, then run this again';
    END IF;
END
"
    );
    let _ = writeln!(
        script,
        "
-- The role: it logs in, and has no other attribute.
DO {quoted};
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT {CONNECTIONS};
-- Against accidents: whoever logs in with the role can set these back, and still has nothing to write to. Nothing is set that
-- a check judges (logging, for instance): the role would report its own value for the server's.
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '5min';
ALTER ROLE {role} SET lock_timeout = '10s';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '10min';",
        quoted = dollar_quoted(&body),
    );
}

/// Everything in one database: of all groups, or of one scope.
fn open_database(script: &mut String, plan: &Plan<'_>, scope: Option<Scope>) {
    let role = quote_ident(plan.role);
    let body = format!(
        "
BEGIN
    IF NOT pg_catalog.has_database_privilege('public', pg_catalog.current_database(), 'CONNECT') THEN
        EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO %I', pg_catalog.current_database(),{});
    END IF;
END
",
        quote_literal(plan.role)
    );
    let _ = writeln!(
        script,
        "
-- The way in, where not everybody has it.
DO {quoted};

-- Where the functions are. Nobody but superusers may put anything into it: pgattest would not trust it.
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
COMMENT ON SCHEMA {SCHEMA} IS {mark};
REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;
GRANT USAGE ON SCHEMA {SCHEMA} TO {role};",
        quoted = dollar_quoted(&body),
        mark = quote_literal(SCHEMA_MARK),
    );
    let wrappers: Vec<&Wrapper> = WRAPPERS
        .iter()
        .filter(|wrapper| scope.is_none_or(|scope| wrapper.scope == scope))
        .filter(|wrapper| {
            wrapper
                .wrapped()
                .is_some_and(|group| group.is_asked_on(plan.version))
        })
        .collect();
    drop_outgrown(script, &wrappers);
    for wrapper in wrappers {
        make_function(script, wrapper, plan.version, &role);
    }
}

/// `CREATE OR REPLACE` keeps who may execute a function, and cannot change its columns.
fn drop_outgrown(script: &mut String, wrappers: &[&Wrapper]) {
    let rows: Vec<String> = wrappers
        .iter()
        .map(|wrapper| {
            let (names, types): (Vec<&str>, Vec<&str>) = wrapper.columns.iter().copied().unzip();
            format!(
                "('{}', '{{{}}}', '{{{}}}')",
                wrapper.function(),
                names.join(","),
                types.join(",")
            )
        })
        .collect();
    let body = format!(
        "
DECLARE
    outgrown pg_catalog.regprocedure;
BEGIN
    FOR outgrown IN
        SELECT p.oid::pg_catalog.regprocedure
        FROM pg_catalog.pg_proc AS p
        JOIN (VALUES
            {}
        ) AS now (name, columns, types) ON now.name = p.proname
        WHERE p.pronamespace = '{SCHEMA}'::pg_catalog.regnamespace
            AND p.pronargs = 0
            AND (
                p.prokind <> 'f'
                OR p.proargnames IS DISTINCT FROM now.columns::pg_catalog.text[]
                OR p.proallargtypes IS DISTINCT FROM now.types::pg_catalog.regtype[]::pg_catalog.oid[]
            )
    LOOP
        EXECUTE pg_catalog.format('DROP ROUTINE %s', outgrown);
    END LOOP;
END
",
        rows.join(",\n            ")
    );
    let _ = writeln!(
        script,
        "-- What an earlier version made with other columns goes; the rest is replaced in its place.\nDO {};",
        dollar_quoted(&body)
    );
}

fn make_function(script: &mut String, wrapper: &Wrapper, version: ServerVersion, role: &str) {
    let call = wrapper.call();
    let columns: Vec<String> = wrapper
        .columns
        .iter()
        .map(|(name, kind)| format!("{} {kind}", quote_ident(name)))
        .collect();
    let _ = writeln!(
        script,
        "
-- {group}: {purpose}.
CREATE OR REPLACE FUNCTION {call}
RETURNS TABLE ({columns})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {SEARCH_PATH}
AS {body};
ALTER FUNCTION {call} OWNER TO CURRENT_USER;
REVOKE ALL ON FUNCTION {call} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {call} TO {role};",
        group = wrapper.group,
        purpose = wrapper.purpose,
        columns = columns.join(", "),
        body = dollar_quoted(&wrapper.body(version)),
    );
}

#[cfg(test)]
mod tests;
