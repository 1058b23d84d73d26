//! Compression at rest, and what of it a client is sent (RFC 9110 8.4, 12.5.3).
//!
//! What is text is compressed once, behind the answer that brought it, and stored in every coding of the route that the platform has:
//! a hit in one of them is a part of what was read. A client that takes none is sent the content as it came, restored where it is not
//! kept beside.

use super::{Lookable, Proxy, serve};
use crate::config::RouteId;
use crate::entry::coded::{Coding, Form, MAX_SIZE};
use crate::entry::{Entry, Head, codec};
use crate::fields::Fields;
use crate::host::Host;
use crate::key::Key;
use crate::rules::coding;
use crate::tiers::{Found, Lookup, Place, count};
use crate::time::Timestamp;
use bytes::Bytes;
use http::Method;
use std::cell::Cell;

/// How many contents are compressed at once in one instance; one more is stored as it came.
const MAX_AT_ONCE: usize = 4;

/// One of those; dropping it lets another begin.
struct Turn<'a>(&'a Cell<usize>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Proxy {
    /// Stores a response that was just received: compressed, where it is worth it and there is room for it now.
    pub(super) async fn put<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        key: &Key,
        entry: Entry,
        place: &Place,
        now: Timestamp,
    ) {
        let entry = self.compressed(host, request.route, entry).await;
        self.tiers(host).store(key, &request.url(), entry, place, now).await;
    }

    async fn compressed<H: Host>(&self, host: &H, route: RouteId, entry: Entry) -> Entry {
        let (head, size) = (&entry.head, entry.body.len());
        if !self.will_negotiate::<H>(route, head.status, &head.fields, Some(head.body_len)) {
            return entry;
        }
        let (Some(_turn), Some(_held)) = (self.turn(), self.budget.take(size)) else { return entry };
        let mut forms = Vec::new();
        for coding in Coding::ALL {
            if H::CODINGS.among(self.config.policy_at(route).compress).has(coding)
                && let Some(form) = host.encode(coding, &entry.body).await
                && coding::is_worth_it(form.len(), size)
            {
                forms.push((coding, form));
            }
        }
        let plain = entry.head.body_len <= coding::KEPT_PLAIN;
        entry.with_forms(plain, &forms)
    }

    /// Whether a response with this head will be stored compressed, unless its content turns out not to be worth it.
    pub(super) fn will_negotiate<H: Host>(
        &self,
        route: RouteId,
        status: u16,
        fields: &Fields,
        length: Option<u64>,
    ) -> bool {
        let policy = self.config.policy_at(route);
        !H::CODINGS.among(policy.compress).is_empty() && coding::compressible(status, fields, length, policy).is_ok()
    }

    /// Whether a stored response is coded, and its head, as it is by now, does not allow it any more.
    pub(super) fn must_not_be_coded(&self, route: RouteId, head: &Head) -> bool {
        head.coded.is_some()
            && coding::compressible(head.status, &head.fields, Some(head.body_len), self.config.policy_at(route))
                .is_err()
    }

    /// The same with what the client is sent of it. What that cannot be made of is as good as not there.
    pub(super) async fn opened<H: Host>(&self, host: &H, request: &Lookable, mut lookup: Lookup) -> Lookup {
        if let Lookup::Found(found) = &mut lookup
            && !self.open(host, request, found, false).await
        {
            return match found.key == request.key {
                true => Lookup::Nothing(Some(found.life)),
                false => Lookup::OtherVariants(found.life),
            };
        }
        lookup
    }

    /// Chooses what of a stored response the client is sent; `false` where that cannot be made of what is kept. Where its head was
    /// `revised` since it was stored, it may not be sent coded any more.
    pub(super) async fn open<H: Host>(&self, host: &H, request: &Lookable, found: &mut Found, revised: bool) -> bool {
        let Found { entry, form, .. } = found;
        let Some(coded) = entry.head.coded else { return true };
        let at_hand = coded.codings().among(self.config.policy_at(request.route).compress);
        let coding = coding::form(&request.method, &request.fields, &request.control, at_hand);
        let forbidden = revised && self.must_not_be_coded(request.route, &entry.head);
        *form = match coding.filter(|_| !forbidden) {
            Some(coding) => Some(Form::In(coding)),
            None if request.method == Method::HEAD || serve::is_not_modified(request, &entry.head) => {
                Some(Form::Identity(Bytes::new()))
            }
            None => self.content(host, entry).await.map(Form::Identity),
        };
        if form.is_none() {
            count(&self.counters.corrupt);
            if let Some(more) = self.counters.log.say(host.now()) {
                host.warn(&format!("the content of an entry cannot be restored: it is asked for anew{more}"));
            }
        }
        form.is_some()
    }

    /// The content of an entry as it came.
    pub(super) async fn content<H: Host>(&self, host: &H, entry: &Entry) -> Option<Bytes> {
        let Some(coded) = entry.head.coded else { return Some(entry.body.clone()) };
        if let Some(content) = coded.form(&entry.body, None) {
            return Some(content);
        }
        let length = Some(entry.head.body_len).filter(|length| *length <= MAX_SIZE).map(usize::try_from)?.ok()?;
        // The last one is the quickest to read.
        let kept = coded.codings().among(H::CODINGS);
        let coding = Coding::ALL.into_iter().rev().find(|coding| kept.has(*coding))?;
        let form = coded.form(&entry.body, Some(coding))?;
        let content = host.decode(coding, form, length).await?;
        let same = content.len() == length && codec::checksum(&content) == entry.head.body_sum;
        same.then(|| content.into())
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let under_way = self.compressing.get();
        (under_way < MAX_AT_ONCE).then(|| {
            self.compressing.set(under_way + 1);
            Turn(&self.compressing)
        })
    }
}
