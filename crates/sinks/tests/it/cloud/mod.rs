//! CloudWatch Logs, S3, OpenTelemetry and Kafka, against receivers that other people wrote.

mod aws;
mod cloudwatch;
mod drive;
mod kafka;
mod kms;
mod otlp;
mod s3;
mod sasl;
mod whole;
