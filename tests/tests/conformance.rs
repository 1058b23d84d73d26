//! The public cache test suite against every host that is always here. `cargo xtask conformance` prints more.

use std::sync::{Mutex, PoisonError};
use terrace_tests::conformance;
use terrace_tests::host::Host;

/// One at a time: the suite's tests pause for seconds, and a busy machine makes those longer.
static TURN: Mutex<()> = Mutex::new(());

fn passes_as_it_did(host: Host) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = conformance::run(host).expect("the suite runs");
    println!("{}", outcome.summary());
    let risen = outcome.judge().unwrap_or_else(|wrong| panic!("{}\n{wrong}", outcome.summary()));
    println!("{risen}");
}

#[test]
fn the_public_suite_passes_as_it_did_on_wasmtime() {
    passes_as_it_did(Host::Wasmtime);
}

#[test]
fn the_public_suite_passes_as_it_did_like_spin() {
    passes_as_it_did(Host::LikeSpin);
}

#[test]
fn the_public_suite_passes_as_it_did_with_fresh_instances() {
    passes_as_it_did(Host::LikeSpinFresh);
}

#[test]
fn the_public_suite_passes_as_it_did_on_workerd() {
    passes_as_it_did(Host::Workerd);
}

#[test]
fn the_page_says_what_the_results_are() {
    conformance::page::check().unwrap_or_else(|wrong| panic!("{wrong:#}"));
}
