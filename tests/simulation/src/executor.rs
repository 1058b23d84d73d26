//! A single-threaded executor with a clock of its own: when every task waits, the clock jumps to the next timer.
//!
//! Of the tasks that are ready the next is drawn, so that a seed stands for one order of events, and many seeds for many orders.

use crate::random::Random;
use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Whose a task is: what ends together.
pub type Group = usize;

/// The group of what belongs to no instance, and never ends before it is done.
pub const WORLD: Group = usize::MAX;

/// The executor, of which a clone is another handle.
#[derive(Clone)]
pub struct Executor(Rc<Inner>);

struct Inner {
    now: Cell<i64>,
    tasks: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    ready: Arc<Mutex<Vec<usize>>>,
    timers: RefCell<BinaryHeap<Reverse<Timer>>>,
    timed: Cell<u64>,
    order: Random,
}

/// A place for a task, which another one may take when it is done.
struct Slot {
    work: Option<Work>,
    wakeful: Arc<Wakeful>,
    group: Group,
    /// How many tasks had this place before.
    turn: u64,
}

/// A task by its place.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    at: usize,
    turn: u64,
}

struct Wakeful {
    at: usize,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Wakeful {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Relaxed) {
            self.ready.lock().unwrap().push(self.at);
        }
    }
}

struct Timer {
    at: i64,
    number: u64,
    /// Taken away where nobody waits any more.
    waker: Rc<RefCell<Option<Waker>>>,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Executor {
    /// An executor whose clock stands at `now`, in milliseconds since the epoch.
    pub fn new(now: i64, order: Random) -> Self {
        Executor(Rc::new(Inner {
            now: Cell::new(now),
            tasks: RefCell::default(),
            free: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            timed: Cell::default(),
            order,
        }))
    }

    /// The time, in milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.0.now.get()
    }

    /// Begins a task.
    pub fn spawn(&self, group: Group, work: impl Future<Output = ()> + 'static) -> Task {
        let work: Option<Work> = Some(Box::pin(work));
        let mut tasks = self.0.tasks.borrow_mut();
        let at = self.0.free.borrow_mut().pop().unwrap_or(tasks.len());
        let wakeful = Arc::new(Wakeful { at, queued: AtomicBool::new(false), ready: self.0.ready.clone() });
        wakeful.wake_by_ref();
        let turn = tasks.get(at).map_or(0, |slot| slot.turn + 1);
        let slot = Slot { work, wakeful, group, turn };
        match tasks.get_mut(at) {
            Some(place) => *place = slot,
            None => tasks.push(slot),
        }
        Task { at, turn }
    }

    /// Ends a task and drops what it holds: whoever waited for it is gone, and the platform cleans up. Not from within it.
    pub fn abort(&self, task: Task) {
        drop(self.take(task));
    }

    /// Ends a task without a word: nothing that it holds is ever dropped, as where Workers cancels a request. Not from within it.
    pub fn lose(&self, task: Task) {
        std::mem::forget(self.take(task));
    }

    /// Ends every task of a group without a word: its instance is gone. Not from within it.
    pub fn kill(&self, group: Group) {
        let all: Vec<_> = {
            let tasks = self.0.tasks.borrow();
            let live = tasks.iter().enumerate().filter(|(_, slot)| slot.group == group && slot.work.is_some());
            live.map(|(at, slot)| Task { at, turn: slot.turn }).collect()
        };
        all.into_iter().for_each(|task| self.lose(task));
    }

    fn take(&self, task: Task) -> Option<Work> {
        let mut tasks = self.0.tasks.borrow_mut();
        let slot = tasks.get_mut(task.at).filter(|slot| slot.turn == task.turn)?;
        let work = slot.work.take()?;
        self.0.free.borrow_mut().push(task.at);
        Some(work)
    }

    /// Waits so many milliseconds.
    pub async fn sleep(&self, ms: u64) {
        let until = self.now().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        let waiting = Waiting(Rc::default());
        let mut set = false;
        poll_fn(|cx| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            waiting.0.replace(Some(cx.waker().clone()));
            if !std::mem::replace(&mut set, true) {
                let number = self.0.timed.replace(self.0.timed.get() + 1);
                self.0.timers.borrow_mut().push(Reverse(Timer { at: until, number, waker: waiting.0.clone() }));
            }
            Poll::Pending
        })
        .await;
    }

    /// Runs until `work` is done, and everything else as far as it comes meanwhile.
    ///
    /// # Panics
    /// Where nothing is left that could go on.
    pub fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> T {
        let done = Rc::new(RefCell::new(None));
        let told = done.clone();
        self.spawn(WORLD, async move {
            let value = work.await;
            told.replace(Some(value));
        });
        loop {
            self.settle();
            if let Some(value) = done.take() {
                return value;
            }
            assert!(self.jump(i64::MAX), "every task waits, and none for the clock");
        }
    }

    /// Lets everything go on until so many milliseconds are over.
    pub fn pass(&self, ms: i64) {
        let until = self.now() + ms;
        self.settle();
        while self.jump(until) {
            self.settle();
        }
        self.0.now.set(until);
    }

    /// Runs what is ready, without a jump of the clock.
    fn settle(&self) {
        loop {
            let at = {
                let mut ready = self.0.ready.lock().unwrap();
                match ready.len() {
                    0 => return,
                    n => ready.swap_remove(self.0.order.below(n as u64) as usize),
                }
            };
            self.step(at);
        }
    }

    fn step(&self, at: usize) {
        let (mut work, wakeful, turn) = {
            let mut tasks = self.0.tasks.borrow_mut();
            let Some(slot) = tasks.get_mut(at) else { return };
            slot.wakeful.queued.store(false, Relaxed);
            let Some(work) = slot.work.take() else { return };
            (work, slot.wakeful.clone(), slot.turn)
        };
        let waker = Waker::from(wakeful);
        if work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            drop(work);
            self.0.free.borrow_mut().push(at);
            return;
        }
        let mut tasks = self.0.tasks.borrow_mut();
        if let Some(slot) = tasks.get_mut(at).filter(|slot| slot.turn == turn) {
            slot.work = Some(work);
        }
    }

    /// Jumps to the next timer, if it is due until then. Whether there was one.
    fn jump(&self, until: i64) -> bool {
        let mut rang = false;
        loop {
            let mut timers = self.0.timers.borrow_mut();
            let Some(Reverse(next)) = timers.peek() else { return rang };
            let idle = next.waker.borrow().is_none();
            if !idle && (next.at > until || (rang && next.at > self.now())) {
                return rang;
            }
            let Some(Reverse(timer)) = timers.pop() else { return rang };
            drop(timers);
            if let Some(waker) = timer.waker.take() {
                self.0.now.set(timer.at.max(self.now()));
                rang = true;
                waker.wake();
            }
        }
    }
}

struct Waiting(Rc<RefCell<Option<Waker>>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.take();
    }
}
