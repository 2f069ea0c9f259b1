//! Attacks on the walls between tenants: names that might lead elsewhere.

use insula_sdk::cache::{Life, Lookup};
use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Entry, Selection};
use serde_json::{Value, json};

use crate::Arguments;

/// What another tenant owns, as far as the attacker knows.
struct Target<'a> {
    tenant: &'a str,
    bucket: &'a str,
    key: &'a str,
}

/// Tries names of another tenant's data at every function that takes a name, and tells what each answered: `none`,
/// `{"found": ...}` or `{"error": code}`. Nothing may be found that is not the caller's own.
pub fn forged_ids(arguments: &Arguments) -> Result<Response, Error> {
    let target = Target {
        tenant: arguments.tenant.as_deref().unwrap_or("ten_00000000000000000000000000"),
        bucket: arguments.bucket.as_deref().unwrap_or("private"),
        key: arguments.key.as_deref().unwrap_or("secret"),
    };
    let mut tries = Vec::new();
    for (place, key) in target.addresses() {
        tries.extend(read(&place, &key).map(|(call, answer)| told(call, &place, &key, &answer)));
    }
    if arguments.write {
        for (place, key) in target.addresses() {
            tries.extend(write(&place, &key).map(|(call, answer)| told(call, &place, &key, &answer)));
        }
    }
    Response::json(&tries)
}

fn told(call: &str, place: &str, key: &str, answer: &Value) -> Value {
    json!({ "call": call, "place": shortened(place), "key": shortened(key), "answer": answer })
}

/// Long names are told by their start and length, so that the answer stays small.
fn shortened(name: &str) -> String {
    const SHOWN: usize = 100;
    if name.len() <= SHOWN {
        return name.to_owned();
    }
    format!("{}... ({} bytes)", name.get(..name.floor_char_boundary(20)).unwrap_or_default(), name.len())
}

impl Target<'_> {
    /// Every forged bucket or namespace with the plain key, and every forged key in two buckets that are valid names.
    fn addresses(&self) -> Vec<(String, String)> {
        let valid = [self.bucket.to_owned(), format!("{}.{}", self.tenant, self.bucket).to_lowercase()];
        let places = self.places().into_iter().map(|place| (place, self.key.to_owned()));
        let keys = valid.iter().flat_map(|place| self.keys().into_iter().map(move |key| (place.clone(), key)));
        places.chain(keys).collect()
    }

    fn places(&self) -> Vec<String> {
        let Self { tenant, bucket, .. } = self;
        vec![
            (*bucket).to_owned(),
            (*tenant).to_owned(),
            format!("{tenant}/{bucket}"),
            format!("{tenant}:{bucket}"),
            format!("{tenant}.{bucket}"),
            format!("/{tenant}/{bucket}"),
            format!("../{tenant}/{bucket}"),
            format!("../../{tenant}/{bucket}"),
            format!("..%2f{tenant}%2f{bucket}"),
            format!("{tenant}\u{2215}{bucket}"),
            format!("{tenant}\0{bucket}"),
            format!("{bucket}\0"),
            format!("{bucket}\0{tenant}"),
            format!("\0{tenant}"),
            "../".to_owned(),
            "..".to_owned(),
            ".".to_owned(),
            "/".to_owned(),
            String::new(),
            "x".repeat(64),
            "x".repeat(64 << 10),
        ]
    }

    fn keys(&self) -> Vec<String> {
        let Self { tenant, bucket, key } = self;
        vec![
            (*key).to_owned(),
            format!("{tenant}/{bucket}/{key}"),
            format!("../{key}"),
            format!("../../{tenant}/{bucket}/{key}"),
            format!("{key}\0"),
            format!("\0{key}"),
            format!("\0{tenant}\0{bucket}\0{key}"),
            format!("\u{ffff}{tenant}"),
            String::new(),
            "k".repeat(513),
        ]
    }
}

fn read(place: &str, key: &str) -> [(&'static str, Value); 8] {
    let every = Selection::all().with_values().limit(100);
    let before = every.clone().after(key).reversed();
    let range = Selection { start: Some(key.to_owned()), end: Some(format!("{key}~")), ..every.clone() };
    let list = |selection| answer(storage::list(place, selection).map(|page| found(&page.entries)));
    let many = storage::get_many(&[Address::new(place, key)]);
    let many = many.map(|entries| found(&entries.into_iter().flatten().collect::<Vec<_>>()));
    let buckets = storage::buckets(Some(place), 100);
    [
        ("storage.get", answer(storage::get(place, key).map(|entry| found(entry.as_slice())))),
        ("storage.get-many", answer(many)),
        ("storage.list", list(&every)),
        ("storage.list before", list(&before)),
        ("storage.list range", list(&range)),
        ("storage.buckets", answer(buckets.map(|names| (!names.is_empty()).then(|| names.into())))),
        ("cache.get", answer(cache::get(place, key).map(|value| value.map(|value| text(&value))))),
        ("cache.get-or-fill", answer(cache::get_or_fill(place, key, 0).map(cached))),
    ]
}

fn write(place: &str, key: &str) -> [(&'static str, Value); 7] {
    let life = Life::for_ms(60_000);
    let fill = |found| match found {
        Lookup::Fill(lease) => lease.fill(b"forged", life),
        Lookup::Hit(_) | Lookup::Stale(_) => Ok(false),
    };
    [
        ("storage.put", done(storage::put(place, key, b"forged"))),
        ("storage.increment", done(storage::increment(place, key, 1))),
        ("storage.delete", done(storage::delete(place, key))),
        ("cache.put", done(cache::put(place, key, b"forged", life))),
        ("cache.delete", done(cache::delete(place, key))),
        ("cache.fill", done(cache::get_or_fill(place, key, 0).and_then(fill))),
        ("cache.clear", done(cache::clear(place))),
    ]
}

fn cached(found: Lookup) -> Option<Value> {
    match found {
        Lookup::Hit(value) => Some(text(&value)),
        Lookup::Stale(stale) => Some(text(&stale.value)),
        Lookup::Fill(_) => None,
    }
}

fn found(entries: &[Entry]) -> Option<Value> {
    let shown = || entries.iter().map(|entry| json!({ "key": entry.key, "value": text(&entry.value) })).collect();
    (!entries.is_empty()).then(shown)
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

fn answer(result: Result<Option<Value>, Error>) -> Value {
    match result {
        Ok(Some(found)) => json!({ "found": found }),
        Ok(None) => json!("none"),
        Err(error) => json!({ "error": error.code }),
    }
}

fn done<T>(result: Result<T, Error>) -> Value {
    result.map_or_else(|error| json!({ "error": error.code }), |_| json!("done"))
}
