//! The JSON of a keystore, and the bounds within which one is opened.
//!
//! Source: the Web3 Secret Storage Definition, version 3
//! (<https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage>).

use alloy::{hex, primitives::Address};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::error::Category;

/// The only version in use.
const VERSION: u64 = 3;
/// The only cipher in use.
const CIPHER: &str = "aes-128-ctr";
/// The only pseudo-random function that the definition names for PBKDF2.
const PRF: &str = "hmac-sha256";
/// Most memory that scrypt may take (`128 · n · r` bytes): twice that of geth's standard files.
const MOST_MEMORY: u64 = 512 * 1024 * 1024;
/// Most work of scrypt (`n · r · p`): four times that of geth's standard files, some seconds.
const MOST_WORK: u64 = 1 << 23;
/// Most rounds of PBKDF2: forty times the definition's example.
const MOST_ROUNDS: u32 = 10_000_000;
/// Longest salt in bytes; 32 are usual.
const LONGEST_SALT: usize = 1024;

/// An encrypted key with everything but the password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sealed {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "address")]
    pub(super) address: Option<Address>,
    pub(super) crypto: Crypto,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    version: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    #[serde(with = "bytes")]
    ciphertext: Vec<u8>,
    #[serde(flatten)]
    pub(super) kdf: Kdf,
    #[serde(with = "bytes")]
    mac: Vec<u8>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CipherParams {
    #[serde(with = "bytes")]
    iv: Vec<u8>,
}

/// How a password becomes a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kdf", content = "kdfparams", rename_all = "lowercase")]
pub(super) enum Kdf {
    Scrypt {
        dklen: u32,
        n: u64,
        p: u32,
        r: u32,
        #[serde(with = "bytes")]
        salt: Vec<u8>,
    },
    Pbkdf2 {
        c: u32,
        dklen: u32,
        prf: String,
        #[serde(with = "bytes")]
        salt: Vec<u8>,
    },
}

impl Sealed {
    /// A keystore as this program writes them.
    pub(super) fn new(
        address: Address,
        id: String,
        kdf: Kdf,
        iv: [u8; 16],
        ciphertext: &[u8; 32],
        mac: [u8; 32],
    ) -> Self {
        let crypto = Crypto {
            cipher: CIPHER.to_owned(),
            cipherparams: CipherParams { iv: iv.to_vec() },
            ciphertext: ciphertext.to_vec(),
            kdf,
            mac: mac.to_vec(),
        };
        Self { address: Some(address), crypto, id: Some(id), version: VERSION }
    }

    /// Parses and checks. The error says what is wrong and quotes nothing of a file that is no
    /// keystore at all: it may be a key in the clear.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            match error.classify() {
                Category::Eof => format!("the JSON ends too early ({place}): it is cut off"),
                Category::Io | Category::Syntax | Category::Data => format!("not JSON ({place})"),
            }
        })?;
        if !value.is_object() {
            return Err("not a JSON object".to_owned());
        }
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => return Err(format!("it has version {other}")),
            None => return Err("it has no version".to_owned()),
        }
        let sealed: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        sealed.crypto.check()?;
        Ok(sealed)
    }

    /// What the file holds. No float and no map with other keys than text: always possible.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Crypto {
    fn check(&self) -> Result<(), String> {
        if self.cipher != CIPHER {
            return Err(format!("cipher {:?} is not {CIPHER:?}", self.cipher));
        }
        for (what, length, expected) in [
            ("iv", self.cipherparams.iv.len(), 16),
            ("ciphertext", self.ciphertext.len(), 32),
            ("mac", self.mac.len(), 32),
        ] {
            if length != expected {
                return Err(format!("{what} has {length} bytes, not {expected}"));
            }
        }
        self.kdf.check()
    }

    pub(super) fn iv(&self) -> [u8; 16] {
        fixed(&self.cipherparams.iv)
    }

    pub(super) fn ciphertext(&self) -> [u8; 32] {
        fixed(&self.ciphertext)
    }

    pub(super) fn mac(&self) -> [u8; 32] {
        fixed(&self.mac)
    }
}

/// Bytes whose number was checked.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

impl Kdf {
    fn check(&self) -> Result<(), String> {
        let (dklen, salt) = match self {
            Self::Scrypt { dklen, n, p, r, salt } => {
                let work = n.saturating_mul(u64::from(*r)).saturating_mul(u64::from(*p));
                let memory = n.saturating_mul(u64::from(*r)).saturating_mul(128);
                if !n.is_power_of_two() || *n < 2 || work == 0 {
                    return Err(format!("scrypt cannot work with n = {n}, r = {r}, p = {p}"));
                }
                if memory > MOST_MEMORY || work > MOST_WORK {
                    return Err(format!("scrypt with n = {n}, r = {r}, p = {p} is out of bounds"));
                }
                (*dklen, salt)
            }
            Self::Pbkdf2 { c, dklen, prf, salt } => {
                if prf != PRF {
                    return Err(format!("prf {prf:?} is not {PRF:?}"));
                }
                if *c == 0 || *c > MOST_ROUNDS {
                    return Err(format!("pbkdf2 with c = {c} is out of bounds"));
                }
                (*dklen, salt)
            }
        };
        if dklen != 32 {
            return Err(format!("dklen is {dklen}, not 32"));
        }
        if salt.len() > LONGEST_SALT {
            return Err(format!("salt has {} bytes, more than {LONGEST_SALT}", salt.len()));
        }
        Ok(())
    }
}

/// Hexadecimal text without `0x`, which is tolerated.
mod bytes {
    use super::{Deserialize as _, Deserializer, Serializer, hex};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map_err(serde::de::Error::custom)
    }
}

/// 40 lower-case hexadecimal digits without `0x`, as geth writes it.
mod address {
    use super::{Address, Deserialize as _, Deserializer, Serializer, hex};

    pub(super) fn serialize<S: Serializer>(of: &Option<Address>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&of.map(hex::encode).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Address>, D::Error> {
        match Option::<String>::deserialize(from)? {
            Some(text) if !text.is_empty() => {
                text.parse().map(Some).map_err(|_| serde::de::Error::custom("address is none"))
            }
            Some(_) | None => Ok(None),
        }
    }
}
