//! Remembering and forgetting: a note and all that the index has of it, changed together in one commit.
//!
//! Every commit has as preconditions what it read of the index, and is made again where someone else came between. What is
//! known of all notes together is added to, so that notes which have nothing to do with each other do not meet there.

use std::collections::BTreeMap;

use insula_sdk::prelude::*;
use insula_sdk::storage::{Attempt, Commit, Entry, Selection, Write, get_many, get_these, list, update};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::ask::Note;
use crate::bm25::Corpus;
use crate::layout::{self, Card, Groups, INDEX, Kept, Number};
use crate::postings::{Posting, Postings};
use crate::words::{composed, counted, tag};

/// How often a commit that met another one is tried.
const ATTEMPTS: u32 = 16;

/// The most different words of one note.
const WORDS_LIMIT: usize = 2_000;

/// How many notes whose life is over one request takes out of the index.
const SWEPT: u32 = 4;

/// What remembering came to.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Remembered {
    pub id: String,
    /// Whether there was a note with this id.
    pub replaced: bool,
    /// How many words it has.
    pub words: u32,
}

/// The words of a note as the index takes them: how often each is there, and each tag once, with a mark that no word has.
struct Terms {
    times: BTreeMap<String, u32>,
    length: u32,
    groups: Groups,
}

impl Terms {
    fn of(note: &Note) -> Result<Self, Error> {
        let (mut times, length) = counted(&composed(&note.text));
        if length == 0 {
            return Err(Error::unprocessable("`text` has no word in it that could be searched for"));
        }
        if times.len() > WORDS_LIMIT {
            let message = format!("`text` has {} different words; {WORDS_LIMIT} are allowed", times.len());
            return Err(Error::unprocessable(message));
        }
        times.extend(note.tags.iter().map(|tag| (of_tag(tag), 1)));
        let mut groups = Groups::default();
        times.keys().for_each(|term| groups.insert(layout::group_of(term)));
        Ok(Self { times, length, groups })
    }
}

/// A tag as the index has it.
pub fn of_tag(text: &str) -> String {
    format!("#{}", tag(text))
}

/// The id of a note without one: the same text is the same note.
fn id_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a note and indexes it, in place of what had its id.
///
/// # Errors
///
/// `unprocessable` where it cannot be searched for; `conflict` where too many others changed the same; those of storage.
pub fn remember(note: &Note, now: u64) -> Result<Remembered, Error> {
    let terms = Terms::of(note)?;
    let id = note.id.clone().unwrap_or_else(|| id_of(&note.text));
    let lane = layout::lane_of(&id);
    update(ATTEMPTS, || {
        let [card, kept, given] = get_these([layout::card(&id), layout::note(&id), layout::lane(lane)])?;
        let old: Option<Card> = card.as_ref().map(Entry::json).transpose()?;
        let given_out = given.as_ref().map_or(Ok(0), Entry::number)?;
        let number = old.as_ref().map_or_else(|| Number::new(lane, given_out), |old| old.number);
        let expires = note.ttl_ms.map(|ttl_ms| now.saturating_add(ttl_ms));
        let new = Card { number, length: terms.length, groups: terms.groups, expires };
        let mut commit = Commit::new().unchanged(layout::card(&id), card.as_ref());
        if old.is_none() {
            commit = commit
                .unchanged(layout::lane(lane), given.as_ref())
                .increment(layout::lane(lane), 1)
                .put(layout::number(number), id.as_str());
        }
        commit = reindex(commit, number, old.as_ref().map(|old| old.groups), Some(&terms))?;
        commit = reschedule(commit, &id, old.as_ref().and_then(|old| old.expires), expires);
        let value = Kept { text: note.text.clone(), tags: note.tags.clone(), remembered: now };
        let commit = commit
            .write(Write::put_json(layout::note(&id), &value)?.with_life(note.ttl_ms))
            .put_json(layout::card(&id), &new)?
            .increment(layout::notes(), i64::from(old.is_none()))
            .increment(layout::words(), i64::from(new.length) - old.map_or(0, |old| i64::from(old.length)));
        Ok(commit.then(Remembered { id: id.clone(), replaced: kept.is_some(), words: terms.length }))
    })
}

/// Forgets a note and all that the index has of it. False where there is none. With the last note goes the rest of the
/// index.
///
/// # Errors
///
/// `conflict` where too many others changed the same; those of storage.
pub fn forget(id: &str) -> Result<bool, Error> {
    update(ATTEMPTS, || {
        let [card, kept] = get_these([layout::card(id), layout::note(id)])?;
        let Some(card) = card else { return Ok(Attempt::Done(false)) };
        Ok(take_out(id, &card)?.then(kept.is_some()))
    })
}

