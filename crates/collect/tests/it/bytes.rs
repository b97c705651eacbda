//! What the raw results look like.

use crate::common::{Look, look};
use pgattest_model::{Observation, Outcome};
use pgattest_testkit::{Cluster, available_majors};

/// A NULL in the server's CSV is nothing between two commas; an empty text is two quotes.
fn has_null(csv: &[u8]) -> bool {
    let mut quoted = false;
    let mut length = 0_usize;
    for byte in csv {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b'\n' if !quoted => {
                if length == 0 {
                    return true;
                }
                length = 0;
                continue;
            }
            _ => {}
        }
        length += 1;
    }
    false
}

fn nulls(look: &Look) -> Vec<&str> {
    let with_null = |observation: &&Observation| matches!(&observation.outcome, Outcome::Rows { csv, .. } if has_null(csv));
    look.collection
        .observations
        .iter()
        .filter(with_null)
        .map(|observation| observation.id.as_str())
        .collect()
}

#[test]
fn the_test_tells_null_from_empty() {
    assert!(has_null(b"a,b\n1,\n") && has_null(b"a\n\n") && has_null(b"a,b\n,1\n"));
    assert!(!has_null(b"a,b\n\"\",\"\"\n") && !has_null(b"a,b\n\"x,,y\n\n\",1\n"));
}

#[tokio::test]
async fn no_column_is_ever_null() {
    for major in available_majors() {
        let ident = if major >= 15 { "map1 only\n" } else { "" };
        let cluster = Cluster::builder(major).ident(ident).start().await.unwrap();
        // A server does not start with broken files: they break afterwards.
        cluster.write_hba("local all postgres trust\nhost all all 127.0.0.1/32 trust\nthis is no rule\nhost all all 127.0.0.1/32 nothing\n").unwrap();
        cluster.append_conf("work_mem", "not a size").unwrap();
        let sql = r#"CREATE ROLE "\N"; CREATE ROLE " "; CREATE SCHEMA "\N"; CREATE TABLE "\N"."\N" ("\N" text);
            ALTER ROLE "\N" SET "app.x" = ''; CREATE FOREIGN DATA WRAPPER "\N";
            ALTER DEFAULT PRIVILEGES FOR ROLE "\N" REVOKE ALL ON TABLES FROM "\N";
            CREATE TABLE nothing (); CREATE FUNCTION nothing() RETURNS int LANGUAGE sql AS 'select 1';"#;
        cluster.execute("postgres", sql).await.unwrap();
        let look = look(&cluster).await;
        assert_eq!(look.failures(), [], "{major}");
        assert_eq!(nulls(&look), Vec::<&str>::new(), "{major}");

        let rules = look.facts.hba_rules.here().unwrap();
        let broken: Vec<_> = rules
            .iter()
            .filter(|rule| !rule.is_valid())
            .map(|rule| (rule.number, rule.line))
            .collect();
        assert_eq!(broken, [(0, 3), (0, 4)], "{major}: {rules:?}");
        assert_eq!(
            rules
                .iter()
                .filter(|rule| rule.is_valid())
                .map(|rule| rule.number)
                .collect::<Vec<_>>(),
            [1, 2],
            "{major}"
        );
        let files = look.facts.file_settings.here().unwrap();
        let bad = files.iter().find(|line| line.name == "work_mem").unwrap();
        assert!(!bad.applied && !bad.error.is_empty(), "{major}: {bad:?}");
    }
}

#[tokio::test]
async fn the_same_cluster_gives_the_same_bytes() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let (one, two) = (look(&cluster).await, look(&cluster).await);
    let still = |look: &Look| {
        let same = look
            .collection
            .observations
            .iter()
            .filter(|o| !matches!(o.id.group(), "server" | "own-session" | "sessions"));
        same.map(|o| (o.id.clone(), o.query.clone(), o.outcome.clone()))
            .collect::<Vec<_>>()
    };
    assert!(still(&one).len() > 50);
    assert_eq!(still(&one), still(&two));
}

#[tokio::test]
async fn times_are_recorded_on_both_clocks_in_order() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let look = look(&cluster).await;
    assert!(look.collection.clock_skew_ms.unwrap().abs() < 60_000);
    // What was tried on the wire has no session, and so no clock of the server's.
    let asked = |observation: &&Observation| !observation.id.group().starts_with("wire-");
    for observation in look.collection.observations.iter().filter(asked) {
        let times = [
            &observation.started_at,
            &observation.finished_at,
            &observation.server_started_at,
            &observation.server_finished_at,
        ];
        assert!(
            times
                .iter()
                .all(|time| time.len() == 24 && time.ends_with('Z')),
            "{}: {times:?}",
            observation.id
        );
        assert!(observation.started_at <= observation.finished_at);
        assert!(observation.server_started_at <= observation.server_finished_at);
        assert!(
            look.collection.started_at <= observation.started_at
                && observation.finished_at <= look.collection.finished_at
        );
        assert_eq!(
            observation.asked_at,
            format!("127.0.0.1:{}", cluster.port())
        );
        assert_eq!(observation.role, "postgres");
    }
}

#[tokio::test]
async fn the_guides_four_queries_are_there_by_name() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE TABLE t (); CREATE ROLE app; GRANT SELECT ON t TO app",
        )
        .await
        .unwrap();
    let look = look(&cluster).await;
    let home = look.inside("postgres").oid;
    let text = |id: &str| match &look.observation(id).outcome {
        Outcome::Rows { csv, .. } => String::from_utf8(csv.clone()).unwrap(),
        Outcome::Failed { message, .. } => panic!("{id}: {message}"),
    };
    assert_eq!(text("cluster/guide-ssl"), "ssl\noff\n");
    assert_eq!(
        text("cluster/guide-ssl-min-protocol-version"),
        "ssl_min_protocol_version\nTLSv1.2\n"
    );
    assert_eq!(text(&format!("db-{home}/guide-pgaudit")), "extname\n");
    assert!(text(&format!("db-{home}/guide-grants")).contains("postgres,app,public,t,SELECT,NO\n"));
    assert!(
        look.observation("cluster/guide-ssl")
            .query
            .contains("The guide writes: SHOW ssl")
    );
}
