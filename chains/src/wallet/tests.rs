use alloy::consensus::TxEip1559;
use alloy::primitives::{TxKind, U256, address};

use super::*;

/// The first account of anvil's well-known test mnemonic.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn tx(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::ZERO),
        value: U256::from(7),
        ..TxEip1559::default()
    }
}

/// A signer that never answers.
struct Silent;

impl SignHash for Silent {
    fn sign_hash(&self, _: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(std::future::pending())
    }
}

/// A signer that does as it is told, and is told to fail.
struct Failing(fn() -> SignerError);

impl SignHash for Failing {
    fn sign_hash(&self, _: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(async { Err(self.0()) })
    }
}

#[tokio::test]
async fn a_signature_is_read_back() {
    let wallet = Wallet::from_key(&SecretString::from(format!(" {KEY}\n"))).unwrap();
    assert_eq!(wallet.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    let signed = wallet.sign(tx(3)).await.unwrap();
    let sender = sender_of(&signed.raw).unwrap();
    assert_eq!(sender, Sender { from: wallet.address(), nonce: 3, hash: signed.hash });
    assert!(sender_of(&[signed.raw.as_ref(), &[0]].concat()).is_err());
    assert!(sender_of(&signed.raw[1..]).is_err());
}

#[tokio::test]
async fn a_signer_of_another_key_is_found_out() {
    let impostor: PrivateKeySigner = KEY.parse().unwrap();
    let wallet = Wallet::with_signer(Address::ZERO, impostor);
    let refused = wallet.sign(tx(0)).await.unwrap_err();
    assert!(matches!(refused, WalletError::Mismatch(Address::ZERO, _)), "{refused}");
    assert!(!refused.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_signer_that_is_silent_is_waited_for_so_long() {
    let wallet = Wallet::with_signer(Address::ZERO, Silent);
    let began = tokio::time::Instant::now();
    let refused = wallet.sign(tx(0)).await.unwrap_err();
    assert_eq!(began.elapsed(), SIGN_TIMEOUT);
    assert!(matches!(refused, WalletError::TooSlow { .. }) && refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains("within 5 s"), "{refused}");
}

#[tokio::test]
async fn an_error_says_who_acts() {
    let cases: [(fn() -> SignerError, bool); 3] = [
        (|| SignerError::Unavailable("503".into()), true),
        (|| SignerError::Refused("AccessDeniedException".into()), false),
        (|| SignerError::BadAnswer("not DER".into()), false),
    ];
    for (fail, transient) in cases {
        let refused =
            Wallet::with_signer(Address::ZERO, Failing(fail)).sign(tx(0)).await.unwrap_err();
        assert!(matches!(refused, WalletError::Signer { .. }), "{refused}");
        assert_eq!(refused.is_transient(), transient, "{refused:?}");
    }
}

#[tokio::test]
async fn a_watched_wallet_signs_nothing() {
    let wallet = Wallet::watch_only(Address::ZERO);
    assert!(!wallet.can_sign());
    assert!(matches!(wallet.sign(tx(0)).await, Err(WalletError::WatchOnly(_))));
}

#[test]
fn a_bad_key_is_never_shown() {
    let zero = "0".repeat(64);
    for key in ["", "0x12", "hunter2", &KEY[..64], &format!("{KEY}00"), &zero] {
        let error = Wallet::from_key(&SecretString::from(key)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(key.is_empty() || !shown.contains(key), "{shown}");
    }
    let wallet = Wallet::from_key(&SecretString::from(KEY)).unwrap();
    assert!(!format!("{wallet:?}").to_lowercase().contains(&KEY[4..20]));
}
