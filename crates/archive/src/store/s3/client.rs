//! The client of S3 for threads that wait: the archive is made and read by plain threads.

use crate::error::ArchiveError;
use crate::location::S3Options;
use crate::store::Traffic;
use pgattest_sinks::bucket::{Bucket, BucketError, Found, Part};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How often a thread that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(100);

pub(in crate::store) type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

pub(super) struct Client {
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
    bucket: Arc<Bucket>,
    /// Says that nobody waits for an answer any more.
    is_stopped: OnceLock<Stopped>,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Client {
    pub(super) fn open(bucket: &str, options: &S3Options) -> Result<Self, ArchiveError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("archive-s3")
            .enable_all()
            .build()
            .map_err(|source| ArchiveError::Disk {
                action: "start a thread for",
                path: format!("s3://{bucket}").into(),
                source,
            })?;
        let (name, options) = (bucket.to_owned(), options.clone());
        let opening = async move {
            Bucket::open(&name, &options.aws, options.path_style, options.kms_key).await
        };
        let opened = wait(&runtime, opening, || false)?;
        let opened = opened.map_err(|source| ArchiveError::Open {
            place: format!("s3://{bucket}"),
            source,
        })?;
        Ok(Self {
            runtime: Some(runtime),
            bucket: Arc::new(opened),
            is_stopped: OnceLock::new(),
            requests: AtomicU64::default(),
            bytes: AtomicU64::default(),
        })
    }

    pub(super) fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    /// Has something done with the bucket, and waits for it.
    pub(super) fn wait<T, F>(&self, act: impl FnOnce(Arc<Bucket>) -> F) -> Result<T, ArchiveError>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        match &self.runtime {
            Some(runtime) => wait(runtime, act(Arc::clone(&self.bucket)), || {
                self.is_stopped.get().is_some_and(|is_stopped| is_stopped())
            }),
            None => Err(ended()),
        }
    }

    /// Ends every wait once this says so.
    pub(super) fn stop_when(&self, is_stopped: Stopped) {
        // Who is asked first is asked for good.
        let _ = self.is_stopped.set(is_stopped);
    }

    /// Has something done with the bucket beside what else is done.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(future);
        }
    }

    /// Reads an object or a part of it, and counts it.
    pub(super) fn get(
        &self,
        key: &str,
        part: Part,
        version: Option<&str>,
    ) -> Result<Option<Found>, ArchiveError> {
        let (key, version) = (key.to_owned(), version.map(str::to_owned));
        let found: Result<Option<Found>, BucketError> =
            self.wait(|bucket| async move { bucket.get(&key, &part, version.as_deref()).await })?;
        let found = found?;
        let bytes = found.as_ref().map_or(0, |found| found.bytes.len());
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        Ok(found)
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Whoever drops it may be a thread of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Through a channel and not by `block_on`, which a thread of another runtime must not do.
fn wait<T, F>(
    runtime: &Runtime,
    future: F,
    is_stopped: impl Fn() -> bool,
) -> Result<T, ArchiveError>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (send, sent) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Nobody waits any more: then nobody wants it.
        let _ = send.send(future.await);
    });
    loop {
        match sent.recv_timeout(LOOK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) if !is_stopped() => {}
            Err(_) => return Err(ended()),
        }
    }
}

fn ended() -> ArchiveError {
    ArchiveError::Service("the client of S3 has ended within a request: run it again".to_owned())
}
