//! Any requests in any order: what is answered is of what was asked for, not too old, and says so.

use super::library::{LANGUAGES, LINE, LINES, Library, Wanted, is_owned, lifetime, path};
use bytes::Bytes;
use http::Method;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use terrace_core::host::OriginError;
use terrace_simulation::world::START;
use terrace_simulation::{Answer, Instance, Random, Reply, Seed, World};

/// `purge.poll`, and how long past it an invalidation may be on its way to L2 behind the answer, in milliseconds.
const POLL: i64 = 5_000;
const BEHIND: i64 = 1_000;

/// The longest stale window, in milliseconds.
const STALE: i64 = 60_000;

const TENANTS: [&str; 3] = ["red", "green", "blue"];

const CONFIG: &str = "
[cache]
stale_if_error = \"60s\"
[tiers.l1]
admit = \"always\"
[[route]]
match = \"/s9/*\"
key = { tenant = \"header:x-tenant\" }
";

/// What a request is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Get,
    Head,
    /// The lines from the first to the second.
    Range(usize, usize),
    /// For what has changed since this version.
    Newer(usize),
}

#[derive(Default)]
struct Seen {
    wrong: RefCell<Vec<String>>,
    /// For each instance and object: what an unsafe request has left there, when it was answered, and by what.
    changed: RefCell<Vec<(i64, usize, usize, usize)>>,
    answers: Cell<u64>,
    hits: Cell<u64>,
    parts: Cell<u64>,
    not_modified: Cell<u64>,
    stale: Cell<u64>,
    failures: Cell<u64>,
}

