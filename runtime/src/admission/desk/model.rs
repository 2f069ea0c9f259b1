//! The desk against a list of calls that is searched from end to end, in any interleaving.

use std::collections::HashMap;
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::tests::terms;
use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Holds,
    Waits,
}

/// A call: its tenant, its memory, its number, and how far it is.
#[derive(Debug, Clone, Copy)]
struct Call {
    tenant: usize,
    memory: u64,
    number: u64,
    state: State,
}

struct Model {
    house: House,
    keys: Vec<Key>,
    terms: Vec<Terms>,
    calls: Vec<Call>,
    tickets: HashMap<u64, Ticket>,
    numbers: u64,
}

impl Model {
    fn load(&self, matches: impl Fn(&Call) -> bool) -> Load {
        let mut load = Load::default();
        self.calls.iter().filter(|call| matches(call)).for_each(|call| load.add(call.memory));
        load
    }

    fn held(&self, tenant: usize) -> Load {
        self.load(|call| call.tenant == tenant && call.state == State::Holds)
    }

    fn share(&self, load: Load, tenant: usize) -> u64 {
        self.house.share(load, self.terms[tenant].weight)
    }

    fn waiting(&self, tenant: usize) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.tenant == tenant && call.state == State::Waits)
    }

    /// The tenants with calls that wait, and the share of all that each has.
    fn heaviest(&self) -> Option<(u64, u64, usize)> {
        let waiting = (0..self.terms.len()).filter(|tenant| self.waiting(*tenant).next().is_some());
        let share = |tenant| self.share(self.load(|call| call.tenant == tenant), tenant);
        waiting.map(|tenant| (share(tenant), self.waiting(tenant).last().unwrap().number, tenant)).max()
    }

    /// The call that a free place goes to.
    fn next(&self) -> Option<Call> {
        let below = |tenant: &usize| self.held(*tenant).calls < self.terms[*tenant].concurrency;
        let tenants = (0..self.terms.len()).filter(below);
        let firsts = tenants.filter_map(|tenant| self.waiting(tenant).next().copied());
        let first = firsts.min_by_key(|call| (self.share(self.held(call.tenant), call.tenant), call.number))?;
        self.admits(first.tenant, first.memory).then_some(first)
    }

    /// Whether another call of this tenant may come in, beside what all hold.
    fn admits(&self, tenant: usize, memory: u64) -> bool {
        let held = self.load(|call| call.state == State::Holds);
        let has_any = |other: &usize| *other == tenant || self.calls.iter().any(|call| call.tenant == *other);
        let weights = (0..self.terms.len()).filter(has_any).map(|tenant| self.terms[tenant].weight.get()).sum();
        self.house.admits(held, self.held(tenant), memory, self.terms[tenant].weight, weights)
    }

    fn take(&mut self, number: u64) -> Call {
        let at = self.calls.iter().position(|call| call.number == number).unwrap();
        self.calls.remove(at)
    }

    /// The desk and the model give out the free places, one by one and to the same calls.
    fn settle(&mut self, desk: &mut Desk<u64>) -> Result<(), TestCaseError> {
        loop {
            let expected = self.next();
            prop_assert_eq!(desk.next(), expected.map(|call| call.number));
            let Some(expected) = expected else { break };
            self.calls.iter_mut().find(|call| call.number == expected.number).unwrap().state = State::Holds;
        }
        let held = self.load(|call| call.state == State::Holds);
        let waiting = self.calls.iter().filter(|call| call.state == State::Waits).count() as u64;
        prop_assert_eq!(desk.totals(), (held, waiting));
        prop_assert!(held.calls <= self.house.slots && held.memory <= self.house.memory && waiting <= self.house.room);
        Ok(())
    }

    fn arrive(&mut self, desk: &mut Desk<u64>, tenant: usize) -> Result<(), TestCaseError> {
        let (key, terms) = (self.keys[tenant], self.terms[tenant]);
        self.numbers += 1;
        let number = self.numbers;
        let mut call = Call { tenant, memory: terms.memory, number, state: State::Waits };
        match desk.arrive(key, &terms, Duration::ZERO) {
            Err(refusal) => prop_assert!(refusal == Refusal::Memory && terms.memory > self.house.memory),
            Ok(true) => {
                prop_assert!(self.held(tenant).calls < terms.concurrency && self.admits(tenant, terms.memory));
                prop_assert!(self.waiting(tenant).next().is_none(), "it overtook its own");
                call.state = State::Holds;
                self.calls.push(call);
            }
            Ok(false) => {
                let mut all = self.load(|call| call.tenant == tenant);
                all.add(terms.memory);
                let (ours, heaviest) = (self.share(all, tenant), self.heaviest());
                let full =
                    self.calls.iter().filter(|call| call.state == State::Waits).count() as u64 >= self.house.room;
                match desk.wait(key, number) {
                    Ok((ticket, shed)) => {
                        prop_assert_eq!(shed.is_some(), full);
                        if let Some(shed) = shed {
                            let (share, newest, _) = heaviest.unwrap();
                            prop_assert!(shed == newest && share > ours);
                            self.take(shed);
                        }
                        self.tickets.insert(number, ticket);
                        self.calls.push(call);
                    }
                    Err(Refusal::Queue) => prop_assert!(self.waiting(tenant).count() as u64 >= terms.queue),
                    // Nobody who waits has more for its weight than the one that is refused would have.
                    Err(refusal) => {
                        prop_assert!(refusal == Refusal::Room && full);
                        prop_assert!(heaviest.is_none_or(|(share, ..)| share <= ours));
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Arrive(usize),
    /// One of the calls ends, or goes away while it waits.
    End(usize),
    Drain(usize),
    /// The operator changes a tenant's terms.
    Terms(usize, Terms),
    /// So many bytes stay resident beside what calls hold.
    Resident(u64),
}

const TENANTS: usize = 4;

fn some_terms() -> impl Strategy<Value = Terms> {
    (1_u64..=10_000, 1_u64..6, 1_u64..6, 1_u64..=60).prop_map(|(weight, concurrency, queue, memory)| Terms {
        weight: NonZeroU64::new(weight).unwrap(),
        concurrency,
        queue,
        memory,
        ..terms()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..TENANTS).prop_map(Step::Arrive),
        8 => any::<usize>().prop_map(Step::End),
        1 => (0..TENANTS).prop_map(Step::Drain),
        1 => (0..TENANTS, some_terms()).prop_map(|(tenant, terms)| Step::Terms(tenant, terms)),
        1 => (0_u64..500).prop_map(Step::Resident),
    ]
}

proptest! {
    #[test]
    fn places_go_to_whom_they_should_and_everything_comes_back(
        (slots, memory, room) in (1_u64..20, 50_u64..500, 1_u64..8),
        terms in prop::collection::vec(some_terms(), TENANTS),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let house = House { slots, memory, room, resident: 0 };
        let mut desk = Desk::new(house);
        let keys = terms.iter().map(|terms| desk.register(*terms, Duration::ZERO)).collect();
        let mut model = Model { house, keys, terms, calls: Vec::new(), tickets: HashMap::new(), numbers: 0 };
        for step in steps {
            match step {
                Step::Arrive(tenant) => model.arrive(&mut desk, tenant)?,
                Step::End(which) if !model.calls.is_empty() => {
                    let number = model.calls[which % model.calls.len()].number;
                    let call = model.take(number);
                    match call.state {
                        State::Holds => {
                            let left = desk.release(model.keys[call.tenant], call.memory);
                            prop_assert_eq!(left, model.held(call.tenant).calls);
                        }
                        State::Waits => desk.give_up(model.keys[call.tenant], model.tickets[&number]),
                    }
                }
                Step::End(_) => {}
                Step::Drain(tenant) => {
                    let waiting: Vec<u64> = model.waiting(tenant).map(|call| call.number).collect();
                    prop_assert_eq!(desk.drain(model.keys[tenant]), waiting);
                    model.calls.retain(|call| call.tenant != tenant || call.state == State::Holds);
                }
                Step::Terms(tenant, terms) => {
                    // Heard of with the next call: none is made that could change what is expected.
                    model.terms[tenant] = terms;
                    desk.retell(model.keys[tenant], &terms);
                }
                Step::Resident(bytes) => {
                    model.house.resident = bytes;
                    desk.keeps(bytes);
                }
            }
            model.settle(&mut desk)?;
        }
        while let Some(call) = model.calls.pop() {
            match call.state {
                State::Holds => drop(desk.release(model.keys[call.tenant], call.memory)),
                State::Waits => desk.give_up(model.keys[call.tenant], model.tickets[&call.number]),
            }
            model.settle(&mut desk)?;
        }
        prop_assert_eq!((desk.totals(), desk.weights), ((Load::default(), 0), 0));
        prop_assert!(desk.next.is_empty() && desk.heaviest.is_empty());
        for key in model.keys {
            prop_assert!(desk.tenants.get(key).unwrap().is_empty());
        }
    }
}

impl<T> Desk<T> {
    /// New terms, without a call that brings them.
    fn retell(&mut self, key: Key, terms: &Terms) {
        if let Some(tenant) = self.tenants.get_mut(key) {
            tenant.terms = *terms;
        }
        self.file(key);
    }
}
