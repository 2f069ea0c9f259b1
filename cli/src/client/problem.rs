//! A refusal of the host (RFC 9457), and what its reader can do about it.

use insula_runtime::CallFailure;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::trouble::Trouble;

use super::Answer;

/// The codes of limits that were met.
const LIMITS: [&str; 12] = [
    "fuel-exhausted",
    "cpu-exhausted",
    "deadline-exceeded",
    "memory-exhausted",
    "host-calls-exhausted",
    "host-bytes-exhausted",
    "storage-read-exhausted",
    "storage-write-exhausted",
    "cache-traffic-exhausted",
    "request-too-large",
    "response-too-large",
    "component-too-large",
];

/// What the host says when it refuses. Members that it did not send are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Problem {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) status: u16,
    /// The stable word for it.
    pub(crate) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The agent's own word, when the agent returned the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_code: Option<String>,
    /// Where the call was and what it had left, where the host says so.
    #[serde(flatten)]
    pub(crate) trouble: Trouble,
    /// When trying again may help, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    /// Reads the refusal out of an answer. What is no problem document is described by its status.
    pub(crate) fn of(answer: &Answer) -> Self {
        let mut problem: Self = serde_json::from_slice(&answer.body).unwrap_or_default();
        problem.status = answer.status;
        problem.retry_after = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
        problem
    }

    /// The same for a call in this process.
    pub(crate) fn of_call(failure: &CallFailure) -> Self {
        let problem = Self { code: failure.code().to_owned(), ..Self::default() };
        match failure {
            CallFailure::Agent(error) => {
                let retry_after = error.retry_after_ms.map(|after| after.div_ceil(1_000));
                let detail = Some(error.message.clone());
                Self { agent_code: Some(error.code.clone()), detail, retry_after, ..problem }
            }
            other => Self { detail: Some(other.to_string()), ..problem },
        }
    }

    /// Whether the call was one in this process, which has no status.
    fn is_local(&self) -> bool {
        self.status == 0
    }

    /// What went wrong, in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let known = self.detail.as_ref().or(self.title.as_ref()).filter(|text| !text.is_empty());
        known.cloned().unwrap_or_else(|| format!("it answered with status {}", self.status))
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> Option<String> {
        advice(self)
    }

    /// The failure of a command that this refusal ended.
    pub(crate) fn into_failure(self, url: &str) -> Failure {
        let code = if self.code.is_empty() { "no code" } else { &self.code };
        let failure = if self.is_local() {
            Failure::new(format_args!("{} ({code})", self.sentence()))
        } else {
            Failure::new(self.sentence()).because(format_args!("{url} answered {} ({code})", self.status))
        };
        let stack = self.trouble.stack_lines();
        let failure = if stack.is_empty() { failure } else { failure.because(stack.join("\n")) };
        let failure = match self.trouble.budget_line() {
            Some(line) => failure.because(line),
            None => failure,
        };
        match self.advice() {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    }
}

/// A call in this process has no status.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(status: &u16) -> bool {
    *status == 0
}

/// What to do about a code.
fn advice(problem: &Problem) -> Option<String> {
    let text = match problem.code.as_str() {
        "unauthenticated" => "log in again: `insula login --url URL --key KEY`",
        "forbidden" => {
            "use a key that has this permission; `tenant` and `key` commands need an operator's key and the operators' address"
        }
        "tenant-mismatch" => "use the key of the tenant that you mean",
        "tenant-suspended" => "ask the operator of the host to resume the tenant",
        "still-running" | "not-erased" => "run the same command again: it goes on where it ended",
        "not-found" => "see what there is with `insula agent list`, or `insula tenant list` for operators",
        code if LIMITS.contains(&code) && problem.is_local() => {
            "try it with another limit, such as --limit fuel=5_000_000_000"
        }
        code if LIMITS.contains(&code) => {
            "see the tenant's limits with `insula limits`; an operator can raise them with `insula tenant set`"
        }
        "agent-trap" | "invalid-response" if problem.is_local() => "see what the agent logged, above",
        "agent-trap" | "invalid-response" => "see what the agent logged: `insula logs NAME`",
        "unknown-imports" | "no-handler" | "wrong-handler" | "not-wasm" | "core-module" | "malformed-component" => {
            "see what the host makes of the component: `insula check FILE.wasm`"
        }
        "host-fault" => "tell the operator of the host the request's id and the time: the host's log has the reason",
        _ => return by_status(problem),
    };
    Some(text.to_owned())
}

/// What to do about a code that is not known here.
fn by_status(problem: &Problem) -> Option<String> {
    if let Some(seconds) = problem.retry_after {
        return Some(format!("try again in {seconds} s"));
    }
    let text = match problem.status {
        409 | 412 => "see what is there already, then choose another name or another moment",
        400..500 => "correct what the reason names; `insula COMMAND --help` shows the forms",
        500.. => "try again; if it stays, the host's own log says more",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_refusal_says_what_why_and_what_to_do() {
        let mut answer = answer(429, r#"{"code": "tenant-busy", "detail": "64 calls are in flight", "limit": 64}"#);
        answer.headers.insert("retry-after", ureq::http::HeaderValue::from_static("2"));
        let failure = Problem::of(&answer).into_failure("http://here");
        assert_eq!(failure.what(), "64 calls are in flight");
        assert_eq!(failure.reasons(), ["http://here answered 429 (tenant-busy)"]);
        assert_eq!(failure.advice(), ["try again in 2 s"]);
    }

    #[test]
    fn a_call_in_this_process_names_no_host() {
        let problem = Problem::of_call(&CallFailure::FuelExhausted { limit: 7 });
        let failure = problem.into_failure("the host");
        assert_eq!(failure.what(), "the call used up its 7 units of fuel (fuel-exhausted)");
        assert!(failure.reasons().is_empty() && failure.advice().iter().any(|advice| advice.contains("--limit")));
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_described_by_its_status() {
        let failure = Problem::of(&answer(502, "<html>bad gateway</html>")).into_failure("http://here");
        assert_eq!(failure.what(), "it answered with status 502");
        assert_eq!(failure.reasons(), ["http://here answered 502 (no code)"]);
    }
}
