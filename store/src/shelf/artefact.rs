//! Compiled artefacts: from the worker's hands to the shelf, and from the shelf to the engine.
//!
//! What is kept is a copy that no other process ever had open for writing, so a worker that a hostile component took
//! over cannot change it afterwards. What is handed out was checked, byte for byte, before.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use super::staging::StagedFile;
use super::{ARTEFACTS, Shelf, ShelfError};
use crate::Digest;
use crate::data_dir::descriptor_path;
use crate::files;

pub(super) const SUFFIX: &str = ".cwasm";
const MAC_SUFFIX: &str = ".mac";
const MAC_LENGTH: u64 = 32;

/// A file for the compile worker to write to, removed when dropped.
pub struct StagedArtefact(StagedFile);

impl StagedArtefact {
    /// The file: the worker's standard output.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0.file
    }
}

impl fmt::Debug for StagedArtefact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StagedArtefact")
    }
}

/// An artefact whose every byte was checked against its code of authenticity.
pub struct VerifiedArtefact {
    file: File,
    length: u64,
}

impl VerifiedArtefact {
    /// A path to the very file that was checked, for a library that maps it. Good while this value lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        descriptor_path(&self.file)
    }

    /// Its length, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl fmt::Debug for VerifiedArtefact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifiedArtefact({} bytes)", self.length)
    }
}

/// What an artefact is called: the component's digest, and a short form of the engine's text.
fn name(digest: &Digest, engine: &str) -> String {
    let engine = blake3::hash(engine.as_bytes()).to_hex();
    format!("{}-{}", digest.hex(), engine.get(..32).unwrap_or(&engine))
}

impl Shelf {
    /// A file for the compile worker to write to.
    ///
    /// # Errors
    ///
    /// [`ShelfError::DiskFull`] or [`ShelfError::Io`].
    pub fn new_artefact(&self) -> Result<StagedArtefact, ShelfError> {
        self.staged_file().map(StagedArtefact)
    }

    /// Puts what the worker wrote on the shelf, as this digest compiled for this engine. On disk when this returns.
    ///
    /// Whatever the worker still does to its own file changes nothing: what is kept is a copy.
    ///
    /// # Errors
    ///
    /// [`ShelfError::DiskFull`] or [`ShelfError::Io`].
    pub fn keep_artefact(&self, staged: StagedArtefact, digest: &Digest, engine: &str) -> Result<(), ShelfError> {
        let mut from = staged.0;
        let mut to = self.staged_file()?;
        from.file.rewind().map_err(ShelfError::during("read a staged artefact"))?;
        let subject = (self.home.tenant(), digest, engine);
        let (code, _) = self
            .key
            .of_file(subject, &mut from.file, |chunk| to.file.write_all(chunk))
            .map_err(ShelfError::during("copy a staged artefact"))?;
        let mut sidecar = self.staged_file()?;
        sidecar.file.write_all(code.as_bytes()).map_err(ShelfError::during("write an artefact's code"))?;

        let shelf = self.home.make_section(ARTEFACTS).map_err(ShelfError::during("make the shelf"))?;
        let name = name(digest, engine);
        let code_name = format!("{name}{MAC_SUFFIX}");
        // Without its code an artefact is as good as absent: a crash anywhere here leaves one that is whole, or none.
        files::remove_if_there(&shelf, &code_name).map_err(ShelfError::during("replace an artefact"))?;
        to.keep(&shelf, &format!("{name}{SUFFIX}"))?;
        sidecar.keep(&shelf, &code_name)
    }

    /// Opens an artefact after checking its code over all its bytes; `None` when there is none for this engine.
    ///
    /// # Errors
    ///
    /// [`ShelfError::NotAuthentic`] when the bytes, the tenant, the digest or the engine are not those it was kept
    /// with: the file is left for inspection. [`ShelfError::Io`].
    pub fn artefact(&self, digest: &Digest, engine: &str) -> Result<Option<VerifiedArtefact>, ShelfError> {
        let failed = || ShelfError::during("open an artefact");
        let Some(shelf) = self.home.open_section(ARTEFACTS).map_err(failed())? else { return Ok(None) };
        let name = name(digest, engine);
        let code = files::open_existing(&shelf, &format!("{name}{MAC_SUFFIX}")).map_err(failed())?;
        let file = files::open_existing(&shelf, &format!("{name}{SUFFIX}")).map_err(failed())?;
        let (Some(code), Some(mut file)) = (code, file) else { return Ok(None) };
        let expected = read_code(code).map_err(failed())?;
        let subject = (self.home.tenant(), digest, engine);
        let (found, length) =
            self.key.of_file(subject, &mut file, |_| Ok(())).map_err(ShelfError::during("check an artefact"))?;
        // The comparison of BLAKE3's hashes takes the same time wherever they differ.
        if expected.is_none_or(|expected| found != expected) {
            tracing::error!(tenant = %self.home.tenant(), %digest, engine, "an artefact on the shelf is not authentic");
            return Err(ShelfError::NotAuthentic);
        }
        file.rewind().map_err(failed())?;
        Ok(Some(VerifiedArtefact { file, length }))
    }
}

/// The code in a sidecar; `None` when it has not the length of one.
fn read_code(file: File) -> io::Result<Option<blake3::Hash>> {
    let mut bytes = Vec::new();
    file.take(MAC_LENGTH + 1).read_to_end(&mut bytes)?;
    Ok(<[u8; 32]>::try_from(bytes).ok().map(blake3::Hash::from_bytes))
}
