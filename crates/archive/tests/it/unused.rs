//! Grants against uses: what counts as one, and what the log cannot tell.

use crate::support::{CSVLOG, Line, Place, ask, seal};
use pgattest_archive::make::MakeOptions;
use pgattest_archive::query::{Filter, Grant, Question, TableName, UnusedGrants};
use std::collections::BTreeSet;

/// 2026-01-01 12:00, when every line of these logs was written.
const NOON: i64 = 1_767_268_800_000;

fn place(lines: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let log: String = lines
        .iter()
        .map(|(user, message)| {
            Line {
                user,
                message,
                ..Line::default()
            }
            .text()
        })
        .collect();
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 50);
    place.make(MakeOptions::default());
    place
}

fn audited(class: &str, command: &str, object: &str) -> String {
    format!("AUDIT: SESSION,1,1,{class},{command},TABLE,{object},select 1,<none>")
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn grant(grantee: Option<&str>, privilege: &str, roles: &[&str]) -> Grant {
    Grant {
        database: "shop".to_owned(),
        table: TableName::parse("public.orders").unwrap(),
        column: None,
        grantee: grantee.map(str::to_owned),
        privilege: privilege.to_owned(),
        roles: names(roles),
        lends: false,
        unseen: Vec::new(),
    }
}

/// The verdicts and their reasons.
fn judged(place: &Place, grants: Vec<Grant>, from: i64, unseen: &[&str]) -> Vec<(String, String)> {
    let question = Question::UnusedGrants(UnusedGrants {
        grants,
        superusers: names(&["postgres"]),
        unseen: unseen.iter().map(|text| (*text).to_owned()).collect(),
        from,
        until: NOON,
    });
    let filter = Filter {
        from: Some(from),
        ..Filter::default()
    };
    let (answer, _) = ask(&place.archive(), &question, &filter);
    let rows = answer["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let word = |name: &str| row[name].as_str().unwrap().to_owned();
            (word("verdict"), word("detail"))
        })
        .collect()
}

#[track_caller]
fn assert_is(judged: &[(String, String)], at: usize, verdict: &str, detail: &str) {
    let (found, why) = &judged[at];
    assert!(
        found == verdict && why.contains(detail),
        "{at}: {found}: {why}"
    );
}

#[test]
fn a_grant_is_used_by_its_role_or_a_member_of_it() {
    let place = place(&[
        ("app", &audited("READ", "SELECT", "public.orders")),
        ("app", &audited("READ", "SELECT", "public.other")),
        ("loader", &audited("WRITE", "COPY", "public.orders")),
        ("postgres", &audited("WRITE", "DELETE", "public.orders")),
    ]);
    let judged = judged(
        &place,
        vec![
            grant(Some("app"), "SELECT", &["app"]),
            grant(Some("readers"), "SELECT", &["readers", "app"]),
            grant(Some("report"), "SELECT", &["report"]),
            grant(Some("loader"), "INSERT", &["loader"]),
            grant(Some("loader"), "UPDATE", &["loader"]),
            grant(Some("report"), "DELETE", &["report"]),
            grant(Some("report"), "TRUNCATE", &["report"]),
            grant(None, "SELECT", &["postgres", "owner"]),
            grant(None, "DELETE", &["postgres", "owner"]),
            grant(None, "INSERT", &["postgres", "loader"]),
        ],
        NOON,
        &[],
    );
    assert_is(&judged, 0, "used", "1 audited records");
    assert_is(&judged, 1, "used", "1 audited records");
    // A superuser's DELETE hides what it read, and may have been done as `report`.
    assert_is(&judged, 2, "unknown", "SET ROLE of a superuser");
    assert_is(&judged, 3, "used", "");
    // INSERT .. ON CONFLICT DO UPDATE is an INSERT to pgaudit.
    assert_is(&judged, 4, "unknown", "may have needed it");
    assert_is(&judged, 5, "unknown", "SET ROLE of a superuser");
    assert_is(&judged, 6, "unknown", "does not say on which table");
    assert_is(&judged, 7, "used", "");
    assert_is(&judged, 8, "unknown", "may have needed it");
    // What the owner and superusers do needs no grant to PUBLIC.
    assert_is(&judged, 9, "unused", "");
}

#[test]
fn unknown_is_never_unused() {
    let idle = || vec![grant(Some("report"), "SELECT", &["report"])];
    let read = audited("READ", "SELECT", "public.orders");
    let quiet = place(&[("app", &read)]);
    assert_is(&judged(&quiet, idle(), NOON, &[]), 0, "unused", "");
    assert_is(
        &judged(&quiet, idle(), NOON, &["a gap"]),
        0,
        "unknown",
        "a gap",
    );
    let early = judged(&quiet, idle(), NOON - 1, &[]);
    assert_is(&early, 0, "unknown", "records begin at 2026-01-01T12:00:00");
    let lent = Grant {
        lends: true,
        ..idle().remove(0)
    };
    assert_is(
        &judged(&quiet, vec![lent], NOON, &[]),
        0,
        "unknown",
        "a view",
    );
    let unseen = Grant {
        unseen: vec!["pgaudit.log has no `read`".to_owned()],
        ..idle().remove(0)
    };
    assert_is(
        &judged(&quiet, vec![unseen], NOON, &[]),
        0,
        "unknown",
        "no `read`",
    );
    let column = Grant {
        column: Some("note".to_owned()),
        ..grant(Some("app"), "SELECT", &["app"])
    };
    assert_is(
        &judged(&quiet, vec![column], NOON, &[]),
        0,
        "unknown",
        "names no columns",
    );

    // pgaudit did not say which table; of what touches none it has nothing to say.
    for (message, verdict) in [
        (
            "AUDIT: SESSION,1,1,READ,SELECT,,,select * FROM orders,<none>",
            "unknown",
        ),
        (
            "AUDIT: SESSION,1,1,READ,SELECT,,,<not logged>,<not logged>",
            "unknown",
        ),
        ("AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>", "unused"),
    ] {
        let place = place(&[("report", message)]);
        assert_is(&judged(&place, idle(), NOON, &[]), 0, verdict, "");
    }
}
