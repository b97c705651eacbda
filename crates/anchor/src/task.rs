//! Anchoring as a part of the collector.
//!
//! The journal never waits for it: whoever does not answer is told of, and asked again. What is not anchored yet is not worse than
//! before, and the next anchor covers all that came before it.

use crate::config::{self, SealConfig};
use crate::second::Second;
use crate::{AnchorClient, AnchorFailure};
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_trail::operate::{Context, Phase, Stop, Task, TaskError, with_causes};
use pgattest_trail::{JournalReader, Leaf};
use reqwest::Url;
use std::time::{Duration, Instant};

/// The longest pause before one that failed is asked again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Asks every witness and authority of a configuration when it is due.
#[derive(Clone, Debug)]
pub struct AnchorTask {
    config: SealConfig,
}

impl AnchorTask {
    /// A task that asks these.
    pub fn new(config: SealConfig) -> Self {
        Self { config }
    }
}

impl Task for AnchorTask {
    fn name(&self) -> String {
        "seal".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        let timeout = Duration::from_secs(u64::from(self.config.timeout_seconds.max(1)));
        let client = AnchorClient::new(timeout)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut peers = peers(&self.config)?;
        let mut reader = context.reader()?;
        loop {
            let phase = context.stop.phase();
            if phase == Phase::Stopping {
                return Ok(());
            }
            for peer in &mut peers {
                // Again for each: a second key's leaf is covered by the anchors after it.
                let size = reader.refresh()?;
                // When the capture has ended, its end is anchored whenever the next time would have been.
                if size > peer.anchored && (phase == Phase::Draining || peer.due <= Instant::now())
                {
                    let asked = peer.ask(&client, &reader);
                    let answer = runtime.block_on(unless_stopping(&context.stop, asked));
                    let Some(answer) = answer else { return Ok(()) };
                    let mut covered = size;
                    if let Ok(Answer { leaves, .. }) = &answer {
                        for leaf in leaves {
                            context.leaves.send(leaf.clone())?;
                            // With nothing else there is nothing new to sign.
                            covered = covered.saturating_add(1);
                        }
                    }
                    peer.note(answer.map(|answer| answer.time), size, covered, context);
                }
            }
            if phase == Phase::Draining {
                return Ok(());
            }
            context.stop.wait(phase, Duration::from_secs(1));
        }
    }
}

/// One that is asked.
struct Peer {
    label: String,
    kind: Kind,
    every: Duration,
    due: Instant,
    failures: u32,
    anchored: u64,
}

enum Kind {
    Second(Second),
    Witness(Url, WitnessKey),
    Authority(Url),
}

/// What came of asking.
struct Answer {
    /// When it signed, in seconds since 1970: by its own clock; a second key has none, and ours counts.
    time: u64,
    /// For the journal's writer.
    leaves: Vec<Leaf>,
}

fn peers(config: &SealConfig) -> Result<Vec<Peer>, TaskError> {
    config.check()?;
    let mut peers = Vec::new();
    let mut add = |label: String, kind: Kind, every: u32| {
        peers.push(Peer {
            label,
            kind,
            every: Duration::from_secs(u64::from(every.max(1))),
            due: Instant::now(),
            failures: 0,
            anchored: 0,
        });
    };
    for second in &config.second {
        let key = Second::new(second.clone());
        add(key.label(), Kind::Second(key), second.every_seconds);
    }
    for witness in &config.witness {
        let key = WitnessKey::parse(&witness.key)?;
        let url = config::url(&witness.url).ok_or("no URL")?;
        let label = format!("witness {}", key.name);
        add(label, Kind::Witness(url, key), witness.every_seconds);
    }
    for authority in &config.timestamp {
        let url = config::url(&authority.url).ok_or("no URL")?;
        let label = format!("authority {}", url.host_str().unwrap_or_default());
        add(label, Kind::Authority(url), authority.every_seconds);
    }
    Ok(peers)
}

impl Peer {
    async fn ask(
        &mut self,
        client: &AnchorClient,
        reader: &JournalReader,
    ) -> Result<Answer, AnchorFailure> {
        let mut leaves = Vec::new();
        let time = match &mut self.kind {
            Kind::Second(key) => {
                leaves = key.sign(reader).await?;
                u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
            }
            Kind::Witness(url, key) => client.witness(url, key, reader).await?,
            Kind::Authority(url) => client.stamp(url, reader).await?.time,
        };
        Ok(Answer { time, leaves })
    }

    /// `size`: the leaves that the anchor covers; `covered`: those that need no other one.
    fn note(
        &mut self,
        answer: Result<u64, AnchorFailure>,
        size: u64,
        covered: u64,
        context: &Context,
    ) {
        let labels = [("by", self.label.as_str())];
        let pause = match answer {
            Ok(time) => {
                let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                context
                    .metrics
                    .gauge(
                        "anchored_leaves",
                        "Leaves that the last anchor covers",
                        &labels,
                    )
                    .set(whole(size));
                context
                    .metrics
                    .gauge(
                        "anchored_seconds",
                        "When the last anchor was made, in seconds since 1970",
                        &labels,
                    )
                    .set(whole(time));
                self.anchored = covered;
                self.failures = 0;
                self.every
            }
            Err(failure) => {
                context
                    .metrics
                    .counter("anchor_failures", "Anchors that were not had", &labels)
                    .inc();
                let text = format!(
                    "{} did not anchor the journal and is asked again: {}",
                    self.label,
                    with_causes(&failure)
                );
                if matches!(failure, AnchorFailure::SetBack { .. }) {
                    context.teller.error(text);
                } else {
                    context.teller.warn(text);
                }
                self.failures = self.failures.saturating_add(1);
                let pause = Duration::from_secs(5) * 2_u32.pow(self.failures.min(8));
                pause.min(LONGEST_PAUSE).min(self.every)
            }
        };
        self.due = Instant::now() + pause;
    }
}

/// The answer, or `None` once everything is to end: nobody waits for a peer that does not answer.
async fn unless_stopping<T>(stop: &Stop, asked: impl Future<Output = T>) -> Option<T> {
    let stopping = async {
        while !stop.is_stopping() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        answer = asked => Some(answer),
        () = stopping => None,
    }
}
