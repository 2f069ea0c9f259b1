//! What the host answered, as JSON. Field names are those of `wit/`; bytes are text, and hex where they are not UTF-8.

use insula_sdk::prelude::*;
use insula_sdk::storage::{Entry, Page};
use serde_json::{Value, json};

/// `{"ok": ...}` or `{"error": {"code", "message", "retry-after-ms"}}`.
pub fn outcome(result: Result<Value, Error>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(Error { code, message, retry_after_ms }) => {
            json!({ "error": { "code": code, "message": message, "retry-after-ms": retry_after_ms } })
        }
    }
}

pub fn request(request: &Request) -> Value {
    json!({
        "content-type": request.content_type,
        "metadata": request.metadata,
        "idempotency-key": request.idempotency_key,
        "body-bytes": request.body.len(),
    })
}

pub fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

pub fn entry(entry: &Entry) -> Value {
    json!({ "key": entry.key, "value": text(&entry.value), "version": entry.version, "ttl-ms": entry.ttl_ms })
}

pub fn page(page: &Page) -> Value {
    json!({ "entries": page.entries.iter().map(entry).collect::<Value>(), "next": page.next })
}

pub fn statistics(statistics: &cache::Statistics) -> Value {
    json!({
        "hits": statistics.hits,
        "stale-hits": statistics.stale_hits,
        "misses": statistics.misses,
        "leases": statistics.leases,
        "waits": statistics.waits,
        "evicted": statistics.evicted,
        "expired": statistics.expired,
        "removed": statistics.removed,
        "entries": statistics.entries,
        "bytes": statistics.bytes,
        "limit-bytes": statistics.limit_bytes,
    })
}

pub fn allowance(allowance: &usage::Allowance) -> Value {
    json!({ "name": allowance.name, "used": allowance.used, "limit": allowance.limit })
}
