//! Runs every behaviour on every host that is here: `cargo test -p terrace-tests --test behaviour -- [FILTER]`.
//! A test's name is `host::idea::sentence`.

use libtest_mimic::{Arguments, Failed, Trial};
use terrace_tests::host::{Host, shared};
use terrace_tests::suite::{self, Behaviour};
use terrace_tests::world::World;

/// How long a behaviour may take; one that hangs is a failure, not the end of the run.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(240);

fn main() {
    // The place and the message say it all; what led there is always the runner.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut arguments = Arguments::from_args();
    // Behaviours mostly wait; more of them than cores run at once.
    arguments.test_threads.get_or_insert(6);
    let mut trials = Vec::new();
    for host in Host::ALL {
        let missing = host.missing();
        if let Some(why) = &missing {
            let bar = "=".repeat(100);
            eprintln!("{bar}\nTHE SUITE DID NOT RUN ON {}: {why}\n{bar}", host.name().to_uppercase());
        }
        for behaviour in suite::all().filter(|behaviour| (behaviour.holds_on)(host)) {
            let idea = behaviour.idea.rsplit("::").next().unwrap_or_default();
            if !host.tries(idea) {
                continue;
            }
            let name = format!("{}::{idea}::{}", host.name(), behaviour.name);
            let missing = missing.clone();
            let ignored = missing.is_some() && !host.is_required();
            let run = move || match missing {
                Some(why) => Err(Failed::from(why)),
                None => run(host, behaviour),
            };
            trials.push(Trial::test(name, run).with_ignored_flag(ignored));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    shared::end();
    conclusion.exit();
}

fn run(host: Host, behaviour: &Behaviour) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let in_time = runtime.block_on(async { tokio::time::timeout(LIMIT, (behaviour.run)(World { host })).await });
    in_time.map_err(|_| Failed::from(format!("it hung for {} s", LIMIT.as_secs())))
}
