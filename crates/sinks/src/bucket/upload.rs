//! An object in several requests: it is there for readers once the last of them is done, and not before.

use super::error::failed;
use super::{Bucket, BucketError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use pgattest_ledger::Hash;

/// An upload that has begun. What was sent of it is kept, and has its price, until it is completed or aborted.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The key of the object that it will be.
    pub key: String,
    id: String,
    parts: Vec<CompletedPart>,
}

impl Bucket {
    /// Begins an upload.
    pub async fn begin_upload(&self, key: &str) -> Result<Upload, BucketError> {
        let doing = self.doing("begin to write", key, "s3:PutObject");
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .send()
            .await
            .map_err(|error| failed(&doing, &error))?;
        let Some(id) = begun.upload_id() else {
            return Err(BucketError::other(
                &doing,
                "the answer names no upload".into(),
            ));
        };
        Ok(Upload {
            key: key.to_owned(),
            id: id.to_owned(),
            parts: Vec::new(),
        })
    }

    /// Sends the next part, with its SHA-256, which S3 compares: at least 5 MiB, but for the last.
    pub async fn upload(&self, upload: &mut Upload, bytes: Vec<u8>) -> Result<(), BucketError> {
        let doing = self.doing("write a part of", &upload.key, "s3:PutObject");
        let number = i32::try_from(upload.parts.len()).unwrap_or(i32::MAX) + 1;
        let digest = Hash::of(&bytes).to_base64();
        let sent = self
            .client
            .upload_part()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(&digest)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| failed(&doing, &error))?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag().map(str::to_owned))
            .checksum_sha256(digest)
            .build();
        upload.parts.push(part);
        Ok(())
    }

    /// Makes the object of its parts, over one that may be there.
    pub async fn complete_upload(&self, upload: &Upload) -> Result<(), BucketError> {
        let doing = self.doing("write", &upload.key, "s3:PutObject");
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(upload.parts.clone()))
            .build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| failed(&doing, &error))?;
        Ok(())
    }

    /// Gives up an upload, and what was sent of it.
    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), BucketError> {
        let doing = self.doing("give up", &upload.key, "s3:AbortMultipartUpload");
        let sent = self
            .client
            .abort_multipart_upload()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id)
            .send()
            .await;
        match sent.map_err(|error| failed(&doing, &error)) {
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Uploads that were begun and neither completed nor aborted, of keys that begin like this.
    pub async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, BucketError> {
        let doing = self.doing(
            "list the unfinished uploads of",
            prefix,
            "s3:ListBucketMultipartUploads",
        );
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.name)
                .prefix(prefix)
                .set_key_marker(key)
                .set_upload_id_marker(id)
                .send()
                .await
                .map_err(|error| failed(&doing, &error))?;
            for upload in page.uploads() {
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                    found.push(Upload {
                        key: key.to_owned(),
                        id: id.to_owned(),
                        parts: Vec::new(),
                    });
                }
            }
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) || key.is_none() {
                // A service that does not heed the prefix must not make us give up somebody else's upload.
                found.retain(|upload| upload.key.starts_with(prefix));
                return Ok(found);
            }
        }
    }
}
