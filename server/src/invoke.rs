//! `/v1/agents/{agent}/invoke`: one call of an agent.
//!
//! The handler's future is the call: when the client goes away, the future is dropped and the call stops (B3). Nothing
//! here is spawned. Request and answer count in the tenant's share of body memory until the last byte is sent (B1).

mod metadata;

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use insula_runtime::{Bill, Call, Diagnosis, HostCalls, Invocation};
use insula_tenancy::{Deploy, Invoke};

use crate::app::App;
use crate::auth::Caller;
use crate::body::BodyReader;
use crate::headers::{BILL, BILL_DETAIL, META_PREFIX, Stamp, VERSION};
use crate::input::AgentPath;
use crate::memory::Hold;
use crate::problem::Problem;
use crate::{observer, rate_limit};

/// What a call costs in memory beside its bodies, roughly: its headers, its futures.
const CALL_OVERHEAD: usize = 4 << 10;

/// Calls an agent: body and content type go to it, its body and content type come back. Needs `invoke`.
///
/// `Insula-Meta-NAME` headers, `traceparent` and `Idempotency-Key` reach the agent as metadata. The response of a call
/// that ran carries `Insula-Version`. Every response carries `Insula-Bill`, also when the call failed; where nothing ran,
/// it is a bill of zeros. With `Insula-Bill: detail` on the request, `Insula-Bill-Detail` has the host calls by kind.
#[utoipa::path(post, path = "/v1/agents/{agent}/invoke", tag = "agents", operation_id = "invoke_agent",
    params(
        ("agent" = String, Path, description = "The agent's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, for the agent"),
        ("Insula-Bill" = Option<String>, Header, description = "`detail`: answer with `Insula-Bill-Detail` too"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, for the agent"),
    ),
    request_body(content = inline(Vec<u8>), content_type = "application/octet-stream", description = "Any body of any type"),
    responses((status = 200, description = "The agent's answer", body = inline(Vec<u8>), content_type = "application/octet-stream",
        headers(
            ("Insula-Version" = String, description = "The version that answered"),
            ("Insula-Bill" = String, description = "What the call used: a dictionary of RFC 9651"),
            ("Insula-Bill-Detail" = String, description = "On request: host calls by kind, the same way; absent where there were none"),
            ("RateLimit-Policy" = String, description = "The tenant's rate, when little of it is left, and with 429"),
            ("RateLimit" = String, description = "How many calls the tenant may begin now, beside the above"),
        ))))]
pub(crate) async fn invoke(
    _: Billed,
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
    request: Request,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Invoke>()?;
    let limit = app.runtime.limits(&scope).await?.request_bytes.get();
    let (parts, body) = request.into_parts();
    let detailed = is_detailed(&parts.headers)?;
    let stamp = Stamp::of(&parts.extensions);
    let mut hold = app.ledger.open(Some(scope.tenant()));
    hold.grow(CALL_OVERHEAD)?;
    let call = Call {
        content_type: metadata::content_type(&parts.headers)?,
        metadata: metadata::of(&parts.headers)?,
        idempotency_key: metadata::idempotency_key(&parts.headers)?,
        body: BodyReader::new(body, limit, app.body)?.collect(&mut hold).await?,
    };
    let told = Told { detailed, may_deploy: scope.permit::<Deploy>().is_ok() };
    match app.runtime.invoke(&permit, &agent, call).await {
        Ok(invocation) => {
            stamp.set_request(invocation.id);
            observer::tell(&app, &scope, &agent, &Ok(&invocation));
            Ok(answer(invocation, hold, told))
        }
        Err(refused) => {
            let bill = refused.bill();
            let problem = Problem::from(refused);
            observer::tell(&app, &scope, &agent, &Err((&problem, bill)));
            let mut response = problem.into_response();
            write_bill(&mut response, &bill);
            Ok(response)
        }
    }
}

/// What a caller is told beside the answer.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// Host calls by kind, when asked for.
    detailed: bool,
    /// Whoever may deploy an agent may see where in it a call failed.
    may_deploy: bool,
}

/// Every response to an invoke has a bill, also one that an extractor or a panic made: of zeros, unless a call ran.
pub(crate) struct Billed;

impl FromRequestParts<App> for Billed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Stamp::of(&parts.extensions).set_bill(Bill::default());
        Ok(Self)
    }
}

/// Whether the caller wants host calls by kind.
fn is_detailed(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(BILL).map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(b"detail") => Ok(true),
        Some(_) => Err(Problem::bad_request("invalid-bill", "send `Insula-Bill: detail`, or no `Insula-Bill` at all")),
    }
}

fn write_bill(response: &mut Response, bill: &Bill) {
    if let Ok(bill) = HeaderValue::try_from(bill.to_header()) {
        response.headers_mut().insert(BILL, bill);
    }
}

/// Host calls by kind as a dictionary of RFC 9651, which is not sent where it is empty.
fn write_detail(response: &mut Response, host_calls: HostCalls) {
    let members: Vec<_> = host_calls.entries().map(|(call, count)| format!("{}={count}", call.name())).collect();
    if !members.is_empty()
        && let Ok(detail) = HeaderValue::try_from(members.join(", "))
    {
        response.headers_mut().insert(BILL_DETAIL, detail);
    }
}

/// The response to a call that ran.
fn answer(invocation: Invocation, hold: Hold, told: Told) -> Response {
    let mut response = match invocation.outcome {
        Ok(answer) => success(answer, hold),
        Err(failure) => {
            let diagnosis = invocation.diagnosis.filter(|_| told.may_deploy);
            diagnosed(Problem::from(failure), diagnosis).into_response()
        }
    };
    if invocation.quota.is_low() {
        response.headers_mut().extend(rate_limit::fields(&invocation.quota));
    }
    if let Ok(version) = HeaderValue::try_from(invocation.version.to_string()) {
        response.headers_mut().insert(VERSION, version);
    }
    write_bill(&mut response, &invocation.bill);
    if told.detailed {
        write_detail(&mut response, invocation.host_calls);
    }
    response
}

/// The problem with what is known of where it happened.
fn diagnosed(problem: Problem, diagnosis: Option<Box<Diagnosis>>) -> Problem {
    let Some(Diagnosis { stack, budget }) = diagnosis.map(|diagnosis| *diagnosis) else { return problem };
    let problem = problem.with("budget", serde_json::to_value(budget).unwrap_or_default());
    if stack.is_empty() { problem } else { problem.with("stack", serde_json::to_value(stack).unwrap_or_default()) }
}

fn success(answer: insula_runtime::Response, hold: Hold) -> Response {
    let mut headers = HeaderMap::with_capacity(8 + answer.metadata.len());
    for (name, value) in answer.metadata {
        // The runtime has checked both; what would still be no header is no answer.
        let (Ok(name), Ok(value)) =
            (HeaderName::try_from(format!("{META_PREFIX}{name}")), HeaderValue::try_from(value))
        else {
            return unsendable();
        };
        headers.append(name, value);
    }
    let Ok(content_type) = HeaderValue::try_from(answer.content_type) else { return unsendable() };
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = Response::new(Body::from(hold.keep(answer.body)));
    *response.headers_mut() = headers;
    response
}

fn unsendable() -> Response {
    let reason = "a name or value of it is no header".to_owned();
    Problem::from(insula_runtime::CallFailure::InvalidResponse { reason }).into_response()
}

#[cfg(test)]
mod tests;
