//! The sample agent `recall` over HTTP, for two tenants that remember under the same ids: the best note first, each tenant
//! its own, and nothing that was forgotten, whatever is cached.

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents, eventually};

/// Two tenants with a memory each.
fn pair() -> (Tenant, Tenant) {
    let host = Host::shared();
    let (one, other) = (host.tenant("acme"), host.tenant("globex"));
    one.deploy("recall", agents::recall());
    other.deploy("recall", agents::recall());
    (one, other)
}

fn ask(tenant: &Tenant, request: &Value) -> Reply {
    tenant.invoke("recall", &request.to_string())
}

/// Asks for what must work. Who met too many others asks again.
fn told(tenant: &Tenant, request: &Value) -> Value {
    for _ in 0..100 {
        let reply = ask(tenant, request);
        if reply.status != 409 {
            assert_eq!(reply.status, 200, "{request}: {}", reply.text());
            return reply.json();
        }
    }
    panic!("{request}: a conflict, a hundred times in a row")
}

fn remember(tenant: &Tenant, id: &str, text: &str) {
    told(tenant, &json!({ "remember": { "id": id, "text": text } }));
}

fn search(tenant: &Tenant, query: &str) -> (Vec<String>, String) {
    let reply = ask(tenant, &json!({ "search": { "query": query, "limit": 50 } }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let found = reply.json();
    let ids = found["results"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned());
    (ids.collect::<Vec<_>>(), reply.header("insula-meta-cache").to_owned())
}

fn found(tenant: &Tenant, query: &str) -> Vec<String> {
    search(tenant, query).0
}

/// What is left in the buckets of the agent.
fn left(tenant: &Tenant) -> Vec<Value> {
    let entries = |bucket: &str| {
        let page = tenant.get(&format!("/v1/storage/{bucket}?limit=1000")).json();
        page["entries"].as_array().unwrap().clone()
    };
    [entries("recall-notes"), entries("recall-index")].concat()
}

#[test]
fn the_best_note_comes_first_and_each_tenant_finds_its_own() {
    let (one, other) = pair();
    let bystander = Bystander::settle(Host::shared().tenant("bystander"));
    for (id, ours, theirs) in [
        ("tea", "Marta drinks green tea, and only tea.", "The tea of globex is kept in the cellar."),
        ("coffee", "Jonas drinks coffee, and in the evening now and then a tea with lemon.", "No coffee at globex."),
        ("bread", "The bakery is closed on Mondays.", "Bread comes on Tuesdays."),
    ] {
        remember(&one, id, ours);
        remember(&other, id, theirs);
    }
    for _ in 0..2 {
        assert_eq!(found(&one, "tea"), ["tea", "coffee"]);
        assert_eq!(found(&other, "TÉA"), ["tea"]);
        assert_eq!(found(&one, "globex cellar tuesdays"), Vec::<String>::new());
        assert_eq!(found(&other, "Marta, Jonas or the bakery"), ["tea"], "`the` is in a note of its own");
    }
    for tenant in [&one, &other] {
        let all = ask(tenant, &json!({ "search": { "query": "tea coffee bread bakery" } })).text();
        assert_eq!(all.contains("globex"), tenant.id == other.id, "{all}");
    }
    told(&one, &json!({ "forget": { "id": "tea" } }));
    assert_eq!(told(&one, &json!({ "stats": {} }))["notes"], 2);
    assert_eq!(told(&other, &json!({ "stats": {} }))["notes"], 3, "one tenant forgot for another");
    assert_eq!(found(&other, "tea"), ["tea"]);
    bystander.assert_untouched();
}

#[test]
fn what_was_forgotten_or_replaced_is_not_found_in_the_cache_either() {
    let (one, other) = pair();
    for tenant in [&one, &other] {
        remember(tenant, "a", "the harbour at night");
        remember(tenant, "b", "the harbour by day, and some words that make it longer");
        assert_eq!(search(tenant, "harbour"), (vec!["a".to_owned(), "b".to_owned()], "miss".to_owned()));
        assert_eq!(search(tenant, "harbour"), (vec!["a".to_owned(), "b".to_owned()], "hit".to_owned()));
    }
    told(&one, &json!({ "forget": { "id": "a" } }));
    assert_eq!(search(&one, "harbour"), (vec!["b".to_owned()], "miss".to_owned()));
    assert_eq!(search(&one, "harbour").1, "hit");
    remember(&one, "b", "the mountains by day");
    assert_eq!(found(&one, "harbour"), Vec::<String>::new());
    assert_eq!(found(&one, "mountains"), ["b"]);
    assert_eq!(search(&other, "harbour").1, "hit", "one tenant's writes emptied another's cache");

    let again = ask(&one, &json!({ "forget": { "id": "a" } }));
    assert_eq!((again.status, again.json()["agent-code"].as_str()), (404, Some("not-found")));
    told(&one, &json!({ "forget": { "id": "b" } }));
    assert_eq!(left(&one), Vec::<Value>::new());
    assert_eq!(found(&one, "mountains"), Vec::<String>::new());
    assert!(!left(&other).is_empty());
}

#[test]
fn while_many_write_no_search_shows_what_its_own_caller_has_forgotten() {
    let (one, other) = pair();
    remember(&other, "storm", "a storm of another tenant's");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let one = &one;
            scope.spawn(move || {
                for round in 0..4 {
                    let id = format!("{writer}/{round}");
                    remember(one, &id, &format!("a storm over the sea, number {writer}"));
                    assert!(found(one, "storm").contains(&id), "{id} was remembered, and is not found");
                    told(one, &json!({ "forget": { "id": id } }));
                    assert!(!found(one, "storm").contains(&id), "{id} was forgotten, and is found");
                }
            });
        }
    });
    assert_eq!(left(&one), Vec::<Value>::new());
    assert_eq!(found(&other, "storm"), ["storm"]);
}

