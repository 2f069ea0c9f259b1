//! The cores of `cache`, under shuttle.

use super::{check, sync};

#[expect(clippy::duplicate_mod, reason = "the same source on purpose, over the locks of `super::sync`")]
#[path = "../cache/ceiling.rs"]
mod ceiling;

use ceiling::Ceiling;
use shuttle::thread;
use sync::Arc;

#[test]
fn the_ceiling_is_never_passed_and_never_loses_room() {
    check(|| {
        let ceiling = Arc::new(Ceiling::new(5.try_into().unwrap()));
        let threads = [3, 2, 4].map(|bytes| {
            let ceiling = Arc::clone(&ceiling);
            thread::spawn(move || {
                if ceiling.try_take(bytes) {
                    assert!(ceiling.used() <= ceiling.limit());
                    ceiling.give_back(bytes);
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(ceiling.used(), 0);
    });
}
