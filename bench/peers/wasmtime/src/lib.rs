//! The echo for `wasmtime serve`: gives the body and its content type back, with as few calls of the host as the
//! interface takes. The body goes through the guest, as it does in our own echo; a splice would pass it by.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// What one read asks for at most.
const READ: u64 = 1 << 20;

wasip2::http::proxy::export!(Echo);

struct Echo;

impl Guest for Echo {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let asked = request.headers();
        let declared = asked.get("content-length").first().and_then(|value| length(value));
        let content_type = asked.get("content-type");
        drop(asked);
        let incoming = request.consume().expect("a body is taken once");
        let stream = incoming.stream().expect("a stream is taken once");
        let body = read(&stream, declared);
        drop((stream, incoming));

        let fields = Fields::new();
        fields.set("content-type", &content_type).expect("it came as one");
        fields.set("content-length", &[body.len().to_string().into_bytes()]).expect("digits");
        let response = OutgoingResponse::new(fields);
        let outgoing = response.body().expect("a body is taken once");
        ResponseOutparam::set(answer, Ok(response));
        let stream = outgoing.write().expect("a stream is taken once");
        write(&stream, &body);
        drop(stream);
        OutgoingBody::finish(outgoing, None).expect("as long as was said");
    }
}

fn length(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// As many bytes as were declared, or all there are.
fn read(stream: &InputStream, declared: Option<u64>) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let left = declared.map_or(READ, |declared| declared.saturating_sub(body.len() as u64));
        if left == 0 {
            return body;
        }
        match stream.blocking_read(left.min(READ)) {
            Ok(bytes) if body.is_empty() => body = bytes,
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => return body,
            Err(StreamError::LastOperationFailed(error)) => panic!("{}", error.to_debug_string()),
        }
    }
}

fn write(stream: &OutputStream, mut body: &[u8]) {
    while !body.is_empty() {
        let room = match stream.check_write().expect("the stream is open") {
            0 => {
                stream.subscribe().block();
                continue;
            }
            room => usize::try_from(room).unwrap_or(usize::MAX),
        };
        let (now, later) = body.split_at(room.min(body.len()));
        stream.write(now).expect("the stream has room");
        body = later;
    }
}
