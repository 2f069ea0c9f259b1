//! What a request brings: names in paths, queries and JSON documents, each parsed once at the edge.
//!
//! A document is at most 256 KiB and has no unknown fields; what is wrong with it is said with line and column.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use insula_runtime::AgentName;
use insula_tenancy::{KeyId, TenantId};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body::BodyReader;
use crate::headers::Stamp;
use crate::problem::Problem;

/// The longest JSON document, in bytes: an agent's configuration fits.
const DOCUMENT_LIMIT: u64 = 256 << 10;

/// `{agent}` of a path.
pub(crate) struct AgentPath(pub(crate) AgentName);

/// `{tenant}` of a path.
pub(crate) struct TenantPath(pub(crate) TenantId);

/// `{tenant}` and `{key}` of a path.
pub(crate) struct KeyPath(pub(crate) TenantId, pub(crate) KeyId);

/// The query of a request.
pub(crate) struct Params<T>(pub(crate) T);

/// The body of a request, as JSON.
pub(crate) struct Document<T>(pub(crate) T);

/// Names from a path, with their percent-encoding undone.
pub(crate) async fn segments<T: DeserializeOwned + Send>(parts: &mut Parts) -> Result<T, Problem> {
    let Path(names) = Path::<T>::from_request_parts(parts, &())
        .await
        .map_err(|rejection| Problem::bad_request("invalid-path", rejection.body_text()))?;
    Ok(names)
}

/// A name of a kind; where its rule is broken, the rule is the answer.
pub(crate) fn name<T>(text: &str) -> Result<T, Problem>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error: T::Err| Problem::bad_request("invalid-name", error.to_string()))
}

/// An agent's name.
pub(crate) fn agent_name(text: &str) -> Result<AgentName, Problem> {
    text.parse::<AgentName>().map_err(|error| Problem::bad_request("invalid-agent-name", error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for AgentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let agent: String = segments(parts).await?;
        Ok(Self(agent_name(&agent)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tenant: String = segments(parts).await?;
        Ok(Self(name(&tenant)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (tenant, key): (String, String) = segments(parts).await?;
        Ok(Self(name(&tenant)?, name(&key)?))
    }
}

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::bad_request("invalid-query", rejection.body_text()))?;
        Ok(Self(params))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let mut hold = app.ledger.open(Stamp::of(&parts.extensions).tenant());
        let text = BodyReader::new(body, DOCUMENT_LIMIT, app.body)?.collect(&mut hold).await?;
        parse(&text).map(Self)
    }
}

/// Reads a document.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(text).map_err(|error| {
        Problem::bad_request("invalid-json", error.to_string())
            .with("line", error.line())
            .with("column", error.column())
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[serde(rename = "version")]
        _version: String,
    }

    fn member(problem: &Problem, name: &str) -> serde_json::Value {
        serde_json::to_value(problem).unwrap()[name].clone()
    }

    #[test]
    fn what_is_wrong_with_a_document_is_said_with_its_place() {
        for (text, line) in [("", 1), ("{", 1), ("{\n\"versoin\": \"x\"}", 2), ("{\"version\": 1}", 1), ("{} {}", 1)] {
            let problem = parse::<Wanted>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), "invalid-json", "{text:?}");
            assert_eq!(member(&problem, "line"), line, "{text:?}");
        }
        assert!(parse::<Wanted>(br#"{"version": "x"}"#).is_ok());
    }

    #[test]
    fn a_broken_name_is_answered_with_its_rule() {
        assert_eq!(agent_name("Not A Name").unwrap_err().code(), "invalid-agent-name");
        let problem = name::<TenantId>("ten_x").unwrap_err();
        assert_eq!(problem.code(), "invalid-name");
        assert!(member(&problem, "detail").as_str().unwrap().contains("ten_"));
    }

    #[tokio::test]
    async fn a_query_with_unknown_names_is_refused() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            limit: Option<u32>,
        }
        let read = async |uri: &str| {
            let (mut parts, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
            Params::<Wanted>::from_request_parts(&mut parts, &()).await.map(|Params(wanted)| wanted.limit)
        };
        assert_eq!(read("/?limit=7").await.unwrap(), Some(7));
        assert_eq!(read("/").await.unwrap(), None);
        for uri in ["/?limit=x", "/?limti=7", "/?limit=7&limit=8", "/?limit=-1"] {
            assert_eq!(read(uri).await.unwrap_err().code(), "invalid-query", "{uri}");
        }
    }
}
