//! Keys of a dev runner on a terminal: `r` builds everything anew, `q` stops. Without a terminal there are none.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::Notify;

/// What was pressed, for whoever waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pressed {
    pub(super) rebuild: Arc<Notify>,
    pub(super) quit: Arc<Notify>,
}

/// The terminal as it is while keys count one by one. Dropped, it is as it was.
#[derive(Debug)]
pub(super) struct Keyboard {
    before: Option<Termios>,
    pub(super) pressed: Pressed,
}

impl Keyboard {
    /// Begins to read keys, where standard input is a terminal.
    pub(super) fn open() -> Self {
        let pressed = Pressed::default();
        let before = if std::io::stdin().is_terminal() { take_keys() } else { None };
        if before.is_some() {
            let told = pressed.clone();
            // It ends with the process: there is no way to end a read of a terminal.
            std::thread::spawn(move || {
                for byte in std::io::stdin().lock().bytes().map_while(Result::ok) {
                    told.press(byte);
                }
            });
        }
        Self { before, pressed }
    }

    /// Whether there are keys to press.
    pub(super) fn is_open(&self) -> bool {
        self.before.is_some()
    }
}

impl Pressed {
    fn press(&self, byte: u8) {
        match byte {
            b'r' | b'R' => self.rebuild.notify_one(),
            b'q' | b'Q' => self.quit.notify_one(),
            _ => {}
        }
    }
}

/// Switches line editing and echo off; Ctrl-C goes on being a signal.
fn take_keys() -> Option<Termios> {
    let before = tcgetattr(std::io::stdin()).ok()?;
    let mut keys = before.clone();
    keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(std::io::stdin(), OptionalActions::Now, &keys).ok()?;
    Some(before)
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
