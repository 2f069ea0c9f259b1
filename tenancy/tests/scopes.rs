//! How scopes come into being, and the ways in which they do not (T1, T2).
//!
//! The compile-fail cases in `ui/` are named as sentences; each stands for a road around the authenticator that must
//! stay closed. The rest logs in over a small list of keys, as the runtime does over the catalog. To write the expected
//! compiler messages anew: `TRYBUILD=overwrite cargo test -p insula-tenancy --test scopes`.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use insula_tenancy::{
    ActDenied, Authenticator, Credential, Denied, Deploy, Export, FoundKey, Invoke, KeyId, KeyLookup, KeyOwner,
    KeyRecord, LookupFailed, Manage, NewKey, OperatorAct, OperatorScope, OwnerState, Permission, Permissions,
    RecordedAct, TenantId,
};

#[test]
fn no_road_leads_around_the_authenticator() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// Keys in memory. What is in `warm` is known without waiting, as the catalog's cache would.
#[derive(Default)]
struct Keys {
    warm: Mutex<HashMap<KeyId, Arc<KeyRecord>>>,
    cold: Mutex<HashMap<KeyId, Arc<KeyRecord>>>,
    broken: bool,
    /// Keys that were looked up by waiting.
    asked: Mutex<Vec<KeyId>>,
    /// Tenants that there are.
    tenants: Mutex<Vec<TenantId>>,
    /// Acts that were recorded.
    acts: Mutex<Vec<(KeyId, TenantId, OperatorAct)>>,
}

impl KeyLookup for Keys {
    fn cached(&self, key: KeyId) -> Option<Arc<KeyRecord>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn find<'a>(&'a self, credential: &'a Credential) -> FoundKey<'a> {
        let key = credential.key();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        let found = self.cold.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        Box::pin(async move { if self.broken { Err(LookupFailed) } else { Ok(found) } })
    }

    fn record(&self, by: KeyId, tenant: TenantId, act: OperatorAct) -> RecordedAct<'_> {
        Box::pin(async move {
            let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant);
            if known {
                self.acts.lock().unwrap_or_else(PoisonError::into_inner).push((by, tenant, act));
            }
            if self.broken { Err(LookupFailed) } else { Ok(known) }
        })
    }
}

/// A host with keys.
struct World {
    keys: Arc<Keys>,
    authenticator: Authenticator,
}

impl World {
    fn new() -> Self {
        Self::over(Keys::default())
    }

    fn over(keys: Keys) -> Self {
        let keys = Arc::new(keys);
        Self { authenticator: Authenticator::new(Arc::clone(&keys) as Arc<dyn KeyLookup>), keys }
    }

    /// Makes a key of this owner; its record is found by waiting.
    fn issue(
        &self,
        owner: KeyOwner,
        owner_state: OwnerState,
        permissions: Permissions,
    ) -> Result<String, getrandom::Error> {
        let key = NewKey::generate()?;
        let record = KeyRecord { id: key.id(), hash: key.hash(), owner, permissions, owner_state };
        self.keys.cold.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id(), Arc::new(record));
        Ok(key.reveal())
    }

    fn issue_to(&self, tenant: TenantId) -> String {
        self.issue(KeyOwner::Tenant(tenant), OwnerState::Active, Permissions::ALL).unwrap_or_default()
    }
}

impl World {
    /// An operator who logged in, and a tenant that there is.
    #[expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach their helpers")]
    fn operator_and_tenant(&self) -> (OperatorScope, TenantId) {
        let secret = self.issue(KeyOwner::Operator, OwnerState::Active, Permissions::ALL).unwrap();
        let tenant = TenantId::generate();
        self.keys.tenants.lock().unwrap().push(tenant);
        (now(self.authenticator.operator(&credential(&secret))).unwrap().unwrap(), tenant)
    }
}

/// Waits for what waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach their helpers")]
fn credential(secret: &str) -> Credential {
    secret.parse().unwrap()
}

#[test]
fn the_right_secret_opens_its_own_tenant_and_no_other() {
    let world = World::new();
    let (ours, theirs) = (TenantId::generate(), TenantId::generate());
    let (our_secret, their_secret) = (world.issue_to(ours), world.issue_to(theirs));
    let our_scope = now(world.authenticator.tenant(&credential(&our_secret))).unwrap().unwrap();
    let their_scope = now(world.authenticator.tenant(&credential(&their_secret))).unwrap().unwrap();
    assert_eq!((our_scope.tenant(), their_scope.tenant()), (ours, theirs));
    assert_eq!(our_scope.key(), credential(&our_secret).key());
    assert_eq!(our_scope.realm(), world.authenticator.realm());
}

