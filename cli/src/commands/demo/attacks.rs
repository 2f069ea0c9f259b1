//! A hostile agent of one tenant is stopped by its own limits, and the other tenant's agent answers all the while (R3).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::terminal::{self, Cell, Table};

use super::claims::Claims;
use super::stage::{Player, Stage, Timed};

/// How long the neighbour calls alone, to have something to compare with.
const ALONE: Duration = Duration::from_millis(700);

/// The ticket that the neighbour sends, over and over. Only the first is new: every call reads storage and cache, and
/// none after the first writes, so that no disk is in the figures.
const NEIGHBOUR: &[u8] =
    br#"{"id": "T-9000", "customer": "neighbour", "subject": "Still there?", "body": "Just asking."}"#;

/// One attack, and the answers that mean that the host stopped it.
struct Attack {
    name: &'static str,
    what: &'static str,
    stopped_by: &'static [&'static str],
    at_once: usize,
}

const ATTACKS: [Attack; 4] = [
    Attack {
        name: "spin",
        what: "loops without end, twice at once",
        // The deadline comes first only on a machine that is busy with other things.
        stopped_by: &["fuel-exhausted", "cpu-exhausted", "deadline-exceeded"],
        at_once: 2,
    },
    Attack {
        name: "grow-memory",
        what: "grows its memory until it cannot",
        stopped_by: &["memory-exhausted"],
        at_once: 1,
    },
    Attack {
        name: "host-call-flood",
        what: "calls the host without end",
        stopped_by: &["host-calls-exhausted"],
        at_once: 1,
    },
    Attack { name: "panic", what: "panics", stopped_by: &["agent-trap"], at_once: 1 },
];

/// What the neighbour saw.
#[derive(Default)]
struct Neighbour {
    took_us: Vec<u64>,
    errors: Vec<String>,
}

pub(super) fn play(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<Value> {
    claims.section(
        "A hostile agent and its neighbour",
        "globex runs `hostile`, which attacks the host. acme calls `triage` without a pause, first alone and then meanwhile.",
    );
    let progress = claims.progress("acme alone");
    let alone = calling(&stage.acme, || -> anyhow::Result<()> {
        // Waits for the time itself; there is no event to wait for.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(ALONE);
        Ok(())
    })?
    .0;
    drop(progress);
    let progress = claims.progress("globex attacks");
    let (meanwhile, stopped) = calling(&stage.acme, || attack(&stage.globex))?;
    drop(progress);
    claims.lines(&attack_table(&stopped).lines());
    claims.line("");
    for (attack, timed) in ATTACKS.iter().zip(&stopped) {
        let codes: Vec<_> = timed.iter().map(code).collect();
        let is_stopped = codes.iter().all(|code| attack.stopped_by.contains(&code.as_str()));
        claims.claim(is_stopped, &format!("`{}` was stopped by globex's own limits", attack.name), &codes.join(", "));
    }
    claims.line("");
    claims.lines(&neighbour_table(&alone, &meanwhile).lines());
    claims.line("");
    let answered = meanwhile.took_us.len();
    claims.claim(
        answered > 0 && meanwhile.errors.is_empty(),
        &format!("Meanwhile acme made {}, and every one was answered", terminal::plural(answered as u64, "call")),
        &format!("{answered} answered, errors: {:?}", meanwhile.errors.iter().take(3).collect::<Vec<_>>()),
    );
    let bystander = stage.globex.call("hostile", "text/plain", b"bystander")?;
    claims.claim(
        bystander.outcome.answer.is_ok(),
        "globex itself can still call: each call has a fresh instance, and nothing of an attack stays",
        &code(&bystander),
    );
    Ok(json!({"attacks": attacks_as_json(&stopped), "alone": alone.to_json(), "meanwhile": meanwhile.to_json()}))
}

/// Lets a tenant call `triage` without a pause for as long as something else goes on.
fn calling<T: Send>(player: &Player, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Neighbour, T)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut neighbour = Neighbour::default();
            while !done.load(Ordering::Relaxed) {
                neighbour.note(player.call("triage", "application/json", NEIGHBOUR));
            }
            neighbour
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let neighbour = caller.join().map_err(|_| anyhow::anyhow!("the neighbour's thread panicked"))?;
        Ok((neighbour, result?))
    })
}

