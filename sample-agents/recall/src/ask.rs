//! What can be asked, what is accepted, and what a wrong request is told. Touches no host function.

use insula_sdk::Error;
use serde::{Deserialize, Serialize};

/// The longest id, in bytes.
const ID_LIMIT: usize = 128;

/// The longest text of a note, in bytes: a block of notes whose words are all in one group still fits into one value.
const TEXT_LIMIT: usize = 16 << 10;

const TAGS_LIMIT: usize = 16;

/// The longest tag, in bytes.
const TAG_LIMIT: usize = 64;

/// The longest query, in bytes.
const QUERY_LIMIT: usize = 1 << 10;

/// The most notes of one answer.
const PAGE_LIMIT: u32 = 50;

/// The longest life of a note, in milliseconds: ten years.
const TTL_LIMIT_MS: u64 = 315_360_000_000;

/// One request. An object with one of these as its only field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    Remember(Note),
    Search(Query),
    Forget(Named),
    Get(Named),
    List(Listing),
    Stats(Nothing),
}

/// A note to be kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Note {
    /// The same id again replaces the note. Made from the text where it is left out.
    pub id: Option<String>,
    pub text: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// The note is gone after so many milliseconds.
    pub ttl_ms: Option<u64>,
}

/// What is looked for. It is also, as JSON, the name of its answer in the cache.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Query {
    pub query: String,
    #[serde(default = "ten")]
    pub limit: u32,
    /// Only notes that have all of these.
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// The `next` of the page before.
    pub after: Option<String>,
    #[serde(default = "ten")]
    pub limit: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

fn ten() -> u32 {
    10
}

impl Ask {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// `bad-request`, with what was wrong and what it should be.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let ask: Self = serde_json::from_slice(body).map_err(|error| {
            let asks = "`remember`, `search`, `forget`, `get`, `list` or `stats`";
            Error::bad_request(format!("{error}; send a JSON object with {asks} as its only field"))
        })?;
        ask.check()?;
        Ok(ask)
    }

    /// Checks what JSON alone does not.
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Remember(note) => note.check(),
            Self::Search(query) => query.check(),
            Self::Forget(named) | Self::Get(named) => check_id("id", &named.id),
            Self::List(listing) => {
                check_limit(listing.limit)?;
                listing.after.as_ref().map_or(Ok(()), |after| check_id("after", after))
            }
            Self::Stats(_) => Ok(()),
        }
    }
}

impl Note {
    fn check(&self) -> Result<(), Error> {
        if let Some(id) = &self.id {
            check_id("id", id)?;
        }
        check_length("text", &self.text, TEXT_LIMIT)?;
        check_tags(&self.tags)?;
        match self.ttl_ms {
            Some(ms) if !(1..=TTL_LIMIT_MS).contains(&ms) => {
                Err(Error::bad_request(format!("`ttl-ms` is {ms}; 1 to {TTL_LIMIT_MS} are allowed")))
            }
            _ => Ok(()),
        }
    }
}

impl Query {
    fn check(&self) -> Result<(), Error> {
        check_length("query", &self.query, QUERY_LIMIT)?;
        check_limit(self.limit)?;
        check_tags(&self.tags)
    }
}

fn check_id(field: &str, id: &str) -> Result<(), Error> {
    check_length(field, id, ID_LIMIT)?;
    if id.chars().any(char::is_control) {
        return Err(Error::bad_request(format!("`{field}` has a control character in it")));
    }
    Ok(())
}

fn check_length(field: &str, text: &str, limit: usize) -> Result<(), Error> {
    if text.is_empty() || text.len() > limit {
        return Err(Error::bad_request(format!("`{field}` has {} bytes; 1 to {limit} are allowed", text.len())));
    }
    Ok(())
}

fn check_tags(tags: &[String]) -> Result<(), Error> {
    if tags.len() > TAGS_LIMIT {
        return Err(Error::bad_request(format!("there are {} `tags`; {TAGS_LIMIT} are allowed", tags.len())));
    }
    tags.iter().try_for_each(|tag| check_length("tags", tag, TAG_LIMIT))
}

fn check_limit(limit: u32) -> Result<(), Error> {
    if (1..=PAGE_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Error::bad_request(format!("`limit` is {limit}; 1 to {PAGE_LIMIT} are allowed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        Ask::read(text.as_bytes()).map(drop).map_err(|error| error.message)
    }

    #[test]
    fn every_request_of_the_readme_is_accepted() {
        for text in [
            r#"{"remember": {"text": "x"}}"#,
            r#"{"remember": {"id": "a", "text": "x", "tags": ["t"], "ttl-ms": 1000}}"#,
            r#"{"search": {"query": "x"}}"#,
            r#"{"search": {"query": "x", "limit": 50, "tags": ["t"]}}"#,
            r#"{"forget": {"id": "a"}}"#,
            r#"{"get": {"id": "a"}}"#,
            r#"{"list": {}}"#,
            r#"{"list": {"after": "a", "limit": 1}}"#,
            r#"{"stats": {}}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_wrong_request_is_told_the_field() {
        let long = |field: &str, bytes: usize| format!(r#"{{"remember": {{"{field}": "{}"}}}}"#, "x".repeat(bytes));
        for (text, says) in [
            ("[]".to_owned(), "remember"),
            (r#"{"remember": {"text": "x"}, "stats": {}}"#.to_owned(), "only field"),
            (r#"{"recall": {}}"#.to_owned(), "unknown variant"),
            (r#"{"remember": {"text": ""}}"#.to_owned(), "`text` has 0 bytes"),
            (long("text", TEXT_LIMIT + 1), "`text`"),
            (r#"{"remember": {"text": "x", "id": ""}}"#.to_owned(), "`id`"),
            (r#"{"remember": {"text": "x", "id": "a\nb"}}"#.to_owned(), "control character"),
            (r#"{"remember": {"text": "x", "ttl-ms": 0}}"#.to_owned(), "`ttl-ms`"),
            (r#"{"remember": {"text": "x", "ttl": 1}}"#.to_owned(), "unknown field"),
            (r#"{"remember": {"text": "x", "tags": [""]}}"#.to_owned(), "`tags`"),
            (r#"{"search": {"query": "x", "limit": 51}}"#.to_owned(), "`limit`"),
            (r#"{"search": {"query": ""}}"#.to_owned(), "`query`"),
            (r#"{"forget": {"id": ""}}"#.to_owned(), "`id`"),
        ] {
            let told = check(&text).unwrap_err();
            assert!(told.contains(says), "{told:?} for {text}");
        }
    }
}
