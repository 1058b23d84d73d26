//! A deadline that costs nothing where the answer is there at once.

use crate::host::Host;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// `work`, or `None` where it takes longer than `limit`. The host's timer is only asked for when the first poll is not enough.
pub async fn within<H: Host, T>(host: &H, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let first = poll_fn(|cx| {
        Poll::Ready(match work.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await;
    if first.is_some() {
        return first;
    }
    let mut timer = pin!(host.sleep(limit));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await
}
