//! Builds that cannot work say what is wrong, where, and what to do about it; and a build that has nothing to do does
//! nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;

use crate::harness::{Bystander, Desk, Finished, Host, agents};

const GOOD: &str = "import { agent } from \"insula-sdk\";\nexport default agent((request) => request.text());\n";

/// A project on a desk, with the tools of one that is built already.
fn project(desk: &Desk, manifest: &str, files: &[(&str, &str)], tools: &[&str]) -> PathBuf {
    let folder = desk.path("project");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("insula.toml"), manifest).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    for tool in tools {
        let target = agents::folder("tests/guests").join(tool);
        symlink(&target, folder.join(target.file_name().unwrap())).unwrap();
    }
    folder
}

fn javascript(desk: &Desk, source: &str) -> PathBuf {
    let files = [("package.json", "{\"type\": \"module\"}"), ("src/agent.js", source)];
    project(desk, "[agent]\nname = 'small'\nlanguage = 'js'\n", &files, &["typescript/node_modules"])
}

fn python(desk: &Desk, source: &str) -> PathBuf {
    let files = [("requirements.txt", "componentize-py\n"), ("src/agent.py", source)];
    project(desk, "[agent]\nname = 'small'\nlanguage = 'python'\n", &files, &["python/.venv"])
}

fn build(desk: &Desk, folder: &Path) -> Finished {
    desk.run(&["build", folder.to_str().unwrap()])
}

#[track_caller]
fn assert_refused(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
    for word in [&["error: ", "try: "], words].concat() {
        assert!(finished.stderr.contains(word), "{word:?} in {}", finished.stderr);
    }
}

#[test]
fn a_folder_without_a_manifest_or_of_a_wrong_language_says_so() {
    let desk = Desk::new();
    let folder = project(&desk, "", &[], &[]);
    fs::remove_file(folder.join("insula.toml")).unwrap();
    assert_refused(&build(&desk, &folder), &["is not an agent's folder", "insula.toml"]);
    let manifest = "[agent]\nname = 'small'\nlanguage = 'cobol'\n";
    assert_refused(&build(&desk, &project(&desk, manifest, &[], &[])), &["insula.toml:3: ", "cobol", "python"]);
    let manifest = "[agent]\nname = 'small'\nlanguage = 'js'\n[build]\nentry = 'src/agent.py'\n";
    assert_refused(&build(&desk, &project(&desk, manifest, &[], &[])), &["insula.toml:5: ", "src/agent.py"]);
}

#[test]
fn a_missing_toolchain_is_named_with_the_command_that_gets_it() {
    let desk = Desk::new();
    let nothing = desk.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let files = [("package.json", "{}"), ("src/agent.js", GOOD)];
    let folder = project(&desk, "[agent]\nname = 'small'\nlanguage = 'js'\n", &files, &[]);
    let bare = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.env("PATH", &nothing).env_remove("VIRTUAL_ENV");
        Desk::finish(command, b"")
    };
    let path = folder.to_str().unwrap();
    assert_refused(&bare(&["build", path]), &["node is missing", "not on the PATH", "apt-get install nodejs"]);
    assert_refused(&bare(&["build", path, "--install"]), &["node is missing"]);
    if agents::typescript().is_some() {
        let words = ["not all installed", "no esbuild, no componentize-qjs, no insula-sdk", "insula build --install "];
        assert_refused(&build(&desk, &folder), &words);
        fs::remove_file(folder.join("package.json")).unwrap();
        assert_refused(&build(&desk, &folder), &["has no package.json", "insula new"]);
    }
    let files = [("requirements.txt", "componentize-py\n"), ("src/agent.py", "")];
    let folder = project(&desk, "[agent]\nname = 'small'\nlanguage = 'python'\n", &files, &[]);
    let path = folder.to_str().unwrap();
    assert_refused(&bare(&["build", path]), &["python3 is missing", "apt-get install python3"]);
    if agents::python().is_some() {
        let mut command = desk.command(&["build", path]);
        command.env_remove("VIRTUAL_ENV");
        assert_refused(&Desk::finish(command, b""), &["no virtual environment", "insula build --install "]);
    }
}

#[test]
fn a_broken_source_is_shown_in_the_compilers_own_words() {
    let desk = Desk::new();
    if agents::typescript().is_some() {
        for (source, words) in [
            ("export default 1 +;\n", &["Unexpected \";\"", "src/agent.js:1:18"][..]),
            ("export const agent = 1;\n", &["No matching export", "import agent from \"./src/agent.js\""]),
            ("export default 1;\n", &["src/agent.js has no agent", "export default agent("]),
            ("import \"no-such-package\";\n", &["Could not resolve \"no-such-package\""]),
            ("throw new Error('at the start');\nexport default 1;\n", &["at the start"]),
            (
                "import { agent, storage } from 'insula-sdk';\nstorage.get('a', 'b');\nexport default agent(() => 1);\n",
                &["during a call only"],
            ),
        ] {
            assert_refused(
                &build(&desk, &javascript(&desk, source)),
                &[words, &["the build of `small` failed"]].concat(),
            );
        }
        let folder = javascript(&desk, GOOD);
        fs::remove_file(folder.join("src/agent.js")).unwrap();
        assert_refused(&build(&desk, &folder), &["has no src/agent.js", "`entry`"]);
    }
    if agents::python().is_some() {
        for (source, words) in [
            ("def agent(:\n", &["SyntaxError", "agent.py", "line 1"][..]),
            ("import no_such_module\n", &["No module named 'no_such_module'"]),
            ("x = 1\n", &["has 0 agents", "@agent"]),
        ] {
            assert_refused(&build(&desk, &python(&desk, source)), &[words, &["the build of `small` failed"]].concat());
        }
    }
}

