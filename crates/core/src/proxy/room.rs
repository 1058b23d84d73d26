//! What is answered from a tier is of use: where L2 has to choose, it is told so now and then.

use super::{Lookable, Proxy};
use crate::host::Host;
use crate::tiers::Found;
use crate::time::Timestamp;
use std::rc::Rc;

impl Proxy {
    /// Counts a hit, of the object and of the record that leads to it, where they are two.
    pub(super) fn note_use<H: Host>(self: &Rc<Self>, host: &H, request: &Lookable, found: &Found, now: Timestamp) {
        if self.config.l2.capacity.is_none() {
            return;
        }
        let holder = (request.key != found.key).then_some(request.key);
        for key in [Some(found.key), holder].into_iter().flatten() {
            if let Some(hits) = self.room.used(&key, now) {
                let (proxy, own) = (self.clone(), host.clone());
                host.defer(async move { proxy.tiers(&own).used(&key, hits, now).await });
            }
        }
    }
}
