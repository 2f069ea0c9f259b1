//! `config`: what the agent's owner set for it, as it stood when the call began.

use crate::bindings::insula::agent::config as wit;
use crate::{Host, HostCall};

impl wit::Host for Host {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.charge(HostCall::ConfigGet, name.len())?;
        let value = self.grants.configuration.get(&name).cloned();
        self.charge_answer(HostCall::ConfigGet, value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.charge(HostCall::ConfigAll, 0)?;
        let size = self.grants.configuration.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.charge_answer(HostCall::ConfigAll, size)?;
        Ok(self.grants.configuration.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
