//! The shelf: what is staged, kept, checked, forged and removed, with two tenants.

use std::io::Read;
use std::path::PathBuf;

use super::*;
use crate::testing::World;

const ENGINE: &str = "wasmtime 48.0.8 x86_64";

fn upload(shelf: &Shelf, bytes: &[u8]) -> Digest {
    let mut staging = shelf.stage(1 << 20).unwrap();
    bytes.chunks(3).for_each(|chunk| staging.write(chunk).unwrap());
    assert_eq!(staging.length(), bytes.len() as u64);
    shelf.keep_component(staging).unwrap()
}

fn compile(shelf: &Shelf, digest: &Digest, engine: &str, machine_code: &[u8]) {
    let staged = shelf.new_artefact().unwrap();
    staged.file().try_clone().unwrap().write_all(machine_code).unwrap();
    shelf.keep_artefact(staged, digest, engine).unwrap();
}

fn content(artefact: &VerifiedArtefact) -> Vec<u8> {
    let bytes = std::fs::read(artefact.path()).unwrap();
    assert_eq!(artefact.length(), bytes.len() as u64);
    bytes
}

use std::io::Write;

/// The one file of a section whose name ends so.
fn file(home: &std::path::Path, section: &str, suffix: &str) -> PathBuf {
    let paths = std::fs::read_dir(home.join(section)).unwrap().map(|entry| entry.unwrap().path());
    let mut found = paths.filter(|path| path.to_str().unwrap().ends_with(suffix));
    let one = found.next().unwrap();
    assert!(found.next().is_none());
    one
}

#[tokio::test]
async fn a_component_comes_back_by_its_digest_to_its_own_tenant() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).shelf(), world.enter(&world.b).shelf());
    let digest = upload(&a, b"component of a");
    assert_eq!(digest, Digest::from_bytes(Sha256::digest(b"component of a").into()));
    assert_eq!(upload(&a, b"component of a"), digest, "keeping the same again is no error");
    let mut bytes = Vec::new();
    a.component(&digest).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"component of a");
    assert!(b.component(&digest).unwrap().is_none());
    assert_eq!((a.counts().unwrap(), b.counts().unwrap()), ((1, 0), (0, 0)));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn an_upload_ends_at_its_limit_and_leaves_nothing_when_dropped() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let staging_dir = world.home(world.a.tenant()).join("staging");
    let mut staging = a.stage(10).unwrap();
    staging.write(&[0; 10]).unwrap();
    assert!(matches!(staging.write(&[0]), Err(ShelfError::TooLarge { limit: 10 })));
    assert_eq!(std::fs::read_dir(&staging_dir).unwrap().count(), 1);
    drop(staging);
    assert_eq!(std::fs::read_dir(&staging_dir).unwrap().count(), 0);
    assert_eq!(a.counts().unwrap(), (0, 0));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_an_earlier_process_left_unfinished_is_swept_away() {
    let world = World::start().await;
    let staging_dir = world.home(world.a.tenant()).join("staging");
    std::fs::create_dir_all(&staging_dir).unwrap();
    std::fs::write(staging_dir.join("left"), "behind").unwrap();
    let a = world.enter(&world.a).shelf();
    let first = a.stage(10).unwrap();
    let second = a.stage(10).unwrap();
    assert_eq!(std::fs::read_dir(&staging_dir).unwrap().count(), 2);
    drop((first, second));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_component_whose_bytes_changed_is_not_handed_out() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let digest = upload(&a, b"component");
    std::fs::write(file(&world.home(world.a.tenant()), "components", ".wasm"), b"Component").unwrap();
    assert!(matches!(a.component(&digest), Err(ShelfError::NotAuthentic)));
    assert_eq!(upload(&a, b"component"), digest);
    assert!(a.component(&digest).unwrap().is_some(), "uploading it again heals it");
}

#[tokio::test]
async fn an_artefact_comes_back_for_its_own_digest_and_engine() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let digest = upload(&a, b"component");
    assert!(a.artefact(&digest, ENGINE).unwrap().is_none());
    compile(&a, &digest, ENGINE, b"machine code");
    assert_eq!(content(&a.artefact(&digest, ENGINE).unwrap().unwrap()), b"machine code");
    assert!(a.artefact(&digest, "wasmtime 49").unwrap().is_none());
    compile(&a, &digest, ENGINE, b"other machine code");
    assert_eq!(content(&a.artefact(&digest, ENGINE).unwrap().unwrap()), b"other machine code");
    assert_eq!(a.counts().unwrap(), (1, 1));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn an_artefact_with_one_bit_changed_is_refused_and_left() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let digest = upload(&a, b"component");
    let machine_code = vec![0x5a; CHUNK + 100];
    for suffix in [".cwasm", ".mac"] {
        for at in [0, 31, machine_code.len() - 1] {
            compile(&a, &digest, ENGINE, &machine_code);
            let path = file(&world.home(world.a.tenant()), "artefacts", suffix);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(a.artefact(&digest, ENGINE), Err(ShelfError::NotAuthentic)), "{suffix} {at}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left for inspection");
        }
    }
    compile(&a, &digest, ENGINE, &machine_code);
    let path = file(&world.home(world.a.tenant()), "artefacts", ".mac");
    for code in [&b""[..], &[0; 31], &[0; 33]] {
        std::fs::write(&path, code).unwrap();
        assert!(matches!(a.artefact(&digest, ENGINE), Err(ShelfError::NotAuthentic)));
    }
}

