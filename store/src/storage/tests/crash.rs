//! Power cuts at every write: the engine's backend keeps a log of what it was told, and each place in it is a crash.
//!
//! What was written before the last synchronisation is on the disk. Of what came after it anything may be: all of it up
//! to the crash, none of it, any part of it in any order, and the last write torn. Each such image is opened as after a
//! power cut. What was acknowledged must be there; what was not is there whole or not at all; the counters agree with a
//! recount; and every life is where its key is. (The method is that of ALICE, Pillai et al., OSDI 2014, and of CrashMonkey,
//! Mohan et al., OSDI 2018.)

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::*;
use crate::storage::commit::{Commit, group};
use crate::storage::engine::{Read, Redb, Table};
use crate::storage::key::KeyRange;
use crate::storage::record::Record;

/// The least number of images that a run opens.
const IMAGES: usize = 1_000;
/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Told {
    Write(u64, Vec<u8>),
    SetLength(u64),
    Sync,
}

/// A file in memory that remembers what it was told.
#[derive(Debug, Clone, Default)]
struct Recorder {
    image: Arc<Mutex<Vec<u8>>>,
    log: Arc<Mutex<Vec<Told>>>,
}

fn apply(image: &mut Vec<u8>, told: &Told) {
    match told {
        Told::Write(offset, data) => {
            let (start, end) = (usize::try_from(*offset).unwrap(), usize::try_from(*offset).unwrap() + data.len());
            if image.len() < end {
                image.resize(end, 0);
            }
            image[start..end].copy_from_slice(data);
        }
        Told::SetLength(length) => image.resize(usize::try_from(*length).unwrap(), 0),
        Told::Sync => {}
    }
}

impl Recorder {
    fn over(image: Vec<u8>) -> Self {
        Self { image: Arc::new(Mutex::new(image)), log: Arc::default() }
    }

