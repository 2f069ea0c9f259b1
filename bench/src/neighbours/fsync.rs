//! What the disk itself gives to one of many who synchronise at once: the yardstick of durable puts under a flood of them.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Appends and synchronises twice, as a commit does, beside so many others that do the same, each on a file of its own.
/// Returns the median of one of them, in microseconds.
pub(super) fn median_us(folder: &Path, others: usize, time: Duration) -> anyhow::Result<f64> {
    let stop = AtomicBool::new(false);
    let taken = std::thread::scope(|scope| {
        for number in 0..others {
            let path = folder.join(format!("other-{number}"));
            let stop = &stop;
            scope.spawn(move || {
                let Ok(mut file) = File::create(path) else { return };
                while !stop.load(Ordering::Relaxed) && append(&mut file).is_ok() {}
            });
        }
        let taken = one(&folder.join("one"), time);
        stop.store(true, Ordering::Relaxed);
        taken
    });
    let mut taken = taken?;
    taken.sort_unstable();
    Ok(taken.get(taken.len() / 2).map_or(0.0, |median| median.as_secs_f64() * 1e6))
}

fn one(path: &Path, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let mut file = File::create(path)?;
    let end = Instant::now() + time;
    let mut taken = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        append(&mut file)?;
        taken.push(began.elapsed());
    }
    Ok(taken)
}

fn append(file: &mut File) -> std::io::Result<()> {
    for _ in 0..2 {
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
    }
    Ok(())
}
