//! Commits in groups: as if they had come one by one, and in fewer transactions.

use super::*;
use crate::storage::faults::{self, Fault};

/// Waits until a leader is at the disk, with the line empty behind it.
async fn leads(storage: &TenantStorage) {
    while storage.inner.queue.len() > 0 || storage.inner.writing.try_lock().is_some() {
        tokio::task::yield_now().await;
    }
}

/// Waits until so many are in line.
async fn in_line(storage: &TenantStorage, count: usize) {
    while storage.inner.queue.len() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_that_wait_for_each_other_share_transactions() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    put(&a, "bucket", "first", b"").await.unwrap();
    let tenant = world.a.tenant();
    // The disk stands still until all of them are in line behind the first.
    let gate = faults::hold(tenant);
    let leading = tokio::spawn(a.commit(Vec::new(), vec![write("bucket", "leading", add(1))]).wait());
    leads(&a).await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let a = Arc::clone(&a);
            tokio::spawn(async move { put(&a, "bucket", &number.to_string(), b"value").await })
        })
        .collect();
    in_line(&a, 32).await;
    let before = faults::syncs(tenant);
    drop(gate);
    leading.await.unwrap().unwrap();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap().unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (3..=34).collect::<Vec<_>>(), "each has a version of its own");
    let syncs = faults::syncs(tenant) - before;
    assert!(syncs <= 2 * 3, "{syncs} synchronisations for 33 commits in two groups");
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_commit_of_a_group_leaves_the_others_whole() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.storage_keys = 3.try_into().unwrap()).storage();
    put(&a, "bucket", "one", b"1").await.unwrap();
    let gate = faults::hold(world.a.tenant());
    let commit = |preconditions: Vec<Precondition>, writes: Vec<insula_host_api::Write>| {
        let answer = a.commit(preconditions, writes);
        tokio::spawn(answer.wait())
    };
    let leading = commit(Vec::new(), vec![write("bucket", "two", add(1))]);
    leads(&a).await;
    let mut answers = Vec::new();
    for (number, (preconditions, writes)) in [
        (Vec::new(), vec![write("bucket", "two", add(1))]),
        (vec![expect("bucket", "two", Expectation::Absent)], vec![write("bucket", "one", Change::Delete)]),
        (Vec::new(), vec![write("bucket", "one", add(1)), write("bucket", "two", add(1))]),
        (Vec::new(), vec![write("bucket", "three", add(7))]),
        (Vec::new(), vec![write("bucket", "four", add(1))]),
        (vec![expect("bucket", "three", Expectation::Present)], vec![write("bucket", "three", Change::Delete)]),
        (Vec::new(), vec![write("bucket", "four", add(4))]),
    ]
    .into_iter()
    .enumerate()
    {
        answers.push(commit(preconditions, writes));
        in_line(&a, number + 1).await;
    }
    drop(gate);
    leading.await.unwrap().unwrap();
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap().map(|committed| committed.sums).map_err(|refused| refused.code()));
    }
    let expected = [
        Ok(vec![Some(2)]),
        Err("conflict"),
        Err("not-a-number"),
        Ok(vec![Some(7)]),
        Err("quota-exceeded"),
        Ok(vec![None]),
        Ok(vec![Some(4)]),
    ];
    assert_eq!(told, expected);
    assert_eq!(get(&a, "bucket", "one").await.unwrap().unwrap().value, b"1");
    assert_eq!(get(&a, "bucket", "two").await.unwrap().unwrap().value, 2_i64.to_le_bytes());
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_goes_away_in_line_was_never_there() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "first", b"").await.unwrap();
    let gate = faults::hold(world.a.tenant());
    let spawn = |name: &'static str| {
        let a = Arc::clone(&a);
        tokio::spawn(async move { put(&a, "bucket", name, &vec![0; 100_000]).await })
    };
    let leading = spawn("leading");
    leads(&a).await;
    let (gone, staying) = (spawn("gone"), spawn("staying"));
    in_line(&a, 2).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(a.inner.queue.len(), 1, "its bytes went with it");
    // A tenant whose disk stands still keeps nobody else waiting.
    put(&b, "bucket", "key", b"of b").await.unwrap();
    drop(gate);
    leading.await.unwrap().unwrap();
    staying.await.unwrap().unwrap();
    assert!(get(&a, "bucket", "gone").await.unwrap().is_none());
    assert_eq!(get(&b, "bucket", "key").await.unwrap().unwrap().value, b"of b");
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_fails_a_group_fails_each_of_it_and_the_next_one_works() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    put(&a, "bucket", "first", b"").await.unwrap();
    let tenant = world.a.tenant();
    faults::inject(tenant, Fault::FullFrom(0));
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let a = Arc::clone(&a);
            tokio::spawn(async move { put(&a, "bucket", &number.to_string(), b"value").await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Err(StorageError::Unavailable)));
    }
    assert!(faults::heal(tenant));
    put(&a, "bucket", "after", b"").await.unwrap();
    assert_eq!(a.counters().unwrap().keys, 2);
    world.bystander_is_untouched().await;
}
