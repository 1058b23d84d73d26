//! Stores that fail and come back: nobody is answered with an error that the origin did not make, nothing is served that is too old, and
//! what was purged is gone again when L2 is back.

use super::library::{LANGUAGES, Library, Wanted, lifetime, path};
use http::Method;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use terrace_simulation::{Answer, Instance, Outage, Random, Seed, World};

/// `purge.poll` and `stale_while_revalidate`, in milliseconds.
const POLL: i64 = 5_000;
const STALE: i64 = 30_000;

/// How long nothing need be heard of a failing L2, in milliseconds: `tiers.l2.timeout`.
const UNHEARD: i64 = 500;

const CONFIG: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[tiers.l1]\nadmit = \"always\"\n";

/// Since when L2 is there; `None` while it is not.
type Back = Rc<Cell<Option<i64>>>;

/// What was wrong, and how much was right.
#[derive(Default)]
struct Seen {
    wrong: RefCell<Vec<String>>,
    answers: Cell<u64>,
    hits: Cell<u64>,
    purges: Cell<u64>,
    refused: Cell<u64>,
}

fn up(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl Seen {
    fn answer(&self, library: &Library, wanted: &Wanted, back: Option<i64>, by: usize, answer: &Answer) {
        let n = wanted.n;
        let wrong = |why: String| {
            self.wrong.borrow_mut().push(format!(
                "{} at {by}, {}, L2 back {back:?}: {why}: {answer:?}",
                path(n),
                answer.asked
            ))
        };
        up(&self.answers);
        if answer.status != 200 {
            return wrong("an error".to_string());
        }
        if answer.tier() == "L1-HIT" {
            up(&self.hits);
        }
        let version = library.version(wanted, answer);
        let replaced = library.replaced(n, version).unwrap_or(i64::MAX);
        if answer.asked.saturating_sub(replaced) > lifetime(n) as i64 * 1000 + STALE {
            wrong(format!("version {version}, replaced at {replaced}"));
        }
        // An instance that has asked in vain asks again before `purge.poll` is over.
        let held = answer.asked - POLL - UNHEARD;
        let known = back.is_some_and(|back| back <= held);
        if let Some(why) = known.then(|| library.forbidden(n, version, answer, held)).flatten() {
            wrong(why);
        }
    }
}

async fn publish(world: World, library: Library, instance: Instance<false>, seen: Rc<Seen>) {
    let purge = library.publish(&world.random, world.now());
    let versions = library.purging(&purge, world.now());
    let answer = instance.purge(&purge.document).await;
    match answer.status {
        200 => {
            up(&seen.purges);
            library.purged(&purge, &versions, answer.ended, answer.ended + STALE);
        }
        _ => up(&seen.refused),
    }
}

/// Has a store come and go.
async fn come_and_go(world: World, set: impl Fn(Outage), random: Random) {
    loop {
        world.executor.sleep(random.between((2_000, 40_000))).await;
        set(*random.pick(&[Outage::Refusing, Outage::Silent]));
        world.executor.sleep(random.between((200, 20_000))).await;
        set(Outage::None);
    }
}

fn run(seed: u64, requests: u64) {
    let library = Library::new(terrace_simulation::world::START);
    let (books, took) = (library.clone(), Random::new(seed ^ 1));
    let world = World::of_workers(seed, move |asked| books.answer(asked, took.between((20, 400))));
    let instances = world.instances::<false>(CONFIG, 8);
    let (seen, clients) = (Rc::<Seen>::default(), world.random.fork());
    let back: Back = Rc::new(Cell::new(Some(world.now())));
    let (of_kv, of_sql, known) = (world.clone(), world.clone(), back.clone());
    world.executor.spawn(
        terrace_simulation::executor::WORLD,
        come_and_go(world.clone(), move |outage| of_kv.kv.network.outage.set(outage), clients.fork()),
    );
    let set = move |outage| {
        of_sql.sql.network.outage.set(outage);
        known.set((outage == Outage::None).then(|| of_sql.now()));
    };
    world.executor.spawn(terrace_simulation::executor::WORLD, come_and_go(world.clone(), set, clients.fork()));
    for _ in 0..requests {
        // The last one is hardly ever asked.
        let spread = clients.unit();
        let instance = match (7.95 * spread) as usize {
            7 if !clients.chance(0.01) => instances[0].clone(),
            at => instances[at].clone(),
        };
        let popular = clients.unit();
        let n = (library.len() as f64 * popular * popular) as usize;
        let wanted = Wanted { n, language: LANGUAGES[clients.below(3) as usize], tenant: "none" };
        let fields = [("accept-language", wanted.language)];
        let request = instance.send(Method::GET, &path(n), &fields, Default::default());
        let (books, told, back, number) = (library.clone(), seen.clone(), back.clone(), instance.number);
        world.executor.spawn(number, async move {
            let answer = request.await;
            // L2 was there all the time if it is now, since before.
            told.answer(&books, &wanted, back.get(), number, &answer);
        });
        if clients.chance(0.002) {
            let instance = clients.pick(&instances[..7]).clone();
            let work = publish(world.clone(), library.clone(), instance.clone(), seen.clone());
            world.executor.spawn(instance.number, work);
        }
        world.executor.pass(clients.between((1, 9)) as i64);
        if let Some(wrong) = seen.wrong.borrow().first() {
            panic!("{wrong}");
        }
    }
    world.executor.pass(60_000);
    eprintln!(
        "{} answers, {} hits, {} purges, {} refused",
        seen.answers.get(),
        seen.hits.get(),
        seen.purges.get(),
        seen.refused.get()
    );
    assert_eq!(seen.answers.get(), requests);
    assert!(seen.hits.get() > requests / 8 && seen.purges.get() > 50 && seen.refused.get() > 10);
}

#[test]
fn stores_that_come_and_go_are_felt_by_nobody_and_purges_hold_when_l2_is_back() {
    Seed::each(3, |seed| run(seed, 60_000));
}
