//! What is to be done without a request. A host calls for it by a clock of its own.

use super::Proxy;
use crate::host::Host;
use crate::time::{Timestamp, millis};
use std::rc::Rc;
use std::time::Duration;

/// How long an instance leaves L2 unswept at least.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// The shortest and the longest time until a host is to call again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15 * 60));

impl Proxy {
    /// Does what is due without a request, and says how soon something will be again: in a second at the earliest, in 15 minutes at
    /// the latest. To call it before costs nothing. What fails is counted and told to the operator.
    pub async fn tend<H: Host>(self: &Rc<Self>, host: &H) -> Duration {
        let watch = self.watch(host).await;
        let sweep = self.sweep_if_due(host).await;
        let (least, most) = AGAIN;
        watch.min(sweep).clamp(least, most)
    }

    /// Removes from L2 what is over, unless that was done lately. Returns how long it will not be due.
    async fn sweep_if_due<H: Host>(&self, host: &H) -> Duration {
        let now = host.now();
        let since = self.swept.get().map(|swept: Timestamp| Duration::from_millis(now.since(swept)));
        match since.and_then(|since| SWEEP.checked_sub(since)).filter(|left| millis(*left) > 0) {
            Some(left) => left,
            None => {
                self.swept.set(Some(now));
                self.sweep(host).await;
                SWEEP
            }
        }
    }
}
