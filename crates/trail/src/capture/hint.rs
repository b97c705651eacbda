//! The kernel's notices that something in a directory changed: a reason to look earlier, never the only one.

use notify::{RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Watches directories, where the kernel can.
pub(crate) struct Hint {
    shared: Arc<(Mutex<bool>, Condvar)>,
    watcher: Option<notify::RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Hint {
    pub(crate) fn new() -> Self {
        let shared = Arc::<(Mutex<bool>, Condvar)>::default();
        let woken = Arc::clone(&shared);
        // Without inotify (no watches left, another file system) the poll is all there is, and enough.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Opening and listing, as done here all the time, changes nothing.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            *woken.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            woken.1.notify_all();
        })
        .ok();
        Self {
            shared,
            watcher,
            watched: Vec::new(),
        }
    }

    /// Watches this directory, too. One that is not there is tried again with the next call.
    pub(crate) fn watch(&mut self, dir: &Path) {
        if self.watched.iter().any(|it| it == dir) {
            return;
        }
        if let Some(watcher) = &mut self.watcher
            && watcher.watch(dir, RecursiveMode::NonRecursive).is_ok()
        {
            self.watched.push(dir.to_owned());
        }
    }

    /// The directory is gone: one of the same name is another one.
    pub(crate) fn forget(&mut self, dir: &Path) {
        self.watched.retain(|it| it != dir);
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.unwatch(dir);
        }
    }

    /// Waits for a notice, at least `shortest` and at most `longest`.
    pub(crate) fn wait(&self, shortest: Duration, longest: Duration) {
        let begin = Instant::now();
        let mut woken = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let passed = begin.elapsed();
            let left = if *woken { shortest } else { longest }.saturating_sub(passed);
            if left.is_zero() {
                *woken = false;
                return;
            }
            woken = self
                .shared
                .1
                .wait_timeout(woken, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
