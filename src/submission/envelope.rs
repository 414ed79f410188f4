//! The bytes that are signed, in one place: what goes into them, and whether what came back from a
//! signer is that.

use alloy::{
    consensus::{
        SignableTransaction as _, Transaction as _, TxEip1559, TxEnvelope, TxLegacy,
        TypedTransaction, transaction::SignerRecoverable as _,
    },
    eips::Decodable2718 as _,
    primitives::{Address, Bytes, TxKind},
};
use ballast_chains::{profile::FeeModel, wallet::SignedTx};
use ballast_strategy_api::Call;

use super::pricing::Price;

/// What a transaction is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) chain_id: u64,
    pub(super) fee_model: FeeModel,
    pub(super) nonce: u64,
    pub(super) call: &'a Call,
    pub(super) gas_limit: u64,
    pub(super) price: Price,
}

impl Content<'_> {
    /// The transaction, to be signed. A legacy one is bound to its chain by EIP-155.
    pub(super) fn transaction(&self) -> TypedTransaction {
        let (to, value, input) =
            (TxKind::Call(self.call.to), self.call.value, self.call.data.clone());
        let &Self { chain_id, nonce, gas_limit, price, .. } = self;
        if self.fee_model == FeeModel::Legacy {
            let (chain_id, gas_price) = (Some(chain_id), price.max_fee_per_gas);
            return TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }.into();
        }
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: price.max_fee_per_gas,
            max_priority_fee_per_gas: price.max_priority_fee_per_gas,
            to,
            value,
            input,
            ..TxEip1559::default()
        }
        .into()
    }

    /// Whether signed bytes are this very transaction, by `from`. Asked before they are journalled:
    /// what is journalled is sent.
    ///
    /// # Errors
    /// What is different, in words.
    pub(super) fn check(&self, signed: &SignedTx, from: Address) -> Result<(), String> {
        let mut rest = signed.raw.as_ref();
        let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the transaction", rest.len()));
        }
        let by = envelope.recover_signer().map_err(|error| error.to_string())?;
        if by != from {
            return Err(format!("it is signed by {by}"));
        }
        let wanted = self.transaction();
        let same = [
            ("hash", *envelope.tx_hash() == signed.hash),
            ("chain id", envelope.chain_id() == Some(self.chain_id)),
            ("nonce", envelope.nonce() == wanted.nonce()),
            ("recipient", envelope.to() == Some(self.call.to)),
            ("value", envelope.value() == wanted.value()),
            ("calldata", envelope.input() == wanted.input()),
            ("gas limit", envelope.gas_limit() == wanted.gas_limit()),
            ("fee", envelope.max_fee_per_gas() == wanted.max_fee_per_gas()),
            ("tip", envelope.max_priority_fee_per_gas() == wanted.max_priority_fee_per_gas()),
            ("kind", u8::from(envelope.tx_type()) == u8::from(wanted.tx_type())),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(format!("its {what} is not what was asked for")),
            None => Ok(()),
        }
    }
}

/// Unsigned bytes that are at least as many as those of any of these calls, at whatever nonce, gas
/// limit and price it will be signed; nothing for no call. What a chain charges for a transaction's
/// data is told by its unsigned bytes.
pub(super) fn longest<'a>(
    chain_id: u64,
    fee_model: FeeModel,
    calls: impl Iterator<Item = &'a Call>,
) -> Bytes {
    let price = Price { max_fee_per_gas: u128::MAX, max_priority_fee_per_gas: u128::MAX };
    let unsigned = calls.map(|call| {
        let (nonce, gas_limit) = (u64::MAX, u64::MAX);
        let content = Content { chain_id, fee_model, nonce, call, gas_limit, price };
        content.transaction().encoded_for_signing()
    });
    unsigned.max_by_key(Vec::len).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, address};
    use ballast_chains::wallet::Wallet;
    use secrecy::SecretString;

    use super::*;

    /// The second account of anvil's well-known test mnemonic.
    const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

    fn call() -> Call {
        Call {
            label: "only".into(),
            to: address!("00000000000000000000000000000000000000aa"),
            data: Bytes::from_static(&[1, 2]),
            value: U256::from(5),
        }
    }

    fn content(call: &Call, fee_model: FeeModel) -> Content<'_> {
        let price = Price { max_fee_per_gas: 9, max_priority_fee_per_gas: 2 };
        Content { chain_id: 10, fee_model, nonce: 3, call, gas_limit: 21_000, price }
    }

    #[tokio::test]
    async fn both_kinds_are_what_was_asked_for_and_nothing_else_is() {
        let wallet = Wallet::from_key(&SecretString::from(KEY)).unwrap();
        let call = call();
        for model in [FeeModel::Eip1559, FeeModel::Legacy] {
            let asked = content(&call, model);
            let signed = wallet.sign(asked.transaction()).await.unwrap();
            asked.check(&signed, wallet.address()).unwrap();
            let mut other = call.clone();
            other.value = U256::from(6);
            let differ = [
                Content { nonce: 4, ..asked },
                Content { chain_id: 1, ..asked },
                Content { gas_limit: 21_001, ..asked },
                Content { call: &other, ..asked },
                Content { price: Price { max_fee_per_gas: 10, ..asked.price }, ..asked },
            ];
            for wrong in differ {
                assert!(wrong.check(&signed, wallet.address()).is_err(), "{wrong:?}");
            }
            let foreign = asked.check(&signed, Address::ZERO).unwrap_err();
            assert!(foreign.contains("signed by"), "{foreign}");
            let cut = SignedTx { raw: signed.raw.slice(1..), ..signed.clone() };
            assert!(asked.check(&cut, wallet.address()).is_err());
            let renamed = SignedTx { hash: alloy::primitives::B256::ZERO, ..signed };
            assert!(asked.check(&renamed, wallet.address()).unwrap_err().contains("hash"));
        }
        let legacy = wallet.sign(content(&call, FeeModel::Legacy).transaction()).await.unwrap();
        let modern = content(&call, FeeModel::Eip1559);
        assert!(modern.check(&legacy, wallet.address()).is_err(), "another kind");
        assert!(legacy.raw.first().is_some_and(|byte| *byte >= 0xc0), "an untyped envelope");
    }
}