/// Takes a few notes out of the index whose life is over. Their text is gone already, by itself.
///
/// # Errors
///
/// Those of storage.
pub fn sweep(now: u64) -> Result<(), Error> {
    let over = Selection::range(layout::EXPIRY, layout::expiry_until(now)).limit(SWEPT);
    for entry in list(INDEX, &over)?.entries {
        let Some((ended, id)) = layout::of_expiry(&entry.key) else {
            return Err(entry.unreadable("one of recall's"));
        };
        update(ATTEMPTS, || {
            let [card, kept] = get_these([layout::card(id), layout::note(id)])?;
            let Some(card) = card else { return Ok(Attempt::Done(())) };
            // It was replaced, or the host's clock is behind ours.
            if kept.is_some() || card.json::<Card>()?.expires != Some(ended) {
                return Ok(Attempt::Done(()));
            }
            Ok(take_out(id, &card)?.unchanged(layout::note(id), None).then(()))
        })?;
    }
    Ok(())
}

/// The statistics, and the version that changes with every note; `None` while there is no note.
///
/// # Errors
///
/// Those of storage.
pub fn corpus() -> Result<Option<(Corpus, u64)>, Error> {
    let [notes, words] = get_these([layout::notes(), layout::words()])?;
    let (Some(notes), Some(words)) = (notes, words) else { return Ok(None) };
    let corpus = Corpus { notes: notes.number()?.unsigned_abs(), words: words.number()?.unsigned_abs() };
    Ok(Some((corpus, notes.version)))
}

/// The commit that removes a note with this card. It has the number of notes as a precondition, so that exactly one of
/// several who forget the last notes clears up.
fn take_out(id: &str, entry: &Entry) -> Result<Commit, Error> {
    let card: Card = entry.json()?;
    let notes = get_these([layout::notes()])?.into_iter().flatten().next();
    let others = notes.as_ref().map_or(Ok(1), Entry::number)? - 1;
    let mut commit = Commit::new()
        .unchanged(layout::card(id), Some(entry))
        .unchanged(layout::notes(), notes.as_ref())
        .delete(layout::card(id))
        .delete(layout::note(id))
        .delete(layout::number(card.number));
    commit = reindex(commit, card.number, Some(card.groups), None)?;
    commit = reschedule(commit, id, card.expires, None);
    if others > 0 {
        return Ok(commit.increment(layout::notes(), -1).increment(layout::words(), -i64::from(card.length)));
    }
    commit = commit.delete(layout::notes()).delete(layout::words());
    Ok(layout::lanes().fold(commit, Commit::delete))
}

/// Adds to a commit what changes in the groups of a note's words: what the note had before goes, what it has now comes.
fn reindex(mut commit: Commit, number: Number, old: Option<Groups>, new: Option<&Terms>) -> Result<Commit, Error> {
    let groups = old.unwrap_or_default().union(new.map(|terms| terms.groups).unwrap_or_default());
    let places: Vec<_> = groups.iter().map(|group| layout::group(group, number.block())).collect();
    let found = get_many(&places)?;
    for ((group, at), found) in groups.iter().zip(places).zip(found) {
        let mut postings = match &found {
            Some(entry) => Postings::decode(&entry.value).ok_or_else(|| entry.unreadable("one of recall's"))?,
            None => Postings::default(),
        };
        postings.remove(number.slot());
        for (term, times) in new.iter().flat_map(|terms| &terms.times) {
            if layout::group_of(term) == group {
                let length = new.map_or(0, |terms| terms.length);
                postings.add(term, Posting { slot: number.slot(), times: *times, length });
            }
        }
        commit = commit.unchanged(at.clone(), found.as_ref());
        commit = if postings.is_empty() { commit.delete(at) } else { commit.put(at, postings.encode()) };
    }
    Ok(commit)
}

/// Adds to a commit what changes in the order in which notes end.
fn reschedule(mut commit: Commit, id: &str, old: Option<u64>, new: Option<u64>) -> Commit {
    if old != new {
        commit = old.into_iter().fold(commit, |commit, ms| commit.delete(layout::expiry(ms, id)));
        commit = new.into_iter().fold(commit, |commit, ms| commit.put(layout::expiry(ms, id), ""));
    }
    commit
}
