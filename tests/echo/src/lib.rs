//! The smallest agent: gives the body and its content type back. It calls no host function.

use insula_sdk::prelude::*;

struct Echo;

impl Agent for Echo {
    fn invoke(request: Request) -> Result<Response, Error> {
        Ok(Response::bytes(request.content_type, request.body))
    }
}

insula_sdk::export!(Echo);
