//! Waiting, on `setTimeout`.

use crate::operation::Operation;
use crate::platform;
use std::time::Duration;
use worker::wasm_bindgen::JsValue;

/// The longest that `setTimeout` takes, in milliseconds.
const LONGEST: f64 = 2_147_483_647.0;

struct Timer(Option<JsValue>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(timer) = &self.0 {
            let _ = platform::clear(timer);
        }
    }
}

/// Waits. A timer that is not waited for any more is cleared.
pub async fn sleep(duration: Duration) {
    let milliseconds = (duration.as_secs_f64() * 1000.0).min(LONGEST);
    let (over, timer) = Operation::begin(|number| platform::timer(milliseconds, number));
    let _timer = Timer(timer);
    over.await;
}
