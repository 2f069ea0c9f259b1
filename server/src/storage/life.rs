//! `Insula-Ttl-Ms`: an entry's life in the words of HTTP.

use http::HeaderMap;

use crate::headers::TTL_MS;
use crate::problem::Problem;

/// The life that the request states, if it states one. Whether it is too long is for storage to say.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(TTL_MS).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|_| values.next().is_none());
    // No sign: what `parse` allows of one is no number here.
    let plain = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    plain.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
        Problem::bad_request("invalid-ttl", "give a life as `Insula-Ttl-Ms`, once, as a number of milliseconds")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Result<Option<u64>, &'static str> {
        let headers = values.iter().map(|value| (TTL_MS, HeaderValue::from_static(value))).collect();
        of(&headers).map_err(|problem| problem.code())
    }

    #[test]
    fn a_life_is_one_number_of_milliseconds_or_none() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["60000"]), Ok(Some(60_000)));
        for bad in [&[""][..], &["-1"], &["+1"], &["1.5"], &["1s"], &["99999999999999999999"], &["1", "2"]] {
            assert_eq!(read(bad), Err("invalid-ttl"), "{bad:?}");
        }
    }
}
