//! Waiting, on `setTimeout`.

use crate::operation::Operation;
use crate::platform;
use std::time::Duration;

/// The longest that `setTimeout` takes, in milliseconds.
const LONGEST: f64 = 2_147_483_647.0;

/// Waits.
pub async fn sleep(duration: Duration) {
    let milliseconds = (duration.as_secs_f64() * 1000.0).min(LONGEST);
    let (over, _) = Operation::begin(|number| {
        platform::timer(milliseconds, number);
        Ok(())
    });
    over.await;
}
