//! What is wrong with a case: with what was expected, and with what two tenants of one host must have in common.

use std::collections::BTreeSet;

use crate::log_lines::LogLine;
use crate::outcome::Outcome;
use crate::terminal;

use super::case::{Case, Sameness};
use super::expect::{diff, text_of};
use super::snapshot::Snapshots;
use super::stage::{Contents, Kept, Played};
use super::value::shown;

/// How a case went.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) about: Option<String>,
    pub(super) complaints: Vec<Complaint>,
    pub(super) calls: usize,
    /// Of all its calls in one tenant.
    pub(super) fuel: u64,
    pub(super) wall_us: u64,
    pub(super) log: Vec<LogLine>,
    /// Snapshots that were written.
    pub(super) written: usize,
}

/// One thing that is wrong, and lines that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) what: String,
    pub(super) lines: Vec<String>,
}

impl Complaint {
    fn new(what: impl Into<String>, lines: Vec<String>) -> Self {
        Self { what: what.into(), lines }
    }
}

/// Judges two runs of a case. `again` is what the first tenant had stored after the second one's run.
pub(super) fn judge(
    case: &Case,
    first: &Played,
    second: &Played,
    again: &Contents,
    snapshots: &Snapshots,
) -> anyhow::Result<Verdict> {
    let mut complaints = Vec::new();
    let mut written = 0;
    for (index, (ask, outcome)) in case.calls.iter().zip(&first.outcomes).enumerate() {
        let mut lines = ask.expect.differences(outcome);
        if ask.expect.snapshot {
            let compared = snapshots.compare(&case.name, index, outcome)?;
            written += usize::from(compared.written);
            lines.extend(compared.lines);
        }
        if !lines.is_empty() {
            let what = if case.calls.len() > 1 { format!("call {}", index + 1) } else { "the call".to_owned() };
            complaints.push(Complaint::new(what, lines));
        }
    }
    complaints.extend(stored(case, &first.contents));
    complaints.extend(touched(&first.contents, again));
    complaints.extend(differ(case.sameness, first, second));
    let bills = || first.outcomes.iter().filter_map(|outcome| outcome.bill);
    Ok(Verdict {
        name: case.name.clone(),
        about: case.about.clone(),
        complaints,
        calls: case.calls.len(),
        fuel: bills().map(|bill| bill.fuel).sum(),
        wall_us: bills().map(|bill| bill.wall_us).sum(),
        log: first.log.clone(),
        written,
    })
}

/// What is not stored as the case expects it.
fn stored(case: &Case, contents: &Contents) -> Option<Complaint> {
    let mut lines = Vec::new();
    for (bucket, wanted) in &case.after {
        let name = |key: &str| format!("{}/{}", bucket.as_str(), terminal::plain(key));
        for (key, value) in wanted {
            match contents.get(&(bucket.as_str().to_owned(), key.clone())) {
                None => lines.push(format!("{} is not there", name(key))),
                Some(kept) => lines.extend(
                    value.differences(&kept.value).into_iter().map(|difference| format!("{} {difference}", name(key))),
                ),
            }
        }
        let surplus =
            contents.iter().filter(|((in_bucket, key), _)| in_bucket == bucket.as_str() && !wanted.contains_key(key));
        lines.extend(surplus.map(|((_, key), kept)| format!("{} is not expected: {}", name(key), shown(&kept.value))));
    }
    (!lines.is_empty()).then(|| Complaint::new("storage afterwards", lines))
}

/// What became of a tenant's storage while another one ran the case: nothing may.
fn touched(before: &Contents, after: &Contents) -> Option<Complaint> {
    let lines = compared(before, after, |before, after| before == after);
    (!lines.is_empty())
        .then(|| Complaint::new("NOT ISOLATED: another tenant's run changed this tenant's storage", lines))
}

