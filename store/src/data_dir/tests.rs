//! The data directory: whose it is, how many have it, and what it is left as.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_directory_is_the_hosts_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("nested/data");
    let data = DataDir::open(&path).unwrap();
    assert_eq!(data.path_for_people(), path);
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("secret")), 0o600);
    assert_eq!(mode(&path.join("tenants")), 0o700);
    assert_eq!(std::fs::read_to_string(path.join("FORMAT")).unwrap(), "insula data 1\n");
}

#[test]
fn a_directory_in_use_is_refused_and_says_by_whom() {
    let temporary = tempfile::tempdir().unwrap();
    let held = DataDir::open(temporary.path()).unwrap();
    match DataDir::open(temporary.path()) {
        Err(OpenDataDirError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    let lock = held.lock();
    drop(held);
    assert!(
        matches!(DataDir::open(temporary.path()), Err(OpenDataDirError::InUse { .. })),
        "a clone of the lock holds it"
    );
    drop(lock);
    DataDir::open(temporary.path()).unwrap();
}

#[test]
fn the_secret_stays_from_one_opening_to_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let (ours, theirs) = (temporary.path().join("ours"), temporary.path().join("theirs"));
    let first = *DataDir::open(&ours).unwrap().secret();
    assert_eq!(*DataDir::open(&ours).unwrap().secret(), first);
    assert_ne!(*DataDir::open(&theirs).unwrap().secret(), first);
}

#[test]
fn a_newer_format_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    drop(DataDir::open(temporary.path()).unwrap());
    std::fs::write(temporary.path().join("FORMAT"), "insula data 2\n").unwrap();
    let refused = DataDir::open(temporary.path());
    assert!(matches!(refused, Err(OpenDataDirError::NewerFormat { found: 2, known: 1, .. })), "{refused:?}");
}

#[test]
fn a_directory_that_is_not_ours_is_refused_and_left_as_it_was() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("thesis.tex"), "important").unwrap();
    assert!(matches!(DataDir::open(temporary.path()), Err(OpenDataDirError::NotOurs { .. })));
    let names: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.tex"]);

    let strange = tempfile::tempdir().unwrap();
    for format in [&b"insula data one\n"[..], b"\xff\xfe", b"insula data 0\n", b""] {
        std::fs::write(strange.path().join("FORMAT"), format).unwrap();
        assert!(matches!(DataDir::open(strange.path()), Err(OpenDataDirError::NotOurs { .. })), "{format:?}");
    }
}

#[test]
fn an_interrupted_first_start_is_finished_by_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    for left in ["LOCK", "secret.new", "FORMAT.new"] {
        std::fs::write(temporary.path().join(left), "").unwrap();
    }
    DataDir::open(temporary.path()).unwrap();
}

#[test]
fn a_secret_that_is_gone_or_cut_is_an_error_and_not_a_new_secret() {
    let temporary = tempfile::tempdir().unwrap();
    drop(DataDir::open(temporary.path()).unwrap());
    std::fs::write(temporary.path().join("secret"), "short").unwrap();
    assert!(matches!(DataDir::open(temporary.path()), Err(OpenDataDirError::Io { .. })));
    std::fs::remove_file(temporary.path().join("secret")).unwrap();
    assert!(matches!(DataDir::open(temporary.path()), Err(OpenDataDirError::Io { .. })));
}
