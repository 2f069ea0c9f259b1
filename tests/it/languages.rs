//! Agents in JavaScript, TypeScript and Python: built from source, deployed to tenants, and called for real.

mod analyst;
mod builds;
mod faq;
mod sdks;
