//! The routes over a runtime on a directory of its own: two tenants and a bystander. Nothing is compiled or called here;
//! that is for the suites in `tests/`.

mod estate;

use std::ffi::OsString;
use std::num::NonZeroUsize;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use insula_runtime::{EngineSettings, HostSettings, Runtime, Settings, WorkerCommand};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::headers::{REQUEST_ID, TENANT};

struct Host {
    _dir: TempDir,
    runtime: Runtime,
    router: Router,
    operator: String,
}

struct Tenant {
    id: String,
    key: String,
}

/// An answer, with its body read.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn code(&self) -> String {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{}", String::from_utf8_lossy(&self.body));
        self.json()["code"].as_str().unwrap().to_owned()
    }

    fn shape(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }
}

impl Host {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let worker = WorkerCommand { program: "/bin/false".into(), arguments: Vec::<OsString>::new() };
        let mut engine = EngineSettings::standard();
        engine.instances = 8;
        engine.guest_threads = NonZeroUsize::MIN;
        let settings = Settings { data: dir.path().join("data"), worker, engine, host: HostSettings::standard() };
        let opened = Runtime::open(settings).await.unwrap();
        let router = super::router(opened.runtime.clone());
        Self { _dir: dir, runtime: opened.runtime, router, operator: opened.operator_key.unwrap().reveal() }
    }

    async fn tenant(&self, name: &str) -> Tenant {
        let answer = self.send("POST", "/v1/tenants", &self.operator, json!({ "name": name }).to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        Tenant { id: text("tenant"), key: text("key") }
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.router, request).await
    }

    async fn send(&self, method: &str, path: &str, key: &str, body: impl Into<Body>) -> Answer {
        self.ask(request(method, path, key).body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, key, Body::empty()).await
    }
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

fn request(method: &str, path: &str, key: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"))
}

/// Every route of a tenant, with a body that is good enough to get past the parsers.
const TENANT_ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/v1/agents", ""),
    ("GET", "/v1/agents/a", ""),
    ("PUT", "/v1/agents/a", ""),
    ("DELETE", "/v1/agents/a", ""),
    ("POST", "/v1/agents/a/invoke", ""),
    ("GET", "/v1/agents/a/versions", ""),
    ("POST", "/v1/agents/a/activate", r#"{"version":"ver_01jd3kf0x2c9b8m7n6p5q4r3s2"}"#),
    ("POST", "/v1/agents/a/rollback", ""),
    ("GET", "/v1/agents/a/config", ""),
    ("PUT", "/v1/agents/a/config", "{}"),
    ("GET", "/v1/storage", ""),
    ("GET", "/v1/storage/b", ""),
    ("GET", "/v1/storage/b/k", ""),
    ("PUT", "/v1/storage/b/k", "v"),
    ("DELETE", "/v1/storage/b/k", ""),
    ("GET", "/v1/cache", ""),
    ("DELETE", "/v1/cache/n", ""),
    ("GET", "/v1/logs", ""),
    ("GET", "/v1/usage", ""),
    ("GET", "/v1/limits", ""),
];

