use super::{SCHEMA, TranscriptError, read, write};
use pgattest_model::{Observation, ObservationId, Outcome};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn observation(id: ObservationId, outcome: Outcome) -> Observation {
    Observation {
        id,
        query: "COPY (\nselect '\u{1b}[31m', \"<script>\"\n) TO STDOUT".to_owned(),
        database: "a\"b\n\\N".to_owned(),
        role: "=cmd()".to_owned(),
        asked_at: "/run/postgresql:5432".to_owned(),
        started_at: "2026-01-02T03:04:05.006Z".to_owned(),
        finished_at: "2026-01-02T03:04:05.106Z".to_owned(),
        server_started_at: String::new(),
        server_finished_at: "2026-01-02T03:04:05.206Z".to_owned(),
        outcome,
    }
}

fn sample() -> Vec<Observation> {
    let failed = |opens| Outcome::Failed {
        sqlstate: "42501".to_owned(),
        message: "no\nway".to_owned(),
        opens,
    };
    vec![
        observation(
            ObservationId::cluster("roles"),
            Outcome::Rows {
                csv: b"oid,name\n1,\xff\n".to_vec(),
                rows: 1,
            },
        ),
        observation(
            ObservationId::cluster("verifiers"),
            failed(Some("GRANT ..;".to_owned())),
        ),
        observation(
            ObservationId::database(5, "acls"),
            Outcome::Rows {
                csv: Vec::new(),
                rows: 0,
            },
        ),
        observation(ObservationId::database(5, "rules"), failed(None)),
    ]
}

fn read_back(text: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<Observation>, TranscriptError> {
    let files: BTreeMap<_, _> = files.iter().cloned().collect();
    read(text, |path| files.get(path).cloned())
}

#[test]
fn what_is_written_is_read_back_in_order() {
    let (text, files) = write(&sample());
    assert_eq!(text.lines().count(), 4);
    assert_eq!(
        files
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        [
            "observations/cluster/roles.csv",
            "observations/db-5/acls.csv"
        ]
    );
    assert_eq!(read_back(&text, &files).unwrap(), sample());
}

#[test]
fn a_line_says_what_it_is_before_anything_else() {
    let (text, _) = write(&sample());
    assert!(
        text.lines()
            .all(|line| line.starts_with(&format!("{{\"schema\":\"{SCHEMA}\",\"id\":")))
    );
}

#[test]
fn a_bad_line_is_named_with_its_column() {
    let (text, files) = write(&sample());
    let broken = text.replacen("\"query\"", "\"quest\"", 1);
    let message = read_back(&broken, &files).unwrap_err().to_string();
    assert!(
        message.starts_with("line 1 of the transcript cannot be read: unknown field `quest`"),
        "{message}"
    );
    let lines: Vec<_> = text.lines().collect();
    let cut = format!("{}\n{}", lines[0], &lines[1][..40]);
    let message = read_back(&cut, &files).unwrap_err().to_string();
    assert!(
        message.starts_with("line 2 of the transcript cannot be read: EOF while parsing"),
        "{message}"
    );
}

#[test]
fn another_version_is_refused_by_name() {
    let (text, files) = write(&sample());
    let message = read_back(&text.replace("observation/1", "observation/2"), &files)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "line 1 of the transcript is of format `pgattest.observation/2`; this version of pgattest reads `pgattest.observation/1`"
    );
}

#[test]
fn a_file_elsewhere_is_refused() {
    let (text, files) = write(&sample());
    let elsewhere = text.replace("observations/cluster/roles.csv", "../../etc/passwd");
    assert!(matches!(
        read_back(&elsewhere, &files),
        Err(TranscriptError::WrongFile { line: 1, .. })
    ));
    let nameless = text.replacen("cluster/roles\"", "cluster/../roles\"", 1);
    assert!(matches!(
        read_back(&nameless, &files),
        Err(TranscriptError::Identifier { line: 1, .. })
    ));
}

#[test]
fn a_file_that_is_gone_is_named() {
    let (text, files) = write(&sample());
    let message = read_back(&text, &files[..1]).unwrap_err().to_string();
    assert_eq!(
        message,
        "line 3 of the transcript keeps a result in `observations/db-5/acls.csv`, which is not there"
    );
}

#[test]
fn an_observation_is_there_once() {
    let (text, files) = write(&sample());
    assert!(matches!(
        read_back(&format!("{text}{text}"), &files),
        Err(TranscriptError::Repeated { line: 5, .. })
    ));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = read(&text, |_| None);
    }

    #[test]
    fn any_words_survive(words in any::<String>(), csv in proptest::collection::vec(any::<u8>(), 0..99), rows in any::<u64>()) {
        let mut one = observation(ObservationId::cluster("roles"), Outcome::Rows { csv, rows });
        one.query.clone_from(&words);
        one.role = words;
        let (text, files) = write(std::slice::from_ref(&one));
        prop_assert_eq!(read_back(&text, &files).unwrap(), [one]);
    }
}
