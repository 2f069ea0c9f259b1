//! The sample agent `ledger` over HTTP: many callers at once who send everything again, and a host that is killed under
//! them. What was answered is there exactly once, and the books add up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use insula_runtime::HostSettings;
use serde_json::{Value, json};

use crate::harness::{Bystander, Desk, Dice, Host, Raw, Reply, Served, Tenant, agents, eventually};

const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];

const PATH: &str = "/v1/agents/ledger/invoke";

/// A transfer as a client means it, whatever happens to its requests.
#[derive(Debug, Clone)]
struct Order {
    id: String,
    from: &'static str,
    to: &'static str,
    amount: i64,
}

impl Order {
    fn body(&self) -> String {
        json!({ "transfer": { "from": self.from, "to": self.to, "amount": self.amount } }).to_string()
    }
}

/// A transfer between two of the accounts.
fn order(dice: &mut Dice, id: String, most: usize) -> Order {
    let from = dice.roll(ACCOUNTS.len());
    let to = (from + 1 + dice.roll(ACCOUNTS.len() - 1)) % ACCOUNTS.len();
    let amount = i64::try_from(1 + dice.roll(most)).unwrap();
    Order { id, from: ACCOUNTS[from], to: ACCOUNTS[to], amount }
}

fn ask(tenant: &Tenant, request: &Value) -> Value {
    let reply = tenant.invoke("ledger", &request.to_string());
    assert_eq!(reply.status, 200, "{request}: {}", reply.text());
    reply.json()
}

fn open_accounts(tenant: &Tenant, opening: i64) {
    tenant.deploy("ledger", agents::ledger());
    for account in ACCOUNTS {
        ask(tenant, &json!({ "open": { "account": account, "opening": opening } }));
    }
}

/// Whether a client sends the same again: there were too many others.
fn is_to_be_sent_again(reply: &Reply) -> bool {
    match reply.status {
        200 | 422 => false,
        409 => {
            assert!(reply.json()["retry-after-ms"].is_number(), "another transfer has its id: {}", reply.text());
            true
        }
        429 | 503 => true,
        status => panic!("{status}: {}", reply.text()),
    }
}

/// Sends a transfer until it is answered.
fn settle(tenant: &Tenant, order: &Order) -> Reply {
    let headers = [("content-type", "application/json"), ("idempotency-key", order.id.as_str())];
    for _ in 0..1_000 {
        let reply = tenant.send("POST", PATH, &headers, Some(order.body().as_bytes()));
        if !is_to_be_sent_again(&reply) {
            return reply;
        }
    }
    panic!("{order:?}: no answer, a thousand times in a row")
}

/// What a client takes from an answer: the receipt, byte for byte, or why there is none.
fn answer(reply: &Reply) -> Result<String, String> {
    if reply.status == 200 {
        return Ok(reply.text());
    }
    let problem = reply.json();
    assert_eq!(problem["agent-code"], "insufficient-funds", "{problem}");
    Err(problem["detail"].as_str().unwrap().to_owned())
}

/// Every entry of every account: which transfer, and how much.
fn entries(tenant: &Tenant) -> BTreeMap<String, Vec<(String, i64)>> {
    let mut found: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for account in ACCOUNTS {
        let mut after = Value::Null;
        loop {
            let page = ask(tenant, &json!({ "statement": { "account": account, "after": after, "limit": 200 } }));
            for entry in page["entries"].as_array().unwrap() {
                let id = entry["transfer"].as_str().unwrap_or("opening").to_owned();
                found.entry(id).or_default().push((account.to_owned(), entry["amount"].as_i64().unwrap()));
            }
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
    }
    found
}

/// The audit finds nothing, no money came or went, and each of these is there exactly once, or not at all.
fn assert_books(tenant: &Tenant, total: i64, answers: &[(Order, Result<String, String>)]) {
    let report = ask(tenant, &json!({ "audit": {} }));
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["totals"], json!({ "EUR": { "opened": total, "held": total } }), "{report}");
    let balance =
        |account: &&str| ask(tenant, &json!({ "balance": { "account": account } }))["balance"].as_i64().unwrap();
    assert_eq!(ACCOUNTS.iter().map(balance).sum::<i64>(), total);
    let entries = entries(tenant);
    for (order, answer) in answers {
        let mut expected = vec![(order.from.to_owned(), -order.amount), (order.to.to_owned(), order.amount)];
        expected.sort();
        let expected = answer.is_ok().then_some(&expected);
        assert_eq!(entries.get(&order.id), expected, "{order:?}: {answer:?}");
    }
    let made = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    assert_eq!((entries.len() - 1, &report["transfers"]), (made, &json!(made)), "there are transfers nobody ordered");
}

