//! A stand-in for AWS KMS: its HTTP interface with one key, which can be told to misbehave.

use crate::{
    lock,
    server::{Connection, Server},
};
use alloy::signers::k256::{
    NonZeroScalar,
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use eyre::{Result, eyre};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// `SubjectPublicKeyInfo` of an uncompressed point: the part before the point. The curve's object
/// identifier stands last.
const SPKI_SECP256K1: &[u8] = &[
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
];
/// As well, for the curve P-256.
const SPKI_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// How the service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KmsMood {
    /// As it should, with low s.
    Well,
    /// As it should, with high s: half of the real service's signatures are like that.
    HighS,
    /// The request is taken and never answered.
    Silent,
    /// The connection is cut.
    Cut,
    /// This status with this error code.
    Error(u16, &'static str),
    /// A status of success with this in place of the JSON.
    NotJson(&'static str),
    /// A signature of these bytes.
    SignatureOf(Vec<u8>),
    /// Signatures of another key.
    OtherKey,
    /// A public key of another curve.
    OtherCurve,
    /// An answer without the field that matters.
    Empty,
}

/// The stand-in; it ends when it is dropped.
#[derive(Debug)]
pub struct MockKms {
    shared: Arc<Shared>,
    server: Server,
}

#[derive(Debug)]
struct Shared {
    key: SigningKey,
    state: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    /// Since the start, or since it was told.
    public_key: KmsMood,
    sign: KmsMood,
    asked: Vec<KmsCall>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct KmsCall {
    /// `GetPublicKey` or `Sign`.
    pub operation: String,
    /// The key that was named.
    pub key_id: String,
    /// The `Authorization` header.
    pub authorization: String,
}

impl MockKms {
    /// Starts it on a free port with this key, 32 bytes.
    ///
    /// # Errors
    /// When these bytes are no key, or there is no port.
    pub async fn start(key: &[u8]) -> Result<Self> {
        let key = SigningKey::from_slice(key).map_err(|_| eyre!("not a key"))?;
        let told = Told { public_key: KmsMood::Well, sign: KmsMood::Well, asked: Vec::new() };
        let shared = Arc::new(Shared { key, state: Mutex::new(told) });
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&shared));
        Ok(Self { shared, server: Server::start(router).await? })
    }

    /// What `AWS_ENDPOINT_URL` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// How `GetPublicKey` behaves from now on.
    pub fn public_key(&self, mood: KmsMood) {
        lock(&self.shared.state).public_key = mood;
    }

    /// How `Sign` behaves from now on.
    pub fn sign(&self, mood: KmsMood) {
        lock(&self.shared.state).sign = mood;
    }

    /// All requests so far.
    #[must_use]
    pub fn calls(&self) -> Vec<KmsCall> {
        lock(&self.shared.state).asked.clone()
    }

    /// The variables by which an AWS SDK finds the stand-in.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL_KMS", self.url()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "stand-in".to_owned()),
        ]
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Its content type is `application/x-amz-json-1.1`.
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let operation = header("x-amz-target").trim_start_matches("TrentService.").to_owned();
    let key_id = field(&body, "KeyId").to_owned();
    let mood = {
        let mut told = lock(&shared.state);
        let call = KmsCall {
            operation: operation.clone(),
            key_id,
            authorization: header("authorization"),
        };
        told.asked.push(call);
        if operation == "Sign" { told.sign.clone() } else { told.public_key.clone() }
    };
    match mood {
        KmsMood::Silent => std::future::pending().await,
        KmsMood::Cut => {
            connection.cut.cancel();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        KmsMood::Error(status, code) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(json!({ "__type": code, "message": "as told" }))).into_response()
        }
        KmsMood::NotJson(text) => text.into_response(),
        KmsMood::Empty => Json(json!({ "KeyId": field(&body, "KeyId") })).into_response(),
        mood @ (KmsMood::Well
        | KmsMood::HighS
        | KmsMood::SignatureOf(_)
        | KmsMood::OtherKey
        | KmsMood::OtherCurve) => match shared.serve(&operation, &body, &mood) {
            Some(value) => Json(value).into_response(),
            None => StatusCode::BAD_REQUEST.into_response(),
        },
    }
}

/// A text of a request; empty if there is none.
fn field<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Shared {
    fn serve(&self, operation: &str, body: &Value, mood: &KmsMood) -> Option<Value> {
        match operation {
            "GetPublicKey" => {
                let point = self.key.verifying_key().to_encoded_point(false);
                let other = *mood == KmsMood::OtherCurve;
                let head = if other { SPKI_P256 } else { SPKI_SECP256K1 };
                let spki = [head, point.as_bytes()].concat();
                Some(json!({
                    "KeyId": field(body, "KeyId"), "PublicKey": BASE64_STANDARD.encode(spki),
                    "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY",
                    "SigningAlgorithms": ["ECDSA_SHA_256"],
                }))
            }
            "Sign" => {
                let is_digest = field(body, "MessageType") == "DIGEST";
                if !is_digest || field(body, "SigningAlgorithm") != "ECDSA_SHA_256" {
                    return None;
                }
                let digest = BASE64_STANDARD.decode(field(body, "Message")).ok()?;
                let der = self.sign(&digest, mood)?;
                Some(json!({
                    "KeyId": field(body, "KeyId"), "Signature": BASE64_STANDARD.encode(der),
                    "SigningAlgorithm": "ECDSA_SHA_256",
                }))
            }
            _ => None,
        }
    }

    fn sign(&self, digest: &[u8], mood: &KmsMood) -> Option<Vec<u8>> {
        if let KmsMood::SignatureOf(bytes) = mood {
            return Some(bytes.clone());
        }
        let other = *mood == KmsMood::OtherKey;
        let key = if other { SigningKey::from_slice(&[7; 32]).ok()? } else { self.key.clone() };
        let signature: Signature = key.sign_prehash(digest).ok()?;
        let low = signature.normalize_s().unwrap_or(signature);
        let signature = if *mood == KmsMood::HighS {
            let (r, s) = low.split_scalars();
            Signature::from_scalars(r, NonZeroScalar::new(-*s).into_option()?).ok()?
        } else {
            low
        };
        Some(signature.to_der().as_bytes().to_vec())
    }
}
