//! `terrace warm`: asks a running terrace for every URL of a list, so that it is stored before anyone waits for it.

mod list;
mod sample;

use crate::args::Warm;
use crate::client::{Web, cause, client, runtime};
use crate::failure::Failure;
use crate::serve::say;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use indicatif::{ProgressBar, ProgressStyle};
use sample::Sample;
use sfv::{BareItem, Item, ListEntry};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use url::{Position, Url};

/// Where paths are asked for unless `--server` says so.
const HERE: &str = "http://127.0.0.1:8080";

/// How long one answer may take, whole.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a URL is asked for that cannot be had just now.
const TRIES: u32 = 3;

/// The longest that a `Retry-After` is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long stores are left to finish before some are asked for again, and before those that were not found are.
const SETTLED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// How many failures are named.
const NAMED: usize = 10;

/// How a file of `--resume` begins: no other is written to, or removed.
const MARK: &str = "# terrace warm: these are done";

/// What became of one URL.
#[derive(Debug, PartialEq, Eq)]
enum Warmed {
    /// It is stored now, or was to be when its head was sent: that is all that a head can say.
    Stored,
    /// It was stored, and fresh.
    Was,
    /// It is not stored, and why.
    Not(String),
    /// There is no answer worth storing.
    Failed(String),
}

#[derive(Default)]
struct Sums {
    stored: usize,
    were: usize,
    reasons: BTreeMap<String, usize>,
    failed: Vec<String>,
    sample: Sample,
}

impl Sums {
    fn add(&mut self, url: &str, warmed: Warmed) {
        match warmed {
            Warmed::Stored => {
                self.stored += 1;
                self.sample.add(url);
            }
            Warmed::Was => self.were += 1,
            Warmed::Not(why) => *self.reasons.entry(why).or_default() += 1,
            Warmed::Failed(why) => self.failed.push(format!("{url}: {why}")),
        }
    }

    fn not(&self) -> usize {
        self.reasons.values().sum()
    }

    fn all(&self) -> usize {
        self.stored + self.were + self.not() + self.failed.len()
    }

    fn summary(&self) -> String {
        let reasons: Vec<_> = self.reasons.iter().map(|(why, count)| format!("{why} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        format!(
            "{} URLs: {} stored now, {} were stored, {} not stored{reasons}, {} failed\n",
            self.all(),
            self.stored,
            self.were,
            self.not(),
            self.failed.len()
        )
    }
}

pub fn run(args: &Warm) -> Result<(), Failure> {
    runtime()?.block_on(warm(args))
}

async fn warm(args: &Warm) -> Result<(), Failure> {
    let (web, headers) = (client()?, headers(&args.header)?);
    let urls = match (&args.file, &args.sitemap) {
        (Some(file), _) => list::lines(&file.display().to_string(), &read(file)?)?,
        (None, Some(sitemap)) => list::sitemap(&web, sitemap).await?,
        (None, None) => return Err(Failure::usage("nothing to warm: name a file, or --sitemap URL")),
    };
    let mut done = Done::open(args.resume.as_deref())?;
    let left: Vec<String> = urls.into_iter().filter(|url| !done.has(url)).collect();
    let bar = bar(left.len() as u64);
    let pace = args.pace.map(pace);
    let ask = |url: String| {
        let (web, headers, pace) = (&web, &headers, &pace);
        async move {
            let warmed = one(web, args.server.as_ref(), headers, pace, &url).await;
            (url, warmed)
        }
    };
    let mut answers = stream::iter(&left).map(|url| ask(url.clone())).buffer_unordered(usize::from(args.concurrency));
    let mut sums = Sums::default();
    let interrupted = loop {
        tokio::select! {
            answer = answers.next() => match answer {
                Some((url, warmed)) => {
                    if !matches!(warmed, Warmed::Failed(_)) {
                        done.add(&url)?;
                    }
                    sums.add(&url, warmed);
                    bar.inc(1);
                }
                None => break false,
            },
            _ = tokio::signal::ctrl_c() => break true,
        }
    };
    bar.finish_and_clear();
    say(format_args!("{}", sums.summary()));
    if interrupted {
        let again = if args.resume.is_some() { "the same command goes on from here" } else { "--resume FILE goes on" };
        return Err(Failure::no(format!("interrupted after {} of {} URLs: {again}", sums.all(), left.len())));
    }
    if sums.failed.is_empty() {
        done.finish()?;
        let (asked, absent) = still_there(&web, args.server.as_ref(), &headers, &sums.sample).await;
        return match absent {
            0 => Ok(()),
            _ => Err(Failure::no(format!(
                "{absent} of {asked} that were stored are not there when they are asked for again: terrace's stores take nothing, or have \
                 let it go; its log says which"
            ))),
        };
    }
    let named: Vec<_> = sums.failed.iter().take(NAMED).map(String::as_str).collect();
    let more = sums.failed.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Err(Failure::no(format!("{} of {} URLs failed:\n{}{more}", sums.failed.len(), left.len(), named.join("\n"))))
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|why| Failure::no(format!("cannot read {}: {why}", file.display())))
}

