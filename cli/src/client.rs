//! The HTTP client: the one module that dials out (A4).
//!
//! It sends the key to the host that it was made for and to no other: redirects are not followed, and a host on this
//! machine is never reached through a proxy.

mod problem;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use ureq::http::{self, HeaderMap, Method};

use crate::connection::Target;
use crate::failure::Failure;

pub(crate) use problem::Problem;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one exchange may take; the longest call that a host allows is 600 s, and an upload is compiled meanwhile.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(660);
/// The longest answer that is read; hosts allow bodies of 64 MiB.
const ANSWER_LIMIT: u64 = 256 << 20;

/// One host, as seen by the holder of one key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    target: Target,
}

/// What to ask of the host.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// What the host answered, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(self, content_type: &str, body: Vec<u8>) -> Self {
        Self { body: Some(body), ..self.header(CONTENT_TYPE.as_str(), content_type) }
    }
}

impl Answer {
    /// A header's value, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Client {
    pub(crate) fn new(target: &Target) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("insula/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT));
        if is_local(&target.url) {
            config = config.proxy(None);
        }
        Self { agent: Agent::new_with_config(config.build()), target: target.clone() }
    }

    /// The host's address.
    pub(crate) fn url(&self) -> &str {
        &self.target.url
    }

    /// Reads a resource.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json(Request::new(Method::GET, path))
    }

    /// Sends a document, or no body at all.
    pub(crate) fn send(&self, method: Method, path: &str, document: Option<&Value>) -> anyhow::Result<Value> {
        let request = Request::new(method, path);
        match document {
            Some(document) => self.json(request.body("application/json", serde_json::to_vec(document)?)),
            None => self.json(request),
        }
    }

    /// Asks, and reads the answer as JSON. An answer without a body is `null`; a refusal is an error.
    pub(crate) fn json(&self, request: Request) -> anyhow::Result<Value> {
        self.document(&self.exchange(request)?)
    }

    fn document(&self, answer: &Answer) -> anyhow::Result<Value> {
        if !answer.is_success() {
            return Err(Problem::of(answer).into_failure(self.url()).into());
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|error| self.not_a_host(&error.to_string()).into())
    }

    /// Asks, and takes whatever answer there is. An error means that there was none.
    pub(crate) fn exchange(&self, request: Request) -> anyhow::Result<Answer> {
        self.answer(self.run(request, Some(EXCHANGE_TIMEOUT))?)
    }

    fn answer(&self, mut response: http::Response<ureq::Body>) -> anyhow::Result<Answer> {
        let body = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec();
        let body = body.map_err(|error| self.unreachable(&error))?;
        Ok(Answer { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()), body })
    }

    /// Asks for a stream of lines. It lasts until the host or the reader ends it.
    pub(crate) fn lines(&self, path: &str) -> anyhow::Result<impl BufRead + use<>> {
        let mut response = self.run(Request::new(Method::GET, path), None)?;
        if !response.status().is_success() {
            let body = response.body_mut().read_to_vec().unwrap_or_default();
            let headers = std::mem::take(response.headers_mut());
            let answer = Answer { status: response.status().as_u16(), headers, body };
            return Err(Problem::of(&answer).into_failure(self.url()).into());
        }
        Ok(BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    /// Asks for a stream of bytes, and writes them as they come. Answers how many there were.
    pub(crate) fn download(&self, path: &str, sink: &mut impl Write) -> anyhow::Result<u64> {
        let mut source = self.lines(path)?;
        Ok(io::copy(&mut source, sink)?)
    }

    /// Sends a file as it is read, and reads the answer as JSON.
    pub(crate) fn upload(&self, path: &str, content_type: &str, file: &File) -> anyhow::Result<Value> {
        let length = file.metadata()?.len();
        let request = http::Request::post(format!("{}{path}", self.target.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.target.key))
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, length);
        let invalid = |error: http::Error| Failure::usage("the request cannot be sent").because(error);
        let request = request.body(file).map_err(invalid)?;
        let request = self.agent.configure_request(request).timeout_global(Some(EXCHANGE_TIMEOUT)).build();
        self.document(&self.answer(self.agent.run(request).map_err(|error| self.unreachable(&error))?)?)
    }

    fn run(&self, request: Request, timeout: Option<Duration>) -> anyhow::Result<http::Response<ureq::Body>> {
        let url = format!("{}{}", self.target.url, request.path);
        let mut builder = http::Request::builder().method(request.method).uri(url);
        builder = builder.header(AUTHORIZATION, format!("Bearer {}", self.target.key));
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let invalid = |error: http::Error| Failure::usage("the request cannot be sent").because(error);
        let agent = &self.agent;
        let sent = match request.body {
            Some(body) => {
                let request = builder.body(body).map_err(invalid)?;
                agent.run(agent.configure_request(request).timeout_global(timeout).build())
            }
            None => {
                let request = builder.body(()).map_err(invalid)?;
                agent.run(agent.configure_request(request).timeout_global(timeout).build())
            }
        };
        sent.map_err(|error| self.unreachable(&error).into())
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let failure = Failure::new(format_args!("no answer from {}", self.url()));
        let failure = match error {
            ureq::Error::Io(error) => failure.because(error),
            other => failure.because(other),
        };
        match error {
            ureq::Error::Timeout(_) => failure.advise("see whether the host is busy: its log says what it does"),
            _ => failure.advise(
                "start a host with `insula dev` or `insula serve --data DIR`, or name the right one with --url",
            ),
        }
    }

    fn not_a_host(&self, reason: &str) -> Failure {
        Failure::new(format_args!("{} did not answer like an Insula host", self.url()))
            .because(reason)
            .advise("see whether the address is right, and whether host and `insula` are of one release")
    }
}

/// Reads a part of an answer into the shape that a page is made from.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Failure::new("the host's answer has another shape than this release knows")
            .because(error)
            .advise("see whether host and `insula` are of one release; --json shows the answer as it came")
            .into()
    })
}

/// A path of these segments, each encoded.
pub(crate) fn path(segments: &[&str]) -> String {
    segments.iter().fold(String::from("/v1"), |path, segment| path + "/" + &encode(segment))
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = match rest.strip_prefix('[') {
        Some(inner) => inner.split(']').next(),
        None => rest.split([':', '/']).next(),
    };
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_a_path_stays_one_segment() {
        assert_eq!(path(&["agents", "triage"]), "/v1/agents/triage");
        assert_eq!(path(&["storage", "b", "../a/b?c#d%é"]), "/v1/storage/b/..%2Fa%2Fb%3Fc%23d%25%C3%A9");
    }

    #[test]
    fn hosts_on_this_machine_are_known() {
        for local in ["http://127.0.0.1:7400", "http://localhost", "http://[::1]:80", "http://127.8.9.1"] {
            assert!(is_local(local), "{local}");
        }
        for remote in ["https://insula.example", "http://10.0.0.1:7400", "http://localhost.example", "http://[::2]:1"] {
            assert!(!is_local(remote), "{remote}");
        }
    }
}
