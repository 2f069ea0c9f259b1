//! The headers of ours, and the layer that puts `Insula-Tenant` and `Insula-Request-Id` on every response (T7).
//!
//! The layer also catches what panics: the client gets a 500, the log one line, and the server goes on. It is one layer
//! and not three, since the invoke path crosses it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderName, HeaderValue, Method};
use insula_runtime::Bill;
use insula_tenancy::{InvocationId, TenantId};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::problem::{Cause, Problem};

/// Whose response it is; on requests, whose the client believes it to be.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("insula-tenant");
/// The request's id: an invocation's own, where one was made.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("insula-request-id");
/// Which version of an agent answered.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("insula-version");
/// What the call used; on a request, whether it should come in detail.
pub(crate) const BILL: HeaderName = HeaderName::from_static("insula-bill");
/// Host calls of the bill by kind, where a request asked for it.
pub(crate) const BILL_DETAIL: HeaderName = HeaderName::from_static("insula-bill-detail");
/// What is left of an entry's life, in milliseconds.
pub(crate) const TTL_MS: HeaderName = HeaderName::from_static("insula-ttl-ms");
/// The start of the names of headers that carry an agent's metadata.
pub(crate) const META_PREFIX: &str = "insula-meta-";

/// What is learnt about a request on its way in, and written on the response on its way out.
#[derive(Clone, Default)]
pub(crate) struct Stamp(Arc<Marks>);

#[derive(Default)]
struct Marks {
    tenant: OnceLock<TenantId>,
    request: OnceLock<InvocationId>,
    billed: OnceLock<Bill>,
}

impl Stamp {
    /// The stamp of this request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Writes down who is asking.
    pub(crate) fn set_tenant(&self, tenant: TenantId) {
        // A request has one credential, so that a second mark would be the same.
        _ = self.0.tenant.set(tenant);
    }

    /// Writes down the invocation that the request became.
    pub(crate) fn set_request(&self, invocation: InvocationId) {
        _ = self.0.request.set(invocation);
    }

    /// The response has a bill, whatever it becomes: this one, unless a handler wrote another.
    pub(crate) fn set_bill(&self, bill: Bill) {
        _ = self.0.billed.set(bill);
    }

    /// Who is asking, once that is known.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        self.0.tenant.get().copied()
    }

    fn request(&self) -> InvocationId {
        *self.0.request.get_or_init(InvocationId::generate)
    }

    fn write(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(tenant) = self.tenant()
            && let Ok(value) = HeaderValue::try_from(tenant.to_string())
        {
            headers.insert(TENANT, value);
        }
        if let Ok(value) = HeaderValue::try_from(self.request().to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        if let Some(bill) = self.0.billed.get()
            && !headers.contains_key(BILL)
            && let Ok(value) = HeaderValue::try_from(bill.to_header())
        {
            headers.insert(BILL, value);
        }
    }
}

/// Adds [`Stamped`].
#[derive(Clone)]
pub(crate) struct StampLayer;

impl<S> Layer<S> for StampLayer {
    type Service = Stamped<S>;

    fn layer(&self, inner: S) -> Stamped<S> {
        Stamped { inner }
    }
}

/// A service whose responses are stamped, and whose panics are responses.
#[derive(Clone)]
pub(crate) struct Stamped<S> {
    inner: S,
}

impl<S> Service<Request> for Stamped<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = StampedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let stamp = Stamp::default();
        request.extensions_mut().insert(stamp.clone());
        let trace = tracing::enabled!(tracing::Level::DEBUG).then(|| Trace::begin(&request));
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        StampedFuture { inner, stamp, trace }
    }
}

pin_project! {
    /// The response of [`Stamped`].
    pub(crate) struct StampedFuture<F> {
        // `None`: the call itself panicked.
        #[pin]
        inner: Option<F>,
        stamp: Stamp,
        trace: Option<Trace>,
    }
}

impl<F> Future for StampedFuture<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.inner.as_mut().as_pin_mut() {
            None => Ok(None),
            // After a panic the future is never polled again, so that no one sees what it left broken.
            Some(inner) => match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
                Ok(poll) => Ok(Some(ready!(poll))),
                Err(panic) => Err(panic),
            },
        };
        let mut response = match polled {
            Ok(Some(Ok(response))) => response,
            Ok(None) => panicked(this.stamp, "in the router"),
            Err(panic) => panicked(this.stamp, panic_message(&*panic)),
        };
        this.stamp.write(&mut response);
        if let Some(Cause(error)) = response.extensions_mut().remove() {
            let tenant = this.stamp.tenant().map(|tenant| tenant.to_string());
            tracing::error!(tenant, request = %this.stamp.request(), error, "a request failed on the host's side");
        }
        if let Some(trace) = this.trace {
            trace.end(this.stamp, &response);
        }
        Poll::Ready(Ok(response))
    }
}

fn panicked(stamp: &Stamp, message: &str) -> Response {
    let (tenant, request) = (stamp.tenant().map(|tenant| tenant.to_string()), stamp.request());
    tracing::error!(tenant, %request, message, "a handler panicked");
    Problem::host_fault().into_response()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// One line in the log for each request, when someone wants it.
struct Trace {
    method: Method,
    path: String,
    began: Instant,
}

impl Trace {
    fn begin(request: &Request) -> Self {
        Self { method: request.method().clone(), path: request.uri().path().to_owned(), began: Instant::now() }
    }

    fn end(&self, stamp: &Stamp, response: &Response) {
        tracing::debug!(
            tenant = stamp.tenant().map(|tenant| tenant.to_string()),
            request = %stamp.request(),
            method = %self.method,
            path = self.path,
            status = response.status().as_u16(),
            micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    async fn ask(router: Router) -> Response {
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        router.layer(StampLayer).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_response_has_a_request_id_of_its_own() {
        let router = Router::new().route("/", get(|| async { "hello" }));
        let first = ask(router.clone()).await.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        let second = ask(router).await.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        assert!(first.parse::<InvocationId>().is_ok());
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn what_a_handler_learnt_is_on_the_response() {
        let (tenant, invocation) = (TenantId::generate(), InvocationId::generate());
        let handler = move |request: Request| async move {
            let stamp = Stamp::of(request.extensions());
            stamp.set_tenant(tenant);
            stamp.set_request(invocation);
        };
        let response = ask(Router::new().route("/", get(handler))).await;
        assert_eq!(response.headers()[TENANT], tenant.to_string());
        assert_eq!(response.headers()[REQUEST_ID], invocation.to_string());
    }

    #[tokio::test]
    async fn a_panic_is_a_stamped_500_and_nothing_worse() {
        async fn fall() {
            panic!("broken")
        }
        let response = ask(Router::new().route("/", get(fall))).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(REQUEST_ID));
    }
}
