//! Instances as `spin up` keeps them: a few requests each, some at once, gone when idle.
use super::{Answer, Failure, Life, complain};
use crate::guest::{Guest, Pulse, Shared, instantiate};
use crate::outbound::Outbound;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, InstantiationError, Proxy, ProxyHandler, ShouldAccept, TrapOrPanicError, WorkerExpiration,
    WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

/// Instances that come and go.
#[derive(Clone)]
pub struct SpinLike {
    handler: ProxyHandler<Handler>,
}

impl SpinLike {
    /// No instances yet; the first request makes one.
    pub fn new(shared: Arc<Shared>, outbound: Outbound, reuse: usize, concurrent: usize, idle: Duration) -> Self {
        let handler =
            ProxyHandler::new(Handler { shared, outbound, reuse: reuse.max(1), concurrent: concurrent.max(1), idle });
        SpinLike { handler }
    }

    pub(super) async fn run(&self, request: http::Request<WasiBody>) -> Result<Answer, Failure> {
        let life = Arc::new(OnceLock::new());
        match self.handler.handle(life.clone(), request).await {
            Ok(response) => Ok(Answer { response, life: life.get().cloned(), turn: None }),
            Err(error) if error.is::<TrapOrPanicError>() => Err(Failure::Died),
            Err(error) if error.is::<InstantiationError<LifeSlot>>() => Err(Failure::NoInstance),
            Err(_) => Err(Failure::Answered),
        }
    }
}

/// Where an instance leaves its life when it takes a request.
type LifeSlot = Arc<OnceLock<Life>>;

struct Handler {
    shared: Arc<Shared>,
    outbound: Outbound,
    reuse: usize,
    concurrent: usize,
    idle: Duration,
}

impl HandlerState for Handler {
    type StoreData = Guest;
    type WorkerExpiration = Idle;
    type WorkerState = Reuse;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Idle, Reuse>> {
        let pulse = Pulse::default();
        let (store, service) = instantiate(&self.shared, &self.outbound, &pulse).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: WasiHttpView::http,
            expiration: Idle { limit: self.idle, sleep: Box::pin(tokio::time::sleep(self.idle)) },
            state: Reuse {
                shared: self.shared.clone(),
                reuse: self.reuse,
                concurrent: self.concurrent,
                pulse,
                life: Life::default(),
            },
        })
    }
}

/// Ends an instance that has been idle for a while; one at work is ended by its epochs alone.
struct Idle {
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Idle {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let due = tokio::time::Instant::from_std(start + self.limit);
        if self.sleep.deadline() != due {
            self.sleep.as_mut().reset(due);
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// How often, and how much at once, an instance is used.
struct Reuse {
    shared: Arc<Shared>,
    reuse: usize,
    concurrent: usize,
    pulse: Pulse,
    life: Life,
}

impl WorkerState for Reuse {
    type StoreData = Guest;
    type RequestData = LifeSlot;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        // It is asked whenever the instance is not running.
        self.pulse.fetch_add(1, Relaxed);
        if total >= self.reuse {
            ShouldAccept::Never
        } else if concurrent >= self.concurrent {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, Guest>,
        slot: LifeSlot,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        let _ = slot.set(self.life.clone());
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: Result<(), wasmtime::Error>) {
        match result {
            Err(error) if !self.shared.ending.load(Relaxed) => {
                self.life.end();
                drop(store);
                self.shared.restarts.fetch_add(1, Relaxed);
                complain("the component failed and was started afresh", &error);
            }
            _ => drop(store),
        }
    }
}