#[test]
fn a_record_that_is_known_without_waiting_is_checked_just_the_same() {
    let world = World::new();
    let secret = world.issue_to(TenantId::generate());
    let records = std::mem::take(&mut *world.keys.cold.lock().unwrap());
    world.keys.warm.lock().unwrap().extend(records);
    assert!(now(world.authenticator.tenant(&credential(&secret))).unwrap().is_ok());
    let wrong = with_last_digit_changed(&secret);
    assert_eq!(now(world.authenticator.tenant(&credential(&wrong))).unwrap().unwrap_err(), Denied::Unknown);
}

#[test]
fn a_wrong_secret_is_looked_up_like_a_key_that_is_not_there_also_where_the_key_is_in_use() {
    let world = World::new();
    let secret = world.issue_to(TenantId::generate());
    let records = std::mem::take(&mut *world.keys.cold.lock().unwrap());
    world.keys.warm.lock().unwrap().extend(records);
    let asked = |secret: &str| {
        let outcome = now(world.authenticator.tenant(&credential(secret))).unwrap().map(|scope| scope.key());
        (outcome, std::mem::take(&mut *world.keys.asked.lock().unwrap()))
    };
    for denied in [with_last_digit_changed(&secret), NewKey::generate().unwrap().reveal()] {
        assert_eq!(asked(&denied), (Err(Denied::Unknown), vec![credential(&denied).key()]));
    }
    assert_eq!(asked(&secret), (Ok(credential(&secret).key()), Vec::new()));
}

#[test]
fn unknown_revoked_and_wrong_secrets_look_the_same() {
    let world = World::new();
    let tenant = TenantId::generate();
    let never_issued = NewKey::generate().unwrap().reveal();
    let revoked = world.issue_to(tenant);
    world.keys.cold.lock().unwrap().remove(&credential(&revoked).key());
    let wrong = with_last_digit_changed(&world.issue_to(tenant));
    for secret in [never_issued, revoked, wrong] {
        assert_eq!(now(world.authenticator.tenant(&credential(&secret))).unwrap().unwrap_err(), Denied::Unknown);
        assert_eq!(now(world.authenticator.operator(&credential(&secret))).unwrap().unwrap_err(), Denied::Unknown);
    }
}

#[test]
fn the_secret_of_one_key_does_not_open_another_of_the_same_tenant() {
    let world = World::new();
    let tenant = TenantId::generate();
    let (first, second) = (world.issue_to(tenant), world.issue_to(tenant));
    // The id of the first (`isk_` and 26 characters), the random part of the second.
    let mixed = format!("{}{}", &first[..30], &second[30..]);
    assert_eq!(now(world.authenticator.tenant(&credential(&mixed))).unwrap().unwrap_err(), Denied::Unknown);
}

#[test]
fn a_key_of_the_wrong_kind_is_refused_both_ways() {
    let world = World::new();
    let tenant = world.issue_to(TenantId::generate());
    let operator = world.issue(KeyOwner::Operator, OwnerState::Active, Permissions::ALL).unwrap();
    assert_eq!(now(world.authenticator.operator(&credential(&tenant))).unwrap().unwrap_err(), Denied::WrongKind);
    assert_eq!(now(world.authenticator.tenant(&credential(&operator))).unwrap().unwrap_err(), Denied::WrongKind);
    assert!(now(world.authenticator.operator(&credential(&operator))).unwrap().is_ok());
}

#[test]
fn a_suspended_tenant_is_told_so_only_with_the_right_secret() {
    let world = World::new();
    let owner = KeyOwner::Tenant(TenantId::generate());
    let secret = world.issue(owner, OwnerState::Suspended, Permissions::ALL).unwrap();
    assert_eq!(now(world.authenticator.tenant(&credential(&secret))).unwrap().unwrap_err(), Denied::Suspended);
    let wrong = with_last_digit_changed(&secret);
    assert_eq!(now(world.authenticator.tenant(&credential(&wrong))).unwrap().unwrap_err(), Denied::Unknown);
}

#[test]
fn a_catalog_that_cannot_answer_opens_nothing() {
    let world = World::over(Keys { broken: true, ..Keys::default() });
    let secret = world.issue_to(TenantId::generate());
    let denied = now(world.authenticator.tenant(&credential(&secret))).unwrap().unwrap_err();
    assert_eq!(denied, Denied::LookupFailed(LookupFailed));
}

#[test]
fn a_permit_needs_its_permission() {
    let world = World::new();
    let owner = KeyOwner::Tenant(TenantId::generate());
    let secret = world.issue(owner, OwnerState::Active, Permissions::of(&[Permission::Invoke])).unwrap();
    let scope = now(world.authenticator.tenant(&credential(&secret))).unwrap().unwrap();
    assert_eq!(scope.permit::<Invoke>().unwrap().tenant(), scope.tenant());
    assert_eq!(scope.permit::<Deploy>().unwrap_err().missing(), Permission::Deploy);
    assert_eq!(scope.permit::<Manage>().unwrap_err().missing(), Permission::Manage);
}

