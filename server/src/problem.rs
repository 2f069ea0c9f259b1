//! The one shape of an error: RFC 9457 `application/problem+json` with a stable `code`.
//!
//! It knows no error of any other room: what becomes which problem stands in `refusals.rs`. What is absent and what is
//! foreign become the very same problem (T6).

use std::error::Error;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// The media type of every error.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: String,
    extras: Vec<(&'static str, Value)>,
    headers: HeaderMap,
    cause: Option<Cause>,
}

/// What the operator's log gets to know of a problem, and the client never does. It travels beside the response to the
/// layer that knows whose request it was.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

/// What an error looks like; for the API's description.
#[derive(utoipa::ToSchema)]
#[schema(as = Problem, rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes what `Problem` writes by hand")]
pub(crate) struct ProblemBody {
    /// `urn:insula:problem:` and the code.
    r#type: String,
    /// The code in words.
    title: String,
    /// The status, as in the status line.
    status: u16,
    /// What was wrong, for people.
    detail: String,
    /// The stable word for it, for programs.
    code: String,
    /// The limit that was met, where one was.
    limit: Option<u64>,
    /// Which limit of the tenant that was, when `code` is `tenant-busy`.
    limit_name: Option<String>,
    /// The agent's own code, when `code` is `agent-error`.
    agent_code: Option<String>,
    /// For a call that its guest did not end: what it used of each resource, and what it might. To whoever may deploy.
    budget: Option<Vec<Value>>,
    /// For the same: the guest's functions when it ended, the innermost first. To whoever may deploy.
    stack: Option<Vec<Value>>,
    /// When trying again may help, in milliseconds. The `Retry-After` header says it in seconds.
    retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem with this status, this stable word and this sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let (extras, headers) = (Vec::new(), HeaderMap::new());
        Self(Box::new(Parts { status, code, detail: detail.into(), extras, headers, cause: None }))
    }

    /// 400: what the client sent breaks a rule.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: absent, foreign, or no route at all (T6).
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing of that name here")
    }

    /// 405. The router adds `Allow`.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this resource knows other methods: see the Allow header",
        )
    }

    /// 401: no key, or none that is known here.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 500: our fault. The operator's log says more.
    pub(crate) fn host_fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "host-fault",
            "the host failed at this; its operator can find the reason in the log by the request id",
        )
    }

    /// 503: something of ours does not answer. It is worth trying again.
    pub(crate) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the host cannot do this just now; try again")
            .retry_after(Duration::from_secs(1))
    }

    /// Writes the error and its sources in the operator's log.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        self.0.cause = Some(Cause(text));
        self
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extras.push((name, value.into()));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Says when to try again: exactly in a member, rounded up to seconds in `Retry-After`.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let seconds = milliseconds.div_ceil(1_000).max(1);
        self.with("retry-after-ms", milliseconds).header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Its status, its stable word and its sentence.
    pub(crate) fn parts(&self) -> (u16, &'static str, &str) {
        (self.0.status.as_u16(), self.0.code, &self.0.detail)
    }

    /// Its stable word.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// Its status.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    fn title(&self) -> String {
        let words = self.0.code.replace('-', " ");
        let mut letters = words.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Parts { status, code, detail, extras, .. } = &*self.0;
        let mut map = serializer.serialize_map(Some(5 + extras.len()))?;
        map.serialize_entry("type", &format_args!("urn:insula:problem:{code}"))?;
        map.serialize_entry("title", &self.title())?;
        map.serialize_entry("status", &status.as_u16())?;
        map.serialize_entry("detail", detail)?;
        map.serialize_entry("code", code)?;
        for (name, value) in extras {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let Parts { status, mut headers, cause, .. } = *self.0;
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        let mut response = (status, headers, body).into_response();
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_problem_has_its_members_in_order_and_its_headers() {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "tenant-busy", "64 calls are running")
            .with("limit", 64)
            .retry_after(Duration::from_millis(1_001));
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"type":"urn:insula:problem:tenant-busy","title":"Tenant busy","status":429,"detail":"64 calls are running","code":"tenant-busy","limit":64,"retry-after-ms":1001}"#
        );
    }

    #[test]
    fn a_pause_of_nothing_is_still_one_second() {
        let response = Problem::unavailable().retry_after(Duration::ZERO).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_missing_key_is_told_which_scheme_to_use() {
        let response = Problem::unauthenticated("no key").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
