//! Helpers on requests, responses and errors.

use crate::{Error, Request, Response};

impl Request {
    /// A request as a caller would send it: for tests of an agent.
    #[must_use]
    pub fn of(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), content_type: content_type.into(), metadata: Vec::new(), idempotency_key: None }
    }

    /// A request of plain text.
    #[must_use]
    pub fn of_text(body: impl Into<String>) -> Self {
        Self::of("text/plain", body.into())
    }

    /// A request of a value as JSON.
    ///
    /// # Errors
    ///
    /// `internal` where the value has no JSON form.
    #[cfg(feature = "json")]
    pub fn of_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Response::json(value).map(|response| Self::of(response.content_type, response.body))
    }

    /// The same, with one more metadata value.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// `bad-request` where it is not UTF-8, with the offset of the first wrong byte.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Error::bad_request(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))
    }

    /// The body as JSON, whatever the content type says.
    ///
    /// # Errors
    ///
    /// `bad-request` that says what was expected, and at which line and column.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::bad_request(format!("the body is not the JSON that is expected: {error}")))
    }

    /// The first metadata value of this name. Names are lower case.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// Bytes with a content type.
    #[must_use]
    pub fn bytes(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), content_type: content_type.into(), metadata: Vec::new() }
    }

    /// Plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", body.into())
    }

    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// `internal` where the value has no JSON form, such as a map whose keys are not text.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Error::new("internal", format!("the answer has no JSON form: {error}")))?;
        Ok(Self::bytes("application/json", body))
    }

    /// The body as text: for tests of an agent.
    ///
    /// # Errors
    ///
    /// `unreadable-answer` where it is not UTF-8.
    pub fn body_text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|error| Error::new("unreadable-answer", error.to_string()))
    }

    /// The body as JSON: for tests of an agent.
    ///
    /// # Errors
    ///
    /// `unreadable-answer` where it is not that.
    #[cfg(feature = "json")]
    pub fn body_json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::new("unreadable-answer", error.to_string()))
    }

    /// The same, with one more metadata value: an `Insula-Meta-NAME` response header.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }
}

impl Error {
    /// An error with a stable word for programs, in kebab-case, and a sentence for people.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry_after_ms: None }
    }

    /// The request is wrong in itself: status 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new("bad-request", message)
    }

    /// What the request names is not there: status 404.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not-found", message)
    }

    /// The request does not fit what is there: status 409.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new("conflict", message)
    }

    /// The request is well formed, and cannot be done: status 422.
    #[must_use]
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new("unprocessable", message)
    }

    /// The same, where trying again after this many milliseconds may help.
    #[must_use]
    pub fn after(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }
}
