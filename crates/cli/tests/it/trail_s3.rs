//! An archive on S3, as an operator meets it: made by the collector, asked, checked, repaired, pruned.

use crate::support::Desk;
use crate::trail_desk::{TrailDesk, wait};
use pgattest_testkit::S3;
use pgattest_testkit::receivers::front::{Answer, Fault};

const ORDERS: &str =
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>";
const CREATE: &str = "AUDIT: SESSION,2,1,DDL,CREATE TABLE,TABLE,public.t,create table t (),<none>";

fn bucket() -> S3 {
    S3::start(|_| None, |_| true).unwrap()
}

/// `[archive]` with everything that is needed to reach it.
fn tables(s3: &S3) -> String {
    format!(
        "[archive]\nlocation = \"s3://{}/trail\"\nevery_minutes = 1\n\
         [archive.aws]\nregion = \"us-east-1\"\nendpoint = \"{}\"\ncredentials_file = \"CREDENTIALS\"\ntimeout_seconds = 20\n",
        s3.bucket,
        s3.front.url()
    )
}

fn desk(s3: &S3) -> TrailDesk {
    let desk = TrailDesk::new("");
    let credentials = s3.credentials(&desk.desk.path("")).unwrap();
    desk.configure(&tables(s3).replace("CREDENTIALS", credentials.to_str().unwrap()));
    desk
}

#[test]
fn a_collector_archives_to_s3_and_questions_are_answered_as_from_a_directory() {
    let s3 = bucket();
    let desk = desk(&s3);
    desk.log("6b03e095.7", &[ORDERS, CREATE, ORDERS]);
    desk.run_once();
    let keys = s3.keys().unwrap();
    assert!(
        keys.iter()
            .any(|key| key.starts_with("trail/instance=shop/dt=2026-11-23/r000000000000-")),
        "{keys:?}"
    );
    let told = desk.leaves().into_iter().find_map(|leaf| match leaf {
        pgattest_trail::Leaf::Configuration { told, .. } => told,
        _ => None,
    });
    assert_eq!(
        told.unwrap().archive.unwrap().place,
        "s3://example-archive/trail"
    );
    desk.trail_ends("archive", &["--check"], 0)
        .assert_says("3 records are as they were written: 1 files by the journal's tree");
    desk.trail_ends("archive", &[], 0).assert_says(
        "0 records archived in 0 files; 0 files removed; the archive of `shop` holds 3 records",
    );

    desk.trail_ends("archive", &["--archive", "local"], 0);
    for question in [
        &["touched", "orders"][..],
        &["session", "6b03e095.7"],
        &["ddl"],
        &["counts"],
        &["failed-logins", "--format", "json"],
    ] {
        let there = desk.trail_ends("query", question, 0);
        let here = desk.trail_ends("query", &[question, &["--archive", "local"]].concat(), 0);
        assert_eq!(there.text(), here.text(), "{question:?}");
        assert_eq!(there.stderr, here.stderr, "{question:?}");
    }
    desk.trail_ends("query", &["touched", "orders"], 0)
        .assert_says("select 1 from orders");

    // A byte is changed behind its back.
    let key = keys.iter().find(|key| key.ends_with(".parquet")).unwrap();
    let mut bytes = s3.get(key).unwrap().unwrap();
    bytes[100] ^= 1;
    s3.put(key, bytes).unwrap();
    desk.trail_ends("archive", &["--check"], 1)
        .assert_says("changed  instance=shop/dt=2026-11-23/");
    desk.trail_ends("archive", &["--repair"], 0);
    desk.trail_ends("archive", &["--check"], 0);
    desk.trail_ends("archive", &["--rebuild"], 0);
    desk.trail_ends("archive", &["--check"], 0);
    desk.trail_ends("prune", &[], 0)
        .assert_says("no record was sealed more than 365 days ago");
}

#[test]
fn without_a_configuration_the_environment_says_how_it_is_reached() {
    let s3 = bucket();
    let desk = desk(&s3);
    desk.log("6b03e095.7", &[ORDERS]);
    desk.run_once();
    let bare = Desk::new()
        .with("AWS_ENDPOINT_URL", &s3.front.url())
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "example");
    let answer = bare.run(&[
        "trail",
        "query",
        "touched",
        "orders",
        "--archive",
        "s3://example-archive/trail",
    ]);
    answer.assert_code(0);
    answer.assert_says("select 1 from orders");
    // Nobody has an archive there, and another kind of place is none.
    let answer = bare.run(&[
        "trail",
        "query",
        "ddl",
        "--archive",
        "s3://example-archive/none",
    ]);
    answer.assert_code(2);
    let none = "there is no archive of `main` at `s3://example-archive/none/instance=main`";
    assert!(answer.stderr.contains(none), "{answer}");
    let answer = bare.run(&["trail", "query", "ddl", "--archive", "gs://bucket"]);
    answer.assert_code(2);
    assert!(answer.stderr.contains("s3://BUCKET/PREFIX"), "{answer}");
}

#[test]
fn a_refusal_names_the_object_the_code_and_the_right() {
    let s3 = bucket();
    let desk = desk(&s3);
    desk.log("6b03e095.7", &[ORDERS]);
    desk.run_once();
    let denied = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    s3.front.fail([Fault::Answer(
        Answer::new(403, denied).with("content-type", "application/xml"),
    )]);
    let answer = desk.trail_ends("query", &["ddl"], 2);
    for part in [
        "cannot list `s3://example-archive/trail/instance=shop/`",
        "AccessDenied (HTTP 403): Access Denied",
        "Grant s3:ListBucket",
        "docs/trail/aws.md",
    ] {
        assert!(answer.stderr.contains(part), "{part}: {answer}");
    }
}

#[test]
fn a_collector_goes_on_while_s3_does_not_answer_and_archives_later() {
    let s3 = bucket();
    let desk = desk(&s3);
    desk.log("6b03e095.7", &[ORDERS]);
    let broken =
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let refusal = || {
        Some(Fault::Answer(
            Answer::new(403, broken).with("content-type", "application/xml"),
        ))
    };
    s3.front.fail_later((0..1_000).map(|_| refusal()));
    let collector = desk.collector();
    desk.wait_for_records(1);
    wait("a message", || collector.said().contains("archive ended"));
    let said = collector.said();
    assert!(said.contains("AccessDenied"), "{said}");
    assert!(s3.keys().unwrap().is_empty());
    s3.front.fail_later([]);
    wait("an archive", || {
        s3.keys()
            .unwrap()
            .iter()
            .any(|key| key.ends_with(".parquet"))
    });
    collector.stop();
    desk.trail_ends("query", &["touched", "orders"], 0)
        .assert_says("select 1 from orders");
    desk.trail_ends("archive", &["--check"], 0);
}

#[test]
fn what_is_for_s3_alone_is_refused_beside_a_directory() {
    let desk = TrailDesk::new("[archive]\nlocation = \"archive\"\npath_style = true\n");
    let answer = desk.trail_ends("status", &[], 2);
    assert!(
        answer.stderr.contains("are for an archive on S3"),
        "{answer}"
    );
    desk.configure("[archive]\nlocation = \"s3://\"\n");
    let answer = desk.trail_ends("status", &[], 2);
    assert!(
        answer.stderr.contains("write s3://BUCKET/PREFIX"),
        "{answer}"
    );
    assert!(answer.stderr.contains("location = \"s3://\""), "{answer}");
}
