//! Progress of a collection, on a terminal only.

use crate::printer::Printer;
use indicatif::{ProgressBar, ProgressStyle};
use pgattest_collect::Event;
use pgattest_model::ident::visible;
use std::time::Duration;

/// A bar on standard error; nothing at all where standard error is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(printer: &Printer) -> Self {
        let bar = if printer.shows_progress() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        bar.set_message("connecting");
        Self { bar }
    }

    pub(crate) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Connected {
                asked_at, version, ..
            } => {
                self.bar
                    .set_message(format!("PostgreSQL {version} at {}", visible(asked_at)));
            }
            Event::Planned { observations, .. } => {
                self.bar.set_length(*observations as u64);
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {msg}  {wide_bar} {pos}/{len}")
                {
                    self.bar.set_style(style);
                }
            }
            Event::Observed(observation) => {
                self.bar.inc(1);
                self.bar.set_message(format!(
                    "{} {}",
                    visible(&observation.database),
                    observation.id.group()
                ));
            }
            _ => {}
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
