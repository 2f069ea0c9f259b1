//! A disk that fills up in the middle of a commit.

use super::*;
use crate::storage::faults;

#[tokio::test]
async fn a_full_disk_fails_the_commit_and_nothing_else() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "key", b"before").await.unwrap();
    let inode = std::fs::metadata(world.home(world.a.tenant()).join("storage.redb")).unwrap().ino();
    for writes in 0..6 {
        faults::fail_after(inode, writes);
        let large =
            vec![write("bucket", "key", Change::Put(vec![7; 300_000])), write("bucket", "two", Change::Increment(1))];
        let failed = a.commit(Vec::new(), large).wait().await;
        assert!(matches!(failed, Err(StorageError::Unavailable)), "{failed:?}");
        put(&b, "bucket", "key", b"of b").await.unwrap();
        faults::heal(inode);
        let found = get(&a, "bucket", "key").await.unwrap().unwrap();
        assert_eq!(found.value, b"before", "after {writes} writes");
        assert!(get(&a, "bucket", "two").await.unwrap().is_none());
    }
    put(&a, "bucket", "key", b"after").await.unwrap();
    assert_eq!(get(&a, "bucket", "key").await.unwrap().unwrap().value, b"after");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_a_guest_is_told_says_nothing_of_the_cause() {
    let failure = Failure::Stamp { found: "ten_of_somebody_else".to_owned() };
    let told = failure.into_answer(insula_tenancy::TenantId::generate(), "get");
    assert_eq!(told.to_string(), "storage is not available just now; nothing was changed");
    let io = Failure::file("open the storage file")(std::io::Error::other("/secret/path"));
    assert_eq!(chain(&io), "cannot open the storage file: /secret/path");
    assert!(!io.into_answer(insula_tenancy::TenantId::generate(), "get").to_string().contains("secret"));
}
