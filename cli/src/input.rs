//! What is sent to an agent: text from the command line, a file, or standard input; and what kind of content it is.

use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use crate::failure::Explain;

/// Where the body of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The argument itself.
    Text(String),
    /// `@FILE`.
    File(PathBuf),
    /// `-`.
    Stdin,
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::Stdin,
            // `@@x` is the text `@x`.
            _ if text.starts_with("@@") => Self::Text(text.get(1..).unwrap_or_default().to_owned()),
            _ => match text.strip_prefix('@') {
                Some(path) => Self::File(PathBuf::from(path)),
                None => Self::Text(text.to_owned()),
            },
        })
    }
}

impl Input {
    /// The bytes.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => std::fs::read(path).explain(
                format_args!("cannot read the input file {}", path.display()),
                "give a file that exists as --input @FILE, or the input itself as --input TEXT",
            ),
            Self::Stdin => {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes).explain(
                    "cannot read standard input",
                    "pipe the input in, or give it as --input TEXT or --input @FILE",
                )?;
                Ok(bytes)
            }
        }
    }
}

/// What the bytes look like: JSON, text, or neither.
pub(crate) fn guess_content_type(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        "application/json"
    } else if std::str::from_utf8(body).is_ok() {
        "text/plain"
    } else {
        "application/octet-stream"
    }
}

/// Reads `NAME=VALUE`, for options that take pairs.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Input {
        let Ok(input) = text.parse();
        input
    }

    #[test]
    fn an_input_is_text_a_file_or_standard_input() {
        assert_eq!(parse("hello"), Input::Text("hello".into()));
        assert_eq!(parse(""), Input::Text(String::new()));
        assert_eq!(parse("@a/b.json"), Input::File("a/b.json".into()));
        assert_eq!(parse("-"), Input::Stdin);
        assert_eq!(parse("--"), Input::Text("--".into()));
        assert_eq!(parse("@@team"), Input::Text("@team".into()));
        assert_eq!(parse("{\"a\": \"@b\"}"), Input::Text("{\"a\": \"@b\"}".into()));
    }

    #[test]
    fn a_file_is_read_as_it_is_and_an_absent_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        std::fs::write(&path, b"\0\xff\n").unwrap();
        assert_eq!(Input::File(path).read().unwrap(), b"\0\xff\n");
        let error = Input::File(folder.path().join("absent")).read().unwrap_err();
        assert!(error.to_string().contains("absent"));
    }

    #[test]
    fn the_content_type_is_guessed_from_the_bytes() {
        assert_eq!(guess_content_type(b" {\"a\": [1]} "), "application/json");
        assert_eq!(guess_content_type(b"17"), "application/json");
        assert_eq!(guess_content_type(b"hello"), "text/plain");
        assert_eq!(guess_content_type(b"{\"a\": 1} trailing"), "text/plain");
        assert_eq!(guess_content_type(b""), "text/plain");
        assert_eq!(guess_content_type(b"\xff\xfe"), "application/octet-stream");
    }

    #[test]
    fn a_pair_has_a_name_and_any_value() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert_eq!(pair("a=").unwrap(), ("a".into(), String::new()));
        assert!(pair("=b").is_err() && pair("ab").is_err());
    }
}
