//! Listings without their pages.

use super::{Entry, Selection, list};
use crate::Error;

/// Every entry of a selection, page after page.
///
/// Each page is as of one instant, the whole is not: what is written meanwhile may be in it or not. The `limit` of the
/// selection is the size of a page. After an error it ends.
pub fn scan(bucket: impl Into<String>, selection: Selection) -> Scan {
    Scan { bucket: bucket.into(), rest: Some(selection), page: Vec::new().into_iter() }
}

/// The iterator that [`scan`] answers with.
#[derive(Debug)]
pub struct Scan {
    bucket: String,
    /// What is left to list behind the page in hand; `None` at the end.
    rest: Option<Selection>,
    page: std::vec::IntoIter<Entry>,
}

impl Iterator for Scan {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            // Taken, so that an error ends it.
            let selection = self.rest.take()?;
            match list(&self.bucket, &selection) {
                Ok(page) => {
                    self.page = page.entries.into_iter();
                    self.rest = page.next.map(|next| selection.after(next));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
