//! An operator who makes tenants of an archive and erases them again.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{Raw, Served};

/// The operator, and what was acknowledged of each tenant that came and went.
pub(super) struct Clerk {
    operator: String,
    archive: Vec<u8>,
    asked: u32,
    /// By the tenant's id: whether its erasure was acknowledged.
    erased: BTreeMap<String, bool>,
}

impl Clerk {
    pub(super) fn new(operator: String, archive: Vec<u8>) -> Self {
        Self { operator, archive, asked: 0, erased: BTreeMap::new() }
    }

    /// Works until the host is gone.
    pub(super) fn work(&mut self, admin: SocketAddr) {
        let mut raw = Raw::connect(admin);
        let length = format!("content-length: {}", self.archive.len());
        let import = ["content-type: application/vnd.insula.archive", length.as_str()];
        loop {
            self.asked += 1;
            let path = format!("/v1/tenants/import?name=copy-{}", self.asked);
            raw.head("POST", &path, &self.operator, &import);
            let Some(reply) = raw.send(&self.archive).whole_reply() else { return };
            assert_eq!(reply.status, 201, "{}", reply.text());
            let id = reply.json()["tenant"].as_str().unwrap().to_owned();
            self.erased.insert(id.clone(), false);
            raw.head("POST", &format!("/v1/tenants/{id}/erase"), &self.operator, &["content-length: 0"]);
            let Some(reply) = raw.whole_reply() else { return };
            assert_eq!(reply.status, 200, "{}", reply.text());
            self.erased.insert(id, true);
        }
    }

    /// Looks at whoever is there beside the residents, ends what was begun, and removes what is left of it.
    pub(super) fn clear_up(&mut self, host: &Served, residents: &[String]) {
        let page = host.operate(&self.operator, "GET", "/v1/tenants?limit=1000", None).json();
        let text = |tenant: &Value, field: &str| tenant[field].as_str().unwrap().to_owned();
        let found: BTreeMap<String, String> = page["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| (text(each, "tenant"), text(each, "state")))
            .collect();
        assert!(residents.iter().all(|id| found.get(id).is_some_and(|state| state == "active")), "{found:?}");
        for (id, erased) in std::mem::take(&mut self.erased) {
            let state = found.get(&id).unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
            assert!(!erased || state == "erased", "{id} was erased and is {state}");
        }
        for (id, state) in found.iter().filter(|(id, _)| !residents.contains(id)) {
            assert!(["active", "importing", "erasing", "erased"].contains(&state.as_str()), "{id} is {state}");
            let erased = host.operate(&self.operator, "POST", &format!("/v1/tenants/{id}/erase"), None);
            assert_eq!(erased.status, 200, "{id} was {state}: {}", erased.text());
            let report = erased.json();
            assert!(report["places"].as_array().unwrap().iter().all(|place| place["left"] == 0), "{report}");
            let removed = host.operate(&self.operator, "DELETE", &format!("/v1/tenants/{id}"), None);
            assert_eq!(removed.status, 204, "{id} was {state}: {}", removed.text());
        }
    }
}
