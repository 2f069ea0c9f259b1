//! Listings against a model: an ordered map in memory.

use std::collections::BTreeMap;

use insula_host_api::{LIST_PAGE_LIMIT, Page, Selection};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn all() -> Selection {
    Selection { values: true, ..Selection::of_prefix("", 1_000) }
}

async fn list(storage: &TenantStorage, bucket_name: &str, selection: Selection) -> Page {
    storage.list(&bucket(bucket_name), selection).wait().await.unwrap()
}

async fn walk(storage: &TenantStorage, bucket_name: &str, mut selection: Selection) -> (Vec<String>, usize) {
    let (mut keys, mut pages) = (Vec::new(), 0);
    loop {
        let page = list(storage, bucket_name, selection.clone()).await;
        assert!(page.entries.len() <= selection.limit as usize);
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        pages += 1;
        match page.next {
            Some(next) => selection.after = Some(next),
            None => return (keys, pages),
        }
    }
}

#[tokio::test]
async fn a_page_ends_at_its_limit_in_entries_or_bytes_and_always_gets_on() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.value_bytes = (8 << 20).try_into().unwrap()).storage();
    for (name, size) in [("a", 2 << 20), ("b", 600_000), ("c", LIST_PAGE_LIMIT - 600_002), ("d", 0), ("e", 3 << 20)] {
        put(&a, "bucket", name, &vec![0; size]).await.unwrap();
    }
    put(&a, "bucket-2", "a", b"").await.unwrap();
    put(&world.enter(&world.b).storage(), "bucket", "bb", b"").await.unwrap();
    let page = list(&a, "bucket", all()).await;
    assert_eq!((page.entries.len(), page.next.as_deref()), (1, Some("a")), "one that is too large comes alone");
    let page = list(&a, "bucket", Selection { after: page.next, ..all() }).await;
    assert_eq!((page.entries.len(), page.next.as_deref()), (2, Some("c")), "two fill the page to the byte");
    assert_eq!(walk(&a, "bucket", all()).await, (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), 4));
    let keys_only = list(&a, "bucket", Selection { values: false, ..all() }).await;
    assert_eq!((keys_only.entries.len(), keys_only.next), (5, None));
    assert!(keys_only.entries.iter().all(|entry| entry.value.is_empty() && entry.version > 0));
    let (keys, pages) = walk(&a, "bucket", Selection { limit: 2, reverse: true, values: false, ..all() }).await;
    assert_eq!((keys, pages), (["e", "d", "c", "b", "a"].map(str::to_owned).to_vec(), 3));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_listing_of_keys_passes_over_a_bounded_amount_of_values() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.value_bytes = (8 << 20).try_into().unwrap()).storage();
    for number in 0..5 {
        put(&a, "bucket", &number.to_string(), &vec![0; 5 << 20]).await.unwrap();
    }
    let page = list(&a, "bucket", Selection { values: false, ..all() }).await;
    assert_eq!((page.entries.len(), page.next.as_deref()), (3, Some("2")));
    assert_eq!(walk(&a, "bucket", Selection { values: false, ..all() }).await.0.len(), 5);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_page_size_outside_its_range_is_refused() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    for limit in [0, 1_001, u32::MAX] {
        let refused = a.list(&bucket("bucket"), Selection { limit, ..all() }).wait().await;
        assert!(matches!(refused, Err(StorageError::InvalidLimit(_))), "{limit}");
    }
    assert!(list(&a, "bucket", all()).await.entries.is_empty());
}

#[tokio::test]
async fn a_cursor_stays_good_when_its_key_goes() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    for name in ["a", "b", "c", "d"] {
        put(&a, "bucket", name, b"").await.unwrap();
    }
    let page = list(&a, "bucket", Selection { limit: 2, ..all() }).await;
    let gone = vec![write("bucket", "b", Change::Delete), write("bucket", "bb", Change::put(b""))];
    a.commit(Vec::new(), gone).wait().await.unwrap();
    let rest = list(&a, "bucket", Selection { after: page.next, ..all() }).await;
    assert_eq!(rest.entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(), ["bb", "c", "d"]);
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_agree_with_an_ordered_map() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let names = ["a", "ab", "abc", "b", "a\u{0}", "a\u{7f}", "é", "éa", "\u{10ffff}", "\u{10ffff}z", "zz", "\u{0}"];
    let mut model = BTreeMap::new();
    let mut writes = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        model.insert(name.to_owned(), number);
        writes.push(write("bucket", name, Change::put(number.to_string())));
        writes.push(write("bucke", name, Change::put(b"")));
        writes.push(write("bucketa", name, Change::put(b"")));
    }
    a.commit(Vec::new(), writes).wait().await.unwrap();
    let text = || "(a|b|z|é|\u{10ffff}|\u{0}|\u{7f}){0,3}";
    let strategy = (text(), proptest::option::of(text()), any::<bool>(), 1..5_u32);
    let handle = tokio::runtime::Handle::current();
    let check = |(prefix, after, reverse, limit): (String, Option<String>, bool, u32)| {
        let beyond = |key: &&String| match &after {
            Some(after) if reverse => *key < after,
            Some(after) => *key > after,
            None => true,
        };
        let mut expected: Vec<_> =
            model.keys().filter(|key| key.starts_with(&prefix)).filter(beyond).cloned().collect();
        if reverse {
            expected.reverse();
        }
        let selection = Selection { after, reverse, ..Selection::of_prefix(prefix, limit) };
        let (found, _) = handle.block_on(walk(&a, "bucket", selection));
        prop_assert_eq!(found, expected);
        Ok(())
    };
    tokio::task::block_in_place(|| {
        TestRunner::new(Config { failure_persistence: None, ..Config::default() }).run(&strategy, check).unwrap();
    });
    world.bystander_is_untouched().await;
}
