//! Searching: the index says which notes may answer, and in which order; the notes themselves have the last word.
//!
//! What is read here is not all of one instant. A search that sees the statistics change under it begins again, a few
//! times. And no note is shown that is not there with the words and tags that were asked for, whatever the index says: so a
//! note that was forgotten, has ended or was replaced meanwhile is never in an answer.

use std::collections::{BTreeMap, BTreeSet};

use insula_sdk::prelude::*;
use insula_sdk::storage::{Entry, Selection, get_many, scan};
use serde::Serialize;

use crate::ask::Query;
use crate::bm25::{Corpus, rounded};
use crate::layout::{self, Block, INDEX, Kept, Number};
use crate::memory::{corpus, of_tag};
use crate::postings::{Posting, read};
use crate::snippet;
use crate::words::{composed, words};

/// How often a search looks that others keep changing the index of.
const LOOKS: u32 = 3;

/// The most different words of one query.
const WORDS_LIMIT: usize = 32;

/// The answer to a query.
#[derive(Debug, PartialEq, Serialize)]
pub struct Found {
    pub results: Vec<Hit>,
    /// For how long this is true if nobody writes, in milliseconds: until the first of these notes ends.
    #[serde(skip)]
    pub good_for_ms: Option<u64>,
    /// The version of the memory that this is true of, where it stood still.
    #[serde(skip)]
    pub version: Option<u64>,
}

/// One note that answers.
#[derive(Debug, PartialEq, Serialize)]
pub struct Hit {
    pub id: String,
    pub score: f64,
    pub snippet: String,
    pub tags: Vec<String>,
    pub remembered: u64,
}

/// What the index has of each word and tag that was asked for.
type Gathered<'a> = BTreeMap<&'a str, Vec<(Number, Posting)>>;

/// What a query asks for, as the index has it.
#[derive(Debug)]
pub struct Wanted {
    /// Each word with how often it was asked for.
    words: BTreeMap<String, u32>,
    /// All of these must be there.
    tags: BTreeSet<String>,
    limit: usize,
}

impl Wanted {
    /// Reads a query, without these words.
    ///
    /// # Errors
    ///
    /// `unprocessable` where nothing is left to look for, or too much.
    pub fn of(query: &Query, stop_words: &str) -> Result<Self, Error> {
        let stop: BTreeSet<_> = words(&composed(stop_words)).into_iter().map(|word| word.text).collect();
        let mut wanted = BTreeMap::new();
        for word in words(&composed(&query.query)).into_iter().filter(|word| !stop.contains(&word.text)) {
            *wanted.entry(word.text).or_insert(0) += 1;
        }
        if wanted.is_empty() {
            return Err(Error::unprocessable("`query` has no word in it to search for"));
        }
        if wanted.len() > WORDS_LIMIT {
            let message = format!("`query` has {} different words; {WORDS_LIMIT} are allowed", wanted.len());
            return Err(Error::unprocessable(message));
        }
        let tags = query.tags.iter().map(|tag| of_tag(tag)).collect();
        Ok(Self { words: wanted, tags, limit: query.limit as usize })
    }

    /// Whether a note has what was asked for, and which part of it shows that.
    fn shown_by(&self, note: &Kept) -> Option<String> {
        let tags: BTreeSet<_> = note.tags.iter().map(|tag| of_tag(tag)).collect();
        if !self.tags.is_subset(&tags) {
            return None;
        }
        snippet::of(&note.text, self.words.keys().map(String::as_str))
    }
}

/// Searches.
///
/// # Errors
///
/// Those of storage, and `unreadable-value` where someone else wrote to the buckets of this agent.
pub fn search(wanted: &Wanted) -> Result<Found, Error> {
    let mut found = Found { results: Vec::new(), good_for_ms: None, version: None };
    for _ in 0..LOOKS {
        let Some((corpus_now, version)) = corpus()? else {
            return Ok(Found { results: Vec::new(), good_for_ms: None, version: None });
        };
        found = collect(wanted, &ranked(wanted, corpus_now)?)?;
        if corpus()?.map(|(_, version)| version) == Some(version) {
            return Ok(Found { version: Some(version), ..found });
        }
    }
    Ok(found)
}

/// The notes that have any of the words and all of the tags, the best first.
fn ranked(wanted: &Wanted, corpus: Corpus) -> Result<Vec<(Number, f64)>, Error> {
    let index = gather(wanted)?;
    let mut scores: BTreeMap<Number, f64> = BTreeMap::new();
    for (word, asked) in &wanted.words {
        let Some(postings) = index.get(word.as_str()) else { continue };
        let weight = corpus.weight(postings.len()) * f64::from(*asked);
        for (number, posting) in postings {
            *scores.entry(*number).or_default() += corpus.score(weight, posting.times, posting.length);
        }
    }
    for tag in &wanted.tags {
        let tagged: BTreeSet<_> = index.get(tag.as_str()).into_iter().flatten().map(|(number, _)| *number).collect();
        scores.retain(|number, _| tagged.contains(number));
    }
    let mut ranked: Vec<_> = scores.into_iter().collect();
    ranked.sort_by(|(one, better), (other, score)| score.total_cmp(better).then(one.cmp(other)));
    Ok(ranked)
}

/// Reads the groups of these words and tags, page after page.
fn gather(wanted: &Wanted) -> Result<Gathered<'_>, Error> {
    let mut index: Gathered<'_> =
        wanted.words.keys().chain(&wanted.tags).map(|term| (term.as_str(), Vec::new())).collect();
    let groups: BTreeSet<u8> = index.keys().map(|term| layout::group_of(term)).collect();
    for group in groups {
        for entry in scan(INDEX, Selection::prefix(layout::blocks_of(group)).with_values()) {
            let entry = entry?;
            let ours = Block::of_key(&entry.key).and_then(|block| {
                read(&entry.value, |term, posting| {
                    if let Some(postings) = index.get_mut(term) {
                        postings.push((block.number(posting.slot), posting));
                    }
                })
            });
            ours.ok_or_else(|| entry.unreadable("one of recall's"))?;
        }
    }
    Ok(index)
}

/// The best of these notes that are there and have what was asked for, as many as were asked for.
fn collect(wanted: &Wanted, ranked: &[(Number, f64)]) -> Result<Found, Error> {
    let mut found = Found { results: Vec::new(), good_for_ms: None, version: None };
    for some in ranked.chunks(wanted.limit.max(1)) {
        let numbers: Vec<_> = some.iter().map(|(number, _)| layout::number(*number)).collect();
        let named = get_many(&numbers)?.into_iter().zip(some);
        let named: Vec<_> =
            named.filter_map(|(id, (_, score))| Some((String::from_utf8(id?.value).ok()?, *score))).collect();
        let places: Vec<_> = named.iter().map(|(id, _)| layout::note(id)).collect();
        for ((id, score), entry) in named.into_iter().zip(get_many(&places)?) {
            let Some(entry) = entry else { continue };
            if let Some(hit) = hit(wanted, id, score, &entry)? {
                found.good_for_ms = found.good_for_ms.into_iter().chain(entry.ttl_ms).min();
                found.results.push(hit);
                if found.results.len() >= wanted.limit {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

fn hit(wanted: &Wanted, id: String, score: f64, entry: &Entry) -> Result<Option<Hit>, Error> {
    let note: Kept = entry.json()?;
    let snippet = wanted.shown_by(&note);
    Ok(snippet.map(|snippet| Hit { id, score: rounded(score), snippet, tags: note.tags, remembered: note.remembered }))
}
