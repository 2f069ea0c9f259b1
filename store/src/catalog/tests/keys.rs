//! Keys: what they open, and when they stop.

use insula_tenancy::{KeyLookup as _, NewKey};

use super::*;

#[tokio::test]
async fn a_revoked_key_opens_nothing_as_soon_as_the_act_returns() {
    let world = World::start().await;
    let (info, key) =
        world.catalog.create_key(&world.operator, world.a.tenant(), "second", Permissions::ALL).await.unwrap();
    let credential = key.reveal().parse().unwrap();
    for _ in 0..2 {
        assert_eq!(world.authenticator.tenant(&credential).await.unwrap().tenant(), world.a.tenant());
    }
    let foreign = world.catalog.revoke_key(&world.operator, world.b.tenant(), info.id).await;
    assert!(matches!(foreign, Err(CatalogError::NotFound)), "a key is named with its own tenant");
    assert!(world.authenticator.tenant(&credential).await.is_ok());
    world.catalog.revoke_key(&world.operator, world.a.tenant(), info.id).await.unwrap();
    assert_eq!(world.authenticator.tenant(&credential).await.unwrap_err(), Denied::Unknown);
    world.catalog.revoke_key(&world.operator, world.a.tenant(), info.id).await.unwrap();
    let keys = world.catalog.keys(&world.operator, world.a.tenant()).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.revoked_us.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_suspended_tenant_is_shut_out_at_once_and_let_in_again() {
    let world = World::start().await;
    let make = async |scope: &TenantScope| {
        let made = world.catalog.create_key(&world.operator, scope.tenant(), "k", Permissions::ALL).await;
        made.unwrap().1.reveal().parse().unwrap()
    };
    let (ours, theirs) = (make(&world.a).await, make(&world.b).await);
    assert!(world.authenticator.tenant(&ours).await.is_ok());
    let set = async |state| world.catalog.set_tenant_state(&world.operator, world.a.tenant(), state).await.unwrap();
    set(TenantState::Suspended).await;
    assert_eq!(world.authenticator.tenant(&ours).await.unwrap_err(), Denied::Suspended);
    assert!(world.authenticator.tenant(&theirs).await.is_ok());
    set(TenantState::Active).await;
    assert!(world.authenticator.tenant(&ours).await.is_ok());
    world.catalog.delete_tenant(&world.operator, world.a.tenant()).await.unwrap();
    assert_eq!(world.authenticator.tenant(&ours).await.unwrap_err(), Denied::Unknown);
    assert!(world.authenticator.tenant(&theirs).await.is_ok());
}

#[tokio::test]
async fn an_act_whose_caller_goes_away_still_ends() {
    let world = World::start().await;
    let (info, key) =
        world.catalog.create_key(&world.operator, world.a.tenant(), "second", Permissions::ALL).await.unwrap();
    let credential = key.reveal().parse().unwrap();
    assert!(world.authenticator.tenant(&credential).await.is_ok());
    {
        let mut act = Box::pin(world.catalog.revoke_key(&world.operator, world.a.tenant(), info.id));
        let once = std::future::poll_fn(|context| std::task::Poll::Ready(act.as_mut().poll(context).is_pending()));
        assert!(once.await, "the act has begun and is not at its end");
    }
    // The next act waits for the one connection that writes, and so for the end of the one before.
    world.catalog.update_tenant(&world.operator, world.b.tenant(), None, &LimitsPatch::default()).await.unwrap();
    assert_eq!(world.authenticator.tenant(&credential).await.unwrap_err(), Denied::Unknown);
}

#[tokio::test]
async fn keys_carry_their_permissions_and_are_of_their_kind() {
    let world = World::start().await;
    let invoke = Permissions::of(&[Permission::Invoke]);
    let (info, key) = world.catalog.create_key(&world.operator, world.a.tenant(), "calls only", invoke).await.unwrap();
    assert_eq!((info.permissions, info.label.as_str()), (invoke, "calls only"));
    assert_eq!(serde_json::to_value(&info).unwrap()["permissions"], serde_json::json!(["invoke"]));
    let credential = key.reveal().parse().unwrap();
    assert_eq!(world.authenticator.operator(&credential).await.unwrap_err(), Denied::WrongKind);
    let scope = world.authenticator.tenant(&credential).await.unwrap();
    assert!(scope.permit::<insula_tenancy::Deploy>().is_err());
    let none = world.catalog.create_key(&world.operator, world.a.tenant(), "none", Permissions::of(&[])).await;
    assert!(matches!(none, Err(CatalogError::Invalid { .. })));
    for label in ["", "a\nb", &"x".repeat(65)] {
        let refused = world.catalog.create_key(&world.operator, world.a.tenant(), label, invoke).await;
        assert!(matches!(refused, Err(CatalogError::Invalid { .. })), "{label:?}");
    }
    let unknown = world.catalog.create_key(&world.operator, TenantId::generate(), "k", invoke).await;
    assert!(matches!(unknown, Err(CatalogError::NotFound)));
}

#[tokio::test]
async fn a_tenant_has_a_bounded_number_of_keys() {
    let world = World::start().await;
    let create = async || world.catalog.create_key(&world.operator, world.a.tenant(), "k", Permissions::ALL).await;
    for _ in 1..100 {
        create().await.unwrap();
    }
    assert!(matches!(create().await, Err(CatalogError::LimitReached { limit: 100, .. })));
    let keys = world.catalog.keys(&world.operator, world.a.tenant()).await.unwrap();
    world.catalog.revoke_key(&world.operator, world.a.tenant(), keys[7].id).await.unwrap();
    assert!(create().await.is_ok());
}

/// What a look-up reads is what its time could tell: one row, of this key or of the one before it.
#[tokio::test]
async fn a_look_up_reads_one_row_whether_there_is_such_a_key_or_not_and_keeps_what_it_opens_only() {
    let world = World::start().await;
    let make = async |scope: &TenantScope| {
        world.catalog.create_key(&world.operator, scope.tenant(), "k", Permissions::ALL).await.unwrap()
    };
    let ((ours, key), (revoked, _), absent) = (make(&world.a).await, make(&world.b).await, NewKey::generate().unwrap());
    world.catalog.revoke_key(&world.operator, world.b.tenant(), revoked.id).await.unwrap();
    let other_secret = NewKey::generate().unwrap().reveal();
    for id in [ours.id, revoked.id, absent.id()] {
        let rows = sqlx::query(sql::FIND_KEY).bind(id.to_string()).fetch_all(&world.catalog.inner.readers).await;
        assert_eq!(rows.unwrap().len(), 1, "{id}");
        let wrong = format!("isk_{}{}", &id.to_string()[4..], &other_secret[30..]);
        assert!(world.catalog.find(&wrong.parse().unwrap()).await.unwrap().is_none(), "{id}");
        assert!(world.catalog.cached(id).is_none(), "{id}");
    }
    assert!(world.catalog.find(&absent.reveal().parse().unwrap()).await.unwrap().is_none());
    assert!(world.catalog.find(&key.reveal().parse().unwrap()).await.unwrap().is_some());
    assert!(world.catalog.cached(ours.id).is_some());
}