fn headers(lines: &[String]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for line in lines {
        let parsed = line.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) =
            parsed.ok_or_else(|| Failure::usage(format!("--header {line:?}: write it as 'Name: value'")))?;
        map.append(name, value);
    }
    Ok(map)
}

fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    // Nothing is drawn where stderr is no terminal.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn pace(each: Duration) -> Mutex<Interval> {
    let mut interval = interval(each);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Mutex::new(interval)
}

/// Asks for one URL, again where it cannot be had just now.
async fn one(
    web: &Web,
    server: Option<&Url>,
    headers: &HeaderMap,
    pace: &Option<Mutex<Interval>>,
    url: &str,
) -> Warmed {
    let mut tries = 1;
    loop {
        if let Some(pace) = pace {
            pace.lock().await.tick().await;
        }
        let asked = timeout(PATIENCE, ask(web, server, headers, url)).await;
        let pause = match asked {
            Ok(Ok((head, pause))) if tries == TRIES || pause.is_none() => return verdict(head.0, &head.1),
            Ok(Ok((_, pause))) => pause.unwrap_or_default(),
            Ok(Err(why)) if tries == TRIES => return Warmed::Failed(why),
            Err(_) if tries == TRIES => return Warmed::Failed(format!("no whole answer in {PATIENCE:?}")),
            Ok(Err(_)) | Err(_) => Duration::from_secs(1 << (tries - 1)),
        };
        sleep(pause).await;
        tries += 1;
    }
}

type Answered = ((StatusCode, HeaderMap), Option<Duration>);

/// Asks again for some that were to be stored, and once more for those that are not found. Returns for how many, and how many are
/// not there.
async fn still_there(web: &Web, server: Option<&Url>, headers: &HeaderMap, sample: &Sample) -> (usize, usize) {
    let mut left = sample.urls().to_vec();
    for pause in SETTLED {
        if left.is_empty() {
            break;
        }
        sleep(pause).await;
        let mut absent = Vec::new();
        for url in left {
            let answer = timeout(PATIENCE, ask(web, server, headers, &url)).await;
            if matches!(answer, Ok(Ok(((_, head), _))) if is_absent(&head)) {
                absent.push(url);
            }
        }
        left = absent;
    }
    (sample.urls().len(), left.len())
}

/// Whether nothing was found in the tiers (RFC 9211 2.2).
fn is_absent(head: &HeaderMap) -> bool {
    let forwarded = ours(head).and_then(|ours| Some(ours.params.get("fwd")?.as_token()?.as_str().to_string()));
    forwarded.is_some_and(|why| matches!(why.as_str(), "uri-miss" | "vary-miss"))
}

/// The head of an answer that came whole, and how long to wait where it says "later".
async fn ask(web: &Web, server: Option<&Url>, headers: &HeaderMap, url: &str) -> Result<Answered, String> {
    let response = web.request(request(server, headers, url)?).await.map_err(|why| cause(&why))?;
    let (head, body) = response.into_parts();
    drain(body).await?;
    let later = matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let pause = later.then(|| Duration::from_secs(seconds.unwrap_or(1)).min(LONGEST_PAUSE));
    Ok(((head.status, head.headers), pause))
}

