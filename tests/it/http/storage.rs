//! The tenant's own data over HTTP: awkward keys, versions as entity tags, and bounds.

use serde_json::json;

use super::assert_refused;
use crate::harness::{Bystander, Host, Tenant, agents};

/// Percent-encodes all that is not a letter or a digit.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}

fn put(tenant: &Tenant, path: &str, headers: &[(&str, &str)], value: &[u8]) -> (u16, String) {
    let reply = tenant.send("PUT", path, headers, Some(value));
    if reply.status < 300 {
        let version = reply.json()["version"].as_u64().unwrap();
        assert_eq!(reply.header("etag"), format!("\"{version}\""));
        return (reply.status, reply.header("etag").to_owned());
    }
    (reply.status, reply.code())
}

#[test]
fn any_key_reads_back_under_its_own_name_and_no_other() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let long = "k".repeat(512);
    let keys = [
        "plain",
        "a/b/c",
        "/",
        "//",
        "/lead",
        "trail/",
        "a//b",
        ".",
        "..",
        "../mine/key-0",
        "100%",
        "%2F",
        "a%2fb",
        "a b",
        " ",
        "a+b",
        "a?b#c",
        "a&b=c;d",
        "é",
        "ключ/キー",
        "🦀",
        "\u{0}",
        "a\nb",
        "\"quoted\"",
        "\\",
        long.as_str(),
    ];
    for tenant in [&ours, &theirs] {
        tenant.deploy("probe", agents::probe());
        for key in keys {
            let path = format!("/v1/storage/awkward/{}", encoded(key));
            let value = format!("{} {key}", tenant.id);
            assert_eq!(put(tenant, &path, &[], value.as_bytes()).0, 201, "{key:?}");
        }
    }
    for tenant in [&ours, &theirs] {
        for key in keys {
            let value = format!("{} {key}", tenant.id);
            let reply = tenant.get(&format!("/v1/storage/awkward/{}", encoded(key)));
            assert_eq!((reply.status, reply.text()), (200, value.clone()), "{key:?}");
            assert_eq!(reply.header("content-type"), "application/octet-stream");
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            // An agent sees the same value under the same key.
            let seen = tenant.probe(&json!({ "call": "storage.get", "bucket": "awkward", "key": key }));
            assert_eq!(seen["ok"]["value"], value, "{key:?}: {seen}");
        }
        let mut listed = Vec::new();
        let mut after = String::new();
        loop {
            let page = tenant.get(&format!("/v1/storage/awkward?limit=7{after}")).json();
            listed
                .extend(page["entries"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", encoded(next)),
                None => break,
            }
        }
        let mut expected = keys.map(str::to_owned);
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }
    // A slash may stand as it is; an encoded percent sign may not be taken for an encoding.
    assert_eq!(ours.get("/v1/storage/awkward/a/b/c").text(), format!("{} a/b/c", ours.id));
    assert_eq!(ours.get("/v1/storage/awkward/a%252fb").text(), format!("{} a%2fb", ours.id));
    assert_eq!(ours.send("DELETE", "/v1/storage/awkward/a%2Fb%2Fc", &[], None).status, 204);
    assert_refused(&ours.get("/v1/storage/awkward/a/b/c"), 404, "not-found");
    assert_eq!(theirs.get("/v1/storage/awkward/a/b/c").status, 200);
    bystander.assert_untouched();
}

#[test]
fn names_that_break_the_rules_are_refused_by_the_rule() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("careless"), Bystander::settle(host.tenant("bystander")));
    for bucket in ["UPPER", "..", "-a", "a%20b", &"b".repeat(64), "ten_x%2Fmine", "%C3%A9"] {
        let path = format!("/v1/storage/{bucket}/key");
        assert_refused(&tenant.send("PUT", &path, &[], Some(b"x")), 400, "invalid-bucket");
        assert_refused(&tenant.get(&format!("/v1/storage/{bucket}")), 400, "invalid-bucket");
    }
    let long = "k".repeat(513);
    assert_refused(&tenant.send("PUT", &format!("/v1/storage/b/{long}"), &[], Some(b"x")), 400, "invalid-key");
    assert_refused(&tenant.send("PUT", "/v1/storage/b/%FF", &[], Some(b"x")), 400, "invalid-path");
    for query in ["limit=0", "limit=1001"] {
        assert_eq!(tenant.get(&format!("/v1/storage/b?{query}")).status, 400, "{query}");
    }
    assert_refused(&tenant.get("/v1/storage/b?limti=1"), 400, "invalid-query");
    assert_eq!(tenant.get("/v1/storage/b").json()["entries"], json!([]));
    bystander.assert_untouched();
}

