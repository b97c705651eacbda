//! What `SET ROLE` can be chained with, on a real server.

use anyhow::Result;
use pgattest_testkit::{Cluster, available_majors};

/// The reason why `RoleGraph::reaches` allows inheritance after SET ROLE and never SET ROLE after inheritance.
#[test]
fn set_role_is_checked_against_the_login_and_not_against_the_current_role() -> Result<()> {
    for major in available_majors().into_iter().filter(|&major| major >= 16) {
        let cluster = Cluster::builder(major).start_blocking()?;
        cluster.execute_blocking(
            "postgres",
            "CREATE ROLE app LOGIN; CREATE ROLE reads; CREATE ROLE acts; CREATE ROLE helper; CREATE ROLE owner;
             GRANT reads TO app WITH INHERIT TRUE, SET FALSE; GRANT acts TO reads WITH SET TRUE, INHERIT FALSE;
             GRANT helper TO app WITH INHERIT FALSE, SET TRUE; GRANT owner TO helper WITH INHERIT TRUE, SET FALSE;
             CREATE SCHEMA private AUTHORIZATION owner; CREATE TABLE private.notes AS SELECT 1;
             ALTER TABLE private.notes OWNER TO owner; CREATE ROLE far; GRANT far TO owner WITH SET TRUE, INHERIT FALSE",
        )?;
        let as_app = |sql: &str| {
            let sql = format!("SET SESSION AUTHORIZATION app; {sql}");
            cluster
                .query_text_blocking("postgres", &sql)
                .map_err(|error| format!("{error:#}"))
        };
        let denied = |result: Result<_, String>, message: &str| {
            let error: String = result.map(|_: Vec<Vec<Option<String>>>| ()).unwrap_err();
            assert!(error.contains(message), "PostgreSQL {major}: {error}");
        };
        denied(
            as_app("SET ROLE acts"),
            "permission denied to set role \"acts\"",
        );
        denied(
            as_app("SET ROLE owner"),
            "permission denied to set role \"owner\"",
        );
        denied(
            as_app("SET ROLE helper; SET ROLE far"),
            "permission denied to set role \"far\"",
        );
        denied(
            as_app("SELECT 1 FROM private.notes"),
            "permission denied for schema private",
        );
        let rows = as_app("SET ROLE helper; SELECT count(*) FROM private.notes").unwrap();
        assert_eq!(rows, [[Some("1".to_owned())]]);
    }
    Ok(())
}
