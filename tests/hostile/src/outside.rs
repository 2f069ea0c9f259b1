//! What WASI gives an agent and what it must not: time, random numbers, files, sockets, the environment.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use insula_sdk::prelude::*;
use serde_json::{Value, json};
use wasip2::random::random as wasi_random;

use crate::Arguments;

/// Sleeps, and answers if it is let.
pub fn sleep(ms: u64) -> Result<Response, Error> {
    thread::sleep(Duration::from_millis(ms));
    Response::json(&json!({ "slept-ms": ms }))
}

/// Reads and writes files, in every way that std has, and tells what each answered.
pub fn filesystem() -> Result<Response, Error> {
    Response::json(&json!({
        "read_dir /": outcome(fs::read_dir("/").map(Iterator::count)),
        "read_dir .": outcome(fs::read_dir(".").map(Iterator::count)),
        "create /hostile": outcome(File::create("/hostile").map(|_| "created")),
        "create hostile": outcome(File::create("hostile").map(|_| "created")),
        "create_dir hostile": outcome(fs::create_dir("hostile").map(|()| "created")),
        "read /etc/passwd": outcome(fs::read_to_string("/etc/passwd")),
        "read ../../etc/passwd": outcome(fs::read_to_string("../../etc/passwd")),
        "read /proc/self/environ": outcome(fs::read_to_string("/proc/self/environ")),
        "metadata /": outcome(fs::metadata("/").map(|found| found.len())),
        "remove_file /hostile": outcome(fs::remove_file("/hostile").map(|()| "removed")),
    }))
}

/// Opens sockets and looks names up, and tells what each answered.
pub fn socket() -> Result<Response, Error> {
    Response::json(&json!({
        "tcp connect 127.0.0.1:80": outcome(TcpStream::connect("127.0.0.1:80").map(|_| "connected")),
        "tcp connect 169.254.169.254:80": outcome(TcpStream::connect("169.254.169.254:80").map(|_| "connected")),
        "tcp listen 127.0.0.1:0": outcome(TcpListener::bind("127.0.0.1:0").map(|_| "bound")),
        "udp bind 0.0.0.0:0": outcome(UdpSocket::bind("0.0.0.0:0").map(|_| "bound")),
        "look up localhost": outcome("localhost:80".to_socket_addrs().map(Iterator::count)),
        "look up example.com": outcome("example.com:80".to_socket_addrs().map(Iterator::count)),
    }))
}

/// Tells what there is of an environment.
pub fn environment() -> Result<Response, Error> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let variables: Vec<_> = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
    let arguments: Vec<_> = std::env::args_os().map(lossy).collect();
    Response::json(&json!({
        "variables": variables,
        "arguments": arguments,
        "directory": outcome(std::env::current_dir().map(|path| path.display().to_string())),
    }))
}

/// Reads both clocks.
pub fn clock() -> Result<Response, Error> {
    let start = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let elapsed = start.elapsed();
    Response::json(&json!({
        "wall-ms": wall.as_millis() as u64,
        "monotonic-elapsed-ns": elapsed.as_nanos() as u64,
        "monotonic-resolution-ns": wasip2::clocks::monotonic_clock::resolution(),
    }))
}

/// Asks for 16 random bytes, then for `bytes` of them.
pub fn random(arguments: &Arguments) -> Result<Response, Error> {
    let few: String = wasi_random::get_random_bytes(16).iter().map(|byte| format!("{byte:02x}")).collect();
    let asked = arguments.bytes.unwrap_or(0);
    let got = if asked == 0 { 0 } else { wasi_random::get_random_bytes(asked as u64).len() };
    Response::json(&json!({ "bytes": few, "asked": asked, "got": got }))
}

/// The call's budget.
pub fn report() -> Result<Response, Error> {
    let report: Value = usage::report()
        .iter()
        .map(|allowance| json!({ "name": allowance.name, "used": allowance.used, "limit": allowance.limit }))
        .collect();
    Response::json(&report)
}

fn outcome<T: Into<Value>>(result: io::Result<T>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value.into() }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
