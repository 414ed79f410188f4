//! Opening and closing: password → derived key → AES-128 in counter mode, with a MAC over the
//! ciphertext that tells a wrong password. Everything secret is wiped when it is dropped.

use aes::{
    Aes128,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use alloy::{
    primitives::{Keccak256, hex},
    signers::{
        k256::elliptic_curve::rand_core::{OsRng, RngCore as _},
        local::PrivateKeySigner,
    },
};
use ctr::Ctr128BE;
use zeroize::Zeroizing;

use super::form::{Kdf, Sealed};

/// What a derived key is used for: 16 bytes encrypt, 16 go into the MAC.
type Derived = Zeroizing<[u8; 32]>;

/// How much work it is to try a password: scrypt with r = 8 and p = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    log_n: u8,
}

impl Cost {
    /// n = 2¹⁷, 128 MiB and about half a second: what OWASP's password storage cheat sheet asks of
    /// scrypt.
    pub const STANDARD: Self = Self { log_n: 17 };
    /// n = 2¹², 4 MiB: geth's light setting, for tests and for passwords that are random anyway.
    pub const LIGHT: Self = Self { log_n: 12 };
}

/// What came of a password.
pub(super) enum Unsealed {
    Key(Zeroizing<[u8; 32]>),
    WrongPassword,
}

/// Opens a keystore whose form was checked.
pub(super) fn unseal(sealed: &Sealed, password: &str) -> Unsealed {
    let ciphertext = sealed.crypto.ciphertext();
    let Some(derived) = derive(&sealed.crypto.kdf, password) else {
        return Unsealed::WrongPassword;
    };
    if mac(&derived, &ciphertext) != sealed.crypto.mac() {
        return Unsealed::WrongPassword;
    }
    let mut key = Zeroizing::new(ciphertext);
    apply(&derived, sealed.crypto.iv(), &mut key);
    Unsealed::Key(key)
}

/// Encrypts a key under a password with fresh salt and nonce.
pub(super) fn seal(signer: &PrivateKeySigner, password: &str, cost: Cost) -> Sealed {
    let (mut salt, mut iv) = ([0_u8; 32], [0_u8; 16]);
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(&mut iv);
    let n = 1_u64.checked_shl(u32::from(cost.log_n)).unwrap_or(1);
    let kdf = Kdf::Scrypt { dklen: 32, n, p: 1, r: 8, salt: salt.to_vec() };
    // Both costs are parameters that scrypt takes.
    let derived = derive(&kdf, password).unwrap_or_default();
    let mut text = Zeroizing::new(signer.to_bytes().0);
    apply(&derived, iv, &mut text);
    Sealed::new(signer.address(), uuid(), kdf, iv, &text, mac(&derived, &text))
}

fn derive(kdf: &Kdf, password: &str) -> Option<Derived> {
    let mut derived = Derived::default();
    match kdf {
        Kdf::Scrypt { n, p, r, salt, .. } => {
            let log_n = u8::try_from(n.checked_ilog2()?).ok()?;
            let params = scrypt::Params::new(log_n, *r, *p).ok()?;
            scrypt::scrypt(password.as_bytes(), salt, &params, derived.as_mut_slice()).ok()?;
        }
        Kdf::Pbkdf2 { c, salt, .. } => {
            let out = derived.as_mut_slice();
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.as_bytes(), salt, *c, out);
        }
    }
    Some(derived)
}

fn mac(derived: &Derived, ciphertext: &[u8; 32]) -> [u8; 32] {
    let (_, authenticates) = derived.split_at(16);
    let mut hash = Keccak256::new();
    hash.update(authenticates);
    hash.update(ciphertext);
    hash.finalize().0
}

/// Encrypts and decrypts alike.
fn apply(derived: &Derived, iv: [u8; 16], text: &mut [u8; 32]) {
    let mut key = Zeroizing::new([0_u8; 16]);
    for (to, from) in key.iter_mut().zip(derived.iter()) {
        *to = *from;
    }
    let mut cipher = Ctr128BE::<Aes128>::new(&(*key).into(), &iv.into());
    cipher.apply_keystream(text);
}

/// A random identifier (RFC 9562, version 4), which the format wants and nothing reads.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(bytes);
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
