//! Has the guest do what is due without a request.
use crate::driver::{Answer, Runner};
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt, Empty};
use std::time::Duration;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;

/// A scheme that no client has: by it the guest knows who asks.
const URI: &str = "terrace-clock://localhost/";

/// How soon it is asked again where it did not say.
const AGAIN: Duration = Duration::from_secs(60);

/// How soon and how late it is asked again, whatever it says.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Asks the guest at once, and then as soon as it said that something would be due, until the server drains.
pub async fn tick(runner: Runner, mut draining: watch::Receiver<bool>) {
    loop {
        let again = runner.run(request()).await.map_or(AGAIN, |answer| again(&answer));
        tokio::select! {
            () = tokio::time::sleep(again) => {}
            _ = draining.wait_for(|drains| *drains) => return,
        }
    }
}

fn request() -> http::Request<WasiBody> {
    let mut request = http::Request::new(Empty::new().map_err(|e| match e {}).boxed_unsync());
    *request.uri_mut() = http::Uri::from_static(URI);
    request
}

fn again(answer: &Answer) -> Duration {
    let seconds = answer.response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (soonest, latest) = BOUNDS;
    seconds.map_or(AGAIN, Duration::from_secs).clamp(soonest, latest)
}
