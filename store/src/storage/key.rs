//! The one key codec of durable storage.
//!
//! An encoded key is the length of the bucket's name (one byte), the name, and the key's bytes. The length keeps two
//! pairs from ever meeting in one encoding, and within a bucket the encoding keeps the byte order of keys, so that a
//! listing is one range of the table.

use std::ops::Bound;

use insula_host_api::{BucketName, Place};

/// The bytes in front of every key of a bucket.
fn bucket_prefix(bucket: &BucketName, capacity: usize) -> Vec<u8> {
    let name = bucket.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(1 + name.len() + capacity);
    // A bucket's name has at most 63 bytes: the parser says so, and a longer one would be cut the same way everywhere.
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(name);
    bytes
}

/// The encoded form of a key in a bucket.
pub(crate) fn encode(at: &Place) -> Vec<u8> {
    join(&at.bucket, at.key.as_str())
}

fn join(bucket: &BucketName, text: &str) -> Vec<u8> {
    let mut bytes = bucket_prefix(bucket, text.len());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The key's own part of an encoded key; `None` when the bytes are not an encoded key.
pub(crate) fn decode_key(encoded: &[u8]) -> Option<&str> {
    let (length, rest) = encoded.split_first()?;
    let (_, key) = rest.split_at_checked(usize::from(*length))?;
    std::str::from_utf8(key).ok().filter(|key| !key.is_empty())
}

/// The range of encoded keys that a listing walks: keys of the bucket with the prefix, beyond the cursor. `None` when
/// nothing can be in it.
pub(crate) fn range(bucket: &BucketName, prefix: &str, after: Option<&str>, reverse: bool) -> Option<KeyRange> {
    let start = join(bucket, prefix);
    let end = successor(&start);
    let mut range = KeyRange { lower: Bound::Included(start), upper: end.map_or(Bound::Unbounded, Bound::Excluded) };
    if let Some(cursor) = after.map(|after| join(bucket, after)) {
        let lower = bytes_of(&range.lower).is_none_or(|lower| cursor.as_slice() >= lower);
        let upper = bytes_of(&range.upper).is_none_or(|upper| cursor.as_slice() < upper);
        match (reverse, lower, upper) {
            (false, true, _) => range.lower = Bound::Excluded(cursor),
            (true, _, true) => range.upper = Bound::Excluded(cursor),
            // The cursor is before everything that the listing walks: it cuts nothing off.
            (false, false, _) | (true, _, false) => {}
        }
    }
    let empty = match (bytes_of(&range.lower), bytes_of(&range.upper)) {
        (Some(lower), Some(upper)) => lower >= upper,
        _ => false,
    };
    (!empty).then_some(range)
}

/// Bounds over encoded keys.
#[derive(Debug)]
pub(crate) struct KeyRange {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
}

impl KeyRange {
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.lower.as_ref().map(Vec::as_slice), self.upper.as_ref().map(Vec::as_slice))
    }
}

fn bytes_of(bound: &Bound<Vec<u8>>) -> Option<&[u8]> {
    match bound {
        Bound::Included(bytes) | Bound::Excluded(bytes) => Some(bytes),
        Bound::Unbounded => None,
    }
}

/// The least byte string that is greater than every one with this prefix; `None` when there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            return Some(bytes);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> impl Strategy<Value = BucketName> {
        "[a-z0-9][a-z0-9._-]{0,62}".prop_map(|text| BucketName::parse(&text).unwrap())
    }

    fn key() -> impl Strategy<Value = EntryKey> {
        "\\PC{1,40}|[\\x00-\\x7f]{1,8}".prop_map(|text| EntryKey::parse(&text).unwrap())
    }

    fn within(range: &KeyRange, encoded: &[u8]) -> bool {
        let (lower, upper) = range.bounds();
        let from = match lower {
            Bound::Included(lower) => lower <= encoded,
            Bound::Excluded(lower) => lower < encoded,
            Bound::Unbounded => true,
        };
        let to = match upper {
            Bound::Included(upper) => encoded <= upper,
            Bound::Excluded(upper) => encoded < upper,
            Bound::Unbounded => true,
        };
        from && to
    }

    proptest! {
        #[test]
        fn a_key_reads_back_from_its_encoding(bucket in bucket(), key in key()) {
            let encoded = encode(&bucket, &key);
            prop_assert_eq!(decode_key(&encoded), Some(key.as_str()));
        }

        #[test]
        fn two_keys_never_share_an_encoding(a in (bucket(), key()), b in (bucket(), key())) {
            prop_assert_eq!(encode(&a.0, &a.1) == encode(&b.0, &b.1), a == b);
        }

        #[test]
        fn what_moves_between_bucket_and_key_changes_the_encoding(text in "[a-z0-9]{3,20}", at in 1_usize..2) {
            let (near, far) = (at, at + 1);
            let split = |at: usize| {
                encode(&BucketName::parse(&text[..at]).unwrap(), &EntryKey::parse(&text[at..]).unwrap())
            };
            prop_assert_ne!(split(near), split(far));
        }

        #[test]
        fn within_a_bucket_encodings_keep_the_byte_order_of_keys(bucket in bucket(), a in key(), b in key()) {
            let expected = a.as_str().as_bytes().cmp(b.as_str().as_bytes());
            prop_assert_eq!(encode(&bucket, &a).cmp(&encode(&bucket, &b)), expected);
        }

        #[test]
        fn a_range_holds_the_keys_of_its_bucket_prefix_and_cursor_and_no_others(
            bucket in bucket(), other in bucket(), key in key(), prefix in "\\PC{0,2}", after in proptest::option::of("\\PC{1,3}"),
            reverse in any::<bool>(),
        ) {
            let range = range(&bucket, &prefix, after.as_deref(), reverse);
            let holds = |encoded: &[u8]| range.as_ref().is_some_and(|range| within(range, encoded));
            let beyond = after.as_deref().is_none_or(|after| {
                if reverse { key.as_str().as_bytes() < after.as_bytes() } else { key.as_str().as_bytes() > after.as_bytes() }
            });
            prop_assert_eq!(holds(&encode(&bucket, &key)), key.as_str().starts_with(&prefix) && beyond);
            if other != bucket {
                prop_assert!(!holds(&encode(&other, &key)));
            }
        }
    }

    #[test]
    fn the_successor_of_a_prefix_carries_over_bytes_that_are_full() {
        assert_eq!(successor(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(successor(&[0xff, 0xff]), None);
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
    }

    #[test]
    fn bytes_that_are_no_encoded_key_decode_to_nothing() {
        for bytes in [&b""[..], b"\x05abc", b"\x03abc", b"\x01a\xff"] {
            assert_eq!(decode_key(bytes), None, "{bytes:?}");
        }
    }
}
