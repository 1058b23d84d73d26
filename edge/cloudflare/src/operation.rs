//! What the platform was asked for and answers later. A number crosses to JavaScript instead of a closure, which costs more
//! than a whole cache hit may.

use crate::tasks;
use rustc_hash::FxBuildHasher;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};

/// What came of an operation.
pub enum Outcome {
    /// A value; `null` where there is none.
    Value(JsValue),
    /// Bytes.
    Bytes(Vec<u8>),
    /// The platform's words for what went wrong.
    Failed(String),
}

enum State {
    Waits(Option<Waker>),
    Done(Outcome),
}

thread_local! {
    static STATES: RefCell<HashMap<u32, State, FxBuildHasher>> = RefCell::default();
    static LAST: Cell<u32> = const { Cell::new(0) };
}

/// An operation under way. Dropping it forgets it: its end is then of no interest.
pub struct Operation(u32);

impl Operation {
    /// Begins one. What cannot even begin has failed.
    pub fn begin<T>(start: impl FnOnce(u32) -> Result<T, JsValue>) -> (Self, Option<T>) {
        let number = LAST.get().wrapping_add(1);
        LAST.set(number);
        STATES.with_borrow_mut(|states| states.insert(number, State::Waits(None)));
        match start(number) {
            Ok(handle) => (Operation(number), Some(handle)),
            Err(error) => {
                ended(number, Outcome::Failed(words(&error)));
                (Operation(number), None)
            }
        }
    }
}

impl Future for Operation {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        STATES.with_borrow_mut(|states| match states.remove(&self.0) {
            Some(State::Done(outcome)) => Poll::Ready(outcome),
            Some(State::Waits(_)) => {
                states.insert(self.0, State::Waits(Some(context.waker().clone())));
                Poll::Pending
            }
            None => Poll::Ready(Outcome::Failed("the operation is over".to_string())),
        })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        STATES.with_borrow_mut(|states| states.remove(&self.0));
    }
}

/// Whether anybody waits for it.
fn ended(number: u32, outcome: Outcome) -> bool {
    let waker = STATES.with_borrow_mut(|states| {
        let state = states.get_mut(&number)?;
        match std::mem::replace(state, State::Done(outcome)) {
            State::Waits(waker) => Some(waker),
            State::Done(_) => Some(None),
        }
    });
    let Some(waker) = waker else { return false };
    if let Some(waker) = waker {
        tasks::within_turn(|| waker.wake());
    }
    true
}

/// An error in words.
pub fn words(error: &JsValue) -> String {
    match error.dyn_ref::<worker::js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    }
}

/// An operation ended with a value.
#[wasm_bindgen]
pub fn settle(operation: u32, value: JsValue) {
    ended(operation, Outcome::Value(value));
}

/// An operation ended with bytes. Whether anybody waited for them.
#[wasm_bindgen]
pub fn bytes(operation: u32, bytes: Vec<u8>) -> bool {
    ended(operation, Outcome::Bytes(bytes))
}

/// An operation failed.
#[wasm_bindgen]
pub fn fail(operation: u32, why: String) {
    ended(operation, Outcome::Failed(why));
}
