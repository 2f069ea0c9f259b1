//! What a tenant has, for its people and for operators: buckets, ranges, lives, the cache's namespaces, the audit log.

use super::*;

#[tokio::test]
async fn buckets_ranges_and_lives_are_there_for_people_too() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    for path in ["/v1/storage/b/a", "/v1/storage/b/b", "/v1/storage/b/c", "/v1/storage/other/k"] {
        assert_eq!(host.send("PUT", path, &tenant.key, "v").await.status, StatusCode::CREATED);
    }
    let listed = async |path: &str| host.get(path, &tenant.key).await.json();
    assert_eq!(listed("/v1/storage").await, json!({ "buckets": ["b", "other"], "next": null }));
    assert_eq!(listed("/v1/storage?limit=1").await, json!({ "buckets": ["b"], "next": "b" }));
    assert_eq!(listed("/v1/storage?after=b").await["buckets"], json!(["other"]));
    let keys = async |query: &str| {
        let page = listed(&format!("/v1/storage/b?{query}")).await;
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["key"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(
        (keys("start=b").await, keys("end=c").await, keys("reverse=true").await),
        ("bc".into(), "ab".into(), "cba".into())
    );
    assert_eq!(keys("reverse=true&after=b&limit=1").await, "a");

    let put = async |ttl: &'static str| {
        let request = request("PUT", "/v1/storage/b/short", &tenant.key).header("insula-ttl-ms", ttl);
        host.ask(request.body(Body::from("v")).unwrap()).await
    };
    assert_eq!(put("3600000").await.status, StatusCode::CREATED);
    let read = host.get("/v1/storage/b/short", &tenant.key).await;
    let left: u64 = read.headers["insula-ttl-ms"].to_str().unwrap().parse().unwrap();
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    assert!(listed("/v1/storage/b?prefix=short").await["entries"][0]["ttl-ms"].is_number());
    assert!(!host.get("/v1/storage/b/a", &tenant.key).await.headers.contains_key("insula-ttl-ms"));
    for bad in ["0", "x", "999999999999999"] {
        assert_eq!(put(bad).await.shape(), (400, "invalid-ttl".to_owned()), "{bad}");
    }
    assert_eq!(host.get("/v1/storage", &bystander.key).await.json()["buckets"], json!([]));
}

#[tokio::test]
async fn a_namespace_is_emptied_by_its_owner() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    assert_eq!(host.send("DELETE", "/v1/cache/n", &tenant.key, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.send("DELETE", "/v1/cache/N", &tenant.key, "").await.status, StatusCode::BAD_REQUEST);
    let statistics = host.get("/v1/cache", &tenant.key).await.json();
    assert_eq!((&statistics["entries"], &statistics["leases"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn what_operators_did_can_be_read_page_by_page_and_by_tenant() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    let compacted = host.send("POST", &format!("/v1/tenants/{}/compact", tenant.id), &host.operator, "").await;
    assert_eq!((compacted.status, &compacted.json()["bytes-after"]), (StatusCode::OK, &json!(0)));
    let acts = |page: &Value| {
        let records = page["records"].as_array().unwrap().iter();
        records.map(|record| record["act"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = host.get("/v1/audit", &host.operator).await;
    assert_eq!(acts(&all.json()), ["operator-key.create", "tenant.create", "tenant.create", "tenant.compact"]);
    assert!(!String::from_utf8_lossy(&all.body).contains("isk_"));
    let ours = host.get(&format!("/v1/audit?tenant={}", tenant.id), &host.operator).await.json();
    assert_eq!(acts(&ours), ["tenant.create", "tenant.compact"]);
    assert!(!ours.to_string().contains(&bystander.id));
    let first = host.get("/v1/audit?limit=3", &host.operator).await.json();
    let rest = host.get(&format!("/v1/audit?limit=3&after={}", first["next"]), &host.operator).await.json();
    assert_eq!((acts(&first).len(), acts(&rest), &rest["next"]), (3, vec!["tenant.compact".to_owned()], &Value::Null));
    assert_eq!(host.get("/v1/audit?limit=0", &host.operator).await.shape(), (400, "invalid-limit".to_owned()));
    assert_eq!(host.get("/v1/audit?tenant=x", &host.operator).await.shape(), (400, "invalid-name".to_owned()));
}
