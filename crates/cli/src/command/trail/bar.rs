//! Progress of what is done with an archive, on a terminal only.

use crate::printer::Printer;
use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};
use pgattest_archive::Archive;
use pgattest_trail::operate::{Phase, Stop};
use std::fmt::Write;
use std::thread::JoinHandle;
use std::time::Duration;

/// Records between two notes where there is no bar.
const NOTED: u64 = 1_000_000;

/// Records that are archived: a bar, or now and then a note.
pub(super) struct Records<'a> {
    printer: &'a Printer,
    bar: Option<ProgressBar>,
    told: u64,
}

impl<'a> Records<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        let bar = printer.shows_progress().then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template(
                "{spinner} archiving {wide_bar} {human_pos}/{human_len} records, {rate} {eta}",
            );
            if let Ok(style) = style {
                // Of records there are no tenths.
                let rate = |state: &ProgressState, out: &mut dyn Write| {
                    let _ = write!(out, "{:.0}/s", state.per_sec());
                };
                bar.set_style(style.with_key("rate", rate));
            }
            // A file on its way to S3 takes a while in which no record is added.
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            printer,
            bar,
            told: 0,
        }
    }

    pub(super) fn show(&mut self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
        } else if done.saturating_sub(self.told) >= NOTED {
            self.told = done;
            self.printer
                .note(&format!("{done} of {all} records are archived"));
        }
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is read from S3, as long as it is. Nothing for an archive in a directory, and nothing where nobody looks.
pub(super) struct Reading {
    thread: Option<JoinHandle<()>>,
    stop: Stop,
}

impl Reading {
    pub(super) fn start(printer: &Printer, archive: &Archive) -> Self {
        let stop = Stop::default();
        let is_shown = printer.shows_progress() && archive.store().traffic().is_some();
        let thread = is_shown.then(|| {
            let (stop, archive) = (stop.clone(), archive.clone());
            std::thread::spawn(move || draw(&stop, &archive))
        });
        Self { thread, stop }
    }

    /// Clears it: before the answer is shown on the same terminal.
    pub(super) fn finish(&mut self) {
        self.stop.advance(Phase::Stopping);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.finish();
    }
}

fn draw(stop: &Stop, archive: &Archive) {
    let bar = ProgressBar::new_spinner();
    while stop.wait(Phase::Running, Duration::from_millis(200)) == Phase::Running {
        let traffic = archive.store().traffic().unwrap_or_default();
        bar.set_message(format!(
            "reading from S3: {} in {} requests",
            HumanBytes(traffic.bytes),
            traffic.requests
        ));
        bar.tick();
    }
    bar.finish_and_clear();
}
