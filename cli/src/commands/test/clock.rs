//! The time of day of a case, as TOML writes it: `2026-11-24T12:00:00Z`.

use std::time::Duration;

use toml::value::{Datetime, Offset};

const DAY_SECONDS: i64 = 86_400;

/// The moment, since 1970. `None` for a date without a time or without an offset from UTC, and for what is before 1970.
pub(super) fn moment(datetime: &Datetime) -> Option<Duration> {
    let (date, time) = (datetime.date?, datetime.time?);
    let offset_minutes = match datetime.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let of_day = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let seconds = days * DAY_SECONDS + of_day - offset_minutes * 60;
    Some(Duration::new(u64::try_from(seconds).ok()?, time.nanosecond.unwrap_or(0)))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, after Howard Hinnant's `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        moment(&text.parse().unwrap()).map(|time| time.as_secs())
    }

    #[test]
    fn a_moment_is_counted_from_1970_in_utc() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-28T23:59:59Z"), Some(951_782_399));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2026-11-23T17:10:03Z"), Some(1_795_453_803));
        assert_eq!(seconds("2026-11-23T19:10:03+02:00"), Some(1_795_453_803));
        assert_eq!(moment(&"1970-01-01T00:00:00.25Z".parse().unwrap()), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in ["2026-11-23", "17:10:03", "2026-11-23T17:10:03", "1969-12-31T23:59:59Z"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
