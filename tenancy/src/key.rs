//! Keys: how a secret is made, written, hashed and compared.
//!
//! A secret is `isk_`, the 26 characters of its key id, and 52 characters that carry 256 random bits in Crockford's
//! base 32. The id inside lets a key be found without an index over hashes; the hash is SHA-256, which is enough for a
//! secret of that entropy, and is compared in constant time. The secret itself is shown once and stored nowhere.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{KeyId, Permissions, TenantId};

const SECRET_PREFIX: &str = "isk_";
const ID_LENGTH: usize = 26;
const RANDOM_BYTES: usize = 32;
const RANDOM_LENGTH: usize = 52;
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a caller presented: a secret in the right form. Nothing is known of it yet.
pub struct Credential {
    key: KeyId,
    hash: KeyHash,
}

/// A text that has not the form of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: a key is `isk_` and 78 letters and digits")]
pub struct InvalidCredential;

impl Credential {
    /// The id that the secret claims to belong to.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Whether this is the secret that the record was made from, in constant time.
    pub(crate) fn matches(&self, record: &KeyRecord) -> bool {
        self.is_of(record.id, &record.hash)
    }

    /// Whether this is the secret of the key of this id whose hash is kept, in constant time.
    #[must_use]
    pub fn is_of(&self, key: KeyId, hash: &KeyHash) -> bool {
        bool::from(self.hash.0.ct_eq(&hash.0)) && self.key == key
    }
}

impl FromStr for Credential {
    type Err = InvalidCredential;

    fn from_str(text: &str) -> Result<Self, InvalidCredential> {
        let rest = text.strip_prefix(SECRET_PREFIX).ok_or(InvalidCredential)?;
        if rest.len() != ID_LENGTH + RANDOM_LENGTH || !rest.is_ascii() {
            return Err(InvalidCredential);
        }
        let (id, _) = rest.split_at(ID_LENGTH);
        let key = format!("key_{id}").parse().map_err(|_| InvalidCredential)?;
        Ok(Self { key, hash: KeyHash::of(text) })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({}, ..)", self.key)
    }
}

/// The SHA-256 of a secret: what is stored in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The 32 bytes, for the catalog.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the catalog's 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHash(..)")
    }
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// One tenant's.
    Tenant(TenantId),
    /// The host's operators'.
    Operator,
}

/// Whether the owner of a key may act at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// It may.
    Active,
    /// An operator suspended it.
    Suspended,
}

/// A key as the catalog holds it.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// Whose it is.
    pub owner: KeyOwner,
    /// What it may do. An operator's key has no use for them.
    pub permissions: Permissions,
    /// Whether its owner may act.
    pub owner_state: OwnerState,
}

/// A key just made: its secret, to be shown once, and the hash to keep.
pub struct NewKey {
    id: KeyId,
    secret: String,
}

impl NewKey {
    /// Makes a key from 256 bits of the operating system's randomness.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut random)?;
        let id = KeyId::generate();
        let text = id.to_string();
        let unique = text.strip_prefix("key_").unwrap_or(&text);
        Ok(Self { id, secret: format!("{SECRET_PREFIX}{unique}{}", base32(&random)) })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the catalog keeps.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.secret)
    }

    /// The secret, to be shown once and then forgotten.
    #[must_use]
    pub fn reveal(self) -> String {
        self.secret
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NewKey({}, ..)", self.id)
    }
}

/// Five bits a character, most significant first; the last character carries the one bit that is left.
fn base32(bytes: &[u8; RANDOM_BYTES]) -> String {
    let mut text = String::with_capacity(RANDOM_LENGTH);
    let mut pending: u32 = 0;
    let mut bits = 0;
    let mut push = |value: u32| {
        let digit = DIGITS.get((value & 31) as usize).copied().unwrap_or(b'0');
        text.push(char::from(digit));
    };
    for byte in bytes {
        pending = (pending << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(pending >> bits);
        }
    }
    if bits > 0 {
        push(pending << (5 - bits));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_record_only() {
        let ours = NewKey::generate().unwrap();
        let theirs = NewKey::generate().unwrap();
        let record = |key: &NewKey| KeyRecord {
            id: key.id(),
            hash: key.hash(),
            owner: KeyOwner::Operator,
            permissions: Permissions::ALL,
            owner_state: OwnerState::Active,
        };
        let (our_record, their_record) = (record(&ours), record(&theirs));
        let credential: Credential = ours.reveal().parse().unwrap();
        assert!(credential.matches(&our_record));
        assert!(!credential.matches(&their_record));
    }

    #[test]
    fn another_secret_with_our_id_does_not_match() {
        let ours = NewKey::generate().unwrap();
        let record = KeyRecord {
            id: ours.id(),
            hash: ours.hash(),
            owner: KeyOwner::Operator,
            permissions: Permissions::ALL,
            owner_state: OwnerState::Active,
        };
        let secret = ours.reveal();
        let last = if secret.ends_with('0') { 'g' } else { '0' };
        let forged = format!("{}{last}", &secret[..secret.len() - 1]);
        assert!(!forged.parse::<Credential>().unwrap().matches(&record));
    }

    #[test]
    fn a_secret_carries_256_bits_and_never_shows_itself_in_debug_output() {
        let key = NewKey::generate().unwrap();
        let shown = format!("{key:?}");
        let secret = key.reveal();
        assert_eq!(secret.len(), 4 + ID_LENGTH + RANDOM_LENGTH);
        assert!(!shown.contains(&secret));
        assert!(!format!("{:?}", secret.parse::<Credential>().unwrap()).contains(&secret[30..]));
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        for text in ["", "isk_", "isk_short", "Bearer isk_", &"x".repeat(82), &format!("isk_{}", "é".repeat(39))] {
            assert!(text.parse::<Credential>().is_err(), "{text:?}");
        }
    }
}
