//! What a newcomer types, from nothing to an agent that answers on a host, in every language: `new`, `build`, the unit
//! tests, `test`, `dev` with an edit, `deploy`, `invoke`. With the real toolchains.

mod bad_cases;
mod clock;
mod samples;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Desk, Finished, Host, Tenant, Toolchain, agents};

/// What the languages differ in.
struct Language {
    /// What follows `insula new greeter`.
    flags: &'static [&'static str],
    /// The file that has the agent.
    source: &'static str,
    /// The unit tests, as a shell runs them in the project.
    unit_tests: &'static str,
    /// What must be here beside cargo.
    toolchain: Option<Toolchain>,
}

const RUST: Language = Language {
    flags: &["--lang", "rust"],
    source: "src/lib.rs",
    unit_tests: "cargo test --quiet --locked",
    toolchain: None,
};
const JAVASCRIPT: Language = Language {
    flags: &["--lang", "js"],
    source: "src/agent.js",
    unit_tests: "npm test",
    toolchain: Some(Toolchain::JavaScript),
};
const TYPESCRIPT: Language = Language {
    flags: &["--lang", "js", "--typescript"],
    source: "src/agent.ts",
    unit_tests: "npm test && npm run check",
    toolchain: Some(Toolchain::JavaScript),
};
const PYTHON: Language = Language {
    flags: &["--lang", "python"],
    source: "src/agent.py",
    unit_tests: ".venv/bin/python -m unittest discover tests",
    toolchain: Some(Toolchain::Python),
};

impl Language {
    /// Whether its toolchain is here; where it is not, that was said.
    fn is_here(&self) -> bool {
        self.toolchain.is_none_or(Toolchain::is_here)
    }
}

/// A project in a desk.
struct Project<'a> {
    desk: &'a Desk,
    folder: PathBuf,
}

impl Project<'_> {
    fn path(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// Runs a command of a shell in the project.
    fn shell(&self, line: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&self.folder);
        // What the cargo around this test left in the environment would build the project elsewhere.
        for name in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(name);
        }
        Desk::finish(command, b"").done();
    }

    /// Edits the agent as editors do.
    fn edit(&self, source: &str, from: &str, to: &str) {
        let path = self.folder.join(source);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{source} has no {from}");
        let beside = path.with_extension("swp");
        fs::write(&beside, text.replace(from, to)).unwrap();
        fs::rename(beside, path).unwrap();
    }
}

/// Lets a Rust project begin with what an earlier one has compiled: the packages are the same.
fn share_target(folder: &Path) {
    let shared = agents::folder("target/newcomer");
    fs::create_dir_all(&shared).unwrap();
    std::os::unix::fs::symlink(shared, folder.join("target")).unwrap();
}

fn greeting(finished: &Finished) -> String {
    finished.json()["body"]["greeting"].as_str().unwrap_or_else(|| panic!("{finished:?}")).to_owned()
}

fn from_nothing_to_an_answer(language: &Language) {
    if !language.is_here() {
        return;
    }
    let desk = Desk::new();
    let project = from_nothing_to_a_tested_project(&desk, language);
    develop(&project, language);
    deploy(&project);
}

/// `new`, `build`, the unit tests, `test`.
fn from_nothing_to_a_tested_project<'a>(desk: &'a Desk, language: &Language) -> Project<'a> {
    let made = desk.run(&[&["new", "greeter", "--json"], language.flags].concat()).done().json();
    let project = Project { desk, folder: desk.path("greeter") };
    assert_eq!((made["agent"].as_str(), made["folder"].as_str()), (Some("greeter"), Some("greeter")));
    for file in made["files"].as_array().unwrap() {
        assert!(project.folder.join(file.as_str().unwrap()).is_file(), "{file}");
    }
    let again = desk.run(&[&["new", "greeter"], language.flags].concat());
    assert!(again.code == 1 && again.stderr.contains("is there already"), "{again:?}");

    if language.source == RUST.source {
        share_target(&project.folder);
        desk.run(&["build", project.path()]).done();
    } else {
        let refused = desk.run(&["test", project.path()]);
        assert!(refused.code == 1 && refused.stderr.contains("insula build --install"), "{refused:?}");
        desk.run(&["build", project.path(), "--install"]).done();
    }
    project.shell(language.unit_tests);
    let tested = desk.run(&["test", project.path(), "--json"]).done().json();
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(2), &json!(0)), "{tested}");
    project
}

