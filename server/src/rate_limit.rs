//! The `RateLimit` and `RateLimit-Policy` fields, as in draft-ietf-httpapi-ratelimit-headers-11: structured fields
//! (RFC 9651), with one policy, `"calls"`.
//!
//! The tenant's rate is a token bucket, which the fields cannot say in full. The policy is what passes in the long run: the
//! rate times the window in which an empty bucket fills. `r` is what is left now, and holds for the next second, since a
//! token comes back within one.

use http::{HeaderName, HeaderValue};
use insula_runtime::RateQuota;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Both fields.
pub(crate) fn fields(quota: &RateQuota) -> Vec<(HeaderName, HeaderValue)> {
    let window = quota.burst.div_ceil(quota.rate.max(1)).max(1);
    let policy = format!("\"calls\";q={};w={window}", quota.rate.saturating_mul(window));
    let limit = format!("\"calls\";r={};t=1", quota.left);
    let values = [(POLICY, policy), (LIMIT, limit)];
    values.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_say_the_rate_and_what_is_left_of_it() {
        let cases = [
            (RateQuota { rate: 10_000, burst: 10_000, left: 17 }, "\"calls\";q=10000;w=1", "\"calls\";r=17;t=1"),
            (RateQuota { rate: 5, burst: 12, left: 0 }, "\"calls\";q=15;w=3", "\"calls\";r=0;t=1"),
            (RateQuota { rate: 1_000, burst: 10, left: 10 }, "\"calls\";q=1000;w=1", "\"calls\";r=10;t=1"),
        ];
        for (quota, policy, limit) in cases {
            let fields = fields(&quota);
            assert_eq!(fields, [(POLICY, policy.parse().unwrap()), (LIMIT, limit.parse().unwrap())]);
        }
    }
}
