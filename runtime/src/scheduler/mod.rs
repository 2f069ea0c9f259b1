//! Who runs next: guests on threads of their own, and processor time shared between tenants.
//!
//! Each call is a task that knows its tenant. A tenant has a queue and a virtual time, which grows by the processor time
//! that its slices take over its weight; the next slice goes to the tenant with the least. A slice ends at the epoch, when
//! somebody waits who comes before it. A call that is parked in a host function is in no queue, and costs no slice. The
//! control plane never runs here, and guests never run there: a guest that does not yield holds a
//! thread that only guests need.

mod clock;
#[cfg(feature = "measuring")]
pub mod measuring;
mod queue;
mod slice_clock;
mod threads;
mod virtual_time;

pub(crate) use clock::CallClock;
pub(crate) use threads::{Scheduler, SchedulerHandle};
pub(crate) use virtual_time::Weight;
