//! Watched documents: asked for when they are due, by one instance of all, and what has changed in them is purged.
//!
//! They are due by a host's clock, and behind the answer to any request, which is all that a host without a clock has.

use super::{Proxy, content};
use crate::capture::Capture;
use crate::config::Watch;
use crate::decision::Unread;
use crate::entry::coded::Coding;
use crate::fields::Fields;
use crate::host::Host;
use crate::message::{Body, Response};
use crate::purge::Target;
use crate::tiers::count;
use crate::tiers::deadline::within;
use crate::tiers::watches::{Asked, Turn};
use crate::time::{Timestamp, millis};
use crate::upstream::{self, Ask, backoff};
use crate::watch::{self, MAX_DOCUMENT, Seen};
use http::{Method, StatusCode};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// How long a turn lasts beside the time that the origin may take, in milliseconds: L2 is asked twice in it.
const BESIDE_MS: u64 = 5_000;

/// What this instance knows of each of the configured documents.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// When it is to look at them again.
    due: RefCell<Vec<Timestamp>>,
    /// What it has told of them last, as long as that is so.
    told: RefCell<Vec<(String, String)>>,
}

impl Watching {
    /// The documents that are to be looked at now. Whoever is told so is the only one for a while.
    fn due(&self, watches: &[Watch], now: Timestamp) -> Vec<usize> {
        let mut times = self.due.borrow_mut();
        times.resize(watches.len(), Timestamp::default());
        let all = times.iter_mut().zip(watches).enumerate();
        let due = all.filter(|(_, (due, watch))| {
            // A clock that was set back must not keep it waiting.
            **due <= now || due.since(now) > watch::longest_pause(watch.every)
        });
        due.map(|(n, (due, watch))| {
            *due = now.plus_millis(millis(watch::pause(watch.every, 1, None)));
            n
        })
        .collect()
    }

    fn set(&self, n: usize, to: Timestamp) {
        if let Some(due) = self.due.borrow_mut().get_mut(n) {
            *due = to;
        }
    }

    /// Whether a document, by its URL, is in another state than it was told to be in. `None` is the one that needs no telling.
    fn is_news(&self, url: &str, state: Option<&str>) -> bool {
        let mut told = self.told.borrow_mut();
        let before = told.iter().position(|(other, _)| other == url).map(|n| told.swap_remove(n).1);
        told.extend(state.map(|state| (url.to_string(), state.to_string())));
        before.as_deref() != state
    }

    /// How long nothing is due.
    fn left(&self, now: Timestamp) -> Duration {
        let next = self.due.borrow().iter().map(|due| due.since(now)).min();
        next.map_or(Duration::MAX, Duration::from_millis)
    }
}

/// A document that could not be read.
struct Fault {
    why: Unread,
    /// The rest of what is known of it.
    detail: String,
    /// In seconds.
    retry_after: Option<u64>,
}

impl Fault {
    fn of(why: Unread, detail: impl fmt::Display) -> Self {
        Fault { why, detail: detail.to_string(), retry_after: None }
    }
}

impl Proxy {
    /// Has what is due looked at behind the answer, each document by itself: one that is slow keeps none waiting. Returns how long
    /// nothing more will be due, as far as is known before that is done.
    pub(super) fn watch_behind<H: Host>(self: &Rc<Self>, host: &H) -> Duration {
        if self.config.watches.is_empty() {
            return Duration::MAX;
        }
        let now = host.now();
        for n in self.watching.due(&self.config.watches, now) {
            let (proxy, own) = (self.clone(), host.clone());
            host.defer(async move {
                let Some(watch) = proxy.config.watches.get(n) else { return };
                if let Some(due) = proxy.ask_for(&own, watch).await {
                    proxy.watching.set(n, due);
                }
            });
        }
        self.watching.left(now)
    }

    /// Asks for a document, if it is our turn, and purges what has changed. Returns when it is due again, as far as is known.
    async fn ask_for<H: Host>(&self, host: &H, watch: &Watch) -> Option<Timestamp> {
        let begun = host.now();
        let limit = self.config.origin.connect_timeout + self.config.origin.timeout;
        let name = format!("{} {}", self.origin(), watch.url);
        let until = begun.plus_millis(millis(limit).saturating_add(BESIDE_MS));
        let latest = begun.plus_millis(watch::longest_pause(watch.every));
        let tiers = self.tiers(host);
        let mut turn = match tiers.take_watch(name, until.min(latest), latest).await {
            Asked::ByUs(turn) => turn,
            // Whoever has it now will have said something else by then.
            Asked::Later(due) => return Some(due.min(begun.plus_millis(millis(watch.every)))),
            Asked::Never => return None,
        };
        let read = within(host, limit, self.read(host, watch, &turn)).await;
        let read = match read.unwrap_or_else(|| Err(Fault::of(Unread::Failed, "in time"))) {
            Ok(news) => self.purge_changed(host, watch, news).await,
            Err(fault) => Err(fault),
        };
        let due = match read {
            Ok(seen) => {
                turn.failures = 0;
                turn.seen = seen.unwrap_or(turn.seen);
                begun.plus_millis(millis(watch::pause(watch.every, 0, None)))
            }
            Err(fault) => {
                turn.failures = turn.failures.saturating_add(1);
                let pause = watch::pause(watch.every, turn.failures, fault.retry_after);
                let Fault { why, detail, .. } = fault;
                let seconds = pause.as_secs();
                self.say(
                    host,
                    watch,
                    format_args!("{} ({detail}). It is asked for again in {seconds} s", why.as_str()),
                );
                host.now().plus_millis(millis(pause))
            }
        };
        tiers.end_watch(turn, due).await;
        Some(due)
    }

