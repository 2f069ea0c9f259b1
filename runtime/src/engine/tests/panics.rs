//! A host function that panics fails its own call: what the call held goes on, what it wrote stays, and neither its slot nor
//! a lock of the stores is lost with it.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use insula_host_api::{
    BucketName, Cache, EntryKey, FoundOrLease, Grants, NamespaceName, Patience, Place, Selection, Storage,
};
use insula_store::{Catalog, DataDir, LimitsPatch, StoreSettings, Stores, TierName};
use insula_tenancy::{Authenticator, VersionId};

use super::super::probe::absent;
use super::{Limits, Machine, Order, guests};

/// What two tenants really have: storage on a disk, and a cache.
struct Estate {
    grants: Vec<Grants>,
    _directory: tempfile::TempDir,
}

impl Estate {
    async fn of(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&directory.path().join("data")).unwrap();
        let catalog = Catalog::open(&dir).await.unwrap();
        let operator_key = catalog.ensure_operator_key().await.unwrap().unwrap();
        let authenticator = Authenticator::new(Arc::clone(&catalog) as _);
        catalog.bind(authenticator.realm());
        let operator = authenticator.operator(&operator_key.reveal().parse().unwrap()).await.unwrap();
        let settings = StoreSettings { open_files: NonZeroUsize::MIN, cache_ceiling_bytes: NonZeroU64::MAX };
        let stores = Stores::open(dir, authenticator.realm(), settings);
        let mut grants = Vec::new();
        for name in names {
            let (_, key) = catalog
                .create_tenant(&operator, &name.parse().unwrap(), &TierName::standard(), &LimitsPatch::default())
                .await
                .unwrap();
            let scope = authenticator.tenant(&key.reveal().parse().unwrap()).await.unwrap();
            let store = stores.enter(&scope, Limits::standard().quota()).unwrap();
            let cache = store.cache().for_version(VersionId::generate());
            grants.push(Grants { storage: store.storage(), cache, ..absent() });
        }
        Self { grants, _directory: directory }
    }
}

async fn stored(storage: &Arc<dyn Storage>) -> Option<Vec<u8>> {
    let at = Place::parse("place", "key").unwrap();
    storage.get(&at).wait().await.unwrap().map(|entry| entry.value)
}

/// Whether the lease of the key is free: it is taken and given back.
async fn is_free(cache: &Arc<dyn Cache>) -> bool {
    let (namespace, key) = (NamespaceName::parse("place").unwrap(), EntryKey::parse("key").unwrap());
    let found = cache.get_or_fill(&namespace, &key, Patience::For(Duration::ZERO)).wait().await;
    matches!(found, Ok(FoundOrLease::Fill(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_host_function_fails_one_call_and_loses_nothing() {
    let estate = Estate::of(&["ours", "neighbour", "bystander"]).await;
    let [ours, neighbour, bystander] = estate.grants.as_slice() else { panic!() };
    let machine = Machine::start(|_| {});
    let (holder, filler) = (machine.load(&guests::holder()), machine.load(&guests::filler()));
    for round in 0..20 {
        let panics = Order { grants: Some(ours.clone()), ..Order::new(0) };
        assert_eq!(machine.call(&holder, &panics).await, Err("host-fault"), "round {round}");
        assert_eq!(stored(&ours.storage).await.as_deref(), Some(&b"value"[..]), "what was acknowledged is there");
        assert!(is_free(&ours.cache).await, "the lease went on");
        // The one slot of the pool, and the neighbour's own handles.
        let answers = Order { grants: Some(neighbour.clone()), ..Order::new(b'r') };
        assert_eq!(machine.call(&filler, &answers).await.map(|body| body.len()), Ok(8), "round {round}");
        assert_eq!(stored(&neighbour.storage).await, None);
    }
    let everything = Selection::of_prefix("", 10);
    let bucket = BucketName::parse("place").unwrap();
    assert!(bystander.storage.list(&bucket, everything).wait().await.unwrap().entries.is_empty());
}
