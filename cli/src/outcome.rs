//! How a call ended, as `run` and `invoke` show it: the body to standard output, the bill to standard error.

use std::collections::BTreeMap;

use insula_runtime::Bill;
use serde_json::{Map, Value, json};

use crate::client::Problem;
use crate::failure::Failure;
use crate::terminal::{self, Cell, Table, Terminal};

/// What an agent answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) content_type: String,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A call that ran, or was refused.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) agent: String,
    pub(crate) invocation: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) answer: Result<Reply, Problem>,
    /// There is none when nothing ran.
    pub(crate) bill: Option<Bill>,
    /// Host calls by kind, where they were asked for.
    pub(crate) host_calls: BTreeMap<String, u64>,
}

impl Outcome {
    /// Shows it all. A call without an answer is an error, behind whatever was shown.
    pub(crate) fn show(self, terminal: &Terminal) -> anyhow::Result<()> {
        if terminal.is_json() {
            terminal.json(&self.to_json());
        } else {
            if let Ok(reply) = &self.answer {
                terminal.body(&reply.body);
            }
            if let Some(bill) = &self.bill {
                terminal.note_all(&bill_lines(bill));
            }
            terminal.note_all(&terminal::facts(
                self.host_calls.iter().map(|(kind, calls)| (kind.as_str(), terminal::count(*calls))),
            ));
        }
        match self.answer {
            Ok(_) => Ok(()),
            Err(problem) => Err(failure(&self.agent, problem).into()),
        }
    }

    fn to_json(&self) -> Value {
        let mut shown = json!({
            "agent": self.agent,
            "invocation": self.invocation,
            "version": self.version,
            "bill": self.bill,
        });
        let Some(object) = shown.as_object_mut() else { return shown };
        if !self.host_calls.is_empty() {
            object.insert("host-calls".to_owned(), json!(self.host_calls));
        }
        match &self.answer {
            Ok(reply) => {
                object.insert("content-type".to_owned(), reply.content_type.as_str().into());
                let metadata: Map<_, _> =
                    reply.metadata.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                object.insert("metadata".to_owned(), metadata.into());
                let (name, body) = body_as_json(reply);
                object.insert(name.to_owned(), body);
            }
            Err(problem) => {
                object.insert("problem".to_owned(), json!(problem));
            }
        }
        shown
    }
}

/// The body in the form that says the most: JSON as it is, text as a string, anything else in base 64.
pub(crate) fn body_as_json(reply: &Reply) -> (&'static str, Value) {
    let is_json = reply.content_type.split(';').next().is_some_and(|kind| kind.trim_end().ends_with("json"));
    if is_json && let Ok(value) = serde_json::from_slice(&reply.body) {
        return ("body", value);
    }
    match std::str::from_utf8(&reply.body) {
        Ok(text) => ("body", text.into()),
        Err(_) => ("body-base64", base64(&reply.body).into()),
    }
}

fn failure(agent: &str, problem: Problem) -> Failure {
    match &problem.agent_code {
        Some(code) => Failure::new(format_args!("the agent `{agent}` answered with an error: {code}"))
            .because(problem.sentence())
            .advise("the agent chose this answer: correct the input, or see what it logged"),
        None => {
            let below = problem.into_failure("the host");
            let mut failure = Failure::new(format_args!("the call of `{agent}` has no answer")).because(below.what());
            for reason in below.reasons() {
                failure = failure.because(reason);
            }
            below.advice().iter().fold(failure, Failure::advise)
        }
    }
}

/// A bill, as a small table. What a call did not use is left out.
pub(crate) fn bill_lines(bill: &Bill) -> Vec<String> {
    let mut table = Table::new(&["bill", ""]);
    for (name, value) in bill.entries().into_iter().filter(|(_, value)| *value > 0) {
        table.row([Cell::text(name).styled(terminal::dim), Cell::figure(terminal::by_name(name, value))]);
    }
    if table.is_empty() { Vec::new() } else { table.lines() }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, index| bits << 8 | u32::from(chunk.get(index).copied().unwrap_or(0)));
        for index in 0..4_usize {
            let digit = DIGITS.get((bits >> (18 - 6 * index) & 63) as usize).copied().unwrap_or(b'A');
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(content_type: &str, body: &[u8]) -> Reply {
        Reply { content_type: content_type.into(), metadata: Vec::new(), body: body.to_vec() }
    }

    #[test]
    fn a_body_is_shown_in_the_form_that_says_the_most() {
        let shown = |content_type, body| body_as_json(&reply(content_type, body));
        assert_eq!(shown("application/json", b"{\"a\": 1}"), ("body", json!({"a": 1})));
        assert_eq!(shown("application/problem+json; charset=utf-8", b"[1]"), ("body", json!([1])));
        assert_eq!(shown("application/json", b"not json"), ("body", json!("not json")));
        assert_eq!(shown("text/plain", b"17"), ("body", json!("17")));
        assert_eq!(shown("image/png", b"\xff\xfe"), ("body-base64", json!("//4=")));
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn an_agents_own_error_shows_its_code_and_message() {
        let problem = Problem {
            code: "agent-error".into(),
            agent_code: Some("bad-request".into()),
            detail: Some("the ticket has no id".into()),
            ..Problem::default()
        };
        let failure = failure("triage", problem);
        assert_eq!(failure.what(), "the agent `triage` answered with an error: bad-request");
        assert_eq!(failure.reasons(), ["the ticket has no id"]);
    }

    #[test]
    fn a_bill_leaves_out_what_was_not_used() {
        let lines = bill_lines(&Bill { fuel: 1_204, cpu_us: 900, ..Bill::default() });
        let lines: Vec<_> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(lines, ["  bill", "  fuel     1,204", "  cpu-us  900 µs"]);
    }
}
