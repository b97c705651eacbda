//! Lines for a terminal: wrapped by the width that characters take on the screen, coloured or not.
//!
//! Everything that reaches a line goes through `visible`, so that no name can move the cursor, hide or forge a line.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use pgattest_model::ident::visible;
use pgattest_model::{Severity, Status, WaiverState};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Where text will be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Screen {
    /// Columns. Fewer than 40 are taken as 40: nothing legible fits in less.
    pub width: usize,
    /// Whether to colour. No meaning is ever in the colour alone.
    pub colour: bool,
}

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

pub(crate) const fn status_style(status: Status) -> Style {
    match status {
        Status::Fail => AnsiColor::Red.on_default().bold(),
        Status::NotAssessed => AnsiColor::Yellow.on_default().bold(),
        Status::Waived => AnsiColor::Magenta.on_default().bold(),
        Status::Pass => AnsiColor::Green.on_default().bold(),
        Status::NotApplicable => DIM,
    }
}

pub(crate) const fn waiver_style(state: WaiverState) -> Style {
    match state {
        WaiverState::Used => AnsiColor::Magenta.on_default().bold(),
        WaiverState::Expired | WaiverState::Unknown | WaiverState::Unused => {
            AnsiColor::Yellow.on_default().bold()
        }
    }
}

pub(crate) const fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
    }
}

pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Text under construction.
pub(crate) struct Page {
    out: String,
    screen: Screen,
}

/// What stands to the left of a wrapped text on its first line; the lines after it are indented by as much.
#[derive(Default)]
pub(crate) struct Lead {
    parts: Vec<(Style, String)>,
}

/// One column of a row: its text wraps within its width.
pub(crate) struct Column<'a> {
    pub(crate) style: Style,
    pub(crate) text: &'a str,
    /// `None`: what is left of the line.
    pub(crate) width: Option<usize>,
}

impl Lead {
    pub(crate) fn indent(columns: usize) -> Self {
        Self {
            parts: vec![(PLAIN, " ".repeat(columns))],
        }
    }

    /// Adds a cell padded to a width, with one space after it at least; without a width, two spaces.
    pub(crate) fn cell(mut self, style: Style, text: &str, width: usize) -> Self {
        let shown = visible(text);
        let free = width.saturating_sub(display_width(&shown));
        let padding = free.max(if width == 0 { 2 } else { 1 });
        self.parts.push((style, shown));
        self.parts.push((PLAIN, " ".repeat(padding)));
        self
    }

    fn width(&self) -> usize {
        self.parts.iter().map(|(_, text)| display_width(text)).sum()
    }
}

impl Page {
    pub(crate) fn new(screen: Screen) -> Self {
        Self {
            out: String::new(),
            screen: Screen {
                width: screen.width.max(40),
                ..screen
            },
        }
    }

