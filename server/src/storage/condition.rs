//! `ETag`, `If-Match` and `If-None-Match`: a version of storage in the words of HTTP.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use insula_runtime::storage::Expectation;

use crate::problem::Problem;

/// A version as an entity tag.
pub(super) fn etag(version: u64) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("\"{version}\"")).map_err(|_| Problem::host_fault())
}

/// What the request expects of the key, if it expects anything.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Expectation>, Problem> {
    match (single(headers, IF_MATCH)?, single(headers, IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(Expectation::Present)),
        (Some(tag), None) => version(tag).map(|version| Some(Expectation::Version(version))).ok_or_else(invalid),
        (None, Some("*")) => Ok(Some(Expectation::Absent)),
        _ => Err(invalid()),
    }
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| invalid()),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

fn version(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let version = digits.parse().ok()?;
    // One version has one tag: no sign, no leading zeroes.
    (u64::to_string(&version) == digits).then_some(version)
}

fn invalid() -> Problem {
    Problem::bad_request(
        "invalid-precondition",
        "use one of `If-Match: \"VERSION\"`, `If-Match: *` and `If-None-Match: *`, with a version from an ETag",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(HeaderName, &'static str)]) -> Result<String, &'static str> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        of(&headers).map(|expect| format!("{expect:?}")).map_err(|problem| problem.code())
    }

    #[test]
    fn conditions_are_read_in_the_words_of_http() {
        assert_eq!(read(&[]).unwrap(), "None");
        assert!(read(&[(IF_MATCH, "\"7\"")]).unwrap().contains('7'));
        assert!(read(&[(IF_MATCH, "*")]).unwrap().to_lowercase().contains("present"));
        assert!(read(&[(IF_NONE_MATCH, "*")]).unwrap().to_lowercase().contains("absent"));
    }

    #[test]
    fn a_condition_that_cannot_be_kept_is_refused_and_not_passed_over() {
        let cases: [&[(HeaderName, &'static str)]; 9] = [
            &[(IF_MATCH, "7")],
            &[(IF_MATCH, "\"07\"")],
            &[(IF_MATCH, "\"+7\"")],
            &[(IF_MATCH, "W/\"7\"")],
            &[(IF_MATCH, "\"7\", \"8\"")],
            &[(IF_MATCH, "\"7\""), (IF_MATCH, "\"8\"")],
            &[(IF_NONE_MATCH, "\"7\"")],
            &[(IF_MATCH, "\"7\""), (IF_NONE_MATCH, "*")],
            &[(IF_MATCH, "")],
        ];
        for case in cases {
            assert_eq!(read(case), Err("invalid-precondition"), "{case:?}");
        }
    }

    #[test]
    fn a_version_reads_back_from_its_tag() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(version(etag(number).unwrap().to_str().unwrap()), Some(number));
        }
    }
}