#[test]
fn an_operators_act_is_recorded_and_may_do_the_least_that_it_takes() {
    let world = World::new();
    let (operator, tenant) = world.operator_and_tenant();
    let scope = now(world.authenticator.act_as(&operator, tenant, OperatorAct::Export)).unwrap().unwrap();
    assert_eq!((scope.tenant(), scope.key()), (tenant, operator.key()));
    assert_eq!(scope.realm(), world.authenticator.realm());
    assert_eq!(*world.keys.acts.lock().unwrap(), [(operator.key(), tenant, OperatorAct::Export)]);
    assert!(scope.permit::<Export>().is_ok());
    assert_eq!(scope.permit::<Invoke>().unwrap_err().missing(), Permission::Invoke);
    assert_eq!(scope.permit::<Deploy>().unwrap_err().missing(), Permission::Deploy);
    assert_eq!(scope.permit::<Manage>().unwrap_err().missing(), Permission::Manage);
    let scope = now(world.authenticator.act_as(&operator, tenant, OperatorAct::Compact)).unwrap().unwrap();
    assert_eq!(scope.permit::<Export>().unwrap_err().missing(), Permission::Export);
}

#[test]
fn an_act_on_a_tenant_that_is_not_there_is_neither_recorded_nor_done() {
    let world = World::new();
    let (operator, _) = world.operator_and_tenant();
    let denied = now(world.authenticator.act_as(&operator, TenantId::generate(), OperatorAct::Export)).unwrap();
    assert_eq!(denied.unwrap_err(), ActDenied::NoSuchTenant);
    assert!(world.keys.acts.lock().unwrap().is_empty());
}

#[test]
fn an_act_that_cannot_be_recorded_gets_no_scope() {
    let world = World::new();
    let (operator, tenant) = world.operator_and_tenant();
    let broken = Keys { broken: true, tenants: Mutex::new(vec![tenant]), ..Keys::default() };
    let World { authenticator, .. } = World::over(broken);
    // The realm is looked at first: a proof from elsewhere records nothing.
    let denied = now(authenticator.act_as(&operator, tenant, OperatorAct::Export)).unwrap();
    assert_eq!(denied.unwrap_err(), ActDenied::WrongRealm);

    let keys = Arc::new(BrokenLater::default());
    let world = Authenticator::new(Arc::clone(&keys) as Arc<dyn KeyLookup>);
    let key = NewKey::generate().unwrap();
    *keys.operator.lock().unwrap() = Some(Arc::new(KeyRecord {
        id: key.id(),
        hash: key.hash(),
        owner: KeyOwner::Operator,
        permissions: Permissions::ALL,
        owner_state: OwnerState::Active,
    }));
    let operator = now(world.operator(&credential(&key.reveal()))).unwrap().unwrap();
    let denied = now(world.act_as(&operator, tenant, OperatorAct::Export)).unwrap();
    assert_eq!(denied.unwrap_err(), ActDenied::NotRecorded(LookupFailed));
}

/// Knows its operator, and records nothing.
#[derive(Default)]
struct BrokenLater {
    operator: Mutex<Option<Arc<KeyRecord>>>,
}

impl KeyLookup for BrokenLater {
    fn cached(&self, _: KeyId) -> Option<Arc<KeyRecord>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find<'a>(&'a self, _: &'a Credential) -> FoundKey<'a> {
        Box::pin(async { Ok(None) })
    }

    fn record(&self, _: KeyId, _: TenantId, _: OperatorAct) -> RecordedAct<'_> {
        Box::pin(async { Err(LookupFailed) })
    }
}

#[test]
fn two_authenticators_over_the_same_keys_have_two_realms() {
    let world = World::new();
    let second = Authenticator::new(Arc::clone(&world.keys) as Arc<dyn KeyLookup>);
    let secret = world.issue_to(TenantId::generate());
    let ours = now(world.authenticator.tenant(&credential(&secret))).unwrap().unwrap();
    let foreign = now(second.tenant(&credential(&secret))).unwrap().unwrap();
    assert_eq!(ours.tenant(), foreign.tenant());
    assert_ne!(ours.realm(), foreign.realm());
}

#[test]
fn no_debug_text_shows_a_secret() {
    let world = World::new();
    let secret = world.issue_to(TenantId::generate());
    let random = &secret[30..];
    let credential = credential(&secret);
    let scope = now(world.authenticator.tenant(&credential)).unwrap().unwrap();
    let fresh = NewKey::generate().unwrap();
    let fresh_text = format!("{fresh:?}");
    assert!(!fresh_text.contains(&fresh.reveal()[30..]));
    for text in [format!("{credential:?}"), format!("{scope:?}"), format!("{:?}", world.authenticator)] {
        assert!(!text.contains(random), "{text}");
    }
}

/// Another secret for the same key id, in the right form.
fn with_last_digit_changed(secret: &str) -> String {
    let (rest, last) = secret.split_at(secret.len().saturating_sub(1));
    format!("{rest}{}", if last == "0" { "g" } else { "0" })
}
