//! An agent's long-term memory: notes that are remembered, searched by relevance, and forgotten without a trace.
//!
//! This file is the agent: what it takes and answers, and how answers to searches are cached. `memory` and `search` are
//! what it does with storage, `layout` where it keeps what; `words`, `bm25`, `postings` and `snippet` touch no host
//! function. All of it is tested with `cargo test`, storage included.

mod ask;
mod bm25;
mod layout;
mod memory;
mod postings;
mod search;
mod snippet;
mod words;

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use ask::{Ask, Listing, Named, Note, Query};
use insula_sdk::cache::{Life, Lookup, StaleValue};
use insula_sdk::prelude::*;
use insula_sdk::storage::Selection;
use layout::{Kept, NOTES};
use search::{Found, Wanted};
use serde_json::{Value, json};

/// Answers to searches, each under the version of the memory that it is true of: the version changes with every note, and
/// no search asks for an older one. So what was forgotten is not found in the cache either.
const CACHE: &str = "recall-searches";

/// How long an answer may be kept, in milliseconds.
const CACHED_MS: u64 = 5 * 60_000;

/// How long a search waits for another one that looks for the same, in milliseconds.
const WAIT_MS: u64 = 2_000;

/// The longest key of the cache, in bytes. A query that does not fit is not cached.
const CACHE_KEY_LIMIT: usize = 512;

struct Recall;

impl Agent for Recall {
    fn invoke(request: Request) -> Result<Response, Error> {
        match Ask::read(&request.body)? {
            Ask::Remember(note) => remember(&note),
            Ask::Search(query) => search_cached(&query),
            Ask::Forget(named) => forget(&named),
            Ask::Get(named) => get(&named),
            Ask::List(listing) => list(&listing),
            Ask::Stats(_) => stats(),
        }
    }
}

insula_sdk::export!(Recall);

fn remember(note: &Note) -> Result<Response, Error> {
    tidy_up();
    let remembered = memory::remember(note, now())?;
    if remembered.replaced {
        forget_answers();
    }
    log::info!("remembered {} ({} words)", remembered.id, remembered.words);
    Response::json(&remembered)
}

fn forget(named: &Named) -> Result<Response, Error> {
    tidy_up();
    let there = memory::forget(&named.id)?;
    // Also where there was none: a forget that was cut short before this line may have been sent again.
    forget_answers();
    if !there {
        return Err(absent(&named.id));
    }
    log::info!("forgot {}", named.id);
    Response::json(&json!({ "id": named.id, "forgotten": true }))
}

fn get(named: &Named) -> Result<Response, Error> {
    let entry = storage::get(NOTES, &named.id)?.ok_or_else(|| absent(&named.id))?;
    let Kept { text, tags, remembered } = entry.json()?;
    let note = json!({ "id": named.id, "text": text, "tags": tags, "remembered": remembered, "ttl-ms": entry.ttl_ms });
    Response::json(&note)
}

/// Notes in the order of their ids, with the beginning of each.
fn list(listing: &Listing) -> Result<Response, Error> {
    let mut selection = Selection::all().with_values().limit(listing.limit);
    selection.after.clone_from(&listing.after);
    let page = storage::list(NOTES, &selection)?;
    let note = |entry: &storage::Entry| {
        let Kept { text, tags, remembered } = entry.json()?;
        let snippet = snippet::beginning(&text);
        Ok(
            json!({ "id": entry.key, "snippet": snippet, "tags": tags, "remembered": remembered, "ttl-ms": entry.ttl_ms }),
        )
    };
    let notes = page.entries.iter().map(note).collect::<Result<Vec<Value>, Error>>()?;
    Response::json(&json!({ "notes": notes, "next": page.next }))
}

fn stats() -> Result<Response, Error> {
    tidy_up();
    let corpus = memory::corpus()?.map_or(bm25::Corpus { notes: 0, words: 0 }, |(corpus, _)| corpus);
    let average = (corpus.average() * 100.0).round() / 100.0;
    Response::json(&json!({ "notes": corpus.notes, "words": corpus.words, "average-words": average }))
}

/// A search, from the cache where the memory has not changed since.
fn search_cached(query: &Query) -> Result<Response, Error> {
    let wanted = Wanted::of(query, &config::get("stop-words").unwrap_or_default())?;
    let Some((_, version)) = memory::corpus()? else { return answer(&search::search(&wanted)?) };
    let asked = serde_json::to_string(&(query, config::get("stop-words")))
        .map_err(|error| Error::new("internal", format!("a query has no JSON form: {error}")))?;
    let key = format!("{version}/{asked}");
    if key.len() > CACHE_KEY_LIMIT {
        return answer(&search::search(&wanted)?);
    }
    let lease = match cache::get_or_fill(CACHE, &key, WAIT_MS) {
        Ok(Lookup::Hit(body) | Lookup::Stale(StaleValue { value: body, .. })) => {
            return Ok(Response::bytes("application/json", body).with_metadata("cache", "hit"));
        }
        Ok(Lookup::Fill(lease)) => Some(lease),
        // The cache is busy: this search goes without it.
        Err(_) => None,
    };
    let found = search::search(&wanted)?;
    let response = answer(&found)?;
    // Only what is true of the version that it is kept under, and only for as long.
    if let Some(lease) = lease.filter(|_| found.version == Some(version)) {
        let ms = found.good_for_ms.map_or(CACHED_MS, |ms| ms.clamp(1, CACHED_MS));
        if let Err(error) = lease.fill(&response.body, Life::for_ms(ms).this_version_only()) {
            log::warn!("an answer was not cached: {}", error.message);
        }
    }
    Ok(response)
}

fn answer(found: &Found) -> Result<Response, Error> {
    Ok(Response::json(found)?.with_metadata("cache", "miss"))
}

/// Answers that nobody can ask for any more may still hold the words of a note that is to be forgotten.
fn forget_answers() {
    if let Err(error) = cache::clear(CACHE) {
        log::warn!("old answers were not cleared: {}", error.message);
    }
}

/// Takes notes out of the index whose life is over. What it does not manage, the next request does.
fn tidy_up() {
    if let Err(error) = memory::sweep(now()) {
        log::warn!("notes whose life is over are still in the index: {}", error.message);
    }
}

fn absent(id: &str) -> Error {
    Error::not_found(format!("there is no note {id:?}"))
}

/// Milliseconds since 1970. A clock before that counts as 0.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
