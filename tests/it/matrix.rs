//! The cross-tenant matrix: every route and every host function against every kind of caller, as a text that one can
//! read. A route or function without a row fails, and so does a row without one. The text is written by hand and is
//! never renewed by a test.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{Host, Reply, Tenant, agents, send_to, wit};
use crate::limits::calls;

const CANARY: &str = "canary-of-the-owner";

struct Matrix {
    host: &'static Host,
    owner: Tenant,
    other: Tenant,
    /// What must never show up in an answer to anyone but the owner.
    secrets: Vec<String>,
}

struct Asked {
    path: String,
    content_type: &'static str,
    body: Option<Vec<u8>>,
}

impl Matrix {
    fn set_up() -> Self {
        let host = Host::shared();
        let (owner, other) = (host.tenant("owner"), host.tenant("other"));
        for tenant in [&owner, &other] {
            tenant.deploy("probe", agents::probe());
        }
        let mut matrix = Self { host, owner, other, secrets: Vec::new() };
        matrix.restore();
        matrix
    }

    /// What each row finds: the owner's agent `victim`, an entry, a log line, a configuration.
    fn restore(&mut self) {
        let deployed = self.owner.deploy("victim", &agents::text("echo"));
        self.owner.deploy("victim", &agents::edited("(global i32 (i32.const 7))", ""));
        let put = json!({ "call": "storage.put", "bucket": "b", "key": "k", "value": CANARY });
        assert!(self.owner.probe(&put)["ok"].is_number());
        let headers = [("content-type", "application/json")];
        let config = json!({ "n": CANARY }).to_string();
        for agent in ["victim", "probe"] {
            let path = format!("/v1/agents/{agent}/config");
            assert!(self.owner.send("PUT", &path, &headers, Some(config.as_bytes())).status < 300);
        }
        self.secrets = vec![CANARY.to_owned(), deployed["version"].as_str().unwrap().to_owned()];
    }

    /// What the owner sees of its own: it must be the same after anyone else has asked anything.
    fn look(&self) -> Vec<String> {
        ["/v1/agents", "/v1/agents/victim/versions", "/v1/agents/victim/config", "/v1/storage/b", "/v1/limits"]
            .iter()
            .map(|path| self.owner.get(path).text())
            .collect()
    }

