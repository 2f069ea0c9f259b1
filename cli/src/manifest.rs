//! `insula.toml`: what an agent's folder says about itself. Unknown fields are errors, and every error has its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use insula_runtime::AgentName;
use serde::Deserialize;
use toml::Spanned;

use crate::failure::Explain;
use crate::limits::{self, ByName};
use crate::toml_text::TomlText;

mod recipe;

pub(crate) use recipe::{Engine, Recipe};

/// The file's name.
pub(crate) const FILE: &str = "insula.toml";

/// What the agent is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Language {
    Rust,
    Js,
    Python,
}

/// Capabilities that the agent says it needs. `None`: it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Capabilities {
    pub(crate) storage: Option<bool>,
    pub(crate) cache: Option<bool>,
}

/// A checked manifest. Paths are relative to the agent's folder.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// What `deploy` calls it.
    pub(crate) name: AgentName,
    pub(crate) language: Language,
    /// How it is built.
    pub(crate) recipe: Recipe,
    /// Where the build leaves the component.
    pub(crate) component: PathBuf,
    /// What `dev` watches.
    pub(crate) watch: Vec<PathBuf>,
    /// Defaults of the agent's configuration.
    pub(crate) config: BTreeMap<String, String>,
    /// Limits of its own, below the tenant's.
    pub(crate) limits: ByName,
    pub(crate) capabilities: Capabilities,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    agent: AgentTable,
    #[serde(default)]
    build: recipe::BuildTable,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    limits: BTreeMap<Spanned<String>, Spanned<u64>>,
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AgentTable {
    name: Spanned<String>,
    language: Spanned<Language>,
}

fn standard_watch() -> Vec<Spanned<PathBuf>> {
    ["src", FILE].map(|path| Spanned::new(0..0, PathBuf::from(path))).into()
}

impl Manifest {
    /// Reads the manifest of the agent in this folder.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display())).explain(
            format_args!("{} is not an agent's folder", folder.display()),
            format_args!("give a folder that has an {FILE}, or a component as FILE.wasm"),
        )?;
        Self::parse(&text, &path)
    }

    /// Reads a manifest; `path` is for messages.
    pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let source = TomlText { text, path };
        let file: File = source.read("correct the line; sample-agents/triage/insula.toml shows every field")?;
        let name = file.agent.name.get_ref().parse().map_err(|error| {
            let advice = "use a lower case letter, then up to 62 lower case letters, digits and `-`";
            source.failure(Some(file.agent.name.span()), &format!("the agent's name is invalid: {error}"), advice)
        })?;
        let watch = file.build.watch.clone();
        for path in &watch {
            source.check_path(path)?;
        }
        let (recipe, component) = file.build.recipe(&source, &name, &file.agent.language)?;
        Ok(Self {
            name,
            language: *file.agent.language.get_ref(),
            recipe,
            component,
            watch: watch.into_iter().map(Spanned::into_inner).collect(),
            config: file.config,
            limits: source.limits(file.limits)?,
            capabilities: file.capabilities,
        })
    }
}

