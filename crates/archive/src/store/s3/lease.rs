//! The lock of an archive on S3: an object that says who writes, renewed as long as it is held.
//!
//! It is written under conditions only: when there is none, or over the version that was read. Its age is told by the clock of S3
//! alone: the time of the answer against the time at which the object was written. A holder renews it four times within the time
//! for which it counts, and writes nothing once three quarters of that have passed since it last did. So a lock that has not been
//! renewed for that long is a dead one's, and is taken over.

use super::client::Client;
use crate::error::ArchiveError;
use pgattest_sinks::bucket::{Bucket, BucketError, Condition, Part, Put};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often taking it is tried while others take it and let go of it.
const ATTEMPTS: usize = 4;

/// How long letting go of it is waited for.
const RELEASE: Duration = Duration::from_secs(10);

/// What the object says.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Said {
    /// Who, by chance: no two are the same.
    holder: String,
    /// Who, for people.
    by: String,
    /// Since when, in milliseconds since 1970, by the holder's clock.
    since: i64,
    /// How often it was renewed: so no two versions are the same.
    renewals: u64,
    /// How long it counts from its writing on, in milliseconds.
    counts: u64,
    /// Let go of.
    released: bool,
}

/// The lock, held. Renewed beside what else is done; let go of when it is dropped.
pub(in crate::store) struct Lease {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    ended: Mutex<Receiver<()>>,
}

struct Shared {
    key: String,
    counts: Duration,
    state: Mutex<State>,
}

struct State {
    until: Instant,
    lost: Option<String>,
}

/// A lock that was written, and when that was begun.
struct Taken {
    said: Said,
    etag: String,
    at: Instant,
}

enum Denied {
    Held(Option<String>),
    Failed(BucketError),
    /// The service writes although the condition does not hold.
    Unconditional,
}

impl From<BucketError> for Denied {
    fn from(error: BucketError) -> Self {
        Self::Failed(error)
    }
}

impl Lease {
    /// Becomes the holder.
    pub(super) fn take(
        client: &Arc<Client>,
        key: String,
        place: String,
        counts: Duration,
    ) -> Result<Self, ArchiveError> {
        let said = Said::new(counts).map_err(|source| ArchiveError::Disk {
            action: "lock",
            path: place.clone().into(),
            source,
        })?;
        let lock = key.clone();
        let taken = client.wait(|bucket| async move { take(&bucket, &lock, said).await })?;
        let taken = match taken {
            Ok(taken) => taken,
            Err(Denied::Held(who)) => return Err(ArchiveError::Locked { place, who }),
            Err(Denied::Failed(error)) => return Err(error.into()),
            Err(Denied::Unconditional) => {
                return Err(ArchiveError::Service(format!(
                    "the service of `{place}` writes an object although the condition `If-None-Match: *` does not hold: two \
                     archivers could not be kept apart there, so nothing is written"
                )));
            }
        };
        let shared = Arc::new(Shared {
            key,
            counts,
            state: Mutex::new(State {
                until: taken.at + counts * 3 / 4,
                lost: None,
            }),
        });
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = sync_channel(1);
        let bucket = Arc::clone(client.bucket());
        client.spawn(keep(bucket, Arc::clone(&shared), taken, stopped, end));
        Ok(Self {
            shared,
            stop: Some(stop),
            ended: Mutex::new(ended),
        })
    }

