//! What the fuzzers found worth keeping, held against the same properties on any compiler: `fuzz/` has the targets.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;
use terrace_core::entry::Head;
use terrace_core::entry::codec::decode_head;

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

/// Entries of an older version are misses: what they held of the format would be held no more.
#[test]
fn the_corpus_has_entries_of_this_version() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/entry");
    let read = |input: Vec<u8>| decode_head(&fuzz::entry::framed(input.get(4..)?)).ok();
    let heads: Vec<_> = std::fs::read_dir(corpus)
        .unwrap()
        .filter_map(|file| read(std::fs::read(file.unwrap().path()).unwrap()))
        .map(|(head, ..)| head)
        .collect();
    assert!(heads.len() >= 10, "{} of them", heads.len());
    let sent = |head: &Head| head.selecting.0.iter().any(|field| !field.sent.is_empty());
    assert!(heads.iter().any(|head| !head.variants.is_empty()) && heads.iter().any(sent));
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
