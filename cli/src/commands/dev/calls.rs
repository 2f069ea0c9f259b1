//! One line for each call, as it is answered: who, what came of it, and what it took.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use insula_runtime::tenancy::{TenantId, VersionId};
use insula_runtime::{HostCall, HostCalls};
use insula_server::{Observed, Observer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::client::Problem;
use crate::outcome;
use crate::terminal::{self, Terminal, bad, bold, dim, good, warn};
use crate::trouble::Trouble;

/// Calls that may wait to be shown. Beyond, they are counted.
const WAITING: usize = 1_024;
/// Versions whose components are kept, for the source lines of what fails in them.
const VERSIONS: usize = 32;

/// What is known of a version that was deployed here.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) number: u64,
    /// Where it may have debug information of the author's own code.
    pub(super) component: Option<Arc<[u8]>>,
    pub(super) folder: PathBuf,
    /// Built for a reload: it takes more fuel than in production.
    pub(super) is_quick: bool,
}

/// The versions that were deployed, the newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions(Arc<Mutex<VecDeque<(VersionId, Known)>>>);

impl Versions {
    pub(super) fn add(&self, id: VersionId, known: Known) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.push_back((id, known));
        if versions.len() > VERSIONS {
            versions.pop_front();
        }
    }

    fn get(&self, id: VersionId) -> Option<Known> {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.iter().rev().find(|(known, _)| *known == id).map(|(_, known)| known.clone())
    }
}

/// How calls are shown.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Names of tenants, where there are several.
    pub(super) tenants: BTreeMap<TenantId, String>,
    /// The whole bill, and host calls by kind.
    pub(super) verbose: bool,
    pub(super) versions: Versions,
}