/// Where two tenants that began alike came to differ.
fn differ(sameness: Sameness, first: &Played, second: &Played) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if sameness == Sameness::Nothing {
        return complaints;
    }
    for (index, (one, other)) in first.outcomes.iter().zip(&second.outcomes).enumerate() {
        let number = index + 1;
        if kind(one) != kind(other) || body(one) != body(other) {
            let what = format!("call {number} was answered differently in two tenants that began alike");
            let mut lines = diff(&text_of(one), &text_of(other));
            if lines.is_empty() {
                lines.push(format!("{:?}, and {:?}", kind(one), kind(other)));
            }
            lines.push(
                "it tells the time: give the case a `clock`; it rolls dice: `deterministic = false`; else one saw the other's".to_owned(),
            );
            complaints.push(Complaint::new(what, lines));
        }
        let fuel = |outcome: &Outcome| outcome.bill.map_or(0, |bill| bill.fuel);
        if sameness == Sameness::Everything && fuel(one) != fuel(other) {
            let what = format!("call {number} cost two tenants that began alike different fuel");
            let costs = format!("{}, and {}", terminal::count(fuel(one)), terminal::count(fuel(other)));
            let hint = "a map in random order takes another number of steps each time: `deterministic = \"answers\"`";
            complaints.push(Complaint::new(what, vec![costs, hint.to_owned()]));
        }
    }
    let alike = |one: &Kept, other: &Kept| one.value == other.value && one.has_end == other.has_end;
    let lines = compared(&first.contents, &second.contents, alike);
    if !lines.is_empty() {
        complaints.push(Complaint::new("two tenants that began alike have stored different things", lines));
    }
    if sameness == Sameness::Everything && first.cache != second.cache {
        let shown = |[hits, stale, misses]: [u64; 3]| format!("{hits} hits, {stale} stale and {misses} misses");
        let line = format!("{}, and {}", shown(first.cache), shown(second.cache));
        complaints.push(Complaint::new("two tenants that began alike found different things in the cache", vec![line]));
    }
    complaints
}

/// The keys by which two contents differ.
fn compared(one: &Contents, other: &Contents, alike: impl Fn(&Kept, &Kept) -> bool) -> Vec<String> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differ = |key: &&(String, String)| match (one.get(*key), other.get(*key)) {
        (Some(one), Some(other)) => !alike(one, other),
        (one, other) => one.is_some() != other.is_some(),
    };
    let value = |kept: Option<&Kept>| kept.map_or_else(|| "nothing".to_owned(), |kept| shown(&kept.value));
    let line = |key: &(String, String)| {
        format!("{}/{}: {}, and {}", key.0, terminal::plain(&key.1), value(one.get(key)), value(other.get(key)))
    };
    keys.into_iter().filter(differ).map(line).collect()
}

/// The status and the code of an answer.
fn kind(outcome: &Outcome) -> (u16, &str) {
    match &outcome.answer {
        Ok(_) => (200, ""),
        Err(problem) => (problem.status, problem.agent_code.as_deref().unwrap_or(&problem.code)),
    }
}

fn body(outcome: &Outcome) -> &[u8] {
    match &outcome.answer {
        Ok(reply) => &reply.body,
        Err(problem) => problem.detail.as_deref().unwrap_or_default().as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reply;
    use insula_runtime::Bill;

    fn played(body: &str, fuel: u64, kept: &[(&str, &str, u64)], cache: [u64; 3]) -> Played {
        let reply = Reply { content_type: String::new(), metadata: Vec::new(), body: body.as_bytes().to_vec() };
        let outcome = Outcome {
            agent: "a".into(),
            invocation: None,
            version: None,
            answer: Ok(reply),
            bill: Some(Bill { fuel, ..Bill::default() }),
            host_calls: std::collections::BTreeMap::new(),
        };
        let kept = kept.iter().map(|(key, value, version)| {
            let kept = Kept { value: value.as_bytes().to_vec(), version: *version, has_end: false };
            (("b".to_owned(), (*key).to_owned()), kept)
        });
        Played { outcomes: vec![outcome], contents: kept.collect(), cache, log: Vec::new() }
    }

    fn whats(sameness: Sameness, first: &Played, second: &Played) -> Vec<String> {
        differ(sameness, first, second).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn what_two_tenants_must_have_in_common_is_told_in_its_own_words() {
        let one = played("x", 5, &[("k", "v", 1)], [1, 0, 0]);
        assert_eq!(whats(Sameness::Everything, &one, &played("x", 5, &[("k", "v", 9)], [1, 0, 0])), [""; 0]);
        let other = played("y", 6, &[("k", "w", 1)], [0, 0, 1]);
        let told = whats(Sameness::Everything, &one, &other);
        assert_eq!(told.len(), 4, "{told:?}");
        for (told, word) in told.iter().zip(["answered differently", "fuel", "stored", "cache"]) {
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(whats(Sameness::Answers, &one, &other).len(), 2);
        assert_eq!(whats(Sameness::Nothing, &one, &other), [""; 0]);
    }

    #[test]
    fn a_change_by_another_tenant_is_never_allowed_not_even_of_a_version() {
        let before = played("", 0, &[("k", "v", 1)], [0; 3]).contents;
        assert_eq!(touched(&before, &before), None);
        for after in [&[("k", "v", 2)][..], &[], &[("k", "v", 1), ("l", "", 2)]] {
            let complaint = touched(&before, &played("", 0, after, [0; 3]).contents).unwrap();
            assert!(complaint.what.starts_with("NOT ISOLATED") && complaint.lines.len() == 1, "{complaint:?}");
        }
    }
}
