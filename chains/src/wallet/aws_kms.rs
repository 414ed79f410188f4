//! Keys that AWS KMS holds: asymmetric, `ECC_SECG_P256K1`, for signing.
//!
//! Credentials and region come from where the AWS SDK always looks (variables, profile, web
//! identity, container, instance), and so does another endpoint (`AWS_ENDPOINT_URL_KMS`). A key that
//! is given by its ARN says its region itself. TLS is rustls with ring, as everywhere else.
//!
//! The service knows neither Ethereum's parity bit nor its rule of low s; the part `signature` supplies
//! both, and thereby notices a signature of another key. Connecting asks for one signature of a
//! fixed text, so that a missing permission is found at the start and not in an emergency.

mod signature;
#[cfg(test)]
mod tests;

use std::{error::Error, time::Duration};

use alloy::primitives::{Address, B256, Signature, keccak256};
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::{SignHash, SignerError, Wallet, WalletError};

/// Longest time until a key has said who it is: finding credentials, and two calls.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for one answer, so that a second try still fits a signature's time.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries per call. More would come too late; the next head tries again anyway.
const ATTEMPTS: u32 = 2;
/// What is signed to see that signing works. No transaction and no EIP-191 message begins like it.
const PROBE: &[u8] = b"ballast: may this key sign?";

/// One key of the service.
#[derive(Debug)]
struct Key {
    client: Client,
    id: String,
    address: Address,
}

/// A wallet whose key is this key id, ARN or alias. Takes [`CONNECT_TIMEOUT`] at most.
///
/// # Errors
/// When the service cannot be reached, refuses, or has no such key that can sign for Ethereum.
pub async fn connect(id: &str) -> Result<Wallet, WalletError> {
    let connecting = async { with_client(client(region_of(id)).await, id).await };
    let connected = timeout(CONNECT_TIMEOUT, connecting).await;
    let key = connected.unwrap_or_else(|_| {
        let limit = CONNECT_TIMEOUT.as_secs();
        Err(SignerError::Unavailable(format!("no answer within {limit} s")))
    });
    let key =
        key.map_err(|source| WalletError::Connect { key: format!("AWS KMS key {id}"), source })?;
    Ok(Wallet::with_signer(key.address, key))
}

async fn client(region: Option<&str>) -> Client {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    Client::new(&loader.load().await)
}

async fn with_client(client: Client, id: &str) -> Result<Key, SignerError> {
    let answer = client.get_public_key().key_id(id).send().await.map_err(|error| who(&error))?;
    let public_key = answer.public_key().map(AsRef::as_ref).unwrap_or_default();
    let address = signature::address_of(public_key).map_err(SignerError::BadAnswer)?;
    let key = Key { client, id: id.to_owned(), address };
    key.sign_hash(keccak256(PROBE)).await?;
    Ok(key)
}

impl SignHash for Key {
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(async move {
            let asked = self
                .client
                .sign()
                .key_id(&self.id)
                .message(Blob::new(hash.as_slice()))
                .message_type(MessageType::Digest)
                .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
            let answer = asked.send().await.map_err(|error| who(&error))?;
            let der = answer.signature().map(AsRef::as_ref).unwrap_or_default();
            signature::signature_of(der, hash, self.address).map_err(SignerError::BadAnswer)
        })
    }
}

/// The region in `arn:aws:kms:REGION:ACCOUNT:key/ID`.
fn region_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// Codes of answers that pass by themselves. From the KMS API reference ("Common errors" and the
/// errors of `Sign`).
const PASSING: &[&str] = &[
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestExpired",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
];

/// Who has to act on an error of the SDK.
fn who<E>(error: &SdkError<E, HttpResponse>) -> SignerError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let text = words(error);
    match error {
        SdkError::TimeoutError(_) => SignerError::Unavailable(text),
        // A broken connection, or no credentials: those are looked for when the first call goes out.
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|cause| cause as &(dyn Error + 'static));
            if failure.is_user() || cause.is_some_and(has_no_credentials) {
                SignerError::Refused(text)
            } else {
                SignerError::Unavailable(text)
            }
        }
        SdkError::ServiceError(said) => {
            let status = said.raw().status().as_u16();
            let passing = said.err().code().is_some_and(|code| PASSING.contains(&code));
            if passing || status >= 500 || status == 429 {
                SignerError::Unavailable(text)
            } else if status < 300 {
                SignerError::BadAnswer(text)
            } else {
                SignerError::Refused(text)
            }
        }
        SdkError::ResponseError(_) => SignerError::BadAnswer(text),
        // No region, or a key id that makes no request.
        SdkError::ConstructionFailure(_) | _ => SignerError::Refused(text),
    }
}

/// Whether nobody has credentials, other than somebody not giving them just now.
fn has_no_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_),
        ) = error.downcast_ref()
        {
            return true;
        }
        link = error.source();
    }
    false
}

/// "Code: message" of the service, or the chain of causes.
fn words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut text = match error {
        SdkError::ServiceError(said) => match said.err().code() {
            Some(code) => {
                return format!("{code}: {}", said.err().message().unwrap_or("no message"));
            }
            None => format!("HTTP status {}", said.raw().status().as_u16()),
        },
        SdkError::ConstructionFailure(_)
        | SdkError::TimeoutError(_)
        | SdkError::DispatchFailure(_)
        | SdkError::ResponseError(_)
        | _ => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
