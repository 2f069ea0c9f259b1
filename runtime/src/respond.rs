//! An agent's answer, checked before anything of it reaches a header.

use insula_host_api::CallLimits;
use insula_host_api::bindings::exports::insula::agent::handler;

use crate::outcome::{CallFailure, Response};

const CONTENT_TYPE_BYTES: usize = 256;
const METADATA_ENTRIES: usize = 64;
const NAME_BYTES: usize = 64;
const VALUE_BYTES: usize = 1_024;

/// Takes an answer, or says what is wrong with it.
pub(crate) fn response(answer: handler::Response, limits: &CallLimits) -> Result<Response, CallFailure> {
    let limit = limits.response_bytes.get();
    if answer.body.len() as u64 > limit {
        return Err(CallFailure::ResponseTooLarge { limit });
    }
    let invalid = |reason: &str| Err(CallFailure::InvalidResponse { reason: reason.to_owned() });
    let content_type =
        if answer.content_type.is_empty() { "application/octet-stream".to_owned() } else { answer.content_type };
    if content_type.len() > CONTENT_TYPE_BYTES || !is_visible(&content_type) {
        return invalid("its content type is not visible ASCII of at most 256 bytes");
    }
    if answer.metadata.len() > METADATA_ENTRIES {
        return invalid("it has more than 64 metadata entries");
    }
    for (name, value) in &answer.metadata {
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_name_byte) {
            return invalid("a metadata name is not 1 to 64 of a-z, 0-9 and `-`");
        }
        if value.len() > VALUE_BYTES || !is_visible(value) {
            return invalid("a metadata value is not visible ASCII of at most 1,024 bytes");
        }
    }
    Ok(Response { body: answer.body, content_type, metadata: answer.metadata })
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