#[test]
fn a_build_with_nothing_to_do_does_nothing_and_a_change_is_built() {
    if agents::typescript().is_none() {
        return;
    }
    let desk = Desk::new();
    let folder = javascript(&desk, GOOD);
    let component = folder.join("build/small.wasm");
    let built = || -> (SystemTime, Vec<u8>) {
        let finished = build(&desk, &folder).done();
        assert_eq!(finished.stdout.trim_end(), component.to_str().unwrap());
        (component.metadata().unwrap().modified().unwrap(), fs::read(&component).unwrap())
    };
    let first = built();
    assert_eq!(built(), first, "it was built again");
    fs::write(folder.join("src/agent.js"), GOOD.replace("request.text()", "\"changed\"")).unwrap();
    let second = built();
    assert!(second.0 > first.0 && second.1 != first.1);
    fs::write(&component, "broken").unwrap();
    assert!(built().1.len() > 1_000_000, "what is no longer what was built is built again");
    let answer = desk.run(&["run", folder.to_str().unwrap(), "--input", "x"]).done();
    assert_eq!(answer.stdout, "changed");
}

#[test]
fn a_component_of_the_wrong_target_or_over_the_cap_is_refused_with_its_reason() {
    let desk = Desk::new();
    let manifest =
        "[agent]\nname = 'small'\nlanguage = 'rust'\n[build]\ncommand = ['true']\ncomponent = 'small.wasm'\n";
    let folder = project(&desk, manifest, &[], &[]);
    fs::write(folder.join("small.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    assert_refused(&desk.run(&["build", folder.to_str().unwrap()]), &["core-module", "wasm32-wasip2"]);

    let host = Host::shared();
    let (tenant, neighbour) =
        (host.tenant_with("capped", &json!({ "component-bytes": 100_000 })), host.tenant("roomy"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let component = agents::triage();
    assert!(component.len() > 100_000, "the sample has shrunk below the cap of this test");
    fs::write(folder.join("small.wasm"), component).unwrap();
    let url = format!("http://{}", host.address);
    let deploy = |key: &str| desk.run(&["deploy", folder.to_str().unwrap(), "--url", &url, "--key", key]);
    assert_refused(&deploy(&tenant.key), &["was not deployed", "100000", "component-bytes"]);
    assert_eq!(tenant.get("/v1/agents/small").status, 404, "something of it was kept");
    deploy(&neighbour.key).done();
    bystander.assert_untouched();
}

#[test]
fn doctor_shows_what_is_here_and_fails_for_what_was_asked_for_and_is_missing() {
    let desk = Desk::new();
    let report = desk.run(&["doctor", "--json"]).done().json();
    let names: Vec<_> = report["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["rust", "js", "python", "serve"]);
    assert_eq!(report["groups"][0]["checks"][0]["name"], "rustc");
    let page = desk.run(&["doctor", "--lang", "rust"]).done();
    assert!(page.stdout.contains("wasm32-wasip2") && !page.stdout.contains("node"), "{page:?}");

    let nothing = desk.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let bare = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.env("PATH", &nothing).env_remove("VIRTUAL_ENV");
        Desk::finish(command, b"")
    };
    assert_eq!(bare(&["doctor"]).code, 0, "nothing was asked for by name");
    let lacking = bare(&["doctor", "--lang", "js", "--lang", "python"]);
    assert_eq!(lacking.code, 1, "{lacking:?}");
    for word in ["not on the PATH", "apt-get install nodejs", "apt-get install python3"] {
        assert!(lacking.stdout.contains(word), "{word:?} in {lacking:?}");
    }
    let json = bare(&["doctor", "--lang", "js", "--json"]);
    assert_eq!((json.code, &json.json()["ok"]), (1, &json!(false)), "{json:?}");

    if agents::typescript().is_some() {
        let folder = javascript(&desk, GOOD);
        let path = folder.to_str().unwrap();
        let page = desk.run(&["doctor", path]).done();
        assert!(page.stdout.contains("componentize-qjs") && page.stdout.contains("0.4.5"), "{page:?}");
        fs::remove_file(folder.join("node_modules")).unwrap();
        let page = desk.run(&["doctor", path]);
        assert!(page.code == 1 && page.stdout.contains("insula build --install "), "{page:?}");
    }
}
