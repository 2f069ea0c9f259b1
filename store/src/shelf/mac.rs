//! The code of authenticity of an artefact: a BLAKE3 keyed hash over whose it is, what it was compiled from, for which
//! engine, and its bytes.
//!
//! An artefact is machine code that the host maps and runs. Only bytes that this host wrote for this tenant, this
//! component and this engine may be; the key is derived from the host's secret and is used for nothing else.

use std::fs::File;
use std::io;

use blake3::{Hash, Hasher};
use insula_tenancy::TenantId;

use super::read_chunks;
use crate::Digest;

/// What the key is for. It never changes: another use takes another text.
const CONTEXT: &str = "insula 2026-11-23 artefact authenticity v1";

/// The key for artefacts of one host.
#[derive(Clone)]
pub(crate) struct ArtefactKey([u8; 32]);

impl ArtefactKey {
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// A hash that has taken in everything but the bytes. Each part has a fixed length or is preceded by its length, and
    /// the bytes come last, so that no two artefacts share an input.
    fn begin(&self, tenant: TenantId, digest: &Digest, engine: &str) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.0);
        hasher.update(&tenant.to_bytes());
        hasher.update(digest.as_bytes());
        hasher.update(&(engine.len() as u64).to_le_bytes());
        hasher.update(engine.as_bytes());
        hasher
    }

    /// Reads a file from where it stands to its end, hands on each chunk, and answers its code and its length.
    pub(super) fn of_file(
        &self,
        (tenant, digest, engine): (TenantId, &Digest, &str),
        file: &mut File,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(Hash, u64)> {
        let mut hasher = self.begin(tenant, digest, engine);
        let mut result = Ok(());
        let length = read_chunks(file, |chunk| {
            if result.is_ok() {
                hasher.update(chunk);
                result = each(chunk);
            }
        })?;
        result.map(|()| (hasher.finalize(), length))
    }
}
