//! How an agent is built: what `[build]` says, and what it need not say because the language says it.

use std::path::{Path, PathBuf};

use insula_runtime::AgentName;
use serde::Deserialize;
use toml::Spanned;

use crate::failure::Failure;
use crate::toml_text::TomlText;

use super::{Language, standard_watch};

/// A module of Python may not have the name of one that the build brings along.
const TAKEN_MODULES: [&str; 3] = ["insula_entry", "insula_sdk", "wit_world"];

/// How an agent's component comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// A command of the author's: a program and its arguments.
    Command { program: String, arguments: Vec<String> },
    /// esbuild, then an engine.
    JavaScript { entry: PathBuf, engine: Engine },
    /// componentize-py.
    Python { entry: PathBuf },
}

/// The JavaScript engine that goes into a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    /// Small, quick to build and to start.
    #[default]
    QuickJs,
    /// Large, with more of what browsers have.
    SpiderMonkey,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BuildTable {
    command: Option<Spanned<Vec<String>>>,
    component: Option<Spanned<PathBuf>>,
    entry: Option<Spanned<PathBuf>>,
    engine: Option<Spanned<Engine>>,
    #[serde(default = "standard_watch")]
    pub(super) watch: Vec<Spanned<PathBuf>>,
}

impl Default for BuildTable {
    fn default() -> Self {
        Self { command: None, component: None, entry: None, engine: None, watch: standard_watch() }
    }
}

impl BuildTable {
    /// The recipe, and where it leaves the component.
    pub(super) fn recipe(
        self,
        source: &TomlText<'_>,
        name: &AgentName,
        language: &Spanned<Language>,
    ) -> anyhow::Result<(Recipe, PathBuf)> {
        for path in self.component.iter().chain(&self.entry) {
            source.check_path(path)?;
        }
        let component = self.component.as_ref().map(|path| path.get_ref().clone());
        let standard = PathBuf::from("build").join(format!("{name}.wasm"));
        if let Some(command) = &self.command {
            self.check_unused(source, "a `command` says it all")?;
            let Some((program, arguments)) = command.get_ref().split_first() else {
                let advice = "name a program and its arguments, such as [\"cargo\", \"build\", \"--release\"]";
                return Err(source.failure(Some(command.span()), "the build command is empty", advice).into());
            };
            let Some(component) = component else {
                let advice = "name the file that the command writes, such as `component = \"build/agent.wasm\"`";
                return Err(missing(source, language, "component", advice));
            };
            return Ok((Recipe::Command { program: program.clone(), arguments: arguments.to_vec() }, component));
        }
        let recipe = match language.get_ref() {
            Language::Rust => {
                self.check_unused(source, "an agent in Rust has none")?;
                let advice = "name one, such as [\"cargo\", \"build\", \"--release\", \"--target\", \"wasm32-wasip2\"]";
                return Err(missing(source, language, "command", advice));
            }
            Language::Js => {
                let entry = self.entry(source, "src/agent.js", &["js", "mjs", "jsx", "ts", "mts", "tsx"])?;
                Recipe::JavaScript { entry, engine: self.engine.map(Spanned::into_inner).unwrap_or_default() }
            }
            Language::Python => {
                if let Some(engine) = &self.engine {
                    let advice = "take it out: Python has one";
                    return Err(source.failure(Some(engine.span()), "`engine` is for language js", advice).into());
                }
                let entry = self.entry(source, "src/agent.py", &["py"])?;
                self.check_module(source, &entry)?;
                Recipe::Python { entry }
            }
        };
        Ok((recipe, component.unwrap_or(standard)))
    }

    fn entry(&self, source: &TomlText<'_>, standard: &str, extensions: &[&str]) -> anyhow::Result<PathBuf> {
        let Some(entry) = &self.entry else { return Ok(PathBuf::from(standard)) };
        let extension = entry.get_ref().extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| extensions.contains(&extension)) {
            return Ok(entry.get_ref().clone());
        }
        let message = format!("`{}` is no source file of this language", entry.get_ref().display());
        let advice = format!("name the file that has the agent, such as {standard}; or correct `language`");
        Err(source.failure(Some(entry.span()), &message, &advice).into())
    }

    /// The entry's name becomes a module's.
    fn check_module(&self, source: &TomlText<'_>, entry: &Path) -> anyhow::Result<()> {
        let module = entry.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let identifier = module.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !module.starts_with(|first: char| first.is_ascii_digit());
        if identifier && !TAKEN_MODULES.contains(&module) {
            return Ok(());
        }
        let message = format!("`{module}` cannot be the name of the agent's module");
        let advice = "give the file a name of letters, digits and `_` that no other module has, such as agent.py";
        Err(source.failure(self.entry.as_ref().map(Spanned::span), &message, advice).into())
    }

    fn check_unused(&self, source: &TomlText<'_>, reason: &str) -> Result<(), Failure> {
        let entry = self.entry.as_ref().map(|entry| ("entry", entry.span()));
        let engine = self.engine.as_ref().map(|engine| ("engine", engine.span()));
        let Some((name, span)) = entry.or(engine) else { return Ok(()) };
        Err(source.failure(Some(span), &format!("`{name}` would change nothing: {reason}"), "take it out"))
    }
}

fn missing(source: &TomlText<'_>, language: &Spanned<Language>, field: &str, advice: &str) -> anyhow::Error {
    let message = format!("[build] has no `{field}`, which an agent of this language needs");
    source.failure(Some(language.span()), &message, advice).into()
}
