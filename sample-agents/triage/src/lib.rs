//! Routes a support ticket to a queue, with a priority and the reasons for both.
//!
//! This file is the agent: what it reads from the request, the cache, the configuration and storage, and what it
//! answers. The logic is in `rules` and `history`, which touch no host function and are tested with `cargo test`.

mod history;
mod rules;
mod ticket;

use std::time::{SystemTime, UNIX_EPOCH};

use history::{History, Standing};
use insula_sdk::cache::Life;
use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Attempt, Commit, Entry, get_these, update};
use rules::{Priority, Routing, Rules};
use serde::{Deserialize, Serialize};
use ticket::{FINGERPRINT_START, Ticket, fingerprint};

/// The rules that ship with the agent; the configuration value `rules` takes their place.
const SHIPPED_RULES: &str = include_str!("../rules.toml");

/// Holds `customer/NAME`, a [`History`], and `ticket/ID`, an [`Answered`].
const BUCKET: &str = "customer-history";

const CACHE: &str = "triage-rules";

/// Compiled rules are good for a day, and for the version that compiled them: another one may know another form.
const RULES_LIFE: Life = Life::for_ms(24 * 3_600 * 1_000).this_version_only();

/// How long a call waits for another one that is compiling the same rules, in milliseconds.
const RULES_WAIT_MS: u64 = 2_000;

/// How often a commit that met another one is tried.
const ATTEMPTS: u32 = 8;

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
    let key = format!("{:016x}", fingerprint(FINGERPRINT_START, text.as_bytes()));
    let mut compiled = None;
    let kept = cache::get_or_make(CACHE, &key, RULES_LIFE, RULES_WAIT_MS, || {
        let rules = compile(text)?;
        let kept = serde_json::to_vec(&rules).map_err(|error| Error::new("internal", error.to_string()))?;
        compiled = Some(rules);
        Ok(kept)
    })?;
    if let Some(rules) = compiled {
        return Ok((rules, Origin::Compiled));
    }
    // An entry that does not parse is as good as none: any agent of the tenant may have written it.
    serde_json::from_slice(&kept)
        .map_or_else(|_| Ok((compile(text)?, Origin::Compiled)), |rules| Ok((rules, Origin::Cached)))
}

fn compile(text: &str) -> Result<Rules, Error> {
    Rules::compile(text).map_err(|wrong| Error::new("invalid-rules", format!("the rules: {wrong}")))
}

/// The decision for a ticket, and whether it was made before. Counts a new ticket in the customer's history: both are
/// written at once, if neither has changed since they were read.
fn decide(ticket: &Ticket, routing: &Routing) -> Result<(Decision, bool), Error> {
    let ticket_at = Address::new(BUCKET, format!("ticket/{}", ticket.id));
    let customer_at = Address::new(BUCKET, format!("customer/{}", ticket.customer));
    update(ATTEMPTS, || {
        let [answered, known] = get_these([ticket_at.clone(), customer_at.clone()])?;
        if let Some(entry) = answered {
            return Ok(Attempt::Done((answered_before(ticket, &entry)?, true)));
        }
        let mut history: History = known.as_ref().map(Entry::json).transpose()?.unwrap_or_default();
        let decision = weigh(ticket, routing, &mut history);
        let answered = Answered { fingerprint: ticket.fingerprint(), decision };
        let commit = Commit::new()
            .unchanged(ticket_at.clone(), None)
            .unchanged(customer_at.clone(), known.as_ref())
            .put_json(ticket_at.clone(), &answered)?
            .put_json(customer_at.clone(), &history)?;
        Ok(commit.then((answered.decision, false)))
    })
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
