//! Amazon CloudWatch Logs.
//!
//! At-least-once: CloudWatch tells no duplicates; each message holds its `seq`. Events that are more than 14 days old, older than the
//! group's retention, or more than two hours in the future are refused within a success: they go to the dead letter.

mod group;
mod keep;
mod message;

use crate::aws::{AwsOptions, Meaning, answer, read};
use crate::evidence::SinkEvidence;
use crate::record::{Batch, Item, Record};
use crate::sink::{Answer, Limits, OpenError, Refusal, Sink, Task};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Limits of `PutLogEvents`: bytes of a request, what each event adds, events of a request.
const REQUEST_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD: usize = 26;
const REQUEST_EVENTS: usize = 10_000;

/// What an event may have where nothing is said: 256 KB, the limit in every region. Most take 1 MB by now.
const EVENT_BYTES: usize = 262_144;

/// Milliseconds of a day, and of the 14 days that CloudWatch looks back.
const DAY: i64 = 24 * 60 * 60 * 1000;
const OLDEST_DAYS: i64 = 14;

const WHAT_TO_DO: &str = "Check the collector's credentials and its rights (logs:PutLogEvents, logs:CreateLogStream) on the log group";

/// Configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The log group.
    pub group: String,
    /// The log stream; it is made when it is not there. One stream a collector.
    pub stream: String,
    /// Make the log group, too, when it is not there, with `retention_days`. Without it a missing group is an error.
    #[serde(default)]
    pub create_group: bool,
    /// How long records must be kept. A group that exists is never changed; one that keeps less is reported.
    #[serde(default = "a_year_and_a_month")]
    pub retention_days: u32,
    /// The largest event in bytes, its 26 bytes of overhead included: a longer record is sent in parts. 262144 when nothing is said.
    #[serde(default = "event_bytes")]
    pub event_bytes: usize,
    /// How to reach Amazon.
    #[serde(default)]
    pub aws: AwsOptions,
}

fn a_year_and_a_month() -> u32 {
    400
}

fn event_bytes() -> usize {
    EVENT_BYTES
}

/// Opens it. Nothing is asked of Amazon yet but credentials.
pub(crate) async fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    if !(1024..=REQUEST_BYTES).contains(&config.event_bytes) {
        return Err(OpenError::Setting {
            setting: "event_bytes",
            problem: format!("must be 1024 to {REQUEST_BYTES}; 262144 is taken in every region"),
        });
    }
    for (setting, text) in [("group", &config.group), ("stream", &config.stream)] {
        let fits = (1..=512).contains(&text.chars().count()) && !text.contains([':', '*']);
        if !fits {
            return Err(OpenError::Setting {
                setting,
                problem: "must have 1 to 512 characters, `:` and `*` not among them".into(),
            });
        }
    }
    if config.retention_days > keep::LONGEST {
        return Err(OpenError::Setting {
            setting: "retention_days",
            problem: format!("is more than CloudWatch can keep ({})", keep::LONGEST),
        });
    }
    let client = Client::new(&config.aws.load().await?);
    Ok(Box::new(CloudWatch {
        config: config.clone(),
        client,
    }))
}

struct CloudWatch {
    config: Config,
    client: Client,
}

impl Sink for CloudWatch {
    fn limits(&self) -> Limits {
        Limits {
            records: REQUEST_EVENTS,
            bytes: REQUEST_BYTES,
            overhead: EVENT_OVERHEAD,
            record_bytes: self.config.event_bytes - EVENT_OVERHEAD,
            whole_blocks: false,
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        message::encode(record)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async {
            let mut refusals = Vec::new();
            for run in group::runs(&batch.items) {
                let start = run.start;
                match self.put(&batch.items, run).await {
                    Ok(refused) => refusals.extend(refused),
                    // What was refused in an earlier run is not forgotten: then the whole batch is sent again, and refused again.
                    Err(rest) if start == 0 || !refusals.is_empty() => return rest,
                    Err(rest) => {
                        return Answer::First {
                            durable: start,
                            rest: Box::new(rest),
                        };
                    }
                }
            }
            if refusals.is_empty() {
                Answer::Durable
            } else {
                refusals.sort_by_key(|refusal| refusal.index);
                Answer::DurableBut(refusals)
            }
        })
    }

    fn evidence(&mut self) -> Task<'_, Result<Option<SinkEvidence>, String>> {
        Box::pin(async { self.look().await.map(Some) })
    }

    fn place(&self) -> String {
        format!(
            "CloudWatch Logs, group {}, stream {}",
            self.config.group, self.config.stream
        )
    }
}

