//! Real tickets for both tenants: what one tenant's calls leave in storage and cache, the other's never meet.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Explain, Failure};
use crate::terminal::{self, Cell, Table};

use super::claims::Claims;
use super::stage::{Player, Stage, Timed};

/// A first ticket.
const FIRST: &str = "one.json";
/// The last of three from one customer, which both tenants get.
const SHARED: &str = "sync-again-3.json";
/// The tickets, in the order in which acme sends them.
const OF_ACME: [&str; 4] = [FIRST, "sync-again.json", "sync-again-2.json", SHARED];
/// The customer that three of them are from.
pub(super) const CUSTOMER: &str = "harbourside-clinic";

/// What the agent answered to one ticket.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub(super) struct Decision {
    pub(super) ticket: String,
    queue: String,
    priority: String,
    customer: Standing,
    rules: String,
}

/// What the agent knows of the customer, this ticket included.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Standing {
    tickets: u64,
    escalated: bool,
}

pub(super) fn play(stage: &Stage, claims: &mut Claims<'_>, folder: &Path) -> anyhow::Result<Value> {
    claims.section(
        "Real tickets",
        "`triage` routes support tickets. It keeps each customer's history in storage, and its compiled rules in the cache.",
    );
    let mut table = Table::new(&[
        "tenant",
        "ticket",
        "queue",
        "priority",
        "customer's tickets",
        "rules",
        "fuel",
        "host calls",
        "took",
    ]);
    let mut of_acme = Vec::new();
    for file in OF_ACME {
        of_acme.push(send(&stage.acme, folder, file, &mut table)?);
    }
    let of_globex = send(&stage.globex, folder, SHARED, &mut table)?;
    let again = send(&stage.globex, folder, FIRST, &mut table)?;
    claims.lines(&table.lines());
    claims.line("");
    check(claims, &of_acme, &of_globex, &again);
    Ok(json!({"acme": of_acme, "globex": [of_globex, again]}))
}

fn check(claims: &mut Claims<'_>, of_acme: &[Decision], of_globex: &Decision, again: &Decision) {
    let rules: Vec<_> = of_acme.iter().map(|decision| decision.rules.as_str()).collect();
    claims.claim(
        rules == ["compiled", "cached", "cached", "cached"],
        "acme's first call compiled the rules, and the next ones found them in acme's cache",
        &rules.join(", "),
    );
    let last = of_acme.last();
    let standing = last.map(|decision| &decision.customer);
    claims.claim(
        standing.is_some_and(|standing| standing.tickets == 3 && standing.escalated),
        &format!("The third ticket of {CUSTOMER} was escalated: acme's storage knew the two before it"),
        &format!("{standing:?}"),
    );
    claims.claim(
        last.is_some_and(|last| last.ticket == of_globex.ticket)
            && of_globex.customer.tickets == 1
            && !of_globex.customer.escalated,
        "The very same ticket from globex met no history: globex's storage is its own",
        &format!("{:?}", of_globex.customer),
    );
    claims.claim(
        of_globex.rules == "compiled" && again.rules == "cached",
        "globex compiled the same rules again, though acme's cache has them: a cache hit tells nothing of a neighbour",
        &format!("{}, {}", of_globex.rules, again.rules),
    );
}

fn send(player: &Player, folder: &Path, file: &str, table: &mut Table) -> anyhow::Result<Decision> {
    let timed = player.call("triage", "application/json", &ticket(folder, file)?)?;
    let decision = decision(&timed)?;
    let bill = timed.outcome.bill.unwrap_or_default();
    table.row([
        Cell::text(player.name),
        Cell::text(&decision.ticket),
        Cell::text(&decision.queue),
        Cell::text(&decision.priority),
        Cell::figure(decision.customer.tickets),
        Cell::text(&decision.rules),
        Cell::figure(terminal::count(bill.fuel)),
        Cell::figure(terminal::count(bill.host_calls)),
        Cell::figure(terminal::duration_us(bill.wall_us)),
    ]);
    Ok(decision)
}

/// A ticket's file.
fn ticket(folder: &Path, file: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(file);
    std::fs::read(&path)
        .explain(format_args!("cannot read the ticket {}", path.display()), "get the source of Insula anew")
}

fn decision(timed: &Timed) -> anyhow::Result<Decision> {
    let reply = match &timed.outcome.answer {
        Ok(reply) => reply,
        Err(problem) => {
            return Err(Failure::new("`triage` did not answer a ticket")
                .because(problem.sentence())
                .because(&problem.code)
                .into());
        }
    };
    serde_json::from_slice(&reply.body).explain("`triage` answered with something else than a decision", "report it")
}
