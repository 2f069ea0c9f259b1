//! Typed ids: a prefix that says what it names, and a part that sorts by the time it was made.
//!
//! The unique part is a ULID: 48 bits of Unix milliseconds, then 80 random bits, written in Crockford's base 32
//! (<https://github.com/ulid/spec>). In text it is lower case: `ten_01jd3kf0x2c9b8m7n6p5q4r3s2`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use ulid::Ulid;

/// What an id names. Implemented by the markers in [`kind`] and by nothing else.
pub trait IdKind: sealed::Sealed + 'static {
    /// The text before the underscore.
    const PREFIX: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

/// The kinds of ids.
pub mod kind {
    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl super::sealed::Sealed for $name {}
            impl super::IdKind for $name {
                const PREFIX: &'static str = $prefix;
            }
        )*};
    }
    kinds! {
        /// A customer of the host.
        Tenant = "ten";
        /// An agent of a tenant.
        Agent = "agt";
        /// One upload of an agent.
        Version = "ver";
        /// One call of an agent.
        Invocation = "inv";
        /// A key of a tenant or of an operator.
        Key = "key";
    }
}

/// A tenant's name. Anyone may make one; it opens nothing (T2).
pub type TenantId = Id<kind::Tenant>;
/// An agent's name.
pub type AgentId = Id<kind::Agent>;
/// A version's name.
pub type VersionId = Id<kind::Version>;
/// A call's name.
pub type InvocationId = Id<kind::Invocation>;
/// A key's name; not its secret.
pub type KeyId = Id<kind::Key>;

/// An id of one kind. Copies are cheap: 16 bytes.
pub struct Id<K>(Ulid, PhantomData<fn() -> K>);

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form `{prefix}_` and 26 letters and digits")]
pub struct InvalidId {
    prefix: &'static str,
}

impl<K: IdKind> Id<K> {
    /// A new id, unlike any other.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ulid::generate(), PhantomData)
    }

    /// The 16 bytes of the unique part, in the order in which ids sort.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0_u8; ulid::ULID_LEN];
        let text = self.0.array_to_str(&mut buffer);
        text.make_ascii_lowercase();
        write!(formatter, "{}_{text}", K::PREFIX)
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = InvalidId;

    /// Reads the one written form. Upper case and other spellings that base 32 would allow are refused, so that one id
    /// has one text.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { prefix: K::PREFIX };
        let unique = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or_else(invalid)?;
        let id = Self(Ulid::from_string(unique).map_err(|_| invalid())?, PhantomData);
        if id.to_string() == text { Ok(id) } else { Err(invalid()) }
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: IdKind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: IdKind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_own_text() {
        let id = TenantId::generate();
        assert_eq!(id.to_string().parse::<TenantId>().unwrap(), id);
        assert!(id.to_string().starts_with("ten_"));
        assert_eq!(id.to_string().len(), 30);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let text = AgentId::generate().to_string();
        assert!(text.parse::<TenantId>().is_err());
    }

    #[test]
    fn one_id_has_one_text() {
        let text = TenantId::generate().to_string();
        for other in [text.to_uppercase(), format!("{text} "), format!("{text}0"), "ten_".to_owned(), String::new()] {
            assert!(other.parse::<TenantId>().is_err(), "{other:?}");
        }
        // 27 base-32 digits hold more than 128 bits: the first digit of a ULID is at most 7.
        assert!("ten_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<TenantId>().is_err());
        // Crockford reads `i`, `l` and `o` as digits; as a second spelling of the same id they are refused.
        assert!("ten_0000000000000000000000000o".parse::<TenantId>().is_err());
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| InvocationId::generate()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
