//! Names that would like to be something else.

use crate::common::look;
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_testkit::{Cluster, available_majors};

const NAMES: &[&str] = &[
    "\\N",
    "a\nb",
    "a\r\nb",
    "say \"hi\"",
    "it's",
    "\u{1b}[31mred",
    "<script>alert(1)</script>",
    "$(touch /tmp/x)",
    "=cmd()",
    "a,b;c",
    " ",
    "{}",
    "%s",
    "--@ >=16",
    "naïve 表 \u{202e}",
    "\\.",
];

#[tokio::test]
async fn hostile_names_come_back_as_they_are() {
    for major in available_majors() {
        let cluster = Cluster::builder(major).start().await.unwrap();
        for name in NAMES {
            let quoted = quote_ident(name);
            let text = quote_literal(name);
            let sql = format!(
                "CREATE ROLE {quoted} LOGIN; CREATE SCHEMA {quoted} AUTHORIZATION {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} int);
                 ALTER TABLE {quoted}.{quoted} ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY {quoted} ON {quoted}.{quoted} TO {quoted} USING ({quoted} = 1 OR {text} = 'x');
                 CREATE FUNCTION {quoted}.{quoted}({quoted} int) RETURNS int LANGUAGE sql SET search_path = {quoted} AS 'select 1';
                 GRANT SELECT ({quoted}) ON {quoted}.{quoted} TO PUBLIC; CREATE PUBLICATION {quoted} FOR TABLE {quoted}.{quoted};
                 ALTER ROLE {quoted} SET application_name = {text};",
            );
            cluster.execute("postgres", &sql).await.unwrap();
        }
        cluster
            .execute(
                "postgres",
                "CREATE DATABASE \"\\N\"; CREATE DATABASE \"a\nb <b>\" ",
            )
            .await
            .unwrap();

        let look = look(&cluster).await;
        assert_eq!(
            (
                look.failures(),
                look.missing()
                    .iter()
                    .filter(|(group, _)| group != "ident_maps")
                    .count()
            ),
            (vec![], 0),
            "{major}"
        );
        let inside = look.inside("postgres");
        let roles: Vec<_> = look
            .facts
            .roles
            .here()
            .unwrap()
            .iter()
            .map(|row| row.name.clone())
            .collect();
        let relations: Vec<_> = inside
            .relations
            .here()
            .unwrap()
            .iter()
            .map(|row| (row.schema_name.clone(), row.name.clone()))
            .collect();
        let columns: Vec<_> = inside
            .columns
            .here()
            .unwrap()
            .iter()
            .map(|row| row.name.clone())
            .collect();
        let policies: Vec<_> = inside
            .policies
            .here()
            .unwrap()
            .iter()
            .map(|row| row.name.clone())
            .collect();
        let functions: Vec<_> = inside
            .functions
            .here()
            .unwrap()
            .iter()
            .map(|row| row.name.clone())
            .collect();
        let publications: Vec<_> = inside
            .publications
            .here()
            .unwrap()
            .iter()
            .map(|row| row.name.clone())
            .collect();
        let stored: Vec<_> = look
            .facts
            .role_settings
            .here()
            .unwrap()
            .iter()
            .map(|row| row.value.clone())
            .collect();
        for name in NAMES.iter().map(|name| (*name).to_owned()) {
            assert!(roles.contains(&name), "{major}: {name:?}");
            assert!(
                relations.contains(&(name.clone(), name.clone())),
                "{major}: {name:?}"
            );
            for list in [&columns, &policies, &functions, &publications] {
                assert!(list.contains(&name), "{major}: {name:?} in {list:?}");
            }
            assert!(
                stored
                    .iter()
                    .any(|value| value.contains(&name)
                        || name.chars().any(|c| !c.is_ascii_graphic())),
                "{major}: {name:?}"
            );
        }
        for name in ["\\N", "a\nb <b>"] {
            assert!(look.inside(name).relations.is_here(), "{major}: {name:?}");
        }
    }
}

#[tokio::test]
async fn a_database_without_an_encoding_is_read_lossily() {
    for major in available_majors() {
        let cluster = Cluster::builder(major)
            .encoding("SQL_ASCII", "C")
            .start()
            .await
            .unwrap();
        let sql = r#"DO $$ BEGIN EXECUTE format(E'CREATE ROLE "r\xe9\xff"'); EXECUTE format(E'CREATE TABLE "t\xe9" ("c\xe9" int)');
            EXECUTE format(E'ALTER TABLE "t\xe9" ENABLE ROW LEVEL SECURITY');
            EXECUTE format(E'CREATE POLICY "p\xe9" ON "t\xe9" USING (''\xe9'' = ''x'')');
            EXECUTE format(E'CREATE FOREIGN DATA WRAPPER w OPTIONS ("k\xe9" ''v'')');
            EXECUTE format(E'ALTER ROLE "r\xe9\xff" SET search_path = "s\xe9"');
            EXECUTE format(E'ALTER ROLE "r\xe9\xff" SET app.tenant = ''\xe9\xe9''');
            END $$;
            CREATE DATABASE utf8 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
            DO $$ BEGIN EXECUTE format(E'ALTER DATABASE utf8 SET app.x = ''s\xe9'''); END $$;
            CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';"#;
        cluster.execute("postgres", sql).await.unwrap();
        for database in ["postgres", "utf8", "latin1"] {
            let look = crate::common::look_through(
                &cluster.dsn(database),
                pgattest_collect::Limits::default(),
            )
            .await;
            // A database with an encoding cannot take apart a stored value that is not valid in it: that is said, not hidden.
            let failures = look.failures();
            let known = |(id, why): &(String, String)| {
                database == "utf8"
                    && id == "cluster/role-settings"
                    && why.starts_with("invalid byte sequence")
            };
            assert!(
                failures.iter().all(known),
                "{major} from {database}: {failures:?}"
            );
            assert_eq!(look.facts.role_settings.is_here(), failures.is_empty());
            let roles = look.facts.roles.here().unwrap();
            let expected = if database == "latin1" {
                "ré\u{ff}"
            } else {
                "r\u{fffd}\u{fffd}"
            };
            assert!(
                roles.iter().any(|role| role.name == expected),
                "{major} from {database}: {roles:?}"
            );
            let inside = look.inside("postgres");
            assert!(
                inside
                    .relations
                    .here()
                    .unwrap()
                    .iter()
                    .any(|row| row.name == "t\u{fffd}")
            );
            assert!(
                inside
                    .policies
                    .here()
                    .unwrap()
                    .iter()
                    .any(|row| row.using_expression.contains('\u{fffd}'))
            );
            assert_eq!(
                inside.foreign_data_wrappers.here().unwrap()[0].option_keys,
                ["k\u{fffd}"]
            );
        }
    }
}
