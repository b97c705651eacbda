use pgattest_report::{Screen, explain, page};

use crate::fixture::{ROL_01, crosswalk};

#[test]
fn on_a_terminal() {
    insta::assert_snapshot!(explain::render(
        &ROL_01,
        &crosswalk(),
        Screen {
            width: 80,
            colour: false
        }
    ));
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(page::render(&ROL_01, &crosswalk()));
}

#[test]
fn headings_are_set_off_by_colour_where_there_is_colour() {
    let coloured = explain::render(
        &ROL_01,
        &crosswalk(),
        Screen {
            width: 80,
            colour: true,
        },
    );
    assert!(
        coloured.contains("\u{1b}[1mWhy it matters\u{1b}[0m"),
        "{coloured}"
    );
}
