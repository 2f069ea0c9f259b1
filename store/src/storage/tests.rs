//! Storage as a tenant sees it, on a real disk: two tenants act, and a bystander watches.

mod archive;
mod compaction;
mod crash;
mod faulty_disk;
mod groups;
mod listing;
mod lives;
mod model;
mod queue;
mod quotas;

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use insula_host_api::{Change, Expectation, GET_MANY_ANSWER_LIMIT, Precondition, Storage, StorageError, WRITES_LIMIT};

use super::*;
use crate::testing::{World, bucket, get, place, put, settings, write};

fn expect(bucket: &str, key: &str, expect: Expectation) -> Precondition {
    Precondition { at: place(bucket, key), expect }
}

fn in_bucket(keys: &[&str]) -> Vec<Place> {
    keys.iter().map(|key| place("bucket", key)).collect()
}

fn add(delta: i64) -> Change {
    Change::Increment { delta, ttl_ms: None }
}

#[tokio::test]
async fn equal_names_of_two_tenants_do_not_meet() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "key", b"of a").await.unwrap();
    assert!(get(&b, "bucket", "key").await.unwrap().is_none());
    put(&b, "bucket", "key", b"of b").await.unwrap();
    a.commit(Vec::new(), vec![write("bucket", "key", Change::Delete)]).wait().await.unwrap();
    assert!(get(&a, "bucket", "key").await.unwrap().is_none());
    assert_eq!(get(&b, "bucket", "key").await.unwrap().unwrap().value, b"of b");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn an_open_file_answers_at_once() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    assert!(matches!(a.get(&place("bucket", "key")), Answer::Later(_)), "nobody has looked yet");
    assert!(get(&a, "bucket", "key").await.unwrap().is_none());
    assert!(matches!(a.get(&place("bucket", "key")), Answer::Ready(Ok(None))), "there is no file");
    put(&a, "bucket", "key", b"value").await.unwrap();
    assert!(matches!(a.get(&place("bucket", "key")), Answer::Ready(Ok(Some(_)))));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_host_starts_again() {
    let world = World::start().await;
    put(&world.enter(&world.a).storage(), "bucket", "key", b"of a").await.unwrap();
    let version = put(&world.enter(&world.b).storage(), "bucket", "key", b"of b").await.unwrap();
    let World { stores, data, authenticator, a, b, .. } = &world;
    let again = crate::Stores::open(data.clone(), authenticator.realm(), settings(4, 1));
    // The first stores have the files open: the second find them locked, and say so without harm.
    assert!(matches!(
        get(&again.enter(a, crate::Limits::standard().quota()).unwrap().storage(), "bucket", "key").await,
        Err(StorageError::Unavailable)
    ));
    for tenant in [a, b] {
        assert!(stores.enter(tenant, crate::Limits::standard().quota()).unwrap().storage().inner.slot.close_if_idle());
    }
    let quota = crate::Limits::standard().quota();
    assert_eq!(get(&again.enter(a, quota).unwrap().storage(), "bucket", "key").await.unwrap().unwrap().value, b"of a");
    let of_b = get(&again.enter(b, quota).unwrap().storage(), "bucket", "key").await.unwrap().unwrap();
    assert_eq!((of_b.value.as_slice(), of_b.version), (&b"of b"[..], version));
}

