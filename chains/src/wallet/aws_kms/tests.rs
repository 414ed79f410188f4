//! Against a stand-in of the service's HTTP interface.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    primitives::{U256, uint},
    signers::local::PrivateKeySigner,
};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_sdk_kms::config::Credentials;
use ballast_test_support::{KmsMood, MockKms};

use super::*;
use crate::wallet::sender_of;

/// The second account of anvil's well-known test mnemonic.
const KEY: [u8; 32] =
    alloy::hex!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");
const ID: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// Half of the order of secp256k1, rounded down: the greatest s that EIP-2 allows.
const HALF_ORDER: U256 =
    uint!(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0_U256);

/// A client as [`client`] makes it, except that it finds the stand-in.
async fn client_of(kms: &MockKms) -> Client {
    let found = client(region_of(ID)).await;
    let config = found
        .config()
        .to_builder()
        .endpoint_url(kms.url())
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "stand-in", None, None, "test"))
        .build();
    Client::from_conf(config)
}

async fn connected(kms: &MockKms) -> Result<Wallet, SignerError> {
    let key = with_client(client_of(kms).await, ID).await?;
    Ok(Wallet::with_signer(key.address, key))
}

fn address() -> Address {
    PrivateKeySigner::from_slice(&KEY).unwrap().address()
}

fn tx(nonce: u64) -> TxEip1559 {
    TxEip1559 { chain_id: 1, nonce, gas_limit: 21_000, max_fee_per_gas: 2, ..TxEip1559::default() }
}

#[tokio::test]
async fn signatures_recover_to_the_key_and_have_low_s() {
    let kms = MockKms::start(&KEY).await.unwrap();
    let wallet = connected(&kms).await.unwrap();
    assert_eq!(wallet.address(), address());
    for mood in [KmsMood::Well, KmsMood::HighS] {
        kms.sign(mood);
        // Both parities come up among a few nonces.
        let mut parities = [0_u32; 2];
        for nonce in 0..8 {
            let signed = wallet.sign(tx(nonce)).await.unwrap();
            let sender = sender_of(&signed.raw).unwrap();
            assert_eq!((sender.from, sender.nonce), (address(), nonce));
            let hash = tx(nonce).signature_hash();
            let signature = wallet.signer.as_ref().unwrap().sign_hash(hash).await.unwrap();
            assert!(signature.s() <= HALF_ORDER, "{signature:?}");
            parities[usize::from(signature.v())] += 1;
        }
        assert!(parities.iter().all(|count| *count > 0), "{parities:?}");
    }
    let calls = kms.calls();
    assert_eq!(calls[0].operation, "GetPublicKey");
    assert!(calls.iter().all(|call| call.key_id == ID));
    // The region of the ARN, whatever the environment says, and the service's own name.
    let scope = "/eu-west-1/kms/aws4_request";
    assert!(calls.iter().all(|call| call.authorization.contains(scope)), "{calls:?}");
}

/// What the service does, whether that passes by itself, and a part of what is said.
fn troubles() -> Vec<(KmsMood, bool, &'static str)> {
    vec![
        (KmsMood::Error(500, "KMSInternalException"), true, "KMSInternalException: as told"),
        (KmsMood::Error(503, "ServiceUnavailable"), true, "ServiceUnavailable"),
        (KmsMood::Error(400, "ThrottlingException"), true, "ThrottlingException"),
        (KmsMood::Error(400, "AccessDeniedException"), false, "AccessDeniedException: as told"),
        (KmsMood::Error(400, "DisabledException"), false, "DisabledException"),
        (KmsMood::Error(400, "NotFoundException"), false, "NotFoundException"),
        (KmsMood::Error(400, "KMSInvalidStateException"), false, "KMSInvalidStateException"),
        (KmsMood::Cut, true, "not available"),
        (KmsMood::NotJson("<html>a proxy</html>"), false, "wrong answer"),
        (KmsMood::Empty, false, "wrong answer"),
    ]
}