/// Runs the attacks one behind the other.
fn attack(player: &Player) -> anyhow::Result<Vec<Vec<Timed>>> {
    let mut stopped = Vec::new();
    for attack in &ATTACKS {
        let timed: anyhow::Result<Vec<Timed>> = std::thread::scope(|scope| {
            let call = || player.call("hostile", "text/plain", attack.name.as_bytes());
            let callers: Vec<_> = (0..attack.at_once).map(|_| scope.spawn(call)).collect();
            let join = |caller: std::thread::ScopedJoinHandle<'_, anyhow::Result<Timed>>| {
                caller.join().unwrap_or_else(|_| Err(anyhow::anyhow!("an attacker's thread panicked")))
            };
            callers.into_iter().map(join).collect()
        });
        stopped.push(timed?);
    }
    Ok(stopped)
}

impl Neighbour {
    fn note(&mut self, called: anyhow::Result<Timed>) {
        match called {
            Ok(timed) if timed.outcome.answer.is_ok() => {
                self.took_us.push(u64::try_from(timed.took.as_micros()).unwrap_or(u64::MAX));
            }
            Ok(timed) => self.errors.push(code(&timed)),
            Err(error) => self.errors.push(error.to_string()),
        }
    }

    /// What so many in a hundred calls took at most, in microseconds.
    fn percentile(&self, hundredths: usize) -> u64 {
        let mut sorted = self.took_us.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or(0)
    }

    fn to_json(&self) -> Value {
        json!({
            "answered": self.took_us.len(),
            "errors": self.errors.len(),
            "p50-us": self.percentile(50),
            "p99-us": self.percentile(99),
        })
    }
}

/// How a call ended, in one word.
fn code(timed: &Timed) -> String {
    match &timed.outcome.answer {
        Ok(_) => "answered".to_owned(),
        Err(problem) => problem.code.clone(),
    }
}

fn attack_table(stopped: &[Vec<Timed>]) -> Table {
    let mut table = Table::new(&["attack", "what it does", "stopped by", "fuel", "cpu", "peak memory", "after"]);
    for (attack, timed) in ATTACKS.iter().zip(stopped) {
        for (index, timed) in timed.iter().enumerate() {
            // The words stand once for attacks that ran at the same time.
            let (name, what) = if index == 0 { (attack.name, attack.what) } else { ("", "") };
            let bill = timed.outcome.bill.unwrap_or_default();
            table.row([
                Cell::text(name),
                Cell::text(what).styled(terminal::dim),
                Cell::text(code(timed)),
                Cell::figure(terminal::count(bill.fuel)),
                Cell::figure(terminal::duration_us(bill.cpu_us)),
                Cell::figure(terminal::bytes(bill.peak_memory)),
                Cell::figure(terminal::duration_us(bill.wall_us)),
            ]);
        }
    }
    table
}

fn neighbour_table(alone: &Neighbour, meanwhile: &Neighbour) -> Table {
    let mut table = Table::new(&["acme's calls", "answered", "errors", "half within", "99 in 100 within"]);
    for (when, neighbour) in [("alone", alone), ("beside the attacks", meanwhile)] {
        table.row([
            Cell::text(when),
            Cell::figure(terminal::count(neighbour.took_us.len() as u64)),
            Cell::figure(terminal::count(neighbour.errors.len() as u64)),
            Cell::figure(terminal::duration_us(neighbour.percentile(50))),
            Cell::figure(terminal::duration_us(neighbour.percentile(99))),
        ]);
    }
    table
}

fn attacks_as_json(stopped: &[Vec<Timed>]) -> Value {
    let calls = ATTACKS.iter().zip(stopped).flat_map(|(attack, timed)| timed.iter().map(move |timed| (attack, timed)));
    calls
        .map(|(attack, timed)| json!({"attack": attack.name, "code": code(timed), "bill": timed.outcome.bill}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_calls_that_were_made() {
        let neighbour = Neighbour { took_us: (1..=200).rev().collect(), errors: Vec::new() };
        assert_eq!((neighbour.percentile(50), neighbour.percentile(99), neighbour.percentile(100)), (100, 198, 200));
        assert_eq!(Neighbour::default().percentile(99), 0);
    }
}
