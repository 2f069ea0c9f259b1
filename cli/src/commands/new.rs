//! `insula new`: a project to begin with, in one of the languages. Never overwrites, and leaves nothing half-written.

mod project;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use insula_runtime::AgentName;
use serde_json::json;

use crate::failure::Failure;
use crate::terminal::{self, Terminal, bold, dim, mark};

use project::Template;

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A project has an agent that uses storage, cache, log and configuration, unit tests, cases for `insula test`, \
                  and the SDK and the contract in vendor/. Nothing that is there is written over."
)]
pub(crate) struct Args {
    /// The agent's name, or a path that ends in it; asked for on a terminal
    #[arg(value_name = "NAME")]
    name: Option<PathBuf>,
    /// The language; asked for on a terminal
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<Lang>,
    /// JavaScript with types
    #[arg(long)]
    typescript: bool,
}

/// Languages, as they are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    Rust,
    #[value(alias = "javascript")]
    Js,
    Python,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let asks = terminal.can_ask();
    // What is wrong with a name is told before anything else is asked.
    let given = args.name.as_deref().map(Place::read).transpose()?;
    if args.typescript && args.lang.is_some_and(|lang| lang != Lang::Js) {
        return Err(Failure::usage("`--typescript` goes with `--lang js`").advise("leave one of the two out").into());
    }
    let place = match given {
        Some(place) => place,
        None if asks => ask_name(terminal)?,
        None => {
            return Err(Failure::usage("the name is not said, and there is no terminal to ask on")
                .advise("give one, such as `insula new greeter --lang rust`")
                .into());
        }
    };
    let template = match (args.lang, args.typescript) {
        (_, true) => Template::TypeScript,
        (Some(Lang::Rust), false) => Template::Rust,
        (Some(Lang::Js), false) => Template::JavaScript,
        (Some(Lang::Python), false) => Template::Python,
        (None, false) if asks => ask_language(terminal)?,
        (None, false) => {
            return Err(Failure::usage("the language is not said, and there is no terminal to ask on")
                .advise("add --lang rust, --lang js or --lang python")
                .into());
        }
    };
    let files = project::write(&place.folder, place.name.as_str(), template)?;
    if terminal.is_json() {
        terminal.json(&json!({
            "agent": place.name, "language": template.language(), "folder": place.folder, "files": files,
        }));
    } else {
        show(&place, template, terminal);
    }
    Ok(())
}

/// Where the project goes, and what its agent is called.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    name: AgentName,
}

impl Place {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let last = path.file_name().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
        let name = last.parse::<AgentName>().map_err(|error| {
            let failure = Failure::usage(format_args!("`{}` is no name for an agent", path.display()))
                .because(error)
                .advise("use a lower case letter, then up to 62 lower case letters, digits and `-`");
            match suggestion(&last) {
                Some(better) => failure.advise(format_args!("such as `insula new {better}`")),
                None => failure,
            }
        })?;
        let place = Self { folder: path.to_owned(), name };
        project::check_free(&place.folder)?;
        Ok(place)
    }
}

/// The nearest thing that is a name.
fn suggestion(text: &str) -> Option<String> {
    let kept = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(kept).collect();
    let text: String = text.trim_matches('-').chars().take(63).collect();
    text.parse::<AgentName>().ok().map(|name| name.to_string())
}

fn ask_name(terminal: &Terminal) -> anyhow::Result<Place> {
    loop {
        let answer = terminal.ask_line("Name of the agent", "my-agent")?;
        match Place::read(Path::new(answer.trim())) {
            Ok(place) => return Ok(place),
            Err(error) => terminal.fail(&error),
        }
    }
}

fn ask_language(terminal: &Terminal) -> anyhow::Result<Template> {
    let labels = Template::ALL.map(Template::label);
    let chosen = terminal.choose("Language", &labels)?;
    Ok(Template::ALL.get(chosen).copied().unwrap_or(Template::Rust))
}

fn show(place: &Place, template: Template, terminal: &Terminal) {
    let folder = place.folder.display();
    let what = format!("a {} agent in {folder}", template.label());
    terminal.say(format_args!("{} {} {}", mark(true), bold(&place.name), dim(what)));
    terminal.note("");
    let install = "install the tools that it is built with, and build".to_owned();
    let install = (template != Template::Rust).then(|| ("insula build --install".to_owned(), install));
    let mut steps = vec![(format!("cd {folder}"), String::new())];
    steps.extend(install);
    steps.extend(
        [
            ("insula test", "build it, and run its cases on the real host"),
            ("insula run . --input '{\"name\": \"Ada\"}'", "call it once"),
            ("insula dev", "serve it here; rebuild and redeploy on save"),
            ("insula deploy", "put it on the host that you logged in to"),
        ]
        .map(|(command, what)| (command.to_owned(), what.to_owned())),
    );
    terminal.note_all(&terminal::steps(steps));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_gets_a_better_one() {
        assert_eq!(suggestion("My Agent!").as_deref(), Some("my-agent"));
        assert_eq!(suggestion("Straße_7").as_deref(), Some("stra-e-7"));
        assert_eq!(suggestion("7up"), None);
        let error = Place::read(Path::new("x/My_Agent")).unwrap_err();
        let read = Failure::read(&error);
        assert!(read.is_usage() && read.advice().iter().any(|advice| advice.contains("my-agent")), "{read:?}");
    }

    #[test]
    fn a_path_ends_in_the_name() {
        let place = Place::read(Path::new("some/where/greeter")).unwrap();
        assert_eq!((place.name.as_str(), place.folder.as_path()), ("greeter", Path::new("some/where/greeter")));
        for bad in ["..", "/", "", "a b"] {
            assert!(Place::read(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