    /// Whether it is held for sure; why not.
    pub(super) fn state(&self) -> Result<(), String> {
        let state = self.shared.state();
        match &state.lost {
            Some(reason) => Err(reason.clone()),
            None if Instant::now() >= state.until => Err(format!(
                "it could not be renewed for {} s",
                (self.shared.counts * 3 / 4).as_secs()
            )),
            None => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Whoever keeps it has ended, or will see this.
            let _ = stop.send(());
        }
        // It is let go of by then, or counts until its time is over.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(RELEASE);
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn new(counts: Duration) -> std::io::Result<Self> {
        let mut holder = [0; 16];
        getrandom::fill(&mut holder).map_err(std::io::Error::other)?;
        let host = whoami::hostname().unwrap_or_else(|_| "an unknown host".to_owned());
        Ok(Self {
            holder: hex::encode(holder),
            by: format!("{host}, process {}", std::process::id()),
            since: jiff::Timestamp::now().as_millisecond(),
            renewals: 0,
            counts: u64::try_from(counts.as_millis()).unwrap_or(u64::MAX),
            released: false,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

async fn take(bucket: &Bucket, key: &str, said: Said) -> Result<Taken, Denied> {
    let mut who = None;
    for _ in 0..ATTEMPTS {
        let at = Instant::now();
        let taken = |etag| Taken {
            said: said.clone(),
            etag,
            at,
        };
        let now = match bucket.put(key, said.bytes(), &Condition::Absent).await? {
            Put::Done(etag) => {
                // Asked again, it has to be refused: else nothing here can be relied on.
                return match bucket.put(key, said.bytes(), &Condition::Absent).await? {
                    Put::Unmet { .. } => Ok(taken(etag)),
                    Put::Done(_) => Err(Denied::Unconditional),
                };
            }
            Put::Unmet { now } => now,
        };
        let Some(found) = bucket.get(key, &Part::Whole, None).await? else {
            continue;
        };
        let theirs: Option<Said> = serde_json::from_slice(&found.bytes).ok();
        // The answer to our own write was lost.
        if theirs.as_ref().is_some_and(|it| it.holder == said.holder) {
            return Ok(taken(found.etag));
        }
        let age = now.zip(found.modified).map(|(now, then)| now - then);
        if !is_free(theirs.as_ref(), age, &said) {
            return Err(Denied::Held(described(theirs.as_ref(), age)));
        }
        who = described(theirs.as_ref(), age);
        if let Some(etag) = put_ours(bucket, key, &said, &found.etag).await? {
            return Ok(taken(etag));
        }
    }
    Err(Denied::Held(who))
}

/// Whether nobody holds it any more. What cannot be read counts for as long as one of ours would.
fn is_free(theirs: Option<&Said>, age: Option<i64>, ours: &Said) -> bool {
    if theirs.is_some_and(|it| it.released) {
        return true;
    }
    let counts = theirs.map_or(ours.counts, |it| it.counts);
    // Both times are in whole seconds.
    let seconds = counts.div_ceil(1000).saturating_add(1);
    age.is_some_and(|age| u64::try_from(age).is_ok_and(|age| age >= seconds))
}

fn described(theirs: Option<&Said>, age: Option<i64>) -> Option<String> {
    let theirs = theirs?;
    let since = jiff::Timestamp::from_millisecond(theirs.since).ok()?;
    let by: String = theirs.by.chars().take(100).collect();
    let said = age.map_or(String::new(), |age| {
        format!(", last heard of {} s ago", age.max(0))
    });
    Some(format!(
        ": {} since {since:.0}{said}. If that process is dead, its lock is taken over {} s after it was last heard of: run it again then",
        by.escape_debug(),
        theirs.counts.div_ceil(1000).saturating_add(1),
    ))
}

/// Writes what we say over a version; `None`: it is somebody else's by now.
async fn put_ours(
    bucket: &Bucket,
    key: &str,
    said: &Said,
    version: &str,
) -> Result<Option<String>, BucketError> {
    let mut over = Condition::Unchanged(version.to_owned());
    for _ in 0..ATTEMPTS {
        if let Put::Done(etag) = bucket.put(key, said.bytes(), &over).await? {
            return Ok(Some(etag));
        }
        let Some(found) = bucket.get(key, &Part::Whole, None).await? else {
            return Ok(None);
        };
        // The answer to this write was lost.
        if found.bytes == said.bytes() {
            return Ok(Some(found.etag));
        }
        let theirs: Option<Said> = serde_json::from_slice(&found.bytes).ok();
        if theirs.is_none_or(|it| it.holder != said.holder) {
            return Ok(None);
        }
        // The answer to the write before it was.
        over = Condition::Unchanged(found.etag);
    }
    Ok(None)
}

/// Renews it until it is to be let go of, or is lost.
async fn keep(
    bucket: Arc<Bucket>,
    shared: Arc<Shared>,
    mut taken: Taken,
    mut stopped: oneshot::Receiver<()>,
    end: SyncSender<()>,
) {
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep(shared.counts / 4) => {}
        }
        let at = Instant::now();
        taken.said.renewals += 1;
        let put = put_ours(&bucket, &shared.key, &taken.said, &taken.etag);
        // A request that nobody answers must not cost the lock: the next one may be answered.
        match tokio::time::timeout(shared.counts / 4, put).await {
            Ok(Ok(Some(etag))) => {
                taken.etag = etag;
                shared.state().until = at + shared.counts * 3 / 4;
            }
            Ok(Ok(None)) => {
                shared.state().lost = Some("another process has taken it over".to_owned());
                // Nothing is ours to let go of.
                let _ = end.send(());
                return;
            }
            // Tried again until its time is over.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    taken.said.released = true;
    // What is not let go of counts until its time is over.
    let _ = put_ours(&bucket, &shared.key, &taken.said, &taken.etag).await;
    let _ = end.send(());
}

#[cfg(test)]
mod tests {
    use super::{Said, described, is_free};
    use std::time::Duration;

    #[test]
    fn a_lock_is_free_once_its_holder_has_not_renewed_it_for_its_time() {
        let ours = Said::new(Duration::from_mins(10)).unwrap();
        let theirs = Said::new(Duration::from_mins(1)).unwrap();
        assert_ne!(ours.holder, theirs.holder);
        assert!(!is_free(Some(&theirs), Some(60), &ours));
        assert!(is_free(Some(&theirs), Some(61), &ours));
        assert!(!is_free(Some(&theirs), Some(-5), &ours));
        assert!(!is_free(Some(&theirs), None, &ours), "unknown is not free");
        assert!(!is_free(None, Some(61), &ours), "nobody knows whose it is");
        let released = Said {
            released: true,
            ..theirs.clone()
        };
        assert!(is_free(Some(&released), None, &ours));
        let text = described(Some(&theirs), Some(3)).unwrap();
        assert!(
            text.contains("process") && text.contains("3 s ago"),
            "{text}"
        );
    }
}
