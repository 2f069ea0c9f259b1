//! `log`: the trait that an owner's log implements, and the host function over it.

use std::borrow::Cow;

use crate::bindings::insula::agent::log as wit;
use crate::{Host, HostCall};

pub use wit::Level;

/// The longest message, in bytes. A longer one is cut, so that one line cannot fill a ring.
pub const MESSAGE_LIMIT: usize = 8 << 10;
/// What stands at the end of a message that was cut.
const CUT: &str = " [cut]";

/// Which way a line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The `log` interface.
    Log,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where one call's log lines go. Must not block.
pub trait LogSink: Send + Sync {
    /// Takes a line that [`clean_message`] has cleaned.
    fn write(&self, level: Level, source: Source, message: &str);
}

/// Cuts a message at [`MESSAGE_LIMIT`], marks the cut, and replaces control characters other than tab, so that a
/// message is always one line and cannot drive a reader's terminal.
#[must_use]
pub fn clean_message(message: &str) -> Cow<'_, str> {
    let dirty = |character: char| character.is_control() && character != '\t';
    if message.len() <= MESSAGE_LIMIT && !message.contains(dirty) {
        return Cow::Borrowed(message);
    }
    let mut clean = String::with_capacity(message.len().min(MESSAGE_LIMIT));
    for character in message.chars() {
        // What replaces a control character is longer than that is: the limit is that of the line as it is kept.
        let character = if dirty(character) { char::REPLACEMENT_CHARACTER } else { character };
        if clean.len() + character.len_utf8() > MESSAGE_LIMIT {
            clean.push_str(CUT);
            break;
        }
        clean.push(character);
    }
    Cow::Owned(clean)
}

impl wit::Host for Host {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.charge(HostCall::LogWrite, message.len())?;
        let message = clean_message(&message);
        if self.budget.log().admit(message.len()) {
            self.grants.log.write(level, Source::Log, &message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(clean_message("plain\ttext"), "plain\ttext");
        assert_eq!(clean_message("a\nb\x1b[2J"), "a\u{fffd}b\u{fffd}[2J");
        let long = "é".repeat(MESSAGE_LIMIT);
        let clean = clean_message(&long);
        assert!(clean.ends_with(" [cut]") && clean.len() <= MESSAGE_LIMIT + 6);
    }

    #[test]
    fn a_message_of_control_characters_is_no_longer_than_another() {
        for length in [MESSAGE_LIMIT / 3, MESSAGE_LIMIT, 2 * MESSAGE_LIMIT] {
            let (dirty, clean) = ("\n".repeat(length), "x".repeat(length));
            let (dirty, clean) = (clean_message(&dirty), clean_message(&clean));
            assert!(dirty.len() <= MESSAGE_LIMIT + CUT.len(), "{length} characters became {} bytes", dirty.len());
            assert_eq!(dirty.ends_with(CUT), 3 * length > MESSAGE_LIMIT);
            assert_eq!(clean.ends_with(CUT), length > MESSAGE_LIMIT);
        }
    }
}
