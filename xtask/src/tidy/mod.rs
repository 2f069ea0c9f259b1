//! Tidy: the rules of the house that no compiler and no linter knows, as pure checks over the tree's text.
//!
//! Each file holds the checks of one kind. A check takes the tree and adds findings; it reads no file and starts no
//! program. The rules are in ARCHITECTURE.md, and each finding says what to do.

mod arrows;
mod finding;
mod limits;
mod papers;
mod rooms;
mod rust;
mod sources;
mod state;
mod tree;
mod wit;

pub use finding::Finding;
use finding::Findings;
pub use tree::Tree;

/// Every check.
const CHECKS: &[fn(&Tree, &mut Findings)] = &[
    sources::headers,
    sources::lengths,
    sources::attributes,
    sources::unfinished,
    sources::unsafe_code,
    rooms::host_api_names_no_owner,
    rooms::only_cli_reads_env_or_prints,
    rooms::only_store_opens_files,
    rooms::one_module_dials_out,
    state::guests_hold_no_handle_across_tenants,
    arrows::dependencies,
    arrows::lints,
    wit::functions_are_documented,
    wit::every_function_is_charged,
    papers::decisions,
    papers::specification,
    papers::attacks,
    limits::of_tenants,
    limits::constants,
    limits::settings,
];

/// What is wrong with the tree, in the order of paths.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Findings::default();
    for check in CHECKS {
        check(tree, &mut findings);
    }
    findings.sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::read(&crate::root()).unwrap();
        let faults: Vec<String> =
            check(&tree).iter().filter(|finding| finding.is_fault()).map(ToString::to_string).collect();
        assert!(faults.is_empty(), "the tree is not tidy:\n{}", faults.join("\n"));
    }
}
