//! The real binary, killed again and again under load: writers that put, overwrite and delete, uploads, and an operator who
//! imports and erases. After each start what was acknowledged is there, the rest is whole or absent, and what a kill left
//! half-done another request ends.
//!
//! A few rounds run with every test; `cargo xtask kills --rounds 200` runs as many as are asked for.

mod clerk;
mod uploader;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::{Desk, Dice, Served, Tenant, agents, eventually};
use clerk::Clerk;
use uploader::Uploader;
use writer::Writer;

/// Writers of each tenant.
const WRITERS: usize = 3;
/// Answers after which a host is killed at the latest. Each round rolls for its own.
const LATEST: usize = 240;

/// A number from the environment, for longer runs than those of every day.
fn number(name: &str, standard: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside: `cargo xtask kills`")]
    let asked = std::env::var(name);
    asked.map_or(standard, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Who keeps a tenant busy.
struct Staff {
    tenant: Tenant,
    writers: Vec<Writer>,
    uploader: Uploader,
}

impl Staff {
    fn hire(tenant: Tenant, seed: u64) -> Self {
        let seeds = (0..).map(|number| seed * 31 + number);
        let writers = (0..WRITERS).zip(seeds).map(|(number, seed)| Writer::new(number, Dice(seed))).collect();
        Self { tenant, writers, uploader: Uploader::default() }
    }

    fn check(&mut self, host: &Served) {
        self.tenant = host.known(&self.tenant);
        for writer in &mut self.writers {
            writer.check(&self.tenant);
        }
        self.uploader.check(&self.tenant);
    }
}

/// Runs everyone until so many of their requests were answered, and kills the host.
fn kill_under_load(host: &Served, staff: &mut [Staff], clerk: &mut Clerk, after: usize) {
    let answered = AtomicUsize::new(0);
    let (address, admin) = (host.address, host.admin);
    std::thread::scope(|scope| {
        for Staff { tenant, writers, uploader } in staff {
            let (tenant, answered) = (&*tenant, &answered);
            for writer in writers {
                scope.spawn(move || writer.work(address, tenant, answered));
            }
            scope.spawn(move || uploader.work(address, tenant));
        }
        scope.spawn(move || clerk.work(admin));
        eventually("they are at work", || (answered.load(Ordering::SeqCst) >= after).then_some(()));
        host.process.signal("KILL");
    });
}

/// The names of the tenants' directories.
fn directories(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data.join("tenants")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn kills_under_load_lose_nothing_that_was_acknowledged_and_leave_nothing_half_done() {
    let (rounds, seed) = (number("INSULA_KILL_ROUNDS", 8), number("INSULA_KILL_SEED", 1));
    let desk = Desk::new();
    let data = desk.path("data");
    let mut host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let bystander = host.tenant(&operator, "bystander");
    bystander.deploy("echo", &agents::text("echo"));
    assert_eq!(bystander.send("PUT", "/v1/storage/mine/key", &[], Some(b"value")).status, 201);
    let path = format!("/v1/tenants/{}/export", bystander.id);
    let archive = host.operate(&operator, "GET", &path, None).body;
    let look = |tenant: &Tenant| (tenant.get("/v1/storage/mine?limit=100").text(), tenant.get("/v1/agents").text());
    let before = look(&bystander);

    let mut staff = ["acme", "globex"].map(|name| Staff::hire(host.tenant(&operator, name), seed));
    let mut clerk = Clerk::new(operator.clone(), archive);
    let mut dice = Dice(seed);
    let mut residents: Vec<_> = staff.iter().map(|staff| staff.tenant.id.clone()).collect();
    residents.push(bystander.id.clone());
    residents.sort();
    for round in 0..rounds {
        kill_under_load(&host, &mut staff, &mut clerk, 1 + dice.roll(LATEST));
        // Its sockets are closed; the rest of it may take a moment.
        host.process.kill();
        host = Served::start(&desk, &data);
        for each in &mut staff {
            each.check(&host);
        }
        clerk.clear_up(&host, &residents);
        assert_eq!(directories(&data), residents, "round {round} of seed {seed}");
        assert_eq!(look(&host.known(&bystander)), before, "round {round} of seed {seed}");
    }
    let tenants = host.operate(&operator, "GET", "/v1/tenants", None).json();
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), residents.len(), "{tenants}");
    assert!(host.known(&bystander).invoke("echo", &json!("still here").to_string()).status == 200);
}
