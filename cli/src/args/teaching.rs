//! Help that teaches: commands in groups, and examples for each of them.
//!
//! Examples are command lines that parse, which a test sees to; a command within another one shows those of its own.

use std::fmt::Write as _;

use anstyle::Style;
use clap::Command;

/// Commands as `insula --help` shows them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Write agents", &["new", "build", "test", "run", "dev", "check", "doctor"]),
    ("Use a host", &["login", "deploy", "invoke", "logs", "agent", "config", "storage", "cache", "usage", "limits"]),
    ("Operate a host", &["serve", "tenant", "tier", "key", "audit"]),
    ("Look around", &["demo", "completion"]),
];

/// Command lines, and what they do.
const EXAMPLES: [(&str, &str); 73] = [
    ("insula demo", "the tour; needs nothing, leaves nothing behind"),
    ("insula new greeter --lang rust", "a project in ./greeter"),
    ("insula new agents/greeter --lang python", "the same in Python, in another folder"),
    ("insula new greeter --lang js --typescript", "JavaScript with types"),
    ("insula new", "asks, on a terminal"),
    ("insula build", "the agent in this folder"),
    ("insula build agents/greeter --install", "installs its npm or Python packages first"),
    ("insula test", "all cases of the agent in this folder"),
    ("insula test agents/greeter --filter visit", "those with `visit` in their name"),
    ("insula test --update", "keeps the answers of calls that have `expect.snapshot`"),
    ("insula test --json", "for CI"),
    ("insula run . --input Ada", "one call of the agent in this folder"),
    ("insula run agents/greeter --input @visit.json --config greeting=Salve", "with a file and other configuration"),
    ("insula run agent.wasm --input - --limit memory-bytes=8MiB", "a component, standard input, less memory"),
    ("insula dev", "the agent in this folder, at http://127.0.0.1:7400"),
    ("insula dev agents/greeter agents/triage --tenant acme --tenant globex", "two agents, for two tenants"),
    ("insula dev --data ./dev-data", "keeps storage across runs"),
    ("insula dev --reload whole", "Rust as in production at each save, and later"),
    ("insula check target/wasm32-wasip2/release/agent.wasm", "what a host would make of it"),
    ("insula doctor", "what is missing here, and the command that gets it"),
    ("insula login --url http://127.0.0.1:7400 --key isk_TENANT", "keeps a tenant's key in the profile"),
    ("insula login --url https://insula.example.com --key -", "reads the key from standard input"),
    ("insula deploy", "builds the agent in this folder, and lets it answer"),
    ("insula deploy agent.wasm --agent greeter", "a component, with a name"),
    ("insula deploy --no-activate", "stores the version, and leaves the one before in place"),
    ("insula invoke greeter --input Ada", "text"),
    ("insula invoke greeter --input @visit.json --detail", "a file, with the host calls by kind"),
    ("insula invoke ledger --input @transfer.json --idempotency-key t-17", "safe to send again"),
    ("insula logs", "the latest lines of all agents"),
    ("insula logs greeter --follow", "goes on with new ones"),
    ("insula agent list", "all of the tenant's"),
    ("insula agent show greeter", "one of them"),
    ("insula agent versions greeter", "what was deployed of it"),
    ("insula agent activate greeter 3", "lets version 3 answer"),
    ("insula agent rollback greeter", "back to the one before"),
    ("insula agent limits greeter --limit fuel=500_000_000", "at most so much for one call of it"),
    ("insula agent delete greeter", "with all its versions; storage stays"),
    ("insula config get greeter", "all of it"),
    ("insula config set greeter greeting=Salve rules=@rules.toml", "values, one of them a file's text"),
    ("insula config set greeter --unset greeting", "takes one out"),
    ("insula storage list", "the buckets"),
    ("insula storage list visitors --prefix A", "keys of one"),
    ("insula storage get visitors Ada", "a value, as it is"),
    ("insula storage put visitors Ada --input @ada.json --ttl 3600s", "gone in an hour"),
    ("insula storage delete visitors Ada", "one key"),
    ("insula cache", "hits, misses, room"),
    ("insula cache clear regulars", "forgets a namespace"),
    ("insula usage", "by agent, version and day"),
    ("insula limits", "with where each comes from"),
    ("insula serve --data ./insula-data", "shows the operator's key, once"),
    ("insula serve --data /srv/insula --listen 0.0.0.0:7400 --log-format json", "in production"),
    ("insula tenant create acme --tier free", "shows its key, once"),
    ("insula tenant list", "all of them"),
    ("insula tenant show acme", "one, with its limits"),
    ("insula tenant set acme --limit cpu-us=5s", "a limit for it alone"),
    ("insula tenant suspend acme", "its keys open nothing"),
    ("insula tenant resume acme", "they do again"),
    ("insula tenant compact acme", "makes its storage file small"),
    ("insula tenant export acme --output acme.tar", "all that it keeps"),
    ("insula tenant import acme.tar --name acme-2", "a new tenant of that"),
    ("insula tenant erase acme", "for good; says what it found"),
    ("insula tier list", "all of them"),
    ("insula tier show free", "one, with its limits"),
    ("insula tier set trial --limit rate=50 --limit concurrency=4", "makes it, or changes it for all who have it"),
    ("insula tier delete trial", "where no tenant has it"),
    ("insula key create acme --label ci --permissions deploy", "a key that can deploy, and nothing else"),
    ("insula key list acme", "without their secrets"),
    ("insula key revoke acme key_01ARZ3NDEKTSV4RRFFQ69G5FAV", "from now on"),
    ("insula audit", "what operators did"),
    ("insula audit --tenant acme", "to one tenant"),
    ("insula completion bash > ~/.local/share/bash-completion/completions/insula", "bash"),
    ("insula completion zsh > ~/.zfunc/_insula", "zsh, with ~/.zfunc in fpath"),
    ("insula completion fish > ~/.config/fish/completions/insula.fish", "fish"),
];

