//! The public cache test suite against the wasmtime host. `cargo xtask conformance` prints more.

use terrace_tests::conformance;
use terrace_tests::host::Host;

#[test]
fn the_public_suite_passes_as_it_did() {
    let outcome = conformance::run(Host::Wasmtime).expect("the suite runs");
    println!("{}", outcome.summary());
    let risen = outcome.judge().unwrap_or_else(|wrong| panic!("{}\n{wrong}", outcome.summary()));
    println!("{risen}");
}
