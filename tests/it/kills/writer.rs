//! Who puts, overwrites and deletes keys of their own, and knows for each what may be there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Dice, Raw, Tenant};

/// Keys of one writer: few, so that they are overwritten and deleted often.
const KEYS: usize = 24;
/// Bytes of the largest value.
const LARGEST: usize = 8 << 10;

/// What may be under a key: what was acknowledged last, and what was asked for and not answered.
type Expected = Vec<Option<String>>;

/// One writer, on a connection of its own in each round.
pub(super) struct Writer {
    number: usize,
    dice: Dice,
    asked: u64,
    expected: BTreeMap<String, Expected>,
}

impl Writer {
    pub(super) fn new(number: usize, dice: Dice) -> Self {
        Self { number, dice, asked: 0, expected: BTreeMap::new() }
    }

    /// Works until the host is gone.
    pub(super) fn work(&mut self, address: SocketAddr, tenant: &Tenant, answered: &AtomicUsize) {
        let mut raw = Raw::connect(address);
        loop {
            let key = format!("{}/{:02}", self.number, self.dice.roll(KEYS));
            let path = format!("/v1/storage/log/{key}");
            let wanted = (self.dice.roll(4) > 0).then(|| self.value(tenant, &key));
            let expected = self.expected.entry(key).or_insert_with(|| vec![None]);
            expected.push(wanted.clone());
            match &wanted {
                Some(value) => {
                    raw.head("PUT", &path, &tenant.key, &[&format!("content-length: {}", value.len())]).send(value)
                }
                None => raw.head("DELETE", &path, &tenant.key, &[]),
            };
            let Some(reply) = raw.whole_reply() else { return };
            assert!(matches!(reply.status, 200..=204 | 404), "{}", reply.text());
            *expected = vec![wanted];
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A value like no other, of the tenant's own, and of any length.
    fn value(&mut self, tenant: &Tenant, key: &str) -> String {
        self.asked += 1;
        let mut value = format!("{} {key} {} ", tenant.id, self.asked);
        let length = self.dice.roll(LARGEST);
        value.extend(std::iter::repeat_n('x', length));
        value
    }

    /// Reads every key back, and takes what is there for what was meant.
    pub(super) fn check(&mut self, tenant: &Tenant) {
        for (key, expected) in &mut self.expected {
            let reply = tenant.get(&format!("/v1/storage/log/{key}"));
            let found = (reply.status == 200).then(|| reply.text());
            assert!(found.is_some() || reply.status == 404, "{}", reply.text());
            assert!(expected.contains(&found), "{key}: {found:?} and not one of {expected:?}");
            *expected = vec![found];
        }
    }
}