#[tokio::test]
async fn an_artefact_of_another_tenant_digest_or_engine_is_refused() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).shelf(), world.enter(&world.b).shelf());
    let (ours, other) = (upload(&a, b"component"), upload(&a, b"another"));
    assert_eq!(upload(&b, b"component"), ours);
    compile(&a, &ours, ENGINE, b"machine code of a");
    let (from, to) = (world.home(world.a.tenant()).join("artefacts"), world.home(world.b.tenant()).join("artefacts"));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        let as_other = name.replace(&ours.hex(), &other.hex());
        std::fs::copy(from.join(&name), from.join(as_other)).unwrap();
        let newer = &blake3::hash(b"newer").to_hex()[..32];
        let as_newer = name.replace(&blake3::hash(ENGINE.as_bytes()).to_hex()[..32], newer);
        std::fs::copy(from.join(&name), from.join(as_newer)).unwrap();
    }
    assert!(matches!(b.artefact(&ours, ENGINE), Err(ShelfError::NotAuthentic)), "another tenant's");
    assert!(matches!(a.artefact(&other, ENGINE), Err(ShelfError::NotAuthentic)), "another component's");
    assert!(matches!(a.artefact(&ours, "newer"), Err(ShelfError::NotAuthentic)), "another engine's");
    assert!(a.artefact(&ours, ENGINE).unwrap().is_some());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_worker_that_writes_on_after_the_end_changes_nothing() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let digest = upload(&a, b"component");
    let staged = a.new_artefact().unwrap();
    let mut worker = staged.file().try_clone().unwrap();
    worker.write_all(b"machine code").unwrap();
    a.keep_artefact(staged, &digest, ENGINE).unwrap();
    worker.rewind().unwrap();
    worker.write_all(b"evil").unwrap();
    assert_eq!(content(&a.artefact(&digest, ENGINE).unwrap().unwrap()), b"machine code");
}

#[tokio::test]
async fn an_artefact_without_its_code_is_absent() {
    let world = World::start().await;
    let a = world.enter(&world.a).shelf();
    let digest = upload(&a, b"component");
    compile(&a, &digest, ENGINE, b"machine code");
    std::fs::remove_file(file(&world.home(world.a.tenant()), "artefacts", ".mac")).unwrap();
    assert!(a.artefact(&digest, ENGINE).unwrap().is_none());
}

#[tokio::test]
async fn the_digests_of_a_shelf_are_those_of_its_components_and_its_artefacts() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).shelf(), world.enter(&world.b).shelf());
    assert_eq!(a.digests().unwrap(), [], "there is no shelf yet");
    let (plain, both) = (upload(&a, b"component"), upload(&a, b"another"));
    let artefact_only = Digest::of(b"a third");
    for (digest, engine) in [(both, ENGINE), (both, "newer"), (artefact_only, "newer")] {
        compile(&a, &digest, engine, b"machine code");
    }
    let of_b = upload(&b, b"component of b");
    let mut expected = [plain, both, artefact_only];
    expected.sort_unstable();
    let components = world.home(world.a.tenant()).join("components");
    std::fs::write(components.join("stray.wasm"), "").unwrap();
    std::fs::write(components.join("stray"), "").unwrap();
    let unfinished = a.stage(10).unwrap();
    assert_eq!(a.digests().unwrap(), expected);
    assert_eq!(b.digests().unwrap(), [of_b]);
    drop(unfinished);
    for digest in expected {
        a.remove(&digest).unwrap();
    }
    assert_eq!((a.digests().unwrap(), b.digests().unwrap()), (vec![], vec![of_b]));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn removing_a_component_removes_its_artefacts_and_no_others() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).shelf(), world.enter(&world.b).shelf());
    let (ours, other) = (upload(&a, b"component"), upload(&a, b"another"));
    for (shelf, digest) in [(&a, ours), (&a, other), (&b, upload(&b, b"component"))] {
        compile(shelf, &digest, ENGINE, b"machine code");
        compile(shelf, &digest, "newer", b"machine code");
    }
    a.remove(&ours).unwrap();
    a.remove(&ours).unwrap();
    assert!(a.component(&ours).unwrap().is_none() && a.artefact(&ours, ENGINE).unwrap().is_none());
    assert!(a.artefact(&other, "newer").unwrap().is_some());
    assert_eq!((a.counts().unwrap(), b.counts().unwrap()), ((1, 2), (1, 2)));
    world.bystander_is_untouched().await;
}
