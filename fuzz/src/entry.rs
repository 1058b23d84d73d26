//! A stored response's bytes (DESIGN.md, decision 8).
//!
//! Input: where and how the record is damaged (a position of two bytes, a mask of one), how much content it has (one byte), and the
//! head as it is stored, behind a prefix and a checksum that fit.

use bytes::Bytes;
use terrace_core::entry::codec::{Corrupt, VERSION, checksum, decode, decode_head, encode, encode_head, join};

const PREFIX: usize = 24;
const UNTIL: i64 = 1_795_262_400_000;

pub fn holds(data: &[u8]) {
    // As it comes: nobody guesses a checksum.
    assert!(decode(Bytes::copy_from_slice(data)).is_err());
    let [low, high, mask, body, head @ ..] = data else { return };
    let record = framed(head);
    let Ok((read, until, length)) = decode_head(&record) else { return };
    assert_eq!((until.0, length), (UNTIL, record.len()));
    // What was read is written as it was, but for names in capitals, which are never written.
    let written = encode_head(&read, until, 0);
    assert!(written[PREFIX..].eq_ignore_ascii_case(&record[PREFIX..]), "{read:?}");
    assert_eq!(decode_head(&written), Ok((read.clone(), until, written.len())));
    damaged(&record, u16::from_le_bytes([*low, *high]), *mask);

    // The head of another content is no entry; with its own it is, and damage to either is seen.
    let body = Bytes::from(vec![b'b'; usize::from(*body)]);
    let kept = read.coded.map_or((read.body_len, read.body_sum), |coded| (coded.len(), coded.sum));
    assert_eq!(join(read.clone(), body.clone()).is_ok(), kept == (body.len() as u64, checksum(&body)));
    let mut own = read;
    (own.body_len, own.body_sum, own.coded) = (body.len() as u64, checksum(&body), None);
    if let Some(part) = &mut own.part {
        part.end = part.start.saturating_add(body.len() as u64);
    }
    let Ok(entry) = join(own, body) else { panic!("length and checksum fit") };
    let whole = encode(&entry, until);
    // A part may have become none by its new length.
    if let Ok(again) = decode(Bytes::from(whole.clone())) {
        assert_eq!(again, (entry, until));
        damaged_whole(&whole, u16::from_le_bytes([*low, *high]), *mask);
    }
}

/// A head with what stands before it, all in order.
pub fn framed(head: &[u8]) -> Vec<u8> {
    let until = UNTIL.to_le_bytes();
    let sum = checksum(&[until.as_slice(), head].concat());
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    [b"TRC", [VERSION].as_slice(), &length.to_le_bytes(), &until, &sum.to_le_bytes(), head].concat()
}

fn damaged(record: &[u8], at: u16, mask: u8) {
    let at = usize::from(at) % record.len();
    assert_eq!(decode_head(&record[..at]), Err(Corrupt), "cut at {at}");
    if mask == 0 {
        return;
    }
    let mut wrong = record.to_vec();
    wrong[at] ^= mask;
    assert_eq!(decode_head(&wrong), Err(Corrupt), "byte {at}");
}

fn damaged_whole(record: &[u8], at: u16, mask: u8) {
    let at = usize::from(at) % record.len();
    assert_eq!(decode(Bytes::copy_from_slice(&record[..at])), Err(Corrupt), "cut at {at}");
    assert_eq!(decode(Bytes::from([record, b"x"].concat())), Err(Corrupt), "continued");
    if mask != 0 {
        let mut wrong = record.to_vec();
        wrong[at] ^= mask;
        assert_eq!(decode(Bytes::from(wrong)), Err(Corrupt), "byte {at}");
    }
}
