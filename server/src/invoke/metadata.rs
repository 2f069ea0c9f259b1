//! What an agent gets to know of a request beside its body.
//!
//! Names that the host itself speaks under (`insula-...`, `traceparent`, `idempotency-key`) cannot be sent as
//! `Insula-Meta-*`: an agent may trust them.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use crate::headers::META_PREFIX;
use crate::problem::Problem;

const TRACEPARENT: &str = "traceparent";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What a caller states where it states nothing.
const ANY_BYTES: &str = "application/octet-stream";
/// The most entries.
const ENTRIES: usize = 64;
/// The most bytes of all names and values.
const BYTES: usize = 16 << 10;
/// The longest idempotency key.
const KEY_BYTES: usize = 255;

/// The names and values of `Insula-Meta-*` and `traceparent`, in the order in which they came.
pub(super) fn of(headers: &HeaderMap) -> Result<Vec<(String, String)>, Problem> {
    let mut metadata = Vec::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let name = match name.as_str().strip_prefix(META_PREFIX) {
            Some(own) if is_ours(own) => {
                return Err(invalid(&format!("`{own}` is not a name for metadata of a caller")));
            }
            Some(own) => own,
            None if *name == TRACEPARENT => TRACEPARENT,
            None => continue,
        };
        let value = value.to_str().map_err(|_| invalid(&format!("the value of `{name}` is not visible ASCII")))?;
        bytes += name.len() + value.len();
        if metadata.len() == ENTRIES || bytes > BYTES {
            return Err(too_large());
        }
        metadata.push((name.to_owned(), value.to_owned()));
    }
    Ok(metadata)
}

/// The content type of the request's body.
pub(super) fn content_type(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(ANY_BYTES.to_owned()) };
    let text = value.to_str().map_err(|_| Problem::bad_request("invalid-content-type", "it is not visible ASCII"))?;
    Ok(if text.is_empty() { ANY_BYTES } else { text }.to_owned())
}

/// The request's idempotency key, if it has one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (value, None) = (values.next(), values.next()) else { return Err(invalid_key()) };
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid_key())?;
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=KEY_BYTES).contains(&text.len()) { Ok(Some(text.to_owned())) } else { Err(invalid_key()) }
}

/// Whether the name is empty or one under which the host itself speaks.
fn is_ours(name: &str) -> bool {
    name.is_empty() || name.starts_with("insula-") || matches!(name, TRACEPARENT | IDEMPOTENCY_KEY)
}

fn invalid(detail: &str) -> Problem {
    Problem::bad_request("invalid-metadata", detail)
}

fn invalid_key() -> Problem {
    Problem::bad_request("invalid-idempotency-key", "send one Idempotency-Key of 1 to 255 visible ASCII characters")
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "metadata-too-large",
        "send at most 64 Insula-Meta headers, of 16 KiB together",
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn metadata_is_what_was_sent_as_such() {
        let headers =
            headers(&[("Insula-Meta-Trace", "1"), ("insula-meta-trace", "2"), ("traceparent", "00-x"), ("x", "y")]);
        let expected = [("trace", "1"), ("trace", "2"), ("traceparent", "00-x")];
        assert_eq!(of(&headers).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_caller_cannot_speak_as_the_host() {
        for name in
            ["insula-meta-insula-agent", "insula-meta-traceparent", "insula-meta-idempotency-key", "insula-meta-"]
        {
            assert_eq!(of(&headers(&[(name, "x")])).unwrap_err().code(), "invalid-metadata", "{name}");
        }
        assert_eq!(of(&headers(&[("insula-meta-a", "é")])).unwrap_err().code(), "invalid-metadata");
    }

    #[test]
    fn metadata_is_bounded_in_entries_and_bytes() {
        let names: Vec<String> = (0..65).map(|number| format!("insula-meta-{number:02}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(of(&headers(&pairs[..64])).unwrap().len(), 64);
        assert_eq!(of(&headers(&pairs)).unwrap_err().code(), "metadata-too-large");
        let (fits, over) = ("x".repeat((16 << 10) - 1), "x".repeat(16 << 10));
        assert!(of(&headers(&[("insula-meta-a", &fits)])).is_ok());
        assert_eq!(of(&headers(&[("insula-meta-a", &over)])).unwrap_err().status(), 431);
    }

    #[test]
    fn an_idempotency_key_is_one_short_word() {
        let longest = "x".repeat(255);
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        for good in ["a", "!~", &longest] {
            assert_eq!(idempotency_key(&headers(&[("idempotency-key", good)])).unwrap().as_deref(), Some(good));
        }
        let too_long = "x".repeat(256);
        for bad in ["", "a b", "é", "a\tb", &too_long] {
            let error = idempotency_key(&headers(&[("idempotency-key", bad)])).unwrap_err();
            assert_eq!(error.code(), "invalid-idempotency-key", "{bad:?}");
        }
        assert!(idempotency_key(&headers(&[("idempotency-key", "a"), ("idempotency-key", "a")])).is_err());
    }

    #[test]
    fn a_body_of_no_stated_type_is_bytes() {
        assert_eq!(content_type(&HeaderMap::new()).unwrap(), ANY_BYTES);
        assert_eq!(content_type(&headers(&[("content-type", "text/plain; x=\"y\"")])).unwrap(), "text/plain; x=\"y\"");
        assert!(content_type(&headers(&[("content-type", "é")])).is_err());
    }
}