/// Content is stored when all of it has passed, so it is read to its end, and kept nowhere.
async fn drain(mut body: Incoming) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|why| format!("it is cut: {}", cause(&why)))?;
    }
    Ok(())
}

/// A request for a URL at `server`, with the URL's own Host, which is part of what it is stored under.
fn request(server: Option<&Url>, headers: &HeaderMap, url: &str) -> Result<Request<Full<Bytes>>, String> {
    let here = |path: &str| {
        let base = server.map_or(HERE, Url::as_str);
        Url::parse(base).and_then(|base| base.join(path)).map_err(|why| why.to_string())
    };
    let (address, host) = match url.starts_with('/') {
        true => (here(url)?, None),
        false => {
            let own = Url::parse(url).map_err(|why| why.to_string())?;
            let host = own[Position::BeforeHost..Position::AfterPort].to_string();
            let address = if server.is_some() { here(&own[Position::BeforePath..Position::AfterQuery])? } else { own };
            (address, Some(host))
        }
    };
    let mut request = Request::get(&address[..Position::AfterQuery]);
    if let Some(host) = host.filter(|_| !headers.contains_key(header::HOST)) {
        request = request.header(header::HOST, host);
    }
    let mut request = request.body(Full::new(Bytes::new())).map_err(|why| why.to_string())?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

/// What the answer's Cache-Status (RFC 9211) says.
fn verdict(status: StatusCode, headers: &HeaderMap) -> Warmed {
    let Some(ours) = ours(headers) else {
        return Warmed::Failed(format!("{status}, and no terrace answered it"));
    };
    let has = |name: &str| ours.params.get(name).is_some_and(|value| *value == BareItem::Boolean(true));
    let fresh = ours.params.get("ttl").and_then(|ttl| ttl.as_integer()).is_some_and(|ttl| i64::from(ttl) > 0);
    // What another request has asked for at the same time is stored by that one.
    let shared = has("collapsed") && status.is_success();
    if has("stored") || shared || ours.params.contains_key("fwd-status") && status.is_success() {
        return Warmed::Stored;
    }
    if has("hit") && fresh {
        return Warmed::Was;
    }
    let detail = ours.params.get("detail").map(|detail| match (detail.as_token(), detail.as_string()) {
        (Some(token), _) => token.as_str().to_string(),
        (_, Some(text)) => text.as_str().to_string(),
        _ => String::new(),
    });
    let detail = detail.unwrap_or_else(|| "no reason is given".to_string());
    let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    match later || has("hit") {
        true => Warmed::Failed(format!("{status}: {detail}")),
        false if status.is_client_error() => Warmed::Not(format!("{}, {detail}", status.as_u16())),
        false => Warmed::Not(detail),
    }
}

/// The member of Cache-Status that is terrace's: the last one, where there are caches between.
fn ours(headers: &HeaderMap) -> Option<Item> {
    let lines = headers.get_all("cache-status").iter().filter_map(|line| line.to_str().ok());
    let list: sfv::List = sfv::Parser::new(&lines.collect::<Vec<_>>().join(", ")).parse().ok()?;
    list.into_iter().rev().find_map(|entry| match entry {
        ListEntry::Item(item) if item.bare_item.as_token().is_some_and(|name| name.as_str() == "terrace") => Some(item),
        _ => None,
    })
}

/// Which URLs are done, in a file of lines.
struct Done {
    known: HashSet<String>,
    file: Option<(File, std::path::PathBuf)>,
}

impl Done {
    fn open(path: Option<&Path>) -> Result<Done, Failure> {
        let Some(path) = path else { return Ok(Done { known: HashSet::new(), file: None }) };
        let no = |why: io::Error| Failure::no(format!("cannot keep {}: {why}", path.display()));
        let text = match fs::read_to_string(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(no)?,
        };
        if !text.is_empty() && text.lines().next() != Some(MARK) {
            return Err(Failure::no(format!(
                "{} is no file of an earlier run, and would be removed: name one that is not there yet",
                path.display()
            )));
        }
        // The last line may have been cut: it is asked for again.
        let whole = text.get(..text.rfind('\n').map_or(0, |end| end + 1)).unwrap_or_default();
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(no)?;
        file.set_len(whole.len() as u64).map_err(no)?;
        if whole.is_empty() {
            file.write_all(format!("{MARK}\n").as_bytes()).map_err(no)?;
        }
        Ok(Done { known: whole.lines().skip(1).map(str::to_string).collect(), file: Some((file, path.into())) })
    }

    fn has(&self, url: &str) -> bool {
        self.known.contains(url)
    }

    fn add(&mut self, url: &str) -> Result<(), Failure> {
        match &mut self.file {
            Some((file, path)) => file
                .write_all(format!("{url}\n").as_bytes())
                .map_err(|why| Failure::no(format!("cannot write {}: {why}", path.display()))),
            None => Ok(()),
        }
    }

    /// All is done: the next run begins anew.
    fn finish(self) -> Result<(), Failure> {
        match self.file {
            Some((_, path)) => {
                fs::remove_file(&path).map_err(|why| Failure::no(format!("cannot remove {}: {why}", path.display())))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: u16, cache_status: &str) -> Warmed {
        let headers = HeaderMap::from_iter([("cache-status".parse().unwrap(), cache_status.parse().unwrap())]);
        verdict(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn cache_status_says_what_became_of_it() {
        assert_eq!(says(200, "terrace; fwd=uri-miss; stored"), Warmed::Stored);
        assert_eq!(says(200, "terrace; fwd=stale; fwd-status=304; detail=L1"), Warmed::Stored);
        assert_eq!(says(200, "terrace; hit; ttl=30; detail=L2"), Warmed::Was);
        assert_eq!(says(200, "terrace; fwd=uri-miss; collapsed"), Warmed::Stored);
        assert_eq!(says(404, "terrace; fwd=uri-miss; stored"), Warmed::Stored);
        assert_eq!(says(200, "inner; hit, terrace; fwd=uri-miss; detail=no-store"), Warmed::Not("no-store".into()));
        assert!(matches!(says(200, "terrace; hit; ttl=-3; detail=\"L1, stale-if-error\""), Warmed::Failed(_)));
        assert!(matches!(says(502, "terrace; fwd=uri-miss; detail=connection-refused"), Warmed::Failed(_)));
        assert_eq!(says(404, "terrace; fwd=uri-miss; detail=no-freshness"), Warmed::Not("404, no-freshness".into()));
        assert!(matches!(says(429, "terrace; fwd=uri-miss; detail=no-freshness"), Warmed::Failed(_)));
        assert!(matches!(says(200, "other; hit"), Warmed::Failed(_)));
        assert!(matches!(says(200, "no list ;;"), Warmed::Failed(_)));
    }

    #[test]
    fn what_is_not_found_again_is_told_from_what_is_asked_about() {
        for (says, absent) in [
            ("terrace; hit; ttl=30; detail=L2", false),
            ("terrace; fwd=stale; fwd-status=304; detail=L1", false),
            ("terrace; fwd=uri-miss; stored", true),
            ("terrace; fwd=vary-miss; detail=no-tier", true),
            ("other; fwd=uri-miss", false),
        ] {
            let headers = HeaderMap::from_iter([("cache-status".parse().unwrap(), says.parse().unwrap())]);
            assert_eq!(is_absent(&headers), absent, "{says}");
        }
    }

    #[test]
    fn a_url_is_asked_for_at_the_server_under_its_own_host() {
        let server = Url::parse("http://127.0.0.1:81/ignored").unwrap();
        let none = HeaderMap::new();
        for (server, url, uri, host) in [
            (None, "/a?b", "http://127.0.0.1:8080/a?b", None),
            (None, "https://e.org/a?b#c", "https://e.org/a?b", Some("e.org")),
            (Some(&server), "/a", "http://127.0.0.1:81/a", None),
            (Some(&server), "https://e.org:8443/a?b#c", "http://127.0.0.1:81/a?b", Some("e.org:8443")),
        ] {
            let request = request(server, &none, url).unwrap();
            assert_eq!(request.uri().to_string(), uri);
            assert_eq!(request.headers().get("host").and_then(|host| host.to_str().ok()), host, "{url}");
        }
    }
}
