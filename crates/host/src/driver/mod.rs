//! From a request to an instance, and back.
mod eager;
mod percore;
mod spinlike;

pub use eager::Eager;
pub use percore::{Inbox, drive};
pub use spinlike::SpinLike;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::WasiBody;

/// What answers the requests of one worker.
#[derive(Clone)]
pub enum Runner {
    /// One long-lived instance.
    PerCore(Arc<Inbox>),
    /// Instances that come and go.
    SpinLike(SpinLike),
}

impl Runner {
    /// Has the guest answer one request. Dropping the future abandons the answer, not the guest's work.
    pub async fn run(&self, request: http::Request<WasiBody>) -> Result<Answer, Failure> {
        match self {
            Runner::PerCore(inbox) => inbox.run(request).await,
            Runner::SpinLike(instances) => instances.run(request).await,
        }
    }
}

/// A response of the guest.
pub struct Answer {
    /// The response; its content may still be under way.
    pub response: http::Response<WasiBody>,
    /// The life of the instance that makes the content.
    pub life: Option<Life>,
    /// To be kept until the content has gone out.
    pub turn: Option<Turn>,
}

/// A place among the requests that an instance answers at once. Whoever has a clone keeps it.
pub type Turn = Arc<OwnedSemaphorePermit>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The instance trapped.
    Died,
    /// The guest returned an error in place of a response.
    Answered,
    /// No instance could be made.
    NoInstance,
    /// The instance answers as many as it may already.
    Busy,
}

/// Tells whether an instance has come to a bad end.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<AtomicBool>);

impl Life {
    /// Whether it has.
    pub fn ended(&self) -> bool {
        self.0.load(Relaxed)
    }

    fn end(&self) {
        self.0.store(true, Relaxed);
    }
}

/// One line for an operator: no backtrace, which takes most of a second to print.
fn complain(what: &str, error: &wasmtime::Error) {
    let text = format!("{error:#}");
    let first = text.lines().next().unwrap_or_default();
    tracing::error!("{what}: {first}");
}
