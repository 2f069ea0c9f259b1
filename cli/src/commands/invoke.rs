//! `insula invoke`: one call of an agent on a host.

use std::collections::BTreeMap;

use insula_runtime::{AgentName, Bill};
use ureq::http::Method;

use crate::client::{self, Answer, Client, Problem, Request};
use crate::connection::{Connection, Role};
use crate::input::{self, Input};
use crate::outcome::{Outcome, Reply};
use crate::terminal::Terminal;

const META_PREFIX: &str = "insula-meta-";

/// Arguments of `invoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The answer's body goes to standard output as it is; the bill goes to standard error.")]
pub(crate) struct Args {
    /// The agent
    #[arg(value_name = "NAME")]
    agent: AgentName,
    /// The body: text, a file, or standard input
    #[arg(long, value_name = "TEXT|@FILE|-")]
    input: Input,
    /// The body's content type; guessed from the body unless given
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Metadata for the agent
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    meta: Vec<(String, String)>,
    /// Show the call's host calls by kind, too
    #[arg(long)]
    detail: bool,
    /// The same key means the same request, sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    let body = args.input.read()?;
    let content_type = args.content_type.as_deref().unwrap_or_else(|| input::guess_content_type(&body));
    let path = client::path(&["agents", args.agent.as_str(), "invoke"]);
    let mut request = Request::new(Method::POST, path).body(content_type, body.clone());
    for (name, value) in &args.meta {
        request = request.header(format!("{META_PREFIX}{name}"), value);
    }
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if args.detail {
        request = request.header("insula-bill", "detail");
    }
    let progress = terminal.progress(&format!("calling {}", args.agent));
    let answer = client.exchange(request);
    drop(progress);
    outcome(args.agent.as_str(), answer?).show(terminal)
}

/// Reads how the call ended out of the host's answer.
pub(crate) fn outcome(agent: &str, answer: Answer) -> Outcome {
    let text = |name| answer.header(name).map(str::to_owned);
    let invocation = text("insula-request-id");
    let version = text("insula-version");
    let bill = answer.header("insula-bill").and_then(Bill::from_header);
    let host_calls = host_calls(&answer);
    let reply = if answer.is_success() {
        Ok(Reply {
            content_type: text("content-type").unwrap_or_default(),
            metadata: metadata(&answer),
            body: answer.body,
        })
    } else {
        Err(Problem::of(&answer))
    };
    Outcome { agent: agent.to_owned(), invocation, version, answer: reply, bill, host_calls }
}

/// Host calls by kind: a dictionary of integers (RFC 9651).
fn host_calls(answer: &Answer) -> BTreeMap<String, u64> {
    let members = answer.header("insula-bill-detail").into_iter().flat_map(|text| text.split(','));
    let read = |member: &str| {
        let (kind, calls) = member.trim().split_once('=')?;
        Some((kind.to_owned(), calls.parse().ok()?))
    };
    members.filter_map(read).collect()
}

fn metadata(answer: &Answer) -> Vec<(String, String)> {
    let entries = answer.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(META_PREFIX)?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Answer { status, headers: HeaderMap::from_iter(headers), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn an_answer_is_read_with_its_metadata_and_its_bill() {
        let headers = [("content-type", "text/plain"), ("insula-meta-a", "1"), ("insula-bill", "fuel=5, cpu-us=2")];
        let outcome = outcome("echo", answer(200, &headers, "hello"));
        let reply = outcome.answer.unwrap();
        assert_eq!((reply.body.as_slice(), reply.metadata), (b"hello".as_slice(), vec![("a".into(), "1".into())]));
        assert_eq!(outcome.bill.map(|bill| (bill.fuel, bill.cpu_us)), Some((5, 2)));
    }

    #[test]
    fn host_calls_are_read_by_kind() {
        let headers = [("insula-bill-detail", "storage.get-many=2, log.write=1")];
        let outcome = outcome("echo", answer(200, &headers, ""));
        assert_eq!(outcome.host_calls, [("log.write".into(), 1), ("storage.get-many".into(), 2)].into());
        assert!(super::outcome("echo", answer(200, &[], "")).host_calls.is_empty());
    }

    #[test]
    fn a_failed_call_keeps_its_bill() {
        let body = r#"{"code": "fuel-exhausted", "detail": "the call used up its fuel"}"#;
        let outcome = outcome("hostile", answer(508, &[("insula-bill", "fuel=7")], body));
        assert_eq!(outcome.answer.unwrap_err().code, "fuel-exhausted");
        assert_eq!(outcome.bill.map(|bill| bill.fuel), Some(7));
    }
}
