//! OpenTelemetry over HTTP, against rotel.

use super::drive::{Outcome, deliver, now, open, record, set};
use anyhow::{Result, bail};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use pgattest_sinks::Record;
use pgattest_testkit::receivers::Rotel;
use pgattest_testkit::receivers::front::{Answer, Fault, Front, Request};
use prost::Message;
use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

pub(super) fn config(front: &Front, more: &str) -> String {
    format!(
        "kind = \"otlp\"\nendpoint = \"{}\"\n{more}\n[headers]\nx-tenant = \"audit\"\n[http]\ntimeout_seconds = 1\n",
        front.url()
    )
}

fn unpacked(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    GzDecoder::new(request.body.as_slice())
        .read_to_end(&mut body)
        .unwrap();
    body
}

/// The log records of a request.
pub(super) fn log_records(request: &Request) -> Vec<LogRecord> {
    ExportLogsServiceRequest::decode(unpacked(request).as_slice())
        .unwrap()
        .resource_logs
        .into_iter()
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect()
}

fn said(record: &LogRecord, name: &str) -> Option<Value> {
    record
        .attributes
        .iter()
        .find(|attribute| attribute.key == name)
        .and_then(|attribute| attribute.value.clone()?.value)
}

pub(super) fn number(record: &LogRecord) -> u64 {
    match said(record, "pgattest.seq") {
        Some(Value::IntValue(number)) => u64::try_from(number).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The numbers that rotel has printed, once there are as many different ones.
pub(super) async fn printed(rotel: &Rotel, count: usize) -> Result<BTreeSet<u64>> {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let numbers = set(rotel.numbers()?);
        if numbers.len() >= count {
            return Ok(numbers);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("rotel has printed {} of {count} records", numbers.len());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A success that rejects so many.
pub(super) fn rejects(records: i64) -> Vec<u8> {
    let answer = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: records,
            error_message: "too old".into(),
        }),
    };
    answer.encode_to_vec()
}

fn records(count: u64) -> Vec<Record> {
    (0..count)
        .map(|number| record(number, now(), format!("select\n{number}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_through_every_fault() -> Result<()> {
    let place = tempfile::tempdir()?;
    let rotel = Rotel::start(place.path()).await?;
    // A receiver that takes half of what the sink believes.
    let judge = |request: &Request| {
        (unpacked(request).len() > 100_000).then(|| Answer::new(413, "too large"))
    };
    let front = Front::start(Some(rotel.address), judge, |_, _| (), |_| true).await?;
    let mut sink = open(&config(&front, "request_bytes = 300000")).await?;
    front.fail([
        Fault::Answer(Answer::new(429, "").with("retry-after", "0")),
        Fault::Answer(Answer::new(502, "")),
        Fault::Answer(Answer::new(503, "busy")),
        Fault::Answer(Answer::new(504, "")),
        Fault::Reset,
        Fault::Silence,
        Fault::ResetAfter,
        Fault::Half,
    ]);
    let outcome = deliver(sink.as_mut(), records(2_000)).await?;
    assert_eq!(front.faults_left(), 0);
    assert!(outcome.again.len() >= 8, "{:?}", outcome.again);
    assert!(outcome.halved > 0);
    assert!(outcome.dead.is_empty(), "{:?}", outcome.dead);
    assert_eq!(printed(&rotel, 2_000).await?, set(0..2_000));

    let (request, _) = &front.seen()[0];
    assert_eq!(request.target, "/v1/logs");
    assert_eq!(request.header("x-tenant"), Some("audit"));
    assert_eq!(
        request.header("content-type"),
        Some("application/x-protobuf")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_success_is_a_loss_that_nobody_hides() -> Result<()> {
    let partial = |_: &Request| Some(Answer::new(200, rejects(3)));
    let front = Front::start(None, partial, |_, _| (), |_| true).await?;
    let mut sink = open(&config(&front, "")).await?;
    let outcome = deliver(sink.as_mut(), records(10)).await?;
    assert_eq!(outcome.unclear, set(0..10));
    // Never sent again: what was taken would be there twice.
    assert_eq!(front.seen().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_is_refused_leaves_the_others_alone() -> Result<()> {
    let judge = |request: &Request| {
        let poisoned = log_records(request)
            .iter()
            .any(|record| number(record) == 77);
        poisoned.then(|| Answer::new(400, "bad record"))
    };
    let front = Front::start(None, judge, |_, _| (), |_| true).await?;
    let mut sink = open(&config(&front, "")).await?;
    let Outcome { dead, .. } = deliver(sink.as_mut(), records(500)).await?;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, 77);
    assert!(dead[0].1.contains("bad record"));
    let taken = front
        .seen()
        .into_iter()
        .filter(|(_, status)| *status == 200)
        .flat_map(|(request, _)| log_records(&request));
    assert_eq!(
        set(taken.map(|record| number(&record))),
        set((0..500).filter(|&n| n != 77))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_protocol_forbids_is_not_tried_again() -> Result<()> {
    let front = Front::start(None, |_| None, |_, _| (), |_| true).await?;
    for status in [401, 404, 500] {
        let mut sink = open(&config(&front, "")).await?;
        front.fail([Fault::Answer(Answer::new(status, "no"))]);
        let asked = front.seen().len();
        assert!(deliver(sink.as_mut(), records(1)).await.is_err());
        assert_eq!(front.seen().len(), asked + 1, "{status}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_follow_the_conventions_and_bytes_stay() -> Result<()> {
    let front = Front::start(None, |_| None, |_, _| (), |_| true).await?;
    let mut sink = open(&config(&front, "service_name = \"shop-db\"")).await?;
    let text = "2026-01-01 00:00:00.123 UTC,\"app\",\"shop\",4711,\"10.0.0.7:50001\",6907c5a2.1f3,5,\"SELECT\",2026-01-01 00:00:00 UTC,3/4,0,ERROR,42P01,\"relation \"\"x\"\" does not exist\",,,,,,\"select 1 from x\",15,,\"psql\",\"client backend\",,0";
    let mut fields = record(1, now(), text);
    fields.format = "csvlog";
    let mut bytes = record(2, now(), "");
    bytes.bytes = b"caf\xe9\n".to_vec();
    deliver(sink.as_mut(), vec![fields, bytes]).await?;

    let seen = front.seen();
    let request = ExportLogsServiceRequest::decode(unpacked(&seen[0].0).as_slice())?;
    let resource = request.resource_logs[0].resource.as_ref().unwrap();
    let names: Vec<&str> = resource.attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(
        names,
        ["service.name", "service.instance.id", "db.system.name"]
    );
    let records = log_records(&seen[0].0);
    let is = |text: &str| Some(Value::StringValue(text.into()));
    assert_eq!(said(&records[0], "db.namespace"), is("shop"));
    assert_eq!(said(&records[0], "db.query.text"), is("select 1 from x"));
    assert_eq!(said(&records[0], "db.response.status_code"), is("42P01"));
    assert_eq!(said(&records[0], "log.record.uid"), is("prod/1/1"));
    assert_eq!(records[0].severity_text, "ERROR");
    assert_eq!(
        said(&records[1], "pgattest.bytes"),
        Some(Value::BytesValue(b"caf\xe9".to_vec()))
    );
    Ok(())
}
