//! Calls any host function by name: one JSON object in, one out.
//!
//! `{"call": "storage.get", "bucket": "b", "key": "k"}` answers `{"ok": ...}` or `{"error": {"code", "message"}}`, and
//! `{"calls": [...]}` an array of those. The fields are the parameters of the function in `wit/`; see [`call::Call`].
//! Besides, `{"call": "request"}` gives back what the host made of the request.

mod answer;
mod arguments;
mod call;

use call::Call;
use insula_sdk::prelude::*;
use serde_json::Value;

struct Probe;

impl Agent for Probe {
    fn invoke(request: Request) -> Result<Response, Error> {
        let mut body: Value = request.json()?;
        let answer = match body.get_mut("calls").map(Value::take) {
            Some(Value::Array(calls)) => {
                calls.into_iter().map(|call| answer_one(call, &request)).collect::<Result<Value, Error>>()?
            }
            Some(_) => return Err(Error::bad_request("`calls` is not a list")),
            None => answer_one(body, &request)?,
        };
        Response::json(&answer)
    }
}

insula_sdk::export!(Probe);

fn answer_one(call: Value, request: &Request) -> Result<Value, Error> {
    let shown = call.to_string();
    let call: Call = serde_json::from_value(call).map_err(|error| Error::bad_request(format!("{error} in {shown}")))?;
    Ok(answer::outcome(call.make(request)))
}
