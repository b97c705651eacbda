//! The samples of real logs: what is missing in them was counted by other means (Python's `csv` and `json`), see the comments.

use super::{CSVLOG, holes};
use pgattest_parse::audit_log::Format;
use pgattest_trail::completeness::{Completeness, Kind, Options, Tracker, source};

fn sample(name: &str, format: &Format) -> Completeness {
    let folder = tempfile::tempdir().unwrap();
    let path = format!(
        "{}/../parse/tests/samples/{name}.zst",
        env!("CARGO_MANIFEST_DIR")
    );
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    let mut tracker = Tracker::new(Options::default());
    source::log_files(&mut tracker, &[file], format).unwrap();
    tracker.finish()
}

fn line_holes(result: &Completeness) -> Vec<(u64, u64)> {
    result
        .of(Kind::Hole)
        .filter_map(|hole| hole.lines)
        .collect()
}

/// 119 sessions by Python; of two the log holds only the tail, because the sample was cut out of a longer log.
#[test]
fn csvlog() {
    let result = sample("csvlog.csv", &CSVLOG);
    let population = &result.populations["csvlog"];
    assert_eq!(population.records, 11_938);
    assert_eq!((population.sessions, population.gapless), (119, 117));
    assert_eq!(
        holes(&result),
        [
            ("6b03e407.6ad0".to_owned(), 1, 45_974),
            ("6b03e407.6ad1".to_owned(), 1, 46_485),
        ]
    );
    assert_eq!(population.missing_lines, 45_974 + 46_485);
    // 114 received, 48 disconnections, 41 FATAL or a broken startup packet, 24 of which nothing more is recorded; the last 16 of
    // these are less than ten minutes old by the log's own time.
    assert_eq!((population.received, population.authorized), (114, 56));
    assert_eq!(
        (population.connections_refused, population.disconnected),
        (41, 48)
    );
    assert_eq!((population.no_outcome, population.undecided), (8, 16));
    assert_eq!(
        result.of(Kind::Unfinished).count() + result.of(Kind::LineReuse).count(),
        0
    );
}

/// Of the sessions before the first cut, 117 there and 117 here, none has a hole.
#[test]
fn jsonlog() {
    let result = sample("jsonlog.json", &Format::Jsonlog);
    let population = &result.populations["jsonlog"];
    assert_eq!((population.sessions, population.gapless), (121, 120));
    assert_eq!(holes(&result), [("6b03e4bb.b61".to_owned(), 1, 4)]);
    assert_eq!((population.no_outcome, population.undecided), (24, 0));
}

/// pgauditlogtofile quotes too little: 65 pieces cannot be read, and the line numbers say which records those were.
#[test]
fn pgauditlogtofile() {
    let result = sample("pgauditlogtofile-1.5.11.csv", &Format::PgauditlogtofileCsv);
    let population = &result.populations["pgauditlogtofile-csv"];
    assert_eq!((population.records, population.torn), (11_931, 65));
    assert_eq!((population.sessions, population.gapless), (115, 109));
    let missing: u64 = line_holes(&result)
        .iter()
        .map(|(from, to)| to - from + 1)
        .sum();
    assert_eq!((line_holes(&result).len(), missing), (12, 23));
    assert!(!population.audit_grade);
    assert!(result.not_assessed.iter().any(|why| why.contains("forge")));
}

/// Without `%c` and `%l` in the prefix nothing is shown, and that is said. The forged line of the sample shows by its time.
#[test]
fn stderr() {
    let prefix = "%m [%p] %q%u@%d %a %h ".to_owned();
    let result = sample("stderr.log", &Format::Stderr { prefix });
    let population = &result.populations["stderr"];
    assert_eq!(
        (population.sessions, population.unnumbered),
        (0, population.records)
    );
    assert!(population.records > 800);
    assert!(
        result
            .not_assessed
            .iter()
            .any(|why| why.contains("no session or no line number"))
    );
    assert_eq!(result.of(Kind::ClockBack).count(), 1);
}

/// The settings that the run changed on purpose, as the postmaster's records tell: from and to.
#[test]
fn weakened_auditing_is_the_same_in_both_forms() {
    let told = |result: &Completeness| -> Vec<String> {
        result
            .of(Kind::AuditingWeakened)
            .map(|finding| {
                let (what, _) = finding.detail.split_once(", from record").unwrap();
                format!("{what}, ended {}", finding.to.is_some())
            })
            .collect()
    };
    let csvlog = told(&sample("csvlog.csv", &CSVLOG));
    assert_eq!(csvlog, told(&sample("jsonlog.json", &Format::Jsonlog)));
    assert_eq!(
        csvlog,
        [
            "what is recorded was weakened: server: pgaudit.log_relation set to `off`, ended false",
            "what is recorded was weakened: server: pgaudit.log_statement set to `off`, ended true",
            "what is recorded was weakened: server: pgaudit.log_rows set to `off`, ended false",
            "what is recorded was weakened: server: pgaudit.log set to `ddl,role`, ended false",
            "what is recorded was weakened: server: pgaudit.role reset, ended false",
        ]
    );
}
