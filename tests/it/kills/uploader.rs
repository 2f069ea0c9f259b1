//! Who deploys one version after another.

use std::net::SocketAddr;

use crate::harness::{Raw, Tenant, agents};

/// The agent's versions, as its author knows them.
#[derive(Default)]
pub(super) struct Uploader {
    asked: u32,
    /// The version that was acknowledged last.
    active: Option<String>,
    /// Whether an upload was not answered.
    open: bool,
}

impl Uploader {
    /// Works until the host is gone.
    pub(super) fn work(&mut self, address: SocketAddr, tenant: &Tenant) {
        let mut raw = Raw::connect(address);
        loop {
            self.asked += 1;
            let component = agents::edited(&format!("(global $asked i32 (i32.const {}))", self.asked), "");
            let length = format!("content-length: {}", component.len());
            self.open = true;
            raw.head("PUT", "/v1/agents/echo", &tenant.key, &["content-type: application/wasm", &length]);
            let Some(reply) = raw.send(component).whole_reply() else { return };
            assert_eq!(reply.status, 201, "{}", reply.text());
            self.open = false;
            self.active = Some(reply.json()["version"].as_str().unwrap().to_owned());
        }
    }

    /// What was acknowledged is active and answers; only an upload that was not may have taken its place.
    pub(super) fn check(&mut self, tenant: &Tenant) {
        let agent = tenant.get("/v1/agents/echo");
        if agent.status == 404 {
            assert_eq!(self.active, None, "an agent that was acknowledged is gone");
            return;
        }
        let active = agent.json()["active"]["version"].as_str().map(str::to_owned);
        assert!(active == self.active || self.open, "{active:?} is active, and not {:?}", self.active);
        if let Some(active) = &active {
            let reply = tenant.invoke("echo", "hello");
            assert_eq!((reply.text().as_str(), reply.header("insula-version")), ("hello", active.as_str()));
        }
        (self.active, self.open) = (active, false);
    }
}