#[test]
fn a_note_ends_with_its_life_and_the_next_to_write_clears_up_after_it() {
    let (one, other) = pair();
    remember(&other, "code", "the code is 1234");
    told(&one, &json!({ "remember": { "id": "code", "text": "the code is 4711", "ttl-ms": 700 } }));
    eventually("the note ends", || found(&one, "code").is_empty().then_some(()));
    assert_eq!(ask(&one, &json!({ "get": { "id": "code" } })).status, 404);
    // The agent's clock is the machine's, and the life is the host's: the first may be a moment behind.
    eventually("it is cleared up", || (told(&one, &json!({ "stats": {} }))["notes"] == 0).then_some(()));
    assert_eq!(left(&one), Vec::<Value>::new());
    assert_eq!(found(&other, "code"), ["code"]);
}

#[test]
fn recall_does_what_its_readme_says_and_tells_what_is_wrong() {
    let (tenant, _) = pair();
    let folder = agents::folder("sample-agents/recall/notes");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    for path in paths {
        let reply = tenant.invoke("recall", &std::fs::read_to_string(&path).unwrap());
        assert_eq!(reply.status, 200, "{}: {}", path.display(), reply.text());
    }
    let many: String = (0..2_001).map(|number| format!("{number} ")).collect();
    for (request, status, code) in [
        (json!({ "recall": {} }), 400, "bad-request"),
        (json!({ "remember": { "text": "x".repeat(20_000) } }), 400, "bad-request"),
        (json!({ "remember": { "text": "?!" } }), 422, "unprocessable"),
        (json!({ "remember": { "text": many } }), 422, "unprocessable"),
        (json!({ "search": { "query": "..." } }), 422, "unprocessable"),
        (json!({ "get": { "id": "nobody" } }), 404, "not-found"),
    ] {
        let reply = ask(&tenant, &request);
        assert_eq!((reply.status, reply.json()["agent-code"].as_str()), (status, Some(code)), "{}", reply.text());
    }
}
