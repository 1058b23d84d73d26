//! The way to a store: it takes time, may be down, and loses what it pleases.

use crate::executor::{Executor, WORLD};
use crate::random::Random;
use futures::channel::oneshot;
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use terrace_core::host::StoreError;

/// Whether a store can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outage {
    /// It can.
    #[default]
    None,
    /// It says at once that it cannot do it.
    Refusing,
    /// It never answers.
    Silent,
}

/// The way to a store.
pub struct Network {
    executor: Executor,
    random: Random,
    /// How long a call takes, in milliseconds: from the first to the last of these. What it does is done on half of the way.
    pub latency: Cell<(u64, u64)>,
    /// Whether the store can be reached.
    pub outage: Cell<Outage>,
    /// The probability that a call fails: it is refused, or nothing is heard of it, or nothing is heard of what it has done.
    pub flaky: Cell<f64>,
}

enum Fate {
    Done,
    Refused,
    Unheard,
    DoneUnheard,
}

impl Network {
    /// A way that takes no time.
    pub fn new(executor: Executor, random: Random) -> Self {
        Network { executor, random, latency: Cell::default(), outage: Cell::default(), flaky: Cell::default() }
    }

    /// Reads; whoever gives up waiting ends the call.
    pub async fn read<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let took = self.random.between(self.latency.get());
        match self.fate() {
            Fate::Done => {}
            Fate::Refused => return Err(refused()),
            Fate::Unheard | Fate::DoneUnheard => pending().await,
        }
        self.pause(took / 2).await;
        let done = work();
        self.pause(took - took / 2).await;
        done
    }

    /// Writes; that goes on when nobody waits for it any more.
    pub async fn write<T: 'static>(
        self: &Rc<Self>,
        work: impl FnOnce() -> Result<T, StoreError> + 'static,
    ) -> Result<T, StoreError> {
        let took = self.random.between(self.latency.get());
        let fate = self.fate();
        match fate {
            Fate::Done if took == 0 => return work(),
            Fate::Done | Fate::DoneUnheard => {}
            Fate::Refused => return Err(refused()),
            Fate::Unheard => pending().await,
        }
        let (tell, told) = oneshot::channel();
        let network = self.clone();
        self.executor.spawn(WORLD, async move {
            network.pause(took / 2).await;
            let done = work();
            network.pause(took - took / 2).await;
            if matches!(fate, Fate::Done) {
                let _ = tell.send(done);
            }
        });
        match told.await {
            Ok(done) => done,
            Err(_) => pending().await,
        }
    }

    fn fate(&self) -> Fate {
        match self.outage.get() {
            Outage::Refusing => Fate::Refused,
            Outage::Silent => Fate::Unheard,
            Outage::None if self.random.chance(self.flaky.get()) => match self.random.below(3) {
                0 => Fate::Refused,
                1 => Fate::Unheard,
                _ => Fate::DoneUnheard,
            },
            Outage::None => Fate::Done,
        }
    }

    async fn pause(&self, ms: u64) {
        if ms > 0 {
            self.executor.sleep(ms).await;
        }
    }
}

fn refused() -> StoreError {
    StoreError::Other("the store is down".into())
}