#[tokio::test]
async fn a_commit_is_whole_or_nothing() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let version = put(&a, "bucket", "one", b"1").await.unwrap();
    let writes = || vec![write("bucket", "two", Change::put(b"2")), write("other", "one", add(5))];
    let conditions = vec![
        expect("bucket", "one", Expectation::Version(version)),
        expect("bucket", "two", Expectation::Present),
        expect("bucket", "one", Expectation::Absent),
    ];
    match a.commit(conditions, writes()).wait().await {
        Err(StorageError::Conflict { index: 1, bucket, key }) => assert_eq!((&*bucket, &*key), ("bucket", "two")),
        other => panic!("{other:?}"),
    }
    let bad = vec![write("bucket", "two", Change::put(b"2")), write("bucket", "one", add(1))];
    assert!(matches!(a.commit(Vec::new(), bad).wait().await, Err(StorageError::NotANumber { .. })));
    assert!(get(&a, "bucket", "two").await.unwrap().is_none());
    assert!(get(&a, "other", "one").await.unwrap().is_none());

    let conditions = vec![expect("bucket", "one", Expectation::Present), expect("bucket", "two", Expectation::Absent)];
    let committed = a.commit(conditions, writes()).wait().await.unwrap();
    assert_eq!(committed.versions, [version + 1, version + 2], "what was refused used no version up");
    assert_eq!(committed.sums, [None, Some(5)]);
    assert_eq!(get(&a, "other", "one").await.unwrap().unwrap().value, 5_i64.to_le_bytes());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_version_is_never_used_twice() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let mut last = 0;
    for round in 0..5 {
        let change = if round % 2 == 0 { Change::put(vec![round]) } else { Change::Delete };
        let committed = a.commit(Vec::new(), vec![write("bucket", "key", change)]).wait().await.unwrap();
        assert!(committed.versions[0] > last);
        last = committed.versions[0];
    }
    let absent = a.commit(Vec::new(), vec![write("bucket", "absent", Change::Delete)]).wait().await.unwrap();
    assert_eq!(absent.versions, [last + 1]);
    let stale = vec![expect("bucket", "key", Expectation::Version(1))];
    let refused = a.commit(stale, vec![write("bucket", "key", Change::put(b""))]).wait().await;
    assert!(matches!(refused, Err(StorageError::Conflict { .. })));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_breaks_the_rules_of_a_commit_is_refused_by_name() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let commit = async |writes| a.commit(Vec::new(), writes).wait().await.unwrap_err().code();
    let twice = vec![write("bucket", "key", Change::Delete), write("bucket", "key", add(1))];
    assert_eq!(commit(twice).await, "duplicate-key");
    let many = (0..=WRITES_LIMIT).map(|number| write("bucket", &number.to_string(), Change::Delete)).collect();
    assert_eq!(commit(many).await, "too-many");
    put(&a, "bucket", "max", &i64::MAX.to_le_bytes()).await.unwrap();
    put(&a, "bucket", "min", &i64::MIN.to_le_bytes()).await.unwrap();
    put(&a, "bucket", "text", b"eight by").await.unwrap();
    put(&a, "bucket", "short", b"7 bytes").await.unwrap();
    assert_eq!(commit(vec![write("bucket", "max", add(1))]).await, "overflow");
    assert_eq!(commit(vec![write("bucket", "min", add(-1))]).await, "overflow");
    assert_eq!(commit(vec![write("bucket", "short", add(1))]).await, "not-a-number");
    assert!(a.commit(Vec::new(), vec![write("bucket", "text", add(1))]).wait().await.is_ok());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn get_many_answers_across_buckets_in_the_order_of_the_question() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.value_bytes = (4 << 20).try_into().unwrap()).storage();
    for name in ["one", "two", "three"] {
        put(&a, "bucket", name, name.as_bytes()).await.unwrap();
    }
    put(&world.enter(&world.b).storage(), "bucket", "four", b"of b").await.unwrap();
    put(&a, "other", "five", b"of another bucket").await.unwrap();
    let mut asked = in_bucket(&["three", "four", "one", "three"]);
    asked.push(place("other", "five"));
    let entries = a.get_many(asked.clone()).wait().await.unwrap();
    let keys: Vec<_> = entries.iter().map(|entry| entry.as_ref().map(|entry| &*entry.key)).collect();
    assert_eq!(keys, [Some("three"), None, Some("one"), Some("three"), Some("five")]);
    let of_nobody = world.enter(&world.another("nobody").await).storage();
    for _ in 0..2 {
        assert_eq!(of_nobody.get_many(asked.clone()).wait().await.unwrap().len(), 5, "absent, each of them");
    }

    put(&a, "bucket", "large", &vec![0; GET_MANY_ANSWER_LIMIT]).await.unwrap();
    put(&a, "bucket", "empty", b"").await.unwrap();
    let fits = a.get_many(in_bucket(&["large", "empty"])).wait().await.unwrap();
    assert_eq!(fits.len(), 2);
    let over = a.get_many(in_bucket(&["large", "one"])).wait().await;
    assert!(matches!(over, Err(StorageError::AnswerTooLarge { .. })));
    let many = (0..257).map(|number| place("bucket", &number.to_string())).collect();
    assert!(matches!(a.get_many(many).wait().await, Err(StorageError::TooMany { .. })));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_file_with_the_stamp_of_another_tenant_is_refused() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "secret", b"of a").await.unwrap();
    assert!(a.inner.slot.close_if_idle());
    let (home_a, home_b) = (world.home(world.a.tenant()), world.home(world.b.tenant()));
    std::fs::create_dir(&home_b).unwrap();
    std::fs::copy(home_a.join("storage.redb"), home_b.join("storage.redb")).unwrap();
    let inode = std::fs::metadata(home_b.join("storage.redb")).unwrap().ino();
    assert!(matches!(get(&b, "bucket", "secret").await, Err(StorageError::Unavailable)));
    assert!(matches!(put(&b, "bucket", "secret", b"of b").await, Err(StorageError::Unavailable)));
    assert!(world.stores.maintenance().holdings(world.b.tenant()).await.is_err());
    assert_eq!(std::fs::metadata(home_b.join("storage.redb")).unwrap().ino(), inode, "it is left alone");

    for content in [&b""[..], b"not a database at all", &[0; 100_000]] {
        std::fs::write(home_b.join("storage.redb"), content).unwrap();
        assert!(matches!(get(&b, "bucket", "secret").await, Err(StorageError::Unavailable)), "{}", content.len());
        assert_eq!(std::fs::read(home_b.join("storage.redb")).unwrap(), content);
    }
    assert_eq!(get(&a, "bucket", "secret").await.unwrap().unwrap().value, b"of a");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_file_of_an_earlier_format_is_named_as_one_and_left_alone() {
    let world = World::start().await;
    let (a, home) = (world.enter(&world.a).storage(), world.home(world.a.tenant()));
    std::fs::create_dir(&home).unwrap();
    let path = home.join("storage.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    for table in ["entries", "meta"] {
        let definition = redb::TableDefinition::<&[u8], &[u8]>::new(table);
        let mut table = transaction.open_table(definition).unwrap();
        table.insert(&b"tenant"[..], world.a.tenant().to_string().as_bytes()).unwrap();
        table.insert(&b"format"[..], &[1][..]).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let before = std::fs::metadata(&path).unwrap();
    assert!(matches!(a.counters(), Err(Failure::Format)));
    assert!(matches!(put(&a, "bucket", "key", b"").await, Err(StorageError::Unavailable)));
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!((after.ino(), after.len()), (before.ino(), before.len()));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_file_that_was_left_unfinished_is_made_anew() {
    let world = World::start().await;
    let (a, home) = (world.enter(&world.a).storage(), world.home(world.a.tenant()));
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("storage.redb.new"), "half a file").unwrap();
    assert!(get(&a, "bucket", "key").await.unwrap().is_none());
    put(&a, "bucket", "key", b"value").await.unwrap();
    assert!(home.join("storage.redb").exists() && !home.join("storage.redb.new").exists());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn more_tenants_than_open_files_lose_nothing() {
    let world = World::start_with(settings(3, 1)).await;
    let mut tenants = Vec::new();
    for number in 0..10 {
        tenants.push(world.another(&format!("tenant-{number}")).await);
    }
    for round in 0..3 {
        for (number, tenant) in tenants.iter().enumerate() {
            let storage = world.enter(tenant).storage();
            let before = get(&storage, "bucket", "key").await.unwrap().map(|entry| entry.value);
            let expected = (round > 0).then(|| format!("{number} in {}", round - 1).into_bytes());
            assert_eq!(before, expected);
            put(&storage, "bucket", "key", format!("{number} in {round}").as_bytes()).await.unwrap();
            assert!(world.stores.maintenance().open_files() <= 3);
        }
    }
}

#[tokio::test]
async fn a_file_in_use_is_never_closed() {
    let world = World::start_with(settings(1, 1)).await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "key", b"of a").await.unwrap();
    let in_use = a.inner.slot.open().unwrap().unwrap();
    put(&b, "bucket", "key", b"of b").await.unwrap();
    assert_eq!(world.stores.maintenance().open_files(), 2);
    assert_eq!(in_use.view().counters.keys, 1);
    drop(in_use);
    put(&b, "bucket", "key", b"again").await.unwrap();
    assert_eq!(world.stores.maintenance().open_files(), 1, "the next use of another file closes it");
    assert_eq!(get(&a, "bucket", "key").await.unwrap().unwrap().value, b"of a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tenants_that_contend_for_few_open_files_keep_their_data_apart() {
    let world = Arc::new(World::start_with(settings(2, 1)).await);
    let mut tenants = Vec::new();
    for number in 0..6 {
        tenants.push(world.another(&format!("tenant-{number}")).await);
    }
    let tasks = tenants.into_iter().enumerate().map(|(number, tenant)| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let storage = world.enter(&tenant).storage();
            for round in 0..15_usize {
                let value = format!("{number} in {round}");
                put(&storage, "bucket", "key", value.as_bytes()).await.unwrap();
                let found = get(&storage, "bucket", "key").await.unwrap().unwrap();
                assert_eq!(found.value, value.as_bytes());
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_of_many_at_once_are_never_lost() {
    let world = Arc::new(World::start().await);
    let tasks = (0..8).map(|number| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let storage = world.enter(if number % 2 == 0 { &world.a } else { &world.b }).storage();
            for _ in 0..10 {
                let increment = vec![write("bucket", "count", add(1))];
                storage.commit(Vec::new(), increment).wait().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for scope in [&world.a, &world.b] {
        let entry = get(&world.enter(scope).storage(), "bucket", "count").await.unwrap().unwrap();
        assert_eq!((entry.value.as_slice(), entry.version), (&40_i64.to_le_bytes()[..], 40));
    }
    world.bystander_is_untouched().await;
}
