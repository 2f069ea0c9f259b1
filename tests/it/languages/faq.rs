//! The sample `faq`, in JavaScript: each tenant's questions are answered from its own knowledge base, whatever is cached.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents, eventually};

fn ask(tenant: &Tenant, question: &str) -> Reply {
    let reply = tenant.invoke("faq", &json!({ "ask": { "question": question } }).to_string());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn source(tenant: &Tenant, question: &str) -> Value {
    ask(tenant, question).json()["source"]["id"].clone()
}

fn put(tenant: &Tenant, id: &str, question: &str, answer: &str) {
    let entry = json!({ "put": { "id": id, "question": question, "answer": answer } });
    let reply = tenant.invoke("faq", &entry.to_string());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn tenants(component: &[u8]) -> (Tenant, Tenant) {
    let host = Host::shared();
    let (one, other) = (host.tenant("acme"), host.tenant("globex"));
    one.deploy("faq", component);
    other.deploy("faq", component);
    (one, other)
}

#[test]
fn faq_answers_each_tenant_from_its_own_knowledge() {
    let Some(component) = agents::faq() else { return };
    let (one, other) = tenants(component);
    let bystander = Bystander::settle(Host::shared().tenant("bystander"));
    put(&one, "hours", "When are you open?", "From nine to five.");
    put(&other, "hours", "When are you open?", "Never on Mondays.");
    put(&other, "secret", "What is the door code?", "It is 4711.");
    for _ in 0..2 {
        assert_eq!(ask(&one, "are you open now?").json()["answer"], "From nine to five.");
        assert_eq!(ask(&other, "are you open now?").json()["answer"], "Never on Mondays.");
        assert_eq!(source(&one, "door code"), Value::Null, "an answer of another tenant's");
        assert_eq!(source(&other, "the code of the door?"), "secret");
    }
    let text = one.send("POST", "/v1/agents/faq/invoke", &[("content-type", "text/plain")], Some(b"open?"));
    assert_eq!((text.status, text.text().as_str()), (200, "From nine to five."));
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");

    let forgotten = one.invoke("faq", &json!({ "delete": { "id": "hours" } }).to_string());
    assert_eq!(forgotten.status, 200);
    assert_eq!(source(&one, "when are you open?"), Value::Null, "a cached index answered");
    assert_eq!(source(&other, "when are you open?"), "hours", "one tenant forgot for another");
    let gaps = one.invoke("faq", r#"{"gaps": {}}"#).json();
    assert_eq!(gaps["gaps"][0], json!({ "words": "code door", "times": 2 }), "{gaps}");
    assert_eq!(other.invoke("faq", r#"{"gaps": {}}"#).json()["gaps"], json!([]));
    bystander.assert_untouched();
}

#[test]
fn faq_answers_from_a_stale_index_while_one_call_makes_a_new_one() {
    let Some(component) = agents::faq() else { return };
    let (one, other) = tenants(component);
    for tenant in [&one, &other] {
        put(tenant, "a", "What about apples?", "They are red.");
    }
    assert_eq!(ask(&one, "apples").header("insula-meta-cache"), "made");
    assert_eq!(ask(&one, "apples").header("insula-meta-cache"), "fresh");
    assert_eq!(ask(&other, "apples").header("insula-meta-cache"), "made", "another tenant's cache answered");
    let quick = json!({ "fresh-ms": "1" }).to_string();
    let set = one.send("PUT", "/v1/agents/faq/config", &[("content-type", "application/json")], Some(quick.as_bytes()));
    assert!(set.status < 300, "{}", set.text());
    // What the agent writes is found at once: the index is made again, and from now on it is stale a moment later.
    put(&one, "b", "What about bananas?", "They are yellow.");
    assert_eq!(source(&one, "bananas"), "b");
    let renewed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let reply = ask(&one, "apples");
                    assert_eq!(reply.json()["source"]["id"], "a");
                    let how = reply.header("insula-meta-cache").to_owned();
                    assert!(["fresh", "stale", "renewed"].contains(&how.as_str()), "nobody waits: {how}");
                    renewed.fetch_add(u64::from(how == "renewed"), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(renewed.load(Ordering::Relaxed) > 0);
    // What somebody else writes to the bucket is found when it is no longer fresh.
    let entry = json!({ "question": "What about cherries?", "answer": "They are gone.", "tags": [] }).to_string();
    let put = one.send("PUT", "/v1/storage/faq-entries/c", &[], Some(entry.as_bytes()));
    assert!(put.status < 300, "{}", put.text());
    eventually("cherries are found", || (source(&one, "cherries") == "c").then_some(()));
}

#[test]
fn faq_does_what_its_readme_says_and_tells_what_is_wrong() {
    let Some(component) = agents::faq() else { return };
    let (tenant, neighbour) = tenants(component);
    let folder = agents::folder("sample-agents/faq/requests");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 7);
    for path in paths {
        let reply = tenant.invoke("faq", &std::fs::read_to_string(&path).unwrap());
        assert_eq!(reply.status, 200, "{}: {}", path.display(), reply.text());
    }
    for (request, status, code, word) in [
        ("{", 400, "bad-request", "JSON"),
        (r#"{"ask": {}}"#, 400, "bad-request", "ask.question"),
        (r#"{"ask": {"question": "how is it?"}}"#, 422, "unprocessable", "no word"),
        (r#"{"get": {"id": "nobody"}}"#, 404, "not-found", "nobody"),
        (r#"{"put": [{"question": "a", "answer": ""}]}"#, 400, "bad-request", "put[0].answer"),
    ] {
        let reply = tenant.invoke("faq", request);
        assert_eq!((reply.status, reply.json()["agent-code"].as_str()), (status, Some(code)), "{}", reply.text());
        assert!(reply.text().contains(word), "{}", reply.text());
    }
    let binary = tenant.send("POST", "/v1/agents/faq/invoke", &[], Some(b"{\"a\": \"\xff\"}"));
    assert_eq!(binary.status, 400);
    assert!(binary.text().contains("not UTF-8 at byte 7"), "{}", binary.text());

    let bill = ask(&tenant, "How do I get a refund?");
    for figure in ["fuel", "wall-us", "host-calls", "storage-read-bytes"] {
        assert!(bill.bill(figure) > 0, "{figure} in {}", bill.header("insula-bill"));
    }
    assert_eq!(neighbour.get("/v1/usage").json()["total"]["calls"], 0, "a neighbour paid");
}
