//! The progress bar of a collector that catches up, on a terminal only.

use crate::printer::Printer;
use indicatif::{ProgressBar, ProgressStyle};
use pgattest_trail::operate::{Metrics, Phase, Stop};
use std::thread::JoinHandle;
use std::time::Duration;

/// A bar while there is a backlog.
pub(crate) struct Progress {
    thread: Option<JoinHandle<()>>,
    stop: Stop,
}

impl Progress {
    pub(crate) fn start(printer: &Printer, metrics: &Metrics) -> Self {
        let stop = Stop::default();
        let thread = printer.shows_progress().then(|| {
            let (stop, metrics) = (stop.clone(), metrics.clone());
            std::thread::spawn(move || draw(&stop, &metrics))
        });
        Self { thread, stop }
    }

    pub(crate) fn finish(self) {
        self.stop.advance(Phase::Stopping);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}

fn draw(stop: &Stop, metrics: &Metrics) {
    let backlog = metrics.gauge("backlog_bytes", "Bytes of logs that were not read yet", &[]);
    let sealed = metrics.counter("source_bytes", "Bytes of logs sealed since the start", &[]);
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(
        "{spinner} catching up {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    ) {
        bar.set_style(style);
    }
    while stop.wait(Phase::Running, Duration::from_millis(200)) == Phase::Running {
        let left = u64::try_from(backlog.get()).unwrap_or(0);
        // Below a block there is nothing to catch up with.
        if left > 1 << 20 {
            bar.set_length(sealed.get() + left);
            bar.set_position(sealed.get());
        } else if bar.position() > 0 {
            bar.reset();
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
    }
    bar.finish_and_clear();
}