/// Shows every call that the observer sees, until the observer is gone.
pub(super) fn show(style: Style, terminal: &Terminal) -> (Observer, tokio::task::JoinHandle<()>) {
    let (seen, mut waiting) = mpsc::channel::<(u64, Observed)>(WAITING);
    let missed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&missed);
    let observer = Observer::new(move |observed| {
        // A terminal that takes nothing must not hold up who calls.
        if seen.try_send((now_us(), observed)).is_err() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let terminal = terminal.clone();
    let showing = tokio::spawn(async move {
        while let Some((at_us, observed)) = waiting.recv().await {
            style.show(at_us, &observed, &terminal);
            let missed = missed.swap(0, Ordering::Relaxed);
            if missed > 0 {
                terminal.note(warn(format_args!("  ({} came too fast to be shown)", terminal::plural(missed, "call"))));
            }
        }
    });
    (observer, showing)
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Operations on storage and on the cache.
fn operations(host_calls: HostCalls) -> (u64, u64) {
    let of = |room: &str| {
        let calls = host_calls.entries().filter(|(call, _)| HostCall::name(*call).starts_with(room));
        calls.map(|(_, count)| count).sum()
    };
    (of("storage."), of("cache."))
}

impl Style {
    fn show(&self, at_us: u64, call: &Observed, terminal: &Terminal) {
        let known = call.ran.and_then(|(_, version)| self.versions.get(version));
        let trouble = call.diagnosis.as_deref().map(Trouble::from).unwrap_or_default();
        let trouble = match &known {
            Some(Known { component: Some(component), folder, .. }) => trouble.located(component, Some(folder)),
            _ => trouble,
        };
        if terminal.is_json() {
            terminal.event(&event(call, known.as_ref(), &trouble));
            return;
        }
        terminal.note(self.line(at_us, call, known.as_ref()));
        terminal.note_all(&failure(call, trouble));
        if self.verbose {
            let kinds = call.host_calls.entries().map(|(kind, count)| (kind.name(), terminal::count(count)));
            terminal.note_all(&outcome::bill_lines(&call.bill));
            terminal.note_all(&terminal::facts(kinds));
        }
    }

    fn line(&self, at_us: u64, call: &Observed, known: Option<&Known>) -> String {
        let status = match call.status {
            200..400 => good(call.status).to_string(),
            400..500 => warn(call.status).to_string(),
            _ => bad(call.status).to_string(),
        };
        let agent = match self.tenants.get(&call.tenant) {
            Some(tenant) => format!("{tenant}/{}", call.agent),
            None => call.agent.to_string(),
        };
        let version = known.map_or_else(String::new, |known| format!("v{}", known.number));
        let bill = &call.bill;
        let mut line = format!(
            "  {} {status} {} {} {:>9}  {} {:>12}  {} {:>9}",
            dim(terminal::clock(at_us)),
            bold(format_args!("{agent:<12}")),
            dim(format_args!("{version:<4}")),
            terminal::duration_us(bill.wall_us),
            dim("fuel"),
            terminal::count(bill.fuel),
            dim("memory"),
            terminal::bytes(bill.peak_memory),
        );
        let (storage, cache) = operations(call.host_calls);
        for (name, count) in [("storage", storage), ("cache", cache)] {
            if count > 0 {
                line = format!("{line}  {} {}", dim(name), terminal::count(count));
            }
        }
        if known.is_some_and(|known| known.is_quick) {
            line = format!("{line}  {}", dim("quick build"));
        }
        line
    }
}

/// What a failure or a refusal was, where, and what to do.
fn failure(call: &Observed, trouble: Trouble) -> Vec<String> {
    let Some((code, detail)) = &call.problem else { return Vec::new() };
    let word = call.agent_code.as_ref().map_or_else(|| (*code).to_owned(), |own| format!("{code}, {own}"));
    let mut lines = vec![format!("      {} {}", bad(terminal::plain(&word)), terminal::plain(detail))];
    let stack = trouble.stack_lines();
    lines.extend(stack.iter().map(|line| format!("      {}", terminal::plain(line))));
    lines.extend(trouble.budget_line().map(|line| format!("      {}", dim(line))));
    if call.agent_code.is_none() {
        let problem = Problem { code: (*code).to_owned(), ..Problem::default() };
        lines.extend(problem.advice().map(|advice| format!("      {} {advice}", dim("try:"))));
    }
    lines
}

fn event(call: &Observed, known: Option<&Known>, trouble: &Trouble) -> serde_json::Value {
    let (storage, cache) = operations(call.host_calls);
    let kinds: BTreeMap<_, _> = call.host_calls.entries().map(|(kind, count)| (kind.name(), count)).collect();
    json!({
        "event": "call",
        "tenant": call.tenant,
        "agent": call.agent,
        "number": known.map(|known| known.number),
        "quick": known.is_some_and(|known| known.is_quick),
        "version": call.ran.map(|(_, version)| version),
        "invocation": call.ran.map(|(invocation, _)| invocation),
        "status": call.status,
        "code": call.problem.as_ref().map(|(code, _)| code),
        "detail": call.problem.as_ref().map(|(_, detail)| detail),
        "agent-code": call.agent_code,
        "bill": call.bill,
        "storage-calls": storage,
        "cache-calls": cache,
        "host-calls": kinds,
        "stack": trouble.stack,
        "budget": trouble.budget,
    })
}

#[cfg(test)]
mod tests {
    use insula_runtime::Bill;
    use insula_runtime::tenancy::InvocationId;

    use super::*;

    fn observed() -> Observed {
        let mut host_calls = HostCalls::default();
        host_calls.add(HostCall::StorageGetMany, 2);
        Observed {
            tenant: TenantId::generate(),
            agent: "triage".parse().unwrap(),
            status: 200,
            problem: None,
            agent_code: None,
            ran: Some((InvocationId::generate(), VersionId::generate())),
            bill: Bill { fuel: 1_204_333, wall_us: 1_250, peak_memory: 1 << 20, ..Bill::default() },
            host_calls,
            diagnosis: None,
        }
    }

    fn style(call: &Observed) -> Style {
        let tenants = [(call.tenant, "acme".to_owned())].into();
        Style { tenants, verbose: false, versions: Versions::default() }
    }

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    #[test]
    fn a_call_is_one_line() {
        let call = observed();
        let mut known = Known { number: 3, component: None, folder: PathBuf::new(), is_quick: false };
        let line = style(&call).line(1_795_453_803_250_000, &call, Some(&known));
        let expected = "  17:10:03.250 200 acme/triage  v3      1.2 ms  fuel    1,204,333  memory     1 MiB  storage 2";
        assert_eq!(plain(&line), expected);
        known.is_quick = true;
        let line = style(&call).line(1_795_453_803_250_000, &call, Some(&known));
        assert_eq!(plain(&line), format!("{expected}  quick build"), "its fuel is not production's");
    }

    #[test]
    fn a_failure_says_what_it_was_and_what_to_do() {
        let problem = Some(("fuel-exhausted", "the call used up its 5 units of fuel".to_owned()));
        let call = Observed { status: 508, problem, ..observed() };
        let lines: Vec<_> = failure(&call, Trouble::default()).iter().map(|line| plain(line)).collect();
        assert_eq!(lines[0], "      fuel-exhausted the call used up its 5 units of fuel");
        assert!(lines[1].starts_with("      try: "), "{lines:?}");
        let own = Observed { agent_code: Some("no-ticket".to_owned()), ..call };
        assert_eq!(failure(&own, Trouble::default()).len(), 1, "the agent chose it: there is nothing to advise");
    }

    #[test]
    fn only_the_newest_versions_are_kept() {
        let (versions, ids) = (Versions::default(), [(); VERSIONS + 1].map(|()| VersionId::generate()));
        for id in ids {
            versions.add(id, Known { number: 1, component: None, folder: PathBuf::new(), is_quick: false });
        }
        assert!(versions.get(ids[0]).is_none() && versions.get(ids[VERSIONS]).is_some());
    }
}
