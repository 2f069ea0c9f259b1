//! `/v1/logs`: the tenant's log, a page at a time or as it grows.
//!
//! A followed log is one JSON document a line. It ends when the server stops, when its key no longer opens the log, when
//! the tenant has no room for more lines, and after an hour: then a client asks again, `since` the last line that it saw
//! (B1).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use insula_runtime::{LogLine, LogPage, LogQuery, LogReader};
use insula_tenancy::{Credential, Deploy, InvocationId, TenantScope, VersionId};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};

use crate::answer;
use crate::app::App;
use crate::auth::{Caller, bearer};
use crate::input::{Params, agent_name};
use crate::problem::Problem;

/// Lines of a page, unless told otherwise, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 500;
/// What a followed log costs in memory beside its lines, roughly.
const FOLLOW_OVERHEAD: usize = 16 << 10;
/// How long a log can be followed in one go.
const FOLLOW_LIMIT: Duration = Duration::from_secs(3_600);
/// How often it is looked up whether the key still opens the log.
const RECHECK: Duration = Duration::from_secs(5);

/// Which lines to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Of this agent only.
    agent: Option<String>,
    /// After the line of this number. Without it: the newest lines.
    since: Option<u64>,
    /// Whether to go on as the log grows.
    #[serde(default)]
    #[param(default = false)]
    follow: bool,
    /// At most so many lines at a time, 1 to 500.
    #[serde(default = "page")]
    #[param(default = 100)]
    limit: usize,
}

fn page() -> usize {
    PAGE
}

/// One line.
#[derive(Serialize, ToSchema)]
#[schema(as = LogLine)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LineView {
    /// Its number, which grows.
    sequence: u64,
    /// When, in Unix microseconds.
    at_us: u64,
    /// The agent's name.
    agent: String,
    /// The version's id.
    #[schema(value_type = String)]
    version: VersionId,
    /// The call's id.
    #[schema(value_type = String)]
    invocation: InvocationId,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: &'static str,
    /// `log`, `stdout`, `stderr` or `host`.
    source: &'static str,
    message: String,
}

/// Some lines, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = LogPage)]
pub(crate) struct PageView {
    lines: Vec<LineView>,
    /// Pass it as `since` to go on.
    next: u64,
    /// Lines that were pushed out before they could be read.
    lost: u64,
}

/// A line of a followed log that is none: how many are missing here.
#[derive(Serialize)]
struct Lost {
    lost: u64,
}

impl From<LogLine> for LineView {
    fn from(line: LogLine) -> Self {
        Self {
            sequence: line.sequence,
            at_us: line.at_us,
            agent: line.agent.to_string(),
            version: line.version,
            invocation: line.invocation,
            level: line.level,
            source: line.source,
            message: line.message,
        }
    }
}

/// Reads the tenant's log. Needs `deploy`.
///
/// With `follow=true` the answer is `application/x-ndjson`: one line of the log a line, and `{"lost": NUMBER}` where
/// lines were pushed out before they could be sent.
#[utoipa::path(get, path = "/v1/logs", tag = "tenant", operation_id = "read_logs", params(LogParams),
    responses((status = 200, description = "Lines of the log", body = PageView)))]
pub(crate) async fn read(
    State(app): State<App>,
    Caller(scope): Caller,
    Params(params): Params<LogParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Deploy>()?;
    if !(1..=LARGEST_PAGE).contains(&params.limit) {
        return Err(Problem::bad_request("invalid-limit", "read 1 to 500 lines at a time"));
    }
    let agent = params.agent.as_deref().map(agent_name).transpose()?;
    let query = LogQuery { agent, since: params.since, limit: params.limit };
    let reader = app.runtime.logs(&permit).await?;
    if params.follow { follow(app, &scope, reader, query, &headers) } else { one_page(&app, &scope, &reader, &query) }
}

fn one_page(app: &App, scope: &TenantScope, reader: &LogReader, query: &LogQuery) -> Result<Response, Problem> {
    let LogPage { lines, next, lost } = reader.page(query);
    let page = PageView { lines: lines.into_iter().map(LineView::from).collect(), next, lost };
    Ok(unstored(answer::json(app, scope, &page)?))
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn follow(
    app: App,
    scope: &TenantScope,
    reader: LogReader,
    query: LogQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut hold = app.ledger.open(Some(scope.tenant()));
    hold.grow(FOLLOW_OVERHEAD)?;
    let now = Instant::now();
    let credential = bearer(headers)?;
    let follower = Follower { app, reader, query, credential, recheck: now + RECHECK, end: now + FOLLOW_LIMIT };
    let tenant = scope.tenant();
    let lines = stream::unfold((follower, hold), move |(mut follower, hold)| async move {
        let text = follower.next().await?;
        let mut room = follower.app.ledger.open(Some(tenant));
        // Without room the answer ends here, and the client goes on after the last line that it saw.
        room.grow(text.len()).ok()?;
        Some((Ok::<Bytes, Infallible>(room.keep(text)), (follower, hold)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(unstored(response))
}

/// Someone who follows a log.
struct Follower {
    app: App,
    reader: LogReader,
    query: LogQuery,
    credential: Credential,
    recheck: Instant,
    end: Instant,
}

impl Follower {
    /// The next lines of text; `None` when there will be no more.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let now = Instant::now();
            if now >= self.end || (now >= self.recheck && !self.is_welcome().await) {
                return None;
            }
            let page = self.reader.page(&self.query);
            let since = page.next;
            self.query.since = Some(since);
            let text = text(page);
            if !text.is_empty() {
                return Some(text);
            }
            tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                () = self.reader.changed(since) => {}
                () = sleep_until(self.recheck.min(self.end)) => {}
            }
        }
    }

    /// Whether the key still opens the log: it may have been revoked, or its tenant suspended.
    async fn is_welcome(&mut self) -> bool {
        self.recheck = Instant::now() + RECHECK;
        match self.app.runtime.login(&self.credential).await {
            Ok(scope) => scope.permit::<Deploy>().is_ok(),
            Err(_) => false,
        }
    }
}

/// A page as lines of JSON.
fn text(page: LogPage) -> Vec<u8> {
    let mut text = Vec::new();
    if page.lost > 0 {
        push(&mut text, &Lost { lost: page.lost });
    }
    for line in page.lines {
        push(&mut text, &LineView::from(line));
    }
    text
}

fn push(text: &mut Vec<u8>, line: &impl Serialize) {
    let length = text.len();
    match serde_json::to_writer(&mut *text, line) {
        Ok(()) => text.push(b'\n'),
        // Strings and numbers are always JSON; if ever not, the line is left out and the rest stands.
        Err(_) => text.truncate(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: u64, message: &str) -> LogLine {
        LogLine {
            sequence,
            at_us: 7,
            agent: "triage".parse().unwrap(),
            version: VersionId::generate(),
            invocation: InvocationId::generate(),
            level: "info",
            source: "log",
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_followed_log_is_one_document_a_line_whatever_the_message() {
        let page = LogPage { lines: vec![line(3, "a\nb\u{2028}c"), line(4, "\"")], next: 4, lost: 2 };
        let text = String::from_utf8(text(page)).unwrap();
        let documents: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(documents.len(), 3);
        assert_eq!(documents[0]["lost"], 2);
        assert_eq!(documents[1]["message"], "a\nb\u{2028}c");
        assert_eq!((&documents[2]["sequence"], &documents[2]["at-us"]), (&4.into(), &7.into()));
    }

    #[test]
    fn a_page_without_lines_is_no_text() {
        assert!(text(LogPage { lines: Vec::new(), next: 9, lost: 0 }).is_empty());
    }
}
