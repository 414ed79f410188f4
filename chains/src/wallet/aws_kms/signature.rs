//! From the service's DER to what Ethereum takes. Pure.

use alloy::primitives::{Address, B256, Signature};
use k256::{PublicKey, ecdsa, pkcs8::DecodePublicKey as _};

/// The account of a public key in DER (`SubjectPublicKeyInfo`), which names the curve.
pub(super) fn address_of(spki: &[u8]) -> Result<Address, String> {
    let key = PublicKey::from_public_key_der(spki)
        .map_err(|error| format!("the public key is none of the curve secp256k1 ({error})"))?;
    Ok(Address::from_public_key(&key.into()))
}

/// The signature that `der` holds of this hash by this account: with low s, which EIP-2 asks for,
/// and the parity by which it recovers to the account.
pub(super) fn signature_of(der: &[u8], hash: B256, by: Address) -> Result<Signature, String> {
    let signature = ecdsa::Signature::from_der(der)
        .map_err(|error| format!("the signature is not ECDSA in DER ({error})"))?;
    let signature = signature.normalize_s().unwrap_or(signature);
    [false, true]
        .into_iter()
        .map(|parity| Signature::from_signature_and_parity(signature, parity))
        .find(|candidate| {
            candidate.recover_address_from_prehash(&hash).is_ok_and(|signer| signer == by)
        })
        .ok_or_else(|| format!("the signature is not one of {by} for this hash"))
}