    fn tell(&self, told: Told) {
        apply(&mut self.image.lock(), &told);
        self.log.lock().push(told);
    }
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.image.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.image.lock();
        let start = usize::try_from(offset).unwrap();
        let found = image.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.tell(Told::SetLength(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tell(Told::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.tell(Told::Write(offset, data.to_vec()));
        Ok(())
    }
}

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

fn contents(tables: &impl Read, table: Table) -> Contents {
    let mut found = Contents::new();
    let walked = tables.walk(table, &KeyRange::ALL, false, |key, value| {
        found.insert(key.to_vec(), value.to_vec());
        Ok(ControlFlow::Continue(()))
    });
    walked.unwrap();
    found
}

/// Keys and bytes, counted anew; and every life where its key is.
pub(super) fn recounted(tables: &impl Read) -> (u64, u64) {
    let entries = contents(tables, Table::Entries);
    let (mut bytes, mut lives) = (0, Contents::new());
    for (key, value) in &entries {
        let record = Record::decode(value).unwrap();
        bytes += record.cost(key);
        if let Some(expires) = record.expires_ms {
            lives.insert([&expires.to_be_bytes(), key.as_slice()].concat(), Vec::new());
        }
    }
    assert_eq!(contents(tables, Table::Expiry), lives);
    (entries.len() as u64, bytes)
}

/// Small, repeatable and good enough to choose what a crash loses (Steele and Vigna's splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

/// What was there after each group was acknowledged, and how long the log was then.
struct History {
    recorder: Recorder,
    states: Vec<(usize, Contents)>,
}

fn some_commits(dice: &mut Dice) -> Vec<Commit> {
    let mut commits = Vec::new();
    for _ in 0..=dice.roll(3) {
        let mut writes = BTreeMap::new();
        for _ in 0..=dice.roll(5) {
            let key = dice.roll(12).to_string();
            let change = match dice.roll(6) {
                0 => Change::Delete,
                1 => Change::Expire { ttl_ms: Some(20) },
                2 => Change::Put { value: vec![3; dice.roll(6_000)], ttl_ms: Some(dice.roll(40) as u64 + 1) },
                3 => Change::put(vec![9; dice.roll(20_000)]),
                4 => Change::put(0_i64.to_le_bytes()),
                _ => add(1),
            };
            writes.insert(key.clone(), write("bucket", &key, change));
        }
        let preconditions = match dice.roll(4) {
            0 => vec![expect("bucket", "1", Expectation::Absent)],
            _ => Vec::new(),
        };
        commits.push(Commit { preconditions, writes: writes.into_values().collect() });
    }
    commits
}

/// A tenant's life: groups of commits of all kinds, some refused, some lives ending in between.
fn live(tenant: insula_tenancy::TenantId, dice: &mut Dice, groups: usize) -> History {
    let recorder = Recorder::default();
    let engine = Redb::over(recorder.clone()).unwrap();
    let volume = Volume::create(engine, tenant, |_| Ok(Counters::default())).unwrap();
    let quota = LiveQuota::new(crate::Limits::standard().quota());
    let mut states = vec![(recorder.log.lock().len(), Contents::new())];
    for round in 0..groups {
        let done = group(&volume, &quota, round as u64 * 10, &some_commits(dice)).unwrap();
        assert!(!done.is_empty());
        states.push((recorder.log.lock().len(), contents(&volume.view().tables, Table::Entries)));
    }
    History { recorder, states }
}

/// The image of a crash at this place of the log, of which `window` began at the last synchronisation.
fn images(before: &[u8], window: &[Told], dice: &mut Dice) -> Vec<Vec<u8>> {
    let with = |told: &mut dyn Iterator<Item = &Told>| {
        let mut image = before.to_vec();
        told.for_each(|told| apply(&mut image, told));
        image
    };
    let mut images = vec![with(&mut window.iter())];
    if window.is_empty() {
        return images;
    }
    images.push(before.to_vec());
    for _ in 0..2 {
        let mut kept: Vec<&Told> = window.iter().filter(|_| dice.roll(2) == 0).collect();
        for place in (1..kept.len()).rev() {
            kept.swap(place, dice.roll(place + 1));
        }
        images.push(with(&mut kept.into_iter()));
    }
    if let Some((Told::Write(offset, data), rest)) = window.split_last()
        && data.len() > SECTOR
    {
        let torn = Told::Write(*offset, data[..SECTOR * (1 + dice.roll(data.len() / SECTOR))].to_vec());
        images.push(with(&mut rest.iter().chain([&torn])));
        let end = data.len() - data.len() % SECTOR;
        let tail = Told::Write(*offset + end as u64, data[end..].to_vec());
        images.push(with(&mut rest.iter().chain([&tail])));
    }
    images
}

/// Opens an image as after a power cut, and holds it to what it may be.
fn survives(image: Vec<u8>, tenant: insula_tenancy::TenantId, allowed: &[&Contents], what: &str) -> Recorder {
    let recorder = Recorder::over(image);
    let engine = Redb::over(recorder.clone()).unwrap_or_else(|failure| panic!("{what}: {}", chain(&failure)));
    let volume = Volume::open(engine, tenant).unwrap_or_else(|failure| panic!("{what}: {}", chain(&failure)));
    let view = volume.view();
    let found = contents(&view.tables, Table::Entries);
    assert!(allowed.contains(&&found), "{what}: neither what was acknowledged nor what was on its way");
    assert_eq!(recounted(&view.tables), (view.counters.keys, view.counters.bytes), "{what}");
    recorder
}

/// Crashes at every place of a log, and now and then once more in the recovery.
fn crash_everywhere(seed: u64) -> usize {
    let (tenant, mut dice) = (insula_tenancy::TenantId::generate(), Dice(seed));
    let History { recorder, states } = live(tenant, &mut dice, 12);
    let log = recorder.log.lock().clone();
    let (mut opened, mut synced, mut window_began, mut state) = (0, Vec::new(), 0, 0);
    for place in 0..=log.len() {
        while states.get(state + 1).is_some_and(|(length, _)| *length <= place) {
            state += 1;
        }
        if place >= states[0].0 {
            let acknowledged = &states[state].1;
            let on_its_way = states.get(state + 1).map_or(acknowledged, |(_, contents)| contents);
            let allowed = [acknowledged, on_its_way];
            for (number, image) in images(&synced, &log[window_began..place], &mut dice).into_iter().enumerate() {
                let what = format!("seed {seed}, crash {place} of {}, image {number}", log.len());
                let again = survives(image.clone(), tenant, &allowed, &what);
                opened += 1;
                // A second crash while the first is being recovered from.
                let recovery = again.log.lock().clone();
                if dice.roll(8) == 0 && !recovery.is_empty() {
                    let mut torn = image;
                    let until = dice.roll(recovery.len()) + 1;
                    recovery.iter().take(until).for_each(|told| apply(&mut torn, told));
                    survives(torn, tenant, &allowed, &format!("{what}, and again in recovery"));
                    opened += 1;
                }
            }
        }
        if let Some(told) = log.get(place)
            && matches!(told, Told::Sync)
        {
            log[window_began..=place].iter().for_each(|told| apply(&mut synced, told));
            window_began = place + 1;
        }
    }
    opened
}

#[test]
fn a_power_cut_at_any_write_loses_nothing_that_was_acknowledged_and_halves_nothing() {
    let mut opened = 0;
    for seed in 0.. {
        opened += crash_everywhere(seed);
        if opened >= IMAGES {
            break;
        }
    }
    assert!(opened >= IMAGES);
}
