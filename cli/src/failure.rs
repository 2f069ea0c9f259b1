//! Errors for people: what failed, why, and what to do next.
//!
//! A [`Failure`] is the error that commands return through `anyhow`. Contexts put on top of it become the "what", and
//! what it said itself becomes the first "because".

use std::fmt::{self, Display};

/// What failed, why, and what to do next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    what: String,
    because: Vec<String>,
    advice: Vec<String>,
    usage: bool,
}

impl Failure {
    pub(crate) fn new(what: impl Display) -> Self {
        Self { what: what.to_string(), ..Self::default() }
    }

    /// A command that was put together wrongly: exit code 2.
    pub(crate) fn usage(what: impl Display) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// The same as wrong usage: exit code 2.
    pub(crate) fn into_usage(self) -> Self {
        Self { usage: true, ..self }
    }

    /// What an error means for the reader: it becomes the reason why `what` failed, and `advice` is added to the advice
    /// that it carries.
    pub(crate) fn explaining(error: impl Into<anyhow::Error>, what: impl Display, advice: impl Display) -> Self {
        let below = Self::read(&error.into());
        let mut failure = Self::new(what).because(&below.what);
        failure.because.extend(below.because);
        failure.advice = below.advice;
        failure.usage = below.usage;
        failure.advise(advice)
    }

    /// A reason. May have several lines.
    pub(crate) fn because(mut self, reason: impl Display) -> Self {
        self.because.push(reason.to_string());
        self
    }

    /// Something to do about it.
    pub(crate) fn advise(mut self, advice: impl Display) -> Self {
        self.advice.push(advice.to_string());
        self
    }

    /// The failure that an error amounts to: contexts and causes in order, with the advice that was given below.
    pub(crate) fn read(error: &anyhow::Error) -> Self {
        let inner = error.downcast_ref::<Self>();
        let mut texts: Vec<String> = Vec::new();
        for cause in error.chain() {
            let text = cause.to_string();
            // Some libraries repeat their cause in their own text.
            if !texts.last().is_some_and(|last| last.ends_with(&text)) {
                texts.push(text);
            }
        }
        let mut texts = texts.into_iter();
        let mut read = Self::new(texts.next().unwrap_or_default());
        read.because.extend(texts);
        if let Some(inner) = inner {
            read.because.extend(inner.because.iter().cloned());
            read.advice.clone_from(&inner.advice);
            read.usage = inner.usage;
        }
        read
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn reasons(&self) -> &[String] {
        &self.because
    }

    pub(crate) fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Whether the command was put together wrongly.
    pub(crate) fn is_usage(&self) -> bool {
        self.usage
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Says what an error means for the reader.
pub(crate) trait Explain<T> {
    /// See [`Failure::explaining`].
    fn explain(self, what: impl Display, advice: impl Display) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Explain<T> for Result<T, E> {
    fn explain(self, what: impl Display, advice: impl Display) -> anyhow::Result<T> {
        self.map_err(|error| Failure::explaining(error, what, advice).into())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn refused() -> Failure {
        Failure::new("the host refused").because("over the limit").advise("ask for less")
    }

    #[test]
    fn contexts_go_on_top_and_advice_stays() {
        let error = Err::<(), _>(refused()).context("cannot deploy").unwrap_err();
        let read = Failure::read(&error);
        assert_eq!(read.what(), "cannot deploy");
        assert_eq!(read.reasons(), ["the host refused", "over the limit"]);
        assert_eq!(read.advice(), ["ask for less"]);
    }

    #[test]
    fn an_explanation_keeps_what_it_explains() {
        let error = Err::<(), _>(refused()).explain("cannot deploy", "or try later").unwrap_err();
        let read = Failure::read(&error);
        assert_eq!(read.reasons(), ["the host refused", "over the limit"]);
        assert_eq!(read.advice(), ["ask for less", "or try later"]);
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_said_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write: disk full").context("cannot log in");
        assert_eq!(Failure::read(&error).reasons(), ["cannot write: disk full"]);
    }

    #[test]
    fn wrong_usage_stays_wrong_usage_under_contexts() {
        let error = Err::<(), _>(Failure::usage("no such limit")).context("cannot set").unwrap_err();
        assert!(Failure::read(&error).is_usage());
    }
}
