//! A spinner on standard error while something takes a while: on a terminal only, and gone when it is done.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Where the spinner that is shown stands, so that other lines can be written above it. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<ProgressBar>>>);

/// Shown until it is dropped. Where standard error is no terminal, indicatif shows nothing.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    place: Place,
}

impl Place {
    /// Shows a spinner here.
    pub(super) fn show(&self, label: &str) -> Progress {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("  {spinner:.dim} {msg} {elapsed:.dim}") {
            bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        }
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Progress { bar, place: self.clone() }
    }

    /// Writes something with the spinner out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match shown {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *self.place.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
