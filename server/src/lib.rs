//! HTTP: routes, authentication extractors, the accept loop, OpenAPI.