    pub(crate) const fn width(&self) -> usize {
        self.screen.width
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A heading with a remark beside it, after an empty line.
    pub(crate) fn heading(&mut self, heading: &str, remark: &str) {
        self.blank();
        let lead = Lead::default().cell(BOLD, heading, 0);
        self.entry(&lead, DIM, remark);
    }

    /// A lead and one text that wraps to the right of it.
    pub(crate) fn entry(&mut self, lead: &Lead, style: Style, text: &str) {
        self.row(
            lead,
            &[Column {
                style,
                text,
                width: None,
            }],
        );
    }

    /// A lead and a statement, which breaks only where SQL may: never inside a quoted name or string, so that what is copied
    /// from the terminal is what was meant. A name longer than the line runs over its end.
    pub(crate) fn statement(&mut self, lead: &Lead, text: &str) {
        let left = self.screen.width.saturating_sub(lead.width()).max(16);
        self.lines(lead, PLAIN, &wrap_statement(text, left));
    }

    fn lines(&mut self, lead: &Lead, style: Style, lines: &[String]) {
        for (index, text) in lines.iter().enumerate() {
            let mut line = String::new();
            if index == 0 {
                for (style, text) in &lead.parts {
                    self.paint(&mut line, *style, text);
                }
            } else {
                line.push_str(&" ".repeat(lead.width()));
            }
            self.paint(&mut line, style, text);
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    /// A lead and columns side by side, each wrapped within its own width.
    pub(crate) fn row(&mut self, lead: &Lead, columns: &[Column<'_>]) {
        let fixed: usize = columns.iter().filter_map(|column| column.width).sum();
        let left = self.screen.width.saturating_sub(lead.width() + fixed);
        let wrapped: Vec<(Vec<String>, usize)> = columns
            .iter()
            .map(|column| {
                let width = column.width.unwrap_or(left).max(16);
                // One space stays free between a column and its neighbour.
                (
                    wrap(
                        column.text,
                        if column.width.is_some() {
                            width - 2
                        } else {
                            width
                        },
                    ),
                    width,
                )
            })
            .collect();
        let lines = wrapped
            .iter()
            .map(|(lines, _)| lines.len())
            .max()
            .unwrap_or(0);
        for index in 0..lines {
            let mut line = String::new();
            if index == 0 {
                for (style, text) in &lead.parts {
                    self.paint(&mut line, *style, text);
                }
            } else {
                line.push_str(&" ".repeat(lead.width()));
            }
            for (column, (lines, width)) in columns.iter().zip(&wrapped) {
                let text = lines.get(index).map_or("", String::as_str);
                self.paint(&mut line, column.style, text);
                line.push_str(&" ".repeat(width.saturating_sub(display_width(text))));
            }
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    /// A line that must not wrap, such as code; made harmless like any other.
    pub(crate) fn verbatim(&mut self, indent: usize, style: Style, text: &str) {
        let mut line = " ".repeat(indent);
        self.paint(&mut line, style, &visible(text));
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, line: &mut String, style: Style, text: &str) {
        if self.screen.colour && style != PLAIN && !text.trim().is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}{text}{}", style.render(), style.render_reset());
        } else {
            line.push_str(text);
        }
    }
}

/// Lines no wider than `width` columns, at least one. Words break at spaces, and where they are longer than a line; never at
/// a hyphen, which would tear `ROL-01` apart.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width.max(1))
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(true);
    let lines: Vec<String> = textwrap::wrap(&visible(text), options)
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect();
    if lines.is_empty() {
        vec![String::new()]
    } else {
        lines
    }
}

/// Lines of a statement, at least one, broken at spaces outside quotes only.
fn wrap_statement(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words_of_statement(&visible(text)) {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            *line = word;
        } else if display_width(line) + 1 + display_width(&word) <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

fn words_of_statement(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match quote {
            None if c == ' ' => {
                words.push(String::new());
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    // An apostrophe in prose opens a string that nothing closes: then spaces are spaces again.
    if quote.is_some() {
        words = text.split(' ').map(str::to_owned).collect();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::{BOLD, Lead, PLAIN, Page, Screen, display_width, wrap, wrap_statement};

    #[test]
    fn a_statement_never_breaks_inside_quotes() {
        let text = "ALTER TABLE \"a schema\".\"another table\" SET (x = 'a b c');";
        assert_eq!(
            wrap_statement(text, 20),
            [
                "ALTER TABLE",
                "\"a schema\".\"another table\"",
                "SET (x = 'a b c');"
            ]
        );
        assert_eq!(
            wrap_statement("the owner's table", 11),
            ["the owner's", "table"]
        );
        assert_eq!(wrap_statement("", 20), [""]);
    }

    #[test]
    fn lines_keep_within_the_width_whatever_the_characters() {
        for text in [
            "表".repeat(100),
            "a".repeat(300),
            "naïve ROL-01 ".repeat(30),
            "\u{1b}[31m".repeat(40),
            "🧪 ".repeat(50),
        ] {
            for width in [16, 40, 79] {
                let lines = wrap(&text, width);
                assert!(
                    lines.iter().all(|line| display_width(line) <= width),
                    "{lines:?}"
                );
                assert!(lines.len() > 1);
            }
        }
    }

    #[test]
    fn a_check_id_is_never_torn_apart() {
        let lines = wrap(&"ROL-01 ".repeat(20), 16);
        assert!(
            lines
                .iter()
                .all(|line| line.split(' ').all(|word| word == "ROL-01")),
            "{lines:?}"
        );
    }

    #[test]
    fn following_lines_are_indented_under_the_text() {
        let mut page = Page::new(Screen {
            width: 40,
            colour: false,
        });
        page.entry(
            &Lead::indent(2).cell(BOLD, "ROL-01", 8),
            PLAIN,
            "one two three four five six seven eight",
        );
        assert_eq!(
            page.finish(),
            "  ROL-01  one two three four five six\n          seven eight\n"
        );
    }

    #[test]
    fn colour_changes_nothing_but_the_escape_codes() {
        let render = |colour| {
            let mut page = Page::new(Screen { width: 40, colour });
            page.entry(
                &Lead::indent(2).cell(BOLD, "ROL-01", 8),
                BOLD,
                "one two three four five six seven eight",
            );
            page.finish()
        };
        assert_ne!(render(true), render(false));
        assert_eq!(
            render(true)
                .replace("\u{1b}[1m", "")
                .replace("\u{1b}[0m", ""),
            render(false)
        );
    }
}
