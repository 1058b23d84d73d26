//! Entry bytes: what is written is read back, and nothing that is read can do harm (DESIGN.md, decision 8).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample;
use terrace_core::entry::codec::{self, Corrupt, VERSION, decode, decode_head, encode, encode_head};
use terrace_core::entry::coded::{Coded, Coding, Codings};
use terrace_core::entry::{Entry, MAX_VARIANTS, Part, Selected, Selecting, Variant};
use terrace_core::fields::Fields;
use terrace_core::key::Key;
use terrace_core::purge::Marks;
use terrace_core::rules::freshness::{Freshness, Source};
use terrace_core::time::Timestamp;

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,20}"
}

fn selecting() -> impl Strategy<Value = Selecting> {
    let bytes = || vec(any::<u8>(), 0..20);
    let field = (name(), option::of(bytes()), bytes()).prop_map(|(name, value, sent)| Selected { name, value, sent });
    vec(field, 0..4).prop_map(Selecting)
}

fn freshness() -> impl Strategy<Value = Freshness> {
    let numbers = (any::<i64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), 0..Source::ALL.len());
    (numbers, flags).prop_map(
        |((born, requested, received, lifetime, swr, sie), (must, no_cache, validator, source))| Freshness {
            born: Timestamp(born),
            requested: Timestamp(requested),
            received: Timestamp(received),
            lifetime_ms: lifetime,
            source: Source::ALL[source],
            stale_while_revalidate_ms: swr,
            stale_if_error_ms: sie,
            must_revalidate: must,
            no_cache,
            has_validator: validator,
        },
    )
}

fn variant() -> impl Strategy<Value = Variant> {
    (any::<[u8; 32]>(), selecting(), option::of("[a-z]{2}")).prop_map(|(key, selecting, language)| Variant {
        key: Key(key),
        selecting,
        language,
    })
}

prop_compose! {
    fn entry()(
        status in 200u16..600,
        fields in vec((name(), vec(any::<u8>(), 0..60)), 0..20),
        freshness in freshness(),
        selecting in selecting(),
        generation in any::<u64>(),
        variants in vec(variant(), 0..MAX_VARIANTS),
        body in vec(any::<u8>(), 0..3000),
        marks in "\\PC{0,60}",
        forms in option::of((any::<bool>(), vec((sample::select(Coding::ALL.to_vec()), vec(any::<u8>(), 1..99)), 1..4))),
        around in option::of((0..u64::MAX / 4, 0..u64::MAX / 4)),
    ) -> Entry {
        let status = if status == 206 { 200 } else { status };
        let length = body.len() as u64;
        let mut entry = Entry::new(status, Fields::from_list(fields), freshness, selecting, Bytes::from(body));
        entry.head.generation = generation;
        entry.head.variants = variants;
        entry.head.marks = Marks::from_text(marks);
        match around.filter(|_| length > 0) {
            Some((start, rest)) => {
                entry.with_part(Part { start, end: start + length, complete: start + length + rest })
            }
            None => match forms {
                Some((plain, forms)) => entry.with_forms(plain, &forms),
                None => entry,
            },
        }
    }
}

