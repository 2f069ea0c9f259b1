//! Routes a support ticket to a queue, with a priority and the reasons for both.
//!
//! This file is the agent: what it reads from the request, the cache, the configuration and storage, and what it
//! answers. The logic is in `rules` and `history`, which touch no host function and are tested with `cargo test`.

mod history;
mod rules;
mod ticket;

use std::time::{SystemTime, UNIX_EPOCH};

use history::{History, Standing};
use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Entry, Precondition, Write};
use rules::{Priority, Routing, Rules};
use serde::{Deserialize, Serialize};
use ticket::{FINGERPRINT_START, Ticket, fingerprint};

/// The rules that ship with the agent; the configuration value `rules` takes their place.
const SHIPPED_RULES: &str = include_str!("../rules.toml");

/// Holds `customer/NAME`, a [`History`], and `ticket/ID`, an [`Answered`].
const BUCKET: &str = "customer-history";

const CACHE: &str = "triage-rules";

/// The form of compiled rules; a new form gets a new number, so that two versions of this agent do not share an entry.
const CACHE_FORM: &str = "1";

const CACHE_TTL_MS: u64 = 24 * 3_600 * 1_000;

/// How often a commit that met another one is tried.
const ATTEMPTS: usize = 8;

/// The answer to a ticket, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Decision {
    ticket: String,
    queue: String,
    priority: Priority,
    score: u32,
    reasons: Vec<String>,
    customer: Standing,
}

/// The answer to a ticket, with what was true of this call only.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    decision: &'a Decision,
    rules: Origin,
}

/// How this call came by its rules.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    Compiled,
    Cached,
}

/// What storage keeps of a ticket, so that the same one again is not counted twice.
#[derive(Serialize, Deserialize)]
struct Answered {
    fingerprint: u64,
    decision: Decision,
}

struct Triage;

impl Agent for Triage {
    fn invoke(request: Request) -> Result<Response, Error> {
        let ticket: Ticket = request.json()?;
        ticket.check().map_err(Error::bad_request)?;
        let (rules, origin) = load_rules()?;
        let (decision, again) = decide(&ticket, &rules.route(&ticket))?;
        let Decision { queue, priority, score, .. } = &decision;
        let again = if again { " (again)" } else { "" };
        log::info!("ticket {} of {}: {queue}, {priority}, score {score}{again}", ticket.id, ticket.customer);
        Response::json(&Answer { decision: &decision, rules: origin })
    }
}

insula_sdk::export!(Triage);

/// Compiled rules from the cache, or from their text.
fn load_rules() -> Result<(Rules, Origin), Error> {
    let configured = config::get("rules");
    let text = configured.as_deref().unwrap_or(SHIPPED_RULES);
    let key = format!("{CACHE_FORM}-{:016x}", fingerprint(FINGERPRINT_START, text.as_bytes()));
    // An entry that does not parse is as good as none: any agent of the tenant may have written it.
    let cached = cache::get(CACHE, &key)?.and_then(|kept| serde_json::from_slice(&kept).ok());
    if let Some(rules) = cached {
        return Ok((rules, Origin::Cached));
    }
    let rules = Rules::compile(text).map_err(|wrong| Error::new("invalid-rules", format!("the rules: {wrong}")))?;
    keep_rules(&key, &rules);
    Ok((rules, Origin::Compiled))
}

/// A cache that does not take them costs time, not the answer.
fn keep_rules(key: &str, rules: &Rules) {
    let kept = serde_json::to_vec(rules).map_err(|error| error.to_string());
    let put = |kept: Vec<u8>| cache::put(CACHE, key, &kept, CACHE_TTL_MS).map_err(|error| error.message);
    if let Err(reason) = kept.and_then(put) {
        log::warn!("compiled rules were not cached: {reason}");
    }
}

/// The decision for a ticket, and whether it was made before. Counts a new ticket in the customer's history: both are
/// written at once, if neither has changed since they were read.
fn decide(ticket: &Ticket, routing: &Routing) -> Result<(Decision, bool), Error> {
    let ticket_key = format!("ticket/{}", ticket.id);
    let customer_key = format!("customer/{}", ticket.customer);
    for _ in 0..ATTEMPTS {
        let read = storage::get_many(BUCKET, &[ticket_key.clone(), customer_key.clone()])?;
        if let Some(entry) = find(&read, &ticket_key) {
            return Ok((answered_before(ticket, entry)?, true));
        }
        let known = find(&read, &customer_key);
        let mut history: History = known.map(Entry::json).transpose()?.unwrap_or_default();
        let decision = weigh(ticket, routing, &mut history);
        let answered = Answered { fingerprint: ticket.fingerprint(), decision };
        let (ticket_at, customer_at) = (Address::new(BUCKET, &ticket_key), Address::new(BUCKET, &customer_key));
        let writes =
            [Write::put(ticket_at.clone(), json(&answered)?), Write::put(customer_at.clone(), json(&history)?)];
        let unchanged = [
            Precondition::unchanged(ticket_at, None),
            Precondition::unchanged(customer_at, known.map(|entry| entry.version)),
        ];
        match storage::commit(&unchanged, &writes) {
            Ok(_) => return Ok((answered.decision, false)),
            Err(error) if error.code == "conflict" => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict(format!("customer {} has too many tickets at once; send it again", ticket.customer)).after(100))
}

fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key == key)
}

fn answered_before(ticket: &Ticket, entry: &Entry) -> Result<Decision, Error> {
    let answered: Answered = entry.json()?;
    if answered.fingerprint != ticket.fingerprint() {
        return Err(Error::conflict(format!("ticket {} was answered before, and said something else then", ticket.id)));
    }
    Ok(answered.decision)
}

fn weigh(ticket: &Ticket, routing: &Routing, history: &mut History) -> Decision {
    let received = ticket.received.map_or_else(now, |moment| moment.0);
    let mut routing = routing.clone();
    let customer = history.add(ticket, received, &mut routing);
    let Routing { queue, priority, score, reasons } = routing;
    Decision { ticket: ticket.id.clone(), queue, priority, score, reasons, customer }
}

/// Seconds since 1970. A clock before that counts as 0.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::new("internal", format!("a record has no JSON form: {error}")))
}
