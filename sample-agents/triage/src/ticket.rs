//! A ticket as it comes in: what is accepted, and what a wrong one is told. Touches no host function.

use serde::Deserialize;

/// The longest ticket id or customer name, in bytes: both become storage keys.
const NAME_LIMIT: usize = 200;

/// The longest subject, in bytes.
const SUBJECT_LIMIT: usize = 1_000;

/// A support ticket. Fields that it does not know are left alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(expecting = "a ticket: {id, customer, subject, body, channel?, received?}")]
pub struct Ticket {
    /// The help desk's own id: the same id means the same ticket, sent again.
    pub id: String,
    /// Who asks: one name for each customer.
    pub customer: String,
    pub subject: String,
    pub body: String,
    /// Where it came from: `email`, `chat`, ...
    #[serde(default)]
    pub channel: Option<String>,
    /// When it was received; absent means now.
    #[serde(default)]
    pub received: Option<Moment>,
}

/// A moment in seconds since 1970, read from RFC 3339 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(pub u64);

impl Ticket {
    /// Checks what JSON alone does not.
    ///
    /// # Errors
    ///
    /// A sentence that names the field, and what it should be.
    pub fn check(&self) -> Result<(), String> {
        check_name("id", &self.id)?;
        check_name("customer", &self.customer)?;
        if let Some(channel) = &self.channel {
            check_name("channel", channel)?;
        }
        if self.subject.len() > SUBJECT_LIMIT {
            return Err(format!("`subject` has {} bytes; at most {SUBJECT_LIMIT} are allowed", self.subject.len()));
        }
        if self.subject.trim().is_empty() && self.body.trim().is_empty() {
            return Err("`subject` and `body` are both empty; say what the ticket is about".to_owned());
        }
        Ok(())
    }

    /// A number that changes when the ticket says something else.
    pub fn fingerprint(&self) -> u64 {
        let parts = [&self.customer, &self.subject, &self.body];
        parts.iter().fold(FINGERPRINT_START, |hash, part| fingerprint(fingerprint(hash, part.as_bytes()), &[0xff]))
    }
}

fn check_name(field: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_LIMIT {
        return Err(format!("`{field}` has {} bytes; 1 to {NAME_LIMIT} are allowed", name.len()));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("`{field}` has a control character in it"));
    }
    Ok(())
}

/// Where a [`fingerprint`] starts.
pub const FINGERPRINT_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: tells texts apart that nobody made to collide. A tenant that does so fools only itself.
pub fn fingerprint(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_moment(&text)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a time such as \"2026-11-23T09:30:00Z\" or \"...+01:00\""))
    }
}

/// RFC 3339 from 1970 on: date, `T` or a space, time, an optional fraction (dropped), `Z` or an offset.
fn parse_moment(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let time = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let in_range = (1970..=9999).contains(&year) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let offset = parse_offset(strip_fraction(rest)?)?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(seconds - offset).ok()
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn strip_fraction(rest: &str) -> Option<&str> {
    let Some(fraction) = rest.strip_prefix('.') else { return Some(rest) };
    let zone = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
    (zone.len() < fraction.len()).then_some(zone)
}

/// Seconds east of Greenwich.
fn parse_offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let [hour, minute, _] = numbers(&format!("{clock}:00"), ':', [2, 2, 2])?;
    (hour < 24 && minute < 60).then_some(sign * (hour * 3_600 + minute * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A ticket for tests of this crate.
    pub fn ticket(id: &str, customer: &str, subject: &str, body: &str, received: u64) -> Ticket {
        Ticket {
            id: id.to_owned(),
            customer: customer.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            channel: None,
            received: Some(Moment(received)),
        }
    }

    #[test]
    fn times_are_read_with_their_offset() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-23T09:30:00Z", 1_795_426_200),
            ("2026-11-23T10:30:00+01:00", 1_795_426_200),
            ("2026-11-23 09:30:00.123Z", 1_795_426_200),
            ("2026-11-23t04:00:00-05:30", 1_795_426_200),
        ] {
            assert_eq!(parse_moment(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23T09:30:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T09:30:00.Z",
            "2026-11-23T09:30:00+1:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-2é09:30:00Z",
            "+026-11-23T09:30:00Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_ticket_needs_a_name_and_something_to_say() {
        assert_eq!(ticket("T-1", "c", "s", "", 0).check(), Ok(()));
        for (wrong, field) in [
            (ticket("", "c", "s", "b", 0), "`id`"),
            (ticket("T-1", "c\nd", "s", "b", 0), "`customer`"),
            (ticket(&"x".repeat(201), "c", "s", "b", 0), "`id`"),
            (ticket("T-1", "c", &"x".repeat(1_001), "b", 0), "`subject`"),
            (ticket("T-1", "c", " ", "\n", 0), "`subject`"),
        ] {
            assert!(wrong.check().is_err_and(|message| message.contains(field)), "{wrong:?}");
        }
    }

    #[test]
    fn the_fingerprint_tells_fields_apart() {
        let one = ticket("T-1", "c", "ab", "c", 0).fingerprint();
        assert_ne!(one, ticket("T-1", "c", "a", "bc", 0).fingerprint());
        assert_eq!(one, ticket("T-2", "c", "ab", "c", 9).fingerprint());
    }
}
