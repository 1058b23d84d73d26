//! HTTP-date (RFC 9110 5.6.7): the three forms that are valid, and nothing else.
//!
//! Names of days, months and the zone are taken in any case. A wrong day of the week is not noticed: nothing depends on it.
//! Every other deviation (UTC, two-digit years outside rfc850, dashes, one-digit hours, double spaces) makes the value invalid,
//! and an invalid Expires means stale (RFC 9111 5.3).

use crate::time::Timestamp;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses an HTTP-date. The two-digit year of the rfc850 form is taken as 1970-2069; where the time is known, [`parse_at`]
/// applies the rule of RFC 9110 5.6.7 instead.
pub fn parse(value: &[u8]) -> Option<Timestamp> {
    date(value, None)
}

/// Parses an HTTP-date. A two-digit year that appears to be more than 50 years ahead of `now` is the most recent past year
/// with the same digits (RFC 9110 5.6.7).
pub fn parse_at(value: &[u8], now: Timestamp) -> Option<Timestamp> {
    date(value, Some(now))
}

/// The IMF-fixdate form, the only one that may be sent (RFC 9110 5.6.7). Years outside 0-9999 are clamped.
pub fn format(t: Timestamp) -> String {
    const FIRST: i64 = -62_167_219_200;
    const LAST: i64 = 253_402_300_799;
    let secs = t.0.div_euclid(1000).clamp(FIRST, LAST);
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let week_day = usize::try_from((days + 3).rem_euclid(7)).ok().and_then(|n| DAYS.get(n)).and_then(|d| d.get(..3));
    let month = usize::try_from(month - 1).ok().and_then(|n| MONTHS.get(n));
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        week_day.unwrap_or("Mon"),
        month.unwrap_or(&"Jan"),
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

fn date(value: &[u8], now: Option<Timestamp>) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok().filter(|t| t.is_ascii())?.trim_matches([' ', '\t']);
    match text.split_once(", ") {
        Some((day, rest)) if day.len() == 3 => imf(day, rest),
        Some((day, rest)) => rfc850(day, rest, now),
        None => asctime(text),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf(week_day: &str, rest: &str) -> Option<Timestamp> {
    short_day(week_day)?;
    let [day, month, year, time, zone] = words(rest)?;
    gmt(zone)?;
    moment(number(year, 4)?, self::month(month)?, number(day, 2)?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(week_day: &str, rest: &str, now: Option<Timestamp>) -> Option<Timestamp> {
    DAYS.iter().find(|name| name.eq_ignore_ascii_case(week_day))?;
    let [date, time, zone] = words(rest)?;
    gmt(zone)?;
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (month, day, two) = (self::month(month)?, number(day, 2)?, number(year, 2)?);
    let Some(now) = now else {
        return moment(if two < 70 { 2000 + two } else { 1900 + two }, month, day, time);
    };
    let (this_year, ..) = civil(now.0.div_euclid(86_400_000));
    // The nearest such year from 49 years back on; if that is more than 50 years ahead, the one a century earlier.
    let first = this_year - 49;
    let year = first + (two - first).rem_euclid(100);
    let fifty_years_back = moment(year - 50, month, if month == 2 { day.min(28) } else { day }, time)?;
    moment(if fifty_years_back > now { year - 100 } else { year }, month, day, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<Timestamp> {
    if text.len() != 24 {
        return None;
    }
    short_day(text.get(..3)?)?;
    let day = text.get(8..10)?;
    let day = match day.strip_prefix(' ') {
        Some(one) => number(one, 1)?,
        None => number(day, 2)?,
    };
    let blanks = [3, 7, 10, 19];
    if !blanks.iter().all(|at| text.as_bytes().get(*at) == Some(&b' ')) {
        return None;
    }
    moment(number(text.get(20..)?, 4)?, month(text.get(4..7)?)?, day, text.get(11..19)?)
}

fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut out = [""; N];
    let mut parts = text.split(' ');
    for slot in &mut out {
        *slot = parts.next()?;
    }
    parts.next().is_none().then_some(out)
}

fn short_day(name: &str) -> Option<()> {
    DAYS.iter().any(|day| day.get(..3).is_some_and(|short| short.eq_ignore_ascii_case(name))).then_some(())
}

fn month(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(at).ok().map(|n| n + 1)
}

fn gmt(zone: &str) -> Option<()> {
    zone.eq_ignore_ascii_case("GMT").then_some(())
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn moment(year: i64, month: i64, day: i64, time: &str) -> Option<Timestamp> {
    let mut parts = time.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let days = days(year, month, day);
    // A day that the month does not have, such as 30 Feb, comes back as another date.
    if day == 0 || hour > 23 || minute > 59 || second > 60 || civil(days) != (year, month, day) {
        return None;
    }
    Some(Timestamp::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that lies so many days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