#[test]
fn a_version_is_an_entity_tag_that_changes_are_conditional_on() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let path = "/v1/storage/docs/readme";
    let (status, first) = put(&ours, path, &[("if-none-match", "*")], b"one");
    assert_eq!(status, 201);
    assert_eq!(ours.get(path).header("etag"), first);
    // What another has under this name is nothing to the condition.
    assert_eq!(put(&theirs, path, &[("if-none-match", "*")], b"theirs").0, 201);

    let conflict = (412, "conflict".to_owned());
    assert_eq!(put(&ours, path, &[("if-none-match", "*")], b"two"), conflict);
    assert_eq!(put(&ours, "/v1/storage/docs/absent", &[("if-match", "*")], b"two"), conflict);
    let (status, second) = put(&ours, path, &[("if-match", &first)], b"two");
    assert_eq!(status, 200);
    assert_ne!(first, second);
    assert_eq!(put(&ours, path, &[("if-match", &first)], b"three"), conflict);
    assert_refused(&ours.send("DELETE", path, &[("if-match", &first)], None), 412, "conflict");
    assert_eq!(ours.get(path).text(), "two");

    assert_eq!(ours.send("DELETE", path, &[("if-match", &second)], None).status, 204);
    assert_refused(&ours.get(path), 404, "not-found");
    assert_eq!(ours.send("DELETE", path, &[], None).status, 204, "removing what is absent is no error");
    // A version is never used twice, also not after a delete.
    let (_, third) = put(&ours, path, &[], b"three");
    assert!(third != first && third != second);
    assert_eq!(theirs.get(path).text(), "theirs");

    for (name, value) in
        [("if-match", "1"), ("if-match", "W/\"1\""), ("if-match", "\"1\", \"2\""), ("if-none-match", "\"1\"")]
    {
        assert_eq!(
            put(&ours, path, &[(name, value)], b"x"),
            (400, "invalid-precondition".to_owned()),
            "{name}: {value}"
        );
    }
    assert_eq!(ours.get(path).text(), "three");
    bystander.assert_untouched();
}

#[test]
fn one_of_many_writers_with_one_version_wins() {
    let host = Host::shared();
    let (ours, bystander) = (host.tenant("ours"), Bystander::settle(host.tenant("bystander")));
    let (_, mut tag) = put(&ours, "/v1/storage/race/key", &[], b"start");
    for round in 0..5 {
        let won: Vec<(u16, String)> = std::thread::scope(|scope| {
            let write = |writer: usize| {
                let value = format!("{round} {writer}");
                put(&ours, "/v1/storage/race/key", &[("if-match", &tag)], value.as_bytes())
            };
            let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let winners: Vec<_> = won.iter().filter(|(status, _)| *status == 200).collect();
        assert_eq!(winners.len(), 1, "{won:?}");
        assert_eq!(won.iter().filter(|(status, _)| *status == 412).count(), 3, "{won:?}");
        tag.clone_from(&winners[0].1);
        assert_eq!(ours.get("/v1/storage/race/key").header("etag"), tag);
    }
    bystander.assert_untouched();
}

#[test]
fn a_value_over_the_limit_and_a_quota_that_is_full_say_which_limit_it_was() {
    let host = Host::shared();
    let limits = json!({ "value-bytes": 1_000, "storage-keys": 2 });
    let (small, neighbour) = (host.tenant_with("small", &limits), host.tenant("neighbour"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let write = |tenant: &Tenant, key: &str, bytes: usize| {
        tenant.send("PUT", &format!("/v1/storage/b/{key}"), &[], Some(&vec![b'x'; bytes]))
    };
    assert_eq!(write(&small, "fits", 1_000).status, 201);
    let refused = write(&small, "over", 1_001);
    assert_refused(&refused, 413, "value-too-large");
    assert_eq!(refused.json()["limit"], 1_000);
    assert_eq!(write(&small, "empty", 0).status, 201);
    let refused = write(&small, "third", 1);
    assert_refused(&refused, 507, "quota-exceeded");
    assert_eq!((refused.json()["limit"].as_u64(), refused.json()["unit"].as_str()), (Some(2), Some("keys")));
    assert_eq!(write(&neighbour, "over", 1_001).status, 201);
    assert_eq!(small.send("DELETE", "/v1/storage/b/empty", &[], None).status, 204);
    assert_eq!(write(&small, "third", 1).status, 201);
    bystander.assert_untouched();
}
