//! Purges on a request's way: what must be known of them before a lookup, and what a response says of others.

use super::Proxy;
use crate::fields::Fields;
use crate::host::Host;
use crate::key;
use crate::purge::{self, Target};
use crate::rules::Exchange;
use crate::tiers::count;
use crate::tiers::purges::Due;
use std::rc::Rc;

impl Proxy {
    /// Has the purge log read where that is due: behind the response, but where too little is known, before it.
    pub(super) async fn know_purges<H: Host>(self: &Rc<Self>, host: &H) {
        match self.purges.due(self.config.poll, host.now()) {
            Due::No => {}
            Due::Soon => {
                let (proxy, own) = (self.clone(), host.clone());
                host.defer(async move {
                    let tiers = proxy.tiers(&own);
                    tiers.read_purges().await;
                    tiers.tell_lives().await;
                });
            }
            Due::Now => {
                Box::pin(self.tiers(host).read_purges()).await;
                if self.tiers(host).owes_lives() {
                    let (proxy, own) = (self.clone(), host.clone());
                    host.defer(async move { proxy.tiers(&own).tell_lives().await });
                }
            }
        }
    }

    /// The cache groups that the answer to an unsafe request makes invalid (RFC 9875 3).
    pub(super) fn invalid_groups<H: Host>(&self, host: &H, seen: &Exchange<'_>) -> Vec<Target> {
        let url = key::url(seen.url, self.policy_of(purge::path(seen.url)));
        let (groups, invalid) = purge::fields::invalidated(seen.method, &url, seen.status, seen.response);
        self.count_marks(host, invalid);
        groups
    }

    /// Counts the tags and cache groups that nothing can be purged by, and tells the operator.
    pub(super) fn note_marks<H: Host>(&self, host: &H, response: &Fields) {
        let (_, invalid) = purge::fields::marks("", &[], response);
        self.count_marks(host, invalid);
    }

    fn count_marks<H: Host>(&self, host: &H, invalid: usize) {
        for _ in 0..invalid {
            count(&self.counters.invalid_marks);
        }
        if invalid > 0
            && let Some(more) = self.counters.log.say(host.now())
        {
            host.warn(&format!(
                "{invalid} tags or cache groups of a response are invalid or too many, and cannot be purged by: a tag is \
                 visible ASCII without commas, of at most {} bytes, and an entry has at most {} of each{more}",
                purge::MAX_MARK,
                purge::MAX_MARKS
            ));
        }
    }
}
