//! Who is asking: the extractors that turn a bearer credential into a scope, and refuse the rest (T1).
//!
//! The key decides the tenant. A path names none, and a header that names one can only make a request fail.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use insula_tenancy::{Credential, OperatorScope, TenantId, TenantScope};

use crate::app::App;
use crate::headers::{self, Stamp};
use crate::problem::Problem;

/// A tenant's key was presented: here is the scope.
pub(crate) struct Caller(pub(crate) TenantScope);

/// An operator's key was presented: here is the scope.
pub(crate) struct Operator(pub(crate) OperatorScope);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let credential = bearer(&parts.headers)?;
        let scope = app.runtime.login(&credential).await?;
        Stamp::of(&parts.extensions).set_tenant(scope.tenant());
        agree(&parts.headers, scope.tenant())?;
        Ok(Self(scope))
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let credential = bearer(&parts.headers)?;
        Ok(Self(app.runtime.login_operator(&credential).await?))
    }
}

/// The credential of `Authorization: Bearer KEY`. Two such headers are none.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Credential, Problem> {
    const WANTED: &str = "send a key as `Authorization: Bearer isk_...`";
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Problem::unauthenticated(WANTED));
    };
    let (scheme, key) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthenticated(WANTED));
    }
    Ok(key.trim_start_matches(' ').parse::<Credential>()?)
}

/// Refuses a request whose `Insula-Tenant` names anyone but the key's own tenant.
fn agree(headers: &HeaderMap, tenant: TenantId) -> Result<(), Problem> {
    let differs = |stated: &http::HeaderValue| stated.to_str().ok().and_then(|text| text.parse().ok()) != Some(tenant);
    if headers.get_all(headers::TENANT).iter().any(differs) {
        return Err(Problem::new(
            http::StatusCode::FORBIDDEN,
            "tenant-mismatch",
            "the Insula-Tenant header names another tenant than the key's own: one of the two is the wrong one",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use insula_tenancy::NewKey;

    use super::*;

    fn authorization(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_bearer_key_is_read_whatever_the_case_of_the_scheme() {
        let key = NewKey::generate().unwrap();
        let (id, secret) = (key.id(), key.reveal());
        for scheme in ["Bearer ", "bearer ", "BEARER  "] {
            let headers = authorization(&[&format!("{scheme}{secret}")]);
            assert_eq!(bearer(&headers).unwrap().key(), id);
        }
    }

    #[test]
    fn anything_else_is_unauthenticated_and_the_secret_is_not_echoed() {
        let secret = NewKey::generate().unwrap().reveal();
        let good = format!("Bearer {secret}");
        let cases: [&[&str]; 9] = [
            &[],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &[&secret],
            &[&format!("Basic {secret}")],
            &[&format!("Bearer {secret} ")],
            &[&format!("Bearer {secret}x")],
            &[&good, &good],
        ];
        for case in cases {
            let problem = bearer(&authorization(case)).unwrap_err();
            assert_eq!(problem.code(), "unauthenticated", "{case:?}");
            assert!(!serde_json::to_string(&problem).unwrap().contains(&secret));
        }
    }

    #[test]
    fn a_stated_tenant_must_be_the_keys_own() {
        let (ours, theirs) = (TenantId::generate(), TenantId::generate());
        let stated = |text: &str| HeaderMap::from_iter([(headers::TENANT, HeaderValue::from_str(text).unwrap())]);
        assert!(agree(&HeaderMap::new(), ours).is_ok());
        assert!(agree(&stated(&ours.to_string()), ours).is_ok());
        for other in [theirs.to_string(), ours.to_string().to_uppercase(), String::new()] {
            assert_eq!(agree(&stated(&other), ours).unwrap_err().code(), "tenant-mismatch", "{other:?}");
        }
    }
}
