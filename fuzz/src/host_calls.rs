//! Host functions with any arguments: a plan is carried out against the real functions over real stores, and after each
//! call it is checked that
//!
//! - **B2** a call beyond its budget is a trap and did nothing, and the budget is charged before anything is done;
//! - **T5** what a tenant finds is what it put there, and nothing of another;
//! - **B1** no quota is exceeded;
//! - every error has a code that `wit/` names for that function.
//!
//! A panic anywhere is a finding.

use anyhow::Result;
use insula_host_api::bindings::insula::agent::storage;

use crate::acting::{Acting, Caller};
use crate::model::Model;
use crate::plan::{self, Allowed, Call, Step, Who};
use crate::world::{Day, World};

/// A budget that no plan uses up.
const AMPLE: Allowed = Allowed { calls: 10_000, bytes: 64 << 20, log_bytes: 64 << 10 };

/// What a plan knows while it is carried out.
struct Run<'a> {
    day: Day<'a>,
    callers: Vec<Caller>,
    one: Model,
    two: Model,
}

/// The plan that the bytes are, for people.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    plan::read(bytes).iter().enumerate().map(|(number, step)| format!("{number}: {step:?}\n")).collect()
}

/// Carries out the plan that the bytes are.
///
/// # Errors
///
/// When the world around the plan fails: its directory, or its stores.
pub fn run(world: &World, bytes: &[u8]) -> Result<()> {
    let steps = plan::read(bytes);
    world.runtime.block_on(async {
        let day = world.begin()?;
        let begin = |who| Caller::new(who, day.host(who, AMPLE));
        let callers = Who::ALL.map(begin).into();
        let mut run = Run { day, callers, one: Model::default(), two: Model::default() };
        for step in steps {
            match step {
                Step::Pass(ms) => run.day.clock.advance(ms),
                Step::Begin(who, allowed) => {
                    let host = run.day.host(who, allowed);
                    run.callers.retain(|caller| caller.who != who);
                    run.callers.push(Caller::new(who, host));
                }
                Step::Call(who, call) => run.call(who, call).await?,
            }
        }
        run.settle().await?;
        world.rest().await
    })
}

impl Run<'_> {
    async fn call(&mut self, who: Who, call: Call) -> Result<()> {
        let now_ms = self.day.now_ms();
        let lines = self.day.lines_of(who);
        let others: usize = self.day.lines.iter().map(|lines| lines.count()).sum::<usize>() - lines.count();
        let model = if who == Who::Two { &mut self.two } else { &mut self.one };
        if let Some(caller) = self.callers.iter_mut().find(|caller| caller.who == who) {
            Acting { caller, model, now_ms, lines: &lines }.act(call).await;
        }
        let after: usize = self.day.lines.iter().map(|lines| lines.count()).sum::<usize>() - lines.count();
        assert_eq!(others, after, "a line in another's log");
        self.day.check_quotas().await
    }

    /// With every call at its end, each tenant has what it knows of, and the bystander what it always had.
    async fn settle(mut self) -> Result<()> {
        self.callers.clear();
        let now_ms = self.day.now_ms();
        for (who, model) in [(Who::One, &self.one), (Who::Two, &self.two)] {
            let mut host = self.day.host(who, AMPLE);
            let buckets = storage::Host::buckets(&mut host, None, 1_000).await;
            let mut found = Vec::new();
            for bucket in buckets.ok().and_then(Result::ok).unwrap_or_default() {
                let all = storage::Selection {
                    prefix: String::new(),
                    start: None,
                    end: None,
                    after: None,
                    reverse: false,
                    values: true,
                    limit: 1_000,
                };
                let page = storage::Host::list(&mut host, bucket.clone(), all).await.ok().and_then(Result::ok);
                for entry in page.into_iter().flat_map(|page| page.entries) {
                    let at = (bucket.clone(), entry.key.clone());
                    model.check_entry(&at, &entry, true, now_ms);
                    found.push(at);
                }
            }
            assert!(found.iter().eq(model.alive(now_ms)), "{found:?} is not all that {who:?} keeps");
        }
        self.day.check_quotas().await?;
        self.day.check_bystander().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    #[test]
    fn no_plan_leaves_its_tenant_its_budget_or_its_quota() {
        let world = World::start().unwrap();
        for (seed, plan) in
            seeds::plans().into_iter().chain((1_000..1_030).map(|seed| seeds::bytes(seed, 900))).enumerate()
        {
            println!("plan {seed}");
            run(&world, &plan).unwrap();
        }
    }

    #[test]
    fn a_plan_of_nothing_leaves_every_tenant_as_it_was() {
        let world = World::start().unwrap();
        run(&world, &[]).unwrap();
    }
}
