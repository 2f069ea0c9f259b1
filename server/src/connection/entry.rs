//! The way from a connection into the router and back: each request is counted while it is in flight.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::stream;
use crate::activity::{Activity, Ticket};

/// The largest piece of an answer that is handed over at a time, in bytes: so that a client that takes none is noticed.
const PIECE: usize = 64 << 10;

/// Leads the requests of one connection to the router.
#[derive(Clone)]
pub(super) struct Entry {
    router: Router,
    activity: Arc<Activity>,
}

impl Entry {
    pub(super) fn new(router: Router, activity: Arc<Activity>) -> Self {
        Self { router, activity }
    }
}

impl Service<Request<Incoming>> for Entry {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = EntryFuture;

    fn call(&self, request: Request<Incoming>) -> EntryFuture {
        let is_http2 = request.version() == Version::HTTP_2;
        let ticket = self.activity.request(is_http2);
        let activity = Arc::clone(&self.activity);
        let request = request.map(|inner| Question { inner, activity, is_read: false });
        let inner = tower::Service::call(&mut self.router.clone(), request);
        EntryFuture { inner, ticket: Some(ticket), is_http2 }
    }
}

pin_project! {
    /// An answer to be.
    pub(super) struct EntryFuture {
        #[pin]
        inner: RouteFuture<Infallible>,
        ticket: Option<Ticket>,
        is_http2: bool,
    }
}

impl Future for EntryFuture {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(context))?;
        let mut ticket = this.ticket.take();
        if let Some(ticket) = &mut ticket {
            if ticket.has_unread() && !*this.is_http2 {
                // What is left of the body stands before the next request, so that there will be none: the client must
                // know, or it sends its next request into a connection that is closing.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            ticket.set_owed(true);
            stream::set_owed(true);
        }
        Poll::Ready(Ok(response.map(|inner| Answer { inner, rest: Bytes::new(), ticket })))
    }
}

/// The body of a request, which notices when it is let go before its end.
struct Question {
    inner: Incoming,
    activity: Arc<Activity>,
    is_read: bool,
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        self.is_read = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.is_read && !self.inner.is_end_stream() {
            self.activity.left_unread();
        }
    }
}

/// The body of an answer, which counts as in flight until it was handed over whole.
pub(super) struct Answer {
    inner: Body,
    rest: Bytes,
    ticket: Option<Ticket>,
}

impl Answer {
    fn set_owed(&mut self, owed: bool) {
        if let Some(ticket) = &mut self.ticket {
            ticket.set_owed(owed);
            stream::set_owed(owed);
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Whoever asks for more has taken what was there.
        self.set_owed(false);
        let frame = if self.rest.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_frame(context))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut self.rest))))
        };
        let frame = frame.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(mut bytes) => {
                    if bytes.len() > PIECE {
                        self.rest = bytes.split_off(PIECE);
                    }
                    Frame::data(bytes)
                }
                Err(other) => other,
            })
        });
        self.set_owed(frame.is_some());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
