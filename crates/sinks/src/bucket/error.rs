//! What S3 did not do, why, and what to do next.

use crate::aws::{Meaning, read};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What is being done, to what, and by which right.
pub(super) struct Doing {
    pub(super) action: &'static str,
    pub(super) place: String,
    pub(super) right: &'static str,
}

/// A request that failed. Names the object and the code that S3 gave, and says what to do next.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{place}`: {reason}{next}")]
pub struct BucketError {
    action: &'static str,
    place: String,
    /// What was said.
    reason: String,
    /// What to do; begins with a full stop.
    next: String,
    code: Option<String>,
    status: Option<u16>,
    is_cut_off: bool,
}

impl BucketError {
    /// The code of Amazon's: `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The object is not what it was, or is there although it should not be.
    pub fn is_changed(&self) -> bool {
        // The second: somebody wrote it in the same moment.
        matches!(
            self.code(),
            Some("PreconditionFailed" | "ConditionalRequestConflict")
        ) || self.status == Some(412)
    }

    /// The answer began and did not end.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    pub(super) fn cut_off(doing: &Doing, error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            is_cut_off: true,
            ..Self::other(doing, crate::http::chain(error))
        }
    }

    pub(super) fn other(doing: &Doing, reason: String) -> Self {
        Self {
            action: doing.action,
            place: doing.place.clone(),
            reason,
            next: String::new(),
            code: None,
            status: None,
            is_cut_off: false,
        }
    }
}

pub(super) fn failed<E>(doing: &Doing, error: &SdkError<E, HttpResponse>) -> BucketError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let (meaning, code, reason) = read(error);
    let status = error.raw_response().map(|said| said.status().as_u16());
    BucketError {
        next: next(doing, &meaning, code.as_deref(), status),
        reason,
        code,
        status,
        ..BucketError::other(doing, String::new())
    }
}

fn next(doing: &Doing, meaning: &Meaning, code: Option<&str>, status: Option<u16>) -> String {
    match (code.unwrap_or_default(), status) {
        ("NoSuchBucket", _) => {
            ". Make the bucket, or name another one as the archive's location".to_owned()
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect", _)
        | (_, Some(301 | 307)) => {
            ". The bucket is in another region: say which, `region` in [archive.aws] or AWS_REGION"
                .to_owned()
        }
        (
            "ExpiredToken"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed",
            _,
        ) => ". Check the credentials and this machine's clock".to_owned(),
        ("KMS.DisabledException" | "KMS.NotFoundException" | "KMS.InvalidStateException", _) => {
            ". Check the key of KMS that the bucket or `kms_key` names".to_owned()
        }
        (_, Some(403)) => format!(
            ". Grant {} (docs/trail/aws.md has the whole policy), and the rights on the key if the bucket is encrypted with one of KMS",
            doing.right
        ),
        ("NotImplemented", _) => {
            ". A service that speaks S3's protocol needs conditional writes to hold an archive"
                .to_owned()
        }
        _ if *meaning == Meaning::Again => ". Try again later: what is there is whole".to_owned(),
        _ => String::new(),
    }
}

/// The time of an answer, by the clock of whoever gave it, in seconds since 1970.
pub(super) fn time_of(answer: &HttpResponse) -> Option<i64> {
    let text = answer.headers().get("date")?;
    Some(DateTime::from_str(text, Format::HttpDate).ok()?.secs())
}

#[cfg(test)]
mod tests {
    use super::{Doing, next};
    use crate::aws::Meaning;
    use rstest::rstest;

    #[rstest]
    #[case(Some("AccessDenied"), 403, "Grant s3:PutObject")]
    #[case(None, 403, "Grant s3:PutObject")]
    #[case(Some("NoSuchBucket"), 404, "Make the bucket")]
    #[case(Some("PermanentRedirect"), 301, "another region")]
    #[case(Some("ExpiredToken"), 400, "credentials")]
    fn an_error_says_what_to_do(
        #[case] code: Option<&str>,
        #[case] status: u16,
        #[case] expected: &str,
    ) {
        let doing = Doing {
            action: "write",
            place: "s3://b/k".to_owned(),
            right: "s3:PutObject",
        };
        let text = next(&doing, &Meaning::Misconfigured, code, Some(status));
        assert!(text.contains(expected), "{text}");
    }
}
