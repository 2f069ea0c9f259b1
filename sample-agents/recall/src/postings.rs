//! Which notes of a block have which words, as one value in storage. Pure.
//!
//! A value is a format byte, and then for each word, in order: its length and its bytes, how many notes have it, and for
//! each of these its slot, how often it has the word, and how many words it has in all. Numbers are LEB128.

use std::collections::BTreeMap;

/// The form described above.
const FORM: u8 = 1;

/// One note that has a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Which note of the block.
    pub slot: u8,
    /// How often it has the word.
    pub times: u32,
    /// How many words it has.
    pub length: u32,
}

/// The words of one group in one block of notes. A word without notes is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Postings(BTreeMap<String, Vec<Posting>>);

impl Postings {
    /// Reads a value; `None` where it is none of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut words: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
        read(bytes, |word, posting| match words.get_mut(word) {
            Some(postings) => postings.push(posting),
            None => drop(words.insert(word.to_owned(), vec![posting])),
        })?;
        Some(Self(words))
    }

    /// As a value.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        for (word, postings) in &self.0 {
            write(&mut bytes, length_of(word.len()));
            bytes.extend_from_slice(word.as_bytes());
            write(&mut bytes, length_of(postings.len()));
            for posting in postings {
                bytes.push(posting.slot);
                write(&mut bytes, posting.times);
                write(&mut bytes, posting.length);
            }
        }
        bytes
    }

    /// Forgets what a note has.
    pub fn remove(&mut self, slot: u8) {
        for postings in self.0.values_mut() {
            postings.retain(|posting| posting.slot != slot);
        }
        self.0.retain(|_, postings| !postings.is_empty());
    }

    /// Notes that a note has a word. It must not have been there for it.
    pub fn add(&mut self, word: &str, posting: Posting) {
        let postings = self.0.entry(word.to_owned()).or_default();
        let behind = postings.partition_point(|other| other.slot < posting.slot);
        postings.insert(behind, posting);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Calls `each` for every word and note of a value, without building anything; `None` where it is none of ours.
pub fn read<'a>(bytes: &'a [u8], mut each: impl FnMut(&'a str, Posting)) -> Option<()> {
    let mut rest = bytes.strip_prefix(&[FORM])?;
    while !rest.is_empty() {
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (word, behind) = rest.split_at_checked(length)?;
        let word = std::str::from_utf8(word).ok()?;
        rest = behind;
        for _ in 0..number(&mut rest)? {
            let (slot, behind) = rest.split_first()?;
            rest = behind;
            let (times, length) = (number(&mut rest)?, number(&mut rest)?);
            each(word, Posting { slot: *slot, times, length });
        }
    }
    Some(())
}

fn length_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn write(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for shift in (0..32).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let part = u32::from(byte & 0x7f);
        // The fifth byte has room for four bits.
        number |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn postings() -> impl Strategy<Value = Postings> {
        let posting = (any::<u32>(), any::<u32>());
        btree_map("[a-zß東]{1,20}", btree_map(0_u8..32, posting, 1..8), 0..12).prop_map(|words| {
            let mut postings = Postings::default();
            for (word, notes) in words {
                for (slot, (times, length)) in notes {
                    postings.add(&word, Posting { slot, times, length });
                }
            }
            postings
        })
    }

    #[test]
    fn a_note_is_removed_from_every_word_and_words_without_notes_go() {
        let mut postings = Postings::default();
        for (word, slot) in [("a", 1), ("a", 0), ("b", 1)] {
            postings.add(word, Posting { slot, times: 1, length: 2 });
        }
        postings.remove(1);
        let mut left = Vec::new();
        read(&postings.encode(), |word, posting| left.push((word.to_owned(), posting.slot))).unwrap();
        assert_eq!(left, [("a".to_owned(), 0)]);
        postings.remove(0);
        assert!(postings.is_empty());
    }

    #[test]
    fn what_is_none_of_ours_is_told_apart() {
        for bytes in [&b""[..], b"\0", b"{}", b"\x01\x05ab", b"\x01\x01a\x02\x00\x01\x01", b"\x01\x01\xff\x00"] {
            assert_eq!(Postings::decode(bytes), None, "{bytes:?}");
        }
        assert_eq!(Postings::decode(b"\x01"), Some(Postings::default()));
        // A number of more than 32 bits.
        assert_eq!(Postings::decode(b"\x01\xff\xff\xff\xff\x10"), None);
    }

    proptest! {
        #[test]
        fn postings_read_back_from_their_value(postings in postings()) {
            prop_assert_eq!(Postings::decode(&postings.encode()), Some(postings));
        }

        #[test]
        fn no_bytes_make_it_panic_or_build_more_than_they_hold(bytes in vec(any::<u8>(), 0..300)) {
            for bytes in [bytes.clone(), [&[FORM], bytes.as_slice()].concat()] {
                let mut postings = 0;
                let _ = read(&bytes, |_, _| postings += 1);
                prop_assert!(postings <= bytes.len());
            }
        }

        #[test]
        fn removing_what_was_added_leaves_what_was(postings in postings(), words in vec("[a-z]{1,5}", 1..10)) {
            let mut changed = postings.clone();
            let words: std::collections::BTreeSet<_> = words.into_iter().collect();
            for word in &words {
                changed.add(word, Posting { slot: 99, times: 1, length: 10 });
            }
            changed.remove(99);
            prop_assert_eq!(changed, postings);
        }
    }
}
