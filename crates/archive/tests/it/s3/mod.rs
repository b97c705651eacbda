//! The archive on S3, against moto: it behaves as one on a directory.

mod behaviour;
mod faults;
mod locking;
mod reading;

use crate::support::{CSVLOG, Place, seal, statements};
use pgattest_archive::location::S3Options;
use pgattest_archive::{Archive, Location, Place as At};
use pgattest_sinks::AwsOptions;
use pgattest_testkit::S3;
use pgattest_testkit::receivers::front::{Answer, Request};
use std::path::Path;
use std::time::Duration;

/// A prefix whose every character has to be escaped in some place.
const PREFIX: &str = "au dit+ü%2F/eu";

/// A journal here, and a bucket for its archive.
struct Away {
    place: Place,
    s3: S3,
}

impl Away {
    fn new(records: u64) -> Self {
        Self::judged(records, |_| None)
    }

    /// With a service that refuses more than moto does.
    fn judged(
        records: u64,
        judge: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let place = Place::new();
        // Over midnight, in the middle.
        let log = statements(records, 86_400 - records / 2);
        seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 20);
        Self {
            place,
            s3: S3::start(judge, |_| true).unwrap(),
        }
    }

    fn at(&self) -> At {
        at(
            &self.s3.front.url(),
            &self.s3.bucket,
            self.place.folder.path(),
        )
    }

    fn archive(&self) -> Archive {
        self.s3.credentials(self.place.folder.path()).unwrap();
        Archive::at(&self.at(), "main").unwrap()
    }

    /// An object of the archive.
    fn key(path: &str) -> String {
        // As a URL has it.
        format!("au%20dit%2B%C3%BC%252F/eu/instance=main/{path}")
    }

    /// The paths of the archive's files, as S3 has them.
    fn paths(&self) -> Vec<String> {
        let prefix = format!("{PREFIX}/instance=main/");
        let keys = self.s3.keys().unwrap();
        keys.iter()
            .map(|key| key.strip_prefix(&prefix).unwrap().to_owned())
            .collect()
    }

    fn parquet(&self) -> Vec<String> {
        let mut paths = self.paths();
        paths.retain(|path| path.ends_with(".parquet"));
        paths
    }
}

fn at(endpoint: &str, bucket: &str, folder: &Path) -> At {
    let location = format!("s3://{bucket}/{PREFIX}");
    At {
        location: Location::try_from(std::path::PathBuf::from(location)).unwrap(),
        s3: S3Options {
            kms_key: None,
            path_style: true,
            aws: AwsOptions {
                region: Some("us-east-1".to_owned()),
                endpoint: Some(endpoint.to_owned()),
                credentials_file: Some(folder.join("aws.credentials")),
                timeout_seconds: Some(20),
                ..AwsOptions::default()
            },
        },
    }
}

/// A lock that its holder's death frees soon.
const SHORT: Duration = Duration::from_secs(1);
