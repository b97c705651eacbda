//! CloudWatch Logs.

use super::aws::Amazon;
use super::drive::{deliver, now, open, record, set};
use anyhow::Result;
use pgattest_sinks::evidence::{Lock, Retention};
use pgattest_testkit::receivers::front::{Answer, Fault};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

pub(crate) fn config(amazon: &Amazon, group: &str) -> String {
    format!(
        "kind = \"cloudwatch\"\ngroup = \"{group}\"\nstream = \"prod\"\ncreate_group = true\nretention_days = 365\n{}",
        amazon.options()
    )
}

/// Every message of a stream, as JSON.
pub(crate) async fn messages(amazon: &Amazon, group: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut ask =
            json!({"logGroupName": group, "logStreamName": "prod", "startFromHead": true});
        if let Some(token) = &token {
            ask["nextToken"] = token.as_str().into();
        }
        let page = amazon.logs("GetLogEvents", ask).await?;
        let events = page["events"].as_array().cloned().unwrap_or_default();
        for event in &events {
            found.push(serde_json::from_str(
                event["message"].as_str().unwrap_or_default(),
            )?);
        }
        let next = page["nextForwardToken"].as_str().map(str::to_owned);
        if events.is_empty() || next == token {
            return Ok(found);
        }
        token = next;
    }
}