#[test]
fn sixty_four_callers_on_four_accounts_lose_and_double_nothing() {
    // Of its own: they fill it.
    let host = Host::start(HostSettings::standard());
    let (bank, neighbour) = (host.tenant("bank"), host.tenant("neighbour"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    open_accounts(&bank, 300);
    open_accounts(&neighbour, 1_000);
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 0..64_u64 {
            let (bank, answers) = (&bank, &answers);
            scope.spawn(move || {
                let mut dice = Dice(caller + 1);
                for number in 0..2 {
                    let order = order(&mut dice, format!("order-{caller}-{number}"), 200);
                    let first = answer(&settle(bank, &order));
                    assert_eq!(answer(&settle(bank, &order)), first, "{order:?} was answered differently");
                    answers.lock().unwrap().push((order, first));
                }
            });
        }
        // The same ids, another tenant's books.
        let order = Order { id: "order-1-0".to_owned(), from: "a", to: "b", amount: 999 };
        assert!(answer(&settle(&neighbour, &order)).is_ok());
    });
    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.len(), 128);
    assert!(answers.iter().any(|(_, answer)| answer.is_err()), "nobody ran out of money: not much of a test");
    assert_books(&bank, 1_200, &answers);
    assert_eq!(ask(&neighbour, &json!({ "balance": { "account": "b" } }))["balance"], 1_999);
    assert_eq!(ask(&neighbour, &json!({ "audit": {} }))["transfers"], 1);
    bystander.assert_untouched();
}

#[test]
fn an_audit_among_transfers_is_of_one_instant() {
    let host = Host::shared();
    let (bank, neighbour) = (host.tenant("bank"), host.tenant("neighbour"));
    open_accounts(&bank, 10_000);
    open_accounts(&neighbour, 1);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4_u64)
            .map(|caller| {
                let bank = &bank;
                scope.spawn(move || {
                    let mut dice = Dice(caller + 100);
                    for number in 0..8 {
                        assert_eq!(settle(bank, &order(&mut dice, format!("{caller}-{number}"), 50)).status, 200);
                    }
                })
            })
            .collect();
        while !callers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let report = ask(&bank, &json!({ "audit": {} }));
            assert_eq!(report["ok"], true, "{report}");
            assert_eq!(report["totals"]["EUR"]["held"], 40_000, "{report}");
        }
    });
    assert_eq!(ask(&bank, &json!({ "audit": {} }))["transfers"], 32);
    assert_eq!(ask(&neighbour, &json!({ "audit": {} }))["transfers"], 0);
}

