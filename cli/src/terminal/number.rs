//! Figures for people: bytes as KiB and MiB, microseconds as µs, ms and s, counts with separators, moments in UTC.
//!
//! All of it is whole-number arithmetic: one decimal place, cut and not rounded, so that a limit is never shown as
//! reached before it is.

const SECOND_US: u64 = 1_000_000;
const DAY_SECONDS: u64 = 86_400;

/// A count with thousands separators: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size: `512 B`, `15.2 KiB`, `128 MiB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| value >= *unit) {
        Some((unit, name)) => format!("{} {name}", in_units(value, unit)),
        None => format!("{value} B"),
    }
}

/// A length of time given in microseconds: `950 µs`, `12.3 ms`, `2 s`.
pub(crate) fn duration_us(value: u64) -> String {
    match value {
        SECOND_US.. => format!("{} s", in_units(value, SECOND_US)),
        1_000.. => format!("{} ms", in_units(value, 1_000)),
        _ => format!("{value} µs"),
    }
}

/// A figure in the unit that its name states: `-us` is time, `-bytes` and `-memory` are sizes, the rest are counts.
pub(crate) fn by_name(name: &str, value: u64) -> String {
    if name.ends_with("-us") {
        duration_us(value)
    } else if name.ends_with("-ms") {
        duration_us(value.saturating_mul(1_000))
    } else if name.ends_with("-bytes") || name.ends_with("memory") {
        bytes(value)
    } else {
        count(value)
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn plural(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{} {word}s", count(number)) }
}

/// Reads an amount with an optional unit: `2_000_000`, `64 MiB`, `500ms`, `2s`. Times come out in microseconds.
pub(crate) fn amount(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit() && !matches!(character, '_' | ','));
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let value: u64 = digits.replace(['_', ','], "").parse().ok()?;
    let factor = match unit.trim() {
        "" | "B" | "us" | "µs" => 1,
        "ms" => 1_000,
        "s" => SECOND_US,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    value.checked_mul(factor)
}

/// A moment given in microseconds since 1970: `2026-11-23 17:10:03Z`.
pub(crate) fn moment(unix_us: u64) -> String {
    let seconds = unix_us / SECOND_US;
    let (year, month, date) = civil(seconds / DAY_SECONDS);
    let (hour, minute, second) = time_of_day(seconds);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The time of day of a moment given in microseconds since 1970, in UTC: `17:10:03.250`.
pub(crate) fn clock(unix_us: u64) -> String {
    let (hour, minute, second) = time_of_day(unix_us / SECOND_US);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", unix_us / 1_000 % 1_000)
}

/// A day written as the number yyyymmdd: `2026-11-23`.
pub(crate) fn day(number: u64) -> String {
    format!("{:04}-{:02}-{:02}", number / 10_000, number / 100 % 100, number % 100)
}

fn in_units(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let tenths = u128::from(value % unit) * 10 / u128::from(unit);
    if tenths == 0 || whole >= 100 { count(whole) } else { format!("{whole}.{tenths}") }
}

fn time_of_day(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// The Gregorian date of a day counted from 1970-01-01, after Howard Hinnant's `civil_from_days`.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1_000, 2_000_000_000].map(count), ["0", "999", "1,000", "2,000,000,000"]);
    }

    #[test]
    fn sizes_and_times_are_in_the_unit_that_fits() {
        assert_eq!(
            [0, 1_023, 1_024, 15_565, 128 << 20, 5 << 40].map(bytes),
            ["0 B", "1023 B", "1 KiB", "15.2 KiB", "128 MiB", "5 TiB"]
        );
        assert_eq!(
            [0, 999, 1_000, 12_345, 999_999, 2_500_000].map(duration_us),
            ["0 µs", "999 µs", "1 ms", "12.3 ms", "999 ms", "2.5 s"]
        );
        assert_eq!(bytes(u64::MAX), "16,777,215 TiB");
    }

    #[test]
    fn a_name_tells_its_unit() {
        assert_eq!(by_name("cpu-us", 1_500), "1.5 ms");
        assert_eq!(by_name("memory-bytes", 1 << 20), "1 MiB");
        assert_eq!(by_name("peak-memory", 1 << 16), "64 KiB");
        assert_eq!(by_name("fuel", 12_000), "12,000");
    }

    #[test]
    fn amounts_take_units() {
        let read = ["2_000_000", "64MiB", "64 MiB", "500ms", "2s", "1,024"].map(amount);
        assert_eq!(read, [2_000_000, 64 << 20, 64 << 20, 500_000, 2_000_000, 1_024].map(Some));
        for bad in ["", "-1", "1.5 s", "many", "3 parsecs", "99999999999999999999", "99999999 TiB"] {
            assert_eq!(amount(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00Z");
        assert_eq!(moment(951_782_399_000_000), "2000-02-28 23:59:59Z");
        assert_eq!(moment(951_782_400_000_000), "2000-02-29 00:00:00Z");
        assert_eq!(moment(1_795_453_803_250_000), "2026-11-23 17:10:03Z");
        assert_eq!(clock(1_795_453_803_250_000), "17:10:03.250");
        assert_eq!(day(20_261_123), "2026-11-23");
    }

    #[test]
    fn one_of_a_thing_has_no_s() {
        assert_eq!([plural(1, "call"), plural(0, "call"), plural(1_200, "call")], ["1 call", "0 calls", "1,200 calls"]);
    }
}