fn up(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl Seen {
    fn answer(&self, library: &Library, wanted: &Wanted, kind: Kind, by: usize, answer: &Answer) {
        let n = wanted.n;
        let wrong = |why: String| {
            let told = format!("{} at {by}, {}: {why}: {answer:?}", path(n), answer.asked);
            self.wrong.borrow_mut().push(told);
        };
        up(&self.answers);
        match (answer.status, kind) {
            // The origin has failed.
            (502..=504, _) => return up(&self.failures),
            (200, _) | (304, Kind::Newer(_)) | (206, Kind::Range(..)) => {}
            _ => return wrong("a status that nobody asked for".into()),
        }
        let version = library.version(wanted, answer);
        match (answer.status, kind) {
            (304, _) => {
                up(&self.not_modified);
                if kind != Kind::Newer(version) {
                    wrong("not modified, although it is".into());
                }
            }
            (206, Kind::Range(first, last)) => {
                up(&self.parts);
                let length = (last.min(LINES - 1) + 1 - first) * LINE;
                if answer.body.as_ref().is_some_and(|body| body.len() != length) {
                    wrong(format!("not the {length} bytes asked for"));
                }
            }
            (_, Kind::Head) if answer.body.as_ref().is_some_and(|body| !body.is_empty()) => wrong("content".into()),
            (_, Kind::Get) if answer.body.as_ref().is_some_and(|body| body.len() != LINE * LINES) => {
                wrong("cut".into())
            }
            _ => {}
        }
        let replaced = library.replaced(n, version).unwrap_or(i64::MAX);
        let old = answer.asked.saturating_sub(replaced);
        let (fresh, is_hit) = (lifetime(n) as i64 * 1000, answer.tier().ends_with("-HIT"));
        if is_hit {
            up(&self.hits);
        }
        if answer.tier().starts_with("STALE-") {
            up(&self.stale);
        }
        if old > if is_hit { fresh } else { fresh + STALE } {
            wrong(format!("version {version}, which was replaced {old} ms before"));
        }
        for (at, object, newer, instance) in self.changed.borrow().iter() {
            let told = if *instance == by { *at } else { *at + POLL + BEHIND };
            if *object == n && version < *newer && answer.asked >= told {
                wrong(format!("version {version}, although {newer} was made at {instance}, {at}"));
            }
        }
        let (age, at) = (answer.field("age").parse::<i64>(), answer.field("x-at").parse::<i64>());
        if let (Ok(age), Ok(at)) = (age, at)
            && (age + 1) * 1000 <= answer.asked - at
        {
            wrong(format!("older than it says, by when it was made: {at}"));
        }
    }
}

async fn change(world: World, library: Library, instance: Instance<false>, wanted: Wanted, seen: Rc<Seen>) {
    let before = world.now();
    let fields = [("x-tenant", wanted.tenant), ("content-length", "1")];
    let method = if before % 2 == 0 { Method::POST } else { Method::DELETE };
    let answer = instance.send(method, &path(wanted.n), &fields, Bytes::from_static(b"x")).await;
    // Invalid is what was asked for with the same tenant alone.
    if answer.status == 204 && !is_owned(wanted.n) {
        let newer = answer.field("x-version").parse().unwrap_or(0);
        seen.changed.borrow_mut().push((answer.ended, wanted.n, newer, instance.number));
        let _ = library;
    }
}

fn run(seed: u64, requests: u64) {
    let library = Library::new(START);
    let (books, draws) = (library.clone(), Random::new(seed ^ 1));
    let world = World::of_workers(seed, move |asked| {
        let took = draws.between((20, 600));
        if draws.chance(0.02) {
            let error = [OriginError::ConnectionRefused, OriginError::ConnectionTerminated, OriginError::TlsError];
            return Reply::failure(took, *draws.pick(&error));
        }
        if draws.chance(0.03) {
            return Reply::new(took, *draws.pick(&[502, 503, 504]), &[], "not now");
        }
        let mut reply = books.answer(asked, took);
        reply.content_after = draws.between((0, 50));
        reply.cut = draws.chance(0.02);
        reply
    });
    world.kv.lost.set(0.01);
    world.kv.network.flaky.set(0.01);
    let instances = world.instances::<false>(CONFIG, 5);
    let (seen, clients) = (Rc::<Seen>::default(), world.random.fork());
    for _ in 0..requests {
        let instance = clients.pick(&instances).clone();
        let popular = clients.unit();
        let n = ((1.0 - popular * popular) * library.len() as f64) as usize;
        let n = n.min(library.len() - 1);
        let wanted =
            Wanted { n, language: LANGUAGES[clients.below(3) as usize], tenant: TENANTS[clients.below(3) as usize] };
        let newest = library.newest(n);
        let first = clients.below(LINES as u64) as usize;
        let kind = match clients.below(20) {
            0..=1 => Kind::Head,
            2..=5 => Kind::Range(first, first + clients.below(4) as usize),
            6..=8 => Kind::Newer(newest.saturating_sub(clients.below(2) as usize)),
            _ => Kind::Get,
        };
        let (range, tag);
        let mut fields = vec![("accept-language", wanted.language), ("x-tenant", wanted.tenant)];
        let mut method = Method::GET;
        match kind {
            Kind::Get => {}
            Kind::Head => method = Method::HEAD,
            Kind::Range(first, last) => {
                range = format!("bytes={}-{}", first * LINE, (last + 1) * LINE - 1);
                fields.push(("range", &range));
            }
            Kind::Newer(version) => {
                tag = wanted.etag(version);
                fields.push(("if-none-match", &tag));
            }
        }
        let request = instance.send(method, &path(n), &fields, Bytes::new());
        let (books, told, number) = (library.clone(), seen.clone(), instance.number);
        let task =
            world.executor.spawn(number, async move { told.answer(&books, &wanted, kind, number, &request.await) });
        if clients.chance(0.01) {
            // The client hangs up.
            let executor = world.executor.clone();
            let after = clients.between((1, 700));
            let silent = clients.chance(0.3);
            world.executor.spawn(terrace_simulation::executor::WORLD, async move {
                executor.sleep(after).await;
                if silent { executor.lose(task) } else { executor.abort(task) }
            });
        }
        if clients.chance(0.01) {
            let work = change(world.clone(), library.clone(), instance.clone(), wanted, seen.clone());
            world.executor.spawn(instance.number, work);
        }
        if clients.chance(0.01) {
            library.change(n, world.now());
        }
        world.executor.pass(clients.between((0, 12)) as i64);
        if let Some(wrong) = seen.wrong.borrow().first() {
            panic!("{wrong}");
        }
    }
    world.executor.pass(60_000);
    let Seen { answers, hits, parts, not_modified, stale, failures, .. } = &*seen;
    let counts = [answers, hits, parts, not_modified, stale, failures].map(Cell::get);
    eprintln!("answers, hits, parts, not modified, stale, failures: {counts:?}");
    assert!(counts[0] > requests * 97 / 100 && counts[1] > requests / 10);
    assert!(counts[2..].iter().all(|count| *count > 20), "too little was tried");
}

#[test]
fn whatever_is_asked_for_is_answered_by_itself_and_never_too_old() {
    Seed::each(4, |seed| run(seed, 50_000));
}
