//! The description is complete: it lists the contract's routes, and every reference in it resolves.

use std::collections::BTreeSet;

use serde_json::Value;

use super::openapi;

/// The routes of the contract, one a line. Routes come and go here and in the router together.
const ROUTES: &[&str] = &[
    "DELETE /v1/agents/{agent}",
    "DELETE /v1/cache/{namespace}",
    "DELETE /v1/storage/{bucket}/{key}",
    "DELETE /v1/tenants/{tenant}",
    "DELETE /v1/tenants/{tenant}/keys/{key}",
    "DELETE /v1/tiers/{tier}",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/agents",
    "GET /v1/agents/{agent}",
    "GET /v1/agents/{agent}/config",
    "GET /v1/agents/{agent}/limits",
    "GET /v1/agents/{agent}/versions",
    "GET /v1/audit",
    "GET /v1/cache",
    "GET /v1/limits",
    "GET /v1/logs",
    "GET /v1/storage",
    "GET /v1/storage/{bucket}",
    "GET /v1/storage/{bucket}/{key}",
    "GET /v1/tenants",
    "GET /v1/tenants/{tenant}",
    "GET /v1/tenants/{tenant}/export",
    "GET /v1/tenants/{tenant}/keys",
    "GET /v1/tenants/{tenant}/usage",
    "GET /v1/tiers",
    "GET /v1/usage",
    "PATCH /v1/tenants/{tenant}",
    "POST /v1/agents/{agent}/activate",
    "POST /v1/agents/{agent}/invoke",
    "POST /v1/agents/{agent}/rollback",
    "POST /v1/tenants",
    "POST /v1/tenants/import",
    "POST /v1/tenants/{tenant}/compact",
    "POST /v1/tenants/{tenant}/erase",
    "POST /v1/tenants/{tenant}/keys",
    "POST /v1/tenants/{tenant}/resume",
    "POST /v1/tenants/{tenant}/suspend",
    "PUT /v1/agents/{agent}",
    "PUT /v1/agents/{agent}/config",
    "PUT /v1/agents/{agent}/limits",
    "PUT /v1/storage/{bucket}/{key}",
    "PUT /v1/tiers/{tier}",
];

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

fn each_operation(document: &Value, mut look: impl FnMut(&str, &str, &Value)) {
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            look(path, method, operation);
        }
    }
}

#[test]
fn the_description_lists_every_route_of_the_contract_and_no_other() {
    let mut found = BTreeSet::new();
    each_operation(&document(), |path, method, _| {
        found.insert(format!("{} {path}", method.to_uppercase()));
    });
    assert_eq!(found, ROUTES.iter().map(ToString::to_string).collect());
}

#[test]
fn every_operation_has_an_id_of_its_own_a_summary_and_the_problem() {
    let mut ids = BTreeSet::new();
    each_operation(&document(), |path, method, operation| {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(
            operation["responses"]["default"]["content"]["application/problem+json"].is_object(),
            "{method} {path}"
        );
    });
}

#[test]
fn every_part_of_a_path_is_a_parameter_and_nothing_else_is_in_the_path() {
    each_operation(&document(), |path, method, operation| {
        let in_path: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let described: BTreeSet<&str> =
            parameters.iter().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(described, in_path, "{method} {path}");
    });
}

#[test]
fn every_reference_resolves_and_no_secret_or_hash_is_described_outside_of_creation() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let listed = document.pointer("/components/schemas/Key/properties").unwrap().as_object().unwrap();
    assert!(!listed.contains_key("key") && !listed.contains_key("hash"));
}