pub(crate) fn numbers(messages: &[Value]) -> BTreeSet<u64> {
    set(messages
        .iter()
        .filter_map(|message| message["seq"].as_u64()))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_through_every_fault() -> Result<()> {
    let amazon = Amazon::start().await?;
    let mut sink = open(&config(&amazon, "audit")).await?;
    let at = now();
    // The stream is made before anything goes wrong.
    deliver(sink.as_mut(), vec![record(0, at, "select 0")]).await?;
    // More than the 10,000 events that a request may have.
    let records = (0..12_000)
        .map(|number| {
            record(
                number,
                at - i64::try_from(number % 50).unwrap(),
                format!("select {number}"),
            )
        })
        .collect();
    let throttled = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
    amazon.front.fail([
        Fault::Answer(Answer::new(400, throttled.to_string())),
        Fault::Answer(Answer::new(
            503,
            r#"{"__type":"ServiceUnavailableException"}"#,
        )),
        Fault::Answer(Answer::new(500, "")),
        Fault::Answer(Answer::new(429, "")),
        Fault::Reset,
        Fault::ResetAfter,
        Fault::Half,
        Fault::Silence,
    ]);
    let outcome = deliver(sink.as_mut(), records).await?;
    assert_eq!(amazon.front.faults_left(), 0);
    assert_eq!(outcome.again.len(), 8, "{:?}", outcome.again);
    assert!(outcome.dead.is_empty(), "{:?}", outcome.dead);

    let messages = messages(&amazon, "audit").await?;
    assert_eq!(numbers(&messages), set(0..12_000));
    assert!(messages.len() > 12_001, "a lost answer leaves duplicates");
    let one = messages
        .iter()
        .find(|message| message["seq"] == 17)
        .unwrap();
    assert_eq!(one["message"], "select 17");
    assert_eq!(one["instance"], "prod/1");
    assert_eq!(one["session"], "6907c5a2.3");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_goes_to_the_dead_letter_by_number() -> Result<()> {
    let amazon = Amazon::start().await?;
    let mut sink = open(&config(&amazon, "audit")).await?;
    let at = now();
    let records = (0..60)
        .map(|number| match number {
            // Older than 14 days, in the future, and one that the service does not like.
            3 | 40 => record(number, at - 15 * DAY, format!("old {number}")),
            11 => record(number, at + 3 * 60 * MINUTE, "future"),
            20 => record(number, at, "poison"),
            // A clock that was set back by two days.
            30..35 => record(number, at - 2 * DAY, "yesterday"),
            _ => record(number, at, "now"),
        })
        .collect();
    let outcome = deliver(sink.as_mut(), records).await?;
    let dead: BTreeMap<u64, String> = outcome.dead.into_iter().collect();
    assert_eq!(set(dead.keys().copied()), set([3, 11, 20, 40]));
    assert!(dead[&3].contains("14 days"), "{}", dead[&3]);
    assert!(dead[&11].contains("future"), "{}", dead[&11]);
    assert!(dead[&20].contains("InvalidParameter"), "{}", dead[&20]);

    let arrived = numbers(&messages(&amazon, "audit").await?);
    assert_eq!(arrived, set((0..60).filter(|n| !dead.contains_key(n))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_records_come_in_parts_and_bytes_as_they_are() -> Result<()> {
    let amazon = Amazon::start().await?;
    let mut sink = open(&config(&amazon, "audit")).await?;
    let at = now();
    // As JSON each of these characters takes six bytes.
    let long = "\u{1}\u{e9}\n".repeat(200_000);
    let mut latin = record(2, at, "");
    latin.bytes = b"caf\xe9\n".to_vec();
    let outcome = deliver(
        sink.as_mut(),
        vec![record(1, at, long.clone()), latin, record(3, at, "short")],
    )
    .await?;
    assert!(
        outcome.dead.is_empty() && outcome.halved == 0,
        "{outcome:?}"
    );

    let messages = messages(&amazon, "audit").await?;
    let mut parts: Vec<&Value> = messages.iter().filter(|m| m["seq"] == 1).collect();
    parts.sort_by_key(|part| part["part"].as_u64());
    assert_eq!(parts.len() as u64, parts[0]["parts"].as_u64().unwrap());
    assert!(parts.len() > 5);
    let found = messages.iter().find(|m| m["seq"] == 2).unwrap();
    assert_eq!(found["message_base64"], "Y2Fm6Q==");

    // Never tried again: who we are is not a matter of waiting.
    amazon.front.fail([Fault::Answer(Answer::new(
        400,
        r#"{"__type":"AccessDeniedException","message":"not authorized"}"#,
    ))]);
    let asked = amazon.front.seen().len();
    let error = deliver(sink.as_mut(), vec![record(4, at, "x")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("logs:PutLogEvents"), "{error}");
    assert_eq!(amazon.front.seen().len(), asked + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_what_the_group_keeps_and_what_can_be_fetched() -> Result<()> {
    let amazon = Amazon::start().await?;
    let at = now();
    let mut sink = open(&config(&amazon, "made-by-us")).await?;
    let records = (5..8).map(|n| record(n, at - DAY + i64::try_from(n).unwrap(), "x"));
    deliver(sink.as_mut(), records.collect()).await?;
    let evidence = sink.evidence().await.unwrap().unwrap();
    assert_eq!(evidence.retention, Retention::Days(365));
    assert_eq!(evidence.lock, Lock::None);
    assert_eq!(evidence.oldest.unwrap().number, Some(5));
    assert_eq!(evidence.oldest.unwrap().at, at - DAY + 5);
    assert_eq!(evidence.newest.unwrap().number, Some(7));
    assert!(evidence.problems.is_empty(), "{:?}", evidence.problems);

    // A group of somebody else's is not changed; that it keeps too little is said.
    amazon
        .logs("CreateLogGroup", json!({"logGroupName": "theirs"}))
        .await?;
    amazon
        .logs(
            "PutRetentionPolicy",
            json!({"logGroupName": "theirs", "retentionInDays": 30}),
        )
        .await?;
    let mut sink = open(&config(&amazon, "theirs")).await?;
    deliver(sink.as_mut(), vec![record(1, at, "x")]).await?;
    let evidence = sink.evidence().await.unwrap().unwrap();
    assert_eq!(evidence.retention, Retention::Days(30));
    assert_eq!(evidence.problems.len(), 1);

    // No group is made unasked, and what is not there is no evidence.
    let text = config(&amazon, "nowhere").replace("create_group = true\n", "");
    let mut sink = open(&text).await?;
    let error = deliver(sink.as_mut(), vec![record(1, at, "x")])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no log group `nowhere`"),
        "{error}"
    );
    assert!(sink.evidence().await.is_err());
    Ok(())
}
