//! Whether a call costs more where there are many tenants: in time of processors, since not every machine counts instructions.

use std::time::Duration;

use super::report::Row;
use super::served::{Client, Served};
use super::{Bench, number};

/// Calls of one block: short, so that some have the machine to themselves.
const BLOCK: usize = 1_000;

impl Bench {
    /// What a call takes of a processor: of one agent, and of all in turn, on both hosts. In blocks, in turns, of which the
    /// least counts: other work on the machine only ever adds.
    pub(super) fn growth(&mut self, hosts: [(&Served, &mut Client); 2]) -> anyhow::Result<()> {
        let [(few, few_client), (many, client)] = hosts;
        let one = |keys: &[String]| keys.get(..1).unwrap_or_default().to_vec();
        let (first, many_first) = (one(&self.few.keys), one(&self.many.keys));
        let mut costs = [f64::MAX; 4];
        for block in 0..(self.calls * self.rounds / BLOCK).max(1) {
            let many_apart = self.many.keys.iter().cycle().skip(block * BLOCK % self.many.keys.len());
            let took = [
                cost(few, few_client, first.iter().cycle())?,
                cost(many, client, many_first.iter().cycle())?,
                cost(few, few_client, self.few.keys.iter().cycle())?,
                cost(many, client, many_apart)?,
            ];
            costs.iter_mut().zip(took).for_each(|(least, took)| *least = took.unwrap_or(f64::MAX).min(*least));
        }
        let [one, many_one, apart, many_apart] = costs;
        let growth = |from: f64, to: f64| (to / from - 1.0) * 100.0;
        self.report.row(Row::new("growth of a call's cost, calls of one digest", "%", growth(one, many_one), 5.0, 1.0));
        let all = growth(apart, many_apart);
        self.report.row(Row::new("growth of a call's cost, each of another digest", "%", all, 5.0, 1.0));
        let costs = [
            ("one agent, few tenants", one),
            ("one agent, all", many_one),
            ("in turn, few tenants", apart),
            ("in turn, all", many_apart),
        ];
        for (what, cost) in costs {
            self.report.fact(&format!("processor time of a call: {what}"), "us", cost);
        }
        Ok(())
    }
}

/// What one call takes of a processor, in microseconds, over a block of calls of these tenants; `None` where that is not known.
fn cost<'k>(host: &Served, client: &mut Client, keys: impl Iterator<Item = &'k String>) -> anyhow::Result<Option<f64>> {
    let before = host.processor_time()?;
    for key in keys.take(BLOCK) {
        client.call(key, "echo")?;
    }
    let after = host.processor_time()?;
    // The time of a thread that has ended is gone with it.
    let nanos = after.iter().map(|(thread, time)| time.checked_sub(*before.get(thread)?)).sum::<Option<u64>>();
    let nanos = nanos.filter(|_| before.len() == after.len());
    Ok(nanos.map(|nanos| Duration::from_nanos(nanos).as_secs_f64() * 1e6 / number(BLOCK)))
}
