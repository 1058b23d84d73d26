//! A purge that was acknowledged holds in every instance within `purge.poll`, however late L1 is, and costs a hit nothing.

use super::library::{LANGUAGES, Library, Wanted, path, varies};
use http::Method;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use terrace_simulation::tally::Tally;
use terrace_simulation::{Answer, Instance, Random, Seed, World};

/// `purge.poll`, in milliseconds.
const POLL: i64 = 5_000;

/// How long past a soft purge stale content may be served, in milliseconds: `stale_while_revalidate`.
const STALE: i64 = 30_000;

const CONFIG: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[tiers.l1]\nadmit = \"always\"\n";

/// What is seen in one run.
#[derive(Default)]
struct Seen {
    answers: Cell<u64>,
    hits: Cell<u64>,
    again: Cell<u64>,
    stale: Cell<u64>,
    purges: Cell<u64>,
    wrong: RefCell<Vec<String>>,
    /// What hits cost in all, of some.
    costs: RefCell<Vec<(bool, Tally)>>,
}

fn up(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl Seen {
    fn answer(&self, library: &Library, wanted: &Wanted, instance: usize, answer: &Answer) {
        let n = wanted.n;
        up(&self.answers);
        assert_eq!(answer.status, 200, "{answer:?}");
        let version = library.version(wanted, answer);
        if let Some(why) = library.forbidden(n, version, answer, answer.asked - POLL) {
            self.wrong.borrow_mut().push(format!("{} at {instance}, {}: {why}: {answer:?}", path(n), answer.asked));
        }
        if answer.tier() == "STALE-L1" {
            up(&self.stale);
        }
        // What is looked for in L2 as well was waited for, and is a hit when it is looked for again.
        if answer.tier() == "L1-HIT" && answer.cost.queries > 0 {
            up(&self.again);
        } else if answer.tier() == "L1-HIT" {
            up(&self.hits);
            let cost = answer.cost;
            assert!(cost.kv_gets == 1 || varies(n) && cost.kv_gets == 2, "{answer:?}");
            assert_eq!((cost.batches, cost.kv_puts, cost.fetches), (0, 0, 0), "{answer:?}");
            if self.hits.get().is_multiple_of(16) {
                self.costs.borrow_mut().push((varies(n), answer.in_all.clone()));
            }
        }
    }
}

/// Publishes, then purges; a purge that was not acknowledged promises nothing.
async fn publish<const FREE: bool>(world: World, library: Library, instance: Instance<FREE>, seen: Rc<Seen>) {
    let purge = library.publish(&world.random, world.now());
    let versions = library.purging(&purge, world.now());
    let answer = instance.purge(&purge.document).await;
    if answer.status == 200 {
        up(&seen.purges);
        // It hits what was asked for until it was heard, which was before it was acknowledged.
        library.purged(&purge, &versions, answer.ended, answer.ended + STALE);
    }
}

/// So many requests at 20 instances, and a purge every other second.
fn run<const FREE: bool>(seed: u64, requests: u64) {
    let library = Library::new(terrace_simulation::world::START);
    let (books, took) = (library.clone(), Random::new(seed ^ 1));
    let world = World::of_workers(seed, move |asked| books.answer(asked, took.between((20, 900))));
    world.kv.lost.set(0.01);
    world.kv.network.flaky.set(0.002);
    world.kv.network.latency.set((1, 20));
    world.sql.network.latency.set((2, 60));
    let instances = world.instances::<FREE>(CONFIG, 20);
    let (seen, clients) = (Rc::<Seen>::default(), world.random.fork());
    let start = world.now();
    for sent in 0..requests {
        // Some instances are asked all the time, and some hardly ever.
        let spread = clients.unit();
        let at = (20.0 * spread * spread * spread) as usize;
        let instance = if sent % 3 == 0 { instances[19 - at].clone() } else { instances[at].clone() };
        let instance = if instance.number >= 18 && !clients.chance(0.02) { instances[0].clone() } else { instance };
        let popular = clients.unit();
        let n = (library.len() as f64 * popular * popular) as usize;
        let wanted = Wanted { n, language: LANGUAGES[clients.below(3) as usize], tenant: "none" };
        let fields = [("accept-language", wanted.language)];
        let request = instance.send(Method::GET, &path(n), &fields, Default::default());
        let (books, told, number) = (library.clone(), seen.clone(), instance.number);
        world.executor.spawn(number, async move { told.answer(&books, &wanted, number, &request.await) });
        if clients.chance(0.0005) {
            let instance = clients.pick(&instances).clone();
            let work = publish(world.clone(), library.clone(), instance.clone(), seen.clone());
            world.executor.spawn(instance.number, work);
        }
        if clients.chance(0.95) {
            world.executor.pass(1);
        }
        if clients.chance(0.00002) {
            // All is quiet for a while.
            world.executor.pass(clients.between((1_000, 20_000)) as i64);
        }
        if let Some(wrong) = seen.wrong.borrow().first() {
            panic!("{wrong}");
        }
    }
    world.executor.pass(60_000);
    let duration = (world.now() - start) as u64;
    let cost = world.tally.get();
    eprintln!(
        "{} answers, {} L1 hits, {} stale, {} purges in {} s: {cost:?}",
        seen.answers.get(),
        seen.hits.get(),
        seen.stale.get(),
        seen.purges.get(),
        duration / 1000
    );
    assert_eq!(seen.answers.get(), requests);
    assert!(seen.hits.get() > requests * 3 / 10 && seen.purges.get() > requests / 4_000, "too little was tried");
    assert!(seen.stale.get() > 0 && seen.again.get() < seen.hits.get() / 100);
    let costs = seen.costs.borrow();
    let mut refreshes = 0;
    for (varies, tally) in costs.iter() {
        let cost = tally.get();
        // What is soon stale is refreshed behind the answer, from L2 or from the origin.
        if cost.fetches + cost.queries > 0 {
            refreshes += 1;
            continue;
        }
        assert!(cost.kv_gets == 1 || *varies && cost.kv_gets == 2, "{cost:?}");
        assert_eq!((cost.batches, cost.kv_puts, cost.kv_deletes), (0, 0, 0), "{cost:?}");
    }
    assert!(refreshes * 50 < costs.len(), "{refreshes} of {} hits refreshed something", costs.len());
    // One at the start, then at most one every four fifths of the time.
    assert!(cost.polls <= 20 * (2 + duration / (POLL as u64 * 4 / 5)), "{cost:?}");
}

#[test]
fn no_instance_serves_what_was_purged_later_than_purge_poll() {
    Seed::each(1, |seed| run::<false>(seed, 1_000_000));
}

#[test]
fn nor_does_one_whose_writes_to_l1_cost_nothing() {
    Seed::each(1, |seed| run::<true>(seed, 250_000));
}
