//! What the fuzzers found worth keeping, held against the same properties on any compiler: `fuzz/` has the targets.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, holds) in fuzz::ALL {
        let mut files: Vec<_> =
            std::fs::read_dir(corpus.join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{target}: only {} inputs", files.len());
        for file in files {
            let input = std::fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| holds(&input));
            assert!(held.is_ok(), "{target}: {} breaks it (above)", file.display());
        }
    }
}

/// A target is in the list, or the test above leaves it out.
#[test]
fn every_target_is_replayed() {
    let mut targets: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, fuzz::ALL.map(|(target, _)| target));
}
