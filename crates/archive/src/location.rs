//! Where an archive is: a directory, or a prefix in a bucket of S3.

use crate::error::ArchiveError;
use pgattest_sinks::AwsOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// How a location in a bucket begins.
const SCHEME: &str = "s3://";

/// A directory, or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
#[schemars(with = "String")]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A bucket of S3.
    S3 {
        /// Its name.
        bucket: String,
        /// What every key begins with: nothing, or one that ends with `/`.
        prefix: String,
    },
}

/// How to reach an archive on S3.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct S3Options {
    /// A key of KMS to encrypt with (SSE-KMS). Without it: as the bucket does by default.
    pub kms_key: Option<String>,
    /// Put the bucket's name into the path, not into the host's name.
    pub path_style: bool,
    /// Region, credentials, endpoint.
    pub aws: AwsOptions,
}

/// An archive's location, with what is needed to reach it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Where it is.
    pub location: Location,
    /// How it is reached on S3; of a directory nothing is needed.
    pub s3: S3Options,
}

impl Place {
    /// With nothing but what the environment says.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            s3: S3Options::default(),
        }
    }
}

impl Location {
    /// Whether it is on S3.
    pub fn is_s3(&self) -> bool {
        matches!(self, Self::S3 { .. })
    }

    /// A relative directory begins at this folder.
    pub fn begin_at(&mut self, folder: &Path) {
        if let Self::Directory(directory) = self {
            *directory = folder.join(&directory);
        }
    }
}

impl TryFrom<PathBuf> for Location {
    type Error = ArchiveError;

    fn try_from(path: PathBuf) -> Result<Self, ArchiveError> {
        let Some(text) = path.to_str() else {
            return Ok(Self::Directory(path));
        };
        let Some(place) = text.strip_prefix(SCHEME) else {
            if let Some((scheme, _)) = text.split_once("://") {
                return Err(ArchiveError::Location {
                    location: text.to_owned(),
                    reason: format!(
                        "nothing is known of `{scheme}`: an archive is a directory or s3://BUCKET/PREFIX"
                    ),
                });
            }
            return Ok(Self::Directory(path));
        };
        let wrong = |reason: &str| ArchiveError::Location {
            location: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return Err(wrong(
                "a bucket's name has letters, digits, `-`, `.` and `_`: write s3://BUCKET/PREFIX",
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            return Err(wrong("a part of the prefix is empty, `.` or `..`"));
        }
        if prefix.chars().any(char::is_control) {
            return Err(wrong("the prefix has a control character"));
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
        })
    }
}

impl From<Location> for PathBuf {
    fn from(location: Location) -> Self {
        match location {
            Location::Directory(path) => path,
            s3 @ Location::S3 { .. } => s3.to_string().into(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } => {
                write!(f, "{SCHEME}{bucket}/{}", prefix.trim_end_matches('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;
    use std::path::PathBuf;

    fn read(text: &str) -> Result<Location, String> {
        Location::try_from(PathBuf::from(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bucket_and_a_directory_are_told_apart() {
        let s3 = |bucket: &str, prefix: &str| {
            Ok(Location::S3 {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            })
        };
        assert_eq!(read("archive"), Ok(Location::Directory("archive".into())));
        assert_eq!(read("s3:/x"), Ok(Location::Directory("s3:/x".into())));
        assert_eq!(read("s3://b"), s3("b", ""));
        assert_eq!(read("s3://b/"), s3("b", ""));
        assert_eq!(read("s3://b/audit/eu/"), s3("b", "audit/eu/"));
        assert_eq!(read("s3://b/audit").unwrap().to_string(), "s3://b/audit");
        let back: PathBuf = read("s3://b/audit/").unwrap().into();
        assert_eq!(read(back.to_str().unwrap()), s3("b", "audit/"));
    }

    #[test]
    fn what_is_no_location_says_what_would_be() {
        for (text, why) in [
            ("s3://", "a bucket's name"),
            ("s3://b c/x", "a bucket's name"),
            ("s3://b//x", "empty"),
            ("s3://b/../x", "`..`"),
            ("s3://b/x\ny", "control"),
            ("gs://b/x", "nothing is known of `gs`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