/// Every route that wants an operator's key.
const OPERATOR_ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "/v1/tenants", r#"{"name":"x"}"#),
    ("GET", "/v1/tenants", ""),
    ("GET", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2", ""),
    ("PATCH", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2", "{}"),
    ("DELETE", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2", ""),
    ("POST", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/suspend", ""),
    ("POST", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/resume", ""),
    ("POST", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/erase", ""),
    ("POST", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/compact", ""),
    ("GET", "/v1/audit", ""),
    ("GET", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/export", ""),
    ("POST", "/v1/tenants/import?name=x", ""),
    ("GET", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/usage", ""),
    ("GET", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/keys", ""),
    ("POST", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/keys", "{}"),
    ("DELETE", "/v1/tenants/ten_01jd3kf0x2c9b8m7n6p5q4r3s2/keys/key_01jd3kf0x2c9b8m7n6p5q4r3s2", ""),
    ("GET", "/metrics", ""),
];

#[tokio::test]
async fn every_route_wants_a_key_of_its_own_kind() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    for (routes, wrong) in [(TENANT_ROUTES, &host.operator), (OPERATOR_ROUTES, &tenant.key)] {
        for (method, path, body) in routes {
            let bare = Request::builder().method(*method).uri(*path).body(Body::from(*body)).unwrap();
            let answer = host.ask(bare).await;
            assert_eq!(answer.shape(), (401, "unauthenticated".to_owned()), "{method} {path}");
            assert_eq!(answer.headers[WWW_AUTHENTICATE], "Bearer");
            let answer = host.send(method, path, wrong, *body).await;
            assert_eq!(answer.shape(), (403, "forbidden".to_owned()), "{method} {path}");
            assert!(answer.headers.contains_key(REQUEST_ID));
        }
    }
    // With their own key, all of them are there, and those of operators do not know a tenant of that id.
    for (method, path, body) in OPERATOR_ROUTES.iter().filter(|(_, path, _)| path.contains("ten_")) {
        let answer = host.send(method, path, &host.operator, *body).await;
        assert_eq!(answer.shape(), (404, "not-found".to_owned()), "{method} {path}");
    }
    for (method, path, body) in TENANT_ROUTES {
        let answer = host.send(method, path, &tenant.key, *body).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(answer.headers[TENANT], tenant.id, "{method} {path}");
    }
}

#[tokio::test]
async fn a_stated_tenant_that_is_not_the_keys_own_is_refused_everywhere() {
    let host = Host::open().await;
    let (ours, theirs) = (host.tenant("acme").await, host.tenant("globex").await);
    for (method, path, body) in TENANT_ROUTES {
        let stated = request(method, path, &ours.key).header(TENANT, &theirs.id).body(Body::from(*body)).unwrap();
        let answer = host.ask(stated).await;
        assert_eq!(answer.shape(), (403, "tenant-mismatch".to_owned()), "{method} {path}");
    }
    let stated = request("GET", "/v1/limits", &ours.key).header(TENANT, &ours.id).body(Body::empty()).unwrap();
    assert_eq!(host.ask(stated).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_without_the_permission_is_told_which_one() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    let keys = format!("/v1/tenants/{}/keys", tenant.id);
    let made = host.send("POST", &keys, &host.operator, r#"{"permissions":["invoke"],"label":"caller"}"#).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let weak = made.json()["key"].as_str().unwrap().to_owned();
    let open_to_all = ["/v1/agents", "/v1/agents/a", "/v1/agents/a/versions", "/v1/usage", "/v1/limits"];
    for (method, path, body) in
        TENANT_ROUTES.iter().filter(|(method, path, _)| !(*method == "GET" && open_to_all.contains(path)))
    {
        let answer = host.send(method, path, &weak, *body).await;
        if path.ends_with("/invoke") {
            assert_eq!(answer.shape(), (404, "not-found".to_owned()));
        } else {
            assert_eq!(answer.shape(), (403, "forbidden".to_owned()), "{method} {path}");
            assert!(["deploy", "manage"].contains(&answer.json()["permission"].as_str().unwrap()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn absent_and_foreign_are_the_same_to_the_byte() {
    let host = Host::open().await;
    let (ours, theirs) = (host.tenant("acme").await, host.tenant("globex").await);
    assert_eq!(host.send("PUT", "/v1/storage/b/k", &theirs.key, "secret").await.status, StatusCode::CREATED);
    let foreign = host.get("/v1/storage/b/k", &ours.key).await;
    let absent = host.get("/v1/storage/b/never", &ours.key).await;
    assert_eq!((foreign.status, &foreign.body), (absent.status, &absent.body));
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(host.get("/v1/storage/b", &ours.key).await.json()["entries"], json!([]));
    assert_eq!(host.get("/v1/storage/b/k", &theirs.key).await.body, b"secret");
}

#[tokio::test]
async fn storage_keeps_versions_and_conditions() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    let path = "/v1/storage/b/..%2Fa%2Fb%3Fc%23d%25%C3%A9";
    let put = async |header: &str, value: &str, body: &'static str| {
        let mut builder = request("PUT", path, &tenant.key);
        if !header.is_empty() {
            builder = builder.header(header, value);
        }
        host.ask(builder.body(Body::from(body)).unwrap()).await
    };
    let first = put("", "", "one").await;
    assert_eq!(first.status, StatusCode::CREATED);
    let version = first.json()["version"].as_u64().unwrap();
    assert_eq!(first.headers[ETAG], format!("\"{version}\""));
    assert_eq!(put("if-none-match", "*", "two").await.shape(), (412, "conflict".to_owned()));
    assert_eq!(put("if-match", "\"999\"", "two").await.shape(), (412, "conflict".to_owned()));
    assert_eq!(put("if-match", &format!("\"{version}\""), "two").await.status, StatusCode::OK);
    assert_eq!(put("", "", "three").await.status, StatusCode::OK);
    let read = host.get(path, &tenant.key).await;
    assert_eq!((read.status, read.body.as_slice()), (StatusCode::OK, b"three".as_slice()));
    let listed = host.get("/v1/storage/b?limit=1&prefix=..%2F", &tenant.key).await.json();
    assert_eq!(listed["entries"][0]["key"], "../a/b?c#d%é");
    assert_eq!(host.get("/v1/storage/b?limit=0", &tenant.key).await.shape(), (400, "invalid-limit".to_owned()));
    assert_eq!(host.get("/v1/storage/B", &tenant.key).await.shape(), (400, "invalid-bucket".to_owned()));
    assert_eq!(host.get("/v1/storage/b/%ff", &tenant.key).await.shape(), (400, "invalid-path".to_owned()));
    assert_eq!(host.send("DELETE", path, &tenant.key, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.get(path, &tenant.key).await.status, StatusCode::NOT_FOUND);
    assert_eq!(host.get("/v1/storage/b", &bystander.key).await.json()["entries"], json!([]));
}

#[tokio::test]
async fn a_value_over_its_limit_is_refused_with_the_limit() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    let limit = host.get("/v1/limits", &tenant.key).await.json()["value-bytes"].as_u64().unwrap();
    let answer = host.send("PUT", "/v1/storage/b/k", &tenant.key, vec![0; usize::try_from(limit).unwrap() + 1]).await;
    assert_eq!(answer.shape(), (413, "value-too-large".to_owned()));
    assert_eq!(answer.json()["limit"], limit);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    for path in ["/", "/v1", "/v1/agents/", "/v1/agents/a/b", "/v2/agents", "/v1/storage/b/"] {
        assert_eq!(host.get(path, &tenant.key).await.shape(), (404, "not-found".to_owned()), "{path}");
    }
    let answer = host.send("POST", "/v1/agents/a", &tenant.key, "").await;
    assert_eq!(answer.shape(), (405, "method-not-allowed".to_owned()));
    let mut allowed: Vec<&str> = answer.headers[ALLOW].to_str().unwrap().split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
}

#[tokio::test]
async fn operators_routes_are_not_there_on_the_tenants_listener_and_the_other_way_round() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    let (tenants, operators) = (super::tenant_router(host.runtime.clone()), super::admin_router(host.runtime.clone()));
    let others = [("GET", "/healthz", ""), ("GET", "/readyz", ""), ("GET", "/openapi.json", "")];
    for (method, path, body) in OPERATOR_ROUTES.iter().chain(&others) {
        let asked = request(method, path, &host.operator).body(Body::from(*body)).unwrap();
        assert_eq!(ask(&tenants, asked).await.shape(), (404, "not-found".to_owned()), "{method} {path}");
    }
    for (method, path, body) in TENANT_ROUTES {
        let asked = request(method, path, &tenant.key).body(Body::from(*body)).unwrap();
        assert_eq!(ask(&operators, asked).await.shape(), (404, "not-found".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_needs_no_key_answers_without_one() {
    let host = Host::open().await;
    let bare = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();
    assert_eq!(host.ask(bare("/healthz")).await.body, b"ok\n");
    let ready = host.ask(bare("/readyz")).await;
    assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::OK, &json!(true)));
    assert!(host.ask(bare("/openapi.json")).await.json()["paths"]["/v1/agents"].is_object());
    host.runtime.shutdown().await;
    let ready = host.ask(bare("/readyz")).await;
    assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
}

#[tokio::test]
async fn a_suspended_tenant_and_a_revoked_key_open_nothing() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    let path = format!("/v1/tenants/{}", tenant.id);
    let suspended = host.send("POST", &format!("{path}/suspend"), &host.operator, "").await;
    assert_eq!(suspended.json()["state"], "suspended");
    assert_eq!(host.get("/v1/limits", &tenant.key).await.shape(), (403, "tenant-suspended".to_owned()));
    assert_eq!(host.get("/v1/limits", &bystander.key).await.status, StatusCode::OK);
    host.send("POST", &format!("{path}/resume"), &host.operator, "").await;
    assert_eq!(host.get("/v1/limits", &tenant.key).await.status, StatusCode::OK);

    let keys = host.get(&format!("{path}/keys"), &host.operator).await;
    let text = String::from_utf8(keys.body.clone()).unwrap();
    assert!(!text.contains("isk_") && !text.contains("hash"), "{text}");
    let key = keys.json()["keys"][0]["id"].as_str().unwrap().to_owned();
    let foreign = format!("/v1/tenants/{}/keys/{key}", bystander.id);
    assert_eq!(host.send("DELETE", &foreign, &host.operator, "").await.shape(), (404, "not-found".to_owned()));
    let gone = host.send("DELETE", &format!("{path}/keys/{key}"), &host.operator, "").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(host.get("/v1/limits", &tenant.key).await.shape(), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn operators_documents_are_checked_to_the_letter() {
    let host = Host::open().await;
    let cases = [
        ("{\n  \"name\": \"x\",\n  \"limit\": 1}", "invalid-json"),
        (r#"{"name": "Not A Name"}"#, "invalid-name"),
        (r#"{"name": "x", "limits": {"fule": 1}}"#, "invalid-json"),
        (r#"{"name": "x", "limits": {"fuel": 0}}"#, "invalid-limit"),
        (r#"{"name": "x", "limits": {"memory-bytes": 1}}"#, "invalid-limit"),
    ];
    for (body, code) in cases {
        assert_eq!(
            host.send("POST", "/v1/tenants", &host.operator, body).await.shape(),
            (400, code.to_owned()),
            "{body}"
        );
    }
    host.tenant("taken").await;
    let again = host.send("POST", "/v1/tenants", &host.operator, r#"{"name": "taken"}"#).await;
    assert_eq!(again.shape(), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn tenants_come_in_pages_change_and_go() {
    let host = Host::open().await;
    let first = host.tenant("a").await;
    let second = host.tenant("b").await;
    let page = host.get("/v1/tenants?limit=1", &host.operator).await.json();
    assert_eq!((&page["tenants"][0]["tenant"], &page["next"]), (&json!(first.id), &json!(first.id)));
    let rest = host.get(&format!("/v1/tenants?after={}", first.id), &host.operator).await.json();
    assert_eq!((&rest["tenants"][0]["tenant"], &rest["next"]), (&json!(second.id), &json!(null)));

    let path = format!("/v1/tenants/{}", first.id);
    let change = r#"{"name": "renamed", "limits": {"request-bytes": 4096}}"#;
    let changed = host.send("PATCH", &path, &host.operator, change).await.json();
    assert_eq!((&changed["name"], &changed["limits"]["request-bytes"]), (&json!("renamed"), &json!(4096)));
    assert_eq!(host.get("/v1/limits", &first.key).await.json()["request-bytes"], 4096);
    let large = host.send("POST", "/v1/agents/a/invoke", &first.key, vec![0; 4097]).await;
    assert_eq!((large.shape(), &large.json()["limit"]), ((413, "request-too-large".to_owned()), &json!(4096)));

    host.send("PUT", "/v1/storage/b/k", &first.key, "v").await;
    let kept = host.send("DELETE", &path, &host.operator, "").await;
    assert_eq!((kept.shape(), &kept.json()["holdings"]["storage-keys"]), ((409, "data-remains".to_owned()), &json!(1)));
    assert_eq!(host.get(&path, &host.operator).await.json()["holdings"]["storage-keys"], 1);
    host.send("DELETE", "/v1/storage/b/k", &first.key, "").await;
    assert_eq!(host.send("DELETE", &path, &host.operator, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.get(&path, &host.operator).await.status, StatusCode::NOT_FOUND);
    assert_eq!(host.get("/v1/limits", &first.key).await.shape(), (401, "unauthenticated".to_owned()));
    assert_eq!(host.get("/v1/limits", &second.key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_upload_that_is_no_component_leaves_nothing() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    let put = async |content_type: Option<&str>, body: Body| {
        let mut builder = request("PUT", "/v1/agents/a", &tenant.key);
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        host.ask(builder.body(body).unwrap()).await
    };
    let broken = || {
        let frames = [Ok(bytes::Bytes::from_static(b"\0asm")), Err(std::io::Error::other("reset"))];
        Body::from_stream(futures_util::stream::iter(frames))
    };
    assert_eq!(put(None, Body::from("x")).await.shape(), (415, "unsupported-media-type".to_owned()));
    let wasm = Some("application/wasm");
    assert_eq!(put(wasm, Body::empty()).await.shape(), (422, "empty-upload".to_owned()));
    assert_eq!(put(wasm, Body::from("hello")).await.shape(), (422, "not-wasm".to_owned()));
    assert_eq!(put(wasm, broken()).await.shape(), (400, "incomplete-body".to_owned()));
    assert_eq!(host.get("/v1/agents", &tenant.key).await.json(), json!({ "agents": [] }));
    assert_eq!(host.get("/v1/agents/NO", &tenant.key).await.shape(), (400, "invalid-agent-name".to_owned()));
}

#[tokio::test]
async fn uploads_that_are_not_deployed_yet_take_no_more_of_the_disk_than_their_share() {
    let host = Host::open().await;
    let tenant = host.tenant("acme").await;
    let mut settings = crate::ServerSettings::standard("127.0.0.1:0".parse().unwrap());
    settings.upload_disk_bytes = 8;
    let app = crate::app::App::new(host.runtime.clone(), &settings, CancellationToken::new(), None);
    let router = super::both(app);
    for (body, expected) in [("abcd", (422, "not-wasm")), ("abcde", (503, "host-busy")), ("abcd", (422, "not-wasm"))] {
        let put = request("PUT", "/v1/agents/a", &tenant.key).header(CONTENT_TYPE, "application/wasm");
        let answer = ask(&router, put.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.shape(), (expected.0, expected.1.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn answers_ask_for_room_and_a_bystander_finds_some() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    for one in [&tenant, &bystander] {
        assert_eq!(host.send("PUT", "/v1/storage/b/k", &one.key, vec![b'v'; 600]).await.status, StatusCode::CREATED);
    }
    let settings = crate::ServerSettings {
        body_memory_bytes: 2_000,
        ..crate::ServerSettings::standard(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
    };
    let app = super::App::new(host.runtime.clone(), &settings, CancellationToken::new(), None);
    let router = super::both(app.clone());
    let get = async |path: &str, key: &str| ask(&router, request("GET", path, key).body(Body::empty()).unwrap()).await;
    // An answer that is not taken holds what it holds.
    let untaken = request("GET", "/v1/storage/b/k", &tenant.key).body(Body::empty()).unwrap();
    let untaken = router.clone().oneshot(untaken).await.unwrap();
    assert_eq!(untaken.status(), StatusCode::OK);
    assert_eq!(get("/v1/storage/b/k", &tenant.key).await.shape(), (503, "host-busy".to_owned()));
    assert_eq!(get("/v1/storage/b/k", &bystander.key).await.status, StatusCode::OK);
    let mut rest = app.ledger.open(Some(tenant.id.parse().unwrap()));
    rest.grow(400).unwrap();
    for path in ["/v1/agents", "/v1/usage", "/v1/storage/b", "/v1/logs"] {
        assert_eq!(get(path, &tenant.key).await.shape(), (503, "host-busy".to_owned()), "{path}");
        assert_eq!(get(path, &bystander.key).await.status, StatusCode::OK, "{path}");
    }
    drop((untaken, rest));
    assert_eq!(get("/v1/storage/b/k", &tenant.key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_tenants_reads_at_work_do_not_keep_a_bystander_waiting() {
    let host = Host::open().await;
    let (tenant, bystander) = (host.tenant("acme").await, host.tenant("bystander").await);
    let settings = crate::ServerSettings::standard(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let app = super::App::new(host.runtime.clone(), &settings, CancellationToken::new(), None);
    let router = super::both(app.clone());
    let mut held = Vec::new();
    for _ in 0..crate::turns::AT_ONCE {
        held.push(app.turns.take(tenant.id.parse().unwrap()).await.unwrap());
    }
    let paths = ["/v1/agents", "/v1/agents/a", "/v1/agents/a/versions", "/v1/agents/a/config", "/v1/usage"];
    let paths = [&paths[..], &["/v1/storage/b", "/v1/storage/b/k"]].concat();
    let all = async |key: &str| {
        let one = async |path: &str| ask(&router, request("GET", path, key).body(Body::empty()).unwrap()).await.status;
        futures_util::future::join_all(paths.iter().map(|path| one(path))).await
    };
    assert!(all(&bystander.key).await.iter().all(|status| *status != StatusCode::TOO_MANY_REQUESTS));
    assert!(all(&tenant.key).await.iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS));
    drop(held);
    assert!(all(&tenant.key).await.iter().all(|status| *status != StatusCode::TOO_MANY_REQUESTS));
}
