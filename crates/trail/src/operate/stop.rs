//! How the parts of a collector are told to come to an end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is wanted of a part.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// Work until told otherwise.
    #[default]
    Running,
    /// Nothing will be added to the journal by the capture any more: catch up with it, then return.
    Draining,
    /// Return as soon as what is begun is in a state to begin again from. What was not done is done after the next start.
    Stopping,
}

/// A phase that several threads look at and wait for. It only goes forward.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<Phase>, Condvar)>,
}

impl Stop {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.lock()
    }

    /// Whether to return as soon as possible.
    pub fn is_stopping(&self) -> bool {
        self.phase() == Phase::Stopping
    }

    /// Goes forward to this phase; never back.
    pub fn advance(&self, phase: Phase) {
        let mut now = self.lock();
        if *now < phase {
            *now = phase;
            self.shared.1.notify_all();
        }
    }

    /// Waits until the phase is no longer `seen`, at most this long. The phase then.
    pub fn wait(&self, seen: Phase, longest: Duration) -> Phase {
        let until = Instant::now() + longest;
        let mut phase = self.lock();
        while *phase == seen {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            phase = self
                .shared
                .1
                .wait_timeout(phase, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *phase
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Stop};
    use std::time::Duration;

    #[test]
    fn a_phase_only_goes_forward_and_wakes_who_waits() {
        let stop = Stop::default();
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Phase::Running, Duration::from_mins(1)));
        stop.advance(Phase::Stopping);
        assert_eq!(waiter.join().unwrap(), Phase::Stopping);
        stop.advance(Phase::Draining);
        assert!(stop.is_stopping());
    }
}
