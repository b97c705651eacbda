//! CloudWatch Logs, S3, OpenTelemetry and Kafka, against receivers that other people wrote.

pub(crate) mod aws;
pub(crate) mod cloudwatch;
mod drive;
pub(crate) mod kafka;
mod kms;
mod otlp;
pub(crate) mod s3;
mod sasl;
mod whole;
