//! Calls one host function as often as it is told: `storage 1000`, `cache 1000`, or `nothing 1000` for the loop alone.

use insula_sdk::cache::Life;
use insula_sdk::prelude::*;

struct Bench;

impl Agent for Bench {
    fn invoke(request: Request) -> Result<Response, Error> {
        let (what, count) =
            request.text()?.split_once(' ').ok_or_else(|| Error::bad_request("send a word and a number"))?;
        let count: u64 = count.parse().map_err(|_| Error::bad_request("the number is none"))?;
        let mut bytes = 0;
        if what == "cache" {
            cache::put("bench", "key", &[7; 100], Life::for_ms(60_000))?;
        }
        for _ in 0..count {
            bytes += match what {
                "storage" => storage::get("bench", "key")?.map_or(0, |entry| entry.value.len()),
                "cache" => cache::get("bench", "key")?.map_or(0, |value| value.len()),
                _ => 1,
            };
        }
        Ok(Response::text(bytes.to_string()))
    }
}

insula_sdk::export!(Bench);