    /// The request of a row, aimed at what is the owner's.
    fn ask(&self, method: &str, path: &str) -> Asked {
        let key = self.spare_key(method, path);
        let tier = self.spare_tier(method, path);
        let path = path
            .replace("{agent}", "victim")
            .replace("{bucket}", "b")
            .replace("{namespace}", "n")
            .replace("{tenant}", &self.aim(path))
            .replace("{tier}", &tier)
            .replace("{*key}", "k");
        let path = if path.contains("/keys/") { path.replace("{key}", &key) } else { path.replace("{key}", "k") };
        let mut asked = Asked { path, content_type: "application/json", body: None };
        let body = match (method, asked.path.rsplit('/').next().unwrap_or_default()) {
            ("PUT", "victim") => {
                asked.content_type = "application/wasm";
                Some(agents::text("echo"))
            }
            ("POST", "import") => {
                asked.content_type = "application/vnd.insula.archive";
                asked.path += &format!("?name=again-{}", self.owner.id[20..].to_lowercase());
                let archive = format!("/v1/tenants/{}/export", self.owner.id);
                Some(self.host.operate("GET", &archive, None).body)
            }
            ("PUT", "k") => Some(b"another value".to_vec()),
            ("PUT", last) if last == tier => Some(b"{}".to_vec()),
            ("PUT", "limits") => Some(br#"{"host-calls":100}"#.to_vec()),
            ("PUT", "config") => Some(br#"{"n":"other"}"#.to_vec()),
            ("POST", "activate") => Some(json!({ "version": self.secrets[1] }).to_string().into_bytes()),
            ("POST", "tenants") => {
                Some(json!({ "name": format!("made-{}", self.owner.id[20..].to_lowercase()) }).to_string().into_bytes())
            }
            ("POST", "keys") | ("PATCH", _) => Some(b"{}".to_vec()),
            ("POST" | "PUT", _) => Some(Vec::new()),
            _ => None,
        };
        asked.body = body;
        asked
    }

    /// The tenant of a row: the owner, but for the row that is the end of its tenant.
    fn aim(&self, path: &str) -> String {
        if path.ends_with("/erase") { self.host.tenant("spare").id } else { self.owner.id.clone() }
    }

    /// A key of the owner's that a row may revoke.
    fn spare_key(&self, method: &str, path: &str) -> String {
        if method != "DELETE" || !path.contains("/keys/") {
            return String::new();
        }
        let made = self.host.operate("POST", &format!("/v1/tenants/{}/keys", self.owner.id), Some(&json!({})));
        made.json()["id"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned()
    }

    /// A tier that a row may remove or make.
    fn spare_tier(&self, method: &str, path: &str) -> String {
        let tier = format!("tier-{}", self.owner.id[20..].to_lowercase());
        if method == "DELETE" && path.contains("/tiers/") {
            let made = self.host.operate("PUT", &format!("/v1/tiers/{tier}"), Some(&json!({})));
            assert_eq!(made.status, 200, "{}", made.text());
        }
        tier
    }

    fn send(&self, asked: &Asked, method: &str, key: Option<&str>, operators: bool) -> Reply {
        let address = if operators { self.host.admin } else { self.host.address };
        let headers: Vec<_> = asked.body.iter().map(|_| ("content-type", asked.content_type)).collect();
        send_to(address, method, &asked.path, key, &headers, asked.body.as_deref())
    }
}

/// Routes as the host itself describes them, in the order of their paths.
fn routes(host: &Host) -> Vec<(String, String)> {
    let document = host.operate("GET", "/openapi.json", None).json();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if ["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                routes.push((path.clone(), method.to_uppercase()));
            }
        }
    }
    routes.sort();
    routes
}

fn is_operators(path: &str) -> bool {
    path.starts_with("/v1/tenants") || path.starts_with("/v1/tiers") || path == "/v1/audit" || !path.starts_with("/v1/")
}

#[test]
fn every_route_and_host_function_answers_each_caller_as_the_matrix_says() {
    let mut matrix = Matrix::set_up();
    let mut text = format!("{:<8}{:<42}{:>8}{:>8}{:>8}{:>10}\n", "", "", "no key", "other", "own", "operator");
    for (path, method) in routes(matrix.host) {
        let operators = is_operators(&path);
        let before = matrix.look();
        let asked = matrix.ask(&method, &path);
        let mut cells = Vec::new();
        for (column, key) in [("none", None), ("other", Some(matrix.other.key.clone()))] {
            let reply = matrix.send(&asked, &method, key.as_deref(), operators);
            assert_apart(&matrix, &before, &reply, &format!("{method} {path} as {column}"));
            // What another tenant may ask is answered from its own, which has nothing of the owner's.
            let mark = if column == "other" && !operators && reply.status < 300 { "*" } else { "" };
            cells.push(format!("{}{mark}", reply.status));
        }
        matrix.other.send("DELETE", "/v1/agents/victim", &[], None);
        let operator = (!operators).then(|| {
            let reply = matrix.send(&asked, &method, Some(&matrix.host.operator), false);
            assert_apart(&matrix, &before, &reply, &format!("{method} {path} as operator"));
            reply.status
        });
        let own = matrix.send(&asked, &method, Some(&matrix.owner.key), operators).status;
        let operator =
            operator.unwrap_or_else(|| matrix.send(&asked, &method, Some(&matrix.host.operator), true).status);
        writeln!(text, "{method:<8}{path:<42}{:>8}{:>8}{own:>8}{operator:>10}", cells[0], cells[1]).unwrap();
        if operators {
            let elsewhere = matrix.send(&asked, &method, Some(&matrix.host.operator), false).status;
            let shared = ["/healthz", "/readyz", "/openapi.json"].contains(&path.as_str());
            assert!(elsewhere == 404 || shared, "{method} {path} is on the tenants' listener: {elsewhere}");
            let _ = matrix.host.operate("POST", &format!("/v1/tenants/{}/resume", matrix.owner.id), None);
        }
        if !own.to_string().starts_with('4') {
            matrix.restore();
        }
    }
    functions(&mut matrix, &mut text);
    let expected = include_str!("../output/access-matrix.txt");
    let rows: String = expected.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert!(text == rows, "the matrix is not what tests/output/access-matrix.txt says. It is:\n{text}");
}

fn assert_apart(matrix: &Matrix, before: &[String], reply: &Reply, what: &str) {
    let told = format!("{:?} {}", reply.headers, reply.text());
    for secret in &matrix.secrets {
        assert!(!told.contains(secret), "{what} told {secret}: {told}");
    }
    assert!(!told.contains(&matrix.owner.id) || what.contains("/v1/tenants"), "{what} told the owner's id: {told}");
    assert_eq!(matrix.look(), before, "{what} changed something");
}

/// The same for host functions: the same call by the owner's guest and by another tenant's.
fn functions(matrix: &mut Matrix, text: &mut String) {
    text.push('\n');
    let calls = calls();
    for function in wit::functions() {
        matrix.restore();
        let prepare = json!({ "calls": [
            { "call": "storage.put", "bucket": "b", "key": "increment", "value": "\u{1}\0\0\0\0\0\0\0" },
            { "call": "cache.put", "namespace": "n", "key": "k", "value": CANARY },
        ] });
        matrix.owner.probe(&prepare);
        let call = calls.get(function.as_str()).unwrap_or_else(|| panic!("no row for {function}"));
        let (before, cached) = (matrix.look(), cache(matrix));
        let call = call.to_string();
        let path = "/v1/agents/probe/invoke";
        let ask = |key: Option<&str>| {
            let headers = [("content-type", "application/json")];
            send_to(matrix.host.address, "POST", path, key, &headers, Some(call.as_bytes()))
        };
        let (none, operator) = (ask(None).status, ask(Some(&matrix.host.operator)).status);
        let other = ask(Some(&matrix.other.key));
        assert_apart(matrix, &before, &other, &format!("{function} by another tenant's guest"));
        assert_eq!(cache(matrix), cached, "{function} by another tenant's guest changed the cache");
        let own = ask(Some(&matrix.owner.key)).status;
        let other = if other.status == 200 { "apart".to_owned() } else { other.status.to_string() };
        writeln!(text, "{:<8}{function:<42}{none:>8}{other:>8}{own:>8}{operator:>10}", "guest").unwrap();
    }
}

fn cache(matrix: &Matrix) -> Value {
    let value = matrix.owner.probe(&json!({ "call": "cache.get", "namespace": "n", "key": "k" }));
    let entries = matrix.owner.probe(&json!({ "call": "cache.stats" }));
    let entries = entries.get("ok").unwrap_or(&entries)["entries"].clone();
    json!([value, entries])
}
