//! The log group and stream: making them, and what they keep.

use super::{CloudWatch, WHAT_TO_DO, now};
use crate::aws::{answer, read};
use crate::evidence::{Lock, Retention, Retrieved, SinkEvidence};
use crate::sink::{Answer, Sink};

/// The days that `PutRetentionPolicy` takes.
const DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// The longest of them.
pub(super) const LONGEST: u32 = 3653;

/// How many empty pages are turned before an end is believed: expired events leave such pages.
const PAGES: usize = 200;

impl CloudWatch {
    /// Makes the stream, and the group when that is wanted.
    pub(super) async fn make(&self) -> Result<(), Answer> {
        match self.make_stream().await {
            Err((Some(code), _)) if code == "ResourceNotFoundException" => {
                if !self.config.create_group {
                    return Err(Answer::misconfigured(format!(
                        "there is no log group `{}`: make it with a retention of at least {} days, or set create_group = true",
                        self.config.group, self.config.retention_days
                    )));
                }
                self.make_group().await?;
                self.make_stream().await.map_err(|(_, answer)| answer)
            }
            Err((_, answer)) => Err(answer),
            Ok(()) => Ok(()),
        }
    }

    async fn make_stream(&self) -> Result<(), (Option<String>, Answer)> {
        let result = self
            .client
            .create_log_stream()
            .log_group_name(&self.config.group)
            .log_stream_name(&self.config.stream)
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => {
                let (_, code, _) = read(&error);
                // Made by somebody else in between.
                if code.as_deref() == Some("ResourceAlreadyExistsException") {
                    return Ok(());
                }
                Err((code, answer(&error, WHAT_TO_DO)))
            }
        }
    }

    async fn make_group(&self) -> Result<(), Answer> {
        let what_to_do = "Grant logs:CreateLogGroup and logs:PutRetentionPolicy, or make the log group yourself and leave create_group out";
        let result = self
            .client
            .create_log_group()
            .log_group_name(&self.config.group)
            .send()
            .await;
        if let Err(error) = result {
            let (_, code, _) = read(&error);
            // A group of somebody else's keeps the retention it has; evidence tells it.
            if code.as_deref() == Some("ResourceAlreadyExistsException") {
                return Ok(());
            }
            return Err(answer(&error, what_to_do));
        }
        self.client
            .put_retention_policy()
            .log_group_name(&self.config.group)
            .retention_in_days(days_taken(self.config.retention_days))
            .send()
            .await
            .map_err(|error| answer(&error, what_to_do))?;
        Ok(())
    }

    /// What the group keeps, and the oldest record that can be fetched from the stream.
    pub(super) async fn look(&self) -> Result<SinkEvidence, String> {
        let retention = self.retention().await?;
        let oldest = self.end(true).await?;
        let newest = self.end(false).await?;
        let mut problems = Vec::new();
        if let Retention::Days(days) = retention
            && days < self.config.retention_days
        {
            problems.push(format!(
                "the log group keeps records for {days} days, {} are asked for: raise its retention",
                self.config.retention_days
            ));
        }
        Ok(SinkEvidence {
            place: self.place(),
            looked_at: now(),
            retention,
            lock: Lock::None,
            oldest,
            newest,
            problems,
        })
    }

    async fn retention(&self) -> Result<Retention, String> {
        let mut token = None;
        loop {
            let page = self
                .client
                .describe_log_groups()
                .log_group_name_prefix(&self.config.group)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| {
                    format!(
                        "the log group's retention cannot be read: {}. Grant logs:DescribeLogGroups",
                        read(&error).2
                    )
                })?;
            let found = page
                .log_groups()
                .iter()
                .find(|group| group.log_group_name() == Some(self.config.group.as_str()));
            if let Some(group) = found {
                return Ok(group
                    .retention_in_days()
                    .and_then(|days| u32::try_from(days).ok())
                    .map_or(Retention::Unlimited, Retention::Days));
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Err(format!("there is no log group `{}`", self.config.group));
            }
        }
    }

    /// Fetches the record at one end of the stream.
    async fn end(&self, oldest: bool) -> Result<Option<Retrieved>, String> {
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let page = self
                .client
                .get_log_events()
                .log_group_name(&self.config.group)
                .log_stream_name(&self.config.stream)
                .start_from_head(oldest)
                .limit(1)
                .set_next_token(token.clone())
                .send()
                .await
                .map_err(|error| {
                    format!(
                        "no record can be fetched: {}. Grant logs:GetLogEvents",
                        read(&error).2
                    )
                })?;
            if let Some(event) = page.events().first() {
                return Ok(event.timestamp().map(|at| Retrieved {
                    number: event.message().and_then(number),
                    at,
                }));
            }
            let next = if oldest {
                page.next_forward_token()
            } else {
                page.next_backward_token()
            };
            // The same token again: this is the end.
            if next.is_none() || next == token.as_deref() {
                return Ok(None);
            }
            token = next.map(str::to_owned);
        }
        Err(format!(
            "the stream has {PAGES} empty pages in a row: the oldest record cannot be told"
        ))
    }
}

/// The `seq` of a message of ours; a checkpoint's is the tree's size, no record's number.
fn number(message: &str) -> Option<u64> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let kind = message.get("kind")?.as_str()?;
    matches!(kind, "record" | "torn").then(|| message.get("seq")?.as_u64())?
}

/// The shortest retention that can be set and is no shorter than this.
fn days_taken(days: u32) -> i32 {
    DAYS.iter()
        .copied()
        .find(|&taken| taken >= days)
        .and_then(|taken| i32::try_from(taken).ok())
        .unwrap_or(3653)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_rounded_up() {
        assert_eq!(days_taken(0), 1);
        assert_eq!(days_taken(365), 365);
        assert_eq!(days_taken(366), 400);
        assert_eq!(days_taken(LONGEST), 3653);
    }

    #[test]
    fn a_message_of_ours_says_its_number() {
        assert_eq!(number(r#"{"seq":41,"kind":"record"}"#), Some(41));
        assert_eq!(number(r#"{"seq":41,"kind":"checkpoint"}"#), None);
        assert_eq!(number("somebody else's"), None);
    }
}