impl TomlText<'_> {
    fn check_path(&self, path: &Spanned<PathBuf>) -> anyhow::Result<()> {
        let inner = path.get_ref();
        if !inner.as_os_str().is_empty() && inner.is_relative() {
            return Ok(());
        }
        let message = format!("`{}` is not a path from the agent's folder", inner.display());
        Err(self.failure(Some(path.span()), &message, "write it as it is seen from the folder of insula.toml").into())
    }

    fn limits(&self, table: BTreeMap<Spanned<String>, Spanned<u64>>) -> anyhow::Result<ByName> {
        let mut checked = ByName::new();
        for (name, value) in table {
            if !limits::is_known(name.get_ref()) {
                let advice = format!("the limits are {}", limits::names());
                let message = format!("`{}` is no limit", name.get_ref());
                return Err(self.failure(Some(name.span()), &message, &advice).into());
            }
            if !limits::is_of_agent(name.get_ref()) {
                let advice = "take it out: the operator sets it with `insula tenant set`";
                return Err(self.failure(Some(name.span()), &limits::not_of_agent(name.get_ref()), advice).into());
            }
            checked.insert(name.into_inner(), value.into_inner());
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[agent]
name = "triage"
language = "rust"

[build]
command = ["cargo", "build", "--release"]
component = "target/wasm32-wasip2/release/triage.wasm"
watch = ["src", "rules.toml"]

[config]
greeting = "hello"

[limits]
fuel = 500_000_000

[capabilities]
storage = true
"#;

    fn parse(text: &str) -> anyhow::Result<Manifest> {
        Manifest::parse(text, Path::new("agent/insula.toml"))
    }

    fn error_of(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_says_how_an_agent_is_built_and_what_it_needs() {
        let manifest = parse(GOOD).unwrap();
        assert_eq!(manifest.name.to_string(), "triage");
        let arguments = ["build", "--release"].map(str::to_owned).into();
        assert_eq!(manifest.recipe, Recipe::Command { program: "cargo".into(), arguments });
        assert_eq!(manifest.watch, [PathBuf::from("src"), PathBuf::from("rules.toml")]);
        assert_eq!(manifest.config.get("greeting").map(String::as_str), Some("hello"));
        assert_eq!(manifest.limits.get("fuel"), Some(&500_000_000));
        assert_eq!(manifest.capabilities, Capabilities { storage: Some(true), cache: None });
    }

    #[test]
    fn javascript_and_python_need_no_command() {
        let text = "[agent]\nname = 'faq'\nlanguage = 'js'\n[build]\nentry = 'src/agent.ts'\nengine = 'spidermonkey'\n";
        let manifest = parse(text).unwrap();
        let entry = PathBuf::from("src/agent.ts");
        assert_eq!(manifest.recipe, Recipe::JavaScript { entry, engine: Engine::SpiderMonkey });
        assert_eq!(manifest.component, PathBuf::from("build/faq.wasm"));
        let manifest = parse("[agent]\nname = 'faq'\nlanguage = 'python'\n").unwrap();
        assert_eq!(manifest.recipe, Recipe::Python { entry: PathBuf::from("src/agent.py") });
        assert_eq!(manifest.component, PathBuf::from("build/faq.wasm"));
        assert!(manifest.watch.contains(&PathBuf::from("src")));
    }

    #[test]
    fn a_recipe_that_does_not_fit_its_language_is_an_error_with_its_line() {
        for (language, build, line, named) in [
            ("rust", "component = 'a.wasm'", 3, "command"),
            ("rust", "command = ['cargo']", 3, "component"),
            ("rust", "entry = 'src/agent.js'", 5, "entry"),
            ("python", "engine = 'quickjs'", 5, "engine"),
            ("js", "engine = 'v8'", 5, "v8"),
            ("js", "entry = 'src/agent.py'", 5, "src/agent.py"),
            ("js", "entry = '/src/agent.js'", 5, "/src/agent.js"),
            ("python", "entry = 'src/my-agent.py'", 5, "my-agent"),
            ("python", "entry = 'src/wit_world.py'", 5, "wit_world"),
            ("js", "command = ['make']\nentry = 'src/agent.js'\ncomponent = 'a.wasm'", 6, "entry"),
        ] {
            let text = format!("[agent]\nname = 'a'\nlanguage = '{language}'\n[build]\n{build}\n");
            let error = error_of(&text);
            assert!(error.starts_with(&format!("agent/insula.toml:{line}: ")), "{build}: {error}");
            assert!(error.contains(named), "{build}: {error}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error_with_its_line() {
        let error = error_of(&GOOD.replace("watch =", "wach ="));
        assert!(error.starts_with("agent/insula.toml:9: ") && error.contains("wach"), "{error}");
        let error = error_of(&GOOD.replace("[config]", "[confg]"));
        assert!(error.contains("confg"), "{error}");
        let error = error_of(&GOOD.replace("storage = true", "network = true"));
        assert!(error.starts_with("agent/insula.toml:18: ") && error.contains("network"), "{error}");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = error_of(&GOOD.replace("name = \"triage\"", ""));
        assert!(error.contains("`name`"), "{error}");
        assert!(error_of("").contains("agent"));
    }

    #[test]
    fn broken_syntax_is_an_error_with_its_line() {
        let error = error_of(&GOOD.replace("language = \"rust\"", "language = rust"));
        assert!(error.starts_with("agent/insula.toml:4: "), "{error}");
    }

    #[test]
    fn names_commands_paths_and_limits_are_checked_where_they_stand() {
        for (good, bad, line) in [
            ("\"triage\"", "\"Triage!\"", 3),
            ("\"rust\"", "\"cobol\"", 4),
            ("[\"cargo\", \"build\", \"--release\"]", "[]", 7),
            ("target/wasm32-wasip2/release/triage.wasm", "/tmp/triage.wasm", 8),
            ("\"src\"", "\"\"", 9),
            ("fuel =", "petrol =", 15),
            ("fuel =", "storage-bytes =", 15),
            ("500_000_000", "\"much\"", 15),
        ] {
            let error = error_of(&GOOD.replacen(good, bad, 1));
            assert!(error.starts_with(&format!("agent/insula.toml:{line}: ")), "{bad}: {error}");
        }
    }

    #[test]
    fn a_folder_without_a_manifest_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not an agent's folder"));
    }
}
