//! The threads that a worker compiles on. They are started before the process is shut in, when it can still start threads,
//! and all that is done to the process is done to each of them (B4).
//!
//! A component is parsed and compiled on these and on no other: whatever it gets hold of is one of them.

use std::io;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The most threads of one worker. More give little: what is not compiling functions is done by one.
pub(super) const MOST: usize = 4;
/// The stack of each, in bytes: what the first thread of a process has, for which the depths of the scan were chosen.
const STACK_BYTES: usize = 8 << 20;

/// Threads that wait for work, beside the one that started them.
#[derive(Debug)]
pub(super) struct Threads(ThreadPool);

impl Threads {
    /// Starts them. They have the niceness of the thread that calls this.
    ///
    /// # Errors
    ///
    /// When there are none to be had.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(count.clamp(1, MOST))
            .stack_size(STACK_BYTES)
            .thread_name(|number| format!("insula-compile-{number}"))
            .build();
        pool.map(Self).map_err(io::Error::other)
    }

    /// Does it on one of them, and has all of them for what it does in parallel.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }

    /// Does it once on each of them, and on the thread that calls. Every one has done it when this answers.
    pub(super) fn everywhere<R: Send>(&self, work: impl Fn() -> R + Sync) -> Vec<R> {
        let mut done = self.0.broadcast(|_| work());
        done.push(work());
        done
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Write as _;

    use super::*;
    use crate::engine::config;

    #[test]
    fn what_is_done_everywhere_is_done_on_each_thread_and_on_the_first() {
        let threads = Threads::start(3).unwrap();
        let ids = threads.everywhere(|| std::thread::current().id());
        assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (4, 4));
        assert!(ids.contains(&std::thread::current().id()));
        assert!(threads.run(|| ids.contains(&std::thread::current().id())));
    }

    #[test]
    fn an_artefact_has_the_same_bytes_on_however_many_threads_it_was_compiled() {
        let mut text = "(component".to_owned();
        for module in 0..3 {
            write!(text, "(core module (memory 1) (table 9 funcref)").unwrap();
            for function in 0..60 {
                let number = module * 100 + function;
                write!(
                    text,
                    "(func (export \"f{function}\") (param i32 i64) (result i32) (local i32)
                        (loop (br_if 0 (i32.eqz (local.tee 2 (i32.add (local.get 0) (i32.const {number}))))))
                        (i32.store (local.get 2) (i32.load offset={number} (local.get 0)))
                        (call {} (local.get 2) (i64.const {number})))",
                    (function + 7) % 60
                )
                .unwrap();
            }
            text.push(')');
        }
        text.push(')');
        let engine = config::compiler().unwrap();
        let compiled = |count| {
            let threads = Threads::start(count).unwrap();
            threads.run(|| engine.precompile_component(text.as_bytes()).unwrap())
        };
        let one = compiled(1);
        for count in [2, 3, MOST] {
            assert!(one == compiled(count), "{count} threads made other bytes");
        }
    }
}
