//! Greets visitors, counts their visits, and knows the regulars.
//!
//! Every call runs in a fresh instance: what should outlive it goes to storage (durable, on disk) or to the cache (fast,
//! and may forget anything at any time).

use insula_sdk::cache::Life;
use insula_sdk::prelude::*;
use insula_sdk::storage::Selection;
use serde::{Deserialize, Serialize};

/// Durable: every visitor by name.
const VISITORS: Bucket<Visitor> = Bucket::new("visitors");

/// In memory: fresh for ten seconds, and for a minute more good enough to answer with while one call makes a new one.
const REGULARS: Cache<Vec<String>> =
    Cache::new("regulars", Life::for_ms(10_000).stale_for(60_000).this_version_only());

/// So many visits make a regular.
const OFTEN: u64 = 3;

#[derive(Debug, Deserialize)]
struct Visit {
    name: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Visitor {
    visits: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Welcome {
    greeting: String,
    visits: u64,
    regulars: Vec<String>,
}

struct Greeter;

impl Agent for Greeter {
    fn invoke(request: Request) -> Result<Response, Error> {
        let visit: Visit = request.json()?;
        let name = visit.name.trim();
        if name.is_empty() {
            return Err(Error::bad_request("`name` is empty: send {\"name\": \"Ada\"}"));
        }
        // Read, changed and written as one, whoever else visits at the same time.
        let visitor = VISITORS.update(name, |known| {
            let visits = known.unwrap_or_default().visits + 1;
            Ok(Some(Visitor { visits }))
        })?;
        let visits = visitor.map_or(0, |visitor| visitor.visits);
        let regulars = REGULARS.get_or_make("all", find_regulars)?;
        let greeting = config::get("greeting").unwrap_or_else(|| "Hello".to_owned());
        log::info!("visit {visits} of {name}, {} fuel left", usage::remaining("fuel"));
        Response::json(&Welcome { greeting: format!("{greeting}, {name}!"), visits, regulars })
    }
}

insula_sdk::export!(Greeter);

/// Looks at every visitor, which is why the answer is cached.
fn find_regulars() -> Result<Vec<String>, Error> {
    let mut regulars = Vec::new();
    for visitor in VISITORS.scan(Selection::all()) {
        let (name, visitor) = visitor?;
        if visitor.visits >= OFTEN {
            regulars.push(name);
        }
    }
    Ok(regulars)
}

#[cfg(test)]
mod tests {
    use insula_sdk::testing;

    use super::*;

    fn visit(name: &str) -> Result<Welcome, Error> {
        let body = serde_json::json!({ "name": name });
        Greeter::invoke(Request::of_json(&body)?)?.body_json()
    }

    #[test]
    fn visits_are_counted_for_each_visitor() {
        testing::configure("greeting", "Salve");
        visit("Ada").unwrap();
        visit("Grace").unwrap();
        let welcome = visit("Ada").unwrap();
        assert_eq!((welcome.greeting.as_str(), welcome.visits), ("Salve, Ada!", 2));
    }

    #[test]
    fn a_regular_is_known_once_the_cache_is_past_its_freshness() {
        for _ in 0..OFTEN {
            assert_eq!(visit("Ada").unwrap().regulars, Vec::<String>::new());
        }
        testing::advance(10_000);
        assert_eq!(visit("Grace").unwrap().regulars, ["Ada"]);
    }

    #[test]
    fn a_visitor_without_a_name_is_told_so() {
        assert_eq!(visit(" ").unwrap_err().code, "bad-request");
    }
}
