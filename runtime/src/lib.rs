//! The runtime as a library: engine, compile worker, component cache, limits, scheduler, deploy, invoke.
