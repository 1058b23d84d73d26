//! RFC 9110 5.6.7, sentence by sentence.
#![allow(clippy::unwrap_used)]

mod rules_support;

use rules_support::NOW;
use terrace_core::rules::dates::{format, parse, parse_at};
use terrace_core::time::Timestamp;

const AUG: i64 = 2_544_400_878; // Thu, 18 Aug 2050 02:01:18 GMT

#[test]
fn the_three_forms() {
    let rows: &[(&str, Option<i64>, &str)] = &[
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777), "IMF-fixdate"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777), "rfc850-date"),
        ("Sun Nov  6 08:49:37 1994", Some(784_111_777), "asctime-date"),
        ("Thu Aug 18 02:01:18 2050", Some(AUG), "asctime-date, two-digit day"),
        ("Thu, 18 Aug 2050 02:01:18 GMT", Some(AUG), "beyond 2038"),
        ("Thursday, 18-Aug-50 02:01:18 GMT", Some(AUG), "rfc850, this century"),
        ("Sun, 21 Nov 2286 04:46:39 GMT", Some(10_000_039_599), "far future"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0), "the epoch"),
        ("Mon, 01 Jan 1900 00:00:00 GMT", Some(-2_208_988_800), "before the epoch"),
        ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800), "a leap second"),
        ("Tue, 29 Feb 2028 00:00:00 GMT", Some(1_835_395_200), "a leap day"),
        (" Sun, 06 Nov 1994 08:49:37 GMT\t", Some(784_111_777), "white space around the value"),
        // Case: CONFORMANCE takes day, month and zone in any case.
        ("THU, 18 Aug 2050 02:01:18 GMT", Some(AUG), "day in upper case"),
        ("Thu, 18 AUG 2050 02:01:18 GMT", Some(AUG), "month in upper case"),
        ("Thu, 18 Aug 2050 02:01:18 gMT", Some(AUG), "zone in mixed case"),
        ("thursday, 18-aug-50 02:01:18 gmt", Some(AUG), "all of it"),
        ("Mon, 18 Aug 2050 02:01:18 GMT", Some(AUG), "the wrong day of the week"),
        // Everything else is invalid.
        ("0", None, "zero"),
        ("-1", None, "minus one"),
        ("", None, "nothing"),
        ("Thu, 18 Aug 2050 02:01:18 UTC", None, "UTC"),
        ("Thu, 18 Aug 2050 02:01:18 AEST", None, "another zone"),
        ("Thu, 18 Aug 2050 02:01:18", None, "no zone"),
        ("Thu, 18 Aug 50 02:01:18 GMT", None, "two-digit year"),
        ("Thu 18 Aug 2050 02:01:18 GMT", None, "no comma"),
        ("Thu, 18  Aug  2050 02:01:18 GMT", None, "double spaces"),
        ("Thu, 18-Aug-2050 02:01:18 GMT", None, "dashes"),
        ("Thu, 18 Aug 2050 02.01.18 GMT", None, "periods"),
        ("Thu, 18 Aug 2050 2:01:18 GMT", None, "one-digit hour"),
        ("Thu, 8 Aug 2050 02:01:18 GMT", None, "one-digit day"),
        ("Thu, 18 Aug 2050 24:00:00 GMT", None, "hour 24"),
        ("Thu, 30 Feb 2050 02:01:18 GMT", None, "30 February"),
        ("Mon, 29 Feb 2027 02:01:18 GMT", None, "29 February in a common year"),
        ("Thu, 00 Aug 2050 02:01:18 GMT", None, "day zero"),
        ("Xyz, 18 Aug 2050 02:01:18 GMT", None, "no such day"),
        ("Thu, 18 Foo 2050 02:01:18 GMT", None, "no such month"),
        ("Thu, +8 Aug 2050 02:01:18 GMT", None, "a sign"),
        ("Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT", None, "two dates"),
        ("Thu, 18 Aug 2050 02:01:18 GMT x", None, "something behind it"),
        ("2050-08-18T02:01:18Z", None, "RFC 3339"),
    ];
    for (value, expected, why) in rows {
        assert_eq!(parse(value.as_bytes()), expected.map(Timestamp::from_secs), "5.6.7 {why}: {value:?}");
    }
}

#[test]
fn a_two_digit_year_rolls() {
    let at = |text: &str| Timestamp(parse(text.as_bytes()).unwrap().0);
    let rows = [
        (NOW, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"),
        (NOW, "Thursday, 18-Aug-50 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 GMT"),
        // NOW is 21 Nov 2026: exactly 50 years ahead is not more than 50.
        (NOW, "Friday, 20-Nov-76 02:01:18 GMT", "Fri, 20 Nov 2076 02:01:18 GMT"),
        (NOW, "Sunday, 22-Nov-76 02:01:18 GMT", "Mon, 22 Nov 1976 02:01:18 GMT"),
        (at("Fri, 01 Jan 2094 00:00:00 GMT"), "Saturday, 06-Nov-94 08:49:37 GMT", "Sat, 06 Nov 2094 08:49:37 GMT"),
        (at("Fri, 01 Jan 2094 00:00:00 GMT"), "Sunday, 06-Nov-05 08:49:37 GMT", "Sat, 06 Nov 2105 08:49:37 GMT"),
    ];
    for (now, value, expected) in rows {
        assert_eq!(parse_at(value.as_bytes(), now), Some(at(expected)), "5.6.7 {value} seen at {}", format(now));
    }
}

#[test]
fn only_imf_fixdate_is_sent() {
    assert_eq!(format(Timestamp(784_111_777_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(format(Timestamp(-1)), "Wed, 31 Dec 1969 23:59:59 GMT");
    assert_eq!(format(Timestamp(i64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(format(Timestamp(i64::MIN)), "Sat, 01 Jan 0000 00:00:00 GMT");
}

#[test]
fn what_is_sent_can_be_read() {
    let mut t = -62_167_219_200;
    while t < 253_402_300_799 {
        assert_eq!(parse(format(Timestamp::from_secs(t)).as_bytes()), Some(Timestamp::from_secs(t)), "{t}");
        t += 40_007_011;
    }
}

#[test]
fn nothing_makes_it_panic() {
    let seeds = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
    for seed in seeds {
        for at in 0..seed.len() {
            for b in [b' ', b',', b'-', b':', b'9', 0, 0xff, b'z'] {
                let mut bytes = seed.as_bytes().to_vec();
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = b;
                }
                parse(&bytes);
                parse_at(bytes.get(..at).unwrap_or_default(), Timestamp(i64::MAX));
                parse_at(&bytes, Timestamp(i64::MIN));
            }
        }
    }
}
