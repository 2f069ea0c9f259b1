//! Where a tenant's volume lies: one file in the tenant's own directory.

use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;

use super::counters::Counters;
use super::engine::{Engine, Redb};
use super::failure::Failure;
use super::slot::Source;
use super::volume::Volume;
use crate::files;
use crate::home::Home;

const FILE: &str = "storage.redb";
/// A file that is being made: it is renamed into place when it is whole.
const UNFINISHED: &str = "storage.redb.new";

/// The file of one tenant.
pub(crate) struct VolumeFile {
    home: Arc<Home>,
}

/// A volume in a file that is not in its place yet. Dropped, it is removed.
pub(crate) struct Unplaced<'a> {
    file: &'a VolumeFile,
    volume: Option<Volume>,
    placed: bool,
}

impl VolumeFile {
    pub(crate) fn new(home: Arc<Home>) -> Self {
        Self { home }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    fn directory(&self) -> Result<Dir, Failure> {
        self.home.make().map_err(Failure::file("make the tenant's directory"))
    }

    /// Makes a volume beside its place. `fill` may put what is in it from the beginning.
    pub(crate) fn prepare(
        &self,
        fill: impl FnOnce(&mut <Redb as Engine>::Tables<'_>) -> Result<Counters, Failure>,
    ) -> Result<Unplaced<'_>, Failure> {
        let home = self.directory()?;
        files::remove_if_there(&home, UNFINISHED).map_err(Failure::file("remove an unfinished storage file"))?;
        let file = files::create_new(&home, UNFINISHED).map_err(Failure::file("make the storage file"))?;
        let mut unplaced = Unplaced { file: self, volume: None, placed: false };
        unplaced.volume = Some(Volume::create(Redb::open(file)?, self.home.tenant(), fill)?);
        Ok(unplaced)
    }

    /// The length of the file, in bytes; 0 where there is none.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self.home.open()? {
            Some(home) => Ok(home.metadata(FILE).map_or(0, |metadata| metadata.len())),
            None => Ok(0),
        }
    }
}

impl Unplaced<'_> {
    /// Puts it in its place, over what was there. A crash leaves the one or the other.
    pub(crate) fn place(mut self) -> Result<Volume, Failure> {
        let home = self.file.directory()?;
        home.rename(UNFINISHED, &home, FILE).map_err(Failure::file("put the storage file in place"))?;
        self.placed = true;
        let volume = self.volume.take().ok_or(Failure::NoStamp)?;
        files::sync_dir(&home).map_err(Failure::file("synchronise the tenant's directory"))?;
        Ok(volume)
    }
}

impl Drop for Unplaced<'_> {
    fn drop(&mut self) {
        // Also where the volume in it never came to be: what was written of it takes room.
        drop(self.volume.take());
        if !self.placed
            && let Ok(Some(home)) = self.file.home.open()
        {
            // What stays is removed before the next one is made.
            drop(files::remove_if_there(&home, UNFINISHED));
        }
    }
}

impl Source for VolumeFile {
    type Volume = Volume;
    type Error = Failure;

    fn open(&self) -> Result<Option<Volume>, Failure> {
        let Some(home) = self.home.open().map_err(Failure::file("open the tenant's directory"))? else {
            return Ok(None);
        };
        let file = match home.open_with(FILE, &files::read_write()) {
            Ok(file) => file.into_std(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("open the storage file")(error)),
        };
        if file.metadata().map_err(Failure::file("look at the storage file"))?.len() == 0 {
            // The engine would take an empty file for a new one, and lost data for none.
            return Err(Failure::NoStamp);
        }
        Volume::open(Redb::open(file)?, self.home.tenant()).map(Some)
    }

    fn create(&self) -> Result<Volume, Failure> {
        self.prepare(|_| Ok(Counters::default()))?.place()
    }

    fn removed(&self) -> Failure {
        Failure::Removed
    }
}