fn sent(entry: &Entry) -> Vec<&[u8]> {
    let lists = std::iter::once(&entry.head.selecting).chain(entry.head.variants.iter().map(|v| &v.selecting));
    lists.flat_map(|selecting| &selecting.0).map(|field| field.sent.as_slice()).collect()
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(entry in entry(), until in any::<i64>()) {
        let until = Timestamp(until);
        let (decoded, kept) = decode(Bytes::from(encode(&entry, until))).unwrap();
        prop_assert_eq!((&decoded, kept), (&entry, until));
        // Equal ones may have been sent otherwise.
        prop_assert_eq!(sent(&decoded), sent(&entry));
        let head = encode_head(&entry.head, until, 0);
        prop_assert_eq!(codec::until(&head), Some(until));
        prop_assert_eq!(decode_head(&head), Ok((entry.head, until, head.len())));
    }

    #[test]
    fn one_wrong_bit_is_noticed(entry in entry(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut record = encode(&entry, Timestamp(0));
        let at = at.index(record.len());
        record[at] ^= 1 << bit;
        prop_assert_eq!(decode(Bytes::from(record)), Err(Corrupt));
    }

    #[test]
    fn a_record_that_is_cut_or_continued_is_noticed(entry in entry(), at in any::<prop::sample::Index>()) {
        let record = encode(&entry, Timestamp(0));
        let cut = record[..at.index(record.len())].to_vec();
        prop_assert_eq!(decode(Bytes::from(cut)), Err(Corrupt));
        prop_assert_eq!(decode(Bytes::from([record.as_slice(), b"x"].concat())), Err(Corrupt));
    }

    #[test]
    fn rubbish_is_never_an_entry(rubbish in vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(codec::until(&rubbish), None);
        prop_assert_eq!(decode(Bytes::from(rubbish)), Err(Corrupt));
    }

    /// A checksum that fits does not make the rest true: lengths are bounded by what is there.
    #[test]
    fn rubbish_behind_a_good_checksum_does_no_harm(rubbish in vec(any::<u8>(), 0..400)) {
        let mut record = [b"TRC", [VERSION].as_slice()].concat();
        record.extend_from_slice(&(rubbish.len() as u32).to_le_bytes());
        let until = 5i64.to_le_bytes();
        record.extend_from_slice(&until);
        let sum = terrace_core::entry::codec::checksum(&[until.as_slice(), &rubbish].concat());
        record.extend_from_slice(&sum.to_le_bytes());
        record.extend_from_slice(&rubbish);
        let _ = decode(Bytes::from(record));
    }
}

fn plain(body: &'static str) -> Entry {
    let freshness = Freshness {
        born: Timestamp(0),
        requested: Timestamp(0),
        received: Timestamp(0),
        lifetime_ms: 1,
        source: Source::MaxAge,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: false,
        no_cache: false,
        has_validator: false,
    };
    Entry::new(200, Fields::new(), freshness, Selecting::default(), Bytes::from_static(body.as_bytes()))
}

#[test]
fn each_form_is_found_again_whatever_the_order_they_came_in() {
    let forms = [(Coding::Gzip, b"gg".to_vec()), (Coding::Br, b"b".to_vec())];
    for keeps_plain in [true, false] {
        let entry = plain("content").with_forms(keeps_plain, &forms);
        let (entry, _) = decode(Bytes::from(encode(&entry, Timestamp(0)))).unwrap();
        let coded = entry.head.coded.unwrap();
        let form = |coding| coded.form(&entry.body, coding);
        assert_eq!(form(None).as_deref(), keeps_plain.then_some(b"content".as_slice()));
        assert_eq!((form(Some(Coding::Br)).unwrap(), form(Some(Coding::Gzip)).unwrap()), ("b".into(), "gg".into()));
        assert_eq!((form(Some(Coding::Zstd)), coded.codings()), (None, Codings::from([Coding::Br, Coding::Gzip])));
        assert_eq!((entry.head.body_len, coded.len()), (7, if keeps_plain { 10 } else { 3 }));
        let back = entry.with_content(Bytes::from_static(b"content"));
        assert_eq!(back, plain("content"));
    }
    assert_eq!(plain("content").with_forms(true, &[]), plain("content"));
}

/// Its forms are those of the whole content, one of them coded.
#[test]
fn forms_that_cannot_be_are_not_an_entry() {
    let with = |lengths, part: Option<Part>| {
        let mut entry = plain("content").with_forms(true, &[(Coding::Gzip, b"gg".to_vec())]);
        entry.head.coded = Some(Coded { lengths, ..entry.head.coded.unwrap() });
        entry.head.part = part;
        entry.head.status = if part.is_some() { 206 } else { 200 };
        decode(Bytes::from(encode(&entry, Timestamp(0)))).is_ok()
    };
    assert!(with([7, 0, 0, 2], None));
    assert!(with([7, 1, 1, 0], None), "which coding it is nobody can tell");
    assert!(!with([7, 0, 0, 2], Some(Part { start: 0, end: 7, complete: 9 })));
    assert!(!with([0, 0, 0, 0], None));
    assert!(!with([9, 0, 0, 0], None), "no coding");
    assert!(!with([6, 1, 0, 2], None), "the content has another length");
    assert!(!with([7, 0, 0, 3], None) && !with([7, 0, 0, 1], None) && !with([7, u32::MAX, u32::MAX, 2], None));
}

/// A part and nothing else is a 206, begins and ends within the whole, and is not all of it.
#[test]
fn a_part_that_cannot_be_is_not_an_entry() {
    let freshness = Freshness {
        born: Timestamp(0),
        requested: Timestamp(0),
        received: Timestamp(0),
        lifetime_ms: 1,
        source: Source::MaxAge,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: false,
        no_cache: false,
        has_validator: false,
    };
    let entry = |status, part, body: &'static str| {
        let body = Bytes::from_static(body.as_bytes());
        let mut entry = Entry::new(status, Fields::new(), freshness.clone(), Selecting::default(), body);
        entry.head.part = part;
        decode(Bytes::from(encode(&entry, Timestamp(0)))).is_ok()
    };
    let part = |start, end, complete| Some(Part { start, end, complete });
    assert!(entry(206, part(3, 8, 10), "34567"));
    assert!(!entry(206, None, "34567"), "it would pass for the whole");
    assert!(!entry(200, part(3, 8, 10), "34567"));
    assert!(!entry(206, part(0, 5, 5), "34567"), "that is all of it");
    assert!(!entry(206, part(6, 11, 10), "34567"), "past the end");
    assert!(!entry(206, part(u64::MAX - 2, u64::MAX, u64::MAX), "34567"), "past all numbers");
    assert!(!entry(206, part(3, 3, 10), ""), "nothing");
}