#[tokio::test]
async fn trouble_while_signing_says_who_acts_and_passes_with_its_cause() {
    let kms = MockKms::start(&KEY).await.unwrap();
    let wallet = connected(&kms).await.unwrap();
    let garbage = [
        (KmsMood::SignatureOf(vec![]), false, "not ECDSA in DER"),
        (KmsMood::SignatureOf(vec![0x30, 0x02, 0x01]), false, "not ECDSA in DER"),
        (KmsMood::SignatureOf(vec![0xff; 70]), false, "not ECDSA in DER"),
        (KmsMood::OtherKey, false, "the signature is not one of"),
    ];
    for (mood, transient, said) in troubles().into_iter().chain(garbage) {
        kms.sign(mood.clone());
        let error = wallet.sign(tx(0)).await.unwrap_err();
        let text = format!("{error}: {}", error.source().unwrap());
        assert!(text.contains(said), "{mood:?}: {text}");
        assert_eq!(error.is_transient(), transient, "{mood:?}: {text}");
        assert_eq!(text.contains("the operator of the key has to act"), !transient, "{text}");
        kms.sign(KmsMood::Well);
        wallet.sign(tx(0)).await.unwrap();
    }
}

#[tokio::test]
async fn trouble_while_connecting_says_who_acts() {
    let kms = MockKms::start(&KEY).await.unwrap();
    let curve = (KmsMood::OtherCurve, false, "none of the curve secp256k1");
    for (mood, transient, said) in troubles().into_iter().chain([curve]) {
        kms.public_key(mood.clone());
        let error = connected(&kms).await.unwrap_err();
        assert!(error.to_string().contains(said), "{mood:?}: {error}");
        assert_eq!(error.is_transient(), transient, "{mood:?}: {error}");
    }
}

/// A key that may be looked at and not used is found out at the start.
#[tokio::test]
async fn connecting_tries_the_key() {
    let kms = MockKms::start(&KEY).await.unwrap();
    kms.sign(KmsMood::Error(400, "AccessDeniedException"));
    let error = connected(&kms).await.unwrap_err();
    assert!(matches!(&error, SignerError::Refused(why) if why.contains("AccessDenied")), "{error}");
    kms.sign(KmsMood::OtherKey);
    assert!(matches!(connected(&kms).await.unwrap_err(), SignerError::BadAnswer(_)));
}

/// The service takes the request and says nothing: bounded by the wallet, and passes.
#[tokio::test]
async fn a_silent_service_costs_one_signature() {
    let kms = MockKms::start(&KEY).await.unwrap();
    let wallet = connected(&kms).await.unwrap();
    kms.sign(KmsMood::Silent);
    let error = wallet.sign(tx(0)).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    kms.sign(KmsMood::Well);
    wallet.sign(tx(0)).await.unwrap();
}

/// Credentials that nobody has will not come by themselves.
#[tokio::test]
async fn missing_credentials_are_the_operators() {
    let kms = MockKms::start(&KEY).await.unwrap();
    let nobody =
        provide_credentials_fn(async || Err(CredentialsError::not_loaded("nobody has any")));
    let config = client_of(&kms).await.config().to_builder().credentials_provider(nobody).build();
    let error = with_client(Client::from_conf(config), ID).await.unwrap_err();
    assert!(matches!(&error, SignerError::Refused(_)), "{error}");
    assert!(error.to_string().contains("nobody has any"), "{error}");
    assert!(kms.calls().is_empty());
}

#[test]
fn an_arn_tells_its_region() {
    assert_eq!(region_of(ID), Some("eu-west-1"));
    assert_eq!(region_of("arn:aws:kms:us-east-1:111122223333:alias/eth2x"), Some("us-east-1"));
    for id in ["1234abcd-12ab-34cd-56ef-1234567890ab", "alias/eth2x", "arn:aws:kms", ""] {
        assert_eq!(region_of(id), None, "{id}");
    }
}
