use pgattest_model::Severity;
use pgattest_report::{Screen, text};

use crate::fixture;

fn render(width: usize, colour: bool, verbose: bool) -> String {
    text::render(
        &fixture::audit(),
        &text::Options {
            screen: Screen { width, colour },
            verbose,
        },
    )
}

#[test]
fn at_80_columns() {
    insta::assert_snapshot!(render(80, false, false));
}

#[test]
fn at_200_columns() {
    insta::assert_snapshot!(render(200, false, false));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80, 120, 200] {
        for verbose in [false, true] {
            for line in render(width, false, verbose).lines() {
                assert!(
                    columns(line) <= width || is_one_quoted_word(line),
                    "{width}: {line}"
                );
            }
        }
    }
}

/// Whether a line is one word of a statement, with its spaces inside quotes only: it may run over the end of the line, because
/// a name that is broken in two is another name when it is copied.
fn is_one_quoted_word(line: &str) -> bool {
    let word = line.trim().trim_start_matches("fix").trim();
    let outside = word.split(['"', '\'']).step_by(2);
    word.contains('"') && !outside.collect::<String>().contains(' ')
}

#[test]
fn colour_adds_escape_codes_of_ours_and_nothing_else() {
    let coloured = render(80, true, true);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(without_colour(&coloured), render(80, false, true));
}

#[test]
fn hostile_names_can_neither_move_the_cursor_nor_forge_a_line() {
    let shown = render(200, false, true);
    let harmless = |c: char| {
        c == '\n'
            || pgattest_model::ident::visible(&c.to_string())
                .chars()
                .eq([c])
    };
    assert!(shown.chars().all(harmless));
    assert!(shown.contains("\\u{1b}[31m\\u{202e}\\u{a}PASS"), "{shown}");
    assert!(
        !shown
            .lines()
            .any(|line| line.trim_start().starts_with("PASS")),
        "{shown}"
    );
}

#[test]
fn a_thousand_subjects_are_one_entry() {
    let shown = render(80, false, false);
    assert_eq!(shown.matches("RLS-01  ").count(), 1, "{shown}");
    assert!(
        shown.contains("1,000 relations in shop:") && shown.contains("997 more"),
        "{shown}"
    );
    assert!(
        shown.contains("ALTER TABLE ‹name› ENABLE ROW LEVEL SECURITY"),
        "{shown}"
    );
}

#[test]
fn the_worst_comes_first() {
    let shown = render(80, false, false);
    let place = |severity: Severity| {
        shown
            .find(&format!("\n  {severity}\n"))
            .expect("the severity is a heading")
    };
    let places = [Severity::Critical, Severity::High, Severity::Low].map(place);
    assert!(places.is_sorted(), "{shown}");
}

#[test]
fn verbose_lists_every_subject_and_what_each_pass_tested() {
    let shown = render(120, false, true);
    for expected in [
        "public.t0001",
        "public.t0500",
        "public.t0999",
        "tested 9 login roles",
        "no table has row-level security enabled",
    ] {
        assert!(shown.contains(expected), "{expected} is missing");
    }
}

#[test]
fn a_passing_point_states_what_was_tested() {
    let shown = render(200, false, false);
    let line = shown
        .lines()
        .find(|line| line.contains("✓ pass"))
        .expect("one point passes");
    assert!(line.contains("TLS-02 tested 1 setting"), "{line}");
}

#[test]
fn an_audit_without_anything_still_reads_well() {
    let mut audit = fixture::audit();
    audit.assessment.checks.clear();
    audit.assessment.controls.clear();
    audit.not_visible.clear();
    audit.target.databases.clear();
    audit.target.version = None;
    audit.run.finished_at = String::new();
    audit.run.clock_skew_ms = None;
    let shown = text::render(
        &audit,
        &text::Options {
            screen: Screen {
                width: 0,
                colour: false,
            },
            verbose: true,
        },
    );
    insta::assert_snapshot!(shown);
}

/// Columns that a line takes on a terminal: our own names hold one wide character each at most.
fn columns(line: &str) -> usize {
    line.chars().count() + line.matches('表').count()
}

fn without_colour(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain
            + part
                .split_once('m')
                .expect("an escape code of ours ends with m")
                .1
    })
}