/// The command line with its groups and its examples.
pub(crate) fn taught(command: Command) -> Command {
    let groups = groups(&command);
    let heading = Style::new().bold().underline();
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n{groups}\n{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    let names: Vec<_> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = command.help_template(template);
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |inner| with_examples(inner, &format!("insula {name}")))
    })
}

fn groups(command: &Command) -> String {
    let heading = Style::new().bold().underline();
    let bold = Style::new().bold();
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "\n{heading}{title}:{heading:#}");
        for inner in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {bold}{:<10}{bold:#}  {about}", inner.get_name());
        }
    }
    text
}

/// A command with those of the examples that begin with its line, and so on with the commands within it.
fn with_examples(command: Command, line: &str) -> Command {
    let inner: Vec<_> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = inner.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |within| with_examples(within, &format!("{line} {name}")))
    });
    let examples: Vec<_> = examples_of(line).collect();
    if examples.is_empty() {
        return command;
    }
    let heading = Style::new().bold().underline();
    let dim = Style::new().dimmed();
    let width = examples.iter().map(|(example, _)| example.len()).max().unwrap_or(0);
    let mut text = format!("{heading}Examples:{heading:#}");
    for (example, what) in examples {
        let _ = write!(text, "\n  {example:<width$}  {dim}{what}{dim:#}");
    }
    if let Some(more) = command.get_after_help() {
        let _ = write!(text, "\n\n{}", more.ansi());
    }
    command.after_help(text)
}

fn examples_of(line: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLES.into_iter().filter(move |(example, _)| {
        example.strip_prefix(line).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    /// Every command that can be typed, with its line.
    fn leaves(command: &Command, line: &str, found: &mut Vec<(String, Command)>) {
        let visible: Vec<_> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).collect();
        if visible.is_empty() {
            found.push((line.to_owned(), command.clone()));
        }
        for inner in visible {
            leaves(inner, &format!("{line} {}", inner.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_an_example_and_its_help_shows_it() {
        let mut all = Vec::new();
        leaves(&command(), "insula", &mut all);
        assert!(all.len() > 40, "{}", all.len());
        for (line, mut command) in all {
            let first = examples_of(&line).next().unwrap_or_else(|| panic!("`{line}` has no example"));
            let help = command.render_help().to_string();
            assert!(help.contains("Examples:") && help.contains(first.0), "{help}");
        }
    }

    #[test]
    fn every_example_is_a_command_line() {
        for (example, what) in EXAMPLES {
            // What stands behind `>` is the shell's.
            let line = example.split(" > ").next().unwrap();
            if let Err(error) = command().try_get_matches_from(line.split(' ')) {
                panic!("{example}: {error}");
            }
            assert!(!what.is_empty() && !what.ends_with('.'), "{example}: {what}");
        }
    }

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&inner.get_name())).count();
            assert_eq!(groups, 1, "`{}` is in {groups} groups of `insula --help`", inner.get_name());
        }
        let help = command.clone().render_help().to_string();
        assert!(help.contains("Write agents:\n  new         Begin"), "{help}");
        assert!(help.contains("--json") && help.contains("Exit codes"), "{help}");
    }
}
