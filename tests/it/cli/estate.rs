//! What a tenant has, from the command line: storage and cache for its people, compaction, audit and the end for operators.

use super::*;

/// A neighbour with a key of its own.
fn neighbour() -> Tenant {
    let tenant = Host::shared().tenant("neighbour");
    assert_eq!(tenant.send("PUT", "/v1/storage/mine/key", &[], Some(b"untouched")).status, 201);
    tenant
}

fn assert_untouched(neighbour: &Tenant) {
    assert_eq!(neighbour.get("/v1/storage/mine/key").text(), "untouched");
}

#[test]
fn a_tenants_people_read_and_change_what_it_stored() {
    let (tenant, neighbour) = (Host::shared().tenant("person"), neighbour());
    let person = Person::of(&tenant);
    let put = person.json(&["storage", "put", "notes", "a/b?c", "--input", "one"]);
    assert_eq!((&put["bucket"], &put["key"]), (&json!("notes"), &json!("a/b?c")));
    person.json(&["storage", "put", "notes", "short", "--input", "{\"n\": 1}", "--ttl", "3600s"]);
    let bytes = person.desk.path("bytes");
    fs::write(&bytes, [0, 255, 7]).unwrap();
    let file = format!("@{}", bytes.to_str().unwrap());
    person.run(&["storage", "put", "other", "bytes", "--input", &file]).done();

    assert_eq!(person.run(&["storage", "get", "notes", "a/b?c"]).done().stdout, "one");
    let read = person.json(&["storage", "get", "notes", "a/b?c"]);
    assert_eq!((&read["value"], &read["version"], &read["ttl-ms"]), (&json!("one"), &put["version"], &Value::Null));
    assert_eq!(person.json(&["storage", "get", "other", "bytes"])["value-base64"], "AP8H");
    let copy = person.desk.path("copy");
    person.run(&["storage", "get", "other", "bytes", "--output", copy.to_str().unwrap()]).done();
    assert_eq!(fs::read(&copy).unwrap(), [0, 255, 7]);

    assert_eq!(person.json(&["storage", "list"]), json!({ "buckets": ["notes", "other"] }));
    let keys = |arguments: &[&str]| {
        let listed = person.json(&[&["storage", "list", "notes"], arguments].concat());
        let names = listed["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(keys(&[]), ["a/b?c", "short"]);
    assert_eq!(keys(&["--reverse", "--limit", "1"]), ["short"]);
    assert_eq!(keys(&["--prefix", "a/"]), ["a/b?c"]);
    assert_eq!(keys(&["--start", "b", "--end", "z"]), ["short"]);
    let page = person.run(&["storage", "list", "notes"]).done();
    assert!(page.stdout.contains("short") && page.stdout.contains("3,59"), "{page:?}");

    person.run(&["storage", "delete", "notes", "a/b?c"]).done();
    assert_failed(&person.run(&["storage", "get", "notes", "a/b?c"]), 1, &["the value cannot be read", "not-found"]);
    assert_failed(&person.run(&["storage", "put", "N", "k", "--input", "x"]), 1, &["invalid-bucket"]);
    assert_eq!(person.run(&["storage", "put", "n", "k", "--input", "x", "--ttl", "5"]).code, 2);

    assert_eq!(person.json(&["cache"])["entries"], 0);
    assert!(person.run(&["cache"]).done().stdout.contains("limit bytes"));
    assert_eq!(person.json(&["cache", "clear", "n"]), json!({ "namespace": "n", "cleared": true }));
    assert_untouched(&neighbour);
}

#[test]
fn an_operator_compacts_erases_and_reads_what_was_done() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("estate"), neighbour());
    let operator = Person::operator();
    assert_eq!(tenant.send("PUT", "/v1/storage/b/k", &[], Some(b"value")).status, 201);
    let compacted = operator.json(&["tenant", "compact", &tenant.id]);
    assert!(compacted["bytes-after"].as_u64().unwrap() > 0, "{compacted}");
    assert_eq!(tenant.get("/v1/storage/b/k").text(), "value");

    let unasked = operator.run(&["tenant", "erase", &tenant.id]);
    assert_failed(&unasked, 2, &["cannot be undone", "--yes"]);
    assert_eq!(tenant.get("/v1/storage/b/k").status, 200);
    let erased = operator.json(&["tenant", "erase", &tenant.id, "--yes"]);
    assert_eq!((&erased["tenant"], &erased["state"]), (&json!(tenant.id), &json!("erased")));
    assert_eq!(tenant.get("/v1/storage/b/k").status, 401);
    let again = operator.run(&["tenant", "erase", &tenant.id, "--yes"]).done();
    assert!(again.stdout.contains("storage keys") && again.stdout.contains("kept: "), "{again:?}");

    let audit = operator.json(&["audit", "--tenant", &tenant.id]);
    let acts: Vec<_> = audit["records"].as_array().unwrap().iter().map(|record| record["act"].clone()).collect();
    assert_eq!(
        acts[..4],
        [json!("tenant.create"), json!("tenant.compact"), json!("tenant.erase"), json!("tenant.erased")]
    );
    let page = operator.run(&["audit", "--tenant", &tenant.id]).done();
    assert!(page.stdout.contains("tenant.erased") && !page.stdout.contains(&neighbour.id), "{page:?}");
    assert_untouched(&neighbour);
}
