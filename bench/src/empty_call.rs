//! What a call is on the thread that runs it: a store, an instance, a call that does nothing, and all of it put back.

use std::path::Path;
use std::time::Instant;

use anyhow::anyhow;
use insula_runtime::tenancy::{Credential, Invoke, TenantScope};
use insula_runtime::{Call, EngineSettings, Runtime};
use serde::Serialize;

use crate::subjects;

/// Calls of each of the eight that are always in flight, in each round.
const CALLS: usize = 2_000;

/// One guest thread that always has a call to begin; no HTTP.
#[derive(Debug, Serialize)]
pub(crate) struct EmptyCall {
    /// Of the clock, for each call: with its slice, its bill, and all of it put back.
    each_us: f64,
}

impl EmptyCall {
    pub(crate) fn line(&self) -> String {
        format!("a store, an instance and an empty call on one guest thread: {:.1} us", self.each_us)
    }
}

/// The best of so many rounds: other work only ever adds.
pub(crate) async fn measure(rounds: usize, echo: &Path) -> anyhow::Result<EmptyCall> {
    let temporary = tempfile::tempdir()?;
    let engine = EngineSettings { guest_threads: std::num::NonZeroUsize::MIN, ..EngineSettings::standard() };
    let (runtime, operator) = subjects::open(temporary.path().join("data"), engine).await?;
    let key = subjects::tenant(&runtime, &operator, "one", &[("guest", echo)], subjects::unhurried()).await?;
    let scope = runtime.login(&key.parse::<Credential>()?).await?;
    calls(&runtime, &scope).await?;
    let mut each_us = f64::MAX;
    for _ in 0..rounds.max(1) {
        let began = Instant::now();
        let eight = tokio::join!(
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
            calls(&runtime, &scope),
        );
        let took = began.elapsed();
        let results = [eight.0, eight.1, eight.2, eight.3, eight.4, eight.5, eight.6, eight.7];
        each_us = each_us.min(took.as_secs_f64() * 1e6 / (results.len() * CALLS) as f64);
        results.into_iter().collect::<anyhow::Result<()>>()?;
    }
    runtime.shutdown().await;
    Ok(EmptyCall { each_us })
}

/// One after the other.
async fn calls(runtime: &Runtime, scope: &TenantScope) -> anyhow::Result<()> {
    for _ in 0..CALLS {
        let call = Call {
            body: Vec::new().into(),
            content_type: "text/plain".into(),
            metadata: Vec::new(),
            idempotency_key: None,
        };
        let invocation = runtime.invoke(&scope.permit::<Invoke>()?, &"guest".parse()?, call).await?;
        invocation.outcome.map_err(|failure| anyhow!("the guest failed: {failure}"))?;
    }
    Ok(())
}