    /// What the document says; `None` where it is as it was.
    async fn read<'a, H: Host>(
        &self,
        host: &H,
        watch: &'a Watch,
        turn: &Turn,
    ) -> Result<Option<watch::News<'a>>, Fault> {
        let seen = Seen::from_text(&turn.seen);
        let mut fields = Fields::from([
            ("accept", "application/json"),
            ("accept-encoding", "identity"),
            // Of caches in between, too, nobody wants what was.
            ("cache-control", "no-cache"),
        ]);
        let etag = seen.etag(watch);
        if let Some(etag) = etag {
            fields.append("if-none-match", etag);
        }
        let ask = Ask { method: Method::GET, target: &watch.url, fields, body: Body::Empty, client: None };
        let answer = upstream::fetch(host, &self.config, &self.meter, ask).await;
        let Response { status, fields, body } =
            answer.map_err(|failure| Fault::of(Unread::Failed, failure.as_str()))?;
        match status {
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(None),
            StatusCode::OK => {}
            _ => {
                let retry_after = backoff::retry_after(&fields, host.now());
                return Err(Fault { retry_after, ..Fault::of(Unread::Status, status.as_u16()) });
            }
        }
        let length = fields.get_str("content-length").and_then(|length| length.trim().parse().ok());
        let copy = Capture::new(MAX_DOCUMENT, length, self.budget.clone());
        let document = content::whole(host, body, copy).await.filter(|document| document.len() <= MAX_DOCUMENT);
        let size = || length.map_or("of unknown length".to_string(), |n| format!("{n} bytes"));
        let document = document.ok_or_else(|| Fault::of(Unread::NotWhole, size()))?;
        let coding = fields.get_str("content-encoding").map_or("identity", str::trim).to_ascii_lowercase();
        let document = match coding.as_str() {
            "identity" => document,
            // From an origin that has it no other way.
            "gzip" | "x-gzip" => {
                let plain = host.decode(Coding::Gzip, document, MAX_DOCUMENT).await;
                let plain = plain.filter(|plain| plain.len() <= MAX_DOCUMENT);
                plain.ok_or_else(|| Fault::of(Unread::Encoded, coding))?.into()
            }
            _ => return Err(Fault::of(Unread::Encoded, coding)),
        };
        let news = watch::news(watch, &document, fields.get_str("etag"), &seen);
        news.map(Some).map_err(|why| Fault::of(why, format_args!("{} bytes", document.len())))
    }

    /// Purges what has changed. Returns what is to be remembered, if anything new is.
    async fn purge_changed<H: Host>(
        &self,
        host: &H,
        watch: &Watch,
        news: Option<watch::News<'_>>,
    ) -> Result<Option<String>, Fault> {
        let Some(watch::News { changed, seen, missing, invalid }) = news else { return Ok(None) };
        for _ in 0..invalid {
            count(&self.counters.invalid_marks);
        }
        let mut state = Vec::new();
        if invalid > 0 {
            state.push(format!("{invalid} members have names that make no tag, and are not watched"));
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            state.push(format!("nothing is at {missing}: nothing is purged by that until something is"));
        }
        let state = (!state.is_empty()).then(|| state.join("; "));
        // It is the same with every document until the API is mended.
        if self.watching.is_news(&watch.url, state.as_deref()) {
            match state {
                Some(state) => self.say(host, watch, format_args!("{state}")),
                None => host.info(&format!("watch {}: all that is watched is there", watch.url)),
            }
        }
        if !changed.is_empty() {
            let targets: Vec<Target> = changed.iter().map(|tag| Target::tag(tag)).collect();
            if self.tiers(host).purge(&targets, watch.soft, host.now()).await.is_none() {
                return Err(Fault::of(Unread::NotPurged, changed.join(", ")));
            }
            let (first, more) = changed.split_at(changed.len().min(8));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let first = first.join(", ");
            host.info(&format!("watch {}: purged {first}{more}, whose values have changed", watch.url));
        }
        Ok(Some(seen.to_text()))
    }

    fn say<H: Host>(&self, host: &H, watch: &Watch, what: fmt::Arguments<'_>) {
        if let Some(more) = self.log.say(host.now()) {
            host.warn(&format!("watch {}: {what}{more}", watch.url));
        }
    }
}