/// `dev`, a call, an edit, a call.
fn develop(project: &Project<'_>, language: &Language) {
    let process = project.desk.start(&["dev", project.path(), "--json", "--listen", "127.0.0.1:0"]);
    process.event("ready");
    process.event("deployed");
    let visit = |name: &str| {
        let input = json!({ "name": name }).to_string();
        greeting(&project.desk.run(&["invoke", "greeter", "--input", &input, "--json"]).done())
    };
    assert_eq!(visit("Ada"), "Hello, Ada!");
    assert_eq!(process.event("call")["status"], 200);
    project.edit(language.source, "{name}!", "{name}, once more!");
    let deployed = process.event("deployed");
    assert_eq!(deployed["number"], 2);
    assert_eq!(visit("Ada"), "Hello, Ada, once more!");
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// `deploy` and `invoke` on a host that others use as well.
fn deploy(project: &Project<'_>) {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("newcomer"), host.tenant("neighbour"));
    let theirs = br#"{"visits":41}"#;
    assert_eq!(neighbour.send("PUT", "/v1/storage/visitors/Ada", &[], Some(theirs)).status, 201);
    let url = format!("http://{}", host.address);
    let at = |tenant: &Tenant, arguments: &[&str]| -> Value {
        let connection = ["--url", &url, "--key", &tenant.key, "--json"];
        project.desk.run(&[arguments, &connection].concat()).done().json()
    };
    let deployed = at(&tenant, &["deploy", project.path()]);
    assert_eq!((deployed["agent"].as_str(), deployed["activated"].as_bool()), (Some("greeter"), Some(true)));
    let invoked = at(&tenant, &["invoke", "greeter", "--input", r#"{"name": "Ada"}"#]);
    assert_eq!((&invoked["body"]["visits"], &invoked["body"]["regulars"]), (&json!(1), &json!([])), "{invoked}");
    assert!(invoked["bill"]["fuel"].as_u64().unwrap() > 0, "{invoked}");
    assert_eq!(neighbour.get("/v1/storage/visitors/Ada").text().as_bytes(), theirs);
}

#[test]
fn in_rust_it_is_seven_commands_from_nothing_to_an_answer() {
    from_nothing_to_an_answer(&RUST);
}

#[test]
fn in_javascript_it_is_seven_commands_from_nothing_to_an_answer() {
    from_nothing_to_an_answer(&JAVASCRIPT);
}

#[test]
fn in_typescript_a_project_checks_its_types_and_passes_its_tests() {
    // From the component on it is as in JavaScript.
    if TYPESCRIPT.is_here() {
        from_nothing_to_a_tested_project(&Desk::new(), &TYPESCRIPT);
    }
}

#[test]
fn in_python_it_is_seven_commands_from_nothing_to_an_answer() {
    from_nothing_to_an_answer(&PYTHON);
}

#[test]
fn a_trap_names_the_file_and_the_line_of_the_authors_own_source() {
    const FUNCTION: &str = "/// Beyond the end of every name.\n#[inline(never)]\nfn sore_spot(name: &str) -> u8 {\n    name.as_bytes()[name.len()]\n}\n\n";
    let desk = Desk::new();
    desk.run(&["new", "greeter", "--lang", "rust"]).done();
    let project = Project { desk: &desk, folder: desk.path("greeter") };
    share_target(&project.folder);
    project.edit(RUST.source, "impl Agent for", &format!("{FUNCTION}impl Agent for"));
    project.edit(RUST.source, "if name.is_empty() {", "if name.is_empty() || sore_spot(name) == 0 {");
    // Where the function moves, the line moves with it.
    for moved in [0, 7] {
        let last = "const OFTEN: u64 = 3;";
        project.edit(RUST.source, last, &format!("{last}{}", "\n".repeat(moved)));
        let source = fs::read_to_string(project.folder.join(RUST.source)).unwrap();
        let line = 1 + source.lines().position(|line| line.contains("as_bytes()[")).unwrap();
        let ended = desk.run(&["run", project.path(), "--input", r#"{"name":"Ada"}"#]);
        let place = format!("src/lib.rs:{line}");
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains(&place) && ended.stderr.contains("sore_spot"), "no {place} in {ended:?}");
        assert!(!ended.stderr.contains("lib.rs:0"), "{ended:?}");
    }
}

#[test]
fn a_project_that_cannot_be_made_leaves_nothing_and_says_why() {
    let desk = Desk::new();
    let taken = desk.path("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(desk.path("file"), "").unwrap();
    for (arguments, code, words) in [
        (&["new", "taken", "--lang", "rust"][..], 1, &["taken is there already", "never writes over"][..]),
        (&["new", "file/greeter", "--lang", "rust"], 1, &["cannot make a project in file/greeter"]),
        (&["new", "/proc/greeter", "--lang", "rust"], 1, &["cannot make a project in /proc/greeter"]),
        (&["new", "My_Agent", "--lang", "rust"], 2, &["no name for an agent", "insula new my-agent"]),
        (&["new", "greeter", "--lang", "cobol"], 2, &["cobol", "rust, js, python"]),
        (&["new", "greeter", "--lang", "rust", "--typescript"], 2, &["--lang js"]),
        // There is no terminal to ask on.
        (&["new", "greeter"], 2, &["--lang rust, --lang js or --lang python"]),
        (&["new", "--lang", "rust"], 2, &["insula new greeter"]),
    ] {
        let finished = desk.run(arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (code, ""), "{arguments:?}: {finished:?}");
        for word in words {
            assert!(finished.stderr.contains(word), "{arguments:?}: {word:?} in {}", finished.stderr);
        }
    }
    let mut left: Vec<_> = fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["file", "taken"]);
    assert_eq!(fs::read_dir(taken).unwrap().count(), 0);
}

#[test]
fn a_shell_gets_its_completion() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&["completion", shell]).done().stdout;
        assert!(script.contains("insula") && script.contains("typescript"), "{shell}");
    }
    assert_eq!(desk.run(&["completion", "cobol"]).code, 2);
}