#[test]
fn ledger_does_what_its_readme_says_and_tells_what_is_wrong() {
    let host = Host::shared();
    let (tenant, other) = (host.tenant("shop"), host.tenant("other"));
    tenant.deploy("ledger", agents::ledger());
    other.deploy("ledger", agents::ledger());
    let folder = agents::folder("sample-agents/ledger/requests");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 7);
    for path in paths {
        let reply = tenant.invoke("ledger", &std::fs::read_to_string(&path).unwrap());
        let expected = if path.ends_with("4-too-much.json") { 422 } else { 200 };
        assert_eq!(reply.status, expected, "{}: {}", path.display(), reply.text());
    }
    let transfer = |id: Value, amount: i64| {
        let (from, to) = ("customer:marta", "shop:bakery");
        json!({ "transfer": { "from": from, "to": to, "amount": amount, "transfer-id": id } })
    };
    for (request, status, code) in [
        (json!({ "pay": {} }), 400, "bad-request"),
        (transfer(Value::Null, 1), 400, "bad-request"),
        (transfer(json!("order-1001"), 481), 409, "conflict"),
        (transfer(json!("order-1003"), 1_000_000), 422, "insufficient-funds"),
        (json!({ "balance": { "account": "nobody" } }), 404, "not-found"),
        (json!({ "open": { "account": "shop:bakery", "overdraft": 1 } }), 409, "conflict"),
    ] {
        let reply = tenant.invoke("ledger", &request.to_string());
        assert_eq!((reply.status, reply.json()["agent-code"].as_str()), (status, Some(code)), "{}", reply.text());
    }
    let absent = other.invoke("ledger", r#"{"balance": {"account": "shop:bakery"}}"#);
    assert_eq!(absent.status, 404, "another tenant's account: {}", absent.text());
}

/// What a client has ordered, and what it was answered before the host was gone.
#[derive(Default)]
struct Client {
    answered: Vec<(Order, Result<String, String>)>,
    /// Sent, and not answered: made or not.
    open: Vec<Order>,
}

/// Orders transfers, one behind the other, until the host is gone.
fn order_until_it_is_gone(address: SocketAddr, tenant: &Tenant, name: &str, client: &Mutex<Client>) {
    let mut raw = Raw::connect(address);
    let mut dice = Dice(name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
    for number in 0.. {
        let order = order(&mut dice, format!("{name}-{number}"), 50);
        client.lock().unwrap().open.push(order.clone());
        let (body, key) = (order.body(), format!("idempotency-key: {}", order.id));
        let length = format!("content-length: {}", body.len());
        loop {
            raw.head("POST", PATH, &tenant.key, &["content-type: application/json", &key, &length]).send(&body);
            let Some(reply) = raw.whole_reply() else { return };
            if !is_to_be_sent_again(&reply) {
                let mut client = client.lock().unwrap();
                client.open.pop();
                client.answered.push((order, answer(&reply)));
                break;
            }
        }
    }
}

#[test]
fn kills_under_load_lose_and_double_no_transfer() {
    let desk = Desk::new();
    let data = desk.path("data");
    let mut host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    for tenant in &tenants {
        open_accounts(tenant, 100_000);
    }
    let mut answers: [Vec<(Order, Result<String, String>)>; 2] = Default::default();
    for round in 0..3 {
        let clients: [[Mutex<Client>; 6]; 2] = Default::default();
        let address = host.address;
        std::thread::scope(|scope| {
            for (tenant, clients) in tenants.iter().zip(&clients) {
                for (number, client) in clients.iter().enumerate() {
                    let name = format!("{round}-{number}");
                    scope.spawn(move || order_until_it_is_gone(address, tenant, &name, client));
                }
            }
            let answered = |clients: &[Mutex<Client>; 6]| {
                clients.iter().map(|client| client.lock().unwrap().answered.len()).sum::<usize>()
            };
            eventually("both are at work", || clients.iter().all(|each| answered(each) >= 24).then_some(()));
            host.process.signal("KILL");
        });
        // Its sockets are closed; the rest of it may take a moment.
        host.process.kill();
        host = Served::start(&desk, &data);
        for ((tenant, clients), answers) in tenants.iter().zip(clients).zip(&mut answers) {
            let tenant = host.known(tenant);
            for client in clients {
                let Client { answered, open } = client.into_inner().unwrap();
                // What was answered is answered again, byte for byte; what was not is settled now, once.
                for (order, first) in &answered {
                    assert_eq!(&answer(&settle(&tenant, order)), first, "{order:?}");
                }
                answers.extend(answered);
                answers.extend(open.into_iter().map(|order| {
                    let settled = answer(&settle(&tenant, &order));
                    (order, settled)
                }));
            }
            assert_books(&tenant, 400_000, answers);
        }
    }
}
