//! Requests, and what came back. A status is never an error here: the tests look at it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?} ({})", self.text(), self.status))
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether the call behind it never began: its bill is there, and of nothing.
    pub(crate) fn nothing_ran(&self) -> bool {
        let bill = self.header("insula-bill");
        !bill.is_empty() && bill.split(", ").all(|member| member.ends_with("=0"))
    }

    /// One figure of the bill.
    pub(crate) fn bill(&self, name: &str) -> u64 {
        let bill = self.header("insula-bill");
        let entry = bill.split(", ").find_map(|member| member.strip_prefix(&format!("{name}=")));
        entry.unwrap_or_else(|| panic!("no {name} in bill {bill:?}")).parse().unwrap()
    }
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .allow_non_standard_methods(true)
            .build()
            .into()
    })
}

/// Sends a request, with a key or without, and reads the whole answer.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Reply {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = match body {
        Some(body) => agent().run(request.body(body).unwrap()),
        None => agent().run(request.body(()).unwrap()),
    };
    let response = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let (parts, mut body) = response.into_parts();
    let body = body.with_config().limit(256 << 20).read_to_vec().unwrap();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}
