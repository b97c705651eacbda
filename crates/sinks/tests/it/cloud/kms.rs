//! A key of KMS that signs checkpoints.

use super::aws::Amazon;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgattest_sinks::AwsOptions;
use pgattest_sinks::kms::{KmsError, KmsKey};
use pgattest_testkit::receivers::front::{Answer, Fault};
use serde_json::json;

const TEXT: &[u8] = b"trail\n3\ncm9vdA==\n";

async fn make(amazon: &Amazon, spec: &str, usage: &str) -> Result<String> {
    let made = amazon
        .kms("CreateKey", json!({"KeySpec": spec, "KeyUsage": usage}))
        .await?;
    Ok(made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned())
}

fn options(amazon: &Amazon) -> AwsOptions {
    #[derive(serde::Deserialize)]
    struct Table {
        aws: AwsOptions,
    }
    toml::from_str::<Table>(&amazon.options()).unwrap().aws
}

fn said(code: &str) -> Fault {
    let body = json!({"__type": code, "message": "no\u{1b}[1m"}).to_string();
    Fault::Answer(Answer::new(400, body).with("content-type", "application/x-amz-json-1.1"))
}

#[tokio::test]
async fn a_key_of_kms_signs_and_what_stands_in_its_way_is_told_apart() -> Result<()> {
    let amazon = Amazon::start().await?;
    let arn = make(&amazon, "ECC_NIST_P256", "SIGN_VERIFY").await?;
    let key = KmsKey::open(&arn, &options(&amazon)).await?;
    let signature = key.sign(TEXT).await?;
    assert!(key.public_key().verify(TEXT, &signature));
    assert!(!key.public_key().verify(b"another text", &signature));

    for fault in [
        said("ThrottlingException"),
        said("KMSInternalException"),
        said("KeyUnavailableException"),
        said("DependencyTimeoutException"),
        Fault::Answer(Answer::new(500, "")),
        Fault::Answer(Answer::new(503, "")),
        Fault::Reset,
        Fault::Half,
        Fault::Silence,
    ] {
        amazon.front.fail([fault.clone()]);
        let error = key.sign(TEXT).await.unwrap_err();
        assert!(
            matches!(error, KmsError::Again { .. }),
            "{fault:?}: {error}"
        );
    }
    for code in [
        "AccessDeniedException",
        "DisabledException",
        "NotFoundException",
        "KMSInvalidStateException",
        "InvalidSignatureException",
    ] {
        amazon.front.fail([said(code)]);
        let error = key.sign(TEXT).await.unwrap_err();
        assert!(matches!(error, KmsError::Refused { .. }), "{code}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(code) && text.contains(&arn) && text.contains("kms:Sign"),
            "{text}"
        );
        assert!(
            !text.contains('\u{1b}') && !text.contains("example"),
            "{text}"
        );
    }
    // A signature of something else.
    let other = STANDARD.encode(key.sign(b"another text").await?);
    let body = json!({"KeyId": arn, "Signature": other, "SigningAlgorithm": "ECDSA_SHA_256"});
    amazon.front.fail([Fault::Answer(
        Answer::new(200, body.to_string()).with("content-type", "application/x-amz-json-1.1"),
    )]);
    let error = key.sign(TEXT).await.unwrap_err();
    assert!(matches!(error, KmsError::NotASignature(_)), "{error}");
    assert_eq!(amazon.front.faults_left(), 0);
    assert!(key.sign(TEXT).await.is_ok(), "after all of that it signs");
    Ok(())
}

#[tokio::test]
async fn keys_of_another_kind_and_those_that_are_not_there_are_told_when_they_are_opened()
-> Result<()> {
    let amazon = Amazon::start().await?;
    let rsa = make(&amazon, "RSA_2048", "SIGN_VERIFY").await?;
    let error = KmsKey::open(&rsa, &options(&amazon)).await.err().unwrap();
    assert!(matches!(error, KmsError::OtherKind { .. }), "{error}");
    assert!(error.to_string().contains("ECC_NIST_P256"), "{error}");
    let error = KmsKey::open("alias/nobody", &options(&amazon))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, KmsError::Refused { .. }), "{error}");
    Ok(())
}
