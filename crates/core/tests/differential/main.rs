//! Random requests and responses, decided by terrace and by the crate http-cache-semantics: every disagreement is in the list of
//! `disagreements.rs`, with the sentence that it comes from, or the test fails with the smallest case that it finds.
//!
//! The cases are the same each time. `PROPTEST_RNG_SEED=n` takes others, `PROPTEST_CASES=n` more.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice)]

mod decisions;
mod disagreements;
mod grammar;
mod letter;
#[path = "../rules_support/mod.rs"]
mod rules_support;

use decisions::Decisions;
use disagreements::{Question, REASONS, Reason, Says};
use grammar::Case;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use std::cell::RefCell;

const CASES: u32 = 100_000;
const SEED: u64 = 9111;

/// What of the answers is not the same: the question, and what terrace says.
fn difference(ours: &Decisions, theirs: &Decisions) -> Vec<(Question, Says)> {
    let says = |yes| if yes { Says::Yes } else { Says::No };
    let (Some(our), Some(their)) = (&ours.stored, &theirs.stored) else {
        let same = ours.stored.is_some() == theirs.stored.is_some();
        return if same { Vec::new() } else { vec![(Question::Storable, says(ours.stored.is_some()))] };
    };
    let mut found = Vec::new();
    if our.fresh != their.fresh {
        found.push((Question::Fresh, says(our.fresh)));
    }
    if our.usable != their.usable {
        found.push((Question::Usable, says(our.usable)));
    }
    if our.conditions.is_some() && their.conditions.is_some() && our.conditions != their.conditions {
        found.push((Question::Conditions, Says::Either));
    }
    found
}

/// The lines of the list that explain it.
fn explanations(case: &Case, question: Question, says: Says) -> Vec<usize> {
    let explains = |reason: &Reason| {
        let asked = reason.question == question || (reason.question == Question::Fresh && question == Question::Usable);
        asked && (reason.terrace == says || reason.terrace == Says::Either) && (reason.holds)(case)
    };
    (0..REASONS.len()).filter(|at| explains(&REASONS[*at])).collect()
}

/// A fixed number of cases from a fixed seed, unless the environment says otherwise.
fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    config
}

/// Two programs may err in the same way: what terrace stores, lifetime and age are also held against what was generated.
#[test]
fn what_is_stored_is_by_the_letter() {
    let config = config();
    let seed = config.rng_seed;
    let run = TestRunner::new(config).run(&grammar::case(), |case| {
        let Some(head) = decisions::stored(&case) else {
            return Ok(());
        };
        prop_assert!(!letter::forbids_storing(&case), "it must not be stored");
        let age = head.freshness.age_ms(case.then());
        let of_terrace = (head.freshness.lifetime_ms as i64, age as i64);
        prop_assert_eq!(of_terrace, (letter::lifetime_ms(&case), letter::age_ms(&case)), "lifetime and age");
        Ok(())
    });
    if let Err(TestError::Fail(why, case)) = run {
        panic!("{why}\n  case: {case:?}\n  seed: {seed:?}");
    }
    run.unwrap();
}

#[test]
fn every_disagreement_is_explained() {
    let config = config();
    let seed = config.rng_seed;
    // For each line: how many cases it alone explains, and the first of them.
    let alone = RefCell::new(vec![(0_u32, None); REASONS.len()]);
    let tally = RefCell::new([0_u32; 4]);
    let outcome = TestRunner::new(config).run(&grammar::case(), |case| {
        let (ours, theirs) = (decisions::terrace(&case), decisions::theirs(&case));
        let mut tally = tally.borrow_mut();
        tally[0] += 1;
        tally[1] += u32::from(ours.stored.is_some() && theirs.stored.is_some());
        tally[2] += u32::from([&ours, &theirs].iter().all(|d| d.stored.as_ref().is_some_and(|s| s.usable)));
        let differences = difference(&ours, &theirs);
        tally[3] += u32::from(!differences.is_empty());
        for (question, says) in differences {
            match explanations(&case, question, says).as_slice() {
                [] => {
                    let why = format!("{question:?} is not explained\n  terrace: {ours:?}\n  theirs:  {theirs:?}");
                    return Err(TestCaseError::fail(why));
                }
                [one] if REASONS[*one].question == question => {
                    let (count, example) = &mut alone.borrow_mut()[*one];
                    *count += 1;
                    example.get_or_insert(case.clone());
                }
                _ => {}
            }
        }
        Ok(())
    });
    if let Err(TestError::Fail(why, case)) = outcome {
        panic!(
            "{why}\n  case: {case:?}\n  seed: {seed:?}\nAdd a line to disagreements.rs, or mend the rule that is wrong."
        );
    }
    outcome.unwrap();
    let [cases, both_store, both_use, differ] = *tally.borrow();
    println!("{seed:?}: {cases} cases, both store {both_store}, both use {both_use}, they differ in {differ}");
    for (reason, (count, example)) in REASONS.iter().zip(alone.borrow().iter()) {
        let Reason { question, terrace, name, section, right, .. } = reason;
        println!("{question:?} {terrace:?} | {name} | {section} | {right:?} | {count}");
        let needed = example.is_some() || cases < CASES;
        assert!(needed, "nothing but \"{name}\" ({question:?}) explains no case: remove the line. {seed:?}");
    }
    assert!(both_use > cases / 50, "the grammar hardly ever leads to a hit");
}
