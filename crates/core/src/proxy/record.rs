//! What terrace itself remembers in the tiers, beside responses: small entries without content, under keys that no request has.

use super::{Proxy, Trip};
use crate::entry::{Entry, Selecting};
use crate::fields::Fields;
use crate::rules::freshness::{Freshness, Source};
use crate::time::{Timestamp, millis};
use bytes::Bytes;

impl Proxy {
    /// A record that lasts as long as any entry may.
    pub(super) fn record(&self, fields: Fields, trip: Trip) -> Entry {
        let freshness = Freshness {
            born: trip.received,
            requested: trip.sent,
            received: trip.received,
            lifetime_ms: millis(self.config.l2.max_ttl),
            source: Source::Route,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            must_revalidate: true,
            no_cache: false,
            has_validator: false,
        };
        Entry::new(204, fields, freshness, Selecting::default(), Bytes::new())
    }

    /// Whether a record is to be written again, since it may be over before what is stored by it.
    pub(super) fn is_old(&self, record: &Entry, now: Timestamp) -> bool {
        let left = record.head.freshness.ttl_ms(now);
        u64::try_from(left).unwrap_or(0) < millis(self.config.l2.max_ttl) / 2
    }
}
