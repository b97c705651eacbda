//! Where output goes: results to standard output, everything else to standard error, colours on terminals only.

use crate::args::OutputArgs;
use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use pgattest_model::ident::visible;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Speaks for the program.
#[derive(Debug)]
pub(crate) struct Printer {
    quiet: bool,
    pub(crate) verbose: bool,
    color: ColorChoice,
}

impl Printer {
    pub(crate) fn new(arguments: OutputArgs) -> Self {
        let color = if arguments.no_color {
            ColorChoice::Never
        } else {
            ColorChoice::Auto
        };
        Self {
            quiet: arguments.quiet,
            verbose: arguments.verbose,
            color,
        }
    }

    /// A result, for standard output, as it is: it may be piped into a file or another program. Whoever reads it may stop
    /// reading, as `head` does: that is no error, and neither the evidence nor the exit code may depend on it.
    pub(crate) fn result(&self, text: &str) -> io::Result<()> {
        let mut out = anstream::AutoStream::new(io::stdout().lock(), self.color);
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// A result whose every byte counts, escape sequences in a name too: SQL for another program.
    pub(crate) fn verbatim(text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Whether standard output is read by a person.
    pub(crate) fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Something worth knowing while working; silent with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(&format!("{text}\n"));
        }
    }

    /// Something that is not as it should be but does not stop the work.
    pub(crate) fn warning(&self, text: &str) {
        self.stderr(&format!(
            "{} {}\n",
            label("warning:", AnsiColor::Yellow),
            visible(text)
        ));
    }

    /// What went wrong, with its causes, and what to do next.
    pub(crate) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let mut text = format!(
            "{} {}\n",
            label("error:", AnsiColor::Red),
            visible_lines(&error.to_string())
        );
        for cause in error.chain().skip(1) {
            let _ = writeln!(text, "  caused by: {}", visible_lines(&cause.to_string()));
        }
        if let Some(hint) = hint {
            let hint = visible_lines(hint);
            let _ = writeln!(text, "\n{} {hint}", label("hint:", AnsiColor::Cyan));
        }
        self.stderr(&text);
    }

    /// A text that was rendered for a person already (a snippet of the policy file).
    pub(crate) fn rendered(&self, text: &str) {
        self.stderr(&format!("{text}\n"));
    }

    /// What to do next, below a text that was rendered for a person already.
    pub(crate) fn hint(&self, text: &str) {
        let text = visible_lines(text);
        self.stderr(&format!("{} {text}\n", label("hint:", AnsiColor::Cyan)));
    }

    /// Whether standard output shows colours.
    pub(crate) fn stdout_has_color(&self) -> bool {
        match self.color {
            ColorChoice::Never => false,
            _ => anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        }
    }

    /// Columns to fill on standard output: `COLUMNS`, else the terminal's, else 100.
    pub(crate) fn width() -> usize {
        let told = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let seen =
            || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        told.or_else(seen).unwrap_or(100).clamp(40, 400)
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A line of a long-running process, for standard error, from any thread. It was made harmless already.
    pub(crate) fn line(text: &str) {
        // Nobody is left to be told that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Whether progress may be drawn.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    fn stderr(&self, text: &str) {
        let mut stream = anstream::AutoStream::new(io::stderr().lock(), self.color);
        // Nobody is left to be told that standard error is gone.
        let _ = stream.write_all(text.as_bytes());
    }
}

fn label(word: &str, color: AnsiColor) -> String {
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{word}{style:#}")
}

fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n  ")
}
