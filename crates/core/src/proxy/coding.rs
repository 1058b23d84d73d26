//! Compression at rest, and what of it a client is sent (RFC 9110 8.4, 12.5.3).
//!
//! What is text is compressed once, behind the answer that brought it, and stored in every coding of the route that the platform has:
//! a hit in one of them is a part of what was read. A client that takes none is sent the content as it came, restored where it is not
//! kept beside.

use super::{Lookable, Proxy, serve};
use crate::entry::coded::{Coding, Form, MAX_SIZE};
use crate::entry::{Entry, Head, codec};
use crate::fields::Fields;
use crate::host::Host;
use crate::rules::coding;
use crate::tiers::{Found, count};
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
    /// A response as it is to be stored: compressed, where it is worth it and there is room for it now.
    pub(super) async fn compressed<H: Host>(&self, host: &H, target: &str, entry: Entry) -> Entry {
        let (head, size) = (&entry.head, entry.body.len());
        let codings = self.codings::<H>(target);
        let policy = self.policy_of(target);
        let fits = coding::compressible(head.status, &head.fields, Some(head.body_len), policy).is_ok();
        if !fits || codings.clone().next().is_none() {
            return entry;
        }
        let (Some(_turn), Some(_held)) = (self.turn(), self.budget.take(size)) else { return entry };
        let mut forms = Vec::new();
        for coding in codings {
            let form = host.encode(coding, &entry.body).await;
            forms.extend(form.filter(|form| coding::is_worth_it(form.len(), size)).map(|form| (coding, form)));
        }
        let plain = entry.head.body_len <= coding::KEPT_PLAIN;
        entry.with_forms(plain, &forms)
    }

    /// Whether a response with this head will be stored compressed, unless its content turns out not to be worth it.
    pub(super) fn will_negotiate<H: Host>(
        &self,
        target: &str,
        status: u16,
        fields: &Fields,
        length: Option<u64>,
    ) -> bool {
        self.codings::<H>(target).next().is_some()
            && coding::compressible(status, fields, length, self.policy_of(target)).is_ok()
    }

    /// Whether a stored response is coded, and its head, as it is by now, does not allow it any more.
    pub(super) fn must_not_be_coded(&self, target: &str, head: &Head) -> bool {
        head.coded.is_some()
            && coding::compressible(head.status, &head.fields, Some(head.body_len), self.policy_of(target)).is_err()
    }

    /// Chooses what of a stored response the client is sent; as it came, unless it may be coded. Where that cannot be made of what
    /// is kept, it is removed, and `false`.
    pub(super) async fn open<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        found: &mut Found,
        may_be_coded: bool,
    ) -> bool {
        let Some(coded) = found.entry.head.coded else { return true };
        let codings = &self.policy_of(&request.target).compress;
        let at_hand = |coding| may_be_coded && coded.has(coding) && codings.contains(&coding);
        let coding = coding::form(&request.method, &request.fields, &request.control, at_hand);
        found.form = match coding {
            Some(coding) => Some(Form::In(coding)),
            None if request.method == Method::HEAD || serve::is_not_modified(request, &found.entry.head) => {
                Some(Form::Identity(Bytes::new()))
            }
            None => self.content(host, &found.entry).await.map(Form::Identity),
        };
        if found.form.is_none() {
            count(&self.counters.corrupt);
            if let Some(more) = self.counters.log.say(host.now()) {
                host.warn(&format!("an entry whose content cannot be restored is removed{more}"));
            }
            self.tiers(host).remove(&found.key).await;
        }
        found.form.is_some()
    }

    /// The content of an entry as it came.
    pub(super) async fn content<H: Host>(&self, host: &H, entry: &Entry) -> Option<Bytes> {
        let Some(coded) = entry.head.coded else { return Some(entry.body.clone()) };
        if let Some(content) = coded.form(&entry.body, None) {
            return Some(content);
        }
        let length = Some(entry.head.body_len).filter(|length| *length <= MAX_SIZE).map(usize::try_from)?.ok()?;
        // The last one is the quickest to read.
        let mut kept = Coding::ALL.into_iter().rev().filter(|coding| H::CODINGS.contains(coding));
        let (coding, form) = kept.find_map(|coding| Some((coding, coded.form(&entry.body, Some(coding))?)))?;
        let content = host.decode(coding, form, length).await?;
        let same = content.len() == length && codec::checksum(&content) == entry.head.body_sum;
        same.then(|| content.into())
    }

    /// The codings of a route that the platform has.
    fn codings<H: Host>(&self, target: &str) -> impl Iterator<Item = Coding> + Clone {
        self.policy_of(target).compress.iter().copied().filter(|coding| H::CODINGS.contains(coding))
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let under_way = self.compressing.get();
        (under_way < MAX_AT_ONCE).then(|| {
            self.compressing.set(under_way + 1);
            Turn(&self.compressing)
        })
    }
}