impl CloudWatch {
    /// One request, and once more when there was no stream for it.
    async fn put(&self, items: &[Item], run: Range<usize>) -> Result<Vec<Refusal>, Answer> {
        let order = group::chronological(items, run);
        let mut made = false;
        loop {
            let sent_at = now();
            let result = self
                .client
                .put_log_events()
                .log_group_name(&self.config.group)
                .log_stream_name(&self.config.stream)
                .set_log_events(Some(events(items, &order)?))
                .send()
                .await;
            let error = match result {
                Ok(output) => {
                    return Ok(refused(
                        items,
                        &order,
                        output.rejected_log_events_info(),
                        sent_at,
                    ));
                }
                Err(error) => error,
            };
            let (meaning, code, text) = read(&error);
            match code.as_deref() {
                Some("ResourceNotFoundException") if !made => {
                    self.make().await?;
                    made = true;
                }
                // Duplicates are not told any more; where one still is, the batch is there.
                Some("DataAlreadyAcceptedException") => return Ok(Vec::new()),
                // The token is ignored since 2023; a service of the same protocol may still ask for one.
                Some("InvalidSequenceTokenException") => return Err(Answer::again(text)),
                _ if meaning == Meaning::Refused => return Err(Answer::refused(text)),
                _ => return Err(answer(&error, WHAT_TO_DO)),
            }
        }
    }
}

/// The events of a request in this order.
fn events(items: &[Item], order: &[usize]) -> Result<Vec<InputLogEvent>, Answer> {
    order
        .iter()
        .filter_map(|&index| items.get(index))
        .map(|item| {
            let message = String::from_utf8(item.encoded.clone())
                .map_err(|_| Answer::refused("the message is no UTF-8"))?;
            InputLogEvent::builder()
                .timestamp(group::time(item))
                .message(message)
                .build()
                .map_err(|error| Answer::refused(error.to_string()))
        })
        .collect()
}

/// Which items were refused within a success. The ends are exclusive, the start is inclusive (the service's reference).
fn refused(
    items: &[Item],
    order: &[usize],
    said: Option<&RejectedLogEventsInfo>,
    sent_at: i64,
) -> Vec<Refusal> {
    let Some(said) = said else {
        return Vec::new();
    };
    let position = |index: Option<i32>| index.and_then(|index| usize::try_from(index).ok());
    let mut old = position(said.too_old_log_event_end_index());
    let expired = position(said.expired_log_event_end_index());
    let new = position(said.too_new_log_event_start_index());

    // Services of the same protocol name the last old event rather than the first that is not. Losing one silently would be worse
    // than keeping one twice, so what is certainly too old counts as refused once the answer speaks of such events.
    if let Some(end) = &mut old {
        let limit = sent_at.saturating_sub(OLDEST_DAYS * DAY);
        while order
            .get(*end)
            .and_then(|&index| items.get(index))
            .is_some_and(|item| group::time(item) < limit)
        {
            *end += 1;
        }
    }

    order
        .iter()
        .enumerate()
        .filter_map(|(place, &index)| {
            let reason = if old.is_some_and(|end| place < end) {
                "CloudWatch Logs refuses events that are more than 14 days old"
            } else if expired.is_some_and(|end| place < end) {
                "CloudWatch Logs refuses events that are older than the log group's retention"
            } else if new.is_some_and(|start| place >= start) {
                "CloudWatch Logs refuses events that are more than two hours in the future: check the server's clock"
            } else {
                return None;
            };
            Some(Refusal {
                index,
                reason: reason.into(),
            })
        })
        .collect()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_places_are_of_the_sorted_request_and_become_indexes_of_the_batch() {
        let now = 1000 * DAY;
        let items = group::items(&[now, now - 15 * DAY, now + DAY / 2, now - 16 * DAY, now - 1]);
        let order = group::chronological(&items, 0..5);
        assert_eq!(order, [3, 1, 4, 0, 2]);
        let said = RejectedLogEventsInfo::builder()
            .too_old_log_event_end_index(2)
            .too_new_log_event_start_index(4)
            .build();
        let indexes = |said: &RejectedLogEventsInfo| -> Vec<usize> {
            refused(&items, &order, Some(said), now)
                .iter()
                .map(|refusal| refusal.index)
                .collect()
        };
        assert_eq!(indexes(&said), [3, 1, 2]);

        let inclusive = RejectedLogEventsInfo::builder()
            .too_old_log_event_end_index(1)
            .build();
        assert_eq!(indexes(&inclusive), [3, 1]);
        assert!(refused(&items, &order, None, now).is_empty());
        let expired = RejectedLogEventsInfo::builder()
            .expired_log_event_end_index(3)
            .build();
        assert_eq!(indexes(&expired), [3, 1, 4]);
    }
}
