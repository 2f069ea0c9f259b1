//! A tenant as its people see the host: a key and an address.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Reply, agents, http};

/// A tenant of a host under test.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    address: SocketAddr,
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Tenant {
    pub(crate) fn new(address: SocketAddr, id: &str, key: &str) -> Self {
        Self { address, id: id.to_owned(), key: key.to_owned() }
    }

    /// A request with the tenant's key.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        http::send(self.address, method, path, Some(&self.key), headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// Uploads a component and activates it.
    pub(crate) fn upload(&self, agent: &str, component: &[u8]) -> Reply {
        let path = format!("/v1/agents/{agent}");
        self.send("PUT", &path, &[("content-type", "application/wasm")], Some(component))
    }

    /// Uploads a component that must be taken.
    pub(crate) fn deploy(&self, agent: &str, component: &[u8]) -> Value {
        let reply = self.upload(agent, component);
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    /// Calls an agent with text.
    pub(crate) fn invoke(&self, agent: &str, body: &str) -> Reply {
        let path = format!("/v1/agents/{agent}/invoke");
        self.send("POST", &path, &[("content-type", "application/json")], Some(body.as_bytes()))
    }

    /// Calls one host function through the `probe` agent.
    pub(crate) fn probe(&self, call: &Value) -> Value {
        let reply = self.invoke("probe", &call.to_string());
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// The same with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }
}

/// A neighbour with data of its own, which must not change whatever the others do.
pub(crate) struct Bystander {
    tenant: Tenant,
    before: (String, String),
}

impl Bystander {
    /// Gives a tenant an agent and some data, and remembers both.
    pub(crate) fn settle(tenant: Tenant) -> Self {
        tenant.deploy("probe", agents::probe());
        for number in 0..3 {
            let key = format!("key-{number}");
            let put =
                json!({ "call": "storage.put", "bucket": "mine", "key": key, "value": format!("value {number}") });
            tenant.probe(&put);
        }
        tenant.probe(&json!({ "call": "cache.put", "namespace": "mine", "key": "k", "value": "v", "ttl-ms": 600_000 }));
        let before = Self::look(&tenant);
        Self { tenant, before }
    }

    fn look(tenant: &Tenant) -> (String, String) {
        let storage = tenant.get("/v1/storage/mine?limit=100").text();
        let cached = tenant.probe(&json!({ "call": "cache.get", "namespace": "mine", "key": "k" }));
        (storage, cached.to_string())
    }

    /// Still there, unchanged, and answering.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(Self::look(&self.tenant), self.before);
    }
}
