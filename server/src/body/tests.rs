//! The body reader, on a paused clock.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use insula_tenancy::TenantId;
use tokio::time::{Instant, sleep};

use super::{BodyError, BodyReader, BodyRules};
use crate::memory::{Hold, Ledger, NoRoom};

const RULES: BodyRules = BodyRules { idle: Duration::from_secs(10), deadline: Duration::from_secs(60) };

fn hold() -> Hold {
    Ledger::new(1 << 30).open(Some(TenantId::generate()))
}

/// A body of unknown length: a frame of `size` bytes, after a pause, `count` times.
fn drip(size: usize, pause: Duration, count: usize) -> Body {
    Body::from_stream(stream::iter(0..count).then(move |_| async move {
        sleep(pause).await;
        Ok::<_, Infallible>(Bytes::from(vec![b'x'; size]))
    }))
}

async fn collect(body: Body, limit: u64) -> Result<Bytes, BodyError> {
    BodyReader::new(body, limit, RULES)?.collect(&mut hold()).await
}

#[tokio::test(start_paused = true)]
async fn a_body_of_one_frame_or_of_many_is_read_whole() {
    assert_eq!(collect(Body::empty(), 0).await.unwrap(), Bytes::new());
    assert_eq!(collect(Body::from("hello"), 5).await.unwrap(), "hello");
    assert_eq!(collect(drip(3, Duration::from_secs(1), 7), 21).await.unwrap(), "x".repeat(21));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_declares_too_much_is_refused_unread() {
    assert_eq!(collect(Body::from("hello"), 4).await, Err(BodyError::TooLarge { limit: 4 }));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_declares_nothing_is_cut_where_it_goes_over() {
    assert_eq!(collect(drip(3, Duration::ZERO, 1_000_000), 10).await, Err(BodyError::TooLarge { limit: 10 }));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up() {
    let began = Instant::now();
    let error = collect(drip(1, Duration::from_secs(11), 2), 10).await;
    assert_eq!(error, Err(BodyError::Stalled { after: RULES.idle }));
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up_at_the_deadline() {
    let began = Instant::now();
    let error = collect(drip(1, Duration::from_secs(9), 1_000), 10_000).await;
    assert_eq!(error, Err(BodyError::TooSlow { after: RULES.deadline }));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_no_shorter_body() {
    let frames = [Ok(Bytes::from("half")), Err(std::io::Error::other("reset"))];
    assert_eq!(collect(Body::from_stream(stream::iter(frames)), 10).await, Err(BodyError::Incomplete));
}

#[tokio::test(start_paused = true)]
async fn trailers_and_empty_frames_are_passed_over() {
    let frames = [
        Ok::<_, Infallible>(Frame::data(Bytes::new())),
        Ok(Frame::data(Bytes::from("a"))),
        Ok(Frame::trailers(http::HeaderMap::new())),
    ];
    assert_eq!(collect(Body::new(StreamBody::new(stream::iter(frames))), 10).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_refused_when_its_tenant_holds_too_much() {
    let ledger = Ledger::new(100);
    let mut hold = ledger.open(Some(TenantId::generate()));
    let reader = BodyReader::new(drip(10, Duration::ZERO, 9), 1_000, RULES).unwrap();
    assert_eq!(reader.collect(&mut hold).await, Err(BodyError::NoRoom(NoRoom)));
}
