//! Which seeds a simulation runs with, and how a failing one is run again.

/// A seed under test. Where the test fails, it says how to run that seed again.
#[derive(Debug)]
pub struct Seed {
    /// The number that everything follows from.
    pub number: u64,
    test: String,
}

impl Seed {
    /// Runs `simulation` with the seed in `TERRACE_SEED`, else with the first `runs` of them, or as many as `TERRACE_SEEDS` says.
    ///
    /// # Panics
    /// Where the simulation does, and where a variable is no number.
    pub fn each(runs: u64, simulation: impl Fn(u64)) {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let seeds = match number("TERRACE_SEED") {
            Some(seed) => seed..=seed,
            None => 1..=number("TERRACE_SEEDS").unwrap_or(runs),
        };
        let test = std::thread::current().name().unwrap_or_default().to_string();
        for number in seeds {
            let seed = Seed { number, test: test.clone() };
            simulation(seed.number);
        }
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to replay it: {}", self.replay());
        }
    }
}

impl Seed {
    /// The command that runs this seed again.
    fn replay(&self) -> String {
        let Seed { number, test } = self;
        format!("TERRACE_SEED={number} cargo test --release -p terrace-simulation -- --exact {test}")
    }
}
