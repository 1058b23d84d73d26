//! Lets an instance go on until it has nothing to do, before the rest of its worker does.
//!
//! wasmtime gives its worker away before each item of low priority, and has one for every guest task that yields, as tasks of
//! wit-bindgen do the first time they wait. One such item per round of the worker is too few where each round brings new
//! requests: what the instance has begun would not be finished, and would grow for as long as the load lasts.
use futures::task::AtomicWaker;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::task::{Context, Poll, Wake, Waker};

/// How often an instance is let go on at a stretch: more than the items that the requests of one round leave behind.
const STRETCH: usize = 1024;

pin_project! {
    /// `work`, polled again at once when it has woken itself.
    pub struct Eager<F> {
        #[pin]
        work: F,
        alarm: Arc<Alarm>,
        waker: Waker,
    }
}

/// Nobody polls, and nobody has rung.
const IDLE: u8 = 0;
/// It is being polled; who rings now is heard after that.
const POLLED: u8 = 1;
/// Somebody has rung, and will be heard.
const RUNG: u8 = 2;

/// Wakes the worker, unless it is up.
#[derive(Default)]
struct Alarm {
    state: AtomicU8,
    worker: AtomicWaker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, AcqRel) == IDLE {
            self.worker.wake();
        }
    }
}

impl<F> Eager<F> {
    /// Lets `work` go on.
    pub fn new(work: F) -> Self {
        let alarm = Arc::new(Alarm::default());
        Eager { work, waker: Waker::from(alarm.clone()), alarm }
    }
}

impl<F: Future> Future for Eager<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.alarm.worker.register(cx.waker());
        for _ in 0..STRETCH {
            this.alarm.state.store(POLLED, Release);
            if let Poll::Ready(output) = this.work.as_mut().poll(&mut Context::from_waker(this.waker)) {
                return Poll::Ready(output);
            }
            if this.alarm.state.compare_exchange(POLLED, IDLE, AcqRel, Acquire).is_ok() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;

    /// Work that wakes itself `yields` times; how often the task itself was woken is returned with its polls.
    fn polls_and_wakes(yields: usize) -> (usize, usize) {
        #[derive(Default)]
        struct Wakes(std::sync::atomic::AtomicUsize);
        impl Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, AcqRel);
            }
        }
        let polls = Cell::new(0);
        let mut eager = Box::pin(Eager::new(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            if polls.get() <= yields {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        })));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        assert!(eager.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        (polls.get(), wakes.0.load(Acquire))
    }

    #[test]
    fn work_that_yields_goes_on_at_once_and_not_for_ever() {
        assert_eq!(polls_and_wakes(0), (1, 0));
        assert_eq!(polls_and_wakes(10), (11, 0));
        assert_eq!(polls_and_wakes(usize::MAX), (STRETCH, 1));
    }

    #[test]
    fn who_rings_while_nobody_polls_wakes_the_worker() {
        let (sender, mut receiver) = futures::channel::mpsc::unbounded::<()>();
        let mut eager = Box::pin(Eager::new(futures::StreamExt::next(&mut receiver)));
        futures::executor::block_on(async {
            assert!(futures::poll!(eager.as_mut()).is_pending());
            let thread = std::thread::spawn(move || sender.unbounded_send(()));
            assert_eq!(eager.await, Some(()));
            thread.join().expect("the thread ends").expect("it is received");
        });
    }
}
