//! The one key codec of durable storage.
//!
//! An encoded key is the bucket's name, a zero byte, and the key's bytes. No name has a zero byte, so two pairs never meet
//! in one encoding; buckets lie in the byte order of their names, and keys within a bucket in theirs, so that a listing
//! is one range of the table.

use std::ops::Bound;

use insula_host_api::{BucketName, EntryKey, Place, Selection};

/// Between a bucket's name and a key.
const END_OF_NAME: u8 = 0;

/// The encoded form of a key in a bucket.
pub(crate) fn encode(at: &Place) -> Vec<u8> {
    join(&at.bucket, at.key.as_str())
}

fn join(bucket: &BucketName, text: &str) -> Vec<u8> {
    [bucket.as_str().as_bytes(), &[END_OF_NAME], text.as_bytes()].concat()
}

/// Bucket and key of an encoded key; `None` when the bytes are not an encoded key.
fn split(encoded: &[u8]) -> Option<(&str, &str)> {
    let end = encoded.iter().position(|byte| *byte == END_OF_NAME)?;
    let (name, rest) = encoded.split_at_checked(end)?;
    Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(rest.get(1..)?).ok()?))
}

/// The bucket's part of an encoded key.
pub(crate) fn decode_bucket(encoded: &[u8]) -> Option<&str> {
    split(encoded).map(|(bucket, _)| bucket)
}

/// The key's own part of an encoded key.
pub(crate) fn decode_key(encoded: &[u8]) -> Option<&str> {
    split(encoded).map(|(_, key)| key).filter(|key| !key.is_empty())
}

/// Both, as the names that they were made of.
pub(crate) fn decode(encoded: &[u8]) -> Option<Place> {
    let (bucket, key) = split(encoded)?;
    Some(Place { bucket: BucketName::parse(bucket).ok()?, key: EntryKey::parse(key).ok()? })
}

/// Every encoded key of the buckets after one of them, or of all.
pub(crate) fn buckets_after(name: Option<&str>) -> KeyRange {
    let lower = name.map_or(Bound::Unbounded, |name| Bound::Included([name.as_bytes(), &[END_OF_NAME + 1]].concat()));
    KeyRange { lower, upper: Bound::Unbounded }
}

/// The range of encoded keys that a listing walks: keys of the bucket with the prefix, within the bounds, beyond the
/// cursor. `None` when nothing can be in it.
pub(crate) fn range(bucket: &BucketName, selection: &Selection) -> Option<KeyRange> {
    let start = join(bucket, &selection.prefix);
    let end = successor(&start);
    let mut range = KeyRange { lower: Bound::Included(start), upper: end.map_or(Bound::Unbounded, Bound::Excluded) };
    if let Some(start) = &selection.start {
        range.raise(Bound::Included(join(bucket, start)));
    }
    if let Some(end) = &selection.end {
        range.lower_to(join(bucket, end));
    }
    if let Some(after) = &selection.after {
        let cursor = join(bucket, after);
        if selection.reverse { range.lower_to(cursor) } else { range.raise(Bound::Excluded(cursor)) }
    }
    let empty = match (bytes_of(&range.lower), bytes_of(&range.upper)) {
        (Some(lower), Some(upper)) => lower >= upper,
        _ => false,
    };
    (!empty).then_some(range)
}

/// Bounds over keys of a table.
#[derive(Debug, Clone)]
pub(crate) struct KeyRange {
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
}

impl KeyRange {
    /// All there is.
    pub(crate) const ALL: Self = Self { lower: Bound::Unbounded, upper: Bound::Unbounded };

    /// Takes a lower bound that cuts off as much as the present one, or more.
    fn raise(&mut self, bound: Bound<Vec<u8>>) {
        // At equal bytes the excluded bound, which is the cursor and comes last, cuts off more.
        if bytes_of(&bound) >= bytes_of(&self.lower) {
            self.lower = bound;
        }
    }

    /// Takes an excluded upper bound, if it cuts off more than the present one.
    fn lower_to(&mut self, key: Vec<u8>) {
        if bytes_of(&self.upper).is_none_or(|upper| key.as_slice() < upper) {
            self.upper = Bound::Excluded(key);
        }
    }

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

    fn encode(bucket: &BucketName, key: &EntryKey) -> Vec<u8> {
        super::encode(&Place { bucket: bucket.clone(), key: key.clone() })
    }

    fn bucket() -> impl Strategy<Value = BucketName> {
        "[a-z0-9][a-z0-9._-]{0,62}".prop_map(|text| BucketName::parse(&text).unwrap())
    }

    fn key() -> impl Strategy<Value = EntryKey> {
        "\\PC{1,40}|[\\x00-\\x7f]{1,8}".prop_map(|text| EntryKey::parse(&text).unwrap())
    }

    fn short() -> impl Strategy<Value = EntryKey> {
        "[ab]{1,4}".prop_map(|text| EntryKey::parse(&text).unwrap())
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
            prop_assert_eq!(decode_bucket(&encoded), Some(bucket.as_str()));
            prop_assert_eq!(decode(&encoded), Some(Place { bucket, key }));
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
        fn a_range_holds_the_keys_of_its_bucket_prefix_bounds_and_cursor_and_no_others(
            bucket in bucket(), other in bucket(), key in short(), prefix in "[ab]{0,2}",
            bounds in [proptest::option::of("[ab]{0,3}"), proptest::option::of("[ab]{0,3}"), proptest::option::of("[ab]{0,3}")],
            reverse in any::<bool>(),
        ) {
            let [start, end, after] = bounds;
            let selection = Selection { start, end, after, reverse, ..Selection::of_prefix(prefix, 1) };
            let range = range(&bucket, &selection);
            let holds = |encoded: &[u8]| range.as_ref().is_some_and(|range| within(range, encoded));
            let text = key.as_str();
            let beyond = selection.after.as_deref().is_none_or(|after| if reverse { text < after } else { text > after });
            let from = selection.start.as_deref().is_none_or(|start| text >= start);
            let to = selection.end.as_deref().is_none_or(|end| text < end);
            let expected = text.starts_with(&selection.prefix) && from && to && beyond;
            prop_assert_eq!(holds(&encode(&bucket, &key)), expected);
            if other != bucket {
                prop_assert!(!holds(&encode(&other, &key)));
            }
        }

        #[test]
        fn buckets_come_in_the_byte_order_of_their_names(a in bucket(), b in bucket(), key in key(), other in key()) {
            if a != b {
                prop_assert_eq!(encode(&a, &key).cmp(&encode(&b, &other)), a.as_str().cmp(b.as_str()));
            }
            prop_assert_eq!(within(&buckets_after(Some(a.as_str())), &encode(&b, &key)), b.as_str() > a.as_str());
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
        for bytes in [&b""[..], b"abc", b"abc\0", b"a\0\xff", b"\xff\0a"] {
            assert_eq!(decode_key(bytes), None, "{bytes:?}");
        }
        assert_eq!(decode(b"UPPER\0key"), None, "what no bucket can be called");
    }
}
