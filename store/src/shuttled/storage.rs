//! The cores of `storage`, under shuttle: the line of commits, and volumes that close while others open.

use super::{check, sync};

#[path = "../storage/open_files.rs"]
mod open_files;
#[path = "../storage/queue.rs"]
mod queue;
#[path = "../storage/slot.rs"]
mod slot;

use std::num::NonZeroUsize;

use open_files::OpenFiles;
use queue::{Duty, Queue};
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::thread;
use slot::{Peek, Slot, Source};
use sync::{Arc, AtomicU64, Ordering};

type Line = Queue<(u64, Sender<u64>)>;

/// Serves until nothing waits. Nobody else does meanwhile.
fn serve(line: &Line, working: &AtomicU64, served: &AtomicU64) {
    loop {
        let group = line.next_group(2, usize::MAX, |_| 1);
        if group.is_empty() {
            return;
        }
        assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two lead at once");
        for (job, answer) in group {
            served.fetch_add(1, Ordering::SeqCst);
            // Whoever went away is not there to hear.
            let _ = answer.send(job);
        }
        working.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lines up, and brings a leader if that is its duty.
fn line_up(
    line: &Arc<Line>,
    counts: &Arc<[AtomicU64; 2]>,
    job: u64,
) -> (queue::Ticket, shuttle::sync::mpsc::Receiver<u64>) {
    let (answer, answered) = channel();
    let (ticket, duty) = line.push((job, answer));
    if duty == Duty::Lead {
        let (line, counts) = (Arc::clone(line), Arc::clone(counts));
        thread::spawn(move || serve(&line, &counts[0], &counts[1]));
    }
    (ticket, answered)
}

#[test]
fn everyone_in_line_is_answered_and_one_leads_at_a_time() {
    check(|| {
        let (line, counts) = (Arc::new(Line::new()), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
        let threads: Vec<_> = (0..4)
            .map(|job| {
                let (line, counts) = (Arc::clone(&line), Arc::clone(&counts));
                thread::spawn(move || assert_eq!(line_up(&line, &counts, job).1.recv(), Ok(job)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((counts[1].load(Ordering::SeqCst), line.len()), (4, 0));
    });
}

#[test]
fn who_goes_away_is_served_or_withdrawn_and_holds_nobody_up() {
    check(|| {
        let (line, counts) = (Arc::new(Line::new()), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
        let going = (0..2).map(|job| {
            let (line, counts) = (Arc::clone(&line), Arc::clone(&counts));
            thread::spawn(move || {
                let (ticket, _) = line_up(&line, &counts, job);
                u64::from(line.withdraw(ticket).is_some())
            })
        });
        let going: Vec<_> = going.collect();
        let (staying, counted) = (Arc::clone(&line), Arc::clone(&counts));
        let staying = thread::spawn(move || assert_eq!(line_up(&staying, &counted, 9).1.recv(), Ok(9)));
        let withdrawn: u64 = going.into_iter().map(|thread| thread.join().unwrap()).sum();
        staying.join().unwrap();
        // A job that was taken before its caller went away is served all the same.
        while counts[1].load(Ordering::SeqCst) + withdrawn < 3 {
            thread::yield_now();
        }
        assert_eq!(counts[1].load(Ordering::SeqCst) + withdrawn, 3);
    });
}

/// A file that can be open once at a time, and counts how often it is.
struct Once {
    open: Arc<AtomicU64>,
    all: Arc<AtomicU64>,
}

struct OpenOnce(Arc<AtomicU64>, Arc<AtomicU64>);

impl Drop for OpenOnce {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Source for Once {
    type Volume = OpenOnce;
    type Error = &'static str;

    fn open(&self) -> Result<Option<OpenOnce>, &'static str> {
        assert_eq!(self.open.fetch_add(1, Ordering::SeqCst), 0, "it is open twice");
        self.all.fetch_add(1, Ordering::SeqCst);
        Ok(Some(OpenOnce(Arc::clone(&self.open), Arc::clone(&self.all))))
    }

    fn create(&self) -> Result<OpenOnce, &'static str> {
        Err("it is there already")
    }

    fn removed(&self) -> &'static str {
        "removed"
    }
}

type Files = Arc<OpenFiles<Once>>;

fn files(tenants: usize, capacity: usize) -> (Files, Vec<Arc<Slot<Once>>>, Arc<AtomicU64>) {
    let all = Arc::new(AtomicU64::new(0));
    let slot = |_| Arc::new(Slot::new(Once { open: Arc::new(AtomicU64::new(0)), all: Arc::clone(&all) }));
    let slots = (0..tenants).map(slot).collect();
    (Arc::new(OpenFiles::new(NonZeroUsize::new(capacity).unwrap())), slots, all)
}

/// Reads as storage does: from the open volume where there is one, else from one that it opens.
fn read(files: &Files, slot: &Arc<Slot<Once>>) {
    if let Peek::Open(volume) = slot.peek() {
        files.touch(slot);
        assert_eq!(volume.0.load(Ordering::SeqCst), 1, "a volume in use was closed");
        return;
    }
    let volume = slot.open().unwrap().unwrap();
    files.admit(slot);
    assert_eq!(volume.0.load(Ordering::SeqCst), 1, "a volume in use was closed");
}

#[test]
fn no_volume_is_open_twice_or_closed_in_use_and_the_bound_holds_in_the_end() {
    check(|| {
        let (files, slots, all) = files(3, 1);
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (files, slots) = (Arc::clone(&files), slots.clone());
                thread::spawn(move || (0..2).for_each(|step| read(&files, &slots[(number + step) % 3])))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Those that were in use when room was wanted give way to the next one that comes.
        read(&files, &slots[0]);
        slots[0].close_if_idle();
        read(&files, &slots[0]);
        assert_eq!((all.load(Ordering::SeqCst), files.count()), (1, 1));
    });
}

#[test]
fn a_volume_that_ends_or_is_replaced_while_others_read_is_never_open_twice() {
    check(|| {
        let (files, slots, all) = files(2, 1);
        let reader = {
            let (files, slots) = (Arc::clone(&files), slots.clone());
            thread::spawn(move || {
                for slot in &slots {
                    // It may have ended, but it is not an error to look.
                    if let Some(volume) = slot.open().unwrap() {
                        files.admit(slot);
                        drop(volume);
                    }
                }
            })
        };
        let ender = {
            let (files, slots) = (Arc::clone(&files), slots.clone());
            thread::spawn(move || {
                let ended = slots[0].end(|volume| Ok((volume.is_some(), true)));
                files.forget(&slots[0]);
                assert_eq!(ended, Ok(true));
                assert!(slots[0].open().unwrap().is_none(), "what has ended stays so");
                assert_eq!(slots[0].open_or_create().err(), Some("removed"));
            })
        };
        reader.join().unwrap();
        ender.join().unwrap();
        slots.iter().for_each(|slot| assert!(slot.close_if_idle()));
        assert_eq!(all.load(Ordering::SeqCst), 0);
    });
}
