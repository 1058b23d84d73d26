//! Runs the core's futures. Each belongs to one event, and is polled only while the platform is busy with that event: in the turn
//! in which what it waited for has come.

use rustc_hash::FxBuildHasher;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use terrace_core::time::Timestamp;
use worker::js_sys::Date;
use worker::wasm_bindgen::{self, prelude::wasm_bindgen};

/// From how many tasks on those are looked for whose event is over: the platform drops it, when a client leaves, without a word.
const MANY: usize = 1024;

/// No event lasts this long, in milliseconds.
const ABANDONED: u64 = 15 * 60 * 1000;

struct Task {
    work: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
    begun: Option<Timestamp>,
}

thread_local! {
    static TASKS: RefCell<HashMap<u32, Task, FxBuildHasher>> = RefCell::default();
    static READY: RefCell<VecDeque<u32>> = RefCell::default();
    static LAST: Cell<u32> = const { Cell::new(0) };
    static NOW: Cell<Timestamp> = const { Cell::new(Timestamp(0)) };
    static LOOK_AT: Cell<usize> = const { Cell::new(MANY) };
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

struct Wakes(u32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        ready(self.0);
    }
}

fn ready(number: u32) {
    READY.with_borrow_mut(|ready| ready.push_back(number));
    if !RUNS.get() {
        // Woken by something that is not ours: there is no turn to do it in.
        let _ = crate::platform::later();
    }
}

/// Adds a task; it begins in this turn.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    let number = LAST.get().wrapping_add(1);
    LAST.set(number);
    let task = Task { work: Box::pin(work), waker: Waker::from(Arc::new(Wakes(number))), begun: None };
    TASKS.with_borrow_mut(|tasks| {
        tasks.insert(number, task);
    });
    forget_abandoned();
    ready(number);
}

/// Does something, and then all that it made ready.
pub fn within_turn(work: impl FnOnce()) {
    if RUNS.replace(true) {
        return work();
    }
    work();
    while let Some(number) = READY.with_borrow_mut(VecDeque::pop_front) {
        // Out of the list while it is polled, since it may add others.
        let Some(mut task) = TASKS.with_borrow_mut(|tasks| tasks.remove(&number)) else { continue };
        let waker = task.waker.clone();
        if task.work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            task.begun.get_or_insert(NOW.get());
            TASKS.with_borrow_mut(|tasks| tasks.insert(number, task));
        }
    }
    RUNS.set(false);
}

/// The time. A task began when it was last asked for before its first wait: asking once more costs a crossing.
pub fn now() -> Timestamp {
    let now = Timestamp(Date::now() as i64);
    NOW.set(now);
    now
}

fn forget_abandoned() {
    if TASKS.with_borrow(HashMap::len) < LOOK_AT.get() {
        return;
    }
    let now = now();
    let old: Vec<Task> = TASKS.with_borrow_mut(|tasks| {
        tasks
            .extract_if(|_, task| task.begun.is_some_and(|begun| now.since(begun) > ABANDONED))
            .map(|(_, task)| task)
            .collect()
    });
    // Dropped when the list is free again: a task may hold others.
    drop(old);
    LOOK_AT.set(MANY.max(2 * TASKS.with_borrow(HashMap::len)));
}

/// Goes on with what was woken out of turn.
#[wasm_bindgen]
pub fn go_on() {
    within_turn(|| {});
}
