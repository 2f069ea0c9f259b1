//! Where everything lies in storage: buckets, keys, and the small records of the index. Touches no host function.
//!
//! The bucket `recall-notes` has each note under its id. Its keys may end of themselves, by the life of the note. The
//! bucket `recall-index` has:
//!
//! | Key | Value |
//! |---|---|
//! | `group/GG/BLOCK` | which notes of a block of 32 have which words of a group of words: [`crate::postings`] |
//! | `card/ID` | a [`Card`]: what must be known to take a note out of the index without its text |
//! | `number/NUMBER` | the id of the note with this number |
//! | `expiry/MS/ID` | nothing: the order in which notes end |
//! | `lane/L` | how many numbers were given out in a lane |
//! | `notes`, `words` | how many there are |
//!
//! Words are in one of 128 groups by their hash. So one note touches at most 128 values however many words it has, which
//! is one commit; no value grows with the number of notes; and a search for a word reads one group, which is a 128th of
//! the index. Notes are numbered in eight lanes by the hash of their id, so that notes which are remembered at the same
//! time seldom change the same block. A note keeps its number when it is replaced.

use insula_sdk::storage::Address;
use serde::{Deserialize, Serialize};

/// The bucket of the notes themselves.
pub const NOTES: &str = "recall-notes";
/// The bucket of everything else.
pub const INDEX: &str = "recall-index";

/// How many groups of words there are: one bit each in [`Groups`].
const GROUPS: u64 = 128;
/// How many lanes of numbers there are.
const LANES: u64 = 8;
/// How many notes are in a block.
const BLOCK: u64 = 32;
/// Numbers of a lane begin with it, above so many bits.
const LANE_SHIFT: u32 = 40;

/// A note as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub text: String,
    pub tags: Vec<String>,
    /// When it was remembered, in milliseconds since 1970.
    pub remembered: u64,
}

/// What the index knows of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub number: Number,
    /// How many words it has.
    pub length: u32,
    /// The groups that its words and tags are in.
    pub groups: Groups,
    /// When its life ends, in milliseconds since 1970, where it has an end.
    pub expires: Option<u64>,
}

/// The number of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number(u64);

/// A block of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block(u64);

/// A set of groups of words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Groups(u128);

impl Number {
    /// The number after so many others in a lane.
    pub fn new(lane: u64, before: i64) -> Self {
        Self(lane << LANE_SHIFT | before.unsigned_abs())
    }

    pub fn block(self) -> Block {
        Block(self.0 / BLOCK)
    }

    pub fn slot(self) -> u8 {
        (self.0 % BLOCK) as u8
    }
}

impl Block {
    /// The block of a key that [`group`] made.
    pub fn of_key(key: &str) -> Option<Self> {
        let (_, block) = key.rsplit_once('/')?;
        u64::from_str_radix(block, 16).ok().map(Self)
    }

    pub fn number(self, slot: u8) -> Number {
        Number(self.0 * BLOCK + u64::from(slot))
    }
}

impl Groups {
    pub fn insert(&mut self, group: u8) {
        self.0 |= 1 << (u32::from(group) % u128::BITS);
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0_u8..128).filter(move |group| self.0 >> group & 1 == 1)
    }
}

impl From<Groups> for String {
    fn from(groups: Groups) -> Self {
        format!("{:032x}", groups.0)
    }
}

impl TryFrom<String> for Groups {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

/// The group of a word. It is part of what is stored, and so never changes.
pub fn group_of(word: &str) -> u8 {
    (fingerprint(word) % GROUPS) as u8
}

/// The lane of an id.
pub fn lane_of(id: &str) -> u64 {
    fingerprint(id) % LANES
}

/// FNV-1a. Who makes words collide gets a slower search of their own notes.
fn fingerprint(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    // Its low bits alone are poor.
    hash ^ (hash >> 32)
}

pub fn note(id: &str) -> Address {
    Address::new(NOTES, id)
}

pub fn group(group: u8, block: Block) -> Address {
    Address::new(INDEX, format!("{}{:010x}", blocks_of(group), block.0))
}

/// What the keys of all blocks of a group begin with.
pub fn blocks_of(group: u8) -> String {
    format!("group/{group:02x}/")
}

pub fn card(id: &str) -> Address {
    Address::new(INDEX, format!("card/{id}"))
}

pub fn number(number: Number) -> Address {
    Address::new(INDEX, format!("number/{:011x}", number.0))
}

pub fn expiry(ms: u64, id: &str) -> Address {
    Address::new(INDEX, format!("{}/{id}", expiry_until(ms)))
}

/// What keys of notes that end at a time begin with: every key before it is of a note that ended earlier.
pub fn expiry_until(ms: u64) -> String {
    format!("{EXPIRY}{ms:015}")
}

/// What all keys of notes that end begin with.
pub const EXPIRY: &str = "expiry/";

/// When a note ends, and which, from a key that [`expiry`] made.
pub fn of_expiry(key: &str) -> Option<(u64, &str)> {
    let (ms, id) = key.strip_prefix(EXPIRY)?.split_once('/')?;
    Some((ms.parse().ok()?, id))
}

pub fn lane(lane: u64) -> Address {
    Address::new(INDEX, format!("lane/{lane}"))
}

pub fn lanes() -> impl Iterator<Item = Address> {
    (0..LANES).map(lane)
}

pub fn notes() -> Address {
    Address::new(INDEX, "notes")
}

pub fn words() -> Address {
    Address::new(INDEX, "words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_again_by_its_block_and_slot() {
        for lane in 0..LANES {
            for before in [0, 1, 31, 32, 1_000_000, (1 << LANE_SHIFT) - 1] {
                let number = Number::new(lane, before);
                let key = group(7, number.block()).key;
                assert_eq!(Block::of_key(&key).unwrap().number(number.slot()), number);
                assert!(key.starts_with(&blocks_of(7)));
            }
        }
        assert_ne!(Number::new(0, 5), Number::new(1, 5));
        assert_eq!(Block::of_key("group/07/x"), None);
    }

    #[test]
    fn groups_are_a_set_that_can_be_stored() {
        let mut groups = Groups::default();
        for group in [0, 127, 5, 5] {
            groups.insert(group);
        }
        assert_eq!(groups.iter().collect::<Vec<_>>(), [0, 5, 127]);
        let text = serde_json::to_string(&groups).unwrap();
        assert_eq!(serde_json::from_str::<Groups>(&text).unwrap(), groups);
        assert!(serde_json::from_str::<Groups>("\"x\"").is_err());
    }

    #[test]
    fn words_spread_over_the_groups_and_stay_there() {
        assert_eq!((group_of("marta"), group_of("tea"), group_of("")), (64, 80, 65));
        let mut counts = [0_u32; GROUPS as usize];
        for number in 0..12_800 {
            counts[usize::from(group_of(&format!("word{number}")))] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }

    #[test]
    fn expiries_sort_by_their_time() {
        assert!(expiry(999, "z").key < expiry_until(1_000) && expiry(1_000, "a").key > expiry_until(1_000));
        assert_eq!(of_expiry(&expiry(17, "a/b").key), Some((17, "a/b")));
        assert_eq!(of_expiry("expiry/x/y"), None);
    }
}
