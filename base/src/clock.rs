//! Time of day, as numbers and as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970-01-01 00:00 UTC, leap seconds not counted; 0 where the machine's clock stands before that.
pub fn now() -> u64 {
    since_1970().as_secs()
}

/// Now as RFC 3339 writes it, UTC, to the millisecond: `2000-02-29T01:02:03.045Z`.
pub fn text() -> String {
    let now = since_1970();
    rfc3339(now.as_secs(), now.subsec_millis())
}

/// Now as DICOM writes dates and times, `YYYYMMDD` and `HHMMSS`, UTC.
pub fn dicom() -> [String; 2] {
    dicom_of(now())
}

fn rfc3339(seconds: u64, millis: u32) -> String {
    let ([year, month, day], [hour, minute, second]) = civil(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn dicom_of(seconds: u64) -> [String; 2] {
    let ([year, month, day], [hour, minute, second]) = civil(seconds);
    [format!("{year:04}{month:02}{day:02}"), format!("{hour:02}{minute:02}{second:02}")]
}

/// [year, month, day] and [hour, minute, second] of so many seconds since 1970.
fn civil(seconds: u64) -> ([i64; 3], [u64; 3]) {
    let (year, month, day) = date(i64::try_from(seconds / 86_400).unwrap_or(0));
    ([year, month, day], [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60])
}

/// Days from 0000-03-01 to 1970-01-01.
const TO_1970: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// Days from 1970-01-01 to a date of the Gregorian calendar; `month` is 1 to 12, `day` 1 to 31. Negative before 1970. Years are counted from March, so that the leap day is the last of its year.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 1 - TO_1970
}

/// The inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let (era, day) = ((days + TO_1970).div_euclid(ERA), (days + TO_1970).rem_euclid(ERA));
    // Leap days before this one, taken out, leave years of 365 days.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_comes_back() {
        let (mut wanted, last) = ((1600, 1, 1), (2100, 12, 31));
        let mut at = days(1600, 1, 1);
        while wanted != last {
            assert_eq!((date(at), days(wanted.0, wanted.1, wanted.2)), (wanted, at));
            let (year, month, day) = wanted;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            wanted = if day < length {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            at += 1;
        }
        assert_eq!(rfc3339(951_786_123, 45), "2000-02-29T01:02:03.045Z");
        assert_eq!(dicom_of(951_786_123), ["20000229", "010203"]);
    }
}
