//! One long-lived instance for a worker, driven by `Store::run_concurrent`.
//!
//! Requests wait in the [`Inbox`]; the driver starts a call into the instance for each, and has all of
//! them, and whatever the guest does after its responses, run at once. A trap takes the instance down: its
//! calls fail, and a fresh one takes the next request.
use super::{Answer, Failure, Life, Turn, complain};
use crate::guest::{Guest, Pulse, Shared, instantiate};
use crate::outbound::Outbound;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::task::AtomicWaker;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

struct Job {
    request: http::Request<WasiBody>,
    answer: oneshot::Sender<Result<Answer, Failure>>,
    turn: Turn,
}

/// Requests that wait for the instance of one worker.
pub struct Inbox {
    /// How many more may be answered at once. A client that leaves does not end what the instance does for it.
    turns: Arc<Semaphore>,
    jobs: Mutex<VecDeque<Job>>,
    /// Set after a job was left: the driver is polled many times for each request, and looks at this first.
    left: AtomicBool,
    waker: AtomicWaker,
    closed: AtomicBool,
}

impl Inbox {
    /// An empty one, for an instance that answers so many at once.
    pub fn new(most: usize) -> Self {
        Inbox {
            turns: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            jobs: Mutex::default(),
            left: AtomicBool::default(),
            waker: AtomicWaker::new(),
            closed: AtomicBool::default(),
        }
    }

    /// Has the instance answer `request`.
    pub async fn run(&self, request: http::Request<WasiBody>) -> Result<Answer, Failure> {
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| Failure::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.jobs().push_back(Job { request, answer, turn: Arc::new(turn) });
        self.left.store(true, Release);
        self.waker.wake();
        answered.await.unwrap_or(Err(Failure::Died))
    }

    /// Says that no more requests will come: the driver ends when the guest has nothing left to do.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        self.waker.wake();
    }

    fn jobs(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the instance until the inbox is closed and the guest is done.
pub async fn drive(
    shared: Arc<Shared>,
    outbound: Outbound,
    inbox: Arc<Inbox>,
    first: (Store<Guest>, Service),
    pulse: Pulse,
) {
    let mut instance = Some(first);
    loop {
        // A panic of the host must not leave requests waiting for an instance that nobody drives.
        let driven = AssertUnwindSafe(drive_one(&shared, &outbound, &inbox, instance.take(), &pulse));
        let error = match driven.catch_unwind().await {
            Ok(Driven::Done) => return,
            Ok(Driven::NotStarted(error)) => {
                complain("no instance could be started", &error);
                if !refuse_all(&inbox) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Ok(Driven::Failed(error)) => error,
            Err(_) => wasmtime::format_err!("the host panicked; please report it with the output above"),
        };
        shared.restarts.fetch_add(1, Relaxed);
        complain("the component failed and was started afresh", &error);
    }
}

enum Driven {
    /// The inbox was closed, and the guest had nothing left to do.
    Done,
    NotStarted(wasmtime::Error),
    Failed(wasmtime::Error),
}

async fn drive_one(
    shared: &Arc<Shared>,
    outbound: &Outbound,
    inbox: &Inbox,
    instance: Option<(Store<Guest>, Service)>,
    pulse: &Pulse,
) -> Driven {
    let (mut store, service) = match instance {
        Some(instance) => instance,
        None => match instantiate(shared, outbound, pulse).await {
            Ok(instance) => instance,
            Err(error) => return Driven::NotStarted(error),
        },
    };
    // Dropped before the store, and with it the streams that tell clients it is over.
    let mut mortal = Mortal { life: Life::default(), done: false };
    let ended = store
        .run_concurrent(async |accessor| serve(accessor, &service, inbox, &mortal.life, pulse).await)
        .await
        .and_then(|served| served);
    match ended {
        Ok(()) => {
            mortal.done = true;
            Driven::Done
        }
        Err(error) => Driven::Failed(error),
    }
}

/// Ends a life unless the instance was done.
struct Mortal {
    life: Life,
    done: bool,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if !self.done {
            self.life.end();
        }
    }
}

/// Answers whatever waits; `false` when nothing more will come.
fn refuse_all(inbox: &Inbox) -> bool {
    for job in inbox.jobs().drain(..) {
        let _ = job.answer.send(Err(Failure::NoInstance));
    }
    !inbox.closed.load(Relaxed)
}

async fn serve(
    accessor: &Accessor<Guest>,
    service: &Service,
    inbox: &Inbox,
    life: &Life,
    pulse: &Pulse,
) -> wasmtime::Result<()> {
    let mut calls = FuturesUnordered::new();
    std::future::poll_fn(|cx| {
        pulse.store(pulse.load(Relaxed).wrapping_add(1), Relaxed);
        inbox.waker.register(cx.waker());
        loop {
            let mut more = false;
            if inbox.left.load(Acquire) {
                inbox.left.store(false, Relaxed);
                while let Some(job) = { inbox.jobs().pop_front() } {
                    calls.push(call(accessor, service, job, life));
                    more = true;
                }
            }
            while let Poll::Ready(Some(result)) = calls.poll_next_unpin(cx) {
                let result: wasmtime::Result<()> = result;
                if let Err(error) = result {
                    return Poll::Ready(Err(error));
                }
                more = true;
            }
            if !more {
                break;
            }
        }
        if inbox.closed.load(Relaxed) && calls.is_empty() && accessor.poll_no_interesting_tasks(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await
}

/// Hears what became of the request's content.
type Received = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// One call of the guest's handler. An error is a trap.
async fn call(accessor: &Accessor<Guest>, service: &Service, job: Job, life: &Life) -> wasmtime::Result<()> {
    let (request, received) = accessor.with(|mut store| {
        let view = store.data_mut().http();
        let (request, received) = Request::from_http(view.hooks, job.request);
        let received: Received = Box::pin(received);
        wasmtime::error::Ok((view.table.push(request)?, received))
    })?;
    let handled = service.wasi_http_handler().call_handle(accessor, request).await?;
    let answer = match handled {
        Ok(response) => {
            let response = accessor.with(|mut store| {
                let response = store.data_mut().http().table.delete(response)?;
                response.into_http(store, received)
            });
            match response {
                Ok(response) => Ok(Answer { response, life: Some(life.clone()), turn: Some(job.turn.clone()) }),
                // A malformed response, which is not the instance's end.
                Err(_) => Err(Failure::Answered),
            }
        }
        Err(_) => Err(Failure::Answered),
    };
    let _ = job.answer.send(answer);
    Ok(())
}
