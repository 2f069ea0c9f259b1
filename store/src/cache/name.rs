//! Names in a shard: a namespace and a key, borrowed for a look-up, and encoded for what is kept.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

/// A namespace and a key, and their hash under the shard's own secret. Looking one up allocates nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) hash: u64,
    pub(crate) namespace: &'a [u8],
    key: &'a [u8],
}

impl<'a> Name<'a> {
    pub(crate) fn new(secret: &RandomState, namespace: &'a str, key: &'a str) -> Self {
        let mut hasher = secret.build_hasher();
        hasher.write_u8(length(namespace.as_bytes()));
        hasher.write(namespace.as_bytes());
        hasher.write(key.as_bytes());
        Self { hash: hasher.finish(), namespace: namespace.as_bytes(), key: key.as_bytes() }
    }

    /// The name that these bytes encode. Its hash is known from when they were made.
    pub(crate) fn decode(encoded: &'a [u8], hash: u64) -> Self {
        let parts = encoded.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
        let (namespace, key) = parts.unwrap_or_default();
        Self { hash, namespace, key }
    }

    /// The length of the namespace in one byte, the namespace, the key: no two names have the same bytes.
    pub(crate) fn encode(&self) -> Arc<[u8]> {
        [&[length(self.namespace)], self.namespace, self.key].concat().into()
    }

    pub(crate) fn encoded_len(&self) -> usize {
        1 + self.namespace.len() + self.key.len()
    }

    /// Writes the encoding over bytes that are as many.
    pub(crate) fn encode_into(&self, bytes: &mut [u8]) {
        let Some((first, rest)) = bytes.split_first_mut() else { return };
        *first = length(self.namespace);
        if let Some((namespace, key)) = rest.split_at_mut_checked(self.namespace.len())
            && key.len() == self.key.len()
        {
            namespace.copy_from_slice(self.namespace);
            key.copy_from_slice(self.key);
        }
    }

    /// Whether these bytes encode this name.
    pub(crate) fn is(&self, encoded: &[u8]) -> bool {
        let Some((first, rest)) = encoded.split_first() else { return false };
        *first == length(self.namespace)
            && rest.len() == self.namespace.len() + self.key.len()
            && rest.starts_with(self.namespace)
            && rest.ends_with(self.key)
    }
}

/// What the encoded names of a namespace, and no others, begin with.
pub(crate) fn prefix(namespace: &[u8]) -> Vec<u8> {
    [&[length(namespace)], namespace].concat()
}

/// A namespace has 63 bytes at most.
fn length(namespace: &[u8]) -> u8 {
    u8::try_from(namespace.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_own_encoding_and_no_other() {
        let secret = RandomState::new();
        let long = "k".repeat(512);
        let names = [("a", "bc"), ("ab", "c"), ("a", "b"), ("a", "c"), ("a", "../bc"), ("a", "b\0c"), ("a", "é")];
        let names = [names.as_slice(), &[("a", "e\u{301}"), ("a", &long)]].concat();
        for (at, (namespace, key)) in names.iter().enumerate() {
            let encoded = Name::new(&secret, namespace, key).encode();
            let mut written = vec![0; Name::new(&secret, namespace, key).encoded_len()];
            Name::new(&secret, namespace, key).encode_into(&mut written);
            assert_eq!(*encoded, *written);
            for (other_at, (namespace, key)) in names.iter().enumerate() {
                let other = Name::new(&secret, namespace, key);
                assert_eq!(other.is(&encoded), at == other_at, "{:?} and {:?}", names[at], names[other_at]);
            }
            let decoded = Name::decode(&encoded, 0);
            assert_eq!((decoded.namespace, decoded.key), (namespace.as_bytes(), key.as_bytes()));
            assert!(encoded.starts_with(&prefix(namespace.as_bytes())));
        }
        assert!(!Name::new(&secret, "a", "b").is(&[]));
    }
}
